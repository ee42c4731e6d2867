//! A view's rows on disk written again from the log, in the place of those that are there.

use std::ops::Bound;

use feature::{EntityKey, Micros, VersionId};
use heed::{RoTxn, RwTxn};

use super::record::Record;
use super::{Embedded, row_place};
use crate::error::OnlineError;
use crate::mending::{Entities, Mender, Mending, Verdict, verdict};
use crate::packed::Held;
use crate::store::{Change, Outcome, Stats};

impl Embedded {
    /// The view's record; none where there is none that can be read.
    fn sound_record(&self, txn: &RoTxn<'_>, view: &VersionId) -> heed::Result<Option<Record>> {
        match self.record(txn, view) {
            Err(heed::Error::Decoding(_)) => Ok(None),
            record => record,
        }
    }

    fn mend_now(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        let heed = |error| self.error(error);
        let heads: Vec<Held> =
            rows.iter().map(|row| Held::of(view, row.bytes)).collect::<Result<_, OnlineError>>()?;
        let mut txn = self.environment.env.write_txn().map_err(heed)?;
        let before = self.sound_record(&txn, view).map_err(heed)?;
        let mut record = match before {
            Some(record) => record,
            None => Record { number: self.next_number(&mut txn).map_err(heed)?, stats: Stats::default() },
        };
        let mut outcomes = Vec::with_capacity(rows.len());
        let mut changes = Vec::new();
        for (row, new) in rows.iter().zip(&heads) {
            let outcome = self.mend_row(&mut txn, view, &mut record, row, new).map_err(heed)?;
            if outcome == Outcome::Written {
                changes.push(Change::Row { view: view.clone(), key: row.key.clone() });
            }
            outcomes.push(outcome);
        }
        record.stats.applied_at = record.stats.applied_at.max(applied_at);
        if before.and_then(|before| before.stats.applied_at) != record.stats.applied_at {
            changes.push(Change::View(view.clone()));
        }
        if !changes.is_empty() {
            let name = view.to_string();
            self.environment.views.put(&mut txn, name.as_bytes(), &record.to_bytes()).map_err(heed)?;
            self.note_changes(&mut txn, &changes).map_err(heed)?;
            txn.commit().map_err(heed)?;
        }
        Ok(outcomes)
    }

    fn mend_row(
        &self,
        txn: &mut RwTxn<'_>,
        view: &VersionId,
        record: &mut Record,
        row: &Mending<'_>,
        new: &Held,
    ) -> heed::Result<Outcome> {
        let mut place = Vec::new();
        let place = row_place(&mut place, record.number, row.key);
        if let Some(held) = self.environment.rows.get(txn, place)? {
            match verdict(view, held, new, row) {
                Verdict::Same => return Ok(Outcome::Unchanged),
                Verdict::Conflict => return Ok(Outcome::Conflict { held: held.to_vec() }),
                Verdict::Write => {}
            }
            record.stats.bytes = record.stats.bytes.saturating_sub((place.len() + held.len()) as u64);
            record.stats.rows = record.stats.rows.saturating_sub(1);
        }
        self.environment.rows.put(txn, place, row.bytes)?;
        record.stats.bytes += (place.len() + row.bytes.len()) as u64;
        record.stats.rows += 1;
        Ok(Outcome::Written)
    }

    fn strays_now(&self, view: &VersionId, known: &Entities) -> heed::Result<Vec<(EntityKey, Vec<u8>)>> {
        let txn = self.environment.env.read_txn()?;
        let mut strays = Vec::new();
        let Some(record) = self.sound_record(&txn, view)? else { return Ok(strays) };
        for row in self.environment.rows.prefix_iter(&txn, &record.number.to_be_bytes())? {
            let (place, bytes) = row?;
            let key = place.get(size_of::<u32>()..).unwrap_or_default();
            if let Ok(key) = EntityKey::from_bytes(key.into())
                && !known.contains(&key)
            {
                strays.push((key, bytes.to_vec()));
            }
        }
        Ok(strays)
    }

    fn remove_now(&self, view: &VersionId, rows: &[(EntityKey, Vec<u8>)]) -> heed::Result<u64> {
        let mut txn = self.environment.env.write_txn()?;
        let Some(mut record) = self.sound_record(&txn, view)? else { return Ok(0) };
        let mut place = Vec::new();
        let mut changes = Vec::new();
        for (key, bytes) in rows {
            let place = row_place(&mut place, record.number, key);
            if self.environment.rows.get(&txn, place)? != Some(bytes) {
                continue;
            }
            self.environment.rows.delete(&mut txn, place)?;
            record.stats.bytes = record.stats.bytes.saturating_sub((place.len() + bytes.len()) as u64);
            record.stats.rows = record.stats.rows.saturating_sub(1);
            changes.push(Change::Row { view: view.clone(), key: key.clone() });
        }
        if !changes.is_empty() {
            let name = view.to_string();
            self.environment.views.put(&mut txn, name.as_bytes(), &record.to_bytes())?;
            self.note_changes(&mut txn, &changes)?;
            txn.commit()?;
        }
        Ok(changes.len() as u64)
    }

    fn recount_now(&self, view: &VersionId) -> heed::Result<()> {
        let mut txn = self.environment.env.write_txn()?;
        let Some(record) = self.sound_record(&txn, view)? else { return Ok(()) };
        let (mut rows, mut bytes) = (0, 0);
        let first = record.number.to_be_bytes();
        let range = (Bound::Included(&first[..]), Bound::Unbounded);
        for row in self.environment.rows.range(&txn, &range)? {
            let (place, row) = row?;
            if !place.starts_with(&first) {
                break;
            }
            rows += 1;
            bytes += (place.len() + row.len()) as u64;
        }
        let counted = Record { stats: Stats { rows, bytes, ..record.stats }, ..record };
        if counted != record {
            self.environment.views.put(&mut txn, view.to_string().as_bytes(), &counted.to_bytes())?;
            txn.commit()?;
        }
        Ok(())
    }
}

impl Mender for Embedded {
    async fn mend(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        self.mend_now(view, rows, applied_at)
    }

    async fn strays(
        &self,
        view: &VersionId,
        known: &Entities,
    ) -> Result<Vec<(EntityKey, Vec<u8>)>, OnlineError> {
        self.strays_now(view, known).map_err(|error| self.error(error))
    }

    async fn remove(&self, view: &VersionId, rows: &[(EntityKey, Vec<u8>)]) -> Result<u64, OnlineError> {
        self.remove_now(view, rows).map_err(|error| self.error(error))
    }

    async fn recount(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.recount_now(view).map_err(|error| self.error(error))
    }
}
