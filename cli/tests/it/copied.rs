//! A project whose folder is copied, and projects of one name that share a Redis.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::project::{Done, Project, says};
use test_support::RedisServer as Redis;

const GET_NOW: &str = "get late_arrival dest=LAX tailnum=N338AA distance=2475 --format json";

/// The command in another folder, with the online store in Redis.
fn run(folder: &Path, words: &str, settings: &[(&str, &str)]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinstore"));
    command.args(words.split_whitespace()).current_dir(folder).envs(settings.iter().copied());
    Done::of(command.output().unwrap())
}

fn ok(folder: &Path, words: &str, settings: &[(&str, &str)]) -> String {
    let done = run(folder, words, settings);
    assert_eq!(done.code, Some(0), "{words}: {}", done.stderr);
    done.stdout
}

/// What is read online now; ages change by the moment.
fn read(folder: &Path, settings: &[(&str, &str)]) -> Vec<serde_json::Value> {
    let said = ok(folder, GET_NOW, settings);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    answer["features"].as_object().unwrap().values().map(|feature| feature["value"].clone()).collect()
}

#[test]
fn a_copy_in_redis_and_another_project_of_the_same_name_are_refused_and_a_moved_one_goes_on() {
    let redis = Redis::start(&[]);
    let url = redis.url();
    let in_redis = [("TWINSTORE_ONLINE_URL", url.as_str())];
    let project = Project::applied();
    let first = project.path("");
    ok(&first, "backfill --all", &in_redis);
    let before = read(&first, &in_redis);
    let around = tempfile::tempdir().unwrap();
    let copy = around.path().join("copy");
    assert!(Command::new("cp").arg("-r").arg(&first).arg(&copy).status().unwrap().success());
    for words in ["backfill --all", "materialize", "online rebuild", GET_NOW] {
        let done = run(&copy, words, &in_redis);
        assert_eq!(done.code, Some(1), "{words}");
        says(&done.stderr, &["`flights`", "another name with `project`", &copy.display().to_string()]);
    }
    let other = Project::applied();
    assert_eq!(run(&other.path(""), "backfill --all", &in_redis).code, Some(1));
    // Under a name of its own the copy stands for itself.
    let named = [in_redis[0], ("TWINSTORE_PROJECT", "copy")];
    ok(&copy, "online rebuild", &named);
    assert_eq!(read(&copy, &named), before);
    assert_eq!(read(&first, &in_redis), before);
    // Moved, it is the same project in another folder.
    let moved = around.path().join("moved");
    fs::rename(&first, &moved).unwrap();
    assert_eq!(read(&moved, &in_redis), before);
    ok(&moved, "online rebuild", &in_redis);
    fs::rename(&moved, &first).unwrap();
    ok(&first, "backfill --all", &in_redis);
}

#[test]
fn two_projects_in_one_online_folder_are_refused_and_one_that_is_copied_or_moved_with_it_goes_on() {
    let around = tempfile::tempdir().unwrap();
    let shared = format!("embedded://{}", around.path().join("online").display());
    let in_it = [("TWINSTORE_ONLINE_URL", shared.as_str())];
    let (first, second) = (Project::applied(), Project::applied());
    let (first, second) = (first.path(""), second.path(""));
    ok(&first, "backfill --all", &in_it);
    let before = read(&first, &in_it);
    // Before it has logs of its own, too.
    assert_eq!(run(&second, "backfill --all", &in_it).code, Some(1));
    ok(&second, "backfill --all", &[]);
    for words in ["backfill --all", "materialize", "online rebuild", GET_NOW] {
        let done = run(&second, words, &in_it);
        assert_eq!(done.code, Some(1), "{words}");
        says(&done.stderr, &["a folder of its own with `online.url`", &first.display().to_string()]);
    }
    assert_eq!(read(&first, &in_it), before);
    // A project whose online rows lie in it is copied and moved with them.
    let copy = around.path().join("copy");
    assert!(Command::new("cp").arg("-r").arg(&second).arg(&copy).status().unwrap().success());
    for folder in [&copy, &second] {
        ok(folder, "online rebuild", &[]);
        assert_eq!(read(folder, &[]), before);
    }
    // Where the logs are gone whose rows these were, they are another's to take.
    let moved = around.path().join("moved");
    fs::rename(&first, &moved).unwrap();
    assert_eq!(read(&moved, &in_it), before);
    ok(&moved, "online rebuild", &in_it);
    assert_eq!(read(&moved, &in_it), before);
}
