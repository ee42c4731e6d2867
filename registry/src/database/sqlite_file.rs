//! A registry in a file of SQLite's, as this process has it open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use locks::Holder;
use sqlx::AnyPool;

use super::file::{self, NewFile, beside};
use super::open_file::OpenFile;
use super::sqlite_error;
use crate::error::RegistryError;

/// A registry's file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteFile {
    path: PathBuf,
    /// As this process has it open.
    file: Arc<OpenFile>,
    /// The file as it was opened: one that replaces it is another registry.
    opened: Option<(u64, u64)>,
    /// Whether its folder cannot be written.
    is_read_only: bool,
}

/// The file of a new registry until it has its name, which nobody else opens.
#[derive(Debug)]
pub(crate) struct NewRegistryFile {
    new: NewFile,
    path: PathBuf,
}

impl NewRegistryFile {
    /// A new file for this path, also as it is open; `None` if there is a file already.
    pub(crate) async fn beside(path: &Path) -> Result<Option<(Self, SqliteFile)>, RegistryError> {
        if file::look(path)? == file::Found::File {
            return Ok(None);
        }
        let failed = |error| sqlite_error::failure(path, "open", error);
        let new = NewFile::beside(path).await.map_err(failed)?;
        let file = OpenFile::of_new(new.path(), new.pool.clone());
        let opened = SqliteFile { path: path.to_owned(), file, opened: None, is_read_only: false };
        Ok(Some((Self { new, path: path.to_owned() }, opened)))
    }

    /// Gives the file its name, unless another process made one meanwhile.
    pub(crate) async fn name(self) -> std::io::Result<()> {
        self.new.name(&self.path).await
    }
}

/// The address of a registry in a file.
pub(super) fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

impl SqliteFile {
    /// Opens a file that is there.
    pub(crate) async fn open(path: &Path) -> Result<Self, RegistryError> {
        let is_read_only = files::is_read_only(path.parent().unwrap_or(path));
        let file = OpenFile::at(path, is_read_only);
        file.pool(|error| sqlite_error::failure(path, "open", error)).await?;
        Ok(Self { path: path.to_owned(), file, opened: file::identity(path), is_read_only })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its folder cannot be written, as on what is mounted for reading alone.
    pub(super) const fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Its connections, to the files that are there now.
    pub(super) async fn pool(
        &self,
        failed: impl Fn(sqlx::Error) -> RegistryError,
    ) -> Result<AnyPool, RegistryError> {
        self.file.pool(failed).await
    }

    /// Refuses a file that is not the one that was opened.
    pub(super) fn look(&self) -> Result<(), RegistryError> {
        // An opened file is read on after it was removed or replaced.
        if file::identity(&self.path) != self.opened {
            return Err(RegistryError::Gone { file: self.path.clone() });
        }
        // Of one that was emptied, what was read before is still answered from memory.
        file::look(&self.path).map(drop)
    }

    /// Brings what was committed from the journal into the file: whoever loses the journal loses nothing.
    pub(super) async fn committed(
        &self,
        failed: impl Fn(sqlx::Error) -> RegistryError,
    ) -> Result<(), RegistryError> {
        if !self.file.is_there().await {
            return Err(RegistryError::Replaced { file: self.path.clone() });
        }
        // It is committed, whether a reader lets the journal be emptied now or the next writer does so.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool(failed).await?).await;
        Ok(())
    }

    /// The writer: the lock lies in the index of the write-ahead log, or on the file where there is none.
    pub(super) fn writer(&self) -> Option<Holder> {
        Holder::of_file(&beside(&self.path, "-shm")).or_else(|| Holder::of_file(&self.path))
    }
}
