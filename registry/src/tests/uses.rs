//! A version may be edited or removed until its first use, and never after it, whatever comes between.

use feature::{HelpTopic, Micros};
use sqlx::Connection;

use super::{BASE, Home, definitions, edited, on_both, plan_of};
use crate::{Action, Kind, Plan, Registered, Registry, RegistryError, UNKNOWN, Using};

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

async fn applied(home: &Home) -> Registry {
    let registry = Registry::open(&home.url()).await.unwrap();
    apply(&registry, BASE).await.unwrap();
    registry
}

async fn plan(registry: &Registry, text: &str) -> Plan {
    let registered = registry.registered().await.unwrap();
    plan_of(&definitions(text, &registered), &registered)
}

async fn apply(registry: &Registry, text: &str) -> Result<crate::Applied, RegistryError> {
    let plan = plan(registry, text).await;
    registry.apply(&plan, at(0)).await
}

fn arrivals(registered: &Registered) -> Using {
    Using::view(&registered.view(&"airport_arrivals@1".parse().unwrap()).unwrap())
}

async fn a_version_is_edited_until_its_first_use_and_refused_after_it(home: &Home) {
    let registry = applied(home).await;
    let text = edited("{aggregate: count, window: 1h}", "{aggregate: count, window: 2h, default: 0}");
    let first = plan(&registry, &text).await;
    insta::allow_duplicates! {
    insta::assert_snapshot!(first, @r"
    ~ view airport_arrivals@1 is edited before its first use: default of arrivals_1h: none → 0; window of arrivals_1h: 1h → 2h → route@1, late_arrival@1 (late-arrival-xgb)
    ~ on-demand view route@1 is edited before its first use: what it reads is edited → late_arrival@1 (late-arrival-xgb)
    ~ service late_arrival@1 is edited before its first use: what it reads is edited
    3 to edit before its first use, 5 unchanged
    ");
    }
    let done = registry.apply(&first, at(1)).await.unwrap();
    assert_eq!((done.generation, done.added, done.revised, done.edited), (2, 0, 0, 3));
    let registered = registry.registered().await.unwrap();
    let plan_of_service = registered.service_plan(&"late_arrival".parse().unwrap()).unwrap();
    assert!(plan(&registry, &text).await.is_empty());
    registry.begin_use(&Using::service(&plan_of_service), "get", at(2)).await.unwrap();
    let used = registry.registered().await.unwrap();
    let ids: Vec<String> =
        used.definitions().map(|d| d.id()).filter(|id| used.is_used(id)).map(|id| id.to_string()).collect();
    assert_eq!(
        ids,
        [
            "feature_view aircraft@1",
            "feature_view airport_arrivals@1",
            "on_demand_view route@1",
            "feature_service late_arrival@1"
        ]
    );
    let refused = plan(&registry, BASE).await;
    assert!(refused.refused.to_string().contains("window of arrivals_1h: 2h → 1h"), "{refused}");
    assert_eq!(refused.count(Action::Edit), 0);
}

async fn of_an_edit_and_a_first_use_at_once_one_is_refused(home: &Home) {
    let registry = applied(home).await;
    let before = registry.registered().await.unwrap();
    let text = edited("ttl: 2d", "ttl: 3d");
    let edit = plan(&registry, &text).await;
    // The use comes first: the plan that was made before it is refused.
    registry.begin_use(&[arrivals(&before)], "backfill", at(1)).await.unwrap();
    let error = registry.apply(&edit, at(2)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Used { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("feature_view airport_arrivals@1 was used since this plan was made (by backfill)"),
        "{error}"
    );
    assert_eq!(registry.generation().await.unwrap(), 1);

    // The edit comes first: whoever read the version before it uses nothing.
    let home = &home.another();
    let registry = applied(home).await;
    let before = registry.registered().await.unwrap();
    apply(&registry, &text).await.unwrap();
    let error = registry.begin_use(&[arrivals(&before)], "backfill", at(1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "feature_view airport_arrivals@1 was edited since it was read here: run this again"
    );
    let after = registry.registered().await.unwrap();
    assert!(after.first_use(&arrivals(&before).id).is_none());
    registry.begin_use(&[arrivals(&after)], "backfill", at(1)).await.unwrap();
    let pushed = Using::view_as_it_is(&"airport_arrivals@1".parse().unwrap());
    registry.begin_use(&[pushed], "push", at(5)).await.unwrap();
    let first = registry.registered().await.unwrap().first_use(&arrivals(&before).id).cloned().unwrap();
    assert_eq!((first.at, first.by.as_str()), (at(1), "backfill"));
}

async fn edits_and_first_uses_that_race_never_both_win(home: &Home) {
    for round in 0..20 {
        let home = &home.another();
        let registry = applied(home).await;
        let before = registry.registered().await.unwrap();
        let edit = plan(&registry, &edited("ttl: 2d", "ttl: 3d")).await;
        let (one, other) = (registry.clone(), registry.clone());
        let using = arrivals(&before);
        let used = tokio::spawn(async move { one.begin_use(&[using], "backfill", at(1)).await.is_ok() });
        let edited = tokio::spawn(async move { other.apply(&edit, at(1)).await.is_ok() });
        let (used, edited) = (used.await.unwrap(), edited.await.unwrap());
        assert!(used != edited, "round {round}: used {used}, edited {edited}");
    }
}

async fn what_was_never_used_is_removed_and_leaves_nothing(home: &Home) {
    let registry = applied(home).await;
    let refused = registry.remove("airport_arrivals@1", None, at(1)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "feature_view airport_arrivals@1 is not removed: route@1, late_arrival@1 read it: remove those first"
    );
    for name in ["late_arrival", "route@1", "airport_arrivals"] {
        registry.remove(name, None, at(2)).await.unwrap();
    }
    // An entity and a view are both called `aircraft`.
    let several = registry.remove("aircraft", None, at(3)).await.unwrap_err();
    assert!(several.to_string().contains("means entity aircraft, feature_view aircraft@1"), "{several}");
    assert_eq!(several.help(), Some(HelpTopic::NameKind));
    let entity = registry.remove("aircraft", Some(Kind::Entity), at(3)).await.unwrap_err();
    assert!(entity.to_string().contains("aircraft@1 read it"), "{entity}");
    registry.remove("aircraft@1", None, at(3)).await.unwrap();
    registry.remove("aircraft", None, at(3)).await.unwrap();
    for name in ["airport", "landings", "planes"] {
        registry.remove(name, None, at(3)).await.unwrap();
    }
    let registered = registry.registered().await.unwrap();
    assert!(registered.is_empty());
    assert_eq!((registered.generation(), registered.live(&"late_arrival".parse().unwrap())), (9, None));
    for table in ["definitions", "revisions", "uses", "live_versions"] {
        let count = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .fetch_one(&registry.pool().await.unwrap())
            .await
            .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    let unknown = registry.remove("late_arrival", None, at(4)).await.unwrap_err();
    assert!(matches!(unknown, RegistryError::NoneRegistered { .. }), "{unknown}");
    assert_eq!(apply(&registry, BASE).await.unwrap().added, 8);
}

async fn what_was_used_is_not_removed_and_says_by_what(home: &Home) {
    let registry = applied(home).await;
    registry
        .begin_use(&[arrivals(&registry.registered().await.unwrap())], "materialize", at(1))
        .await
        .unwrap();
    let error = registry.remove("airport_arrivals", None, at(2)).await.unwrap_err();
    let said = "feature_view airport_arrivals@1 is not removed: it was used by `materialize`, and what was used stays as it is";
    assert_eq!(error.to_string(), said);
    // The source of what was used stays too.
    assert!(registry.remove("landings", None, at(2)).await.unwrap_err().to_string().contains("read it"));
}

async fn of_a_service_whose_live_version_is_removed_the_lowest_left_is_live(home: &Home) {
    let registry = applied(home).await;
    let next = "kind: feature_service\nname: late_arrival\nversion: 2\nfeatures: [{from: aircraft@1}]\n";
    apply(&registry, next).await.unwrap();
    registry.remove("late_arrival@1", None, at(1)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    assert_eq!(registered.live(&"late_arrival".parse().unwrap()), Some(2));
}

async fn a_source_may_change_as_long_as_what_computes_with_it_was_never_used(home: &Home) {
    let registry = applied(home).await;
    let text = edited("assumed_delay: 2m", "assumed_delay: 5m");
    let first = plan(&registry, &text).await;
    assert!(first.refused.is_empty(), "{first}");
    assert_eq!((first.count(Action::Revise), first.count(Action::Edit)), (1, 3), "{first}");
    registry.begin_use(&[arrivals(&registry.registered().await.unwrap())], "backfill", at(1)).await.unwrap();
    let second = plan(&registry, &text).await;
    assert!(second.refused.to_string().contains("this changes what airport_arrivals@1 computes"), "{second}");
}

async fn an_edit_under_a_reader_without_a_file_is_refused(home: &Home) {
    let registry = applied(home).await;
    let text = edited("ttl: 2d", "ttl: 3d");
    let (views, _) = text.split_once("---\nkind: on_demand_view").unwrap();
    let refused = plan(&registry, views).await;
    let said = "version 1 cannot be edited while route@1, late_arrival@1, which has no file, reads it";
    assert!(refused.refused.to_string().contains(said), "{refused}");
    // Nor may a source under a view without a file.
    let (sources, _) = BASE.split_once("---\nkind: feature_view").unwrap();
    let refused = plan(&registry, &sources.replace("assumed_delay: 2m", "assumed_delay: 5m")).await;
    assert!(
        refused.refused.to_string().contains("this changes what airport_arrivals@1 computes"),
        "{refused}"
    );
}

/// A registry as the release before wrote it: with a service, two views and an on-demand view.
#[tokio::test]
async fn a_registry_of_schema_2_is_brought_on_and_all_that_it_holds_counts_as_used_until_it_is_settled() {
    let home = &Home::sqlite();
    let url = home.url();
    let connection = home.made_of(include_str!("schema_2.sql")).await;
    connection.close().await.unwrap();
    let registry = Registry::open(&url).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let unknown: Vec<_> = registered.unknown_uses().cloned().collect();
    assert_eq!(unknown.len(), 4);
    assert!(unknown.iter().all(|id| registered.first_use(id).is_some_and(|first| first.by == UNKNOWN)));
    assert!(registered.service_plan(&"late_arrival".parse().unwrap()).is_ok());
    let error = registry.remove("late_arrival", None, at(1)).await.unwrap_err();
    assert!(error.to_string().contains("it was used before first uses were recorded"), "{error}");
    registry.never_used(&unknown).await.unwrap();
    registry.remove("late_arrival", None, at(1)).await.unwrap();
    // Opened again it stays as it is.
    let registry = Registry::open(&url).await.unwrap();
    assert_eq!(registry.registered().await.unwrap().unknown_uses().count(), 0);
}

/// The base, and a view over the rows of one of its views.
fn with_derived() -> String {
    format!(
        "{BASE}---\nkind: feature_view\nname: busy\nversion: 1\nentity: airport\nsource: {{view: airport_arrivals@1}}\n\
         features: {{peak: {{aggregate: max(arrivals_1h), window: 7d}}}}\n"
    )
}

async fn the_input_of_a_derived_view_is_used_with_it_and_refused_an_edit_by_its_name(home: &Home) {
    let registry = applied(home).await;
    let text = with_derived();
    apply(&registry, &text).await.unwrap();
    let edit = |text: &str| text.replace("{aggregate: count, window: 1h}", "{aggregate: count, window: 2h}");
    // Until then an edit of the input is one of the derived view.
    let edited = plan(&registry, &edit(&text)).await;
    let edits: Vec<String> = edited
        .changes
        .iter()
        .filter(|change| change.action == Action::Edit)
        .map(|change| change.id.reference())
        .collect();
    assert_eq!(edits, ["airport_arrivals@1", "busy@1", "route@1", "late_arrival@1"]);
    let before = registry.registered().await.unwrap();
    let busy = before.view(&"busy@1".parse().unwrap()).unwrap();
    registry.begin_use(&[Using::view(&busy)], "backfill", at(1)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let input = crate::DefinitionId::versioned(Kind::FeatureView, &"airport_arrivals@1".parse().unwrap());
    assert_eq!(registered.first_use(&input).map(|first| first.by.as_str()), Some("backfill"));
    let refused = plan(&registry, &edit(&text)).await.refused.to_string();
    assert!(
        refused.contains("window of arrivals_1h: 1h → 2h") && refused.contains("busy@1 is derived from it"),
        "{refused}"
    );
    let removed = registry.remove("busy@1", None, at(2)).await.unwrap_err().to_string();
    assert!(removed.contains("it was used by `backfill`"), "{removed}");
}

async fn what_a_change_reaches_goes_through_derived_views(home: &Home) {
    let registry = applied(home).await;
    let text = format!(
        "{}---\nkind: feature_service\nname: peaks\nversion: 1\nfeatures: [{{from: busy@1}}]\n",
        with_derived()
    );
    apply(&registry, &text).await.unwrap();
    let changed = plan(&registry, &text.replace("allowed_lateness: 1h", "allowed_lateness: 2h")).await;
    let source = changed
        .changes
        .iter()
        .find(|change| change.id.kind == Kind::Source && change.action == Action::Revise);
    let reached: Vec<String> = source.unwrap().reaches.iter().map(|reach| reach.id.to_string()).collect();
    for id in ["airport_arrivals@1", "busy@1", "peaks@1"] {
        assert!(reached.contains(&id.to_owned()), "{reached:?}");
    }
}

on_both!(
    a_version_is_edited_until_its_first_use_and_refused_after_it,
    of_an_edit_and_a_first_use_at_once_one_is_refused,
    edits_and_first_uses_that_race_never_both_win,
    what_was_never_used_is_removed_and_leaves_nothing,
    what_was_used_is_not_removed_and_says_by_what,
    of_a_service_whose_live_version_is_removed_the_lowest_left_is_live,
    a_source_may_change_as_long_as_what_computes_with_it_was_never_used,
    an_edit_under_a_reader_without_a_file_is_refused,
    the_input_of_a_derived_view_is_used_with_it_and_refused_an_edit_by_its_name,
    what_a_change_reaches_goes_through_derived_views
);
