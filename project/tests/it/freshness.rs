//! How fresh a view was is kept in the registry, whichever command follows its stream.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use feature::{Status, Value};
use registry::Registry;
use twinstore::{CancellationToken, Event, FollowStreams, Get, Project, Run, Serve};

use crate::clicks::{Reports, applied, now};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rows that the registry knows how soon they could be read.
async fn readable(folder: &Path) -> u64 {
    let url = format!("sqlite://{}", folder.join(".twinstore/registry.db").display());
    let registry = Registry::open(&url).await.unwrap();
    let (from, to) = ("2020-01-01".parse().unwrap(), "9999-01-01".parse().unwrap());
    let counted = registry.freshness(&"visits@1".parse().unwrap(), from, to).await.unwrap();
    counted.iter().filter(|one| one.stage == "readable").map(|one| one.rows).sum()
}

async fn push(project: &Project, visitor: u32) {
    let row = format!("{{\"visitor\": {visitor}, \"at\": \"{}\", \"page\": \"home\"}}\n", now());
    let clicks = "clicks".parse().unwrap();
    let pushed = project.push(&clicks, row.as_bytes(), &Run::default()).await.unwrap();
    assert_eq!((pushed.taken, pushed.refused), (1, Vec::new()));
}

/// Asks until a visitor has a row.
async fn is_readable(project: &Project, visitor: i64) {
    let get = Get::of("visit".parse().unwrap(), [("visitor".to_owned(), Value::Int64(visitor).into())]);
    while project.get(&get).await.unwrap().features[0].status != Status::Present {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_a_stream_keep_how_fresh_a_view_was() {
    let (folder, project) = applied().await;
    push(&project, 1).await;
    let streams = FollowStreams { until_caught_up: true, ..FollowStreams::default() };
    let outcome = project.stream(&streams, &Run::default()).await.unwrap();
    assert_eq!(outcome.followed.iter().map(|one| one.report.rows_loaded).sum::<u64>(), 1);
    assert_eq!(readable(folder.path()).await, 1);

    let (reports, mut events) = Reports::new();
    let run = Run::new(Arc::new(reports), CancellationToken::new());
    let serving = tokio::spawn({
        let (project, run) = (project.clone(), run.clone());
        async move { project.serve(&Serve::default(), &run).await }
    });
    while !matches!(events.recv().await.unwrap(), Event::Serving { .. }) {}
    push(&project, 2).await;
    tokio::time::timeout(PATIENCE, is_readable(&project, 2)).await.unwrap();
    run.cancel.cancel();
    serving.await.unwrap().unwrap();
    assert_eq!(readable(folder.path()).await, 2);
}
