//! The last changes, noted in the transaction that makes them: so whoever holds copies of rows, in this
//! process or another, can ask at each read what has changed, and knows it from the same moment on as a
//! reader of the store.

use feature::{EntityKey, VersionId};
use heed::{RoTxn, RwTxn};

use super::environment::Environment;
use super::seal::{sealed, unsealed};
use crate::packed::Scan;
use crate::store::Change;

/// Changes that are kept; who falls further behind is notified that everything changed.
pub(super) const KEPT: u64 = 65_536;

/// Rows of one write of many that are named one by one; if there are more, the view is.
const NAMED: usize = 1024;

/// What a change begins with. To an earlier release a kind that it does not know means that anything may have changed.
const ROW: u8 = 0;
const VIEW: u8 = 1;
const DROPPED: u8 = 2;
const EVERYTHING: u8 = 3;
const ROWS: u8 = 4;

/// The kind, the length of the view's name (u32), the name, and the key of a row.
fn encode(change: &Change, out: &mut Vec<u8>) {
    let (kind, view, key) = match change {
        Change::Row { view, key } => (ROW, view, key.as_bytes()),
        Change::Rows(view) => (ROWS, view, &[][..]),
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

pub(super) fn decode(number: &[u8], bytes: &[u8]) -> Option<Change> {
    let mut scan = Scan(unsealed(number, bytes)?);
    let kind = scan.u8()?;
    if kind == EVERYTHING {
        return Some(Change::Everything);
    }
    let length = scan.u32()? as usize;
    let view: VersionId = std::str::from_utf8(scan.bytes(length)?).ok()?.parse().ok()?;
    match kind {
        ROW => Some(Change::Row { view, key: EntityKey::from_bytes(scan.0.into()).ok()? }),
        ROWS => Some(Change::Rows(view)),
        VIEW => Some(Change::View(view)),
        DROPPED => Some(Change::Dropped(view)),
        _ => None,
    }
}

/// How whoever follows the store is notified of the rows that one write changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Noting {
    /// Of each row.
    EachRow,
    /// Of each row where few are written, else of the view.
    Few,
}

/// The changes of a write of which these rows were written.
pub(super) fn of_rows<'k>(
    view: &VersionId,
    written: impl Iterator<Item = &'k EntityKey>,
    noting: Noting,
) -> Vec<Change> {
    let change = |key: &EntityKey| Change::Row { view: view.clone(), key: key.clone() };
    let mut written = written.peekable();
    let most = match noting {
        Noting::EachRow => usize::MAX,
        Noting::Few => NAMED,
    };
    let named: Vec<Change> = written.by_ref().take(most).map(change).collect();
    if written.peek().is_some() { vec![Change::Rows(view.clone())] } else { named }
}

/// Forgets all changes: whoever follows them is notified that anything may have changed.
pub(super) fn forget(environment: &Environment, txn: &mut RwTxn<'_>) -> heed::Result<()> {
    let last = last_change(environment, txn)?;
    environment.changes.clear(txn)?;
    let mut bytes = Vec::new();
    encode(&Change::Everything, &mut bytes);
    let number = (last + 1).to_be_bytes();
    environment.changes.put(txn, &number, &sealed(&number, &bytes))
}

/// The number of the last change; 0 before the first.
pub(super) fn last_change(environment: &Environment, txn: &RoTxn<'_>) -> heed::Result<u64> {
    let last = environment.changes.last(txn)?;
    Ok(last.and_then(|(number, _)| number.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// Notes changes, and forgets as many of the oldest as are too many.
pub(super) fn note(environment: &Environment, txn: &mut RwTxn<'_>, changes: &[Change]) -> heed::Result<()> {
    let table = environment.changes;
    let mut last = last_change(environment, txn)?;
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
