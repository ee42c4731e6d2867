//! Commands that are cancelled: what was committed stays, and the same command goes on from there.

use twinstore::{Backfill, ProjectError, Run, Serve};

use crate::clicks::applied;

#[tokio::test]
async fn a_load_that_is_cancelled_says_so_and_the_next_one_loads_the_rest() {
    let (_folder, project) = applied().await;
    let run = Run::default();
    run.cancel.cancel();
    let cancelled = project.backfill(&Backfill::default(), &run).await.unwrap_err();
    assert!(matches!(cancelled, ProjectError::Cancelled), "{cancelled}");
    let loads = project.backfill(&Backfill::default(), &Run::default()).await.unwrap();
    assert_eq!(loads.loaded.iter().map(|loaded| loaded.report.rows_loaded).sum::<u64>(), 3);
}

#[tokio::test]
async fn a_server_that_is_cancelled_before_it_serves_ends_well() {
    let (_folder, project) = applied().await;
    let run = Run::default();
    run.cancel.cancel();
    project.serve(&Serve::default(), &run).await.unwrap();
}
