//! Commands that are terminated or killed, in their middle: they end soon and say so, and of a training set
//! there is the old one, the new one, or none that claims to be either.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::landings::{batch, landing, write_parquet};
use crate::project::{Done, Project, TRAINING, says};

/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(60);
const SIGNALS: [(&str, i32, &str); 2] = [("INT", 130, "interrupted"), ("TERM", 143, "terminated")];
/// The points of a training set, in their order.
const POINTS: [&str; 4] = ["training-begun", "training-written", "manifest-removed", "data-named"];

/// A command that stops itself at a point.
fn stopped_at(project: &Project, words: &str, point: &str) -> Child {
    let mut command = project.command(words);
    command.env("TWINSTORE_TRIAL_BATCH_SLEEP", point);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let began = Instant::now();
    while !fs::read_to_string(&stat).unwrap().contains(") T ") {
        assert!(began.elapsed() < BOUND, "it never came to {point}");
        thread::sleep(Duration::from_millis(2));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Asks a command to end that stopped itself, and lets it go on.
fn end_by(child: Child, name: &str) -> Done {
    signal(&child, name);
    signal(&child, "CONT");
    Done::of(child.wait_with_output().unwrap())
}

/// Files that are under way, below the project's folder.
fn partial(project: &Project) -> Vec<PathBuf> {
    let entries = fs::read_dir(project.path("")).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "partial")).collect()
}

#[test]
fn a_training_set_that_is_interrupted_in_its_join_leaves_nothing_behind() {
    // Labels that take a second or more to join and to write.
    const LABELS: usize = 300_000;
    let project = Project::loaded();
    let mut spine = String::from("dest,tailnum,distance,t\n");
    for label in 0..LABELS {
        let (day, hour, minute, second) = (1 + label % 7, label / 3600 % 24, label / 60 % 60, label % 60);
        spine.push_str(&format!("LAX,N{label},2475,2013-06-0{day}T{hour:02}:{minute:02}:{second:02}Z\n"));
    }
    project.write("s.csv", spine);
    let before = project.state();
    let words = "training-set --service late_arrival --spine s.csv --time t --out out.parquet";
    let mut command = project.command(words);
    let mut making = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Its file is begun before the logs are read.
    let began = Instant::now();
    while partial(&project).is_empty() {
        assert!(making.try_wait().unwrap().is_none(), "it ended before its file was seen");
        assert!(began.elapsed() < BOUND, "it never began its file");
        thread::yield_now();
    }
    signal(&making, "INT");
    let done = Done::of(making.wait_with_output().unwrap());
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    says(&done.stderr, &["interrupted", "nothing was written"]);
    assert_eq!(project.state(), before);
}

#[test]
fn a_training_set_that_is_terminated_at_any_point_leaves_the_old_one_or_the_new_one_and_nothing_else() {
    let project = Project::loaded();
    let mut ended = 0;
    for (number, point) in POINTS.into_iter().enumerate() {
        for (name, code, why) in SIGNALS {
            let format = ["parquet", "csv", "arrow"][number % 3];
            let words = format!("{TRAINING} out.{format}");
            // The old one has other columns.
            project.ok(&format!("{words} --explain"));
            let before = project.state();
            let done = end_by(stopped_at(&project, &words, point), name);
            // Woken, it may get to its end, or to the end of its file, first.
            if done.code != Some(0) {
                assert_eq!(done.code, Some(code), "{point}: {}", done.stderr);
                says(&done.stderr, &[why]);
                ended += 1;
            }
            if done.code == Some(0) || done.stderr.contains(&format!("out.{format} was written")) {
                project.ok(&format!("training-set verify out.{format}"));
            } else {
                says(&done.stderr, &["nothing was written"]);
                assert!(project.state() == before, "{point}");
            }
            assert_eq!(done.stderr.lines().filter(|line| line.starts_with("error: ")).count(), {
                usize::from(done.code != Some(0))
            });
            assert_eq!(partial(&project), Vec::<PathBuf>::new(), "{point}");
        }
    }
    assert!(ended > 0, "no training set was ended by its signal");
}

#[test]
fn a_training_set_that_is_killed_at_any_point_never_leaves_a_manifest_of_another_one() {
    let project = Project::loaded();
    for format in ["parquet", "csv", "arrow"] {
        let words = format!("{TRAINING} out.{format}");
        let manifest = project.path(&format!("out.{format}.manifest.json"));
        for point in POINTS {
            // The old one has other columns.
            project.ok(&format!("{words} --explain"));
            let old = fs::read(project.path(&format!("out.{format}"))).unwrap();
            let mut command = project.command(&words);
            let killed = command.env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap();
            assert_eq!(killed.status.code(), None, "{point}");
            let is_old = fs::read(project.path(&format!("out.{format}"))).unwrap() == old;
            assert_eq!(is_old, point != "data-named", "{point}");
            let verified = project.run(&format!("training-set verify out.{format}"));
            if manifest.exists() {
                assert!(verified.code == Some(0) && is_old, "{point}: {}", verified.stderr);
            } else {
                assert_eq!(verified.code, Some(1), "{point}");
                says(&verified.stderr, &["manifest.json", "make the training set again"]);
            }
            assert!(!partial(&project).is_empty(), "{point}: it was killed before it began a file");
            project.ok(&words);
            assert_eq!(partial(&project), Vec::<PathBuf>::new(), "{point}");
            project.ok(&format!("training-set verify out.{format}"));
        }
    }
}

#[test]
fn without_its_guards_a_training_set_that_is_killed_leaves_a_manifest_of_another_one() {
    let project = Project::loaded();
    let words = format!("{TRAINING} out.csv");
    for (guard, point) in [("rename", "training-begun"), ("manifest-first", "data-named")] {
        project.ok(&format!("{words} --explain"));
        let mut command = project.command(&words);
        command.env("TWINSTORE_TRIAL_BATCH_END", point).env("TWINSTORE_TRIAL_BATCH_WITHOUT", guard);
        assert_eq!(command.output().unwrap().status.code(), None);
        assert!(project.path("out.csv.manifest.json").exists());
        let verified = project.run("training-set verify out.csv");
        assert_eq!(verified.code, Some(1), "without {guard} nobody notices");
    }
}

#[test]
fn loads_compactions_and_rebuilds_end_soon_when_they_are_terminated_and_say_what_stays() {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    for number in 0..2 {
        let rows = [landing(number, number * 60, 1.0)];
        write_parquet(&project.path(&format!("data/landings/{number}.parquet")), &batch(&rows));
    }
    project.ok("apply");
    let backfill = ("backfill airport_arrivals@1", "file-written", "what was committed stays");
    let materialize = ("materialize airport_arrivals@1", "online", "what was committed stays");
    let optimize = ("offline optimize airport_arrivals@1", "compaction-read", "no row of the log changed");
    let rebuild = ("online rebuild airport_arrivals@1", "rebuilding", "run it again");
    let mut ended = 0;
    for (number, (words, point, left)) in [backfill, materialize, optimize, rebuild].into_iter().enumerate() {
        for (name, code, why) in SIGNALS {
            let rows = [landing(10 + number as i64, 600 + number as i64, 2.0)];
            write_parquet(&project.path(&format!("data/landings/{number}-{name}.parquet")), &batch(&rows));
            if number > 1 {
                project.ok("backfill airport_arrivals@1");
            }
            let done = end_by(stopped_at(&project, words, point), name);
            // Woken, it may get to its end first.
            if done.code != Some(0) {
                assert_eq!(done.code, Some(code), "{words}: {}", done.stderr);
                says(&done.stderr, &["error: ", why, left]);
                ended += 1;
            }
            project.ok(if number == 0 { backfill.0 } else { words });
        }
    }
    assert!(ended > 0, "no command was ended by its signal");
    // What was half done is done: reads are what a rebuild gives.
    let read = || project.json("get late_arrival dest=LAX tailnum=N1 distance=1");
    project.ok("backfill airport_arrivals@1");
    let before = read()["features"]["dest_last_delay"]["value"].clone();
    project.ok("online rebuild");
    assert_eq!(before, read()["features"]["dest_last_delay"]["value"]);
}
