//! Any history whose view has a retention: what was dropped is missed by nobody who asks for what is kept. A training set
//! of labels within the retained range is the same to the bit, what is served is the oracle's of all rows, and both stores
//! have the same entities. `CASES=1000` asks for more of them.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use feature::oracle::{self, History, Numbers};
use feature::{Answer, AsOf, EntityKey, Fold, Micros, Position, Retention, Row, Span, View};
use materializer::{Vacuum, expired_before};
use offline::{OfflineError, Options, ReadLock, Spine, write_file};
use online::{Layout, PackedRow, Read, Reader};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::generated::{self, Fact, cases, run};
use crate::label::{LABEL_TIME, Label, spine};
use crate::project::Project;

/// Over how many dates a history lies.
const DAYS: u64 = 9;
/// How long rows are kept, in days: online, and in the log.
const ONLINE: i64 = 2;
const OFFLINE: i64 = 3;
const MOMENTS: usize = 16;
/// Files that a generated history has.
const FILES: u32 = 3;

thread_local! {
    /// What the materializer's clock shows.
    static NOW: Cell<Micros> = const { Cell::new(Micros::MIN) };
}

fn clock() -> Micros {
    NOW.get()
}

fn days(days: i64) -> Span {
    Span::of(days, Span::DAY).unwrap()
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn nobody_who_asks_for_what_is_kept_misses_what_was_dropped(seed: u64, rows in 1_usize..24) {
        run(dropping(seed, rows))?;
    }
}

/// A history over some days, of a view that may have a retention.
fn history(seed: u64, rows: usize, numbers: &mut Numbers) -> History {
    let mut history = generated::history(seed, rows);
    let is_bounded = |fold: &Fold| !matches!(fold, Fold::Aggregate { window: None, .. });
    history.view.features.retain(|feature| is_bounded(&feature.fold));
    history.view.ttl = Some("30m".parse().unwrap());
    history.view.retention = Some(Retention { online: Some(days(ONLINE)), offline: Some(days(OFFLINE)) });
    for row in history.entities.iter_mut().flat_map(|(_, rows)| rows) {
        let later = days(1 + numbers.below(DAYS) as i64);
        row.event_time = row.event_time.saturating_add(later);
        row.available_at = row.available_at.saturating_add(later);
        // A generated log does not say how far it has a stream, so rows of one would be ahead of it.
        if let Position::Stream { partition, offset } = row.position {
            row.position = Position::History { file: FILES + partition, row: offset };
        }
    }
    for moment in &mut history.moments {
        *moment = moment.saturating_add(days(1 + numbers.below(DAYS) as i64));
    }
    history
}

async fn dropping(seed: u64, rows: usize) -> Result<(), TestCaseError> {
    let numbers = &mut Numbers::new(seed ^ 11);
    let history = history(seed, rows, numbers);
    let view = Arc::new(history.view.clone());
    let project = Project::empty(clock);
    let facts = generated::facts(&history, numbers);
    let Some(newest) = facts.iter().map(|(_, row)| row.event_time).max() else { return Ok(()) };
    for part in facts.chunks(facts.len().div_ceil(3).max(1)) {
        generated::append(&project, &view, part).await;
    }
    if numbers.once_in(2) {
        project.materializer.offline.log(&view).await.unwrap().optimize().await.unwrap();
    }
    NOW.set(newest.saturating_add(Span::of(1 + numbers.below(30 * 60) as i64, Span::MINUTE).unwrap()));
    project.materializer.sync(&view).await.unwrap();
    let midnight = expired_before(days(OFFLINE), clock());
    let is_old = |(_, row): &&Fact<'_>| row.event_time < midnight;
    let old = facts.iter().filter(is_old).count();
    let from = midnight.saturating_add(days(ONLINE));
    let kept: Vec<Micros> = history.moments.iter().copied().chain([from]).filter(|at| *at >= from).collect();
    let labels = generated::labels(&history, &kept, MOMENTS, numbers);
    let plan = generated::plan(&view);
    let spine_of_kept = spine(&plan, &labels);
    let mut before = Vec::new();
    for as_of in [AsOf::Available, AsOf::Event] {
        before.push(project.training_set(&plan, &spine_of_kept, LABEL_TIME, as_of).await.batch);
    }
    let done = project.materializer.expire(&view, midnight).await.unwrap();
    prop_assert_eq!(done.rows, old as u64);
    assert_both_stores_agree(&project, &history, &facts, (from, numbers)).await?;
    let readers = ReadLock::of_vacuum(&project.materializer.offline.log(&view).await.unwrap()).unwrap();
    let (current_since, training_sets, derived) = (Micros::MAX, Vec::new(), Vec::new());
    let vacuum = Vacuum { readers, current_since, training_sets, derived, removes: true };
    let removed = project.materializer.vacuum(&view, &vacuum).await.unwrap();
    prop_assert!(!removed.is_read && (old == 0 || removed.log.files > 0), "{:?}", removed);
    assert_both_stores_agree(&project, &history, &facts, (from, numbers)).await?;
    for (as_of, before) in [AsOf::Available, AsOf::Event].into_iter().zip(&before) {
        let after = project.training_set(&plan, &spine_of_kept, LABEL_TIME, as_of).await.batch;
        prop_assert_eq!(&after, before, "{:?}", as_of);
    }
    let early: Vec<Micros> = history.moments.iter().copied().filter(|at| *at < from).collect();
    let early = generated::labels(&history, &early, MOMENTS, numbers);
    if old > 0 && !early.is_empty() {
        let path = project.path().join("early.parquet");
        write_file(&path, &spine(&plan, &[labels, early.clone()].concat())).unwrap();
        let read = Spine::read(&path, LABEL_TIME, &plan).unwrap();
        let offline = &project.materializer.offline;
        let built = offline::training_set(offline, &plan, &read, &Options::default()).await;
        let Err(OfflineError::LabelsExpired { labels, from: said, .. }) = built else {
            return Err(TestCaseError::fail(format!("{built:?}")));
        };
        prop_assert_eq!((labels, said), (early.len(), from));
    }
    // Once more changes nothing.
    let again = project.materializer.expire(&view, midnight).await.unwrap();
    prop_assert_eq!((again.rows, again.online_rows, again.statistics), (0, 0, 0));
    Ok(())
}

/// What is served is the oracle's of every row that there ever was, and the store has the log's entities.
async fn assert_both_stores_agree(
    project: &Project,
    history: &History,
    facts: &[Fact<'_>],
    (from, numbers): (Micros, &mut Numbers),
) -> Result<(), TestCaseError> {
    let view: &View = &history.view;
    let (layout, online) = (Layout::new(view), &project.materializer.online);
    let stats = online.stats(&view.id).await.unwrap();
    let logged: HashSet<EntityKey> = project.log_rows(&Arc::new(view.clone())).await.into_keys().collect();
    prop_assert_eq!(stats.rows, logged.len() as u64);
    let legal: Vec<Micros> = history
        .moments
        .iter()
        .copied()
        .chain([clock()])
        .filter(|at| *at >= from && stats.applied_at.is_none_or(|applied| applied <= *at))
        .collect();
    for label in generated::labels(history, &legal, MOMENTS, numbers) {
        let key = EntityKey::encode(&view.keys, &label.keys).unwrap();
        let found = online.read(&[Read { view: &view.id, keys: &[key] }]).await.unwrap();
        let got = match found[0].row(0) {
            Some(bytes) => PackedRow::new(&layout, bytes).unwrap().answer(label.at).unwrap(),
            None => Answer::not_found(view.features.len()),
        };
        let expected = oracle::answer(view, &rows_of(facts, &label), label.at, AsOf::Available);
        prop_assert_eq!(got, expected, "{}", label);
    }
    Ok(())
}

fn rows_of(facts: &[Fact<'_>], label: &Label) -> Vec<Row> {
    facts.iter().filter(|(keys, _)| *keys == label.keys).map(|(_, row)| (*row).clone()).collect()
}
