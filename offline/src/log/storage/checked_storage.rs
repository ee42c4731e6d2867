//! The files of a log on a local disk: written so that a power cut takes nothing that was committed, and read so
//! that nothing is taken from a file that is not as it was written.
//!
//! Everything of a log goes through here, for every reader: the table format, scans and the join. Parquet files get
//! checksums of their blocks when they are written ([`block_sums`]), commits one of all they hold ([`commit_sum`]),
//! and both are checked whenever they are read. Files of other programs and earlier versions have none, and are read
//! as they are. A commit, a checkpoint and the folder that names it are synced before the write is over; files of rows
//! are synced together, by [`Storage::sync`], before they are committed.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use serde_json::{Value, json};

use crate::blocking::blocking;
use crate::damage::Damaged;
use crate::log::storage::checked_file::CheckedFile;
use crate::log::storage::commit_sum::{self, Chain, CommitSum};
use crate::log::storage::durable;
use crate::log::storage::file_kind::{FileKind, commit_name, is_of_commits, name_of};
use crate::log::storage::last_commit::LastCommit;
use crate::log::storage::table_copy::TableCopy;
use crate::log::storage::upload::{Parts, Upload};

/// Files whose checksums are held for readers that read more of them.
const CACHED_FILES: usize = 64;

/// The storage of one table. Clones share what they know of its files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Storage(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    disk: LocalFileSystem,
    chain: Chain,
    /// Where the files are copies of those in a bucket.
    copy: Option<TableCopy>,
    cached: Mutex<HashMap<PathBuf, CheckedFile>>,
    /// What was found damaged first since the last call: the table format keeps only the text of an error.
    damaged: Mutex<Option<Damaged>>,
}

impl Storage {
    /// The storage of a table that may be one in a bucket.
    pub(crate) fn new(copy: Option<TableCopy>) -> Self {
        Self(Arc::new(Shared { copy, ..Shared::default() }))
    }

    /// Copies a file of rows that lies in a bucket.
    pub(crate) fn fetch(&self, path: &FilePath) -> io::Result<()> {
        self.0.copy.as_ref().map_or(Ok(()), |copy| copy.fetch(path))
    }

    /// Whether files may be missing here that lie in a bucket.
    pub(crate) fn has_copies(&self) -> bool {
        self.0.copy.is_some()
    }

    /// What was found damaged since the last call of this.
    pub(crate) fn take_damaged(&self) -> Option<Damaged> {
        self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets go of the files that are open: they may have been written again under their names.
    pub(crate) fn close_files(&self) {
        self.0.cached.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The checksum of all bytes of a commit, where that was read or written lately.
    pub(crate) fn commit_sum(&self, version: u64) -> Option<u32> {
        self.0.chain.whole(version)
    }

    /// Syncs files of rows and their folders, up to this one, or writes them into their bucket; gives how long the files
    /// are.
    pub(crate) async fn sync(&self, files: Vec<PathBuf>, root: PathBuf) -> io::Result<Vec<u64>> {
        let storage = self.clone();
        blocking(move || {
            match &storage.0.copy {
                Some(copy) => copy.upload_all(files.clone())?,
                None => durable::sync_files(&files, &root)?,
            }
            files.iter().map(|file| Ok(std::fs::metadata(file)?.len())).collect()
        })
        .await
    }

    fn path(&self, location: &Path) -> Result<PathBuf> {
        self.0.disk.path_to_filesystem(location)
    }

    fn failed(&self, path: &FilePath, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::IsADirectory {
            let damaged = Damaged::new(path, "it is a folder, and was a file");
            self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(damaged);
        }
        if let Some(damaged) = Damaged::behind(&error) {
            self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(damaged);
        }
        let path = path.display().to_string();
        match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound { path, source: Box::new(error) },
            io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: Box::new(error) },
            _ => Error::Generic { store: "log", source: Box::new(error) },
        }
    }

    /// A file that is read, with its checksums.
    fn checked(&self, path: &FilePath) -> io::Result<CheckedFile> {
        let lock = || self.0.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = lock().get(path) {
            return Ok(file.clone());
        }
        let file = match &self.0.copy {
            Some(copy) => copy.open(path, || CheckedFile::open(path))?,
            None => CheckedFile::open(path)?,
        };
        let mut cached = lock();
        if cached.len() >= CACHED_FILES {
            cached.clear();
        }
        cached.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    /// The bytes of a commit, which are as they were written.
    pub(crate) fn commit(&self, path: &FilePath, version: u64) -> io::Result<(Vec<u8>, CommitSum)> {
        let bytes = std::fs::read(path)?;
        let sum = self.chained(path, version, &bytes)?;
        Ok((bytes, sum))
    }

    /// The checksums of a commit with these bytes, which are as they were written and follow the one before.
    fn chained(&self, path: &FilePath, version: u64, bytes: &[u8]) -> io::Result<CommitSum> {
        let sum = commit_sum::checked(&name_of(path), bytes).map_err(|why| Damaged::new(path, why))?;
        match self.0.chain.add(version, sum) {
            None => Ok(sum),
            Some(replaced) => {
                let path = path.with_file_name(commit_name(replaced));
                Err(Damaged::new(&path, "it is another than the one that the next commit follows").into())
            }
        }
    }

    /// The newest checkpoint, as it was noted: only a hint, which is given where there is such a checkpoint.
    fn last_checkpoint(&self, path: &FilePath) -> io::Result<Vec<u8>> {
        let noted: Option<Value> = serde_json::from_slice(&std::fs::read(path)?).ok();
        let version = noted.and_then(|noted| noted.get("version")?.as_u64());
        let checkpoint =
            version.map(|version| path.with_file_name(format!("{version:020}.checkpoint.parquet")));
        let is_there = |path: &PathBuf| path.metadata().is_ok_and(|found| found.len() > 0);
        match version.filter(|_| checkpoint.as_ref().is_some_and(is_there)) {
            Some(version) => Ok(serde_json::to_vec(&json!({"version": version, "size": 0}))?),
            // The commits are listed instead.
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn put(&self, path: &FilePath, payload: &PutPayload, mode: &PutMode) -> io::Result<()> {
        let is_new = matches!(mode, PutMode::Create);
        if is_new && path.exists() {
            // Nothing is written and synced for a name that is taken.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let FileKind::Commit(version) = FileKind::of(path) else {
            let mut upload = Upload::begin(path)?;
            payload.iter().try_for_each(|part| upload.write(part))?;
            upload.finish(is_new)?;
            self.0.cached.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
            return self.publish(path);
        };
        let previous = match version.checked_sub(1) {
            Some(previous) => Some(self.sum_of(path, previous)?),
            None => None,
        };
        let commit = commit_sum::signed(&name_of(path), &Bytes::from(payload.clone()), previous);
        let mut upload = Upload::begin(path)?;
        let staged = upload.staged().to_owned();
        match &self.0.copy {
            // Whatever was written under the other name goes with it.
            Some(copy) => copy.commit(path, version, &commit)?,
            None => {
                upload.write(&commit)?;
                upload.finish(is_new)?;
            }
        }
        let sum = self.chained(path, version, &commit)?;
        if let Some(folder) = path.parent() {
            let noted = LastCommit::new(version, sum.whole).write(folder, &staged);
            let noted = noted.and_then(|()| self.publish(&folder.join(LastCommit::NAME)));
            if let Err(error) = noted {
                // The commit is made whatever becomes of the note, which then names an older one: no news to a user.
                tracing::debug!(
                    "`{}` could not be written: {error}",
                    folder.join(LastCommit::NAME).display()
                );
            }
        }
        Ok(())
    }

    /// Writes what lies among the commits into the bucket, too, where there is one.
    fn publish(&self, path: &FilePath) -> io::Result<()> {
        match &self.0.copy {
            Some(copy) if is_of_commits(path) => copy.publish(path),
            _ => Ok(()),
        }
    }

    /// The checksum of all bytes of the commit before one.
    fn sum_of(&self, path: &FilePath, version: u64) -> io::Result<u32> {
        match self.0.chain.whole(version) {
            Some(whole) => Ok(whole),
            None => Ok(self.commit(&path.with_file_name(commit_name(version)), version)?.1.whole),
        }
    }

    fn get(&self, path: &FilePath, kind: FileKind, ranges: &Ranges) -> io::Result<Vec<Bytes>> {
        let whole: Bytes = match kind {
            FileKind::Commit(version) => self.commit(path, version)?.0.into(),
            FileKind::LastCheckpoint => self.last_checkpoint(path)?.into(),
            FileKind::Parquet | FileKind::Other => {
                let file = self.checked(path)?;
                return ranges.within(file.length())?.into_iter().map(|range| file.read(range)).collect();
            }
        };
        let part = |range: Range<u64>| {
            let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
            (range.end <= whole.len()).then(|| whole.slice(range))
        };
        let ranges = ranges.within(whole.len() as u64)?;
        ranges
            .into_iter()
            .map(|range| part(range).ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
            .collect()
    }
}

/// Which bytes of a file are requested.
#[derive(Clone)]
enum Ranges {
    One(Option<object_store::GetRange>),
    Many(Vec<Range<u64>>),
}

impl Ranges {
    fn within(&self, length: u64) -> io::Result<Vec<Range<u64>>> {
        match self {
            Ranges::One(range) => {
                let range = range.as_ref().map_or(Ok(0..length), |range| range.as_range(length));
                Ok(std::iter::once(range.map_err(io::Error::other)?).collect())
            }
            Ranges::Many(ranges) => Ok(ranges.clone()),
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log")
    }
}

#[async_trait]
impl ObjectStore for Storage {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let path = self.path(location)?;
        let storage = self.clone();
        let put = blocking(move || {
            let put = storage.put(&path, &payload, &options.mode);
            put.map_err(|error| storage.failed(&path, error))
        });
        put.await.map(|()| PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.path(location)?;
        let storage = self.clone();
        let begun = {
            let (storage, path) = (storage.clone(), path.clone());
            move || Upload::begin(&path).map_err(|error| storage.failed(&path, error))
        };
        let written = move || storage.publish(&path);
        Ok(Box::new(Parts::new(blocking(begun).await?, written)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let path = self.path(location)?;
        let kind = FileKind::of(&path);
        if kind == FileKind::Parquet && self.has_copies() {
            let (storage, path) = (self.clone(), path.clone());
            blocking(move || storage.fetch(&path).map_err(|error| storage.failed(&path, error))).await?;
        }
        if options.head || kind == FileKind::Other {
            return self.0.disk.get_opts(location, options).await;
        }
        let head = GetOptions { head: true, range: None, ..options.clone() };
        let mut found = self.0.disk.get_opts(location, head).await?;
        let (storage, ranges) = (self.clone(), Ranges::One(options.range));
        let requested = ranges.clone();
        let bytes = blocking(move || {
            let bytes = storage.get(&path, kind, &ranges).map_err(|error| storage.failed(&path, error))?;
            Ok::<_, Error>(bytes.into_iter().next().unwrap_or_default())
        });
        let bytes: Bytes = bytes.await?;
        if kind == FileKind::LastCheckpoint {
            found.meta.size = bytes.len() as u64;
        }
        let start = match requested.within(found.meta.size).ok().and_then(|ranges| ranges.into_iter().next())
        {
            Some(range) => range.start,
            None => 0,
        };
        found.range = start..start + bytes.len() as u64;
        let payload = futures::stream::once(async move { Ok(bytes) }).boxed();
        Ok(GetResult { payload: GetResultPayload::Stream(payload), ..found })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let path = self.path(location)?;
        let (storage, kind, ranges) = (self.clone(), FileKind::of(&path), ranges.to_vec());
        if kind == FileKind::Other {
            return self.0.disk.get_ranges(location, &ranges).await;
        }
        blocking(move || {
            let read = storage.get(&path, kind, &Ranges::Many(ranges));
            read.map_err(|error| storage.failed(&path, error))
        })
        .await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.disk.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.disk.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.disk.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.disk.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.disk.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.disk.rename_opts(from, to, options).await
    }
}
