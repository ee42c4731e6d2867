//! One of the two stores restored from a copy, and the other not: every command that reads both says which is older, and
//! nothing is folded on as if all was right.

use std::fs;
use std::process::Command;

use test_support::RedisServer as Redis;

use crate::landings::{batch, landing, write_parquet};
use crate::project::{Done, Project, says};
use crate::pushed;

const LOGS: &str = ".twinstore/offline";
const ONLINE: &str = ".twinstore/online";
const VIEW: &str = "airport_arrivals@1";

/// The online store that a sample has by itself.
const ON_DISK: &str = "embedded://.twinstore/online";

/// The sample with a folder as its source, of which one file is loaded, and this online store.
fn loaded(online: &str) -> Project {
    let project = Project::sample();
    project.edit("twinstore.toml", ON_DISK, online);
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    write_parquet(&project.path("data/landings/a.parquet"), &batch(&[landing(1, 0, 5.0)]));
    project.ok("apply");
    project.ok("backfill --all");
    project
}

fn materialize(project: &Project, number: i64, delay: f32) {
    let file = format!("data/landings/{number}.parquet");
    write_parquet(&project.path(&file), &batch(&[landing(number, number, delay)]));
    project.ok("materialize");
}

fn copy(project: &Project, from: &str, to: &str) {
    let done = Command::new("cp").arg("-a").arg(project.path(from)).arg(project.path(to)).status().unwrap();
    assert!(done.success(), "{from}");
}

/// Replaces a folder by its copy.
fn restore(project: &Project, folder: &str) {
    fs::remove_dir_all(project.path(folder)).unwrap();
    fs::rename(project.path("copy"), project.path(folder)).unwrap();
}

fn all(done: &Done) -> String {
    format!("{}{}", done.stdout, done.stderr)
}

/// Each of these commands fails, and says all this.
fn each_says(project: &Project, commands: &[&str], parts: &[&str]) {
    for words in commands {
        let done = project.run(words);
        assert_eq!(done.code, Some(1), "{words}: {}", all(&done));
        says(&all(&done), parts);
    }
}

fn last_delay(project: &Project) -> serde_json::Value {
    let read = "get late_arrival dest=LAX tailnum=N1 distance=1";
    project.json(read)["features"]["dest_last_delay"]["value"].clone()
}

/// A read is answered, and says all this beside; nothing where there is nothing to say.
fn read_says(project: &Project, parts: &[&str]) {
    let done = project.run("get late_arrival dest=LAX tailnum=N1 distance=1");
    assert_eq!((done.code, done.stdout.contains("dest_last_delay")), (Some(0), true), "{}", all(&done));
    match parts {
        [] => assert_eq!(done.stderr, ""),
        parts => says(&done.stderr, parts),
    }
    // Of each of the two views that the service reads.
    assert_eq!(done.stderr.lines().count(), 2 * parts.len().min(1), "{}", done.stderr);
}

const LOADS: [&str; 4] = ["materialize", "backfill --all", "verify", "verify --values"];

#[test]
fn a_log_that_is_older_than_the_online_store_is_named_until_the_rows_are_written_again() {
    let project = loaded(ON_DISK);
    copy(&project, LOGS, "copy");
    materialize(&project, 2, 7.0);
    restore(&project, LOGS);
    let parts = ["the online rows of ", VIEW, "the log is older than the online store", "ends at version"];
    each_says(&project, &LOADS, &parts);
    says(&all(&project.run("doctor")), &["older than the online store", "online rebuild"]);
    assert_eq!(last_delay(&project), 7.0, "nothing was folded");
    read_says(
        &project,
        &["warning: the online rows of ", VIEW, "the log is older", "twinstore online rebuild"],
    );
    project.ok("online rebuild");
    assert_eq!(last_delay(&project), 5.0);
    read_says(&project, &[]);
    project.ok("verify");
    project.ok("verify --values");
    // The file is new to this log.
    project.ok("materialize");
    assert_eq!(last_delay(&project), 7.0);
}

#[test]
fn an_online_store_that_is_older_than_the_log_is_named_until_its_rows_are_written_again() {
    let project = loaded(ON_DISK);
    materialize(&project, 2, 7.0);
    copy(&project, ONLINE, "copy");
    materialize(&project, 3, 9.0);
    restore(&project, ONLINE);
    each_says(&project, &LOADS, &["the online rows of ", VIEW, "the online store is older than the log"]);
    says(&all(&project.run("doctor")), &["the online store is older than the log", "online rebuild"]);
    assert_eq!(last_delay(&project), 7.0, "nothing was folded");
    read_says(&project, &["warning: the online rows of ", VIEW, "the online store is older than the log"]);
    project.ok("online rebuild");
    assert_eq!(last_delay(&project), 9.0);
    project.ok("verify");
    project.ok("materialize");
}

#[test]
fn the_log_of_another_project_is_distinguished_from_the_one_that_the_online_rows_are_of() {
    let (project, other) = (loaded(ON_DISK), loaded(ON_DISK));
    materialize(&project, 2, 7.0);
    materialize(&other, 2, 8.0);
    fs::remove_dir_all(project.path(LOGS)).unwrap();
    let copied = Command::new("cp").arg("-a").arg(other.path(LOGS)).arg(project.path(LOGS)).status().unwrap();
    assert!(copied.success());
    each_says(&project, &LOADS, &[VIEW, "is another commit than the one", "this is not the log"]);
    read_says(&project, &["warning: version ", VIEW, "is another commit", "this is not the log"]);
    project.ok("online rebuild");
    assert_eq!(last_delay(&project), 8.0);
    project.ok("verify --values");
}

#[test]
fn a_store_in_redis_is_compared_with_the_log_and_one_without_a_note_goes_on_as_before() {
    let redis = Redis::start(&[]);
    let project = loaded(&redis.url());
    copy(&project, LOGS, "copy");
    materialize(&project, 2, 7.0);
    let newest = project.path("newest");
    fs::rename(project.path(LOGS), &newest).unwrap();
    fs::rename(project.path("copy"), project.path(LOGS)).unwrap();
    each_says(&project, &LOADS, &[VIEW, "the log is older than the online store"]);
    read_says(&project, &["warning: the online rows of ", VIEW, "the log is older"]);
    fs::remove_dir_all(project.path(LOGS)).unwrap();
    read_says(&project, &["warning: the online rows of ", VIEW, "which has no commits"]);
    fs::rename(newest, project.path(LOGS)).unwrap();
    project.ok("verify --values");
    // As an earlier release left it: nothing is noted, nothing is said, and the next load notes it.
    let found = redis.says("KEYS *:stats:*");
    let keys: Vec<&str> = found.lines().filter(|line| line.starts_with("tw:")).collect();
    let is_noted = |key: &&str| redis.says(&format!("HEXISTS {key} folded")).starts_with(":1");
    assert_eq!(keys.len(), 2, "{found}");
    assert!(keys.iter().all(is_noted));
    for key in &keys {
        redis.says(&format!("HDEL {key} folded"));
    }
    assert!(!keys.iter().any(is_noted));
    project.ok("verify --values");
    materialize(&project, 3, 9.0);
    assert_eq!(last_delay(&project), 9.0);
    assert!(keys.iter().all(is_noted));
}

fn push(project: &Project, id: i64) {
    let row = serde_json::json!({"visitor": 1, "at": pushed::now(), "id": id, "page": "x"});
    project.write("rows.jsonl", row.to_string());
    project.ok("push clicks rows.jsonl");
    project.ok("stream --until-caught-up");
}

#[test]
fn a_stream_names_a_log_that_is_older_and_writes_again_what_an_older_online_store_lacks() {
    let project = pushed::clicks();
    push(&project, 1);
    copy(&project, LOGS, "copy");
    copy(&project, ONLINE, "online");
    push(&project, 2);
    let newest = project.path("newest");
    fs::rename(project.path(LOGS), &newest).unwrap();
    fs::rename(project.path("copy"), project.path(LOGS)).unwrap();
    let stream = "stream --until-caught-up";
    each_says(&project, &[stream], &["visits@1", "the log is older than the online store", "online rebuild"]);
    fs::remove_dir_all(project.path(LOGS)).unwrap();
    fs::rename(newest, project.path(LOGS)).unwrap();
    fs::rename(project.path("online"), project.path("copy")).unwrap();
    restore(&project, ONLINE);
    each_says(&project, &["verify --values"], &["visits@1", "the online store is older than the log"]);
    let id = || project.json("get visit visitor=1")["features"]["id"]["value"].clone();
    assert_eq!(id(), 1);
    project.ok(stream);
    assert_eq!(id(), 2);
    project.ok("verify --values");
}

#[test]
fn a_topic_that_is_gone_as_a_whole_is_named_with_what_the_logs_have_of_it() {
    let project = pushed::clicks();
    let gone = ["the topic `clicks` in ", "is gone, and rows were pushed into it"];
    let is_silent = |words: &str| assert!(!all(&project.run(words)).contains("is gone"), "{words}");
    is_silent("verify");
    let row = serde_json::json!({"visitor": 1, "at": pushed::now(), "id": 7, "page": "x"});
    project.write("rows.jsonl", row.to_string());
    project.ok("push clicks rows.jsonl");
    is_silent("verify");
    let topics = project.path(".twinstore/topics");
    // Acknowledged, and in no log.
    fs::rename(&topics, project.path("lost")).unwrap();
    each_says(
        &project,
        &["verify", "doctor"],
        &[gone[0], gone[1], "no log has any of them", "restore the folder"],
    );
    says(&all(&project.run("stream --until-caught-up")), &gone);
    says(&all(&project.run("push clicks rows.jsonl")), &gone);
    // Begun again, and in the log as far as it was streamed.
    project.ok("stream --until-caught-up");
    is_silent("verify");
    fs::remove_dir_all(&topics).unwrap();
    each_says(&project, &["verify", "doctor"], &[gone[0], gone[1], "that of visits@1 those before offset 1"]);
    let refused = project.run("push clicks rows.jsonl");
    assert_eq!(refused.code, Some(1), "{}", all(&refused));
    says(&refused.stderr, &gone);
}
