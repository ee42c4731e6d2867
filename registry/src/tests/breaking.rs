//! Breakers in a registry that an older version has left.

use sqlx::Row;
use tempfile::TempDir;

use crate::Registry;

/// A registry as schema 12 left it, before breakers.
#[tokio::test]
async fn a_registry_of_schema_12_is_brought_on_with_all_that_it_holds() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("r.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = crate::file::pool_options(1).connect_with(options).await.unwrap();
    sqlx::raw_sql(include_str!("schema_12.sql")).execute(&pool).await.unwrap();
    pool.close().await;
    let registry = Registry::open(&format!("sqlite://{}", path.display())).await.unwrap();
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
