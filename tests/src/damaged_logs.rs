//! A log of which a file was damaged gives the training set that it gave before, or is refused with the name of the
//! file: bits that were flipped, files that were cut, emptied or lost, whatever they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::oracle::{History, Numbers};
use feature::{Micros, ServicePlan, View};
use offline::{OfflineError, OfflineStore, Options, Spine, training_set, write_file};

use crate::generated;
use crate::label::{LABEL_TIME, spine};
use crate::project::Project;

/// The seed of a view with windows, lists and sketches.
const WINDOWS: u64 = 2013;
/// The seed of a view with latest features alone.
const LATEST: u64 = 2014;
/// Commits before the compaction: beyond a hundred there is a checkpoint.
const COMMITS: usize = 104;
const TRIALS: u64 = 60;

fn clock() -> Micros {
    Micros::MAX
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// This bit is flipped.
    Flipped(usize),
    /// It is cut to this many bytes.
    Cut(usize),
    Emptied,
    Deleted,
}

impl Damage {
    fn drawn(numbers: &mut Numbers, bytes: usize) -> Self {
        match numbers.below(10) {
            0 => Damage::Deleted,
            1 => Damage::Emptied,
            2 => Damage::Cut(numbers.below(bytes as u64) as usize),
            _ => Damage::Flipped(numbers.below(bytes as u64 * 8) as usize),
        }
    }

    fn done(self, path: &Path, original: &[u8]) {
        let mut bytes = original.to_vec();
        match self {
            Damage::Deleted => return fs::remove_file(path).unwrap(),
            Damage::Flipped(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
            Damage::Cut(length) => bytes.truncate(length),
            Damage::Emptied => bytes.clear(),
        }
        fs::write(path, bytes).unwrap();
    }
}

/// A log with commits, a checkpoint and compacted files, and the labels that are joined to it.
struct Logged {
    project: Project,
    view: Arc<View>,
    plan: ServicePlan,
    spine: Spine,
}

impl Logged {
    async fn new(seed: u64) -> Self {
        let mut history: History = generated::history(seed, 400);
        // Some of each kind: all of them would take long.
        let mut count = 0;
        history.view.features.retain(|_| {
            count += 1;
            count % 7 == 1
        });
        let view = Arc::new(history.view.clone());
        let plan = generated::plan(&view);
        let numbers = &mut Numbers::new(seed ^ 6);
        let facts = generated::facts(&history, numbers);
        let project = Project::empty(clock);
        let (before, after) = facts.split_at(facts.len() * 9 / 10);
        for facts in before.chunks(before.len() / COMMITS) {
            generated::append(&project, &view, facts).await;
        }
        project.materializer.offline.log(&view).await.unwrap().optimize().await.unwrap();
        for facts in after.chunks(after.len().div_ceil(4)) {
            generated::append(&project, &view, facts).await;
        }
        let labels = generated::labels(&history, &history.moments, 40, numbers);
        let path = project.path().join("spine.parquet");
        write_file(&path, &spine(&plan, &labels)).unwrap();
        let spine = Spine::read(&path, LABEL_TIME, &plan).unwrap();
        Self { project, view, plan, spine }
    }

    fn store(&self) -> &OfflineStore {
        &self.project.materializer.offline
    }

    async fn trained(&self) -> Result<RecordBatch, OfflineError> {
        let options = Options { explain: true, threads: Some(2), ..Options::default() };
        let set = training_set(self.store(), &self.plan, &self.spine, &options).await;
        set.map(|set| set.batch)
    }

    /// The folder of the log.
    async fn folder(&self) -> PathBuf {
        self.store().log(&self.view).await.unwrap().folder().unwrap()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The kinds of files that a log has.
fn kind(path: &Path) -> usize {
    let name = name(path);
    match path.parent().is_some_and(|folder| folder.ends_with("_delta_log")) {
        false => 0,
        true if name.contains(".checkpoint.") => 1,
        true if name.ends_with(".json") => 2,
        true => 3,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_of_windows_gives_the_training_set_that_it_gave_or_is_refused_by_the_name_of_the_file()
{
    is_whole_or_refused(WINDOWS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_of_rows_gives_the_training_set_that_it_gave_or_is_refused_by_the_name_of_the_file() {
    is_whole_or_refused(LATEST).await;
}

async fn is_whole_or_refused(seed: u64) {
    let logged = Logged::new(seed).await;
    let expected = logged.trained().await.unwrap();
    let checked = logged.store().check(true).unwrap();
    assert!(
        checked.iter().all(|table| table.damaged.is_empty() && table.without_checksums == 0),
        "{checked:?}"
    );
    let folder = logged.folder().await;
    let all = files(&folder);
    let mut by_kind = [const { Vec::new() }; 6];
    all.iter().for_each(|path| by_kind[kind(path)].push(path.clone()));
    // Mostly files that are needed: those of the newest snapshot, and commits behind the checkpoint.
    let newest = logged.store().log(&logged.view).await.unwrap().snapshot().unwrap().unwrap();
    by_kind[4] = newest.files.iter().map(|file| folder.join(&file.path)).collect();
    by_kind[5] = by_kind[2][by_kind[2].len() - 5..].to_vec();
    assert!(by_kind.iter().all(|files| !files.is_empty()), "{all:?}");
    let mut refused = 0;
    for trial in 0..TRIALS {
        let numbers = &mut Numbers::new(seed << 32 | trial);
        let drawn = [0, 1, 1, 2, 3, 4, 4, 4, 5, 5][numbers.below(10) as usize];
        let path = &by_kind[drawn][numbers.below(by_kind[drawn].len() as u64) as usize];
        let original = fs::read(path).unwrap();
        let damage = Damage::drawn(numbers, original.len());
        let trial = format!("seed {seed}, trial {trial}: {damage:?} of {}", path.display());
        damage.done(path, &original);
        let trained = logged.trained().await;
        let checked = logged.store().check(true).unwrap();
        fs::write(path, &original).unwrap();
        let found = checked.iter().any(|table| !table.damaged.is_empty());
        match trained {
            Ok(trained) => assert_eq!(trained, expected, "{trial}"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(&name(path)), "{trial}: {error}");
                assert!(found, "{trial}: {error}, and a check finds nothing");
            }
        }
        let uncovered = checked.iter().any(|table| table.without_checksums > 0);
        let is_flip = matches!(damage, Damage::Flipped(_)) && drawn != 3;
        assert!(!is_flip || found || uncovered, "{trial}: a check finds nothing");
    }
    assert!(refused > TRIALS / 3, "{refused} of {TRIALS} were refused");
    assert_eq!(logged.trained().await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_that_is_needed_is_missed() {
    let logged = Logged::new(LATEST).await;
    let expected = logged.trained().await.unwrap();
    let folder = logged.folder().await.join("_delta_log");
    let all = files(&folder);
    let checkpoint = name(all.iter().find(|path| kind(path) == 1).unwrap())[..20].to_owned();
    let commits: Vec<&PathBuf> = all.iter().filter(|path| kind(path) == 2).collect();
    let (before, behind) =
        commits.split_at(commits.iter().position(|path| name(path)[..20] > checkpoint[..]).unwrap());
    assert!(behind.len() > 3, "{checkpoint} and {} commits behind it", behind.len());
    let minimal = b"{\"commitInfo\":{}}".as_slice();
    for path in before.iter().take(2).chain(before.last()).chain(behind) {
        let original = fs::read(path).unwrap();
        let another = fs::read(commits[5]).unwrap();
        for other in [None, Some(b"".to_vec()), Some(b"{}\n".to_vec()), Some(minimal.to_vec()), Some(another)]
        {
            match &other {
                Some(other) => fs::write(path, other).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
            let trained = logged.trained().await;
            let checked = logged.store().check(false).unwrap();
            fs::write(path, &original).unwrap();
            let what = format!("{} as {:?}", name(path), other.as_deref().map(String::from_utf8_lossy));
            let found: Vec<_> = checked.iter().flat_map(|table| &table.damaged).collect();
            assert!(found.iter().any(|damaged| damaged.path.ends_with(name(path))), "{what}: {found:?}");
            match trained {
                Ok(trained) => {
                    assert_eq!(trained, expected, "{what}");
                    assert!(!behind.contains(path), "{what}: it is needed");
                }
                Err(error) => assert!(error.to_string().contains(&name(path)), "{what}: {error}"),
            }
        }
    }
    // Without a checkpoint all commits are needed, and say the same.
    for path in all.iter().filter(|path| kind(path) == 1) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(logged.trained().await.unwrap(), expected, "the checkpoint and its hint are no loss");
    let first = commits[0];
    fs::remove_file(first).unwrap();
    let error = logged.trained().await.unwrap_err();
    assert!(error.to_string().contains(&name(first)), "{error}");
}
