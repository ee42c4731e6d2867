//! Tokens and tags as the registry keeps them, beside the audit log.

use access::{KnownToken, Tags, Token};
use feature::{Micros, ServiceRef};
use sqlx::{Connection, Row};

use super::{Home, definitions, edited, on_both, plan_of};
use crate::{Denial, Registered, Registry};

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

async fn open(home: &Home) -> Registry {
    Registry::open(&home.url()).await.unwrap().with_actor("ana")
}

fn known(name: &str, seed: u8) -> KnownToken {
    KnownToken::new(name.parse().unwrap(), &Token::from_random([seed; 40]), ["reader".parse().unwrap()])
}

async fn a_token_is_kept_without_its_secret_and_every_change_is_recorded(home: &Home) {
    let registry = open(home).await;
    assert_eq!(registry.access_generation().await.unwrap(), 0);
    registry.create_token(&known("scoring", 1), at(0)).await.unwrap();
    let expiring = KnownToken { expires_at: Some(at(9)), ..known("scoring", 2) };
    registry.create_token(&expiring, at(1)).await.unwrap();
    assert_eq!(registry.access_generation().await.unwrap(), 2);

    // Each counts again in the registry of another process, and the file holds no secret.
    let tokens = open(home).await.tokens().await.unwrap();
    assert_eq!(tokens.len(), 2);
    assert!(tokens[0].token.hash.is_of(&Token::from_random([1; 40])));
    assert_eq!((tokens[1].token.expires_at, tokens[1].created_by.as_str()), (Some(at(9)), "ana"));
    let secret = Token::from_random([1; 40]).text().rsplit('_').next().unwrap().to_owned();
    let dump: Vec<String> = sqlx::query_scalar("SELECT id || name || hash || roles FROM tokens")
        .fetch_all(&registry.pool().await.unwrap())
        .await
        .unwrap();
    assert!(dump.iter().all(|row| !row.contains(&secret)), "{dump:?}");

    let id = tokens[0].token.id.to_string();
    assert_eq!(registry.revoke_tokens(&id, at(2)).await.unwrap().len(), 1);
    assert_eq!(registry.revoke_tokens(&id, at(2)).await.unwrap().len(), 0, "it is revoked already");
    assert_eq!(registry.expire_tokens("scoring", at(5), at(3)).await.unwrap().len(), 1);
    assert_eq!(registry.access_generation().await.unwrap(), 4);
    let missing = registry.revoke_tokens("scorng", at(3)).await.unwrap_err().to_string();
    assert_eq!(missing, "there is no token `scorng`, did you mean `scoring`?");

    let log = registry.audit().await.unwrap();
    assert_eq!(log.damaged, Vec::<String>::new());
    let actions: Vec<&str> = log.about("scoring").map(|entry| entry.action.name()).collect();
    assert_eq!(actions, ["token_create", "token_create", "token_revoke", "token_expire"]);
    assert_eq!(log.entries[2].subject, format!("token scoring@{id}"));
}

async fn a_token_that_was_written_by_others_is_refused_as_damage(home: &Home) {
    let registry = open(home).await;
    registry.create_token(&known("scoring", 1), at(0)).await.unwrap();
    sqlx::query("UPDATE tokens SET roles = '[\"operator\"]'")
        .execute(&registry.pool().await.unwrap())
        .await
        .unwrap();
    let said = registry.tokens().await.unwrap_err().to_string();
    assert!(said.contains("it holds other definitions than were registered"), "{said}");
    registry.create_token(&known("other", 2), at(1)).await.unwrap_err();
}

async fn a_token_that_is_refused_for_long_is_forgotten(home: &Home) {
    let registry = open(home).await;
    registry.create_token(&known("old", 1), at(0)).await.unwrap();
    registry.create_token(&known("kept", 2), at(0)).await.unwrap();
    registry.revoke_tokens("old", at(1)).await.unwrap();
    registry.create_token(&known("new", 3), at(2 + 90 * 24 * 60)).await.unwrap();
    let names: Vec<String> =
        registry.tokens().await.unwrap().iter().map(|kept| kept.token.name.to_string()).collect();
    assert_eq!(names, ["kept", "new"]);
}

async fn refusals_are_recorded_by_kind_and_what_is_allowed_is_counted(home: &Home) {
    let registry = open(home).await;
    let denial = |subject: &str, count| Denial {
        subject: subject.to_owned(),
        detail: "read_online of service late_arrival@1".to_owned(),
        count,
    };
    let many = (0..30).map(|n| denial(&format!("token t{n}"), n + 1)).collect();
    registry.record_denials(many, at(0)).await.unwrap();
    let log = registry.audit().await.unwrap();
    assert_eq!(log.entries.len(), 21, "twenty kinds, and one of all others");
    assert_eq!(log.entries[0].to.as_deref(), Some("denied 30 times"));
    assert_eq!(
        (log.entries[20].subject.as_str(), log.entries[20].to.as_deref()),
        ("others", Some("denied 55 times"))
    );

    let row = |count| ("token a".to_owned(), "read_online", "service s@1".to_owned(), count);
    for minute in [0, 0, 1] {
        registry.count_allowed(at(minute), &[row(5)]).await.unwrap();
    }
    let count = |since| {
        let registry = registry.clone();
        async move { registry.allowed_since(at(since)).await.unwrap().iter().map(|row| row.3).sum::<u64>() }
    };
    assert_eq!((count(0).await, count(1).await), (15, 5));
    // Old minutes go.
    registry.count_allowed(at(2 + 30 * 24 * 60), &[row(1)]).await.unwrap();
    assert_eq!(count(0).await, 1);
}

/// A registry as schema 11 left it, before tokens.
#[tokio::test]
async fn a_registry_of_schema_11_is_brought_on_with_all_that_it_holds() {
    let home = &Home::sqlite();
    let connection = home.made_of(include_str!("schema_11.sql")).await;
    connection.close().await.unwrap();
    let registry = open(home).await;
    assert_eq!(registry.registered().await.unwrap().views().count(), 2);
    assert_eq!(registry.integrity().await.unwrap(), Vec::<String>::new());
    assert_eq!(registry.tokens().await.unwrap().len(), 0);
    registry.create_token(&known("scoring", 1), at(0)).await.unwrap();
    let row = sqlx::query("SELECT schema_version FROM registry")
        .fetch_one(&registry.pool().await.unwrap())
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), crate::schema::SCHEMA);
}

/// A tag of a source, an entity or a view is a tag of all that is made from it.
async fn tags_follow_what_a_service_is_made_from(home: &Home) {
    let registry = open(home).await;
    let derived = "---
kind: feature_view
name: daily_arrivals
version: 1
entity: airport
source: {view: airport_arrivals@1}
features: {worst: {aggregate: count, window: 1d}}
---
kind: on_demand_view
name: hurry
version: 1
request: {distance: int32}
inputs:
  - {from: daily_arrivals@1, on: {airport: dest}, take: [worst], prefix: d_}
features: {twice: {expression: \"d_worst * 2\"}}
---
kind: feature_service
name: chosen
version: 1
features:
  - {from: hurry@1}
";
    let text = edited("tags: {domain: operations}", "tags: {pii: names}");
    let text = text.replace("kind: source\n", "kind: source\ntags: {class: secret}\n");
    let text = text.replace("keys: {airport: string}\n", "keys: {airport: string}\ntags: {of: people}\n");
    let text = format!("{text}{derived}");
    let registered = Registered::default();
    registry.apply(&plan_of(&definitions(&text, &registered), &registered), at(0)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let all: Tags = [("class", "secret"), ("of", "people"), ("pii", "names")]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .into();
    for view in ["airport_arrivals@1", "daily_arrivals@1", "hurry@1"] {
        assert_eq!(registered.tags_of_view(&view.parse().unwrap()).unwrap(), all, "{view}");
    }
    let chosen: ServiceRef = "chosen@1".parse().unwrap();
    assert_eq!(registered.tags_of_service(&registered.service_plan(&chosen).unwrap()), all);
}

on_both!(
    a_token_is_kept_without_its_secret_and_every_change_is_recorded,
    a_token_that_was_written_by_others_is_refused_as_damage,
    a_token_that_is_refused_for_long_is_forgotten,
    refusals_are_recorded_by_kind_and_what_is_allowed_is_counted,
    tags_follow_what_a_service_is_made_from
);
