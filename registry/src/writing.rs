//! One writer of the registry at a time: a writer that waits says for which process, and gives up in a sentence.

use std::time::Duration;

use locks::{Locked, Wait};
use sqlx::{Any, Transaction};

use crate::database::Database;
use crate::database::connections::BUSY;
use crate::digest::Part;
use crate::error::RegistryError;
use crate::store::Registry;

/// How often it is looked whether the other one has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Registry {
    /// Begins a transaction that writes; `action` is what it is for, as in `apply the plan`.
    pub(crate) async fn begin_writing(
        &self,
        action: &'static str,
    ) -> Result<Transaction<'static, Any>, RegistryError> {
        let failed = self.failed(action);
        let pool = self.pool().await?;
        let begun = self.telling(self.database().begin_writing(&pool)).await;
        begun.map_err(|(source, locked)| match Database::is_busy(&source) {
            true => RegistryError::Locked(locked),
            false => failed(source),
        })
    }

    /// The same for what the checksum is of: damage that is there is refused, and never becomes what was written.
    pub(crate) async fn begin_changing(
        &self,
        action: &'static str,
    ) -> Result<Transaction<'static, Any>, RegistryError> {
        let mut transaction = self.begin_writing(action).await?;
        self.check(&mut transaction, Part::Registered).await?;
        self.check(&mut transaction, Part::Revisions).await?;
        Ok(transaction)
    }

    /// Waits for the database, which waits for another process without a word.
    async fn telling<T>(
        &self,
        doing: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, (sqlx::Error, Locked)> {
        let database = self.database();
        let mut wait = Wait::begin(format!("the registry {}", database.shown()), BUSY);
        tokio::pin!(doing);
        loop {
            tokio::select! {
                done = &mut doing => return done.map_err(|error| (error, wait.give_up(database.writer()))),
                // The database itself gives up.
                () = tokio::time::sleep(LOOK_EVERY) => drop(wait.look(|| database.writer())),
            }
        }
    }
}
