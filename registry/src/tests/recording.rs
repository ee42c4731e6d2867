//! The audit log beside what it records: every change has its entry, in its transaction, and damage of it shows.

use feature::Micros;
use sqlx::Connection;

use super::{BASE, Home, definitions, edited, on_both, plan_of};
use crate::{AuditAction, AuditLog, Registry, Using};

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

async fn apply(registry: &Registry, text: &str, minute: i64) {
    let registered = registry.registered().await.unwrap();
    registry.apply(&plan_of(&definitions(text, &registered), &registered), at(minute)).await.unwrap();
}

/// Applied, revised, used.
async fn changed(home: &Home) -> Registry {
    let registry = Registry::open(&home.url()).await.unwrap().with_actor("ana");
    apply(&registry, BASE, 0).await;
    let registry = registry.with_actor("ben");
    apply(&registry, &edited("owner: arrivals-team", "owner: delay-team"), 1).await;
    let view = registry.registered().await.unwrap().view(&"airport_arrivals@1".parse().unwrap()).unwrap();
    registry.begin_use(&[Using::view(&view)], "backfill", at(2)).await.unwrap();
    registry
}

fn lines(log: &AuditLog) -> Vec<String> {
    let line = |entry: &crate::AuditEntry| {
        let state = |state: &Option<String>| state.as_deref().map_or("-".to_owned(), |text| text.to_owned());
        let (from, to) = (state(&entry.from), state(&entry.to));
        format!("{} {} {} {}: {from} → {to}", entry.number, entry.actor, entry.action.name(), entry.subject)
    };
    log.entries.iter().map(line).collect()
}

async fn every_change_has_its_entry_with_who_did_it(home: &Home) {
    let registry = changed(home).await;
    let log = registry.audit().await.unwrap();
    assert_eq!(log.damaged, Vec::<String>::new());
    let lines = lines(&log);
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert!(lines[0].starts_with("1 ana add entity aircraft: - → revision 1 of hash 1d24c6"), "{lines:#?}");
    assert_eq!(lines[8], "9 ana go_live feature_service late_arrival: - → late_arrival@1");
    assert!(
        lines[9].starts_with("10 ben revise feature_view airport_arrivals@1: revision 1 of"),
        "{lines:#?}"
    );
    assert_eq!(log.entries[9].detail.as_deref(), Some("owner: arrivals-team → delay-team"));
    assert_eq!(lines[10], "11 ben first_use feature_view airport_arrivals@1: - → used by backfill");
    let about = |name: &str| log.about(name).map(|entry| entry.number).collect::<Vec<_>>();
    assert_eq!(about("airport_arrivals"), [6, 10, 11]);
    assert_eq!(about("late_arrival@1"), [8, 9]);
    // An apply of nothing and a use that is known are no changes.
    apply(&registry, &edited("owner: arrivals-team", "owner: delay-team"), 3).await;
    assert_eq!(registry.audit().await.unwrap().entries.len(), 11);
}

async fn a_removal_is_recorded_with_what_it_makes_live(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    let second = BASE.split("---\n").find(|document| document.contains("kind: feature_service")).unwrap();
    let text = format!("{BASE}---\n{}", second.replace("version: 1", "version: 2"));
    apply(&registry, &text, 0).await;
    registry.remove("late_arrival@1", None, at(1)).await.unwrap();
    registry.remove("late_arrival@2", None, at(1)).await.unwrap();
    let log = registry.audit().await.unwrap();
    let last: Vec<String> = lines(&log).split_off(log.entries.len() - 3);
    assert!(last[0].ends_with(" remove feature_service late_arrival@1: hash 6a0022f9405bcd4e2ad32858bc8ceb727a19106822f8e89621fb5b09186ee284 → -"), "{last:?}");
    assert!(
        last[1].ends_with(" go_live feature_service late_arrival: late_arrival@1 → late_arrival@2"),
        "{last:?}"
    );
    assert_eq!(log.entries.last().unwrap().action, AuditAction::Remove);
    assert_eq!(log.entries.last().unwrap().actor, "unnamed");
}

async fn an_entry_that_was_changed_or_removed_is_named_and_nothing_follows_a_damaged_end(home: &Home) {
    for (statement, sentence) in [
        ("UPDATE audit SET actor = 'eve' WHERE entry = 3", "entry 3 of the audit log (add by eve of"),
        ("UPDATE audit SET reason = '' WHERE entry = 3", "entry 3 of the audit log (add by ana of"),
        ("UPDATE audit SET action = 'theft' WHERE entry = 3", "`theft` is not an action"),
        ("DELETE FROM audit WHERE entry = 5", "entry 5 of the audit log is missing"),
        ("DELETE FROM audit WHERE entry > 9", "entries 10 to 11 of the audit log are missing"),
        ("UPDATE registry SET audit_entries = 12", "entry 12 of the audit log is missing"),
        ("UPDATE registry SET audit_hash = ''", "entry 11 of the audit log is not the last that was written"),
    ] {
        let home = &home.another();
        let registry = changed(home).await;
        sqlx::query(statement).execute(&registry.pool().await.unwrap()).await.unwrap();
        let damaged = registry.audit().await.unwrap().damaged;
        assert!(damaged.iter().any(|said| said.contains(sentence)), "{statement}: {damaged:?}");
        assert!(registry.integrity().await.unwrap().iter().any(|said| said.contains(sentence)));
        let is_end = !statement.contains("entry = ");
        let registered = registry.registered().await.unwrap();
        let plan = plan_of(&definitions(BASE, &registered), &registered);
        match registry.apply(&plan, at(5)).await {
            Err(error) => {
                assert!(is_end && error.to_string().contains("the end of its audit log"), "{error}");
                assert_eq!(registry.generation().await.unwrap(), 2, "{statement}");
            }
            Ok(_) => assert!(!is_end, "{statement}"),
        }
    }
}

async fn a_clock_that_went_back_is_accepted_and_shown(home: &Home) {
    let registry = changed(home).await;
    apply(&registry, BASE, -10).await;
    let log = registry.audit().await.unwrap();
    assert_eq!(log.damaged, Vec::<String>::new());
    let back: Vec<(i64, f64)> = log.back_in_time.iter().map(|back| (back.entry, back.seconds)).collect();
    assert_eq!(back, [(12, 720.0)]);
}

/// A registry as the release before wrote it: a service that was read, with a revision.
#[tokio::test]
async fn a_registry_of_schema_4_is_brought_on_and_one_that_is_damaged_is_refused() {
    let home = &Home::sqlite();
    let mut connection = home.made_of(include_str!("schema_4.sql")).await;
    sqlx::query("UPDATE live_versions SET since = since + 1").execute(&mut connection).await.unwrap();
    let refused = Registry::open(&home.url()).await.unwrap_err().to_string();
    assert!(refused.contains("it holds other definitions than were registered"), "{refused}");
    sqlx::query("UPDATE live_versions SET since = since - 1").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let registry = Registry::open(&home.url()).await.unwrap();
    assert_eq!(registry.audit().await.unwrap(), AuditLog::default());
    let registered = registry.registered().await.unwrap();
    assert_eq!(registered.live(&"late_arrival".parse().unwrap()), Some(1));
    let unused = registered.definitions().map(|d| d.id()).filter(|id| registered.first_use(id).is_none());
    assert_eq!(unused.filter(|id| id.version.is_some()).count(), 0);
    assert_eq!(registry.integrity().await.unwrap(), Vec::<String>::new());
    apply(&registry, "kind: entity\nname: gate\nkeys: {gate: string}\n", 1).await;
    assert_eq!(lines(&registry.audit().await.unwrap()).len(), 1);
}

on_both!(
    every_change_has_its_entry_with_who_did_it,
    a_removal_is_recorded_with_what_it_makes_live,
    an_entry_that_was_changed_or_removed_is_named_and_nothing_follows_a_damaged_end,
    a_clock_that_went_back_is_accepted_and_shown
);
