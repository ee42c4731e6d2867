//! Breakers in a registry that an older version has left.

use sqlx::{Connection, Row};

use super::Home;
use crate::Registry;

/// A registry as schema 12 left it, before breakers.
#[tokio::test]
async fn a_registry_of_schema_12_is_brought_on_with_all_that_it_holds() {
    let home = &Home::sqlite();
    let connection = home.made_of(include_str!("schema_12.sql")).await;
    connection.close().await.unwrap();
    let registry = Registry::open(&home.url()).await.unwrap();
    assert_eq!(registry.registered().await.unwrap().views().count(), 2);
    assert_eq!(registry.integrity().await.unwrap(), Vec::<String>::new());
    assert_eq!(registry.breakers().await.unwrap(), []);
    assert_eq!(registry.breaker_changes().await.unwrap(), 0);
    let row = sqlx::query("SELECT schema_version FROM registry")
        .fetch_one(&registry.pool().await.unwrap())
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), crate::schema::SCHEMA);
}
