//! Entities folded from batches of a log, by two passes and in any order, have the bytes that their rows give one by one,
//! and answer as the oracle does.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use feature::oracle::{self, History, Numbers};
use feature::{AsOf, EntityKey, Fold, Micros, Provenance, Row, Span, Value, View};
use offline::{Facts, fold_batches, log_batch};
use online::{Applied, Layout, PackedRow, RowState};
use proptest::prelude::*;

use super::entities::{Entities, Folded};
use super::folding::Folding;
use super::selection::{KeyRange, Selection};
use super::writing::Packed;

const FOLDED: Folded = Folded::Committed(7);

/// A batch of the log that holds these rows, each with the join keys of its entity.
fn batch(view: &View, rows: &[(&[Value], &Row)]) -> RecordBatch {
    let keys = view.keys.iter().enumerate().map(|(n, key)| {
        (&key.name, transform::array_of(rows.iter().map(|(keys, _)| &keys[n]), key.data_type))
    });
    let columns = view.columns.iter().enumerate().map(|(n, column)| {
        (&column.name, transform::array_of(rows.iter().map(|(_, row)| &row.values[n]), column.data_type))
    });
    let named = |(name, array): (&feature::Name, ArrayRef)| {
        (Field::new(name.as_str(), array.data_type().clone(), true), array)
    };
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = keys.chain(columns).map(named).unzip();
    let values = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let times = |of: fn(&Row) -> Micros| {
        TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, row)| of(row).get()))
    };
    let facts = Facts {
        event_times: times(|row| row.event_time),
        available_at: times(|row| row.available_at),
        provenance: Provenance::Simulated,
        assumed_delay: Some(Span::SECOND),
        positions: rows.iter().map(|(_, row)| row.position).collect(),
        late: BooleanArray::from(vec![false; rows.len()]),
        deleted: rows.iter().map(|(_, row)| Some(row.deleted)).collect(),
    };
    log_batch(view, &values, facts).unwrap()
}

/// The view as it is, without folds of the whole history, or with latest values alone: the fewer a view has, the more rows
/// are passed over.
fn narrowed(view: &View, kind: u64) -> View {
    let mut view = view.clone();
    view.features.retain(|feature| match feature.fold {
        Fold::Latest { .. } => true,
        Fold::Aggregate { window, .. } => kind == 0 || kind == 1 && window.is_some(),
    });
    view
}

/// All packed rows, in the order of their keys.
fn packed(entities: &Entities) -> Vec<(EntityKey, Vec<u8>)> {
    let packed = entities.packed(&entities.in_order(None), FOLDED).unwrap();
    let rows = packed.iter().flat_map(Packed::rows);
    rows.map(|(key, bytes)| (key.clone(), bytes.to_vec())).collect()
}

/// The rows folded one by one.
fn one_by_one(view: &View, history: &History, now: Micros) -> Vec<(EntityKey, Vec<u8>)> {
    let layout = Arc::new(Layout::new(view));
    let seen = history.entities.iter().filter(|(_, rows)| !rows.is_empty());
    let mut packed: Vec<(EntityKey, Vec<u8>)> = seen
        .map(|(keys, rows)| {
            let mut state = RowState::new(&layout);
            rows.iter().for_each(|row| assert_ne!(state.fold(row, now), Applied::Refused));
            state.set_history(FOLDED.position());
            let mut bytes = Vec::new();
            state.encode(&mut bytes).unwrap();
            (EntityKey::encode(&view.keys, keys).unwrap(), bytes)
        })
        .collect();
    packed.sort();
    packed
}

fn assert_is_the_oracles(view: &View, history: &History, packed: &[(EntityKey, Vec<u8>)], now: Micros) {
    let layout = Layout::new(view);
    let packed: HashMap<&EntityKey, &[u8]> =
        packed.iter().map(|(key, bytes)| (key, bytes.as_slice())).collect();
    for (keys, rows) in history.entities.iter().filter(|(_, rows)| !rows.is_empty()) {
        let key = EntityKey::encode(&view.keys, keys).unwrap();
        let answer = PackedRow::new(&layout, packed[&key]).unwrap().answer(now).unwrap();
        assert_eq!(answer, oracle::answer(view, rows, now, AsOf::Available), "{key:?} at {now}");
    }
}

/// All rows in a drawn order, in batches of drawn sizes.
fn batches(view: &View, history: &History, numbers: &mut Numbers) -> Vec<RecordBatch> {
    let of_entity = |(keys, rows): &'_ (Vec<Value>, Vec<Row>)| {
        rows.iter().map(|row| (keys.clone(), row.clone())).collect::<Vec<_>>()
    };
    let mut rows: Vec<(Vec<Value>, Row)> = history.entities.iter().flat_map(of_entity).collect();
    match numbers.below(3) {
        0 => rows.sort_by_key(|(_, row)| row.event_time),
        1 => rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.event_time)),
        _ => rows.sort_by_cached_key(|_| numbers.draw()),
    }
    let rows: Vec<(&[Value], &Row)> = rows.iter().map(|(keys, row)| (keys.as_slice(), row)).collect();
    rows.chunks(1 + numbers.below(9) as usize).map(|rows| batch(view, rows)).collect()
}

fn fold(entities: &Entities, view: &Arc<View>, batches: &[RecordBatch], now: Micros, selection: Selection) {
    fold_batches(view, batches, entities.folding(selection, now)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_fold_of_batches_has_the_bytes_of_rows_folded_one_by_one(seed: u64, rows in 0_usize..40, kind in 0_u64..3) {
        let history = History::generate(seed, rows);
        let view = Arc::new(narrowed(&history.view, kind));
        let mut numbers = Numbers::new(seed ^ 7);
        let now = numbers.pick(&history.moments).unwrap_or(Micros::MAX);
        let batches = batches(&view, &history, &mut numbers);
        let entities = Entities::new(&view);
        // What came first, and what was added to entities that are there and to others.
        let (before, after) = batches.split_at(numbers.below(batches.len() as u64 + 1) as usize);
        fold(&entities, &view, before, now, Selection::Range(KeyRange::default()));
        fold(&entities, &view, after, now, Selection::Range(KeyRange::default()));
        let expected = one_by_one(&view, &history, now);
        let got = packed(&entities);
        prop_assert_eq!(&got, &expected);
        assert_is_the_oracles(&view, &history, &got, now);
    }

    #[test]
    fn ranges_of_keys_folded_one_after_the_other_are_the_whole(seed: u64, rows in 0_usize..20) {
        let history = History::generate(seed, rows);
        let view = Arc::new(narrowed(&history.view, seed % 3));
        let mut numbers = Numbers::new(seed ^ 8);
        let now = numbers.pick(&history.moments).unwrap_or(Micros::MAX);
        let batches = batches(&view, &history, &mut numbers);
        let expected = one_by_one(&view, &history, now);
        let bound = expected.get(numbers.below(expected.len() as u64) as usize);
        let bound: Option<Box<[u8]>> = bound.map(|(key, _)| key.as_bytes().into());
        let mut got = Vec::new();
        for range in [
            KeyRange { from: None, before: bound.clone() },
            KeyRange { from: bound.clone(), before: None },
        ] {
            let entities = Entities::new(&view);
            fold(&entities, &view, &batches, now, Selection::Range(range));
            got.extend(packed(&entities));
        }
        got.dedup();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn only_selected_entities_are_folded_and_kept(seed: u64, rows in 1_usize..20) {
        let history = History::generate(seed, rows);
        let view = Arc::new(history.view.clone());
        let mut numbers = Numbers::new(seed ^ 9);
        let now = numbers.pick(&history.moments).unwrap_or(Micros::MAX);
        let batches = batches(&view, &history, &mut numbers);
        let all = one_by_one(&view, &history, now);
        let (some, others): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|_| numbers.once_in(2));
        let keys: Arc<_> = Arc::new(some.iter().map(|(key, _)| key.clone()).collect());
        let entities = Entities::new(&view);
        fold(&entities, &view, &batches, now, Selection::Present);
        prop_assert_eq!(entities.len(), 0);
        fold(&entities, &view, &batches, now, Selection::Keys(keys));
        prop_assert_eq!(packed(&entities), some.clone());
        prop_assert!(some.iter().all(|(key, _)| entities.has(key)));
        prop_assert!(others.iter().all(|(key, _)| !entities.has(key)));
        let mut kept = entities;
        let half: Vec<_> = some.iter().step_by(2).cloned().collect();
        kept.keep(|key| half.iter().any(|(kept, _)| kept == key));
        prop_assert_eq!(packed(&kept), half);
    }
}

#[test]
fn a_row_that_no_window_reaches_is_not_read_whole() {
    let history = History::generate(3, 40);
    let view = Arc::new(narrowed(&history.view, 2));
    let rows: usize = history.entities.iter().map(|(_, rows)| rows.len()).sum();
    let mut numbers = Numbers::new(3);
    let mut all: Vec<(&[Value], &Row)> = history
        .entities
        .iter()
        .flat_map(|(keys, rows)| rows.iter().map(move |row| (keys.as_slice(), row)))
        .collect();
    all.sort_by_cached_key(|_| numbers.draw());
    let counted = Counted {
        folding: Entities::new(&view).folding(Selection::Range(KeyRange::default()), Micros::MAX),
        whole: Arc::default(),
    };
    let whole = counted.whole.clone();
    fold_batches(&view, &[batch(&view, &all)], counted).unwrap();
    let whole = whole.load(std::sync::atomic::Ordering::Relaxed);
    assert!(whole < rows / 2, "{whole} of {rows}");
}

/// A fold that counts the rows that it reads whole.
struct Counted {
    folding: Folding,
    whole: Arc<std::sync::atomic::AtomicUsize>,
}

impl offline::RowFold for Counted {
    fn offer(
        &mut self,
        rows: &offline::OfferedRows<'_>,
        first_row: usize,
    ) -> Result<(), offline::OfflineError> {
        self.folding.offer(rows, first_row)
    }

    fn wanted(&mut self) -> Vec<u32> {
        self.folding.wanted()
    }

    fn fold(&mut self, rows: &offline::WholeRows<'_>) {
        self.whole.fetch_add(rows.len(), std::sync::atomic::Ordering::Relaxed);
        self.folding.fold(rows);
    }
}
