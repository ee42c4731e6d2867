//! The embedded store: packed rows on disk in LMDB, beside the project and shared by its processes.
//! Readers never wait; a call that writes is one transaction, synced to disk before it returns, so
//! that a process killed at any moment leaves what was last acknowledged.

mod changes;
mod contents;
mod conversion;
mod cut_short;
#[cfg(test)]
mod damage;
mod data_file;
mod environment;
mod failed;
mod following;
#[cfg(test)]
mod golden;
mod lock_blocks;
mod mending;
mod opening;
mod owner;
mod page;
mod record;
mod records;
mod replacing;
mod row_key;
mod seal;
mod shared;
#[cfg(test)]
mod tests;
mod walk;
mod writing;

use std::path::Path;
use std::sync::Arc;

use feature::{EntityKey, VersionId};
use heed::{RoTxn, RwTxn};

use crate::error::OnlineError;
use crate::store::{Change, PackedRows, Read, Reader, Stats};
use contents::{NEXT_VIEW, REBUILDING, folded_key};
use data_file::{damaged, data_file};
use environment::Environment;
use failed::Failed;
use record::Record;
use row_key::{row_key, view_prefix};
use seal::{Stored, sealed, unsealed};
use shared::Shared;

pub use shared::Condition;

/// How many rows of a dropped view are removed in one transaction.
const SWEEP_ROWS: usize = 10_000;

/// The online store on disk, in one folder. Clones and further openings share it, and so do other
/// processes of the same machine; the folder has to lie on a local file system. Its futures never
/// wait for anything but the disk: those of a writer sync it on the thread that polls them.
#[derive(Clone, Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    comparison: Comparison,
}

/// What decides whether a row replaces the one in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    /// The positions in both.
    Positions,
    /// Nothing: each row is written, so that tests see what the comparison prevents.
    #[cfg(feature = "fault-injection")]
    Skipped,
}

/// The store's files as they are during one call.
struct Opened {
    environment: Arc<Environment>,
    comparison: Comparison,
}

impl Embedded {
    /// Opens the store in this folder, and makes it where there is none. Every page of its file is read and
    /// checked before any is mapped; of a file of more than 256 MiB all but the leaves of its rows.
    pub fn open(path: &Path) -> Result<Self, OnlineError> {
        Shared::open(path).map(|shared| Self { shared, comparison: Comparison::Positions })
    }

    /// Opens the store in this folder in whatever condition it is. One that cannot be used is put aside, its
    /// file's name with this suffix, for an empty one; see [`Condition`].
    pub fn repair(path: &Path, suffix: &str) -> Result<(Self, Condition), OnlineError> {
        let (shared, condition) = shared::repair(path, suffix)?;
        Ok((Self { shared, comparison: Comparison::Positions }, condition))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.shared.folder()
    }

    /// Whose rows these are, as their writer said.
    pub fn owner(&self) -> Result<Option<String>, OnlineError> {
        owner::owner(self.folder())
    }

    /// Says whose rows these are.
    pub fn set_owner(&self, owner: &str) -> Result<(), OnlineError> {
        owner::set_owner(self.folder(), owner)
    }

    /// Says that a store that was unfinished is filled: from now on, whoever is not found in it is absent.
    pub fn complete(&self) -> Result<(), OnlineError> {
        let Opened { environment, .. } = self.opened_to_write()?;
        shared::end_rebuilding(&environment).map_err(|failed| environment.error(failed))
    }

    /// Reads every page and every row of the store as it is now. Gives how many rows are damaged; where
    /// anything else is not what was written, that is the error.
    pub fn verify(&self) -> Result<u64, OnlineError> {
        self.opened_to_write()?.environment.read_whole().map(|contents| contents.damaged_rows)
    }

    /// Leaves nothing of removed rows in the store's files: they are replaced by a copy. Other processes go on.
    pub fn purge(&self) -> Result<(), OnlineError> {
        self.shared.purge()
    }

    #[cfg(feature = "fault-injection")]
    pub(crate) fn without_compare(self) -> Self {
        Self { comparison: Comparison::Skipped, ..self }
    }

    fn opened(&self) -> Result<Opened, OnlineError> {
        Ok(Opened { environment: self.shared.current()?, comparison: self.comparison })
    }

    /// The same, and surely the files that are there now.
    fn opened_to_write(&self) -> Result<Opened, OnlineError> {
        Ok(Opened { environment: self.shared.newest()?, comparison: self.comparison })
    }

    /// What a read gives; once more where the files that it was of were replaced.
    fn reading<T>(&self, read: impl Fn(&Opened) -> Result<T, Failed>) -> Result<T, OnlineError> {
        let opened = self.opened()?;
        match read(&opened) {
            Err(failed) if opened.environment.is_replaced() => {
                drop((opened, failed));
                let opened = self.opened_to_write()?;
                read(&opened).map_err(|failed| opened.environment.error(failed))
            }
            read => read.map_err(|failed| opened.environment.error(failed)),
        }
    }

    /// What a write gives; once more where the files that it went into were replaced: nothing of it is there.
    fn writing<T>(&self, write: impl Fn(&Opened) -> Result<T, Failed>) -> Result<T, OnlineError> {
        let opened = self.opened_to_write()?;
        match write(&opened) {
            Err(failed) if opened.environment.is_replaced() => {
                drop((opened, failed));
                let opened = self.opened_to_write()?;
                write(&opened).map_err(|failed| opened.environment.error(failed))
            }
            written => written.map_err(|failed| opened.environment.error(failed)),
        }
    }
}

impl Opened {
    fn read_now(&self, txn: &RoTxn<'_>, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, Failed> {
        let mut buffer = Vec::with_capacity(64);
        reads
            .iter()
            .map(|read| {
                let record = self.known_record(txn, read.view)?;
                let mut found =
                    PackedRows::new(record.and_then(|record| record.stats.applied_at), read.keys.len());
                for key in read.keys {
                    found.push(self.row(txn, read.view, record, key, &mut buffer)?);
                }
                Ok(found)
            })
            .collect()
    }

    /// A view's row, which is what was written. None where the entity was never seen.
    fn row<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        view: &VersionId,
        record: Option<Record>,
        key: &EntityKey,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<&'t [u8]>, Failed> {
        if let Some(record) = record {
            let stored_key = row_key(buffer, record.number, key);
            if let Some(bytes) = self.environment.rows.get(txn, stored_key)? {
                return match Stored::of(bytes).check(stored_key) {
                    Ok(row) => Ok(Some(row)),
                    Err(what) => Err(damaged_row(view, key, what).into()),
                };
            }
            if self.environment.has_lost(record.number, record.recounts) {
                return Err(OnlineError::LostRows { view: view.clone() }.into());
            }
        }
        // A view whose rows were counted again was filled.
        if self.environment.was_rebuilding
            && record.is_none_or(|record| record.recounts == 0)
            && self.environment.about.get(txn, REBUILDING)?.is_some()
        {
            return Err(Failed::Known(OnlineError::Unavailable {
                location: self.environment.path.display().to_string(),
                reason: format!(
                    "the rows of {view} are to be written again from the log: rebuild the online store"
                ),
            }));
        }
        Ok(None)
    }

    /// A view's record, which is looked for once in each state of the store.
    fn known_record(&self, txn: &RoTxn<'_>, view: &VersionId) -> Result<Option<Record>, Failed> {
        let state = txn.id();
        if let Some(record) = self.environment.records.get(state, view) {
            return Ok(record);
        }
        let record = self.record(txn, view)?;
        self.environment.records.note(state, view, record);
        Ok(record)
    }

    fn record(&self, txn: &RoTxn<'_>, view: &VersionId) -> Result<Option<Record>, Failed> {
        let name = view.to_string();
        let Some(bytes) = self.environment.views.get(txn, name.as_bytes())? else { return Ok(None) };
        let record = Record::from_bytes(name.as_bytes(), bytes);
        record.map(Some).ok_or_else(|| self.damaged("the record of a view in it is not what was written"))
    }

    fn put_record(&self, txn: &mut RwTxn<'_>, view: &VersionId, record: Record) -> heed::Result<()> {
        let name = view.to_string();
        self.environment.views.put(txn, name.as_bytes(), &record.to_bytes(&name))
    }

    fn damaged(&self, what: &str) -> Failed {
        damaged(&data_file(&self.environment.path), what).into()
    }

    /// The record of a view as it is, and the one to write: a new one where there is none.
    fn record_to_write(
        &self,
        txn: &mut RwTxn<'_>,
        view: &VersionId,
    ) -> Result<(Option<Record>, Record), Failed> {
        let before = self.record(txn, view)?;
        let record = match before {
            Some(record) => record,
            None => Record::new(self.next_number(txn)?),
        };
        Ok((before, record))
    }

    /// A number that no view ever had.
    fn next_number(&self, txn: &mut RwTxn<'_>) -> Result<u32, Failed> {
        let about = self.environment.about;
        let number = match about.get(txn, NEXT_VIEW)? {
            None => 0,
            Some(bytes) => unsealed(NEXT_VIEW, bytes)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u32::from_le_bytes)
                .ok_or_else(|| self.damaged("the number of its next view is not what was written"))?,
        };
        about.put(txn, NEXT_VIEW, &sealed(NEXT_VIEW, &number.saturating_add(1).to_le_bytes()))?;
        Ok(number)
    }

    /// The view is gone at once, with its record; its rows follow in steps. Where that is cut short, the
    /// next call goes on.
    fn drop_now(&self, view: &VersionId) -> Result<(), Failed> {
        let environment = &self.environment;
        let mut txn = environment.write_txn()?;
        if let Some(record) = self.record(&txn, view)? {
            environment.views.delete(&mut txn, view.to_string().as_bytes())?;
            environment.about.delete(&mut txn, &folded_key(view))?;
            let number = view_prefix(record.number);
            environment.dropped.put(&mut txn, &number, &sealed(&number, &[]))?;
            changes::note(environment, &mut txn, &[Change::Dropped(view.clone())])?;
            environment.commit(txn)?;
        } else {
            drop(txn);
        }
        while self.sweep()? {}
        Ok(())
    }

    /// Removes some rows of a dropped view; whether there is more to do.
    fn sweep(&self) -> Result<bool, Failed> {
        let environment = &self.environment;
        let mut txn = environment.write_txn()?;
        let Some((number, note)) = environment.dropped.first(&txn)? else { return Ok(false) };
        if unsealed(number, note).is_none() {
            return Err(self.damaged("the number of a dropped view in it is not what was written"));
        }
        let number = number.to_vec();
        let mut swept = Vec::new();
        for row in environment.rows.prefix_iter(&txn, &number)?.take(SWEEP_ROWS) {
            swept.push(row?.0.to_vec());
        }
        for stored_key in &swept {
            environment.rows.delete(&mut txn, stored_key)?;
        }
        if swept.len() < SWEEP_ROWS {
            environment.dropped.delete(&mut txn, &number)?;
        }
        environment.commit(txn)?;
        Ok(true)
    }
}

fn damaged_row(view: &VersionId, key: &EntityKey, what: &'static str) -> OnlineError {
    OnlineError::DamagedRow { view: view.clone(), key: key.clone(), what }
}

impl Reader for Embedded {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        self.reading(|opened| {
            let txn = opened.environment.env.read_txn()?;
            opened.read_now(&txn, reads)
        })
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.reading(|opened| {
            let txn = opened.environment.env.read_txn()?;
            Ok(opened.record(&txn, view)?.map(|record| record.stats).unwrap_or_default())
        })
    }
}
