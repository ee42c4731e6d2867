//! Cutovers and rollbacks in the registry: one transaction each, with its entry in the audit log.

use feature::{Micros, VersionId};

use super::{BASE, Home, definitions, on_both, plan_of};
use crate::{Cutover, Overridden, Registry, RegistryError};

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

fn id(text: &str) -> VersionId {
    text.parse().unwrap()
}

fn cutover(to: &str, percent: u8) -> Cutover {
    let percent = percent.try_into().unwrap();
    Cutover { to: id(to), percent, reason: Some("planned".parse().unwrap()), overridden: None }
}

/// A registry with three versions of a service.
async fn three_versions(home: &Home) -> Registry {
    let url = home.url();
    let registry = Registry::open(&url).await.unwrap().with_actor("ana");
    let service = BASE.split("---\n").find(|document| document.contains("kind: feature_service")).unwrap();
    let next = |version: &str| service.replace("version: 1", version);
    let text = format!("{BASE}---\n{}---\n{}", next("version: 2"), next("version: 3"));
    let registered = registry.registered().await.unwrap();
    registry.apply(&plan_of(&definitions(&text, &registered), &registered), at(0)).await.unwrap();
    registry
}

async fn live(registry: &Registry) -> String {
    let registered = registry.registered().await.unwrap();
    registered.service(&"late_arrival".parse().unwrap()).unwrap().id.to_string()
}

async fn a_cutover_moves_the_live_version_and_a_rollback_brings_it_back(home: &Home) {
    let registry = three_versions(home).await;
    let moved = registry.cut_over(&cutover("late_arrival@2", 100), 1, at(1)).await.unwrap();
    assert!(moved.is_change());
    assert_eq!((live(&registry).await.as_str(), moved.generation), ("late_arrival@2", 2));
    // Once more it changes nothing.
    let again = registry.cut_over(&cutover("late_arrival@2", 100), 2, at(2)).await.unwrap();
    assert_eq!((again.is_change(), again.generation), (false, 2));
    let service = "late_arrival".parse().unwrap();
    let reason = "wrong values".parse().unwrap();
    let back = registry.roll_back(&service, Some(&reason), at(3)).await.unwrap();
    assert_eq!((live(&registry).await.as_str(), back.generation), ("late_arrival@1", 3));
    let error = registry.roll_back(&service, None, at(4)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "late_arrival@1 is live, and there is no cutover left to take back: cut over to late_arrival@2 or late_arrival@3"
    );
    let log = registry.audit().await.unwrap();
    let said: Vec<String> = log
        .entries
        .iter()
        .rev()
        .take(2)
        .map(|entry| {
            let (from, to) = (entry.from.clone().unwrap(), entry.to.clone().unwrap());
            let reason = entry.reason.clone().unwrap();
            format!("{} {} {} {from} → {to}: {reason}", entry.actor, entry.action.name(), entry.subject)
        })
        .collect();
    assert_eq!(
        said,
        [
            "ana rollback feature_service late_arrival late_arrival@2 → late_arrival@1: wrong values",
            "ana cutover feature_service late_arrival late_arrival@1 → late_arrival@2: planned",
        ]
    );
    assert_eq!(log.damaged, Vec::<String>::new());
}

async fn a_canary_reads_back_and_ends_by_a_rollback(home: &Home) {
    let registry = three_versions(home).await;
    registry.cut_over(&cutover("late_arrival@3", 25), 1, at(1)).await.unwrap();
    let service = "late_arrival".parse().unwrap();
    let registered = registry.registered().await.unwrap();
    let rollout = registered.rollout(&service).unwrap();
    let canary = rollout.canary.as_ref().unwrap();
    assert_eq!((canary.version.clone(), canary.percent.get()), (id("late_arrival@3"), 25));
    assert_eq!(live(&registry).await, "late_arrival@1");
    let refused = registry.remove("late_arrival@3", None, at(2)).await.unwrap_err().to_string();
    assert!(refused.contains("it answers as the canary of late_arrival"), "{refused}");
    let back = registry.roll_back(&service, None, at(3)).await.unwrap();
    assert_eq!((back.after.canary, back.after.live), (None, id("late_arrival@1")));
    let entry = registry.audit().await.unwrap().entries.pop().unwrap();
    assert_eq!(entry.from.as_deref(), Some("late_arrival@1 with 25% of entities on late_arrival@3"));
}

async fn an_override_is_recorded_with_the_gates_that_failed_and_a_change_meanwhile_refuses_the_cutover(
    home: &Home,
) {
    let registry = three_versions(home).await;
    let overridden = Overridden {
        reason: "the old one is wrong".parse().unwrap(),
        gates: vec!["no parity".to_owned(), "not fresh".to_owned()],
    };
    let cutover = Cutover { overridden: Some(overridden), ..cutover("late_arrival@2", 100) };
    let error = registry.cut_over(&cutover, 0, at(1)).await.unwrap_err();
    assert!(matches!(error, RegistryError::ChangedMeanwhile { .. }), "{error}");
    assert_eq!(live(&registry).await, "late_arrival@1");
    registry.cut_over(&cutover, 1, at(1)).await.unwrap();
    let entries = registry.audit().await.unwrap().entries;
    let [.., first, second] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((first.action.name(), first.subject.as_str()), ("override", "feature_service late_arrival@2"));
    assert_eq!(first.reason.as_deref(), Some("the old one is wrong"));
    assert_eq!(first.detail.as_deref(), Some("no parity; not fresh"));
    assert_eq!(second.action.name(), "cutover");
}

async fn what_is_not_registered_is_not_cut_over_to(home: &Home) {
    let registry = three_versions(home).await;
    let error = registry.cut_over(&cutover("late_arrival@7", 100), 1, at(1)).await.unwrap_err().to_string();
    assert!(error.contains("there is no service `late_arrival@7`"), "{error}");
    let error =
        registry.roll_back(&"late_arival".parse().unwrap(), None, at(1)).await.unwrap_err().to_string();
    assert!(error.contains("did you mean `late_arrival`"), "{error}");
}

async fn a_live_version_that_is_removed_before_its_first_use_leaves_the_one_before_it_live(home: &Home) {
    let registry = three_versions(home).await;
    registry.cut_over(&cutover("late_arrival@2", 100), 1, at(1)).await.unwrap();
    registry.cut_over(&cutover("late_arrival@3", 100), 2, at(1)).await.unwrap();
    registry.remove("late_arrival@3", None, at(2)).await.unwrap();
    assert_eq!(live(&registry).await, "late_arrival@2");
    registry.roll_back(&"late_arrival".parse().unwrap(), None, at(3)).await.unwrap();
    assert_eq!(live(&registry).await, "late_arrival@1");
}

async fn of_two_cutovers_at_once_one_is_refused(home: &Home) {
    let registry = three_versions(home).await;
    let (one, other) = (registry.clone(), registry.clone());
    let one = tokio::spawn(async move { one.cut_over(&cutover("late_arrival@2", 100), 1, at(1)).await });
    let other = tokio::spawn(async move { other.cut_over(&cutover("late_arrival@3", 100), 1, at(1)).await });
    let done = [one.await.unwrap(), other.await.unwrap()];
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert_eq!(registry.generation().await.unwrap(), 2);
}

on_both!(
    a_cutover_moves_the_live_version_and_a_rollback_brings_it_back,
    a_canary_reads_back_and_ends_by_a_rollback,
    an_override_is_recorded_with_the_gates_that_failed_and_a_change_meanwhile_refuses_the_cutover,
    what_is_not_registered_is_not_cut_over_to,
    a_live_version_that_is_removed_before_its_first_use_leaves_the_one_before_it_live,
    of_two_cutovers_at_once_one_is_refused
);
