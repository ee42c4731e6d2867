//! Logs in a bucket of an object store: what is read of them is what is read of logs in a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use test_support::{BucketServer, Proxy, Way};

use crate::project::{Done, GET, Project, TRAINING, says};

const COPIES: &str = ".twinstore/copies";

/// A project whose logs lie in a bucket, as a machine has it.
struct Machine {
    project: Project,
    environment: Vec<(String, String)>,
}

impl Machine {
    /// One of its own, with the sample's definitions.
    fn new(server: &BucketServer, port: u16, prefix: &str) -> Self {
        let project = Project::sample();
        let mut environment = vec![("TWINSTORE_OFFLINE_URL".to_owned(), server.url(prefix))];
        environment.extend(server.environment(port).map(|(key, value)| (key.to_owned(), value)));
        let machine = Self { project, environment };
        machine.ok("apply");
        machine
    }

    /// Another one, which shares the registry and the online store with this one.
    fn beside(&self) -> Self {
        let mut environment = self.environment.clone();
        let shared = |what: &str| self.project.path(what).display().to_string();
        let registry = format!("sqlite://{}", shared(".twinstore/registry.db"));
        environment.push(("TWINSTORE_REGISTRY_URL".to_owned(), registry));
        let online = format!("embedded://{}", shared(".twinstore/online"));
        environment.push(("TWINSTORE_ONLINE_URL".to_owned(), online));
        Self { project: Project::sample(), environment }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, words: &str) -> Command {
        let mut command = self.project.command(words);
        command.envs(self.environment.iter().cloned());
        command
    }

    fn run(&self, words: &str) -> Done {
        Done::of(self.command(words).output().unwrap())
    }

    fn ok(&self, words: &str) -> String {
        let done = self.run(words);
        assert_eq!(done.code, Some(0), "twinstore {words}\n{}{}", done.stdout, done.stderr);
        done.stdout
    }

    fn training_set(&self) -> String {
        self.ok(&format!("{TRAINING} training.csv"));
        self.project.read("training.csv")
    }

    fn forget_copies(&self) {
        fs::remove_dir_all(self.project.path(COPIES)).unwrap();
    }
}

/// The files below a folder whose names end so.
fn files(folder: &Path, end: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.insert(path);
        }
    }
    found
}

#[test]
#[ignore = "needs versitygw: `make buckets` installs it"]
fn the_sample_in_a_bucket_gives_what_it_gives_in_a_folder_with_copies_and_without() {
    let in_folder = Project::loaded();
    let (expected, row) = (in_folder.training_set(), in_folder.ok(GET));
    let server = BucketServer::start();
    let machine = Machine::new(&server, server.port, "team/logs");
    machine.ok("backfill --all");
    assert_eq!(machine.ok(GET), row);
    assert_eq!(machine.training_set(), expected);
    assert!(!machine.project.path(".twinstore/offline").exists());
    machine.forget_copies();
    // Two views of seven dates each: two listings of each log, and each file once.
    let built = machine.ok(&format!("{TRAINING} training.csv"));
    says(&built, &["requests to the bucket of the logs: 22 to read, 4 to list"]);
    assert_eq!(machine.project.read("training.csv"), expected);
    let again = machine.ok(&format!("{TRAINING} training.csv"));
    says(&again, &["5 requests to the bucket of the logs: 0 to read, 4 to list, 1 whether"]);
    machine.ok("training-set verify training.csv");
    machine.ok("online rebuild");
    assert_eq!(machine.ok(GET), row);
    machine.ok("verify --values");
    // Nothing is loaded twice, and a compaction changes nothing that is read.
    machine.ok("backfill --all");
    machine.forget_copies();
    machine.ok("offline optimize");
    says(&machine.ok("verify --deep"), &["airport_arrivals"]);
    assert_eq!(machine.training_set(), expected);
    // Copies that take too much go: what is read is copied again.
    machine.forget_copies();
    let machine = machine.with("TWINSTORE_OFFLINE_COPIED_BYTES", "1");
    assert_eq!(machine.training_set(), expected);
    assert!(files(&machine.project.path(COPIES), ".parquet").len() < 3);
    let refused = machine.run("forget airport=LAX --yes");
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    says(&(refused.stdout + &refused.stderr), &["s3://features/team/logs", "forgets no entity"]);
}

#[test]
#[ignore = "needs versitygw: `make buckets` installs it"]
fn machines_that_load_one_bucket_at_once_load_each_row_once() {
    let in_folder = Project::loaded();
    let (expected, row) = (in_folder.training_set(), in_folder.ok(GET));
    let server = BucketServer::start();
    let first = Machine::new(&server, server.port, "logs");
    let machines = [first.beside(), first.beside(), first.beside()];
    for words in ["backfill --all", "offline optimize", "backfill --all"] {
        let commands = machines.iter().map(|machine| machine.command(words).spawn().unwrap());
        let commands: Vec<_> = commands.collect();
        let ended = commands.into_iter().map(|mut command| command.wait().unwrap().success());
        let ended: Vec<bool> = ended.collect();
        assert!(ended.contains(&true), "{words}: {ended:?}");
    }
    first.ok("backfill --all");
    for machine in machines.iter().chain([&first]) {
        assert_eq!(machine.training_set(), expected);
    }
    assert_eq!(first.ok(GET), row);
    first.ok("verify --deep");
    first.ok("verify --values");
}

#[test]
#[ignore = "needs versitygw: `make buckets` installs it"]
fn a_slow_bucket_whose_connections_are_cut_gives_the_same_or_an_error_and_never_other_rows() {
    let expected = Project::loaded().training_set();
    let server = BucketServer::start();
    let proxy = Proxy::before(server.port);
    proxy.set(Way::Slow(Duration::from_millis(30)));
    let machine = Machine::new(&server, proxy.port, "logs");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(700));
                proxy.set(Way::Cut);
                proxy.set(Way::Slow(Duration::from_millis(30)));
            }
        });
        machine.ok("backfill --all");
        machine.forget_copies();
        assert_eq!(machine.training_set(), expected);
        machine.ok("offline optimize");
        is_over.store(true, Ordering::Relaxed);
    });
    machine.forget_copies();
    assert_eq!(machine.training_set(), expected);
    machine.ok("verify --deep");
}

#[test]
#[ignore = "needs versitygw: `make buckets` installs it"]
fn what_is_damaged_or_missing_in_a_bucket_is_named() {
    let server = BucketServer::start();
    let machine = Machine::new(&server, server.port, "logs");
    machine.ok("backfill --all");
    let training = format!("{TRAINING} training.csv");
    let table = server.file("logs/log/airport_arrivals/v1");
    let rows = files(&table, ".parquet").into_iter().next().unwrap();
    let name = rows.file_name().unwrap().to_string_lossy().into_owned();
    let right = fs::read(&rows).unwrap();
    let mut flipped = right.clone();
    flipped[100] ^= 4;
    for (wrong, why) in [(flipped, "checksum"), (right[..right.len() / 2].to_vec(), "bytes")] {
        fs::write(&rows, wrong).unwrap();
        machine.forget_copies();
        let done = machine.run(&training);
        assert_eq!(done.code, Some(1), "{}", done.stdout);
        says(&done.stderr, &[&name, why]);
        let found = machine.run("verify --deep");
        assert_eq!(found.code, Some(1));
        says(&(found.stdout + &found.stderr), &[&name]);
    }
    fs::write(&rows, &right).unwrap();
    machine.forget_copies();
    machine.ok(&training);
    // The copy has a commit that the bucket lost.
    let commit = files(&table, ".json").into_iter().next_back().unwrap();
    let (kept, name) =
        (fs::read(&commit).unwrap(), commit.file_name().unwrap().to_string_lossy().into_owned());
    fs::remove_file(&commit).unwrap();
    let done = machine.run(&training);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["s3://features/logs/log/airport_arrivals/v1/_delta_log/", &name, "was committed"]);
    machine.forget_copies();
    let done = machine.run(&training);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &[&name, "was committed"]);
    fs::write(&commit, kept).unwrap();
    machine.forget_copies();
    machine.ok(&training);
}

#[test]
#[ignore = "needs versitygw: `make buckets` installs it"]
fn a_bucket_that_is_not_reached_or_empty_is_said_in_one_sentence() {
    let server = BucketServer::start();
    let proxy = Proxy::before(server.port);
    let machine = Machine::new(&server, proxy.port, "logs");
    machine.ok("backfill --all");
    let row = machine.ok(GET);
    let training = format!("{TRAINING} training.csv");
    proxy.set(Way::Cut);
    let done = machine.run(&training);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["s3://features/logs/", "retries"]);
    assert_eq!(done.stderr.trim().lines().count(), 1, "{}", done.stderr);
    assert!(!done.stderr.contains("of-this-test-alone"));
    // What is online needs no bucket.
    assert_eq!(machine.ok(GET), row);
    proxy.set(Way::Open);
    fs::rename(server.file("logs"), server.file("elsewhere")).unwrap();
    let done = machine.run(&training);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["the bucket of the logs, s3://features/logs/", "loaded"]);
    fs::rename(server.file("elsewhere"), server.file("logs")).unwrap();
    machine.ok(&training);
    for wrong in ["s3://", "s3://b/?x=1", "ftp://a/b"] {
        let mut command = machine.command("backfill --all");
        let done = Done::of(command.env("TWINSTORE_OFFLINE_URL", wrong).output().unwrap());
        assert_eq!(done.code, Some(1), "{wrong}");
        says(&done.stderr, &[wrong, "is not an offline store"]);
    }
}

#[test]
#[ignore = "needs versitygw: `make buckets` installs it"]
fn a_retired_view_leaves_its_bucket_and_every_copy() {
    let server = BucketServer::start();
    let machine = Machine::new(&server, server.port, "logs");
    machine.ok("backfill --all");
    let other = machine.beside();
    other.training_set();
    machine.project.write("features/second.yaml", COPY_OF_A_VIEW);
    machine.ok("apply");
    machine.ok("backfill airport_copy");
    assert!(server.file("logs/log/airport_copy/v1/_delta_log").exists());
    assert!(other.ok("offline loads airport_copy").contains("backfill"));
    machine.ok("retire airport_copy@1 --reason test");
    assert!(!server.file("logs/log/airport_copy/v1/_delta_log/00000000000000000000.json").exists());
    machine.ok("verify --deep");
}

const COPY_OF_A_VIEW: &str = "
kind: feature_view
name: airport_copy
version: 1
entity: airport
source: landings
keys: {airport: dest}
ttl: 30d
features:
  delay: {latest: arr_delay}
";
