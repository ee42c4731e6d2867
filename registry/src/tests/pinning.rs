//! Training sets that a plan reaches, and that hold what they were built from.

use super::{BASE, base, definitions, plan_of};
use crate::{Action, PinnedTrainingSet, Registered, Rollout};

fn registered() -> Registered {
    let live = [("late_arrival".parse().unwrap(), Rollout::of("late_arrival@1".parse().unwrap()))];
    Registered::new(1, base().iter().cloned().collect(), live.into())
}

fn set(file: &str) -> PinnedTrainingSet {
    PinnedTrainingSet {
        file: file.to_owned(),
        service: "late_arrival@1".parse().unwrap(),
        views: ["airport_arrivals@1".parse().unwrap()].into(),
    }
}

#[test]
fn a_change_names_the_training_sets_that_it_reaches_through_views_and_services() {
    let registered = registered();
    let text = BASE.replace("owner: arrivals-team", "owner: landings-team");
    assert_ne!(text, BASE, "the base has this owner");
    let definitions = definitions(&text, &registered);
    let sets: Vec<PinnedTrainingSet> = (0..7).map(|number| set(&format!("{number}.parquet"))).collect();
    let plan = plan_of(&definitions, &registered).with_training_sets(&definitions, &sets);
    let change = plan.changes.iter().find(|change| change.action == Action::Revise).unwrap();
    assert_eq!(change.training_sets, sets);
    let said = change.to_string();
    assert!(said.contains("; training sets 0.parquet (late_arrival@1), 1.parquet"), "{said}");
    assert!(said.ends_with("4.parquet (late_arrival@1) and 2 more"), "{said}");
    // Through the view alone, as its source is read by it.
    let source = plan.changes.iter().find(|change| change.id.reference() == "landings").unwrap();
    assert_eq!(source.training_sets.len(), 7);
    assert!(plan.refused.is_empty(), "{}", plan.refused);
}

#[test]
fn a_version_from_which_a_training_set_was_built_is_not_edited() {
    let registered = registered();
    let text = BASE.replace("where: arr_delay IS NOT NULL", "where: arr_delay IS NOT NULL AND air_time > 1");
    assert_ne!(text, BASE, "the base has this filter");
    let definitions = definitions(&text, &registered);
    let edited = |plan: &crate::Plan| {
        plan.changes.iter().find(|change| change.id.reference() == "airport_arrivals@1").unwrap().action
    };
    let free = plan_of(&definitions, &registered);
    // Nothing of it was ever used.
    assert_eq!(edited(&free), Action::Edit);
    let pinned = free.with_training_sets(&definitions, &[set("train.parquet")]);
    assert_eq!(edited(&pinned), Action::Refuse);
    let said = pinned.refused.to_string();
    assert!(
        said.contains(
            "`airport_arrivals`: version 1 never changes, as the training set train.parquet was built from it: undo that, \
             and add version 2 instead"
        ),
        "{said}"
    );
    assert!(pinned.writes.iter().all(|written| written.id().reference() != "airport_arrivals@1"));
}
