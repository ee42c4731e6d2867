//! Rows compared and set in one transaction. Those that come in the order of their keys and after all that are there, as
//! of a view that is loaded first, are appended to the table: no page is split, and none is left half empty.

use feature::{Micros, VersionId};
use heed::{PutFlags, RoTxn, RwTxn};

use super::environment::Environment;
use super::failed::Failed;
use super::record::Record;
use super::row_key::row_key;
use super::seal::{Stored, stored};
use super::{Opened, changes, damaged_row};
use crate::decision::Decision;
use crate::error::OnlineError;
use crate::packed::RowIdentity;
use crate::store::{Change, Outcome, RowWrite};

/// How whoever follows the store is notified of what a write changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Noting {
    /// Of each row.
    EachRow,
    /// Of each row where few are written, else of the view.
    Few,
}

/// The greatest key of all rows while a transaction lasts; `None` where there is none.
pub(super) struct Last(Option<Vec<u8>>);

impl Last {
    pub(super) fn of(environment: &Environment, txn: &RoTxn<'_>) -> heed::Result<Self> {
        Ok(Self(environment.rows.last(txn)?.map(|(key, _)| key.to_vec())))
    }

    /// Whether a key is greater, so that no row is there under it.
    pub(super) fn is_before(&self, stored_key: &[u8]) -> bool {
        self.0.as_deref().is_none_or(|last| last < stored_key)
    }
}

impl Opened {
    pub(super) fn replace_now(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
        noting: Noting,
    ) -> Result<Vec<Outcome>, Failed> {
        // Rows that are none are refused before anything is locked.
        let identities: Vec<RowIdentity> =
            rows.iter().map(|row| RowIdentity::of(view, row.bytes)).collect::<Result<_, OnlineError>>()?;
        let mut txn = self.environment.write_txn()?;
        let (before, mut record) = self.record_to_write(&mut txn, view)?;
        let mut last = Last::of(&self.environment, &txn)?;
        let mut outcomes = Vec::with_capacity(rows.len());
        for (row, new) in rows.iter().zip(identities) {
            outcomes.push(self.replace_row(&mut txn, view, &mut record, (row, &new), &mut last)?);
        }
        record.stats.applied_at = record.stats.applied_at.max(applied_at);
        if before != Some(record) || outcomes.contains(&Outcome::Written) {
            self.put_record(&mut txn, view, record)?;
            let written = rows.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Written);
            let written = written.map(|(row, _)| row.key);
            let mut changes: Vec<Change> = match noting {
                Noting::EachRow => {
                    written.map(|key| Change::Row { view: view.clone(), key: key.clone() }).collect()
                }
                Noting::Few => changes::of_many(view, written),
            };
            if before.and_then(|before| before.stats.applied_at) != record.stats.applied_at {
                changes.push(Change::View(view.clone()));
            }
            changes::note(&self.environment, &mut txn, &changes)?;
            self.environment.commit(txn)?;
        }
        Ok(outcomes)
    }

    fn replace_row(
        &self,
        txn: &mut RwTxn<'_>,
        view: &VersionId,
        record: &mut Record,
        (row, new): (&RowWrite<'_>, &RowIdentity),
        last: &mut Last,
    ) -> Result<Outcome, Failed> {
        let mut buffer = Vec::new();
        let stored_key = row_key(&mut buffer, record.number, row.key);
        if !last.is_before(stored_key)
            && let Some(bytes) = self.environment.rows.get(txn, stored_key)?
        {
            let there = Stored::of(bytes);
            let bytes = there.check(stored_key).map_err(|what| damaged_row(view, row.key, what))?;
            match self.comparison.decide(view, &RowIdentity::of_whole(view, bytes)?, new)? {
                Decision::Unchanged => return Ok(Outcome::Unchanged),
                Decision::Refold => return Ok(Outcome::Conflict { held: bytes.to_vec() }),
                Decision::Write => {}
            }
            record.subtract(stored_key.len() + bytes.len(), there.share(stored_key));
        }
        self.put_row(txn, record, stored_key, row.bytes, last)?;
        Ok(Outcome::Written)
    }

    /// Writes a row where there is none that counts.
    pub(super) fn put_row(
        &self,
        txn: &mut RwTxn<'_>,
        record: &mut Record,
        stored_key: &[u8],
        row: &[u8],
        last: &mut Last,
    ) -> heed::Result<()> {
        let bytes = stored(stored_key, row);
        if last.is_before(stored_key) {
            self.environment.rows.put_with_flags(txn, PutFlags::APPEND, stored_key, &bytes)?;
            *last = Last(Some(stored_key.to_vec()));
        } else {
            self.environment.rows.put(txn, stored_key, &bytes)?;
        }
        record.add(stored_key.len() + row.len(), Stored::of(&bytes).share(stored_key));
        Ok(())
    }
}
