//! Any history the laws allow, through both stores: what training says and what serving says is what
//! the oracle says. `CASES=1000` asks for more of them.
//!
//! The generated rows are late, early, tied, deleted, null, infinite, or of the year 1969. A log is
//! written in two commits, and after each the online store is synced by the materializer at some
//! moment, with all rows that are not yet visible waiting in its packed rows.

use std::cell::Cell;
use std::sync::Arc;

use feature::oracle::{self, History, Numbers};
use feature::{Answer, AsOf, EntityKey, Micros, Row, Scalar, Value};
use online::{Layout, PackedRow, Read, Reader};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::generated::{self, Fact, cases, run};
use crate::label::{LABEL_TIME, Label, spine};
use crate::project::Project;

/// Moments of a history at which every entity is read.
const MOMENTS: usize = 24;

thread_local! {
    /// What the materializer's clock shows.
    static NOW: Cell<Micros> = const { Cell::new(Micros::MIN) };
}

fn clock() -> Micros {
    NOW.get()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_training_set_is_the_oracles(seed: u64, rows in 1_usize..20) {
        run(training(seed, rows))?;
    }

    #[test]
    fn a_synced_store_is_the_oracles(seed: u64, rows in 1_usize..20) {
        run(syncing(seed, rows))?;
    }
}

async fn training(seed: u64, rows: usize) -> Result<(), TestCaseError> {
    let history = generated::history(seed, rows);
    let numbers = &mut Numbers::new(seed ^ 1);
    let view = Arc::new(history.view.clone());
    let project = Project::empty(clock);
    let facts = generated::facts(&history, numbers);
    let (first, second) = facts.split_at(facts.len() / 2);
    generated::append(&project, &view, first).await;
    generated::append(&project, &view, second).await;
    let plan = generated::plan(&view);
    // What lies beyond the last label is not even read: so the last may be that of the earliest row.
    let earliest = facts.iter().map(|(_, row)| row.event_time).min();
    let moments = match earliest {
        Some(earliest) if numbers.once_in(2) => vec![earliest],
        _ => history.moments.clone(),
    };
    let mut labels = generated::labels(&history, &moments, MOMENTS, numbers);
    let nobody = Label { keys: vec![Value::Null, Value::Int32(0)], ..labels[0].clone() };
    labels.push(nobody);
    let spine = spine(&plan, &labels);
    for as_of in [AsOf::Available, AsOf::Event] {
        let set = project.training_set(&plan, &spine, LABEL_TIME, as_of).await;
        for (row, label) in labels.iter().enumerate() {
            let expected = oracle::answer(&view, rows_of(&facts, label).as_slice(), label.at, as_of);
            for (output, expected) in plan.outputs.iter().zip(&expected.cells) {
                let got = set.value(&output.name, row, output.data_type);
                prop_assert_eq!(&got, &expected.value, "{} for {}, {:?}", &output.name, label, as_of);
            }
            let times = ["event_time", "available_at"]
                .map(|time| set.value(&format!("generated__{time}"), row, Scalar::Timestamp.into()));
            let expected = expected.times.map_or([Value::Null, Value::Null], |times| {
                [times.event_time, times.available_at].map(Value::Timestamp)
            });
            prop_assert_eq!(times, expected, "the times of {}, {:?}", label, as_of);
        }
    }
    Ok(())
}

async fn syncing(seed: u64, rows: usize) -> Result<(), TestCaseError> {
    let history = generated::history(seed, rows);
    let numbers = &mut Numbers::new(seed ^ 2);
    let view = Arc::new(history.view.clone());
    let project = Project::empty(clock);
    let facts = generated::facts(&history, numbers);
    let (first, _) = facts.split_at(numbers.below(facts.len() as u64 + 1) as usize);
    let mut written = 0;
    for written_by_then in [first.len(), facts.len()] {
        generated::append(&project, &view, &facts[written..written_by_then]).await;
        written = written_by_then;
        NOW.set(numbers.pick(&history.moments).unwrap());
        project.materializer.sync(&view).await.unwrap();
        assert_is_the_oracles(&project, &history, &facts[..written], numbers).await?;
        // The same version of the log once more, later or earlier: nothing changes.
        NOW.set(numbers.pick(&history.moments).unwrap());
        project.materializer.sync(&view).await.unwrap();
        assert_is_the_oracles(&project, &history, &facts[..written], numbers).await?;
    }
    Ok(())
}

/// Asks the store about every entity at moments that it does not refuse.
async fn assert_is_the_oracles(
    project: &Project,
    history: &History,
    written: &[Fact<'_>],
    numbers: &mut Numbers,
) -> Result<(), TestCaseError> {
    let view = &history.view;
    let layout = Layout::new(view);
    let online = &project.materializer.online;
    let applied_at = online.stats(&view.id).await.unwrap().applied_at;
    let legal: Vec<Micros> = history
        .moments
        .iter()
        .copied()
        .filter(|at| applied_at.is_none_or(|applied| applied <= *at))
        .collect();
    for label in generated::labels(history, &legal, MOMENTS, numbers) {
        let key = EntityKey::encode(&view.keys, &label.keys).unwrap();
        let found = online.read(&[Read { view: &view.id, keys: &[key] }]).await.unwrap();
        let got = match found[0].row(0) {
            Some(bytes) => PackedRow::new(&layout, bytes).unwrap().answer(label.at).unwrap(),
            None => Answer::not_found(view.features.len()),
        };
        let expected = oracle::answer(view, &rows_of(written, &label), label.at, AsOf::Available);
        for ((feature, got), expected) in view.features.iter().zip(&got.cells).zip(&expected.cells) {
            prop_assert_eq!(got, expected, "{} for {}", &feature.name, &label);
        }
        prop_assert_eq!(got, expected, "{}", label);
    }
    Ok(())
}

fn rows_of(facts: &[Fact<'_>], label: &Label) -> Vec<Row> {
    facts.iter().filter(|(keys, _)| *keys == label.keys).map(|(_, row)| (*row).clone()).collect()
}
