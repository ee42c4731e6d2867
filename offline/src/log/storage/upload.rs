//! A file of a log while it is written: under another name until all of it is written, so that nobody sees a part of it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use crate::blocking::blocking;
use crate::log::storage::block_sums;
use crate::log::storage::durable::{self, steps};
use crate::log::storage::file_kind::{is_of_commits, name_of};

/// A file that is being written. One that is dropped leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Upload {
    path: PathBuf,
    staged: PathBuf,
    file: Arc<File>,
}

impl Upload {
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        loop {
            let staged = staged(path);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&staged) {
                Ok(file) => {
                    return Ok(Self { path: path.to_owned(), staged, file: Arc::new(file) });
                }
                // One that a killed process of the same number left.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(path.parent().unwrap_or(path))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)
    }

    /// The name that it has meanwhile.
    pub(crate) fn staged(&self) -> &Path {
        &self.staged
    }

    /// Gives the file its name: only if no file has it yet, or replacing one. What lies among the commits is
    /// on disk then, and its name.
    pub(crate) fn finish(self, is_new: bool) -> io::Result<()> {
        if self.path.extension().is_some_and(|extension| extension == "parquet") {
            block_sums::add(&self.file, &name_of(&self.path))?;
        }
        let is_of_commits = is_of_commits(&self.path);
        if is_of_commits {
            durable::sync_file(&self.file, &self.path)?;
        }
        match is_new {
            // Refused where the name is there already.
            true => fs::hard_link(&self.staged, &self.path)?,
            false => fs::rename(&self.staged, &self.path)?,
        }
        steps::named(&self.path);
        match self.path.parent() {
            Some(folder) if is_of_commits => durable::sync_folder(folder),
            _ => Ok(()),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // It is gone already where it took its name by a rename.
        let _ = fs::remove_file(&self.staged);
    }
}

/// A name that no listing of the storage gives, of this process and moment.
pub(super) fn staged(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.as_os_str().to_owned();
    name.push(format!("#{}{:06}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    name.into()
}

/// A file that is written in parts.
pub(crate) struct Parts {
    upload: Option<Upload>,
    /// What is done when it has its name.
    written: Option<Box<dyn FnOnce() -> io::Result<()> + Send + Sync>>,
    /// Where the next part begins.
    at: u64,
}

impl Parts {
    pub(crate) fn new(
        upload: Upload,
        written: impl FnOnce() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { upload: Some(upload), written: Some(Box::new(written)), at: 0 }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("upload", &self.upload).field("at", &self.at).finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let file = self.upload.as_ref().map(|upload| upload.file.clone());
        let mut at = self.at;
        self.at += part.content_length() as u64;
        async move {
            let file = file.ok_or_else(ended)?;
            let written = blocking(move || {
                part.iter().try_for_each(|bytes| {
                    file.write_all_at(bytes, at)?;
                    at += bytes.len() as u64;
                    Ok(())
                })
            });
            written.await.map_err(failed)
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let upload = self.upload.take().ok_or_else(ended)?;
        let written = self.written.take().ok_or_else(ended)?;
        blocking(move || upload.finish(false).and_then(|()| written())).await.map_err(failed)?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        let upload = self.upload.take();
        let dropped = move || {
            drop(upload);
            Ok(())
        };
        blocking(dropped).await
    }
}

fn failed(error: io::Error) -> Error {
    Error::Generic { store: "log", source: Box::new(error) }
}

fn ended() -> Error {
    failed(io::Error::other("its writing has ended already"))
}
