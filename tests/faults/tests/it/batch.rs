//! Batch commands beside each other, in short; and what the checker says where a guard is taken away.

use std::fs::{self, File};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use feature::Micros;
use twinstore_faults::{BatchProject, Findings, Redis, Running, Scene, Sources, Stores, trial};

/// Trials of each scene: all together take less than a minute on a quiet machine.
const TRIALS: u64 = 5;
const LOAD: &str = "materialize orders@1";

fn moment() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Micros::new(since.as_micros() as i64 - 1_000_000).unwrap()
}

/// A project whose history is loaded, and a new file in each source.
fn loaded() -> (BatchProject, Sources) {
    let from = moment();
    let project = BatchProject::begin("one", Stores::Embedded, from);
    let mut sources = Sources::new(project.path(), 1, from);
    sources.add_files();
    project.ok("backfill --all");
    sources.add_files();
    (project, sources)
}

fn stopped_at(project: &BatchProject, words: &str, point: &str, without: Option<&str>) -> Running {
    let mut trial = vec![("TWINSTORE_TRIAL_BATCH_SLEEP", point)];
    trial.extend(without.map(|guard| ("TWINSTORE_TRIAL_BATCH_WITHOUT", guard)));
    let mut running = project.start(words, &trial);
    running.stops_itself();
    running
}

/// What is found once everything was loaded.
fn found(project: &BatchProject, sources: &Sources) -> Vec<String> {
    for words in ["backfill --all", "materialize"] {
        let ended = project.run(words);
        if ended.code != Some(0) {
            return vec![ended.stderr];
        }
    }
    Findings::of(project, sources).wrong
}

/// Runs a story with the guard and without: only without it something is wrong, and it is this.
fn proves(guard: &str, wrong: &str, story: impl Fn(Option<&str>) -> Vec<String>) {
    let with = story(None);
    assert!(with.is_empty(), "with {guard}: {with:?}");
    let without = story(Some(guard));
    assert!(without.iter().any(|found| found.contains(wrong)), "without {guard}: {without:?}");
}

/// Runs the trials of these scenes, three at a time.
fn trials_of(scenes: &[Scene]) {
    let redis = Redis::that_keeps();
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scene) = scenes.get((number / TRIALS) as usize) else { return };
                    let seed = 1 + number % TRIALS;
                    let (found, _) = trial(seed, *scene, Some(&redis), None);
                    let again = format!("batch-faults 1 {seed} \"{}\"", scene.name());
                    assert!(found.wrong.is_empty(), "{again}: {:#?}", found.wrong);
                }
            });
        }
    });
}

#[test]
fn trials_of_batch_commands_leave_every_row_once_and_the_online_store_as_the_log_says() {
    trials_of(&[Scene::Beside, Scene::Replaced, Scene::SharedRedis, Scene::Copied]);
}

#[test]
fn without_the_snapshot_of_a_commit_a_load_that_slept_doubles_rows() {
    proves("snapshot", "is in the log 2 times", |without| {
        let (project, sources) = loaded();
        let mut sleeper = stopped_at(&project, LOAD, "online", without);
        // It passes by one that is stopped.
        project.ok(LOAD);
        sleeper.signal("CONT");
        sleeper.ended();
        found(&project, &sources)
    });
}

#[test]
fn without_the_check_of_removed_files_two_compactions_double_the_log() {
    proves("removed-files", "is in the log 2 times", |without| {
        let (project, sources) = loaded();
        project.ok("materialize");
        let optimize = "offline optimize orders@1";
        let mut sleeper = stopped_at(&project, optimize, "compaction-read", without);
        project.ok(optimize);
        sleeper.signal("CONT");
        sleeper.ended();
        found(&project, &sources)
    });
}

#[test]
fn without_the_conflict_of_a_vacuum_a_compaction_that_slept_commits_a_file_that_is_gone() {
    proves("vacuum", "is missing", |without| {
        let (project, sources) = loaded();
        project.ok("materialize");
        let mut sleeper = stopped_at(&project, "offline optimize orders@1", "file-written", without);
        project.ok("offline vacuum orders@1 --keep-versions-for 1ms");
        sleeper.signal("CONT");
        sleeper.ended();
        let rebuilt = project.run("online rebuild orders@1");
        match rebuilt.code {
            Some(0) => found(&project, &sources),
            _ => vec![rebuilt.stderr],
        }
    });
}

#[test]
fn what_retention_drops_and_a_vacuum_removes_is_gone_whole_wherever_they_are_killed() {
    let (project, mut sources) = loaded();
    project.ok("materialize");
    let expire = ["committed", "committed:2", "expired", "online-expired", "file-written"];
    let vacuum =
        ["vacuum-noted", "file-vacuumed", "file-vacuumed:2", "turn-taken", "rebuilding", "committed"];
    let expire = expire.map(|point| ("offline expire clicks@1", point));
    let vacuum = vacuum.map(|point| ("offline vacuum clicks@1 --keep-versions-for 1ms", point));
    let mut killed = 0;
    for (words, point) in expire.into_iter().chain(vacuum) {
        sources.add_files();
        project.ok("materialize");
        project.ok("offline optimize");
        let ended = project.start(words, &[("TWINSTORE_TRIAL_BATCH_END", point)]).ended();
        assert_eq!(ended.complaint(), None, "{words} at {point}");
        killed += u64::from(ended.code.is_none());
        let before = found(&project, &sources);
        assert!(before.is_empty(), "{words} at {point}: {before:#?}");
        for words in [words, "offline expire clicks@1", "verify --deep", "verify clicks"] {
            project.ok(words);
        }
        let mut after = Findings::of(&project, &sources);
        after.look_for_dropped(&project, &sources);
        assert!(after.wrong.is_empty(), "{words} at {point}: {:#?}", after.wrong);
    }
    assert!(killed >= 9, "only {killed} were killed");
}

/// A load is killed once its rows are online, and its file is taken away: nobody will ever commit them.
fn cut_off(without: Option<&str>) -> Vec<String> {
    let (project, mut sources) = loaded();
    let mut trial = vec![("TWINSTORE_TRIAL_BATCH_END", "online")];
    trial.extend(without.map(|guard| ("TWINSTORE_TRIAL_BATCH_WITHOUT", guard)));
    let killed = project.start(LOAD, &trial).ended();
    assert_eq!(killed.code, None, "{}", killed.stderr);
    sources.remove_newest("orders");
    let trial: Vec<_> = without.map(|guard| ("TWINSTORE_TRIAL_BATCH_WITHOUT", guard)).into_iter().collect();
    let next = project.start(LOAD, &trial).ended();
    assert_eq!(next.code, Some(0), "{}", next.stderr);
    project.ok("materialize trips@1 visits@1 clicks@1 accounts@1");
    Findings::of(&project, &sources).wrong
}

#[test]
fn without_a_note_of_loads_that_were_cut_off_their_online_rows_stay() {
    proves("settled", "online", cut_off);
}

#[test]
fn without_another_look_at_its_content_a_replaced_file_is_loaded_as_the_one_before() {
    proves("content", "changed since orders@1 loaded it", |without| {
        let (project, mut sources) = loaded();
        let mut sleeper = stopped_at(&project, LOAD, "hashed", without);
        sources.replace_newest("orders");
        sleeper.signal("CONT");
        sleeper.ended();
        found(&project, &sources)
    });
}

#[test]
fn a_stream_that_waits_for_the_reader_of_its_topic_says_for_whom_and_goes_on_after_it() {
    let (project, _) = loaded();
    project.ok("stream --until-caught-up");
    let row = format!(r#"{{"id": 1000000, "at": "{}", "user": 1, "amount": 1.5}}"#, moment());
    fs::write(project.path().join("row.jsonl"), row).unwrap();
    project.ok("push orders row.jsonl");
    let groups = project.path().join(".twinstore/topics/orders/groups");
    let group = fs::read_dir(&groups).unwrap().flatten().next().unwrap();
    let reader = File::options().write(true).open(group.path()).unwrap();
    reader.lock().unwrap();
    let mut waiting = project.start("stream --until-caught-up", &[]);
    waiting.until("said for whom it waits", |it| it.stderr().contains("waiting for its turn to read"));
    let own = format!("process {}", std::process::id());
    assert!(waiting.stderr().contains(&own), "{}", waiting.stderr());
    drop(reader);
    assert_eq!(waiting.ended().code, Some(0));
}

#[test]
fn nothing_depends_on_the_lock_of_loads() {
    for seed in 1..4 {
        let (found, _) = trial(seed, Scene::Beside, None, Some("load-lock"));
        assert!(found.wrong.is_empty(), "{:#?}", found.wrong);
    }
}

/// A project with two files in each source, of which nothing is loaded but what has no dates.
fn not_loaded(seed: u64, stores: Stores<'_>) -> (BatchProject, Sources) {
    let from = moment();
    let project = BatchProject::begin("one", stores, from);
    let mut sources = Sources::new(project.path(), seed, from);
    sources.add_files();
    sources.add_files();
    project.ok("backfill accounts@1");
    (project, sources)
}

#[test]
fn a_backfill_by_dates_of_any_source_that_is_killed_and_resumed_leaves_every_row_once() {
    let points =
        ["turn-taken", "read", "refused", "file-written", "committed", "date-kept", "half-online", "settled"];
    let mut killed = 0;
    for (seed, point) in (1..).zip(points) {
        let (project, sources) = not_loaded(seed, Stores::Embedded);
        for view in ["orders@1", "trips@1", "visits@1"] {
            let words = format!("backfill start {view} --max-memory 2KB --jobs 2");
            let ended = project.start(&words, &[("TWINSTORE_TRIAL_BATCH_END", point)]).ended();
            assert_eq!(ended.complaint(), None, "{point}");
            if ended.code.is_none() {
                killed += 1;
                project.ok(&format!("backfill resume {view}"));
            }
        }
        let found = found(&project, &sources);
        assert!(found.is_empty(), "{point}: {found:#?}");
    }
    assert!(killed >= 3 * (points.len() as u64 - 1), "only {killed} were killed");
}

#[test]
fn a_backfill_by_dates_on_a_full_disk_says_so_and_goes_on_once_there_is_space() {
    let (project, sources) = not_loaded(1, Stores::SmallDisk);
    let words = "backfill start orders@1";
    let mut sleeper = stopped_at(&project, words, "read", None);
    project.fill_disk(0);
    sleeper.signal("CONT");
    let ended = sleeper.ended();
    assert_eq!((ended.code, ended.complaint()), (Some(1), None), "{}", ended.stderr);
    assert!(ended.stderr.contains("the disk of the table `orders@1` has no space left"), "{}", ended.stderr);
    project.free_disk();
    project.ok("backfill resume orders@1");
    let found = found(&project, &sources);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_backfill_by_dates_that_sleeps_is_not_overtaken_by_another_load_and_goes_on_when_it_wakes() {
    let (project, sources) = not_loaded(1, Stores::Embedded);
    // Its beginning is in the log, and the rows of a date are about to be.
    let mut sleeper = stopped_at(&project, "backfill start orders@1", "file-written:2", None);
    for words in
        ["backfill start orders@1", "backfill resume orders@1", "backfill orders@1", "materialize orders@1"]
    {
        let ended = project.run(words);
        assert_eq!((ended.code, ended.complaint()), (Some(1), None), "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains("twinstore backfill status orders@1"), "{words}: {}", ended.stderr);
    }
    sleeper.signal("CONT");
    assert_eq!(sleeper.ended().code, Some(0));
    let found = found(&project, &sources);
    assert!(found.is_empty(), "{found:#?}");
}
