//! The last changes, noted in the transaction that makes them: so whoever holds copies of rows, in this
//! process or another, can ask at each read what has changed, and knows it from the same moment on as a
//! reader of the store.

use std::time::Duration;

use feature::{EntityKey, VersionId};
use heed::{RoTxn, RwTxn};

use super::environment::Environment;
use super::failed::Failed;
use super::seal::{sealed, unsealed};
use super::{Embedded, Opened};
use crate::error::OnlineError;
use crate::packed::Scan;
use crate::store::{Change, Changed, Followed, Found, Read};

/// Changes that are kept; who falls further behind is told that everything changed.
const KEPT: u64 = 65_536;
/// How often a follower looks for changes that other processes made.
const LOOKING: Duration = Duration::from_millis(10);

/// What a change begins with.
const ROW: u8 = 0;
const VIEW: u8 = 1;
const DROPPED: u8 = 2;
const EVERYTHING: u8 = 3;

/// The kind, the length of the view's name (u32), the name, and the key of a row.
fn encode(change: &Change, out: &mut Vec<u8>) {
    let (kind, view, key) = match change {
        Change::Row { view, key } => (ROW, view, key.as_bytes()),
        Change::View(view) => (VIEW, view, &[][..]),
        Change::Dropped(view) => (DROPPED, view, &[][..]),
        Change::Everything => {
            *out = vec![EVERYTHING];
            return;
        }
    };
    let name = view.to_string();
    out.clear();
    out.push(kind);
    out.extend_from_slice(&(name.len() as u32).to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(key);
}

fn decode(number: &[u8], bytes: &[u8]) -> Option<Change> {
    let mut scan = Scan(unsealed(number, bytes)?);
    let kind = scan.u8()?;
    if kind == EVERYTHING {
        return Some(Change::Everything);
    }
    let length = scan.u32()? as usize;
    let view: VersionId = std::str::from_utf8(scan.bytes(length)?).ok()?.parse().ok()?;
    match kind {
        ROW => Some(Change::Row { view, key: EntityKey::from_bytes(scan.0.into()).ok()? }),
        VIEW => Some(Change::View(view)),
        DROPPED => Some(Change::Dropped(view)),
        _ => None,
    }
}

/// Forgets all changes: whoever follows them is told that anything may have changed.
pub(super) fn forget(environment: &Environment, txn: &mut RwTxn<'_>) -> heed::Result<()> {
    let last = last_change(environment, txn)?;
    environment.changes.clear(txn)?;
    let mut bytes = Vec::new();
    encode(&Change::Everything, &mut bytes);
    let number = (last + 1).to_be_bytes();
    environment.changes.put(txn, &number, &sealed(&number, &bytes))
}

/// The number of the last change; 0 before the first.
fn last_change(environment: &Environment, txn: &RoTxn<'_>) -> heed::Result<u64> {
    let last = environment.changes.last(txn)?;
    Ok(last.and_then(|(number, _)| number.try_into().ok()).map_or(0, u64::from_be_bytes))
}

impl Opened {
    /// Notes changes, and forgets as many of the oldest as are too many.
    pub(super) fn note_changes(&self, txn: &mut RwTxn<'_>, changes: &[Change]) -> heed::Result<()> {
        let table = self.environment.changes;
        let mut last = last_change(&self.environment, txn)?;
        let mut bytes = Vec::new();
        // Of more than are kept only the last would be read.
        let skipped = changes.len().saturating_sub(KEPT as usize);
        last += skipped as u64;
        for change in changes.iter().skip(skipped) {
            encode(change, &mut bytes);
            last += 1;
            let number = last.to_be_bytes();
            table.put(txn, &number, &sealed(&number, &bytes))?;
        }
        let first = last.saturating_sub(KEPT).to_be_bytes();
        table.delete_range(txn, &(std::ops::Bound::Unbounded, std::ops::Bound::Included(&first[..])))?;
        Ok(())
    }

    fn changed_now(&self, since: Option<u64>) -> Result<Changed, Failed> {
        let txn = self.environment.env.read_txn()?;
        let mark = last_change(&self.environment, &txn)?;
        let everything = || Changed { mark, changes: vec![Change::Everything] };
        let Some(since) = since.filter(|since| *since <= mark && mark - since < KEPT) else {
            return Ok(everything());
        };
        if since == mark {
            return Ok(Changed { mark, changes: Vec::new() });
        }
        let after = since.to_be_bytes();
        let range = (std::ops::Bound::Excluded(&after[..]), std::ops::Bound::Unbounded);
        let mut changes = Vec::new();
        for change in self.environment.changes.range(&txn, &range)? {
            let (number, bytes) = change?;
            match decode(number, bytes) {
                Some(change) => changes.push(change),
                None => return Ok(everything()),
            }
        }
        // Numbers are passed over where one write changed more than is kept.
        if changes.len() as u64 == mark - since { Ok(Changed { mark, changes }) } else { Ok(everything()) }
    }
}

impl Followed for Embedded {
    async fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> OnlineError {
        let mut mark = None;
        loop {
            match self.reading(|opened| opened.changed_now(mark)) {
                Ok(changed) => {
                    changed.changes.into_iter().for_each(tell);
                    mark = Some(changed.mark);
                }
                Err(error) => return error,
            }
            tokio::time::sleep(LOOKING).await;
        }
    }

    fn changed(&self, since: Option<u64>) -> Option<Result<Changed, OnlineError>> {
        Some(self.reading(|opened| opened.changed_now(since)))
    }

    async fn read_marked(&self, reads: &[Read<'_>]) -> Result<(Option<u64>, Vec<Found>), OnlineError> {
        self.reading(|opened| {
            let txn = opened.environment.env.read_txn()?;
            let mark = last_change(&opened.environment, &txn)?;
            Ok((Some(mark), opened.read_now(&txn, reads)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Sample, key, moment, wait_for, write};
    use crate::store::Writer;

    #[test]
    fn changes_are_told_from_any_mark_and_everything_to_who_fell_behind() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let sample = Sample::new();
        let view = sample.view.id.clone();
        let asked = |mark| store.changed(mark).unwrap().unwrap();
        let begun = asked(None);
        assert_eq!(begun, Changed { mark: 0, changes: vec![Change::Everything] });
        wait_for(write(&store, &view, &key("a"), &sample.row(Some(1), &[])));
        wait_for(write(&store, &view, &key("a"), &sample.row(Some(1), &[])));
        wait_for(store.replace(&view, &[], Some(moment(3)))).unwrap();
        let row = Change::Row { view: view.clone(), key: key("a") };
        let since = asked(Some(0));
        assert_eq!(since, Changed { mark: 2, changes: vec![row.clone(), Change::View(view.clone())] });
        assert_eq!(asked(Some(1)).changes, [Change::View(view.clone())]);
        assert_eq!(asked(Some(2)), Changed { mark: 2, changes: vec![] });
        wait_for(store.drop_view(&view)).unwrap();
        assert_eq!(asked(Some(2)).changes, [Change::Dropped(view.clone())]);
        assert_eq!(asked(Some(99)).changes, [Change::Everything]);

        let opened = store.opened().unwrap();
        let mut txn = opened.environment.write_txn().unwrap();
        opened.note_changes(&mut txn, &vec![row.clone(); KEPT as usize - 1]).unwrap();
        txn.commit().unwrap();
        assert_eq!(asked(Some(3)).changes.len(), KEPT as usize - 1);
        assert_eq!(asked(Some(2)).changes, [Change::Everything]);
        let mut txn = opened.environment.write_txn().unwrap();
        opened.note_changes(&mut txn, &vec![row; 2 * KEPT as usize]).unwrap();
        txn.commit().unwrap();
        assert_eq!(asked(Some(4)).changes, [Change::Everything]);
        let txn = opened.environment.env.read_txn().unwrap();
        assert_eq!(opened.environment.changes.len(&txn).unwrap(), KEPT);
    }
}
