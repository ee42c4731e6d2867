//! The registry on disk: applies, revisions, races, and what is refused.

use feature::{HelpTopic, Micros};
use tempfile::TempDir;

use super::{BASE, Home, base, definitions, edited, on_both, plan_of};
use crate::{Action, Body, Plan, Registered, Registry, RegistryError, RowBound, Using};

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

async fn use_view(registry: &Registry, view: &str) -> Result<(), RegistryError> {
    let view = registry.registered().await?.view(&view.parse().unwrap())?;
    registry.begin_use(&[Using::view(&view)], "backfill", at(9)).await
}

async fn plan(registry: &Registry, text: &str) -> Plan {
    let registered = registry.registered().await.unwrap();
    plan_of(&definitions(text, &registered), &registered)
}

async fn what_was_applied_reads_back_the_same_in_another_process(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    let applied = registry.apply(&plan(&registry, BASE).await, at(0)).await.unwrap();
    assert_eq!((applied.generation, applied.added, applied.revised), (1, base().len(), 0));
    let other = Registry::open(&home.url()).await.unwrap();
    let registered = other.registered().await.unwrap();
    assert!(registered.definitions().eq(base().iter()));
    assert_eq!(registered.live(&"late_arrival".parse().unwrap()), Some(1));
    assert!(registered.service_plan(&"late_arrival".parse().unwrap()).is_ok());
    let again = plan(&other, BASE).await;
    assert!(again.is_empty(), "{again}");
    assert_eq!(other.apply(&again, at(1)).await.unwrap().generation, 1);
}

async fn views_are_read_without_a_service_under_their_own_join_keys(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    registry.apply(&plan(&registry, BASE).await, at(0)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let read = |views: &[&str]| {
        let views: Vec<_> = views.iter().map(|view| view.parse().unwrap()).collect();
        registered.views_plan("views@1".parse().unwrap(), &views)
    };
    let all = read(&["airport_arrivals@1", "route@1"]).unwrap();
    assert!(all.output("airport_arrivals@1:last_delay").is_some(), "{:?}", all.outputs);
    assert!(all.outputs.iter().any(|output| output.name.starts_with("route@1:")));
    assert_eq!(all.keys[0].name.as_str(), "airport");
    let error = read(&["airport_arrivals@7"]).unwrap_err().to_string();
    assert!(error.contains("there is no view `airport_arrivals@7`"), "{error}");
}

async fn every_revision_is_kept(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    registry.apply(&plan(&registry, BASE).await, at(0)).await.unwrap();
    let text = edited("owner: arrivals-team", "owner: delay-team");
    let applied = registry.apply(&plan(&registry, &text).await, at(1)).await.unwrap();
    assert_eq!((applied.generation, applied.added, applied.revised), (2, 0, 1));
    let shown = registry.show("airport_arrivals").await.unwrap();
    assert_eq!(shown.len(), 1);
    let revisions: Vec<_> =
        shown[0].revisions.iter().map(|r| (r.revision, r.generation, r.applied_at)).collect();
    assert_eq!(revisions, [(1, 1, at(0)), (2, 2, at(1))]);
    assert!(shown[0].revisions[0].text.contains("arrivals-team"));
    assert!(shown[0].text.contains("delay-team"));
    assert_eq!(shown[0].listed.owner.as_deref(), Some("delay-team"));
    let dependents: Vec<String> = shown[0].dependents.iter().map(|reach| reach.id.to_string()).collect();
    assert_eq!(dependents, ["route@1", "late_arrival@1"]);
    let error = registry.show("airport_arival").await.unwrap_err();
    assert!(error.to_string().ends_with("did you mean `airport_arrivals`?"), "{error}");
}

async fn of_two_applies_on_one_plan_one_wins_and_the_other_is_refused(home: &Home) {
    let (one, two) = (Registry::open(&home.url()).await.unwrap(), Registry::open(&home.url()).await.unwrap());
    let (first, second) =
        (plan(&one, BASE).await, plan(&two, &edited("owner: arrivals-team", "owner: x")).await);
    let (first, second) = tokio::join!(one.apply(&first, at(0)), two.apply(&second, at(0)));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let lost = first.err().or(second.err()).unwrap();
    assert!(matches!(lost, RegistryError::Stale), "{lost}");
    assert_eq!(lost.to_string(), "the registry changed since this plan was made");
    assert_eq!(lost.help(), Some(HelpTopic::PlanAgain));
    assert_eq!(one.generation().await.unwrap(), 1);
}

async fn many_processes_may_open_a_new_registry_at_once_and_one_apply_wins(home: &Home) {
    for _ in 0..10 {
        let home = &home.another();
        let apply = |url: String| async move {
            let registry = Registry::open(&url).await?;
            let definitions = base();
            registry.apply(&plan_of(&definitions, &Registered::default()), at(0)).await
        };
        let applies: Vec<_> = (0..8).map(|_| tokio::spawn(apply(home.url()))).collect();
        let mut won = 0;
        for apply in applies {
            match apply.await.unwrap() {
                Ok(applied) => won += applied.generation,
                Err(error) => assert!(matches!(error, RegistryError::Stale), "{error}"),
            }
        }
        assert_eq!(won, 1);
    }
}

async fn a_refused_plan_changes_nothing(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    registry.apply(&plan(&registry, BASE).await, at(0)).await.unwrap();
    let before = registry.registered().await.unwrap();
    use_view(&registry, "airport_arrivals@1").await.unwrap();
    let text = edited("ttl: 2d", "ttl: 3d").replace("owner: delay-team", "owner: other");
    let refused = plan(&registry, &text).await;
    assert_eq!((refused.count(Action::Refuse), refused.count(Action::Edit)), (1, 2), "{refused}");
    let error = registry.apply(&refused, at(1)).await.unwrap_err();
    assert!(error.to_string().contains("ttl: 2d → 3d"), "{error}");
    let after = registry.registered().await.unwrap();
    assert!(before.definitions().eq(after.definitions()));
    assert_eq!(after.generation(), 1);
}

async fn the_first_applied_version_of_a_service_stays_its_live_one(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    registry.apply(&plan(&registry, BASE).await, at(0)).await.unwrap();
    let next = "kind: feature_service\nname: late_arrival\nversion: 2\nfeatures: [{from: aircraft@1}]\n";
    registry.apply(&plan(&registry, next).await, at(1)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let name = "late_arrival".parse().unwrap();
    assert_eq!(registered.live(&name), Some(1));
    let live = registered.service(&"late_arrival".parse().unwrap()).unwrap();
    assert_eq!(live.id.version, 1);
    let listed = registered.list();
    let services: Vec<_> = listed.iter().filter(|l| l.name == name).map(|l| (l.version, l.live)).collect();
    assert_eq!(services, [(Some(1), Some(true)), (Some(2), Some(false))]);
}

async fn a_registry_of_a_newer_version_is_refused(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    sqlx::query("UPDATE registry SET schema_version = 99")
        .execute(&registry.pool().await.unwrap())
        .await
        .unwrap();
    let error = Registry::open(&home.url()).await.unwrap_err();
    let said = format!("newer twinstore (schema 99, this one knows {}): upgrade", crate::schema::SCHEMA);
    assert!(error.to_string().contains(&said), "{error}");
}

#[tokio::test]
async fn an_address_that_is_no_registry_says_what_to_write() {
    for address in ["mysql://host/db", "registry.db", "sqlite://"] {
        let error = Registry::open(address).await.unwrap_err();
        assert!(error.to_string().contains("sqlite://PATH"), "{error}");
    }
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("file"), "not a folder").unwrap();
    let error = Registry::open(&format!("sqlite://{}/file/x.db", folder.path().display())).await.unwrap_err();
    assert!(error.to_string().contains("its folder cannot be made"), "{error}");
    let error = Registry::open(&format!("sqlite://{}/file", folder.path().display())).await.unwrap_err();
    assert!(matches!(error, RegistryError::File { .. }), "{error}");
    let deep = Registry::open(&format!("sqlite://{}/made/too/x.db", folder.path().display())).await.unwrap();
    assert_eq!(deep.generation().await.unwrap(), 0);
}

async fn a_definition_that_was_tampered_with_is_not_read(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    registry.apply(&plan(&registry, BASE).await, at(0)).await.unwrap();
    let change =
        "UPDATE definitions SET canonical = replace(canonical, '2d', '3d') WHERE name = 'airport_arrivals'";
    sqlx::query(change).execute(&registry.pool().await.unwrap()).await.unwrap();
    let error = registry.registered().await.unwrap_err();
    assert!(matches!(error, RegistryError::File { .. } | RegistryError::Contents { .. }), "{error}");
    assert!(error.to_string().contains("other definitions"), "{error}");
    // A checksum that was taken of it afterwards does not make it sound: it has its own.
    let mut transaction = registry.pool().await.unwrap().begin().await.unwrap();
    crate::digest::keep(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let error = registry.registered().await.unwrap_err();
    assert!(matches!(error, RegistryError::File { .. } | RegistryError::Contents { .. }), "{error}");
    assert!(!error.to_string().contains("other definitions"), "{error}");
}

/// Bodies of format 1 are in registries: they must stay readable.
#[test]
fn stored_bodies_of_format_1_still_read() {
    let pinned = include_str!("format_1.jsonl");
    let written: String =
        base().iter().map(|d| format!("{}\n", crate::stored::body_text(&d.body).unwrap())).collect();
    if std::env::var_os("UPDATE_CASES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/format_1.jsonl");
        std::fs::write(path, &written).unwrap();
    }
    let read: Vec<_> = pinned.lines().map(|line| crate::stored::body("a sample", line).unwrap()).collect();
    assert!(read.iter().eq(base().iter().map(|d| &d.body)));
    let newer = pinned.lines().next().unwrap().replace("\"format\":1", "\"format\":2");
    assert!(crate::stored::body("a sample", &newer).unwrap_err().to_string().contains("format 2"));
    assert!(Registered::default().is_empty());
}

async fn a_view_whose_rows_no_store_takes_is_refused_and_no_apply_goes_past_that(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    let bound = RowBound { longest: |view| view.features.len() * 1_000, max_bytes: 999 };
    let plan = Plan::of(&base(), &Registered::default(), &bound);
    let views = base().iter().filter(|one| matches!(one.body, Body::FeatureView(_))).count();
    assert_eq!((plan.largest_rows.len(), plan.refused.len()), (views, views), "{plan}");
    let refused = plan.refused.to_string();
    let expected = "an entity's row of view airport_arrivals@1 could take ";
    assert!(refused.contains(expected) && refused.contains("more than the 999"), "{refused}");
    assert!(refused.starts_with("features/base.yaml:"), "{refused}");
    let error = registry.apply(&plan, at(0)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused(_)), "{error}");
    assert!(registry.registered().await.unwrap().is_empty());
}

on_both!(
    what_was_applied_reads_back_the_same_in_another_process,
    views_are_read_without_a_service_under_their_own_join_keys,
    every_revision_is_kept,
    of_two_applies_on_one_plan_one_wins_and_the_other_is_refused,
    many_processes_may_open_a_new_registry_at_once_and_one_apply_wins,
    a_refused_plan_changes_nothing,
    the_first_applied_version_of_a_service_stays_its_live_one,
    a_registry_of_a_newer_version_is_refused,
    a_definition_that_was_tampered_with_is_not_read,
    a_view_whose_rows_no_store_takes_is_refused_and_no_apply_goes_past_that
);
