//! The join against the oracle, on generated histories, in batches of any size and order.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use feature::oracle::{self, History, Numbers};
use feature::{Answer, AsOf, OpenAnswer, Opening, Openings, Row, Value};
use proptest::prelude::*;

use super::folded::Folded;
use super::labels::Labels;
use super::latest::Best;
use super::passes::fold_batch;
use super::view_fold::{Ask, ViewFold};
use super::while_open::{fold_moments, held_features};
use crate::log::sample_batch::batch;

/// The entity (none for a null key) and the time of each label.
type LabelRows = Vec<(Option<usize>, i64)>;

/// Every entity at every moment, and a null key: the spine that asks everything.
fn labels(history: &History, openings: &[Opening]) -> (Labels, LabelRows) {
    let mut label_rows: LabelRows = history
        .moments
        .iter()
        .flat_map(|at| (0..history.entities.len()).map(|entity| (Some(entity), at.get())))
        .collect();
    label_rows.push((None, 0));
    let keys: Vec<ArrayRef> = history
        .view
        .keys
        .iter()
        .enumerate()
        .map(|(n, key)| {
            let values: Vec<Value> = label_rows
                .iter()
                .map(|(entity, _)| entity.map_or(Value::Null, |entity| history.entities[entity].0[n].clone()))
                .collect();
            transform::array_of(&values, key.data_type)
        })
        .collect();
    let times: Vec<i64> = label_rows.iter().map(|(_, at)| *at).collect();
    let moments = fold_moments(&times, openings);
    (moments.answered(Labels::new(&keys, &moments.times).unwrap()), label_rows)
}

/// The folded log, the slot of each label, and the labels.
fn joined(history: &History, as_of: AsOf, seed: u64, openings: &[Opening]) -> (Folded, Vec<u32>, LabelRows) {
    let mut numbers = Numbers::new(seed);
    let mut rows: Vec<(&[Value], &Row)> = history
        .entities
        .iter()
        .flat_map(|(keys, rows)| rows.iter().map(move |row| (keys.as_slice(), row)))
        .collect();
    rows.sort_by_cached_key(|_| numbers.draw());
    let (labels, label_rows) = labels(history, openings);
    let labels = Arc::new(labels);
    let view = Arc::new(history.view.clone());
    let ask = Ask { as_of, leaks: true };
    let best = Arc::new(Best::new(&labels));
    let new = |_| ViewFold::new(view.clone(), labels.clone(), best.clone(), ask);
    let mut folds: Vec<ViewFold> = (0..=numbers.below(3)).map(new).collect();
    for chunk in rows.chunks(1 + numbers.below(7) as usize) {
        let index = numbers.below(folds.len() as u64) as usize;
        fold_batch(&mut folds[index], &batch(&history.view, chunk)).unwrap();
    }
    let mut merged = folds.pop().unwrap();
    folds.into_iter().for_each(|fold| merged.merge(fold));
    (merged.finish().unwrap(), labels.slot_of_row.clone(), label_rows)
}

fn check(history: &History, as_of: AsOf, seed: u64, openings: &[Opening]) {
    let (folded, slots, label_rows) = joined(history, as_of, seed, openings);
    let moments: Vec<i64> = label_rows.iter().map(|(_, at)| *at).collect();
    let (joined, times) = (folded.columns(&slots, &moments).unwrap(), folded.times(&slots));
    for (row, (entity, at)) in label_rows.iter().enumerate() {
        let Some(entity) = entity else {
            assert!(joined.features.iter().all(|feature| feature.is_null(row)), "a null key has nothing");
            continue;
        };
        let at = feature::Micros::new(*at).unwrap();
        let rows = &history.entities[*entity].1;
        let expected = match openings.iter().find(|opening| opening.covers(at)) {
            Some(opening) => oracle::answer_while_open(&history.view, rows, at, opening),
            None => oracle::answer(&history.view, rows, at, as_of),
        };
        let times = times.each_ref().map(|times| times.is_valid(row).then(|| times.value(row)));
        let shown = expected.times.filter(|_| !history.view.is_static);
        let expected_times = [shown.map(|times| times.event_time), shown.map(|times| times.available_at)];
        assert_eq!(times, expected_times.map(|time| time.map(feature::Micros::get)));
        for (n, feature) in history.view.features.iter().enumerate() {
            let got = transform::value_at(joined.features[n].as_ref(), row, feature.data_type);
            assert_eq!(
                got, expected.cells[n].value,
                "{} of entity {entity} at {at}, {as_of:?}",
                feature.name
            );
        }
    }
}

/// Histories to check: a few, or as many as `CASES` says.
fn cases() -> u32 {
    std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn the_join_is_the_oracles_to_the_bit(seed: u64, rows in 0_usize..24) {
        let history = History::generate(seed, rows);
        check(&history, AsOf::Available, seed, &[]);
        check(&history, AsOf::Event, seed, &[]);
    }

    #[test]
    fn rows_beyond_retention_are_as_if_they_had_never_been(seed: u64, rows in 0_usize..24) {
        let mut history = History::generate(seed, rows);
        // Retention is refused beside the whole history, and covers the ttl and every window.
        history.view.features.retain(|feature| match feature.fold {
            feature::Fold::Latest { .. } => true,
            feature::Fold::Aggregate { window, .. } => window.is_some(),
        });
        history.view.ttl = Some("30m".parse().unwrap());
        let online = Some("80m".parse().unwrap());
        history.view.retention = Some(feature::Retention { online, offline: None });
        check(&history, AsOf::Available, seed, &[]);
        check(&history, AsOf::Event, seed, &[]);
    }

    #[test]
    fn labels_at_which_a_breaker_was_open_see_what_was_answered_then(
        seed: u64,
        rows in 0_usize..24,
        bounds in prop::array::uniform5(any::<prop::sample::Index>()),
        is_kept in prop::array::uniform2(any::<bool>()),
        has_ttl: bool,
    ) {
        let mut history = History::generate(seed, rows);
        history.view.ttl = has_ttl.then(|| "1m".parse().unwrap());
        let mut bounds = bounds.map(|index| index.get(&history.moments).to_owned());
        bounds.sort_unstable();
        let [good_until, from, until, good_again, from_again] = bounds;
        let opening = |number, is_kept, from, until, good_until| Opening {
            number,
            view: history.view.id.clone(),
            answers: if is_kept { OpenAnswer::LastKnownGood } else { OpenAnswer::NoValue },
            from,
            until,
            good_until,
            features: Vec::new(),
        };
        let openings = [
            opening(1, is_kept[0], from, Some(until), good_until),
            opening(2, is_kept[1], from_again, None, good_again),
        ];
        check(&history, AsOf::Available, seed, &openings);
    }

    #[test]
    fn labels_at_which_breakers_held_some_features_see_of_each_what_was_answered_then(
        seed: u64,
        rows in 0_usize..24,
        bounds in prop::array::uniform5(any::<prop::sample::Index>()),
        is_kept in prop::array::uniform2(any::<bool>()),
        held in prop::array::uniform2(prop::collection::vec(any::<prop::sample::Index>(), 1..4)),
    ) {
        let history = History::generate(seed, rows);
        let mut bounds = bounds.map(|index| index.get(&history.moments).to_owned());
        bounds.sort_unstable();
        let [good_until, from, from_again, until, until_again] = bounds;
        let opening = |number: usize, from, until| Opening {
            number: number as u32,
            view: history.view.id.clone(),
            answers: if is_kept[number] { OpenAnswer::LastKnownGood } else { OpenAnswer::NoValue },
            from,
            until: Some(until),
            good_until,
            features: held[number].iter().map(|index| index.get(&history.view.features).name.clone()).collect(),
        };
        let openings = [opening(0, from, until), opening(1, from_again, until_again)];
        let all: Vec<(usize, String)> = (0..history.view.features.len()).map(|index| (index, String::new())).collect();
        let known = Openings::new(openings.iter().cloned());
        for group in held_features(&history.view, all, &openings) {
            let (folded, slots, label_rows) = joined(&history, AsOf::Available, seed, &group.openings);
            let moments: Vec<i64> = label_rows.iter().map(|(_, at)| *at).collect();
            let joined = folded.columns(&slots, &moments).unwrap();
            for (row, (entity, at)) in label_rows.iter().enumerate() {
                let Some(entity) = entity else { continue };
                let (at, rows) = (feature::Micros::new(*at).unwrap(), &history.entities[*entity].1);
                // The oracle folds all features at once: once for each opening.
                let mut answers: BTreeMap<Option<u32>, Answer> = BTreeMap::new();
                for (index, _) in &group.features {
                    let feature = &history.view.features[*index];
                    let opening = known.of_feature(&history.view.id, &feature.name, at);
                    let expected = answers.entry(opening.map(|one| one.number)).or_insert_with(|| match opening {
                        Some(opening) => oracle::answer_while_open(&history.view, rows, at, opening),
                        None => oracle::answer(&history.view, rows, at, AsOf::Available),
                    });
                    let got = transform::value_at(joined.features[*index].as_ref(), row, feature.data_type);
                    let expected = &expected.cells[*index].value;
                    prop_assert_eq!(&got, expected, "{} of entity {} at {}", feature.name, entity, at);
                }
            }
        }
    }

    #[test]
    fn a_leak_is_counted_where_the_modes_use_different_rows(seed: u64, rows in 0_usize..16) {
        let history = History::generate(seed, rows);
        let (folded, slots, label_rows) = joined(&history, AsOf::Available, seed, &[]);
        let moments: Vec<i64> = label_rows.iter().map(|(_, at)| *at).collect();
        let joined = folded.columns(&slots, &moments).unwrap();
        for (row, (entity, at)) in label_rows.iter().enumerate() {
            let Some(entity) = entity else { continue };
            let at = feature::Micros::new(*at).unwrap();
            let rows = &history.entities[*entity].1;
            let available = oracle::answer(&history.view, rows, at, AsOf::Available);
            let event = oracle::answer(&history.view, rows, at, AsOf::Event);
            for (n, feature) in history.view.features.iter().enumerate() {
                let differs = available.cells[n].value != event.cells[n].value && !event.cells[n].value.is_null();
                let leaked = joined.leaked[n].value(row);
                prop_assert!(!differs || leaked, "{} of entity {entity} at {at}", feature.name);
            }
        }
    }
}
