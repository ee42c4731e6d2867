//! A project in a folder of its own, and the command run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sqlx::{Connection, Row, SqliteConnection};
use tempfile::TempDir;

/// The sample's training set, without the file to write.
pub const TRAINING: &str =
    "training-set --service late_arrival --spine data/departures.parquet --time scheduled_departure --out";
/// A read of the sample that has a value for every feature.
pub const GET: &str =
    "get late_arrival dest=LAX tailnum=N338AA distance=2475 --at 2013-06-08T01:00:00Z --format json";

/// A project that is removed with its folder.
pub struct Project {
    folder: TempDir,
}

impl Project {
    /// A folder without anything.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// What `init` writes: a week of flights.
    pub fn sample() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.ok("init .");
        project
    }

    /// The sample, its definitions registered.
    pub fn applied() -> Self {
        let project = Self::sample();
        project.ok("apply");
        project
    }

    /// The sample, its history loaded.
    pub fn loaded() -> Self {
        let project = Self::applied();
        project.ok("backfill --all");
        project
    }

    /// Takes every `ttl` out of the sample's views: they see rows of any age, so that old ones can be
    /// materialized.
    pub fn without_ttl(&self) {
        let text = self.read("features/flights.yaml");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("ttl:"));
        self.write("features/flights.yaml", lines.map(|line| format!("{line}\n")).collect::<String>());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command with these words, not yet started.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twinstore"));
        command.args(words.split_whitespace()).current_dir(self.folder.path());
        command
    }

    /// What [`GET`] answers, but for whether it is fresh: how far a pipeline is goes with a registry and with a process that
    /// is killed, and what it promises with its definition.
    pub fn answer(&self) -> String {
        let answer = self.ok(GET);
        answer.lines().filter(|line| !line.contains("\"fresh\": ")).collect::<Vec<_>>().join("\n")
    }

    /// Runs a command that succeeds. Gives its stdout.
    pub fn ok(&self, words: &str) -> String {
        let done = Done::of(self.command(words).output().unwrap());
        assert_eq!(done.code, Some(0), "twinstore {words}\n{}", done.stderr);
        done.stdout
    }

    /// Runs a command that succeeds and gives JSON.
    pub fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{words} --format json"))).unwrap()
    }

    /// Runs a command that is refused, and checks that it left every file as it was. Gives its
    /// stderr.
    pub fn refused(&self, words: &str) -> String {
        let before = self.state();
        let done = Done::of(self.command(words).output().unwrap());
        assert_eq!(done.code, Some(1), "twinstore {words}\n{}{}", done.stdout, done.stderr);
        let after = self.state();
        let names = before.keys().chain(after.keys());
        // A load that is refused has opened the online store, which makes an empty one.
        let is_of_store = |name: &PathBuf| name.ends_with("data.mdb") || name.ends_with("writing.lock");
        let is_new_store = |name: &PathBuf| is_of_store(name) && !before.contains_key(name);
        let differs = |name: &&PathBuf| before.get(*name) != after.get(*name) && !is_new_store(name);
        let changed: Vec<_> = names.filter(differs).collect();
        assert!(changed.is_empty(), "twinstore {words} was refused and changed {changed:?}");
        done.stderr
    }

    /// Runs a command to its end, whatever that is.
    pub fn run(&self, words: &str) -> Done {
        Done::of(self.command(words).output().unwrap())
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Replaces text in a file; it has to be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, text.replace(from, to));
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The training set of the sample's service and spine, as CSV.
    pub fn training_set(&self) -> String {
        self.ok(&format!("{TRAINING} training.csv"));
        let text = self.read("training.csv");
        fs::remove_file(self.path("training.csv")).unwrap();
        text
    }

    /// All that a command that is refused has to leave as it was: every file, and of the registry,
    /// whose files are also touched by its readers, what it says.
    pub fn state(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        if self.path(REGISTRY).exists() {
            files.insert(REGISTRY.into(), self.generation().to_string().into_bytes());
        }
        files
    }

    /// How many applies changed the registry.
    fn generation(&self) -> i64 {
        self.registry(async |connection: &mut SqliteConnection| {
            let row = sqlx::query("SELECT generation FROM registry");
            row.fetch_one(connection).await.unwrap().get(0)
        })
    }

    /// Looks into the registry's database, or writes to it.
    pub fn registry<T>(&self, then: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
        let url = format!("sqlite://{}", self.path(REGISTRY).display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let result = then(&mut connection).await;
            connection.close().await.unwrap();
            result
        })
    }
}

const REGISTRY: &str = ".twinstore/registry.db";

/// The content of every file below a folder, but for the registry and the online store's table of
/// readers, and the locks of loads and decisions.
fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            collect(&path, files);
        } else if path.exists()
            && name != "lock.mdb"
            && name != "_load.lock"
            && name != "_decision.lock"
            && !name.starts_with("registry.db")
        {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// How a command ended.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Checks that a message has each part.
#[track_caller]
pub fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no `{part}` in:\n{message}");
    }
}
