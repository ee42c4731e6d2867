//! Stores of every format that was ever written are read, and written on. `golden/` holds one of each, as
//! the release of its time left it: three views, of which one was dropped, with the packed row of layout 1.

use feature::{EntityKey, Micros, VersionId};
use tempfile::TempDir;

use super::Embedded;
use super::environment::FORMAT;
use crate::contract::{key, moment, read, wait_for};
use crate::store::{Change, Followed, Outcome, Read, Reader, RowWrite, Stats, Writer};

const ROW: &[u8] = include_bytes!("../../golden/row-1.bin");
const STORES: [&[u8]; 3] = [
    include_bytes!("../../golden/embedded-1.bin"),
    include_bytes!("../../golden/embedded-2.bin"),
    include_bytes!("../../golden/embedded-3.bin"),
];

fn id(name: &str) -> VersionId {
    name.parse().unwrap()
}

/// A store of this format, as it was left.
fn left_behind(format: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("data.mdb"), STORES[format - 1]).unwrap();
    folder
}

/// What is in all of them.
async fn fill(store: &Embedded) {
    for (view, entities) in [("dropped@1", 3), ("golden@1", 3), ("golden@2", 1)] {
        let keys = ["a", "b", ""].map(key);
        let rows: Vec<RowWrite<'_>> = keys.iter().map(|key| RowWrite { key, bytes: ROW }).collect();
        store.replace(&id(view), &rows[..entities], None).await.unwrap();
    }
    store.replace(&id("golden@1"), &[], Some(moment(5))).await.unwrap();
    store.drop_view(&id("dropped@1")).await.unwrap();
}

async fn has_what_was_left(store: &Embedded) {
    let (one, two, dropped) = (id("golden@1"), id("golden@2"), id("dropped@1"));
    let keys: Vec<EntityKey> = ["b", "", "a", "never"].map(key).into();
    let views = [&one, &two, &dropped].map(|view| Read { view, keys: &keys });
    let found = store.read(&views).await.unwrap();
    let rows = |index: usize| found[index].rows().collect::<Vec<_>>();
    assert_eq!(rows(0), [Some(ROW), Some(ROW), Some(ROW), None]);
    assert_eq!(rows(1), [None, None, Some(ROW), None]);
    assert_eq!(rows(2), [None; 4]);
    let applied: Vec<Option<Micros>> = found.iter().map(|found| found.applied_at()).collect();
    assert_eq!(applied, [Some(moment(5)), None, None]);
    let stats = store.stats(&one).await.unwrap();
    let bytes = 3 * (4 + ROW.len() as u64) + 2 * key("a").as_bytes().len() as u64;
    assert_eq!(stats, Stats { rows: 3, bytes, applied_at: Some(moment(5)) });
}

#[test]
fn a_store_of_every_format_is_read_and_written_on() {
    assert_eq!(STORES.len(), FORMAT as usize, "a format has a sample");
    for format in 1..=STORES.len() {
        let folder = left_behind(format);
        wait_for(async {
            let store = Embedded::open(folder.path()).unwrap();
            has_what_was_left(&store).await;
            let mark = store.changed(None).unwrap().unwrap().mark;
            // The row that is there was folded: the same again changes nothing.
            let (a, c) = (key("a"), key("c"));
            let rows = [&a, &c].map(|key| RowWrite { key, bytes: ROW });
            let outcomes = store.replace(&id("golden@2"), &rows, None).await.unwrap();
            assert_eq!(outcomes, [Outcome::Unchanged, Outcome::Written]);
            let changes = store.changed(Some(mark)).unwrap().unwrap().changes;
            assert_eq!(changes, [Change::Row { view: id("golden@2"), key: c.clone() }]);
            // A view begins with a number that none had, so nothing of a dropped one comes back.
            let rows = [RowWrite { key: &c, bytes: ROW }];
            store.replace(&id("dropped@1"), &rows, None).await.unwrap();
            assert_eq!(read(&store, &id("dropped@1"), &a).await, None);
            drop(store);
            let store = Embedded::open(folder.path()).unwrap();
            assert_eq!(read(&store, &id("golden@2"), &c).await.as_deref(), Some(ROW));
            assert_eq!(store.opened().unwrap().environment.read_whole().unwrap().format, Some(FORMAT));
        });
    }
}

#[test]
fn a_sample_of_todays_format_holds_what_is_written_today() {
    let folder = TempDir::new().unwrap();
    wait_for(async {
        let store = Embedded::open(folder.path()).unwrap();
        fill(&store).await;
        has_what_was_left(&store).await;
    });
    // `SAMPLE=file` keeps it, when there is a new format.
    if let Some(file) = std::env::var_os("SAMPLE") {
        std::fs::copy(folder.path().join("data.mdb"), file).unwrap();
    }
}
