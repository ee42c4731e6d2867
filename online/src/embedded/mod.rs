//! The embedded store: packed rows on disk in LMDB, beside the project and shared by its processes.
//! Readers never wait; a call that writes is one transaction, synced to disk before it returns, so
//! that a process killed at any moment leaves what was last acknowledged.

mod changes;
mod environment;
#[cfg(test)]
mod golden;
mod mending;
mod record;
mod records;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use feature::{EntityKey, Micros, VersionId};
use heed::{RoTxn, RwTxn};

use crate::error::OnlineError;
use crate::packed::Held;
use crate::store::{Change, Found, Outcome, Read, Reader, Replacement, Stats, Writer};
use environment::Environment;
use record::Record;

/// How many rows of a dropped view are removed in one transaction.
const SWEEP_ROWS: usize = 10_000;

/// The online store on disk, in one folder. Clones and further openings share it, and so do other
/// processes of the same machine; the folder has to lie on a local file system. Its futures never
/// wait for anything but the disk: those of a writer sync it on the thread that polls them.
#[derive(Clone, Debug)]
pub struct Embedded {
    environment: Arc<Environment>,
    /// Whether positions decide what is written.
    compares: bool,
}

impl Embedded {
    /// Opens the store in this folder, and makes it where there is none.
    pub fn open(path: &Path) -> Result<Self, OnlineError> {
        Environment::open(path).map(|environment| Self { environment, compares: true })
    }

    pub(crate) fn without_compare(self) -> Self {
        Self { compares: false, ..self }
    }

    fn read_now(&self, txn: &RoTxn<'_>, reads: &[Read<'_>]) -> heed::Result<Vec<Found>> {
        let mut place = Vec::with_capacity(64);
        reads
            .iter()
            .map(|read| {
                let record = self.known_record(txn, read.view)?;
                let mut found =
                    Found::new(record.and_then(|record| record.stats.applied_at), read.keys.len());
                for key in read.keys {
                    found.push(match record {
                        Some(record) => {
                            self.environment.rows.get(txn, row_place(&mut place, record.number, key))?
                        }
                        None => None,
                    });
                }
                Ok(found)
            })
            .collect()
    }

    /// A view's record, which is looked for once in each state of the store.
    fn known_record(&self, txn: &RoTxn<'_>, view: &VersionId) -> heed::Result<Option<Record>> {
        let state = txn.id();
        if let Some(record) = self.environment.records.get(state, view) {
            return Ok(record);
        }
        let record = self.record(txn, view)?;
        self.environment.records.note(state, view, record);
        Ok(record)
    }

    fn record(&self, txn: &RoTxn<'_>, view: &VersionId) -> heed::Result<Option<Record>> {
        let bytes = self.environment.views.get(txn, view.to_string().as_bytes())?;
        bytes.map(|bytes| Record::from_bytes(bytes).ok_or_else(damaged_record)).transpose()
    }

    fn error(&self, error: heed::Error) -> OnlineError {
        self.environment.error(error)
    }

    fn replace_now(
        &self,
        view: &VersionId,
        rows: &[Replacement<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        let heed = |error| self.error(error);
        // Rows that are none are refused before anything is locked.
        let heads: Result<Vec<Held>, OnlineError> =
            rows.iter().map(|row| Held::of(view, row.bytes)).collect();
        let mut txn = self.environment.env.write_txn().map_err(heed)?;
        let before = self.record(&txn, view).map_err(heed)?;
        let mut record = match before {
            Some(record) => record,
            None => Record { number: self.next_number(&mut txn).map_err(heed)?, stats: Stats::default() },
        };
        let mut outcomes = Vec::with_capacity(rows.len());
        for (row, new) in rows.iter().zip(heads?) {
            outcomes.push(self.replace_row(&mut txn, view, &mut record, row, &new)?);
        }
        record.stats.applied_at = record.stats.applied_at.max(applied_at);
        if before != Some(record) || outcomes.contains(&Outcome::Written) {
            let name = view.to_string();
            self.environment.views.put(&mut txn, name.as_bytes(), &record.to_bytes()).map_err(heed)?;
            let written = rows.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Written);
            let mut changes: Vec<Change> =
                written.map(|(row, _)| Change::Row { view: view.clone(), key: row.key.clone() }).collect();
            if before.and_then(|before| before.stats.applied_at) != record.stats.applied_at {
                changes.push(Change::View(view.clone()));
            }
            self.note_changes(&mut txn, &changes).map_err(heed)?;
            txn.commit().map_err(heed)?;
        }
        Ok(outcomes)
    }

    fn replace_row(
        &self,
        txn: &mut RwTxn<'_>,
        view: &VersionId,
        record: &mut Record,
        row: &Replacement<'_>,
        new: &Held,
    ) -> Result<Outcome, OnlineError> {
        let mut place = Vec::new();
        let place = row_place(&mut place, record.number, row.key);
        if let Some(bytes) = self.environment.rows.get(txn, place).map_err(|error| self.error(error))? {
            let held = Held::of(view, bytes)?;
            if held.schema_id != new.schema_id {
                let what = "it is of another definition of the view";
                return Err(OnlineError::Damaged { view: view.clone(), what });
            }
            if self.compares && held.positions.contains(&new.positions) {
                return Ok(Outcome::Unchanged);
            }
            if self.compares && !new.positions.contains(&held.positions) {
                return Ok(Outcome::Conflict { held: bytes.to_vec() });
            }
            record.stats.bytes = record.stats.bytes.saturating_sub((place.len() + bytes.len()) as u64);
            record.stats.rows = record.stats.rows.saturating_sub(1);
        }
        self.environment.rows.put(txn, place, row.bytes).map_err(|error| self.error(error))?;
        record.stats.bytes += (place.len() + row.bytes.len()) as u64;
        record.stats.rows += 1;
        Ok(Outcome::Written)
    }

    /// A number that no view ever had.
    fn next_number(&self, txn: &mut RwTxn<'_>) -> heed::Result<u32> {
        let about = self.environment.about;
        let held = about.get(txn, b"next_view")?.and_then(|bytes| bytes.try_into().ok());
        let number = held.map_or(0, u32::from_le_bytes);
        about.put(txn, b"next_view", &number.saturating_add(1).to_le_bytes())?;
        Ok(number)
    }

    /// The view is gone at once, with its record; its rows follow in steps. Where that is cut short, the
    /// next call goes on.
    fn drop_now(&self, view: &VersionId) -> heed::Result<()> {
        let environment = &self.environment;
        let mut txn = environment.env.write_txn()?;
        if let Some(record) = self.record(&txn, view)? {
            environment.views.delete(&mut txn, view.to_string().as_bytes())?;
            environment.dropped.put(&mut txn, &record.number.to_be_bytes(), &[])?;
            self.note_changes(&mut txn, &[Change::Dropped(view.clone())])?;
            txn.commit()?;
        } else {
            txn.abort();
        }
        while self.sweep()? {}
        Ok(())
    }

    /// Removes some rows of a dropped view; whether there is more to do.
    fn sweep(&self) -> heed::Result<bool> {
        let environment = &self.environment;
        let mut txn = environment.env.write_txn()?;
        let Some((number, _)) = environment.dropped.first(&txn)? else { return Ok(false) };
        let number = number.to_vec();
        let mut places = Vec::new();
        for row in environment.rows.prefix_iter(&txn, &number)?.take(SWEEP_ROWS) {
            places.push(row?.0.to_vec());
        }
        for place in &places {
            environment.rows.delete(&mut txn, place)?;
        }
        if places.len() < SWEEP_ROWS {
            environment.dropped.delete(&mut txn, &number)?;
        }
        txn.commit()?;
        Ok(true)
    }
}

fn damaged_record() -> heed::Error {
    heed::Error::Decoding(
        "a view's record in it is damaged; move the folder away and sync from the log".into(),
    )
}

/// Where a row lies: the view's number, big-endian, and the entity's key.
fn row_place<'a>(place: &'a mut Vec<u8>, number: u32, key: &EntityKey) -> &'a [u8] {
    place.clear();
    place.extend_from_slice(&number.to_be_bytes());
    place.extend_from_slice(key.as_bytes());
    place
}

impl Reader for Embedded {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<Found>, OnlineError> {
        let read = || {
            let txn = self.environment.env.read_txn()?;
            self.read_now(&txn, reads)
        };
        read().map_err(|error| self.error(error))
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        let heed = |error| self.error(error);
        let txn = self.environment.env.read_txn().map_err(heed)?;
        let record = self.record(&txn, view).map_err(heed)?;
        Ok(record.map(|record| record.stats).unwrap_or_default())
    }
}

impl Writer for Embedded {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[Replacement<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        if rows.is_empty() && applied_at.is_none() {
            return Ok(Vec::new());
        }
        self.replace_now(view, rows, applied_at)
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.drop_now(view).map_err(|error| self.error(error))
    }
}
