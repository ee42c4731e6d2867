//! Backfills by dates as the registry keeps them: one of a view at a time, with what is wanted of it.

use feature::{EventDate, Micros, VersionId};
use sqlx::{Connection, Row};

use super::{Home, on_both};
use crate::{
    BackfillDate, BackfillDateState, BackfillRecord, BackfillRequest, BackfillState, Registry, RegistryError,
};

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

fn view() -> VersionId {
    "arrivals@2".parse().unwrap()
}

fn record(number: u64) -> BackfillRecord {
    let record = BackfillRecord {
        view: view(),
        number,
        newest_first: true,
        from: None,
        to: Some(at(9)),
        max_rows_per_second: Some(1_000),
        max_memory: 1 << 20,
        jobs: 2,
        accepted: vec![EventDate::None],
        actor: None,
        process: None,
        started_at: at(0),
        resumed_at: at(0),
        updated_at: at(0),
        state: BackfillState::Running,
        error: None,
        delay: None,
        rows_read: 0,
    };
    record.executed_here(Some("ann".to_owned()), at(1))
}

async fn open(home: &Home) -> Registry {
    Registry::open(&home.url()).await.unwrap()
}

async fn one_backfill_of_a_view_goes_on_at_a_time_and_the_refusal_names_it(home: &Home) {
    let registry = open(home).await;
    registry.begin_backfill(&record(1)).await.unwrap();
    let said = "backfill 1 of arrivals@2, which was started by ann at 2013-05-31T11:33:20Z, is running";
    assert_eq!(registry.begin_backfill(&record(2)).await.unwrap_err().to_string(), said);
    assert_eq!(registry.resume_backfill(&record(1)).await.unwrap_err().to_string(), said);
    let paused = BackfillRecord { state: BackfillState::Paused, ..record(1) };
    registry.keep_backfill(&paused, &[]).await.unwrap();
    assert!(matches!(registry.begin_backfill(&record(2)).await, Err(RegistryError::BackfillOpen { .. })));
    assert!(matches!(registry.resume_backfill(&record(2)).await, Err(RegistryError::NoBackfill { .. })));
    registry.resume_backfill(&record(1)).await.unwrap();
    registry.keep_backfill(&BackfillRecord { state: BackfillState::Done, ..record(1) }, &[]).await.unwrap();
    assert!(registry.resume_backfill(&record(1)).await.unwrap_err().to_string().ends_with("is done"));
    registry.begin_backfill(&record(2)).await.unwrap();
    assert_eq!(registry.backfill(&view()).await.unwrap().unwrap().record, record(2));
    assert_eq!(registry.backfills().await.unwrap().len(), 1);
}

async fn a_request_waits_until_it_is_resumed_and_a_cancel_is_not_taken_back_by_a_pause(home: &Home) {
    let registry = open(home).await;
    registry.begin_backfill(&record(1)).await.unwrap();
    let request = async || registry.backfill(&view()).await.unwrap().unwrap().request;
    assert_eq!(request().await, None);
    registry.request_of_backfill(&view(), 1, BackfillRequest::Pause).await.unwrap();
    // What its process keeps of it leaves the request as it is.
    registry.keep_backfill(&record(1), &[]).await.unwrap();
    assert_eq!(request().await, Some(BackfillRequest::Pause));
    registry.request_of_backfill(&view(), 1, BackfillRequest::Cancel).await.unwrap();
    registry.request_of_backfill(&view(), 1, BackfillRequest::Pause).await.unwrap();
    assert_eq!(request().await, Some(BackfillRequest::Cancel));
    registry
        .keep_backfill(&BackfillRecord { state: BackfillState::Stopped, ..record(1) }, &[])
        .await
        .unwrap();
    registry.resume_backfill(&record(1)).await.unwrap();
    assert_eq!(request().await, None);
}

async fn dates_are_kept_beside_it_and_one_that_is_damaged_is_named(home: &Home) {
    let registry = open(home).await;
    registry.begin_backfill(&record(1)).await.unwrap();
    let mut dates =
        vec![BackfillDate::waiting(EventDate::None, 3), BackfillDate::waiting(EventDate::Day(15_000), 7)];
    registry.keep_backfill(&record(1), &dates).await.unwrap();
    assert_eq!(registry.backfill_dates(&view(), 1).await.unwrap(), dates);
    dates[1].state = BackfillDateState::Failed;
    dates[1].reasons = vec!["it looks otherwise".to_owned()];
    registry.keep_backfill(&record(1), &dates[1..]).await.unwrap();
    assert_eq!(registry.backfill_dates(&view(), 1).await.unwrap(), dates);
    assert_eq!(registry.integrity().await.unwrap(), Vec::<String>::new());
    sqlx::query("UPDATE backfill_dates SET body = replace(body, '\"rows\":7', '\"rows\":8')")
        .execute(&registry.pool().await.unwrap())
        .await
        .unwrap();
    let said = registry.integrity().await.unwrap_err().to_string();
    assert!(
        said.contains("the date of backfill 1 of arrivals@2 in it cannot be read: it is not what was kept"),
        "{said}"
    );
}

/// A registry as schema 9 left it, before backfills went date by date.
#[tokio::test]
async fn a_registry_of_schema_9_is_brought_on_with_all_that_it_holds() {
    let home = &Home::sqlite();
    let connection = home.made_of(include_str!("schema_9.sql")).await;
    connection.close().await.unwrap();
    let registry = open(home).await;
    let registered = registry.registered().await.unwrap();
    assert_eq!(registered.views().count(), 2);
    assert_eq!(registry.integrity().await.unwrap(), Vec::<String>::new());
    assert_eq!(registry.training_sets().await.unwrap().len(), 1);
    assert_eq!(registry.backfills().await.unwrap(), Vec::new());
    registry.begin_backfill(&record(1)).await.unwrap();
    let row = sqlx::query("SELECT schema_version FROM registry")
        .fetch_one(&registry.pool().await.unwrap())
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), crate::schema::SCHEMA);
}

on_both!(
    one_backfill_of_a_view_goes_on_at_a_time_and_the_refusal_names_it,
    a_request_waits_until_it_is_resumed_and_a_cancel_is_not_taken_back_by_a_pause,
    dates_are_kept_beside_it_and_one_that_is_damaged_is_named
);
