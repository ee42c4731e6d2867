//! One writer of the registry at a time: a writer that waits says for which process, and gives up in a sentence.

use std::path::Path;
use std::time::Duration;

use locks::{Holder, Locked, Wait};
use sqlx::{Sqlite, Transaction};

use crate::digest::Part;
use crate::error::{self, RegistryError, sqlite_code};
use crate::file::{BUSY, beside};
use crate::store::Registry;

/// How often it is looked whether the other one has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Registry {
    /// Begins a transaction that writes; `action` is what it is for, as in `apply the plan`.
    pub(crate) async fn begin_writing(
        &self,
        action: &'static str,
    ) -> Result<Transaction<'static, Sqlite>, RegistryError> {
        let failed = self.failed(action);
        let begun = self.telling(self.pool().await?.begin_with("BEGIN IMMEDIATE")).await;
        begun.map_err(|(source, locked)| match sqlite_code(&source) {
            Some(error::BUSY) => RegistryError::Locked(locked),
            _ => failed(source),
        })
    }

    /// The same for what the checksum is of: damage that is there is refused, and never becomes what was written.
    pub(crate) async fn begin_changing(
        &self,
        action: &'static str,
    ) -> Result<Transaction<'static, Sqlite>, RegistryError> {
        let mut transaction = self.begin_writing(action).await?;
        self.check(&mut transaction, Part::Registered).await?;
        self.check(&mut transaction, Part::Revisions).await?;
        Ok(transaction)
    }

    /// Waits for SQLite, which waits for another process without a word.
    async fn telling<T>(
        &self,
        doing: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, (sqlx::Error, Locked)> {
        let path = self.path();
        let mut wait = Wait::begin(format!("the registry {}", path.display()), BUSY);
        tokio::pin!(doing);
        loop {
            tokio::select! {
                done = &mut doing => return done.map_err(|error| (error, wait.give_up(holder(path)))),
                // SQLite itself gives up.
                () = tokio::time::sleep(LOOK_EVERY) => drop(wait.look(|| holder(path))),
            }
        }
    }
}

/// The writer: the lock lies in the index of the write-ahead log, or on the file where there is none.
fn holder(path: &Path) -> Option<Holder> {
    Holder::of_file(&beside(path, "-shm")).or_else(|| Holder::of_file(path))
}
