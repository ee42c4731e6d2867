//! A bucket of an object store that holds logs: its requests, and the folder of this machine that copies of its
//! objects lie in.
//!
//! The bucket has the truth, and the folder only what was read of it or is on its way there: all of it may be deleted
//! while nothing runs. Files of rows never change, so a copy is read as often as it is needed; they stay until they
//! take more than their share of the disk. What is on its way into the bucket is the one that may be written to, a
//! copy may not: so one process never takes the other's rows for copies.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use feature::Micros;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::buffered::BufWriter;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, Result, RetryConfig,
};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use url::Url;

use crate::log::storage::upload::staged;

/// Requests of one process that are on their way at a time, for many small objects.
pub(super) const AT_A_TIME: usize = 16;
/// A larger file goes up in parts of this size.
const PART_BYTES: usize = 16 << 20;
/// How long one request is repeated.
const PATIENCE: Duration = Duration::from_secs(60);
const TRIES: usize = 6;
/// The object that says that logs are kept here.
const MARK: &str = ".twinstore";
/// The object whose time is what time it is in the bucket.
const CLOCK: &str = ".clock";

/// A bucket with a prefix. Clones are one.
#[derive(Clone)]
pub(crate) struct Bucket(Arc<Inner>);

struct Inner {
    url: Url,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    folder: PathBuf,
    kept_bytes: u64,
    /// Bytes of copies, by what this process knows; `None` before they were counted.
    copied: Mutex<Option<u64>>,
    /// Files that are being copied.
    copying: Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
    requests: [AtomicU64; REQUESTS],
}

/// A kind of request.
#[derive(Clone, Copy, Debug)]
enum Request {
    Get,
    Put,
    List,
    Head,
    Delete,
}

const REQUESTS: usize = 5;

/// Requests to a bucket that this process began, each counted once however often it was repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketRequests {
    /// Objects that were read.
    pub get: u64,
    /// Objects that were written.
    pub put: u64,
    /// Listings.
    pub list: u64,
    /// Questions whether an object is there.
    pub head: u64,
    /// Objects that were deleted.
    pub delete: u64,
}

impl BucketRequests {
    /// Those that came since these were counted.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            get: self.get.saturating_sub(before.get),
            put: self.put.saturating_sub(before.put),
            list: self.list.saturating_sub(before.list),
            head: self.head.saturating_sub(before.head),
            delete: self.delete.saturating_sub(before.delete),
        }
    }
}

impl Bucket {
    /// The bucket at a URL whose copies lie in a folder, of at most this many bytes. One process has one for each.
    pub(crate) fn open(url: &Url, folder: &FilePath, kept_bytes: u64) -> Result<Self> {
        static OPENED: Mutex<Vec<Bucket>> = Mutex::new(Vec::new());
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.iter().find(|known| known.0.url == *url && known.0.folder == folder) {
            return Ok(known.clone());
        }
        let bucket = Self(Arc::new(Inner {
            url: url.clone(),
            store: store(url)?,
            prefix: Path::from_url_path(url.path())?,
            folder: folder.to_owned(),
            kept_bytes,
            copied: Mutex::default(),
            copying: Mutex::default(),
            requests: Default::default(),
        }));
        opened.push(bucket.clone());
        Ok(bucket)
    }

    /// The folder of the copies.
    pub(crate) fn folder(&self) -> &FilePath {
        &self.0.folder
    }

    pub(super) fn url(&self) -> &Url {
        &self.0.url
    }

    /// The object that a file in the folder of copies is a copy of.
    pub(super) fn object(&self, file: &FilePath) -> Result<Path> {
        let below = file.strip_prefix(&self.0.folder).unwrap_or(file).display().to_string();
        // Of the root of a bucket there is no prefix.
        let path = format!("{}/{below}", self.0.prefix);
        Ok(Path::parse(path.trim_start_matches('/'))?)
    }

    /// Requests to the bucket so far.
    pub(crate) fn requests(&self) -> BucketRequests {
        let count = |kind: Request| self.counter(kind).map_or(0, |counter| counter.load(Ordering::Relaxed));
        BucketRequests {
            get: count(Request::Get),
            put: count(Request::Put),
            list: count(Request::List),
            head: count(Request::Head),
            delete: count(Request::Delete),
        }
    }

    fn counter(&self, kind: Request) -> Option<&AtomicU64> {
        self.0.requests.get(kind as usize)
    }

    fn count(&self, kind: Request) {
        if let Some(counter) = self.counter(kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for requests. It blocks, and is for threads that may.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        requests: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        runtime()?.spawn(async move {
            // Whoever waited is there: only its thread's end takes it away.
            let _ = answer.send(requests.await);
        });
        answered.recv().map_err(io::Error::other)
    }

    /// The same for a task that must not block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        requests: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        runtime()?.spawn(requests).await.map_err(io::Error::other)
    }

    /// Whether logs are kept here.
    pub(crate) async fn is_marked(&self) -> Result<bool> {
        let (bucket, mark) = (self.clone(), self.object(&self.0.folder.join(MARK))?);
        let found = self.run(async move { bucket.head(&mark).await });
        found.await.map_err(generic)?.map(|found| found.is_some())
    }

    /// Says that logs are kept here.
    pub(crate) async fn mark(&self) -> Result<()> {
        let (bucket, mark) = (self.clone(), self.object(&self.0.folder.join(MARK))?);
        let marked =
            self.run(async move { bucket.put(&mark, Bytes::from_static(b"logs of twinstore\n")).await });
        marked.await.map_err(generic)?.map(drop)
    }

    /// What time it is in the bucket, in whole seconds: the time that it gives to an object that was just written.
    pub(crate) async fn moment(&self) -> Result<Micros> {
        let (bucket, clock) = (self.clone(), self.object(&self.0.folder.join(CLOCK))?);
        let about = self.run(async move {
            bucket.put(&clock, Bytes::from_static(b".")).await?;
            bucket.head(&clock).await
        });
        let about = about.await.map_err(generic)??;
        let written = about.map(|about| about.last_modified.timestamp_micros());
        let written = written.ok_or_else(|| generic("an object that was just written is not there"))?;
        Micros::new(written).map_err(generic)
    }

    pub(super) async fn head(&self, object: &Path) -> Result<Option<ObjectMeta>> {
        self.count(Request::Head);
        unless_missing(self.0.store.head(object).await)
    }

    pub(super) async fn get(&self, object: &Path) -> Result<Option<(ObjectMeta, Bytes)>> {
        self.count(Request::Get);
        let Some(found) = unless_missing(self.0.store.get(object).await)? else { return Ok(None) };
        let about = found.meta.clone();
        Ok(Some((about, found.bytes().await?)))
    }

    pub(super) async fn put(&self, object: &Path, bytes: Bytes) -> Result<Option<String>> {
        self.count(Request::Put);
        Ok(self.0.store.put(object, PutPayload::from_bytes(bytes)).await?.e_tag)
    }

    /// Writes an object if none of the name is there; gives its tag, or `None` where another one has the name.
    pub(super) async fn create(&self, object: &Path, bytes: Bytes) -> Result<Option<Option<String>>> {
        self.count(Request::Put);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let payload = PutPayload::from_bytes(bytes.clone());
        let error = match self.0.store.put_opts(object, payload, options).await {
            Ok(put) => return Ok(Some(put.e_tag)),
            Err(error) => error,
        };
        // A request that was repeated, or whose answer was lost, may have been done: then the object is ours.
        match (self.get(object).await, error) {
            (Ok(Some((about, there))), _) if there == bytes => Ok(Some(about.e_tag)),
            (Ok(Some(_)), _) | (_, Error::AlreadyExists { .. }) => Ok(None),
            (_, error) => Err(error),
        }
    }

    /// The objects below a prefix whose names come after one, in the order of their names.
    pub(super) async fn list(&self, below: &Path, after: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        self.count(Request::List);
        let listed = match after {
            Some(after) => self.0.store.list_with_offset(Some(below), after),
            None => self.0.store.list(Some(below)),
        };
        let mut found: Vec<ObjectMeta> = listed.try_collect().await?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(found)
    }

    /// Deletes objects, one after the other in this order; one that is not there is no error.
    pub(super) async fn delete(&self, objects: Vec<Path>) -> Result<()> {
        for object in objects {
            self.count(Request::Delete);
            unless_missing(self.0.store.delete(&object).await)?;
        }
        Ok(())
    }

    /// Writes a file of the folder into the bucket. It is a copy then.
    pub(super) async fn upload(&self, file: &FilePath) -> Result<()> {
        self.count(Request::Put);
        let object = self.object(file)?;
        let mut writer = BufWriter::with_capacity(self.0.store.clone(), object, PART_BYTES);
        let mut read = tokio::fs::File::open(file).await.map_err(generic)?;
        // One that fails is dropped before it is complete, and leaves no object.
        tokio::io::copy(&mut read, &mut writer).await.map_err(generic)?;
        writer.shutdown().await.map_err(generic)?;
        self.is_copy(file).map_err(generic)
    }

    /// Copies these files where they are not there yet, several at a time.
    pub(super) async fn download_all(&self, files: Vec<PathBuf>) -> Result<()> {
        let missing = files.into_iter().filter(|file| !file.exists());
        let downloads = missing.map(|file| {
            let bucket = self.clone();
            async move { bucket.download(&file).await }
        });
        stream::iter(downloads).buffer_unordered(AT_A_TIME).try_collect().await
    }

    /// Copies an object to its file. It blocks.
    pub(super) fn fetch(&self, file: &FilePath) -> io::Result<()> {
        let (bucket, path) = (self.clone(), file.to_owned());
        self.wait(async move { bucket.download(&path).await })?.map_err(io_error)
    }

    /// Begins to copy these files, for a reader that comes to each later. What fails is said when it does.
    pub(super) fn prefetch(&self, files: Vec<PathBuf>) {
        let bucket = self.clone();
        if let Ok(runtime) = runtime() {
            runtime.spawn(async move { bucket.download_all(files).await });
        }
    }

    /// Copies an object to its file, unless another task of this process does or did.
    async fn download(&self, file: &FilePath) -> Result<()> {
        let copying = || self.0.copying.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = copying().entry(file.to_owned()).or_default().clone();
        let _turn = turn.lock().await;
        let copied = match file.exists() {
            true => Ok(()),
            false => self.copy(file).await,
        };
        copying().remove(file);
        copied
    }

    async fn copy(&self, file: &FilePath) -> Result<()> {
        self.count(Request::Get);
        let found = self.0.store.get(&self.object(file)?).await?;
        let (size, mut parts) = (found.meta.size, found.into_stream());
        let part = staged(file);
        let written = async {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder).map_err(generic)?;
            }
            let mut into = tokio::fs::File::create(&part).await.map_err(generic)?;
            let mut bytes = 0;
            while let Some(read) = parts.try_next().await? {
                bytes += read.len() as u64;
                into.write_all(&read).await.map_err(generic)?;
            }
            into.flush().await.map_err(generic)?;
            match bytes == size {
                true => fs::rename(&part, file).map_err(generic),
                false => Err(generic(format!("{bytes} of its {size} bytes came"))),
            }
        };
        match written.await {
            Ok(()) => self.is_copy(file).map_err(generic),
            Err(error) => {
                // The error that is given says more than one of this would.
                let _ = fs::remove_file(&part);
                Err(error)
            }
        }
    }

    /// Marks a file as a copy, and frees space where copies take too much.
    fn is_copy(&self, file: &FilePath) -> io::Result<()> {
        let about = fs::metadata(file)?;
        let mut permissions = about.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(file, permissions)?;
        let mut copied = self.0.copied.lock().unwrap_or_else(PoisonError::into_inner);
        match *copied {
            Some(bytes) if bytes + about.len() <= self.0.kept_bytes => *copied = Some(bytes + about.len()),
            _ => *copied = Some(self.free_space(file)?),
        }
        Ok(())
    }

    /// Counts the copies, and removes the oldest but for this one where they take too much. A reader that has one open
    /// keeps it.
    fn free_space(&self, newest: &FilePath) -> io::Result<u64> {
        let mut copies = Vec::new();
        copies_in(&self.0.folder, &mut copies)?;
        let mut bytes: u64 = copies.iter().map(|(_, _, bytes)| bytes).sum();
        if bytes <= self.0.kept_bytes {
            return Ok(bytes);
        }
        copies.sort();
        for (_, file, length) in copies.into_iter().filter(|(_, file, _)| file != newest) {
            if bytes <= self.0.kept_bytes / 8 * 7 {
                break;
            }
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => bytes -= length,
            }
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.0.url)
    }
}

/// Files of rows that are copies: when they came, where they lie and how long they are.
fn copies_in(folder: &FilePath, copies: &mut Vec<(SystemTime, PathBuf, u64)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let about = match path.symlink_metadata() {
            // Another process freed space.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about?,
        };
        if about.is_dir() && !path.ends_with(super::COMMITS) {
            copies_in(&path, copies)?;
        } else if about.is_file() && about.permissions().readonly() {
            copies.push((about.modified()?, path, about.len()));
        }
    }
    Ok(())
}

/// The client of the object store that a URL names, with credentials from where its users have them.
fn store(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig { max_retries: TRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
    Ok(match url.scheme() {
        "s3" => Arc::new(AmazonS3Builder::from_env().with_url(url.as_str()).with_retry(retry).build()?),
        "gs" => {
            Arc::new(GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry).build()?)
        }
        "az" => Arc::new(MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry).build()?),
        other => return Err(generic(format!("`{other}` is no object store of this build: s3, gs or az"))),
    })
}

/// The threads that all requests to buckets are made on: they outlive the runtime of whoever began one, and a thread that
/// decodes can wait for them.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let begun = RUNTIME.get_or_init(|| {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        threads.worker_threads(2).thread_name("bucket").enable_all().build().ok()
    });
    begun.as_ref().ok_or_else(|| io::Error::other("no thread for requests to a bucket could be started"))
}

fn unless_missing<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn generic(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "bucket", source: why.into() }
}

/// The same error for readers of files.
pub(super) fn io_error(error: Error) -> io::Error {
    match error {
        Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, plain(error)),
        other => io::Error::other(plain(other)),
    }
}

/// What an error says, without the document that a server sent with it.
pub(crate) fn plain(error: Error) -> String {
    let text = error.to_string();
    let said = text.split(": <?xml").next().unwrap_or_default();
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}
