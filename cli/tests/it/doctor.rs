//! `doctor` over the real binary: each probable cause is made to happen, and is the one that is named, with what to do.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use test_support::RedisServer;

use crate::project::{Done, Project, says};

/// What `doctor` says of a project that something is wrong with: the table, and the probable cause.
fn wrong(project: &Project) -> [String; 2] {
    let done = project.run("doctor");
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    [done.stdout, done.stderr]
}

/// The sample, whose online rows are in a Redis.
fn in_redis(redis: &RedisServer) -> Project {
    let project = Project::sample();
    project.write("twinstore.toml", format!("online.url = \"{}\"\n", redis.url()));
    project
}

#[test]
fn a_project_that_was_just_written_has_nothing_wrong_and_its_next_step_is_named() {
    let project = Project::sample();
    let before = project.state();
    says(
        &project.ok("doctor"),
        &["nothing is wrong; nothing is registered yet: run `twinstore apply` first"],
    );
    assert!(project.state() == before, "doctor changes nothing");
    project.ok("apply");
    let said = project.ok("doctor");
    says(
        &said,
        &["is made by the first load", "go_live of feature_service late_arrival at ", "nothing is wrong; "],
    );
    says(
        &said,
        &["aircraft_last_flight@1 has no row yet", "run `twinstore backfill aircraft_last_flight@1` first"],
    );
    // Two views of one source that are behind for different reasons are two findings.
    project.ok("backfill airport_arrivals");
    let said = project.json("doctor")["findings"].to_string();
    says(
        &said,
        &["aircraft_last_flight@1 has no row yet; it reaches aircraft_last_flight@1, late_arrival@1\""],
    );
    says(&said, &["no newer row of airport_arrivals@1 was loaded since"]);
    project.ok("backfill --all");
    let said = project.ok("doctor");
    says(&said, &["answers, with", "rows of 2 views", "all folders can be written", "as the storage says"]);
    // The flights are of 2013, which nobody has read yet.
    says(
        &said,
        &[
            "no newer row of airport_arrivals@1 was loaded since",
            "reaches airport_arrivals@1, late_arrival@1",
        ],
    );
    let found = project.json("doctor");
    assert_eq!(found["cause"], serde_json::Value::Null, "{found}");
    assert_eq!(found["findings"][0]["area"], "changes", "{found}");
}

#[test]
fn a_redis_that_is_stopped_is_the_probable_cause() {
    let mut redis = RedisServer::start(&[]);
    let project = in_redis(&redis);
    project.ok("apply");
    project.ok("backfill --all");
    says(&project.ok("doctor"), &["nothing is wrong"]);
    redis.kill();
    let [table, cause] = wrong(&project);
    says(&table, &["online store", "WRONG"]);
    says(&cause, &["the probable cause: ", &redis.address()]);
}

#[test]
fn a_redis_that_would_drop_features_is_found_before_anything_is_loaded() {
    let redis = RedisServer::start(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    let [_, cause] = wrong(&in_redis(&redis));
    says(&cause, &["`maxmemory-policy` is `allkeys-lru`", "set it to `noeviction`"]);
}

#[test]
fn a_redis_that_lost_its_rows_is_found_and_the_rebuild_that_helps_mends_it() {
    let redis = RedisServer::start(&[]);
    let project = in_redis(&redis);
    project.ok("apply");
    project.ok("backfill --all");
    assert!(redis.says("FLUSHALL").starts_with("+OK"));
    let [_, cause] = wrong(&project);
    says(&cause, &["has rows, and the online store has none of them", "twinstore online rebuild"]);
    project.ok("online rebuild");
    says(&project.ok("doctor"), &["nothing is wrong"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_the_probable_cause() {
    let project = Project::applied();
    let folder = project.path("");
    let binary = env!("CARGO_BIN_EXE_twinstore");
    let readable = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    // Nothing is denied to root: another user looks at the folder then.
    let is_root = fs::metadata(&folder).unwrap().uid() == 0;
    readable(if is_root { 0o755 } else { 0o555 });
    let mut command = Command::new(if is_root { "setpriv" } else { binary });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", binary]);
    }
    let done = Done::of(command.arg("doctor").current_dir(&folder).output().unwrap());
    readable(0o755);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    says(
        &done.stderr,
        &["the probable cause: the folder of the project", "cannot be written", "Permission denied"],
    );
}

#[test]
fn a_clock_that_is_off_is_the_probable_cause() {
    let project = Project::applied();
    project.ok("backfill --all");
    for (seconds, how) in [("600", "ahead of"), ("-600", "behind")] {
        let mut command = project.command("doctor");
        let done = Done::of(command.env("TWINSTORE_TRIAL_CLOCK_S", seconds).output().unwrap());
        assert_eq!(done.code, Some(1), "{}", done.stdout);
        says(&done.stderr, &["the probable cause: ", "the clock of this machine", how, "set it right"]);
    }
}

#[test]
fn a_broker_that_does_not_answer_is_the_probable_cause_where_a_source_streams_from_it() {
    let project = Project::applied();
    let port = test_support::free_port();
    project.write("twinstore.toml", format!("stream.brokers = \"127.0.0.1:{port}\"\n"));
    says(&project.ok("doctor"), &["nothing is wrong"]);
    project.edit(
        "features/flights.yaml",
        "assumed_delay: 2m",
        "assumed_delay: 2m\nstream: {topic: landings, format: json}",
    );
    project.ok("apply");
    let [table, cause] = wrong(&project);
    says(&table, &["broker", "WRONG"]);
    says(&cause, &["no broker of `stream.brokers` answers", &port.to_string(), "start one"]);
}

#[test]
fn a_damaged_registry_and_a_folder_that_is_a_file_are_found() {
    let project = Project::applied();
    project.registry(async |connection| {
        sqlx::query("UPDATE definitions SET source_text = 'x'").execute(connection).await.unwrap();
    });
    let [_, cause] = wrong(&project);
    says(&cause, &["registry"]);
    let project = Project::sample();
    project.write(".twinstore/online", "a file");
    let [_, cause] = wrong(&project);
    says(&cause, &["where the online store should be, is not a folder"]);
}

#[test]
fn definitions_that_cannot_be_read_or_are_gone_are_found() {
    let project = Project::applied();
    says(&project.ok("doctor"), &["definitions", "can be read", "nothing is wrong"]);
    project.write("features/z.yaml", "kind: feature_view\nname: zz\n  bad\n");
    let [table, cause] = wrong(&project);
    says(&table, &["definitions", "WRONG"]);
    says(&cause, &["the definitions cannot be read: features/z.yaml:1: ", "more problem"]);
    fs::remove_dir_all(project.path("features")).unwrap();
    let [_, cause] = wrong(&project);
    says(&cause, &["the definitions cannot be read: features", "there is no such folder"]);
    // Before anything is registered as well.
    let project = Project::sample();
    project.write("features/z.yaml", "kind: feature_view\n");
    says(&wrong(&project)[1], &["features/z.yaml:1: "]);
}

#[test]
fn a_batch_path_that_leads_nowhere_is_found_and_only_noted_where_rows_come_by_a_stream() {
    let project = Project::loaded();
    fs::rename(project.path("data"), project.path("away")).unwrap();
    let [table, cause] = wrong(&project);
    says(&table, &["pipeline", "WRONG"]);
    says(&cause, &["the source `landings` names `data/landings.parquet`", "there is no such file or folder"]);
    project.edit(
        "features/flights.yaml",
        "assumed_delay: 2m",
        "assumed_delay: 2m\nstream: {topic: landings, format: json}",
    );
    project.ok("apply");
    says(&project.ok("doctor"), &["there is no such file or folder", "nothing is wrong"]);
}

#[test]
fn a_file_of_a_log_that_is_gone_or_cut_off_is_found() {
    let project = Project::loaded();
    let log = project.path(".twinstore/offline/log/airport_arrivals/v1");
    let mut files = Vec::new();
    let mut folders = vec![log];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|one| one == "parquet") => files.push(path),
                false => {}
            }
        }
    }
    files.retain(|file| !file.to_string_lossy().contains("_delta_log"));
    files.sort();
    let file = files.first().unwrap();
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    says(&wrong(&project)[1], &[&file.display().to_string(), "its commit says"]);
    fs::remove_file(file).unwrap();
    let [table, cause] = wrong(&project);
    says(&table, &["disk", "WRONG"]);
    says(&cause, &["it is missing, and a commit names it", "restore it from a copy"]);
    fs::write(file, &bytes).unwrap();
    says(&project.ok("doctor"), &["nothing is wrong"]);
}

#[test]
fn one_address_for_both_protocols_is_found() {
    let project = Project::applied();
    let port = test_support::free_port();
    for (grpc, http) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")] {
        let addresses = format!("serve.grpc = \"{grpc}:{port}\"\nserve.http = \"{http}:{port}\"\n");
        project.write("twinstore.toml", addresses);
        let [table, cause] = wrong(&project);
        says(&table, &["ports", "WRONG"]);
        says(&cause, &["are one address, and a server listens at each"]);
    }
}

#[test]
fn a_damaged_online_row_is_found_by_the_sample_and_the_rebuild_that_helps_is_named() {
    let redis = RedisServer::start(&[]);
    let project = in_redis(&redis);
    project.ok("apply");
    project.ok("backfill --all");
    says(&project.ok("doctor"), &["nothing is wrong"]);
    // The last bytes of every row of one view are its checksum.
    let script = "local n = 0; for _, key in ipairs(redis.call('KEYS', '*')) do \
                  if redis.call('TYPE', key).ok == 'string' and redis.call('GETRANGE', key, 0, 1) == 'tw' then \
                  redis.call('SETRANGE', key, redis.call('STRLEN', key) - 1, 'x'); n = n + 1 end end; return n";
    let damaged = redis.says(&format!("EVAL \"{script}\" 0"));
    assert!(damaged.starts_with(':') && !damaged.starts_with(":0"), "{damaged}");
    let [table, cause] = wrong(&project);
    says(&table, &["online store", "WRONG"]);
    says(&cause, &["its checksum does not match", "twinstore online rebuild"]);
}
