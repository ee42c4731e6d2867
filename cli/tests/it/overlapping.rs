//! Batch commands beside each other, stopped in their middle, or cut off there: no row comes twice, none is
//! lost, and the online store is what the log says.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Done, Project, says};
use crate::stored;

const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";
const LOAD: &str = "materialize airport_arrivals@1";
const BOUND: Duration = Duration::from_secs(60);
/// Airports; every file has a landing at each.
const DESTS: [&str; 20] = [
    "AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", "KKK", "LLL", "MMM", "NNN", "OOO",
    "PPP", "QQQ", "RRR", "SSS", "TTT",
];

/// The sample with a folder as its source, and a first file that is loaded. Its view counts all landings.
fn loaded() -> Project {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    add(&project, 0);
    project.ok("apply");
    project.ok("backfill airport_arrivals@1");
    project
}

/// Adds a file of landings on a day of its own.
fn add(project: &Project, number: i64) {
    let landings: Vec<Landing> = (0..)
        .zip(DESTS)
        .map(|(index, dest)| Landing {
            dest,
            ..landing(number * 100 + index, number * 86_400, number as f32)
        })
        .collect();
    write_parquet(&project.path(&format!("data/landings/{number:03}.parquet")), &batch(&landings));
}

/// Checks that the log has so many files' rows once, and that both stores agree.
fn is_right(project: &Project, files: usize, when: &str) {
    let positions = stored::positions(&stored::rows(&project.path(LOG)));
    let mut ids: Vec<String> = stored::rows(&project.path(LOG))
        .iter()
        .map(|row| format!("{} {}", row["airport"], row["_event_time"]))
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((positions.len(), ids.len()), (files * DESTS.len(), files * DESTS.len()), "{when}");
    let online = online(project);
    project.ok("online rebuild airport_arrivals@1");
    assert_eq!(online, self::online(project), "{when}: the online store is not what the log says");
}

/// What is read of every airport, without what depends on when it was written.
fn online(project: &Project) -> Vec<String> {
    let read = |dest: &&str| {
        let read = format!("get late_arrival dest={dest} tailnum=N1 distance=1");
        let features = &project.json(&read)["features"];
        let last = &features["dest_last_delay"];
        format!("{dest} {} {}", last["value"], last["event_time"])
    };
    DESTS.iter().map(read).collect()
}

fn start(project: &Project, words: &str) -> Child {
    project.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Done {
    Done::of(child.wait_with_output().unwrap())
}

/// Whether a command loaded, or has to be run again.
fn ended_well(done: &Done) -> bool {
    done.code == Some(0) || (done.code == Some(1) && done.stderr.contains("again"))
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until a command has written this much, or ended.
fn has_written(project: &Project, child: &mut Child, bytes: u64) -> bool {
    let began = Instant::now();
    while written(&project.path(".twinstore")) < bytes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(began.elapsed() < BOUND, "it neither wrote nor ended");
        thread::yield_now();
    }
    true
}

/// How much lies below a folder, without the registry, whose journal comes and goes: its files count, and what
/// they hold.
fn written(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let is_of_stores = |entry: &fs::DirEntry| !entry.file_name().to_string_lossy().starts_with("registry.db");
    let sizes = entries.flatten().filter(is_of_stores).map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => written(&entry.path()),
        Ok(found) => 4096 + found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// How much one load writes.
fn bytes_of_a_load(words: &str) -> u64 {
    let project = loaded();
    add(&project, 1);
    let before = written(&project.path(".twinstore"));
    project.ok(words);
    written(&project.path(".twinstore")) - before
}

#[test]
fn loads_beside_each_other_load_each_file_once() {
    let project = loaded();
    for number in 1..5 {
        add(&project, number);
        let loads = ["materialize airport_arrivals@1", "backfill airport_arrivals@1"];
        let words = (0..4).map(|load| loads[load * usize::from(number % 2 == 0) % 2]);
        let started: Vec<Child> = words.map(|words| start(&project, words)).collect();
        for done in started.into_iter().map(end) {
            assert!(ended_well(&done), "{}", done.stderr);
        }
        project.ok(LOAD);
        is_right(&project, number as usize + 1, &format!("file {number}"));
    }
}

#[test]
fn a_load_that_sleeps_while_another_loads_commits_nothing_twice() {
    for words in [LOAD, "backfill airport_arrivals@1"] {
        let all = bytes_of_a_load(words);
        let mut slept = 0;
        for step in 0..8 {
            let project = loaded();
            add(&project, 1);
            let before = written(&project.path(".twinstore"));
            let mut sleeper = start(&project, words);
            if has_written(&project, &mut sleeper, before + all * step / 8) {
                signal(&sleeper, "-STOP");
                slept += 1;
                add(&project, 2);
                let mut other = start(&project, LOAD);
                let began = Instant::now();
                // One that sleeps in the middle of an online write keeps others from theirs.
                while other.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(5) {
                    thread::sleep(Duration::from_millis(5));
                }
                signal(&sleeper, "-CONT");
                let done = end(other);
                assert!(ended_well(&done), "{}", done.stderr);
            } else {
                add(&project, 2);
            }
            let done = end(sleeper);
            assert!(ended_well(&done), "step {step}: {}", done.stderr);
            project.ok(LOAD);
            is_right(&project, 3, &format!("{words} slept at {step}"));
        }
        assert!(slept >= 3, "only {slept} loads slept");
    }
}

#[test]
fn a_load_that_is_killed_anywhere_is_put_right_by_the_next() {
    for words in [LOAD, "backfill airport_arrivals@1"] {
        let all = bytes_of_a_load(words);
        for step in 0..8 {
            let project = loaded();
            add(&project, 1);
            let before = written(&project.path(".twinstore"));
            let mut load = start(&project, words);
            has_written(&project, &mut load, before + all * step / 8);
            load.kill().unwrap();
            load.wait().unwrap();
            add(&project, 2);
            project.ok(LOAD);
            is_right(&project, 3, &format!("{words} killed at {step}"));
        }
    }
}

/// A load that fails between its online write and its commit: no file can be written into the log's new folder.
fn fail_before_the_commit(project: &Project, date: &str) {
    let folder = project.path(&format!("{LOG}/_date={date}"));
    fs::write(&folder, b"in the way").unwrap();
    let done = project.run(LOAD);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    fs::remove_file(&folder).unwrap();
}

#[test]
fn rows_online_of_a_load_that_failed_are_not_taken_for_a_later_one() {
    let project = loaded();
    add(&project, 1);
    fail_before_the_commit(&project, "2013-06-09");
    assert_eq!(stored::rows(&project.path(LOG)).len(), DESTS.len());
    add(&project, 2);
    project.ok(LOAD);
    is_right(&project, 3, "after a load that failed");
}

#[test]
fn a_backfill_that_takes_the_version_of_a_load_that_failed_puts_its_own_rows_online() {
    let project = loaded();
    add(&project, 2);
    fail_before_the_commit(&project, "2013-06-10");
    // The file is gone for good: what it put online is not in the log.
    fs::remove_file(project.path("data/landings/002.parquet")).unwrap();
    add(&project, 1);
    project.ok("backfill airport_arrivals@1");
    is_right(&project, 2, "after a load whose file went away");
}

#[test]
fn a_load_that_failed_is_put_right_also_where_nothing_is_new() {
    let project = loaded();
    add(&project, 1);
    fail_before_the_commit(&project, "2013-06-09");
    fs::remove_file(project.path("data/landings/001.parquet")).unwrap();
    project.ok(LOAD);
    is_right(&project, 1, "with nothing new");
}

#[test]
fn entities_of_a_load_that_failed_are_taken_back_where_its_file_is_another_now() {
    for next in [LOAD, "backfill airport_arrivals@1"] {
        let project = loaded();
        let of = |dest| [Landing { dest, ..landing(1, 86_400, 1.0) }];
        let file = project.path("data/landings/001.parquet");
        write_parquet(&file, &batch(&of("WRONG")));
        fail_before_the_commit(&project, "2013-06-09");
        let status = |dest: &str| {
            let read = format!("get late_arrival dest={dest} tailnum=N1 distance=1");
            project.json(&read)["features"]["dest_last_delay"]["status"].clone()
        };
        assert_ne!(status("WRONG"), "NOT_FOUND", "it was written online first");
        write_parquet(&file, &batch(&of("RIGHT")));
        project.ok(next);
        assert_eq!(status("WRONG"), "NOT_FOUND", "after {next}");
        assert_ne!(status("RIGHT"), "NOT_FOUND");
        assert_eq!(stored::rows(&project.path(LOG)).len(), DESTS.len() + 1);
        assert_ne!(status(DESTS[0]), "NOT_FOUND");
    }
}

#[test]
fn refused_rows_of_loads_beside_each_other_are_kept_once_under_their_own_file() {
    let project = loaded();
    // Landings without a time are refused.
    for (number, bad) in [(1, 7), (2, 5)] {
        let landings: Vec<Landing> = (0..10)
            .map(|index| Landing {
                second: (index >= bad).then_some(number * 86_400 + index),
                ..landing(number * 100 + index, 0, 1.0)
            })
            .collect();
        write_parquet(&project.path(&format!("data/landings/{number:03}.parquet")), &batch(&landings));
    }
    let started: Vec<Child> = (0..4).map(|_| start(&project, LOAD)).collect();
    for done in started.into_iter().map(end) {
        assert!(ended_well(&done), "{}", done.stderr);
    }
    project.ok(LOAD);
    let refused = stored::rows(&project.path(".twinstore/offline/dead_letters/airport_arrivals/v1"));
    let mut of: Vec<(&str, &str)> =
        refused.iter().map(|row| (row["origin"].as_str(), row["_position_major"].as_str())).collect();
    assert_eq!(of.len(), 12, "{of:?}");
    of.dedup();
    assert_eq!(of, [("001.parquet", "1"), ("002.parquet", "2")]);
}

#[test]
fn compactions_beside_each_other_leave_every_row_once() {
    let project = loaded();
    for number in 1..4 {
        // Two files of the same days each time.
        add(&project, number);
        fs::rename(
            project.path(&format!("data/landings/{number:03}.parquet")),
            project.path(&format!("data/landings/a{number:03}.parquet")),
        )
        .unwrap();
        project.ok(LOAD);
        add(&project, number);
        project.ok(LOAD);
    }
    let before = stored::positions(&stored::rows(&project.path(LOG)));
    let optimize = "offline optimize airport_arrivals@1";
    let started: Vec<Child> = (0..4).map(|_| start(&project, optimize)).collect();
    for done in started.into_iter().map(end) {
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
    assert_eq!(stored::positions(&stored::rows(&project.path(LOG))), before);
}

#[test]
fn a_load_that_goes_on_is_waited_for_by_name() {
    let project = loaded();
    add(&project, 1);
    let lock = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(project.path(&format!("{LOG}/_load.lock")))
        .unwrap();
    lock.lock().unwrap();
    fs::write(project.path(&format!("{LOG}/_load.lock")), std::process::id().to_string()).unwrap();
    let done = project.run(LOAD);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let process = format!("process {}", std::process::id());
    says(&done.stderr, &["airport_arrivals@1", &process, "waiting", "again"]);
    drop(lock);
    project.ok(LOAD);
    is_right(&project, 2, "after the lock is free");
}
