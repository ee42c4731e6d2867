//! What every online store has to do, as tests that any store can be given to: one that fails any of them is not an
//! online store. Stores of other crates turn on the feature `contract` in their tests:
//!
//! ```
//! # #[allow(unused_imports)]
//! mod my_store {
//!     # use twinstore_online as online;
//!     # use online::Embedded as MyStore;
//!     // What keeps the store's folder or server while a test runs, and an empty store.
//!     online::contract_tests!({
//!         let folder = tempfile::tempdir().unwrap();
//!         let store = MyStore::open(folder.path()).unwrap();
//!         (folder, store)
//!     });
//! }
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite of tests: what is wrong ends the test"
)]

use std::sync::Arc;

use feature::oracle::History;
use feature::{EntityKey, Micros, Position, Row, Value, VersionId, View};
use futures::future::join_all;

use crate::{
    Entities, FoldedCommit, Layout, Mender, Mending, OnlineError, Outcome, PackedRow, Positions, Read,
    Reader, RowState, RowWrite, Stats, Writer,
};

/// Makes a test of each promise; `$open` gives a guard and an empty store.
#[macro_export]
macro_rules! contract_tests {
    ($open:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let (_guard, store) = $open;
                $crate::contract::wait_for($crate::contract::$name(&store));
            }
        )*
    };
    ($open:expr) => {
        $crate::contract_tests! { $open;
            what_was_written_is_read_in_the_order_of_the_keys
            a_view_that_was_never_written_has_no_rows
            a_row_replaces_one_that_has_folded_less
            a_repeated_or_an_older_row_changes_nothing
            a_row_that_lacks_what_is_stored_is_a_conflict
            offsets_and_versions_are_compared_to_the_last_bit
            of_writers_at_once_none_loses_what_another_wrote
            one_entity_twice_in_a_batch_ends_with_the_newer_row
            the_applied_time_rises_and_never_falls
            a_dropped_view_is_gone_alone_and_begins_again
            bytes_that_are_no_row_are_refused_and_nothing_is_written
            a_row_of_another_definition_is_refused
            keys_never_collide_however_long
            a_large_row_is_read_back_whole
            stats_follow_what_is_written
        }
    };
}
/// Makes a test of each promise of a store whose rows are written again from the log.
#[macro_export]
macro_rules! mending_tests {
    ($open:expr) => {
        $crate::contract_tests! { $open;
            mended_rows_replace_damaged_and_wrong_ones
            a_row_that_has_folded_more_is_mended_only_over_itself
            new_rows_of_several_writers_are_the_newest_and_counted_once
            rows_of_no_known_entity_are_found_and_removed_unless_they_change
            the_commit_that_a_view_has_folded_is_kept_until_the_view_is_dropped
            every_version_of_which_something_is_there_is_named
        }
    };
}
/// Runs a future to its end.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A view, its layout, and rows of it that differ in their positions.
#[derive(Debug)]
pub struct Sample {
    /// The view.
    pub view: View,
    /// The layout of its rows.
    pub layout: Arc<Layout>,
}

impl Sample {
    /// Of the view `generated@1`.
    #[expect(clippy::new_without_default, reason = "a sample is created by name")]
    pub fn new() -> Sample {
        Self::named("generated@1")
    }

    /// Of a view with this name and version.
    pub fn named(id: &str) -> Sample {
        let mut view = History::generate(0, 0).view;
        view.id = id.parse().unwrap();
        let layout = Arc::new(Layout::new(&view));
        Sample { view, layout }
    }

    fn id(&self) -> &VersionId {
        &self.view.id
    }

    /// A row that has folded the log at a version, and these (partition, offset)s.
    pub fn row(&self, history: Option<u64>, offsets: &[(u32, u64)]) -> Vec<u8> {
        self.row_with(history, offsets, "a")
    }

    /// A row that has folded nothing but one that is not visible yet.
    pub fn waiting_row(&self) -> Vec<u8> {
        let mut state = RowState::new(&self.layout);
        let values = vec![Value::Null; self.view.columns.len()];
        let position = Position::Stream { partition: 0, offset: 0 };
        let (event_time, available_at) = (moment(9), moment(9));
        state.fold(&Row { event_time, available_at, position, deleted: false, values }, moment(0));
        let mut bytes = Vec::new();
        state.encode(&mut bytes).unwrap();
        bytes
    }

    fn positions(&self, bytes: &[u8]) -> Positions {
        PackedRow::new(&self.layout, bytes).unwrap().positions().unwrap()
    }

    /// The same, with this text among its values.
    pub fn row_with(&self, history: Option<u64>, offsets: &[(u32, u64)], text: &str) -> Vec<u8> {
        let mut state = RowState::new(&self.layout);
        for (partition, offset) in offsets {
            let mut values = vec![Value::Null; self.view.columns.len()];
            values[4] = Value::String(text.into());
            let position = Position::Stream { partition: *partition, offset: *offset };
            let (event_time, available_at) = (moment(0), moment(0));
            state.fold(&Row { event_time, available_at, position, deleted: false, values }, moment(0));
        }
        if let Some(version) = history {
            state.set_history(version);
        }
        let mut bytes = Vec::new();
        state.encode(&mut bytes).unwrap();
        bytes
    }
}

/// A time, in microseconds from 1970.
pub fn moment(micros: i64) -> Micros {
    Micros::new(micros).unwrap()
}

/// The entity with these bytes as its key.
pub fn key(text: &str) -> EntityKey {
    EntityKey::from_bytes(text.as_bytes().into()).unwrap()
}

/// Writes one row.
pub async fn write(store: &impl Writer, view: &VersionId, key: &EntityKey, bytes: &[u8]) -> Outcome {
    store.replace(view, &[RowWrite { key, bytes }], None).await.unwrap().remove(0)
}

/// Reads one row.
pub async fn read(store: &impl Reader, view: &VersionId, key: &EntityKey) -> Option<Vec<u8>> {
    let keys = [key.clone()];
    let found = store.read(&[Read { view, keys: &keys }]).await.unwrap();
    found[0].row(0).map(<[u8]>::to_vec)
}

/// What was written is read in the order of the keys.
pub async fn what_was_written_is_read_in_the_order_of_the_keys<S: Reader + Writer>(store: &S) {
    let (one, two) = (Sample::named("one@1"), Sample::named("one@2"));
    let [a, b, missing] = ["a", "b", "missing"].map(key);
    let rows = [one.row(Some(1), &[]), one.row(Some(2), &[]), two.row(Some(3), &[])];
    let written = [RowWrite { key: &a, bytes: &rows[0] }, RowWrite { key: &b, bytes: &rows[1] }];
    let outcomes = store.replace(one.id(), &written, Some(moment(5))).await.unwrap();
    assert_eq!(outcomes, [Outcome::Written, Outcome::Written]);
    assert_eq!(write(store, two.id(), &a, &rows[2]).await, Outcome::Written);
    let (first, second) = ([b.clone(), missing, a.clone(), b], [a]);
    let reads = [
        Read { view: one.id(), keys: &first },
        Read { view: two.id(), keys: &second },
        Read { view: one.id(), keys: &[] },
    ];
    let found = store.read(&reads).await.unwrap();
    let rows_of = |index: usize| found[index].rows().map(|row| row.map(<[u8]>::to_vec)).collect::<Vec<_>>();
    let [row_a, row_b, row_two] = rows;
    assert_eq!(rows_of(0), [Some(row_b.clone()), None, Some(row_a), Some(row_b)]);
    assert_eq!(rows_of(1), [Some(row_two)]);
    assert!(rows_of(2).is_empty());
    assert_eq!(found[0].applied_at(), Some(moment(5)));
    assert_eq!(found[1].applied_at(), None);
}

/// A view that was never written has no rows.
pub async fn a_view_that_was_never_written_has_no_rows<S: Reader + Writer>(store: &S) {
    let view = "never@1".parse().unwrap();
    assert_eq!(read(store, &view, &key("a")).await, None);
    assert_eq!(store.stats(&view).await.unwrap(), Stats::default());
    store.drop_view(&view).await.unwrap();
    assert_eq!(store.replace(&view, &[], None).await.unwrap(), []);
}

/// A row replaces one that has folded less.
pub async fn a_row_replaces_one_that_has_folded_less<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let key = key("a");
    for row in [
        sample.row(None, &[(0, 0)]),
        sample.row(None, &[(0, 1)]),
        sample.row(None, &[(0, 1), (1, 0)]),
        sample.row(Some(0), &[(0, 1), (1, 0)]),
        sample.row(Some(7), &[(0, 2), (1, 0)]),
    ] {
        assert_eq!(write(store, sample.id(), &key, &row).await, Outcome::Written);
        assert_eq!(read(store, sample.id(), &key).await, Some(row));
    }
}

/// A repeated or an older row changes nothing.
pub async fn a_repeated_or_an_older_row_changes_nothing<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let key = key("a");
    let current = sample.row(Some(2), &[(0, 5)]);
    write(store, sample.id(), &key, &current).await;
    for older in [
        current.clone(),
        sample.row_with(Some(2), &[(0, 5)], "b"),
        sample.row(Some(1), &[(0, 5)]),
        sample.row(Some(2), &[(0, 4)]),
        sample.row(Some(2), &[]),
        sample.row(None, &[]),
    ] {
        assert_eq!(write(store, sample.id(), &key, &older).await, Outcome::Unchanged);
        assert_eq!(read(store, sample.id(), &key).await, Some(current.clone()));
    }
}

/// A row that lacks what is held is a conflict.
pub async fn a_row_that_lacks_what_is_stored_is_a_conflict<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let (a, b) = (key("a"), key("b"));
    let current = sample.row(Some(2), &[(0, 5)]);
    write(store, sample.id(), &a, &current).await;
    for other in [
        sample.row(Some(3), &[(0, 4)]),
        sample.row(Some(3), &[]),
        sample.row(None, &[(0, 6)]),
        sample.row(Some(2), &[(0, 4), (1, 0)]),
    ] {
        let rows = [RowWrite { key: &a, bytes: &other }, RowWrite { key: &b, bytes: &current }];
        let outcomes = store.replace(sample.id(), &rows, None).await.unwrap();
        assert_eq!(outcomes[0], Outcome::Conflict { current: current.clone() });
        assert_eq!(read(store, sample.id(), &a).await, Some(current.clone()));
        assert_eq!(read(store, sample.id(), &b).await, Some(current.clone()));
    }
}

/// Offsets and versions are compared to the last bit.
pub async fn offsets_and_versions_are_compared_to_the_last_bit<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    // Beyond these a double has no odd numbers.
    for (name, number) in [("a", 1 << 53), ("b", 1 << 63), ("c", u64::MAX - 1)] {
        let (key, next) = (key(name), number + 1);
        for (current, new, other) in [
            (sample.row(Some(number), &[]), sample.row(Some(next), &[]), sample.row(Some(number), &[(0, 1)])),
            (
                sample.row(Some(next), &[(3, number)]),
                sample.row(Some(next), &[(3, next)]),
                sample.row(Some(next), &[(3, number), (4, 0)]),
            ),
        ] {
            assert_eq!(write(store, sample.id(), &key, &current).await, Outcome::Written);
            assert_eq!(write(store, sample.id(), &key, &new).await, Outcome::Written);
            assert_eq!(write(store, sample.id(), &key, &current).await, Outcome::Unchanged);
            let conflict = Outcome::Conflict { current: new };
            assert_eq!(write(store, sample.id(), &key, &other).await, conflict);
        }
    }
}

/// Of writers at once none loses what another wrote.
pub async fn of_writers_at_once_none_loses_what_another_wrote<S: Reader + Writer>(store: &S) {
    const WRITERS: u32 = 8;
    const OFFSETS: u64 = 10;
    let sample = Sample::new();
    let key = key("a");
    // Each folds a partition of its own, offset after offset, into what is there.
    let writer = async |partition: u32| {
        let mut folded = Positions::default();
        for offset in 0..OFFSETS {
            loop {
                let mut offsets = folded.partitions().to_vec();
                offsets.retain(|(other, _)| *other != partition);
                offsets.push((partition, offset));
                offsets.sort_unstable();
                match write(store, sample.id(), &key, &sample.row(None, &offsets)).await {
                    Outcome::Written => break,
                    Outcome::Conflict { current } => folded = sample.positions(&current),
                    Outcome::Unchanged => panic!("nobody else folds partition {partition}"),
                }
            }
        }
    };
    join_all((0..WRITERS).map(writer)).await;
    let current = read(store, sample.id(), &key).await.unwrap();
    let all: Vec<(u32, u64)> = (0..WRITERS).map(|partition| (partition, OFFSETS - 1)).collect();
    assert_eq!(sample.positions(&current).partitions(), all);
    assert_eq!(store.stats(sample.id()).await.unwrap().rows, 1);
}

/// One entity twice in a batch ends with the newer row.
pub async fn one_entity_twice_in_a_batch_ends_with_the_newer_row<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let key = key("a");
    let (older, newer) = (sample.row(Some(1), &[]), sample.row(Some(2), &[]));
    let rows = [&older, &newer, &older].map(|bytes| RowWrite { key: &key, bytes });
    let outcomes = store.replace(sample.id(), &rows, None).await.unwrap();
    assert_eq!(outcomes, [Outcome::Written, Outcome::Written, Outcome::Unchanged]);
    assert_eq!(read(store, sample.id(), &key).await, Some(newer));
    assert_eq!(store.stats(sample.id()).await.unwrap().rows, 1);
}

/// The applied time rises and never falls.
pub async fn the_applied_time_rises_and_never_falls<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let key = key("a");
    let row = sample.row(Some(0), &[]);
    let applied = async || store.stats(sample.id()).await.unwrap().applied_at;
    let rows = [RowWrite { key: &key, bytes: &row }];
    store.replace(sample.id(), &rows, Some(moment(-5))).await.unwrap();
    assert_eq!(applied().await, Some(moment(-5)));
    store.replace(sample.id(), &[], Some(moment(9))).await.unwrap();
    assert_eq!(applied().await, Some(moment(9)));
    store.replace(sample.id(), &rows, Some(moment(8))).await.unwrap();
    store.replace(sample.id(), &[], None).await.unwrap();
    assert_eq!(applied().await, Some(moment(9)));
    let found = store.read(&[Read { view: sample.id(), keys: &[key] }]).await.unwrap();
    assert_eq!(found[0].applied_at(), Some(moment(9)));
}

/// A dropped view is gone alone and begins again.
pub async fn a_dropped_view_is_gone_alone_and_begins_again<S: Reader + Writer>(store: &S) {
    let (one, two) = (Sample::named("one@1"), Sample::named("one@2"));
    let key = key("a");
    let rows = [RowWrite { key: &key, bytes: &one.row(Some(4), &[]) }];
    for sample in [&one, &two] {
        store.replace(sample.id(), &rows, Some(moment(1))).await.unwrap();
    }
    store.drop_view(one.id()).await.unwrap();
    assert_eq!(read(store, one.id(), &key).await, None);
    assert_eq!(store.stats(one.id()).await.unwrap(), Stats::default());
    assert!(read(store, two.id(), &key).await.is_some());
    let older = one.row(Some(3), &[]);
    assert_eq!(write(store, one.id(), &key, &older).await, Outcome::Written);
    assert_eq!(read(store, one.id(), &key).await, Some(older));
}

/// Bytes that are no row are refused and nothing is written.
pub async fn bytes_that_are_no_row_are_refused_and_nothing_is_written<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let (a, b) = (key("a"), key("b"));
    let good = sample.row(Some(1), &[]);
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    for bad in [&b""[..], b"tw", &good[..good.len() - 1], &flipped] {
        let rows = [RowWrite { key: &a, bytes: &good }, RowWrite { key: &b, bytes: bad }];
        let refusal = store.replace(sample.id(), &rows, Some(moment(1))).await.unwrap_err();
        assert!(matches!(refusal, OnlineError::Damaged { .. }), "{refusal}");
        assert_eq!(store.stats(sample.id()).await.unwrap(), Stats::default());
    }
    let mut newer = good;
    newer[2] += 1;
    let refusal = store.replace(sample.id(), &[RowWrite { key: &a, bytes: &newer }], None).await;
    assert!(matches!(refusal.unwrap_err(), OnlineError::Newer { .. }));
}

/// A row of another definition is refused.
pub async fn a_row_of_another_definition_is_refused<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let mut other = sample.view.clone();
    other.hash = "f".repeat(64);
    let other = Sample { layout: Arc::new(Layout::new(&other)), view: other };
    let key = key("a");
    write(store, sample.id(), &key, &sample.row(Some(1), &[])).await;
    let rows = [RowWrite { key: &key, bytes: &other.row(Some(2), &[]) }];
    let refusal = store.replace(sample.id(), &rows, None).await.unwrap_err();
    assert!(refusal.to_string().contains("another definition"), "{refusal}");
}

/// Keys never collide however long.
pub async fn keys_never_collide_however_long<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let longest = [1, 0, 255].map(|last| {
        let mut bytes = vec![255; EntityKey::MAX_BYTES];
        bytes[EntityKey::MAX_BYTES - 1] = last;
        EntityKey::from_bytes(bytes.into()).unwrap()
    });
    let short = ["", "\0", "\0\0", "a", "aa", "a|a", "a:a", "{a}"].map(key);
    let keys: Vec<EntityKey> = longest.into_iter().chain(short).collect();
    for (version, key) in keys.iter().enumerate() {
        let row = sample.row(Some(version as u64), &[]);
        assert_eq!(write(store, sample.id(), key, &row).await, Outcome::Written);
    }
    let found = store.read(&[Read { view: sample.id(), keys: &keys }]).await.unwrap();
    for (version, row) in found[0].rows().enumerate() {
        let positions = PackedRow::new(&sample.layout, row.unwrap()).unwrap().positions().unwrap();
        assert_eq!(positions.history(), Some(version as u64));
    }
}

/// A large row is read back whole.
pub async fn a_large_row_is_read_back_whole<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let row = sample.row_with(None, &[(0, 0)], &"x".repeat(1 << 20));
    let (a, b) = (key("a"), key("b"));
    write(store, sample.id(), &a, &row).await;
    write(store, sample.id(), &b, &sample.row(None, &[(0, 0)])).await;
    assert_eq!(read(store, sample.id(), &a).await, Some(row));
}

/// Stats follow what is written.
pub async fn stats_follow_what_is_written<S: Reader + Writer>(store: &S) {
    let sample = Sample::new();
    let stats = async || store.stats(sample.id()).await.unwrap();
    write(store, sample.id(), &key("a"), &sample.row(Some(1), &[])).await;
    let one = stats().await;
    assert_eq!(one.rows, 1);
    assert!(one.bytes >= sample.row(Some(1), &[]).len() as u64);
    write(store, sample.id(), &key("b"), &sample.row(Some(1), &[])).await;
    assert_eq!(stats().await, Stats { rows: 2, bytes: 2 * one.bytes, applied_at: None });
    write(store, sample.id(), &key("b"), &sample.row_with(Some(2), &[(0, 0)], &"x".repeat(10_000))).await;
    let replaced = stats().await;
    assert_eq!(replaced.rows, 2);
    assert!(replaced.bytes > 2 * one.bytes + 10_000);
}

/// Mended rows replace damaged and wrong ones.
pub async fn mended_rows_replace_damaged_and_wrong_ones<S: Mender>(store: &S) {
    let sample = Sample::new();
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let right = sample.row(Some(3), &[(0, 5)]);
    write(store, sample.id(), &a, &sample.row(Some(2), &[(0, 5)])).await;
    // The same was folded, and other values came of it.
    write(store, sample.id(), &b, &sample.row_with(Some(3), &[(0, 5)], "wrong")).await;
    let rows = [&a, &b, &c].map(|key| Mending { key, bytes: &right, over: None });
    let outcomes = store.mend(sample.id(), &rows, Some(moment(7))).await.unwrap();
    assert_eq!(outcomes, [Outcome::Written, Outcome::Written, Outcome::Written]);
    for key in [&a, &b, &c] {
        assert_eq!(read(store, sample.id(), key).await, Some(right.clone()));
    }
    let outcomes = store.mend(sample.id(), &rows, None).await.unwrap();
    assert_eq!(outcomes, [Outcome::Unchanged, Outcome::Unchanged, Outcome::Unchanged]);
    store.recount(sample.id()).await.unwrap();
    let stats = store.stats(sample.id()).await.unwrap();
    assert_eq!((stats.rows, stats.applied_at), (3, Some(moment(7))));
    let bytes = stats.bytes;
    store.mend(sample.id(), &rows, None).await.unwrap();
    assert_eq!(store.stats(sample.id()).await.unwrap().bytes, bytes);
}

/// A row that has folded more is mended only over itself.
pub async fn a_row_that_has_folded_more_is_mended_only_over_itself<S: Mender>(store: &S) {
    let sample = Sample::new();
    let key = key("a");
    let (ahead, further) = (sample.row(Some(9), &[(0, 5)]), sample.row(Some(9), &[(0, 6)]));
    let from_log = sample.row(Some(3), &[(0, 4)]);
    let mend = async |over| {
        let row = Mending { key: &key, bytes: &from_log, over };
        store.mend(sample.id(), &[row], None).await.unwrap().remove(0)
    };
    write(store, sample.id(), &key, &ahead).await;
    assert_eq!(mend(None).await, Outcome::Conflict { current: ahead.clone() });
    write(store, sample.id(), &key, &further).await;
    assert_eq!(mend(Some(&ahead)).await, Outcome::Conflict { current: further.clone() });
    assert_eq!(read(store, sample.id(), &key).await, Some(further.clone()));
    assert_eq!(mend(Some(&further)).await, Outcome::Written);
    assert_eq!(read(store, sample.id(), &key).await, Some(from_log.clone()));
}

/// Several write the same new rows at one moment, of which some are twice in one call.
pub async fn new_rows_of_several_writers_are_the_newest_and_counted_once<S: Mender>(store: &S) {
    let sample = Sample::new();
    let keys: Vec<EntityKey> = (0..300).map(|number| key(&format!("k{number}"))).collect();
    let rows: Vec<Vec<u8>> = (1..=4).map(|version| sample.row(Some(version), &[])).collect();
    let writers = rows.iter().enumerate().map(async |(writer, row)| {
        // Each begins elsewhere, and writes its first key once more at its end.
        let own = keys.iter().cycle().skip(writer * 70).take(keys.len() + 1);
        if writer % 2 == 0 {
            let rows: Vec<RowWrite<'_>> = own.map(|key| RowWrite { key, bytes: row }).collect();
            store.replace(sample.id(), &rows, None).await.unwrap();
        } else {
            let rows: Vec<Mending<'_>> = own.map(|key| Mending { key, bytes: row, over: None }).collect();
            store.mend(sample.id(), &rows, None).await.unwrap();
        }
    });
    join_all(writers).await;
    for key in &keys {
        assert_eq!(read(store, sample.id(), key).await.as_ref(), rows.last());
    }
    let counted = store.stats(sample.id()).await.unwrap();
    assert_eq!(counted.rows, 300);
    store.recount(sample.id()).await.unwrap();
    assert_eq!(store.stats(sample.id()).await.unwrap(), counted);
}

/// Rows of no known entity are found and removed unless they change.
pub async fn rows_of_no_known_entity_are_found_and_removed_unless_they_change<S: Mender>(store: &S) {
    let (sample, other) = (Sample::new(), Sample::named("other@1"));
    let [a, b, c] = ["a", "b", "c"].map(key);
    let (row, newer) = (sample.row(Some(1), &[]), sample.row(Some(2), &[]));
    for key in [&a, &b, &c] {
        write(store, sample.id(), key, &row).await;
        write(store, other.id(), key, &other.row(Some(1), &[])).await;
    }
    let mut known = Entities::default();
    known.insert(&a);
    let mut strays = store.strays(sample.id(), &known).await.unwrap();
    strays.sort();
    assert_eq!(strays, [(b.clone(), row.clone()), (c.clone(), row.clone())]);
    write(store, sample.id(), &b, &newer).await;
    assert_eq!(store.remove(sample.id(), &strays).await.unwrap(), 1);
    assert_eq!(read(store, sample.id(), &b).await, Some(newer));
    assert_eq!(read(store, sample.id(), &c).await, None);
    let stats = async |id| store.stats(id).await.unwrap();
    assert_eq!((stats(sample.id()).await.rows, stats(other.id()).await.rows), (2, 3));
    store.recount(sample.id()).await.unwrap();
    assert_eq!(stats(sample.id()).await.rows, 2);
}

/// The commit that a view has folded.
pub async fn the_commit_that_a_view_has_folded_is_kept_until_the_view_is_dropped<S: Mender>(store: &S) {
    let (sample, other) = (Sample::new(), Sample::named("other@1"));
    let (first, second) = (commit(7, 0xdead_beef), commit(3, 0));
    assert_eq!(store.folded_commit(sample.id()).await.unwrap(), None);
    store.note_folded_commit(sample.id(), first).await.unwrap();
    write(store, sample.id(), &key("a"), &sample.row(Some(7), &[])).await;
    write(store, other.id(), &key("a"), &other.row(Some(7), &[])).await;
    store.recount(sample.id()).await.unwrap();
    assert_eq!(store.folded_commit(sample.id()).await.unwrap(), Some(first));
    assert_eq!(store.folded_commit(other.id()).await.unwrap(), None);
    // A log that is older is noted, too: the rows were written again from it.
    store.note_folded_commit(sample.id(), second).await.unwrap();
    assert_eq!(store.folded_commit(sample.id()).await.unwrap(), Some(second));
    assert_eq!(store.stats(sample.id()).await.unwrap().rows, 1);
    store.drop_view(sample.id()).await.unwrap();
    assert_eq!(store.folded_commit(sample.id()).await.unwrap(), None);
}

/// Whoever looks for rows that nobody owns finds them by the names of their versions, also those that no definition has.
pub async fn every_version_of_which_something_is_there_is_named<S: Mender>(store: &S) {
    let kept = format!("one@{}", VersionId::MOST_VERSIONS + 7);
    let (one, two, kept) = (Sample::named("one@1"), Sample::named("two@3"), Sample::named(&kept));
    assert_eq!(store.versions().await.unwrap(), []);
    for sample in [&two, &kept, &one] {
        write(store, sample.id(), &key("a"), &sample.row(Some(7), &[])).await;
        write(store, sample.id(), &key("b"), &sample.row(Some(7), &[])).await;
    }
    let named = [one.id(), kept.id(), two.id()].map(VersionId::clone);
    assert_eq!(store.versions().await.unwrap(), named);
    store.drop_view(kept.id()).await.unwrap();
    store.drop_view(two.id()).await.unwrap();
    assert_eq!(store.versions().await.unwrap(), [one.id().clone()]);
}

fn commit(version: u64, checksum: u32) -> FoldedCommit {
    FoldedCommit { version, checksum }
}
