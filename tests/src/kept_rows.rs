//! The online rows of a last good moment, over any history that is committed in any order: they are law 8's of all rows that the
//! log has, also of those that were committed after they were first written. `CASES=1000` asks for more histories.

use std::sync::Arc;

use feature::oracle::{self, History, Numbers};
use feature::{Answer, AsOf, EntityKey, Micros, OpenAnswer, Opening, Row, Value, View};
use online::{Embedded, Layout, Mender, PackedRow, Read, Reader};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::generated::{self, Fact, cases, run};
use crate::project::Project;

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn rows_of_a_last_good_moment_are_those_of_the_whole_log_whenever_they_were_committed(seed: u64, rows in 1_usize..24) {
        run(keeping(seed, rows))?;
    }
}

fn clock() -> Micros {
    Micros::MAX
}

async fn keeping(seed: u64, rows: usize) -> Result<(), TestCaseError> {
    let numbers = &mut Numbers::new(seed ^ 13);
    let history = generated::history(seed, rows);
    let view = Arc::new(history.view.clone());
    let Some(last) = history.moments.iter().max().copied() else { return Ok(()) };
    let nth = numbers.below(history.moments.len() as u64) as usize;
    let good_until = history.moments[nth];
    let opening = Opening {
        number: 1,
        view: view.id.clone(),
        answers: OpenAnswer::LastKnownGood,
        from: last,
        until: None,
        good_until,
        features: Vec::new(),
    };
    let project = Project::empty(clock);
    let materializer = &project.materializer;
    let facts = generated::facts(&history, numbers);
    let (first, late) = facts.split_at(numbers.below(facts.len() as u64 + 1) as usize);
    if !first.is_empty() {
        generated::append(&project, &view, first).await;
    }
    let is_visible = |(_, row): &Fact<'_>| row.visible_at(AsOf::Available) <= good_until;
    let entities = materializer.keep_rows(&view, &opening).await.unwrap();
    assert_kept(&materializer.online, &history, first, &opening).await?;
    if !late.is_empty() {
        generated::append(&project, &view, late).await;
    }
    let was_late = materializer.keep_late_rows(&view, &opening).await.unwrap();
    // Of nobody there is nothing to keep up.
    prop_assert_eq!(was_late, entities > 0 && late.iter().any(is_visible));
    if entities > 0 {
        assert_kept(&materializer.online, &history, &facts, &opening).await?;
    }
    prop_assert!(!materializer.keep_late_rows(&view, &opening).await.unwrap(), "nothing was committed since");
    // A row that is gone, and rows of nobody, are put right in place.
    for (keys, _) in history.entities.iter().take(1) {
        let key = EntityKey::encode(&view.keys, keys).unwrap();
        materializer.forget_kept(&opening, &key).await.unwrap();
    }
    let entities = materializer.keep_rows_again(&view, &opening).await.unwrap();
    assert_kept(&materializer.online, &history, &facts, &opening).await?;
    let held = materializer.online.stats(&opening.kept_rows()).await.unwrap().rows;
    prop_assert_eq!(held, entities);
    let versions = materializer.online.versions().await.unwrap();
    prop_assert_eq!(versions.contains(&opening.kept_rows()), entities > 0, "{:?}", versions);
    Ok(())
}

/// Each entity is answered as law 8 says of these rows of it.
async fn assert_kept(
    online: &Embedded,
    history: &History,
    facts: &[Fact<'_>],
    opening: &Opening,
) -> Result<(), TestCaseError> {
    let view: &View = &history.view;
    let (layout, under, at) = (Layout::new(view), opening.kept_rows(), opening.from);
    for (keys, _) in &history.entities {
        let key = EntityKey::encode(&view.keys, keys).unwrap();
        let found = online.read(&[Read { view: &under, keys: &[key] }]).await.unwrap();
        let good = match found[0].row(0) {
            Some(bytes) => PackedRow::new(&layout, bytes).unwrap().answer(opening.good_until).unwrap(),
            None => Answer::not_found(view.features.len()),
        };
        let expected = oracle::answer_while_open(view, &rows_of(facts, keys), at, opening);
        prop_assert_eq!(good.kept(view, at), expected, "{:?}", keys);
    }
    Ok(())
}

fn rows_of(facts: &[Fact<'_>], keys: &[Value]) -> Vec<Row> {
    facts.iter().filter(|(of, _)| *of == keys).map(|(_, row)| (*row).clone()).collect()
}
