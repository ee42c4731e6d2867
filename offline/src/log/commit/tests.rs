//! Commits that were decided on one snapshot, and come after others.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::oracle::History;
use feature::{Row, Value};
use tempfile::TempDir;

use crate::error::OfflineError;
use crate::log::compaction::due;
use crate::log::forgotten::FORGOTTEN;
use crate::log::sample_batch::batch;
use crate::log::storage::durable::steps::{self, Step};
use crate::log::store::OfflineStore;
use crate::log::table::Marker;
use crate::log::view_log::Log;

/// A log of a generated history, one commit for each few rows.
struct Logged {
    history: History,
    store: OfflineStore,
    _folder: TempDir,
}

impl Logged {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = OfflineStore::open("offline", folder.path()).unwrap();
        let logged = Self { history: History::generate(7, 60), store, _folder: folder };
        let mut log = logged.log().await;
        for rows in logged.rows().chunks(5) {
            append(&mut log, rows, "loads", &[]).await.unwrap();
        }
        logged
    }

    async fn log(&self) -> Log {
        self.store.log(&Arc::new(self.history.view.clone())).await.unwrap()
    }

    fn rows(&self) -> Vec<(&[Value], &Row)> {
        let entities = self.history.entities.iter();
        entities.flat_map(|(keys, rows)| rows.iter().map(|row| (keys.as_slice(), row))).collect()
    }

    /// How many files of rows lie in its folder, whether a commit names them or not.
    async fn data_files(&self) -> usize {
        let mut folders = vec![self.log().await.folder().unwrap()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap().is_dir() {
                    true if entry.file_name() == "_delta_log" => {}
                    true => folders.push(entry.path()),
                    false => files += usize::from(entry.path().extension().is_some_and(|is| is == "parquet")),
                }
            }
        }
        files
    }

    /// How often each position is in the log that is there now.
    async fn positions(&self) -> BTreeMap<(u8, u32, u64), usize> {
        let mut positions = BTreeMap::new();
        self.log().await.for_each_position(|parts| *positions.entry(parts).or_default() += 1).await.unwrap();
        positions
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_first_commits_of_a_log_that_is_not_there_yet_one_is_made() {
    for _ in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let store = OfflineStore::open("offline", folder.path()).unwrap();
        let history = History::generate(7, 20);
        let view = Arc::new(history.view.clone());
        let mut writers = Vec::new();
        for _ in 0..6 {
            // Every one of them decides before there is a log.
            writers.push(store.log(&view).await.unwrap());
        }
        let writers = writers.into_iter().map(|mut log| {
            tokio::spawn(async move {
                let moves = [Marker { app: "loads".to_owned(), version: 1 }];
                log.appender().await.unwrap().commit(&moves, &["loads"]).await.is_ok()
            })
        });
        let mut committed = 0;
        for writer in writers.collect::<Vec<_>>() {
            committed += usize::from(writer.await.unwrap());
        }
        assert_eq!(committed, 1);
        // Its creation and the commit: nothing else is in the log.
        assert_eq!(store.log(&view).await.unwrap().version(), Some(1));
    }
}

async fn append(
    log: &mut Log,
    rows: &[(&[Value], &Row)],
    moves: &str,
    reads: &[&str],
) -> Result<crate::Committed, OfflineError> {
    let next = log.marker(moves).await.unwrap().unwrap_or(0) + 1;
    let rows = batch(&log.view().clone(), rows);
    let mut appender = log.appender().await.unwrap();
    appender.write(rows);
    appender.commit(&[Marker { app: moves.to_owned(), version: next }], reads).await
}

#[tokio::test]
async fn of_two_compactions_of_the_same_files_one_is_a_conflict() {
    let logged = Logged::new().await;
    let expected = logged.positions().await;
    let (mut one, mut other) = (logged.log().await, logged.log().await);
    let (first, batch) = due(&mut one).await.unwrap();
    let (same, again) = due(&mut other).await.unwrap();
    one.table_mut().replace(&first, batch).await.unwrap();
    let refused = other.table_mut().replace(&same, again).await;
    assert!(matches!(refused, Err(OfflineError::Conflict { .. })), "{refused:?}");
    assert_eq!(logged.positions().await, expected);
    // What is left is found again on the snapshot that is there now.
    assert_eq!(other.optimize().await.unwrap().rows_rewritten, 0);
    assert_eq!(logged.positions().await, expected);
}

#[tokio::test]
async fn compactions_at_once_leave_every_row_once() {
    for _ in 0..5 {
        let logged = Logged::new().await;
        let expected = logged.positions().await;
        let mut logs = [logged.log().await, logged.log().await, logged.log().await];
        let done = futures::future::join_all(logs.iter_mut().map(Log::optimize)).await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        assert_eq!(logged.positions().await, expected);
    }
}

#[tokio::test]
async fn a_compaction_passes_over_an_append() {
    let logged = Logged::new().await;
    let mut expected = logged.positions().await;
    let mut log = logged.log().await;
    let (files, batch) = due(&mut log).await.unwrap();
    let rows = logged.rows();
    append(&mut logged.log().await, &rows[..3], "loads", &[]).await.unwrap();
    log.table_mut().replace(&files, batch).await.unwrap();
    for (_, row) in &rows[..3] {
        *expected.get_mut(&row.position.parts()).unwrap() += 1;
    }
    assert_eq!(logged.positions().await, expected);
}

#[tokio::test]
async fn a_commit_conflicts_with_what_it_was_decided_on_and_with_nothing_else() {
    let logged = Logged::new().await;
    let rows = logged.rows();
    let (mut log, before) = (logged.log().await, logged.log().await.version());
    append(&mut logged.log().await, &rows[..2], "stream", &[]).await.unwrap();
    append(&mut logged.log().await, &rows[..1], "files", &[]).await.unwrap();
    for (moves, reads) in [("files", ["other"]), ("other", ["files"]), ("other", ["stream"])] {
        let refused = append(&mut log, &rows[..1], moves, &reads).await;
        assert!(matches!(refused, Err(OfflineError::Conflict { .. })), "{moves}: {refused:?}");
        assert_eq!(log.version(), before, "a conflict leaves the snapshot that was decided on");
    }
    let committed = append(&mut log, &rows[..1], "other", &["another"]).await.unwrap();
    assert_eq!(Some(committed.version), before.map(|before| before + 3));
    // What came between is known, and nothing of its own with it.
    let mut between = log.scan_added(&committed.between, &["_position_kind"]).unwrap();
    let mut found = 0;
    while let Some(batch) = futures::StreamExt::next(&mut between).await {
        found += batch.unwrap().num_rows();
    }
    assert_eq!(found, 3);
}

#[tokio::test]
async fn a_commit_beside_which_an_entity_was_forgotten_leaves_no_file_whatever_else_is_a_conflict() {
    // What others commit meanwhile, each a commit.
    let (forget, other) = (FORGOTTEN, "loads");
    for commits in [&[&[other, forget][..]][..], &[&[forget, other]], &[&[other], &[forget]]] {
        let logged = Logged::new().await;
        let rows = logged.rows();
        let mut log = logged.log().await;
        let mut appender = log.appender().await.unwrap();
        let files = logged.data_files().await;
        appender.write(batch(&Arc::new(logged.history.view.clone()), &rows[..5]));
        appender.flush().await.unwrap();
        assert!(logged.data_files().await > files, "there is something to leave");
        for moved in commits {
            let moves: Vec<Marker> =
                moved.iter().map(|app| Marker { app: (*app).to_owned(), version: 99 }).collect();
            logged.log().await.appender().await.unwrap().commit(&moves, &[]).await.unwrap();
        }
        let moves = [Marker { app: other.to_owned(), version: 100 }];
        let refused = appender.commit(&moves, &[FORGOTTEN]).await;
        assert!(matches!(refused, Err(OfflineError::Conflict { .. })), "{refused:?}");
        assert_eq!(logged.data_files().await, files, "{commits:?}");
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_synced() {
    let logged = Logged::new().await;
    let rows = logged.rows();
    let mut log = logged.log().await;
    let (folder, commits) = (log.folder().unwrap(), log.folder().unwrap().join("_delta_log"));
    for compacts in [false, true] {
        steps::taken(&folder);
        match compacts {
            true => assert!(log.optimize().await.unwrap().rows_rewritten > 0),
            false => drop(append(&mut log, &rows[..9], "loads", &[]).await.unwrap()),
        }
        let steps = steps::taken(&folder);
        let at = |step: Step| steps.iter().position(|other| *other == step);
        let commit = commits.join(format!("{:020}.json", log.version().unwrap()));
        let named = at(Step::Named(commit.clone())).unwrap();
        assert!(
            at(Step::Synced(commit)).unwrap() < named,
            "a commit is whole when it has its name: {steps:?}"
        );
        let last = steps.iter().rposition(|step| *step == Step::Synced(commits.clone()));
        assert!(last.unwrap() > named, "and has it after a power cut: {steps:?}");
        let mut files = 0;
        for (index, step) in steps.iter().enumerate().take(named) {
            let Step::Named(file) = step else { continue };
            let synced =
                |path: &std::path::Path| steps[index..named].contains(&Step::Synced(path.to_owned()));
            assert!(
                file.ancestors().skip(1).take_while(|path| path.starts_with(&folder)).all(synced),
                "{steps:?}"
            );
            assert!(synced(file), "{} is committed before it is on disk: {steps:?}", file.display());
            files += 1;
        }
        assert!(files > 0, "{steps:?}");
    }
}
