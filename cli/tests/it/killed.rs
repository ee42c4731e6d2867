//! A load that is killed at any point, and run again, gives what one whole load gives.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::project::{GET, Project};
use crate::stored;

const LOGS: [&str; 2] =
    [".twinstore/offline/log/airport_arrivals/v1", ".twinstore/offline/log/aircraft_last_flight/v1"];
/// Moments of the load at which it is killed, evenly over what it writes.
const KILLS: u64 = 12;
/// A load takes well below a second.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn a_killed_backfill_that_is_run_again_equals_one_whole_load() {
    let whole = Project::applied();
    let before = written(&whole.path(".twinstore"));
    whole.ok("backfill --all");
    let all = written(&whole.path(".twinstore")) - before;
    let positions = |project: &Project| LOGS.map(|log| stored::positions(&stored::rows(&project.path(log))));
    let mut killed = 0;
    for kill in 0..KILLS {
        let project = Project::applied();
        killed += u64::from(kill_at(&project, all * kill / KILLS));
        // What is there can be read, whatever it is.
        project.ok(GET);
        positions(&project);
        project.ok("backfill --all");
        assert_eq!(positions(&project), positions(&whole), "killed at {kill} of {KILLS}");
        assert_eq!(project.answer(), whole.answer(), "killed at {kill} of {KILLS}");
        assert_eq!(project.training_set(), whole.training_set(), "killed at {kill} of {KILLS}");
    }
    assert!(killed >= KILLS / 2, "only {killed} of {KILLS} loads were still running when they were killed");
}

#[test]
fn a_load_that_is_killed_again_and_again_gets_to_its_end() {
    let whole = Project::loaded();
    let project = Project::applied();
    let all = written(&whole.path(".twinstore"));
    for kill in 1..KILLS {
        kill_at(&project, all * kill / (2 * KILLS));
    }
    project.ok("backfill --all");
    assert_eq!(project.training_set(), whole.training_set());
    assert_eq!(project.answer(), whole.answer());
}

/// Starts a load and kills it once it has written this much. Gives whether it was still running.
fn kill_at(project: &Project, bytes: u64) -> bool {
    let stores = project.path(".twinstore");
    let before = written(&stores);
    let mut load = project.command("backfill --all");
    let mut load = load.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while written(&stores) < before + bytes && load.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < BOUND, "the load neither wrote nor ended");
        std::thread::yield_now();
    }
    load.kill().unwrap();
    load.wait().unwrap().code().is_none()
}

/// How much lies below a folder: its files count, and what they hold.
fn written(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    // What goes while it is looked at is no longer there.
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => written(&entry.path()),
        Ok(found) => 4096 + found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
