//! A vacuum of any generated log leaves every version whole that is kept, and what it removes is said by the log.

use std::sync::Arc;

use feature::oracle::{History as Facts, Numbers};
use feature::{Row, Span, Value, View};
use futures::TryStreamExt;

use super::*;
use crate::log::commit::Written;
use crate::log::read_lock::ReadLock;
use crate::log::rows::{row_columns, rows};
use crate::log::sample_batch::batch;
use crate::log::store::OfflineStore;

type Rows = BTreeSet<(u8, u32, u64)>;

struct Logged {
    store: OfflineStore,
    view: Arc<View>,
    facts: Facts,
    _folder: tempfile::TempDir,
}

impl Logged {
    /// A log of so many rows, a few in each commit, compacted now and then.
    async fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = OfflineStore::open("offline", folder.path()).unwrap();
        let mut facts = Facts::generate(seed, 70);
        // Over a few dates.
        for (number, row) in facts.entities.iter_mut().flat_map(|(_, rows)| rows).enumerate() {
            let later = Span::of(1 + (number % 4) as i64, Span::DAY).unwrap();
            row.event_time = row.event_time.saturating_add(later);
        }
        let logged = Self { store, view: Arc::new(facts.view.clone()), facts, _folder: folder };
        let mut log = logged.log().await;
        for (number, rows) in logged.all_rows().chunks(7).enumerate() {
            let mut appender = log.appender().await.unwrap();
            appender.write(batch(&logged.view, rows));
            appender.commit(&[marker("loads", number as i64)], &[]).await.unwrap();
            if number % 3 == 2 {
                log.optimize().await.unwrap();
                let delta = &log.table().delta;
                deltalake_core::checkpoints::create_checkpoint(delta, None).await.unwrap();
            }
        }
        logged
    }

    fn all_rows(&self) -> Vec<(&[Value], &Row)> {
        let entities = self.facts.entities.iter();
        entities.flat_map(|(keys, rows)| rows.iter().map(|row| (keys.as_slice(), row))).collect()
    }

    async fn log(&self) -> Log {
        self.store.log(&self.view).await.unwrap()
    }

    async fn rows_at(&self, version: u64) -> Result<Rows, OfflineError> {
        let log = self.store.whole_log_at(&self.log().await, version).await?;
        let (mut found, mut batches) = (Rows::new(), log.scan(&row_columns(&self.view))?);
        while let Some(batch) = batches.try_next().await? {
            found.extend(rows(&self.view, &batch)?.iter().map(|(_, row)| row.position.parts()));
        }
        Ok(found)
    }

    /// A file with a row that no commit names yet.
    async fn written(&self, log: &mut Log, position: u64) -> Written {
        let (keys, row) = self.all_rows()[0];
        let row = Row { position: feature::Position::History { file: 9, row: position }, ..row.clone() };
        let mut writer = log.rows_writer().await.unwrap();
        writer.write(batch(&self.view, &[(keys, &row)]));
        writer.finish().await.unwrap()
    }
}

fn marker(app: &str, version: i64) -> Marker {
    Marker { app: app.to_owned(), version }
}

/// Nothing is kept for its age.
fn keeping(versions: &[u64]) -> KeptVersions {
    let versions = versions.iter().copied().collect();
    KeptVersions { current_since: Micros::MAX, versions, rows_after: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kept_version_reads_what_it_read_before_and_one_that_is_not_whole_is_refused_by_name() {
    let (mut removed, mut refused) = (0, 0);
    for seed in 0..20 {
        let logged = Logged::new(seed).await;
        let mut log = logged.log().await;
        let newest = log.version().unwrap();
        let mut before = Vec::new();
        for version in 0..=newest {
            before.push(logged.rows_at(version).await.unwrap());
        }
        let mut numbers = Numbers::new(seed);
        let pinned: Vec<u64> = (0..numbers.below(3)).map(|_| numbers.below(newest + 1)).collect();
        let going = log.vacuumable(&keeping(&pinned)).await.unwrap();
        let done = log.vacuum(&going).await.unwrap();
        removed += done.files;
        let whole_from = logged.log().await.whole_from().await.unwrap();
        assert_eq!(whole_from, done.whole_from, "{seed}");
        for (version, expected) in before.iter().enumerate() {
            match logged.rows_at(version as u64).await {
                Ok(found) => assert_eq!(found, *expected, "{seed}: version {version}"),
                Err(OfflineError::Vacuumed { version, .. }) => {
                    refused += 1;
                    assert!(version < whole_from && !pinned.contains(&version), "{seed}: version {version}");
                }
                Err(error) => panic!("{seed}: version {version}: {error}"),
            }
        }
        for table in logged.store.check(true).unwrap() {
            assert_eq!(table.damaged, [], "{seed}");
        }
        let again = logged.log().await.vacuumable(&keeping(&pinned)).await.unwrap().summary();
        assert_eq!((again.leftovers, again.whole_from), (0, whole_from), "{seed}");
        let expected = log.table().files().len();
        let kept = again.kept_files as usize;
        let folder = log.folder().unwrap();
        assert_eq!(parquet_files(&folder).unwrap().len(), expected + kept, "{seed}");
    }
    assert!(removed > 100 && refused > 50, "{removed} files, {refused} versions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_training_set_or_a_derived_view_reads_yet_and_what_was_current_lately_is_kept() {
    let logged = Logged::new(3).await;
    let log = logged.log().await;
    let all = log.vacuumable(&keeping(&[])).await.unwrap().summary();
    assert!(all.files > 0 && all.kept_files == 0, "{all:?}");
    let of_age = KeptVersions { current_since: Micros::MIN, ..keeping(&[]) };
    let kept = log.vacuumable(&of_age).await.unwrap().summary();
    assert_eq!((kept.files, kept.kept_files, kept.checkpoints), (0, all.files, 0));
    let derived = KeptVersions { rows_after: Some(0), ..keeping(&[]) };
    let kept = log.vacuumable(&derived).await.unwrap().summary();
    // What compactions laid out again added no rows.
    assert!(kept.kept_files > 0 && kept.files > 0, "{kept:?}");
    let newest = log.version().unwrap();
    let kept = log.vacuumable(&keeping(&(0..newest).collect::<Vec<_>>())).await.unwrap().summary();
    assert_eq!((kept.files, kept.kept_bytes), (0, all.bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_files_were_written_before_a_vacuum_is_a_conflict() {
    let logged = Logged::new(3).await;
    let (mut slow, mut log) = (logged.log().await, logged.log().await);
    let written = logged.written(&mut slow, 1).await;
    // This one is committed between the decision and the vacuum.
    let mut quick = logged.log().await;
    let in_time = logged.written(&mut quick, 2).await;
    let going = log.vacuumable(&keeping(&[])).await.unwrap();
    assert_eq!(going.summary().leftovers, 2);
    quick.commit(&in_time, &[], &[]).await.unwrap();
    assert_eq!(log.vacuum(&going).await.unwrap().leftovers, 1);
    let refused = slow.commit(&written, &[], &[]).await.unwrap_err();
    assert!(matches!(refused, OfflineError::Conflict { .. }), "{refused}");
    let newest = logged.log().await.version().unwrap();
    assert_eq!(logged.rows_at(newest).await.unwrap().len(), logged.all_rows().len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_log_is_read_for_long_no_vacuum_begins_and_vacuums_wait_for_each_other() {
    let logged = Logged::new(3).await;
    let log = logged.log().await;
    let readers = [ReadLock::of_reader(&log), ReadLock::of_reader(&log)];
    assert!(ReadLock::of_vacuum(&log).unwrap().is_none());
    drop(readers);
    let vacuum = ReadLock::of_vacuum(&log).unwrap();
    assert!(vacuum.is_some() && ReadLock::of_vacuum(&log).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_are_dropped_whole_in_one_commit_and_older_versions_have_them_until_a_vacuum() {
    for seed in 0..10 {
        let logged = Logged::new(seed).await;
        let mut log = logged.log().await;
        let last = log.version().unwrap();
        let before = logged.rows_at(last).await.unwrap();
        let dates = log.all_rows().dates();
        let Some(midnight) = dates.get(dates.len() / 2).copied().filter(|_| dates.len() > 1) else {
            continue;
        };
        let due = log.files_before(midnight);
        let moved = [marker(crate::log::EXPIRED_BEFORE, midnight.get())];
        let mut compaction = logged.log().await;
        let version = log.drop_files(&due, &moved, &[]).await.unwrap();
        assert!(version <= last + 2, "{seed}");
        assert_eq!(log.expired_before().await.unwrap(), Some(midnight), "{seed}");
        let is_left = |(_, row): &&(&[Value], &Row)| row.event_time >= midnight;
        let left: Rows =
            logged.all_rows().iter().filter(is_left).map(|(_, row)| row.position.parts()).collect();
        assert_eq!(logged.rows_at(version).await.unwrap(), left, "{seed}");
        assert_eq!(logged.rows_at(last).await.unwrap(), before, "{seed}");
        // One that was decided before has none of the files any more.
        let refused = compaction.drop_files(&due, &[], &[]).await.unwrap_err();
        assert!(matches!(refused, OfflineError::Conflict { .. }), "{refused}");
        let going = log.vacuumable(&keeping(&[])).await.unwrap();
        log.vacuum(&going).await.unwrap();
        assert_eq!(logged.rows_at(version).await.unwrap(), left, "{seed}");
        assert!(matches!(logged.rows_at(last).await, Err(OfflineError::Vacuumed { .. })), "{seed}");
    }
}
