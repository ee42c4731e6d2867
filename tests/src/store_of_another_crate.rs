//! A store that does not belong to `online` passes the suite that is exported for such stores: rows in memory, written by
//! the rule of all stores.

use std::collections::BTreeMap;
use std::sync::Mutex;

use feature::{EntityKey, Micros, VersionId};
use online::{
    Decision, OnlineError, Outcome, PackedRows, Read, Reader, RowIdentity, RowWrite, Stats, Writer, decide,
};

#[derive(Default)]
struct InMemory(Mutex<BTreeMap<VersionId, Rows>>);

#[derive(Default)]
struct Rows {
    applied_at: Option<Micros>,
    by_entity: BTreeMap<EntityKey, Vec<u8>>,
}

impl Rows {
    fn replace(
        &mut self,
        view: &VersionId,
        row: &RowWrite<'_>,
        new: &RowIdentity,
    ) -> Result<Outcome, OnlineError> {
        if let Some(current) = self.by_entity.get(row.key) {
            match decide(view, &RowIdentity::of(view, current)?, new)? {
                Decision::Write => {}
                Decision::Unchanged => return Ok(Outcome::Unchanged),
                Decision::Refold => return Ok(Outcome::Conflict { current: current.clone() }),
            }
        }
        self.by_entity.insert(row.key.clone(), row.bytes.to_vec());
        Ok(Outcome::Written)
    }
}

impl Reader for InMemory {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        let views = self.0.lock().unwrap();
        let found = reads.iter().map(|read| {
            let rows = views.get(read.view);
            let mut found = PackedRows::new(rows.and_then(|rows| rows.applied_at), read.keys.len());
            for key in read.keys {
                found.push(rows.and_then(|rows| rows.by_entity.get(key)).map(Vec::as_slice));
            }
            found
        });
        Ok(found.collect())
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        let views = self.0.lock().unwrap();
        let Some(rows) = views.get(view) else { return Ok(Stats::default()) };
        let bytes = rows.by_entity.iter().map(|(key, row)| key.as_bytes().len() + row.len()).sum::<usize>();
        Ok(Stats { rows: rows.by_entity.len() as u64, bytes: bytes as u64, applied_at: rows.applied_at })
    }
}

impl Writer for InMemory {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        let identities =
            rows.iter().map(|row| RowIdentity::of(view, row.bytes)).collect::<Result<Vec<_>, _>>()?;
        let mut views = self.0.lock().unwrap();
        let there = views.entry(view.clone()).or_default();
        there.applied_at = there.applied_at.max(applied_at);
        rows.iter().zip(&identities).map(|(row, new)| there.replace(view, row, new)).collect()
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.0.lock().unwrap().remove(view);
        Ok(())
    }
}

online::contract_tests!(((), InMemory::default()));
