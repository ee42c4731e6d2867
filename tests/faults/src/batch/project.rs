//! A project whose views are loaded from Parquet, Delta, CSV and a static file, and pushed to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use feature::{Micros, View};
use offline::{Log, OfflineStore};
use online::{Store, StoreUrl};
use registry::Registry;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::command::{Ended, Running};
use crate::disk::SmallDisk;
use crate::redis::Redis;
use crate::stream_project::binary;

/// Every view of the project; the first one is pushed to as well.
pub(crate) const VIEWS: [&str; 5] = ["orders@1", "trips@1", "visits@1", "clicks@1", "accounts@1"];

/// Space on a small disk that is not full.
const FREE_KIB: u64 = 256 << 10;

/// Where the online rows of a project lie.
#[derive(Clone, Copy)]
pub enum Stores<'a> {
    /// On disk, in the project's folder.
    Embedded,
    /// In a Redis that others use as well.
    Redis(&'a Redis),
    /// On disk, and all that the project keeps on a disk that can be full. It takes a mount, so only root can.
    SmallDisk,
}

/// A project in a folder of its own.
pub struct BatchProject {
    /// It goes before the folder that it is mounted in.
    disk: Option<SmallDisk>,
    /// It goes with this; none where the folder is a copy within another project's.
    _folder: Option<TempDir>,
    path: PathBuf,
    pub(crate) runtime: Runtime,
    pub(crate) views: Vec<Arc<View>>,
    settings: Vec<(&'static str, String)>,
    online: StoreUrl,
    name: String,
    commands: std::cell::Cell<usize>,
}

impl BatchProject {
    /// A registered project without data; rows that are pushed count from a moment on.
    pub fn begin(name: &str, stores: Stores<'_>, from: Micros) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project");
        fs::create_dir_all(path.join("features")).unwrap();
        fs::write(path.join("features/all.yaml"), definitions(from)).unwrap();
        let url = match stores {
            Stores::Embedded | Stores::SmallDisk => "embedded://.twinstore/online".to_owned(),
            Stores::Redis(redis) => redis.address(),
        };
        let disk = matches!(stores, Stores::SmallDisk).then(|| {
            let disk = SmallDisk::mount(&path.join(".twinstore"));
            disk.leave(FREE_KIB);
            disk
        });
        let online: StoreUrl = url.parse().unwrap();
        let settings = vec![
            ("TWINSTORE_PROJECT", name.to_owned()),
            ("TWINSTORE_ONLINE_URL", url),
            ("TWINSTORE_SERVE_GRPC", "127.0.0.1:0".to_owned()),
            ("TWINSTORE_SERVE_HTTP", "127.0.0.1:0".to_owned()),
        ];
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let online = online.in_folder(&path);
        let (name, commands) = (name.to_owned(), std::cell::Cell::new(0));
        let mut project = Self {
            disk,
            _folder: Some(folder),
            path,
            runtime,
            views: Vec::new(),
            settings,
            online,
            name,
            commands,
        };
        project.ok("apply");
        project.read_views();
        project
    }

    /// A copy of the project's folder, as `cp -r` makes it, whatever runs meanwhile.
    pub fn copy(&self) {
        let to = self.path.with_file_name("copy");
        // What goes while it is copied is missed, and said; what was copied is there.
        drop(Command::new("cp").arg("-r").arg(&self.path).arg(&to).output().unwrap());
    }

    /// Leaves so little space on the small disk.
    pub fn fill_disk(&self, kibibytes: u64) {
        if let Some(disk) = &self.disk {
            disk.leave(kibibytes);
        }
    }

    /// Leaves enough space on the small disk.
    pub fn free_disk(&self) {
        self.fill_disk(FREE_KIB);
    }

    /// The project in the copied folder, where there is one.
    pub fn in_copy(&self) -> Option<Self> {
        let path = self.path.with_file_name("copy");
        if !path.exists() {
            return None;
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let url = "embedded://.twinstore/online".parse::<StoreUrl>().unwrap();
        Some(Self {
            disk: None,
            _folder: None,
            online: url.in_folder(&path),
            path,
            runtime,
            views: self.views.clone(),
            settings: self.settings.clone(),
            name: self.name.clone(),
            commands: std::cell::Cell::new(0),
        })
    }

    fn read_views(&mut self) {
        let url = format!("sqlite://{}", self.path.join(".twinstore/registry.db").display());
        self.views = self.runtime.block_on(async {
            let registered = Registry::open(&url).await.unwrap().registered().await.unwrap();
            VIEWS.map(|id| registered.view(&id.parse().unwrap()).unwrap().clone()).to_vec()
        });
    }

    /// The project's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The command with these words, not yet started.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(binary());
        let settings = self.settings.iter().map(|(key, value)| (key, value));
        command.args(words.split_whitespace()).current_dir(&self.path).envs(settings);
        command
    }

    /// Starts a command, with what the environment says for tests of faults.
    pub fn start(&self, words: &str, trial: &[(&str, &str)]) -> Running {
        let number = self.commands.get();
        self.commands.set(number + 1);
        let logs = self
            .path
            .with_file_name(format!("{}-said", self.path.file_name().unwrap_or_default().to_string_lossy()));
        fs::create_dir_all(&logs).unwrap();
        let mut command = self.command(words);
        command.envs(trial.iter().copied());
        Running::start(command, words, logs.join(format!("{number:03}")))
    }

    /// Runs a command to its end, whatever that is.
    pub fn run(&self, words: &str) -> Ended {
        self.start(words, &[]).ended()
    }

    /// Runs a command that succeeds. Gives its stdout.
    pub fn ok(&self, words: &str) -> String {
        let ended = self.run(words);
        assert_eq!(ended.code, Some(0), "twinstore {words}\n{}", ended.stderr);
        ended.stdout
    }

    pub(crate) async fn log(&self, view: &Arc<View>) -> Log {
        OfflineStore::open(".twinstore/offline", &self.path).unwrap().log(view).await.unwrap()
    }

    pub(crate) async fn online(&self) -> Store {
        Store::open(&self.online, &self.name).await.unwrap()
    }
}

fn definitions(from: Micros) -> String {
    let features = "
features:
  last_id: {latest: id}
  amount:  {latest: amount}
  rows:    {aggregate: count}
  total:   {aggregate: sum(amount)}
  recent:  {aggregate: count, window: 1h}
  newest:  {aggregate: \"last_n(id, 5)\"}
";
    let timed = |name: &str, source: &str| {
        format!(
            "---
kind: source
name: {source}
schema: {{id: int64, at: timestamp, user: int64, amount: float64}}
event_time: at
{}
---
kind: feature_view
name: {source}
version: 1
entity: user
source: {source}
expect:
  - {{sql: \"id >= 0\", name: id_is_a_number}}
{features}",
            name
        )
    };
    let orders =
        format!("batch: {{path: data/orders}}\nstream: {{topic: orders, format: json, from: {from}}}");
    format!(
        "kind: entity
name: user
keys: {{user: int64}}
{}{}{}---
kind: source
name: clicks
schema: {{id: int64, at: timestamp, user: int64, amount: float64}}
event_time: at
batch: {{path: data/clicks}}
---
kind: feature_view
name: clicks
version: 1
entity: user
source: clicks
ttl: 12h
retention: {{online: 1d, offline: 2d}}
features:
  last_id: {{latest: id}}
  recent:  {{aggregate: count, window: 1h}}
  total:   {{aggregate: sum(amount), window: 12h}}
---
kind: source
name: accounts
schema: {{id: int64, user: int64, amount: float64}}
batch: {{path: data/accounts.parquet}}
---
kind: feature_view
name: accounts
version: 1
entity: user
source: accounts
features:
  last_id: {{latest: id}}
  amount:  {{latest: amount}}
---
kind: feature_service
name: all
version: 1
features:
  - {{from: orders@1, prefix: orders_}}
  - {{from: trips@1, prefix: trips_}}
  - {{from: visits@1, prefix: visits_}}
  - {{from: clicks@1, prefix: clicks_}}
  - {{from: accounts@1, prefix: accounts_}}
",
        timed(&orders, "orders"),
        timed("batch: {path: data/trips}", "trips"),
        timed("batch: {path: data/visits}", "visits"),
    )
}
