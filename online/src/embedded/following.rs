//! How copies of rows in the store on disk are kept up to date: by the changes that its writers note, in this process or
//! another.

use std::time::Duration;

use super::Embedded;
use super::changes::{KEPT, decode, last_change};
use super::environment::Environment;
use super::failed::Failed;
use crate::error::OnlineError;
use crate::store::{Change, Changed, Followed, PackedRows, Read};

/// How often a follower looks for changes that other processes made.
const LOOKING: Duration = Duration::from_millis(10);

impl Followed for Embedded {
    async fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> OnlineError {
        let mut mark = None;
        loop {
            match self.reading(|opened| since(&opened.environment, mark)) {
                Ok(changed) => {
                    changed.changes.into_iter().for_each(tell);
                    mark = Some(changed.mark);
                }
                Err(error) => return error,
            }
            tokio::time::sleep(LOOKING).await;
        }
    }

    fn changed(&self, mark: Option<u64>) -> Option<Result<Changed, OnlineError>> {
        Some(self.reading(|opened| since(&opened.environment, mark)))
    }

    async fn read_marked(&self, reads: &[Read<'_>]) -> Result<(Option<u64>, Vec<PackedRows>), OnlineError> {
        self.reading(|opened| {
            let txn = opened.environment.env.read_txn()?;
            let mark = last_change(&opened.environment, &txn)?;
            Ok((Some(mark), opened.read_now(&txn, reads)?))
        })
    }
}

/// What has changed since a mark; everything, without one.
fn since(environment: &Environment, mark: Option<u64>) -> Result<Changed, Failed> {
    let txn = environment.env.read_txn()?;
    let last = last_change(environment, &txn)?;
    let everything = || Changed { mark: last, changes: vec![Change::Everything] };
    let Some(since) = mark.filter(|since| *since <= last && last - since < KEPT) else {
        return Ok(everything());
    };
    if since == last {
        return Ok(Changed { mark: last, changes: Vec::new() });
    }
    let after = since.to_be_bytes();
    let range = (std::ops::Bound::Excluded(&after[..]), std::ops::Bound::Unbounded);
    let mut changes = Vec::new();
    for change in environment.changes.range(&txn, &range)? {
        let (number, bytes) = change?;
        match decode(number, bytes) {
            Some(change) => changes.push(change),
            None => return Ok(everything()),
        }
    }
    // Numbers are passed over where one write changed more than is kept.
    if changes.len() as u64 == last - since { Ok(Changed { mark: last, changes }) } else { Ok(everything()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Sample, key, moment, wait_for, write};
    use crate::embedded::changes::note;
    use crate::store::Writer;

    #[test]
    fn changes_are_reported_from_any_mark_and_everything_to_who_fell_behind() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let sample = Sample::new();
        let view = sample.view.id.clone();
        let changes_since = |mark| store.changed(mark).unwrap().unwrap();
        let begun = changes_since(None);
        assert_eq!(begun, Changed { mark: 0, changes: vec![Change::Everything] });
        wait_for(write(&store, &view, &key("a"), &sample.row(Some(1), &[])));
        wait_for(write(&store, &view, &key("a"), &sample.row(Some(1), &[])));
        wait_for(store.replace(&view, &[], Some(moment(3)))).unwrap();
        let row = Change::Row { view: view.clone(), key: key("a") };
        let since = changes_since(Some(0));
        assert_eq!(since, Changed { mark: 2, changes: vec![row.clone(), Change::View(view.clone())] });
        assert_eq!(changes_since(Some(1)).changes, [Change::View(view.clone())]);
        assert_eq!(changes_since(Some(2)), Changed { mark: 2, changes: vec![] });
        wait_for(store.drop_view(&view)).unwrap();
        assert_eq!(changes_since(Some(2)).changes, [Change::Dropped(view.clone())]);
        assert_eq!(changes_since(Some(99)).changes, [Change::Everything]);

        let opened = store.opened().unwrap();
        let mut txn = opened.environment.write_txn().unwrap();
        note(&opened.environment, &mut txn, &vec![row.clone(); KEPT as usize - 1]).unwrap();
        txn.commit().unwrap();
        assert_eq!(changes_since(Some(3)).changes.len(), KEPT as usize - 1);
        assert_eq!(changes_since(Some(2)).changes, [Change::Everything]);
        let mut txn = opened.environment.write_txn().unwrap();
        note(&opened.environment, &mut txn, &vec![row; 2 * KEPT as usize]).unwrap();
        txn.commit().unwrap();
        assert_eq!(changes_since(Some(4)).changes, [Change::Everything]);
        let txn = opened.environment.env.read_txn().unwrap();
        assert_eq!(opened.environment.changes.len(&txn).unwrap(), KEPT);
    }
}
