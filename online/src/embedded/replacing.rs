//! Rows compared and set in one transaction. Those that come in the order of their keys and after all that are there, as
//! of a view that is loaded first, are appended to the table: no page is split, and none is left half empty.

use feature::{Micros, VersionId};
use heed::{PutFlags, RoTxn, RwTxn};

use super::changes::Noting;
use super::environment::Environment;
use super::failed::Failed;
use super::record::Record;
use super::row_key::row_key;
use super::seal::{Stored, stored};
use super::{Comparison, Embedded, Opened, changes, damaged_row};
use crate::decision::{Decision, decide};
use crate::error::OnlineError;
use crate::packed::RowIdentity;
use crate::store::{Change, Outcome, RowWrite, Writer};

impl Writer for Embedded {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        self.writing(|opened| opened.replace_now(view, rows, applied_at, Noting::EachRow))
    }

    async fn replace_many(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        self.writing(|opened| opened.replace_now(view, rows, applied_at, Noting::Few))
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.writing(|opened| opened.drop_now(view))
    }
}

impl Comparison {
    fn decide(
        self,
        view: &VersionId,
        current: &RowIdentity,
        new: &RowIdentity,
    ) -> Result<Decision, OnlineError> {
        let decision = decide(view, current, new)?;
        match self {
            Comparison::Positions => Ok(decision),
            #[cfg(feature = "fault-injection")]
            Comparison::Skipped => Ok(Decision::Write),
        }
    }
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
    fn replace_now(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
        noting: Noting,
    ) -> Result<Vec<Outcome>, Failed> {
        if rows.is_empty() && applied_at.is_none() {
            return Ok(Vec::new());
        }
        self.write_rows(view, rows, applied_at, noting, |index, new, stored_key, there| {
            let row = rows.get(index).expect("invariant: a row that is decided is one of those");
            let bytes = there.check(stored_key).map_err(|what| damaged_row(view, row.key, what))?;
            Ok(self.comparison.decide(view, &RowIdentity::of_whole(view, bytes)?, new)?)
        })
    }

    /// Writes rows in one transaction. `decide` says of each that has a row under its stored key, by its index, whether it
    /// replaces that.
    pub(super) fn write_rows(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
        noting: Noting,
        decide: impl Fn(usize, &RowIdentity, &[u8], &Stored<'_>) -> Result<Decision, Failed>,
    ) -> Result<Vec<Outcome>, Failed> {
        // Rows that are none are refused before anything is locked.
        let identities: Vec<RowIdentity> =
            rows.iter().map(|row| RowIdentity::of(view, row.bytes)).collect::<Result<_, OnlineError>>()?;
        let mut txn = self.environment.write_txn()?;
        let (before, mut record) = self.record_to_write(&mut txn, view)?;
        let mut last = Last::of(&self.environment, &txn)?;
        let mut outcomes = Vec::with_capacity(rows.len());
        for (index, (row, new)) in rows.iter().zip(&identities).enumerate() {
            let decide = |stored_key: &[u8], there: &Stored<'_>| decide(index, new, stored_key, there);
            outcomes.push(self.write_row(&mut txn, &mut record, row, &mut last, decide)?);
        }
        let written = rows.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Written);
        let mut changes: Vec<Change> = changes::of_rows(view, written.map(|(row, _)| row.key), noting);
        record.stats.applied_at = record.stats.applied_at.max(applied_at);
        if before.and_then(|before| before.stats.applied_at) != record.stats.applied_at {
            changes.push(Change::View(view.clone()));
        }
        if !changes.is_empty() {
            self.put_record(&mut txn, view, record)?;
            changes::note(&self.environment, &mut txn, &changes)?;
            self.environment.commit(txn)?;
        }
        Ok(outcomes)
    }

    fn write_row(
        &self,
        txn: &mut RwTxn<'_>,
        record: &mut Record,
        row: &RowWrite<'_>,
        last: &mut Last,
        decide: impl FnOnce(&[u8], &Stored<'_>) -> Result<Decision, Failed>,
    ) -> Result<Outcome, Failed> {
        let mut buffer = Vec::new();
        let stored_key = row_key(&mut buffer, record.number, row.key);
        if !last.is_before(stored_key)
            && let Some(bytes) = self.environment.rows.get(txn, stored_key)?
        {
            let there = Stored::of(bytes);
            match decide(stored_key, &there)? {
                Decision::Unchanged => return Ok(Outcome::Unchanged),
                Decision::Refold => return Ok(Outcome::Conflict { current: there.row.to_vec() }),
                Decision::Write => {}
            }
            record.subtract(stored_key.len() + there.row.len(), there.share(stored_key));
        }
        self.put_row(txn, record, stored_key, row.bytes, last)?;
        Ok(Outcome::Written)
    }

    /// Writes a row where there is none that counts.
    fn put_row(
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

#[cfg(test)]
mod tests {
    use feature::EntityKey;
    use tempfile::TempDir;

    use super::*;
    use crate::contract::{Sample, key, read, wait_for};
    use crate::store::{Changed, Followed};

    const ROWS: usize = 3000;

    fn empty() -> (TempDir, Embedded) {
        let folder = TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        (folder, store)
    }

    /// Keys in their order.
    fn keys() -> Vec<EntityKey> {
        (0..ROWS).map(|number| key(&format!("{number:05}"))).collect()
    }

    fn load(store: &Embedded, view: &VersionId, keys: &[EntityKey], bytes: &[u8]) -> Vec<Outcome> {
        let rows: Vec<RowWrite<'_>> = keys.iter().map(|key| RowWrite { key, bytes }).collect();
        wait_for(store.replace_many(view, &rows, None)).unwrap()
    }

    fn changed_since(store: &Embedded, mark: u64) -> Changed {
        store.changed(Some(mark)).unwrap().unwrap()
    }

    fn leaf_pages(store: &Embedded) -> usize {
        let opened = store.opened().unwrap();
        let txn = opened.environment.env.read_txn().unwrap();
        opened.environment.rows.stat(&txn).unwrap().leaf_pages
    }

    #[test]
    fn many_rows_are_compared_one_by_one_and_noted_as_one_change() {
        let (_folder, store) = empty();
        let sample = Sample::new();
        let (view, keys) = (&sample.view.id, keys());
        let [old, new] = [1, 2].map(|version| sample.row(Some(version), &[]));
        let is_all = |outcomes: &[Outcome], one: &Outcome| outcomes.iter().all(|outcome| outcome == one);
        assert!(is_all(&load(&store, view, &keys, &old), &Outcome::Written));
        assert_eq!(changed_since(&store, 0), Changed { mark: 1, changes: vec![Change::Rows(view.clone())] });
        assert!(is_all(&load(&store, view, &keys, &old), &Outcome::Unchanged));
        assert_eq!(changed_since(&store, 1), Changed { mark: 1, changes: Vec::new() });
        // Few that changed are named, among however many.
        assert!(is_all(&load(&store, view, &keys[7..9], &new), &Outcome::Written));
        let outcomes = load(&store, view, &keys, &new);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Unchanged).count(), 2);
        let row = |key: &EntityKey| Change::Row { view: view.clone(), key: key.clone() };
        let changes = vec![row(&keys[7]), row(&keys[8]), Change::Rows(view.clone())];
        assert_eq!(changed_since(&store, 1), Changed { mark: 4, changes });
        assert_eq!(wait_for(read(&store, view, &keys[7])), Some(new));
    }

    #[test]
    fn rows_in_any_order_and_of_any_view_are_read_back_whether_they_were_appended_or_not() {
        let (_folder, store) = empty();
        let samples = ["one@1", "other@1"].map(Sample::named);
        let rows = samples.each_ref().map(|sample| sample.row(Some(1), &[]));
        let keys = keys();
        let (front, back) = keys.split_at(ROWS / 2);
        // Of the first view the greatest keys, of the other view all, then those of the first between them, the last first.
        load(&store, &samples[0].view.id, back, &rows[0]);
        load(&store, &samples[1].view.id, &keys, &rows[1]);
        let mut reversed = front.to_vec();
        reversed.reverse();
        load(&store, &samples[0].view.id, &reversed, &rows[0]);
        for (sample, row) in samples.iter().zip(&rows) {
            for key in &keys {
                assert_eq!(wait_for(read(&store, &sample.view.id, key)).as_ref(), Some(row));
            }
        }
        assert_eq!(store.verify().unwrap(), 0);
    }

    #[test]
    fn appended_rows_leave_no_page_half_empty() {
        let [in_order, last_first] = [false, true].map(|is_reversed| {
            let (_folder, store) = empty();
            let sample = Sample::new();
            let mut keys = keys();
            if is_reversed {
                keys.reverse();
            }
            load(&store, &sample.view.id, &keys, &sample.row(Some(1), &[]));
            leaf_pages(&store)
        });
        assert!(in_order * 10 < last_first * 8, "{in_order} and {last_first} pages");
    }
}
