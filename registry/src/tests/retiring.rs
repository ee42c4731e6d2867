//! Deprecations and retirements in the registry: what needs a version holds it, and what is retired is never used again.

use feature::Micros;

use super::{BASE, Home, definitions, on_both, plan_of};
use crate::{Action, Cutover, DefinitionId, Deprecation, Kind, Plan, Registry, RegistryError, Using};

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

fn id(kind: Kind, text: &str) -> DefinitionId {
    DefinitionId::versioned(kind, &text.parse().unwrap())
}

fn view(text: &str) -> DefinitionId {
    id(Kind::FeatureView, text)
}

/// A second version of the service, which reads one view alone.
const SECOND: &str =
    "kind: feature_service\nname: late_arrival\nversion: 2\nfeatures:\n  - {from: aircraft@1}\n";

async fn plan(registry: &Registry, text: &str) -> Result<Plan, String> {
    let registered = registry.registered().await.unwrap();
    let definitions = crate::Definitions::of([("features/base.yaml", text)], &registered);
    Ok(plan_of(&definitions.map_err(|problems| problems.to_string())?, &registered))
}

/// Two versions of a service, of which the second is live.
async fn cut_over(home: &Home) -> Registry {
    let url = home.url();
    let registry = Registry::open(&url).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let text = format!("{BASE}---\n{SECOND}");
    registry.apply(&plan_of(&definitions(&text, &registered), &registered), at(0)).await.unwrap();
    let to = "late_arrival@2".parse().unwrap();
    let cutover = Cutover { to, percent: 100.try_into().unwrap(), reason: None, overridden: None };
    registry.cut_over(&cutover, 1, at(1)).await.unwrap();
    registry
}

async fn a_version_that_is_needed_is_not_retired_and_the_refusal_names_who_needs_it(home: &Home) {
    let registry = cut_over(home).await;
    for (id, sentence) in [
        (
            view("airport_arrivals@1"),
            "feature_view airport_arrivals@1 is not retired: route@1, late_arrival@1 (model late-arrival-xgb, \
             owner delay-team) read it: retire those first",
        ),
        (
            view("aircraft@1"),
            "feature_view aircraft@1 is not retired: late_arrival@1 (model late-arrival-xgb, owner delay-team), \
             late_arrival@2 (live) read it, and what answers a service's own name stays: cut over to a version that \
             does not read it first",
        ),
        (
            id(Kind::FeatureService, "late_arrival@2"),
            "feature_service late_arrival@2 is not retired: late_arrival@2 (live) answers its service's own name: \
             cut over to another version first",
        ),
        (
            DefinitionId { kind: Kind::Source, name: "planes".parse().unwrap(), version: None },
            "source planes is not retired: it has no versions: remove it once nothing reads it",
        ),
    ] {
        let refused = registry.retire(&id, None, None, at(2)).await.unwrap_err();
        assert_eq!(refused.to_string(), sentence);
        assert!(matches!(refused, RegistryError::NotRetired { .. }));
    }
    // Not even an emergency takes away what answers.
    let reason = "incident".parse().unwrap();
    assert!(registry.retire(&view("aircraft@1"), None, Some(&reason), at(2)).await.is_err());
    assert_eq!(registry.registered().await.unwrap().retirements().count(), 0);
}

async fn an_override_retires_what_reads_it_too_and_records_all_of_it(home: &Home) {
    let registry = cut_over(home).await;
    let reason = "privacy".parse().unwrap();
    let retired = registry.retire(&view("airport_arrivals@1"), None, Some(&reason), at(2)).await.unwrap();
    let names: Vec<String> = retired.versions.iter().map(DefinitionId::reference).collect();
    assert_eq!(names, ["airport_arrivals@1", "route@1", "late_arrival@1"]);
    let entries = registry.audit().await.unwrap().entries;
    let last: Vec<String> =
        entries[entries.len() - 4..].iter().map(|e| format!("{} {}", e.action.name(), e.subject)).collect();
    assert_eq!(
        last,
        [
            "override feature_view airport_arrivals@1",
            "retire feature_view airport_arrivals@1",
            "retire on_demand_view route@1",
            "retire feature_service late_arrival@1",
        ]
    );
    // Where it came from, and what read it, is still known.
    let registered = registry.registered().await.unwrap();
    for name in ["landings", "airport_arrivals@1", "airport_arrivals@1:mean_delay_1d", "late_arrival@1"] {
        let lineage = registered.lineage(name, &[]).unwrap();
        let is_retired = |version: &str| {
            let node = lineage.nodes.iter().find(|node| node.name == version);
            node.map(|node| node.facts.contains_key("retired"))
        };
        assert_eq!(is_retired("late_arrival@1"), Some(true), "{name}");
        assert_ne!(is_retired("late_arrival@2"), Some(true), "{name}");
    }
    // A rollback does not return to what is retired.
    let error = registry.roll_back(&"late_arrival".parse().unwrap(), None, at(3)).await.unwrap_err();
    assert!(matches!(error, RegistryError::VersionBeforeRetired { .. }), "{error}");
    // Once more it changes nothing, and what takes storage is known until it is freed.
    let again = registry.retire(&view("airport_arrivals@1"), None, None, at(3)).await.unwrap();
    assert!(again.versions.is_empty());
    let unfreed = registry.unfreed().await.unwrap();
    assert_eq!(unfreed, ["airport_arrivals@1".parse().unwrap()]);
    registry.freed(&unfreed[0], at(4)).await.unwrap();
    registry.freed(&unfreed[0], at(5)).await.unwrap();
    assert!(registry.unfreed().await.unwrap().is_empty());
    let log = registry.audit().await.unwrap();
    assert_eq!((log.entries.len(), log.damaged.len()), (entries.len() + 1, 0));
}

async fn what_is_retired_is_not_read_loaded_pinned_or_edited_and_its_file_may_go(home: &Home) {
    let registry = cut_over(home).await;
    let used = registry.registered().await.unwrap().view(&"airport_arrivals@1".parse().unwrap()).unwrap();
    let reason = "privacy".parse().unwrap();
    registry.retire(&view("airport_arrivals@1"), Some(&reason), Some(&reason), at(2)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let said = "was retired on 2013-05-31 (privacy), and is not used any more";
    for refused in [
        registered.view(&"airport_arrivals@1".parse().unwrap()).unwrap_err(),
        registered.service_plan(&"late_arrival@1".parse().unwrap()).unwrap_err(),
    ] {
        assert!(refused.to_string().contains(said), "{refused}");
    }
    assert!(registered.service_plan(&"late_arrival".parse().unwrap()).is_ok());
    assert!(registered.views().all(|view| view.id.to_string() != "airport_arrivals@1"));
    assert!(registered.readable().all(|id| id.name.as_str() != "route"));
    let error = registry.begin_use(&[Using::view(&used)], "stream", at(3)).await.unwrap_err();
    assert!(error.to_string().contains("airport_arrivals@1 was retired since it was read here"), "{error}");
    // As it was, its file may stay; without a file it is not named.
    let text = format!("{BASE}---\n{SECOND}");
    assert!(plan(&registry, &text).await.unwrap().is_empty());
    let edited = text.replace("owner: arrivals-team", "owner: others");
    let refused = plan(&registry, &edited).await.unwrap().refused.to_string();
    assert!(
        refused.contains("version 1 was retired on 2013-05-31 (privacy) and is not edited any more"),
        "{refused}"
    );
    let third = SECOND.replace("version: 2", "version: 3").replace("aircraft@1", "airport_arrivals@1");
    let refused = plan(&registry, &format!("{text}---\n{third}")).await.unwrap().refused.to_string();
    assert!(
        refused.contains("version 3 reads airport_arrivals@1, which was retired on 2013-05-31"),
        "{refused}"
    );
    let alone = plan(&registry, &third).await.unwrap_err();
    assert!(
        alone.contains("`airport_arrivals@1` was retired on 2013-05-31 (privacy): read another"),
        "{alone}"
    );
    let without: Vec<&str> = BASE.split("---\n").filter(|d| !d.contains("kind: on_demand_view")).collect();
    let without: Vec<&str> = without.into_iter().filter(|d| !d.contains("late-arrival-xgb")).collect();
    let gone = plan(&registry, &format!("{}---\n{SECOND}", without.join("---\n"))).await.unwrap();
    assert_eq!((gone.count(Action::Gone), gone.refused.len()), (0, 0), "{gone}");
}

async fn a_deprecation_is_said_where_the_version_is_read_until_it_is_undone(home: &Home) {
    let registry = cut_over(home).await;
    let deprecation =
        Deprecation { since: at(2), sunset: at(60 * 24 * 30), reason: "use aircraft@2".parse().unwrap() };
    registry.deprecate(&view("aircraft@1"), Some(&deprecation), at(2)).await.unwrap();
    registry.deprecate(&view("aircraft@1"), Some(&deprecation), at(3)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let live = registered.service_plan(&"late_arrival".parse().unwrap()).unwrap();
    let said: Vec<String> = registered.deprecated_of(&live).iter().map(ToString::to_string).collect();
    assert_eq!(said, ["aircraft@1 is deprecated, to be retired on 2013-06-30: use aircraft@2"]);
    let notes = plan(&registry, &format!("{BASE}---\n{SECOND}")).await.unwrap().notes.to_string();
    assert!(notes.contains("late_arrival@2 reads a deprecated version: aircraft@1 is deprecated"), "{notes}");
    registry.deprecate(&view("aircraft@1"), None, at(4)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    assert!(registered.deprecated_of(&live).is_empty());
    let actions: Vec<&str> =
        registry.audit().await.unwrap().entries.iter().rev().take(2).map(|e| e.action.name()).collect();
    assert_eq!(actions, ["undeprecate", "deprecate"]);
}

on_both!(
    a_version_that_is_needed_is_not_retired_and_the_refusal_names_who_needs_it,
    an_override_retires_what_reads_it_too_and_records_all_of_it,
    what_is_retired_is_not_read_loaded_pinned_or_edited_and_its_file_may_go,
    a_deprecation_is_said_where_the_version_is_read_until_it_is_undone
);
