//! Any entity of any generated log, compacted and with checkpoints, is in no version of it afterwards, and every version has
//! all other rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use feature::oracle::History;
use feature::{EntityKey, Row, Value};
use futures::TryStreamExt;

use super::*;
use crate::log::rows::{row_columns, rows};
use crate::log::sample_batch::batch;
use crate::log::table::Marker;

type Rows = BTreeMap<(u8, u32, u64), EntityKey>;

struct Logged {
    store: OfflineStore,
    view: Arc<View>,
    folder: tempfile::TempDir,
}

impl Logged {
    /// A log of so many rows, a few in each commit, compacted now and then.
    async fn new(history: &History) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = OfflineStore::open("offline", folder.path()).unwrap();
        let logged = Self { store, view: Arc::new(history.view.clone()), folder };
        let entities = history.entities.iter();
        let all: Vec<(&[Value], &Row)> =
            entities.flat_map(|(keys, rows)| rows.iter().map(|row| (keys.as_slice(), row))).collect();
        let mut log = logged.store.log(&logged.view).await.unwrap();
        for (number, rows) in all.chunks(7).enumerate() {
            let mut appender = log.appender().await.unwrap();
            appender.write(batch(&logged.view, rows));
            let marker = Marker { app: "loads".to_owned(), version: number as i64 };
            appender.commit(&[marker], &[]).await.unwrap();
            if number % 3 == 2 {
                log.optimize().await.unwrap();
                create_checkpoint(&log.table().delta, None).await.unwrap();
            }
        }
        logged
    }

    async fn version(&self) -> u64 {
        self.store.log(&self.view).await.unwrap().version().unwrap()
    }

    /// The rows of a version, and how many its commits say that it has.
    async fn rows_at(&self, version: u64) -> (Rows, u64) {
        let log = self.store.log_at(&self.view, version).await.unwrap();
        let mut found = Rows::new();
        let mut batches = log.scan(&row_columns(&self.view)).unwrap();
        while let Some(batch) = batches.try_next().await.unwrap() {
            for (key, row) in rows(&self.view, &batch).unwrap() {
                assert!(found.insert(row.position.parts(), key).is_none());
            }
        }
        (found, log.row_count())
    }

    fn lengths(&self) -> BTreeMap<PathBuf, u64> {
        let files = parquet_files(
            &self.folder.path().join(format!("offline/log/{}/v{}", self.view.id.name, self.view.id.version)),
        );
        files.unwrap().into_iter().map(|path| (path.clone(), path.metadata().unwrap().len())).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_entity_is_in_no_version_of_a_log_and_every_version_has_all_other_rows() {
    let mut rewritten = 0;
    for seed in 0..25 {
        let history = History::generate(seed, 70);
        let logged = Logged::new(&history).await;
        let last = logged.version().await;
        let mut before = Vec::new();
        for version in 0..=last {
            before.push(logged.rows_at(version).await.0);
        }
        let lengths = logged.lengths();
        let entity = &logged.view.entity;
        let Some(key) = before[last as usize].values().next().cloned() else { continue };
        let list = Arc::new(Forgotten::default().with(entity, key.as_bytes(), Micros::MAX));
        let forget =
            |removes| ForgetRows { list: list.clone(), derived: Arc::default(), texts: Vec::new(), removes };
        let counted = logged.store.forget_rows(&logged.view, forget(false)).await.unwrap();
        let done = logged.store.forget_rows(&logged.view, forget(true)).await.unwrap();
        assert!(done.rows > 0 && counted.rows == done.rows && done.commits_rewritten > 0, "{seed}: {done:?}");
        rewritten += done.files_rewritten;
        for (version, mut expected) in before.into_iter().enumerate() {
            expected.retain(|_, of| *of != key);
            let (found, counted) = logged.rows_at(version as u64).await;
            assert_eq!(counted, found.len() as u64, "{seed}: version {version}");
            assert_eq!(found, expected, "{seed}: version {version}");
        }
        // No commit says another length, and every reader checks it.
        assert_eq!(logged.lengths(), lengths);
        for table in logged.store.check(true).unwrap() {
            assert_eq!(table.damaged, [], "{seed}");
        }
        let again = logged.store.forget_rows(&logged.view, forget(true)).await.unwrap();
        assert_eq!((again.rows, again.files_rewritten, again.commits_rewritten), (0, 0, 0), "{seed}");
        // Writers go on behind it.
        let mut log = logged.store.log(&logged.view).await.unwrap();
        log.optimize().await.unwrap();
        assert_eq!(logged.rows_at(logged.version().await).await.0.len() as u64, log.row_count());
    }
    assert!(rewritten > 100, "{rewritten}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_that_read_before_an_entity_was_forgotten_is_a_conflict_and_leaves_no_file() {
    let history = History::generate(3, 70);
    let logged = Logged::new(&history).await;
    let mut log = logged.store.log(&logged.view).await.unwrap();
    for rows in [&history.entities[0], &history.entities[0]] {
        let mut row = rows.1[0].clone();
        row.position = Position::History { file: 9, row: log.version().unwrap() };
        let mut appender = log.appender().await.unwrap();
        appender.write(batch(&logged.view, &[(rows.0.as_slice(), &row)]));
        appender.commit(&[], &[]).await.unwrap();
    }
    let (group, merged) = crate::log::compaction::due(&mut log).await.unwrap();
    assert!(group.len() > 1);
    let files = logged.lengths().len();
    let mut other = logged.store.log(&logged.view).await.unwrap();
    let marker = Marker { app: crate::log::forgotten::FORGOTTEN_WHOLE.to_owned(), version: 1 };
    other.appender().await.unwrap().commit(&[marker], &[]).await.unwrap();
    let refused = log.table_mut().replace(&group, merged).await.unwrap_err();
    assert!(matches!(refused, OfflineError::Conflict { .. }), "{refused}");
    assert_eq!(logged.lengths().len(), files);
}
