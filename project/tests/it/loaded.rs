//! What commands give and report, and that all of them can run on any thread.

use std::sync::Arc;

use feature::Value;
use twinstore::{Backfill, CancellationToken, Event, Get, ProjectError, Run};

use crate::clicks::{Reports, applied, now};

#[tokio::test]
async fn a_load_reports_its_rows_and_gives_what_it_did() {
    let (_folder, project) = applied().await;
    let (reports, mut events) = Reports::new();
    let run = Run::new(Arc::new(reports), CancellationToken::new());
    let loads = project.backfill(&Backfill::default(), &run).await.unwrap();
    assert!(loads.failed.is_empty(), "{:?}", loads.failed);
    assert_eq!(loads.loaded.iter().map(|loaded| loaded.report.rows_loaded).sum::<u64>(), 3);
    drop(run);
    let (mut begun, mut rows, mut ended) = (0, 0, 0);
    while let Some(event) = events.recv().await {
        match event {
            Event::LoadBegins(_) => begun += 1,
            Event::RowsRead { rows: more, .. } => rows += more,
            Event::LoadEnds(_) => ended += 1,
            _ => {}
        }
    }
    assert_eq!((begun, rows, ended), (1, 3, 1));
    let get = Get::of("visit".parse().unwrap(), [("visitor".to_owned(), Value::Int64(1).into())]);
    let read = project.get(&get).await.unwrap();
    let spent = read.features.iter().find(|feature| feature.name == "spent").unwrap();
    assert_eq!(spent.value, Value::Float64(6.5));
    // Nothing was pushed.
    assert_eq!(read.never_loaded.iter().map(|one| one.has_history).collect::<Vec<_>>(), [false]);
}

#[tokio::test]
async fn what_is_wrong_with_a_range_is_an_error_of_its_own() {
    let (_folder, project) = applied().await;
    let mut backfill = Backfill::default();
    let time = Some(now());
    (backfill.range.from, backfill.range.to) = (time, time);
    let error = project.backfill(&backfill, &Run::default()).await.unwrap_err();
    assert!(matches!(error, ProjectError::EmptyRange { .. }), "{error}");
}

#[tokio::test]
async fn every_command_can_run_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    let (folder, project) = applied().await;
    let run = Run::default();
    is_send(project.plan());
    is_send(project.apply());
    is_send(project.backfill(&Backfill::default(), &run));
    is_send(project.materialize(&twinstore::Materialize::default(), &run));
    is_send(project.serve(&twinstore::Serve::default(), &run));
    is_send(project.verify(true, &run));
    is_send(project.verify_training_set(folder.path(), &run));
    is_send(project.push(&"clicks".parse().unwrap(), std::io::empty(), &run));
    is_send(project.rebuild(&[], &run));
    is_send(project.optimize(&[], &run));
}
