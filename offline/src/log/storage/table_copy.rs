//! The copy of one table of a bucket: its commits, which are brought up to the bucket's before they are read, and its
//! files of rows, which are copied when somebody reads them.
//!
//! A commit is made in the bucket first, by a write that fails where the name is taken, so writers on many machines
//! agree as writers on one disk do. A note beside the copied commits says which one was the last, and by which tag:
//! so a table that was removed and made again, or lost its end, is distinguished from one that only grew.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, Result};
use serde::{Deserialize, Serialize};

use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::log::storage::bucket::{AT_A_TIME, Bucket, generic, io_error, plain};
use crate::log::storage::upload::staged;
use crate::log::storage::{COMMITS, LAST_CHECKPOINT, LastCommit, commit_name, version_of};

/// How often a file is copied that goes before it is open.
const TRIES: usize = 20;
/// The note of what was copied.
const COPIED: &str = ".copied";

/// The copy of a table, or of the folder that holds tables. Clones are of one bucket.
#[derive(Clone, Debug)]
pub(crate) struct TableCopy {
    bucket: Bucket,
    folder: PathBuf,
}

/// What was copied of a table's commits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Copied {
    /// The last commit, and its tag.
    last: Option<(u64, Option<String>)>,
    /// The tag of the first commit: it tells one table from another of the same name.
    first: Option<String>,
    /// The tag of what says which checkpoint is the newest.
    checkpoint: Option<String>,
}

impl TableCopy {
    pub(super) fn new(bucket: Bucket, folder: PathBuf) -> Self {
        Self { bucket, folder }
    }

    pub(super) fn folder(&self) -> &FilePath {
        &self.folder
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Brings the copied commits up to those in the bucket.
    pub(crate) async fn pull(&self) -> Result<(), OfflineError> {
        let copy = self.clone();
        let pulled = self.bucket.run(async move { copy.pulled().await }).await;
        pulled.map_err(|error| self.failed("read", error))?
    }

    async fn pulled(&self) -> Result<(), OfflineError> {
        let failed = |error: object_store::Error| self.failed("read", plain(error));
        let commits = self.folder.join(COMMITS);
        let mut known = Copied::read(&commits).unwrap_or_default();
        let mut listed =
            self.listed(known.last.as_ref().map(|(version, _)| *version)).await.map_err(failed)?;
        if let Some((version, tag)) = known.last.clone() {
            let same = |object: &ObjectMeta| {
                commit_of(object) == Some(version) && (object.e_tag.is_none() || object.e_tag == tag)
            };
            if !listed.iter().any(same) {
                self.check_replaced(version, &known).await?;
                // Another table has the name now, or none.
                files::remove_folder(&self.folder)
                    .map_err(|error| self.failed("remove the copy of", error))?;
                known = Copied::default();
                listed = self.listed(None).await.map_err(failed)?;
            }
        }
        self.copy(&commits, known, listed).await.map_err(failed)
    }

    /// The objects among the commits, from a version on.
    async fn listed(&self, from: Option<u64>) -> Result<Vec<ObjectMeta>> {
        let commits = self.folder.join(COMMITS);
        let after = from.and_then(|version| version.checked_sub(1));
        // Whatever belongs to the version before is below this name, or is known.
        let after =
            after.map(|version| self.bucket.object(&commits.join(commit_name(version)))).transpose()?;
        self.bucket.list(&self.bucket.object(&commits)?, after.as_ref()).await
    }

    /// Refuses a table that lost a commit which was copied; it is none where the first commit is another, or gone.
    async fn check_replaced(&self, version: u64, known: &Copied) -> Result<(), OfflineError> {
        let failed = |error: object_store::Error| self.failed("read", plain(error));
        let commits = self.folder.join(COMMITS);
        let first = self.bucket.object(&commits.join(commit_name(0))).map_err(failed)?;
        let found = self.bucket.head(&first).await.map_err(failed)?;
        match found.is_some_and(|found| found.e_tag == known.first) {
            true => {
                let lost = self.shown(&commits.join(commit_name(version)));
                let copy = commits.join(commit_name(version));
                let help = format!("restore it from its copy, `{}`", copy.display());
                Err(Damaged::new(&lost, "it is missing or another, and was committed").with_help(help).into())
            }
            false => Ok(()),
        }
    }

    /// Copies what is new of the objects among the commits, so that at no moment a commit lacks the one before.
    async fn copy(&self, commits: &FilePath, known: Copied, listed: Vec<ObjectMeta>) -> Result<()> {
        let is_new = |version: u64| known.last.as_ref().is_none_or(|(last, _)| version > *last);
        let mut now = known.clone();
        let mut due: Vec<&ObjectMeta> = Vec::new();
        for object in &listed {
            let name = object.location.filename().unwrap_or_default();
            if let Some(version) = commit_of(object) {
                if is_new(version) {
                    due.push(object);
                    now.last = Some((version, object.e_tag.clone()));
                }
                if version == 0 {
                    now.first = object.e_tag.clone();
                }
            } else if name == LAST_CHECKPOINT && (object.e_tag.is_none() || object.e_tag != known.checkpoint)
            {
                now.checkpoint = object.e_tag.clone();
                due.push(object);
            } else if name.contains(".checkpoint") && !commits.join(name).exists()
                || name == LastCommit::NAME && known.last.is_none()
            {
                due.push(object);
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(commits).map_err(generic)?;
        // What names a checkpoint or a commit comes after it.
        due.sort_by_key(|object| commit_of(object).map_or((1, 0), |version| (0, version)));
        let due: Vec<Path> = due.into_iter().map(|object| object.location.clone()).collect();
        let reads = due.into_iter().map(|location| {
            let bucket = self.bucket.clone();
            async move { Ok::<_, object_store::Error>((bucket.get(&location).await?, location)) }
        });
        let mut read = stream::iter(reads).buffered(AT_A_TIME);
        while let Some((found, location)) = read.try_next().await? {
            let name = location.filename().unwrap_or_default();
            let Some((_, bytes)) = found else {
                return Err(generic(format!("`{location}` went away while it was read")));
            };
            write_whole(&commits.join(name), &bytes).map_err(generic)?;
        }
        now.write(commits).map_err(generic)
    }

    /// Opens a file of rows, which is copied where it is not there. It blocks. It may be removed before it is open, to free space:
    /// then it is copied again.
    pub(super) fn open<T>(&self, file: &FilePath, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        for _ in 1..TRIES {
            self.fetch(file)?;
            match open() {
                Err(_) if !file.exists() => {}
                opened => return opened,
            }
        }
        self.fetch(file).and_then(|()| open())
    }

    /// Copies a file of rows, unless it is there. It blocks.
    pub(super) fn fetch(&self, file: &FilePath) -> io::Result<()> {
        if file.exists() {
            return Ok(());
        }
        self.bucket.fetch(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Damaged::new(file, "it is missing, and a commit names it").into(),
            _ => error,
        })
    }

    /// Begins to copy files of rows, for a reader that comes to each later.
    pub(super) fn prefetch<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        self.bucket.prefetch(paths.map(|path| self.folder.join(path)).collect());
    }

    /// Copies many files of rows, several at a time.
    pub(crate) async fn fetch_all(&self, paths: impl Iterator<Item = String>) -> Result<(), OfflineError> {
        let (bucket, files) = (self.bucket.clone(), paths.map(|path| self.folder.join(path)).collect());
        let fetched = self.bucket.run(async move { bucket.download_all(files).await }).await;
        self.answered("read", fetched)
    }

    /// Writes files of rows into the bucket before a commit names them. It blocks.
    pub(super) fn upload_all(&self, files: Vec<PathBuf>) -> io::Result<()> {
        let bucket = self.bucket.clone();
        let uploads = async move {
            let uploads = files.into_iter().map(|file| {
                let bucket = bucket.clone();
                async move { bucket.upload(&file).await }
            });
            stream::iter(uploads).buffer_unordered(4).try_collect().await
        };
        self.bucket.wait(uploads)?.map_err(io_error)
    }

    /// Writes a small file that lies among the commits into the bucket. It blocks.
    pub(super) fn publish(&self, file: &FilePath) -> io::Result<()> {
        let (bucket, object) = (self.bucket.clone(), self.bucket.object(file).map_err(io_error)?);
        let bytes = Bytes::from(fs::read(file)?);
        self.bucket.wait(async move { bucket.put(&object, bytes).await })?.map_err(io_error).map(drop)
    }

    /// Makes a commit in the bucket, and copies it; an error where another has the version. It blocks.
    pub(super) fn commit(&self, file: &FilePath, version: u64, commit: &[u8]) -> io::Result<()> {
        let (bucket, object) = (self.bucket.clone(), self.bucket.object(file).map_err(io_error)?);
        let bytes = Bytes::copy_from_slice(commit);
        let made = self.bucket.wait(async move { bucket.create(&object, bytes).await })?;
        let Some(tag) = made.map_err(io_error)? else { return Err(io::ErrorKind::AlreadyExists.into()) };
        write_whole(file, commit)?;
        let Some(commits) = file.parent() else { return Ok(()) };
        let mut copied = Copied::read(commits).unwrap_or_default();
        if version == 0 {
            copied = Copied { first: tag.clone(), ..Copied::default() };
        }
        // Otherwise the next pull copies what lies between, and this commit again.
        if copied.last.as_ref().map_or(0, |(last, _)| last + 1) == version {
            copied.last = Some((version, tag));
            copied.write(commits)?;
        }
        Ok(())
    }

    /// Removes the table from the bucket: its last commits first, so that what is left of it is not read as an older one.
    /// It blocks.
    pub(crate) fn remove(&self) -> Result<(), OfflineError> {
        let (copy, bucket) = (self.clone(), self.bucket.clone());
        let removed = self.bucket.wait(async move {
            let commits = bucket.object(&copy.folder.join(COMMITS))?;
            let mut objects: Vec<Path> =
                bucket.list(&commits, None).await?.into_iter().map(|found| found.location).collect();
            // The note of the last commit sorts before all of them, so it goes last.
            objects.reverse();
            let rows = bucket.list(&bucket.object(&copy.folder)?, None).await?;
            objects.extend(
                rows.into_iter().map(|found| found.location).filter(|path| !path.prefix_matches(&commits)),
            );
            bucket.delete(objects).await
        });
        self.answered("remove", removed)?;
        files::remove_folder(&self.folder).map_err(|error| self.failed("remove the copy of", error))
    }

    /// Tables below this folder that the bucket has, as their paths in it. It blocks.
    pub(crate) fn tables(&self) -> Result<Vec<String>, OfflineError> {
        let (copy, bucket) = (self.clone(), self.bucket.clone());
        let listed = self.bucket.wait(async move {
            let below = bucket.object(&copy.folder)?;
            let listed = bucket.list(&below, None).await?;
            let first = format!("/{COMMITS}/{}", commit_name(0));
            let table = |object: ObjectMeta| {
                let path = object.location.as_ref().strip_prefix(below.as_ref())?.strip_suffix(&first)?;
                Some(path.trim_start_matches('/').to_owned())
            };
            Ok(listed.into_iter().filter_map(table).collect())
        });
        self.answered("read", listed)
    }

    /// How long the files of the table are that lie in the bucket. It blocks.
    pub(crate) fn lengths(&self) -> Result<HashMap<PathBuf, u64>, OfflineError> {
        let (copy, bucket) = (self.clone(), self.bucket.clone());
        let listed = self.bucket.wait(async move {
            let below = bucket.object(&copy.folder)?;
            let listed = bucket.list(&below, None).await?;
            let file = |object: ObjectMeta| {
                let path = object.location.as_ref().strip_prefix(below.as_ref())?;
                Some((copy.folder.join(path.trim_start_matches('/')), object.size))
            };
            Ok(listed.into_iter().filter_map(file).collect())
        });
        self.answered("read", listed)
    }

    /// The copy of a table below this folder.
    pub(crate) fn below(&self, path: &str) -> Self {
        Self { bucket: self.bucket.clone(), folder: self.folder.join(path) }
    }

    /// The same as [`Self::pull`], for a thread that may block.
    pub(crate) fn pull_blocking(&self) -> Result<(), OfflineError> {
        let copy = self.clone();
        let pulled = self.bucket.wait(async move { copy.pulled().await });
        pulled.map_err(|error| self.failed("read", error))?
    }

    /// A file as its object is called, for messages.
    fn shown(&self, file: &FilePath) -> PathBuf {
        let below = file.strip_prefix(self.bucket.folder()).unwrap_or(file);
        PathBuf::from(format!("{}{}", self.bucket.url(), below.display()))
    }

    fn answered<T>(&self, action: &'static str, answer: io::Result<Result<T>>) -> Result<T, OfflineError> {
        answer.map_err(|error| self.failed(action, error))?.map_err(|error| self.failed(action, plain(error)))
    }

    fn failed(
        &self,
        action: &'static str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> OfflineError {
        OfflineError::file(action, &self.shown(&self.folder), error)
    }
}

impl Copied {
    /// What is noted; `None` if nothing is that can be believed, so that all is copied again.
    fn read(commits: &FilePath) -> Option<Self> {
        let copied: Self = serde_json::from_slice(&fs::read(commits.join(COPIED)).ok()?).ok()?;
        let is_there = |version: u64| commits.join(commit_name(version)).exists();
        copied.last.as_ref().is_some_and(|(last, _)| is_there(0) && is_there(*last)).then_some(copied)
    }

    fn write(&self, commits: &FilePath) -> io::Result<()> {
        write_whole(&commits.join(COPIED), &serde_json::to_vec(self)?)
    }
}

/// The version of a commit, where an object is one.
fn commit_of(object: &ObjectMeta) -> Option<u64> {
    version_of(object.location.filename()?.strip_suffix(".json")?)
}

/// Writes a file as a whole, replacing one of the name.
fn write_whole(file: &FilePath, bytes: &[u8]) -> io::Result<()> {
    let part = staged(file);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, file)).inspect_err(|_| {
        // The error that is given says more than one of this would.
        let _ = fs::remove_file(&part);
    })
}
