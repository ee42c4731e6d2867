//! A view's rows on disk written again from the log, instead of those that are there.

use feature::{EntityKey, Micros, VersionId};

use super::changes::Noting;
use super::contents::folded_key;
use super::failed::Failed;
use super::record::Record;
use super::row_key::{entity_of, row_key, view_prefix};
use super::seal::{Stored, sealed, unsealed};
use super::{Embedded, Opened, changes};
use crate::decision::{Decision, decide_mending};
use crate::error::OnlineError;
use crate::folded_commit::FoldedCommit;
use crate::mending::{Entities, Mender, Mending};
use crate::store::{Change, Outcome, RowWrite};

impl Opened {
    fn mend_now(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, Failed> {
        let writes: Vec<RowWrite<'_>> =
            rows.iter().map(|row| RowWrite { key: row.key, bytes: row.bytes }).collect();
        self.write_rows(view, &writes, applied_at, Noting::Few, |index, new, stored_key, there| {
            let row = rows.get(index).expect("invariant: a row that is decided is one of those");
            // One that is not what was written has nothing to say.
            let current = there.check(stored_key).ok();
            Ok(current.map_or(Decision::Write, |current| decide_mending(view, current, new, row)))
        })
    }

    fn strays_now(&self, view: &VersionId, known: &Entities) -> Result<Vec<(EntityKey, Vec<u8>)>, Failed> {
        let txn = self.environment.env.read_txn()?;
        let mut strays = Vec::new();
        let Some(record) = self.record(&txn, view)? else { return Ok(strays) };
        for row in self.environment.rows.prefix_iter(&txn, &view_prefix(record.number))? {
            let (stored_key, bytes) = row?;
            if let Some(key) = entity_of(stored_key)
                && !known.contains(&key)
            {
                strays.push((key, Stored::of(bytes).row.to_vec()));
            }
        }
        Ok(strays)
    }

    fn remove_now(&self, view: &VersionId, rows: &[(EntityKey, Vec<u8>)]) -> Result<u64, Failed> {
        let mut txn = self.environment.write_txn()?;
        let Some(mut record) = self.record(&txn, view)? else { return Ok(0) };
        let mut buffer = Vec::new();
        let mut changes = Vec::new();
        for (key, bytes) in rows {
            let stored_key = row_key(&mut buffer, record.number, key);
            let Some(there) = self.environment.rows.get(&txn, stored_key)?.map(Stored::of) else { continue };
            if there.row != bytes {
                continue;
            }
            record.subtract(stored_key.len() + bytes.len(), there.share(stored_key));
            self.environment.rows.delete(&mut txn, stored_key)?;
            changes.push(Change::Row { view: view.clone(), key: key.clone() });
        }
        if !changes.is_empty() {
            self.put_record(&mut txn, view, record)?;
            changes::note(&self.environment, &mut txn, &changes)?;
            self.environment.commit(txn)?;
        }
        Ok(changes.len() as u64)
    }

    /// Every view that has a record: there are no rows without one.
    fn versions_now(&self) -> Result<Vec<VersionId>, Failed> {
        let txn = self.environment.env.read_txn()?;
        let mut versions = Vec::new();
        for view in self.environment.views.iter(&txn)? {
            let name = std::str::from_utf8(view?.0).ok().and_then(|name| name.parse().ok());
            versions
                .push(name.ok_or_else(|| self.damaged("the name of a view in it is not what was written"))?);
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// Counts the rows that are what was written, and removes the others. From then on the view has lost none.
    fn recount_now(&self, view: &VersionId) -> Result<(), Failed> {
        let mut txn = self.environment.write_txn()?;
        let Some(record) = self.record(&txn, view)? else { return Ok(()) };
        let mut counted = Record::new(record.number);
        let mut damaged = Vec::new();
        for row in self.environment.rows.prefix_iter(&txn, &view_prefix(record.number))? {
            let (stored_key, bytes) = row?;
            let there = Stored::of(bytes);
            match there.check(stored_key) {
                Ok(row) => counted.add(stored_key.len() + row.len(), there.share(stored_key)),
                Err(_) => damaged.push(stored_key.to_vec()),
            }
        }
        for stored_key in damaged {
            self.environment.rows.delete(&mut txn, &stored_key)?;
        }
        counted.stats.applied_at = record.stats.applied_at;
        counted.recounts = record.recounts.wrapping_add(1).max(1);
        self.put_record(&mut txn, view, counted)?;
        self.environment.commit(txn)
    }

    fn folded_commit_now(&self, view: &VersionId) -> Result<Option<FoldedCommit>, Failed> {
        let txn = self.environment.env.read_txn()?;
        let key = folded_key(view);
        let noted = self.environment.about.get(&txn, &key)?.and_then(|bytes| unsealed(&key, bytes));
        Ok(noted.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()))
    }

    fn note_folded_commit_now(&self, view: &VersionId, commit: FoldedCommit) -> Result<(), Failed> {
        if self.folded_commit_now(view)? == Some(commit) {
            return Ok(());
        }
        let mut txn = self.environment.write_txn()?;
        let key = folded_key(view);
        self.environment.about.put(&mut txn, &key, &sealed(&key, commit.text().as_bytes()))?;
        self.environment.commit(txn)
    }
}

impl Mender for Embedded {
    async fn mend(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        self.writing(|opened| opened.mend_now(view, rows, applied_at))
    }

    /// Rows lie beside their counts here, and strays are found faster than they would be ruled out.
    async fn is_empty(&self, _: &VersionId) -> Result<bool, OnlineError> {
        Ok(false)
    }

    async fn strays(
        &self,
        view: &VersionId,
        known: &Entities,
    ) -> Result<Vec<(EntityKey, Vec<u8>)>, OnlineError> {
        self.reading(|opened| opened.strays_now(view, known))
    }

    async fn remove(&self, view: &VersionId, rows: &[(EntityKey, Vec<u8>)]) -> Result<u64, OnlineError> {
        self.writing(|opened| opened.remove_now(view, rows))
    }

    async fn versions(&self) -> Result<Vec<VersionId>, OnlineError> {
        self.reading(Opened::versions_now)
    }

    async fn recount(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.writing(|opened| opened.recount_now(view))
    }

    async fn folded_commit(&self, view: &VersionId) -> Result<Option<FoldedCommit>, OnlineError> {
        self.reading(|opened| opened.folded_commit_now(view))
    }

    async fn note_folded_commit(&self, view: &VersionId, commit: FoldedCommit) -> Result<(), OnlineError> {
        self.writing(|opened| opened.note_folded_commit_now(view, commit))
    }
}
