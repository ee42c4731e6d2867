//! A project whose one view follows a topic, and the processes that do so.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use feature::{Micros, View};
use offline::{Log, OfflineStore};
use online::{Store, StoreUrl, Writer};
use registry::Registry;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::checker::{self, Checked};
use crate::redis::Redis;
use crate::schemas::{Schemas, Written};
use crate::topic::{Topic, now};
use crate::witness::{Seen, Witness};
use test_support::{Collector, KafkaBroker};

/// How long a stream may take to bring everything into the log.
const BOUND: Duration = Duration::from_secs(180);

/// A project in a folder of its own.
pub struct StreamProject {
    folder: TempDir,
    pub(crate) runtime: Runtime,
    pub(crate) view: Arc<View>,
    settings: Vec<(&'static str, String)>,
    /// Where the online store is for whoever looks from outside.
    online: StoreUrl,
    project: String,
    /// How many seconds the clock of the streams is ahead.
    clock_ahead_s: i64,
    /// How often online rows were lost, twice; odd while they are.
    pub(crate) losses: Arc<AtomicU64>,
    witness: Mutex<Option<Witness>>,
}

/// Where a project's streams come from and go to, beside its topic.
#[derive(Default)]
struct Endpoints<'a> {
    brokers: String,
    redis: Option<&'a Redis>,
    /// From when the stream counts, and where history lies, as definitions say it.
    from: String,
    batch: &'a str,
}

/// A `twinstore stream` that runs.
pub struct Streaming {
    child: Child,
    /// Where its stderr goes.
    log: PathBuf,
}

impl StreamProject {
    /// A project that follows a topic.
    pub fn set(broker: &KafkaBroker, topic: &Topic) -> Self {
        Self::at(topic, &Endpoints { brokers: broker.address(), ..Endpoints::default() })
    }

    /// The same, through the broker's proxy.
    pub fn proxied(broker: &KafkaBroker, topic: &Topic) -> Self {
        Self::at(topic, &Endpoints { brokers: broker.proxied(), ..Endpoints::default() })
    }

    /// A project whose online store is a Redis, through its proxy.
    pub fn with_redis(broker: &KafkaBroker, topic: &Topic, redis: &Redis) -> Self {
        Self::at(topic, &Endpoints { brokers: broker.address(), redis: Some(redis), ..Endpoints::default() })
    }

    /// A project whose topics lie on disk.
    pub fn embedded(topic: &Topic) -> Self {
        Self::at(
            topic,
            &Endpoints { brokers: "embedded://.twinstore/topics".to_owned(), ..Endpoints::default() },
        )
    }

    fn at(topic: &Topic, endpoints: &Endpoints<'_>) -> Self {
        Self::with(topic, tempfile::tempdir().unwrap(), endpoints)
    }

    /// Pushes what was produced since the last time.
    pub fn push(&self, topic: &mut Topic) {
        let path = self.folder.path().join("lines.json");
        fs::write(&path, topic.take_lines()).unwrap();
        self.ok(&["push", "clicks", &path.display().to_string()]);
    }

    /// A project that follows a topic from a moment on, and has the clicks before it in a file.
    pub fn with_history(broker: &KafkaBroker, topic: &Topic, from: Micros) -> Self {
        let folder = tempfile::tempdir().unwrap();
        topic.write_history(&folder.path().join("history.parquet"));
        let from = format!(", from: {from}");
        let batch = "batch: {path: history.parquet}";
        Self::with(topic, folder, &Endpoints { brokers: broker.address(), redis: None, from, batch })
    }

    fn with(topic: &Topic, folder: TempDir, endpoints: &Endpoints<'_>) -> Self {
        fs::create_dir(folder.path().join("features")).unwrap();
        let definitions = definitions(topic, &endpoints.from, endpoints.batch);
        fs::write(folder.path().join("features/clicks.yaml"), definitions).unwrap();
        let own = || "embedded://.twinstore/online".to_owned();
        let online: StoreUrl = endpoints.redis.map_or_else(own, Redis::address).parse().unwrap();
        for (name, text) in Written::files() {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let settings = vec![
            ("TWINSTORE_STREAM_BROKERS", endpoints.brokers.clone()),
            ("TWINSTORE_ONLINE_URL", endpoints.redis.map_or_else(own, Redis::proxied)),
            // A group for each topic: its members are those of one project.
            ("TWINSTORE_PROJECT", topic.name.clone()),
            ("TWINSTORE_LOG", "warn,deltalake_core=error,twinstore_materializer=debug".to_owned()),
        ];
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let done = command(folder.path(), &settings, &["apply"]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let view = runtime.block_on(registered(folder.path(), "user_clicks@1"));
        let project = Self {
            online: online.in_folder(folder.path()),
            project: topic.name.clone(),
            folder,
            runtime,
            view,
            settings,
            clock_ahead_s: 0,
            losses: Arc::default(),
            witness: Mutex::default(),
        };
        // A member that was killed is missed soon.
        project.set_kafka("session.timeout.ms", "1500");
        project.set_kafka("heartbeat.interval.ms", "400");
        project
    }

    /// Names a schema registry to the streams that start from now on.
    pub fn set_schemas(&mut self, schemas: &Schemas) {
        self.settings.push(("TWINSTORE_STREAM_SCHEMA_REGISTRY", schemas.url()));
    }

    /// The command with these words, in the project.
    pub fn command(&self, words: &[&str]) -> Command {
        command(self.folder.path(), &self.settings, words)
    }

    /// The project's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command that succeeds; gives its stdout.
    pub fn ok(&self, words: &[&str]) -> String {
        let done = self.command(words).output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Has all commands that start from now on report to a collector.
    pub fn report_to(&mut self, collector: &Collector) {
        self.settings.push(("TWINSTORE_TELEMETRY_URL", collector.url()));
    }

    /// Sets the clock of all streams that start from now on wrong by so many seconds.
    pub fn set_clock(&mut self, ahead_s: i64) {
        self.clock_ahead_s = ahead_s;
        self.settings.push(("TWINSTORE_TRIAL_CLOCK_S", ahead_s.to_string()));
    }

    /// What time it is for the streams; the broker tells those whose clock is behind.
    pub(crate) fn now(&self) -> Micros {
        Micros::new(now().get() + self.clock_ahead_s.max(0) * 1_000_000).unwrap()
    }

    /// Begins to look at the online rows all along.
    pub fn watch(&self) {
        *self.witness.lock().unwrap() = Some(Witness::begin(self));
    }

    /// What was seen since then.
    pub(crate) fn seen(&self) -> Seen {
        self.witness.lock().unwrap().take().map(Witness::end).unwrap_or_default()
    }

    /// Follows the topic in a process of its own.
    pub fn stream(&self, words: &[&str]) -> Streaming {
        self.stream_on_trial(words, &[])
    }

    /// The same, with what the environment says for tests of faults.
    pub fn stream_on_trial(&self, words: &[&str], trial: &[(&str, &str)]) -> Streaming {
        let log = self.said_at();
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        let words: Vec<&str> =
            ["stream", "--format", "json"].into_iter().chain(words.iter().copied()).collect();
        let mut child = self.command(&words);
        let child = child.envs(trial.iter().copied());
        let child = child.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Streaming { child, log }
    }

    /// Waits until the log has every click that was produced.
    pub fn await_rows(&self, topic: &Topic, forgotten: u64) {
        let wanted = topic.produced.values().map(|times| u64::from(*times)).sum::<u64>() + forgotten;
        let began = Instant::now();
        let mut rows = 0;
        while rows < wanted {
            self.assert_no_error();
            assert!(began.elapsed() < BOUND, "the log has {rows} of {wanted} rows\n{}", self.said());
            thread::sleep(Duration::from_millis(50));
            rows = self.rows();
        }
    }

    /// Rows that the log has.
    pub fn rows(&self) -> u64 {
        self.rows_of(&self.view)
    }

    /// Another view of the project, as `NAME@V`.
    pub fn other_view(&self, view: &str) -> Arc<View> {
        self.runtime.block_on(registered(self.folder.path(), view))
    }

    /// Rows that the log of a view has.
    pub fn rows_of(&self, view: &Arc<View>) -> u64 {
        self.runtime.block_on(async { self.offline().log(view).await.unwrap() }).row_count()
    }

    /// Waits until the log has more rows than so many: the moment to do harm.
    pub fn await_more(&self, before: u64) {
        let began = Instant::now();
        while self.rows() <= before {
            self.assert_no_error();
            assert!(began.elapsed() < BOUND, "the log stays at {before} rows\n{}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn assert_no_error(&self) {
        let said = self.said();
        assert!(!said.lines().any(|line| line.starts_with("error: ")), "{said}");
    }

    /// Passes a setting on to the consumers of streams that start from now on.
    pub fn set_kafka(&self, key: &str, value: &str) {
        let path = self.folder.path().join("twinstore.toml");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, format!("{before}stream.kafka.\"{key}\" = \"{value}\"\n")).unwrap();
    }

    /// Drops all online rows, as a store without persistence does when it restarts.
    pub fn lose_online_rows(&self) {
        self.lost();
        self.runtime.block_on(async { self.online().await.drop_view(&self.view.id).await }).unwrap();
        self.lost();
    }

    /// Says that online rows are about to be lost, and then that they are.
    pub(crate) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
    }

    /// How many rows are in the dead letters.
    pub fn dead_letters(&self) -> u64 {
        let text = self.ok(&["dead-letter", "list", "--limit", "1000000", "--format", "json"]);
        let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
        listed["dead_letters"].as_array().unwrap().len() as u64
    }

    /// Waits until the streams say this.
    pub fn await_said(&self, words: &str) {
        let began = Instant::now();
        while !self.said().contains(words) {
            self.assert_no_error();
            assert!(began.elapsed() < BOUND, "nothing says `{words}`\n{}", self.said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Forgets what the streams said so far.
    pub(crate) fn forget_said(&self) {
        fs::File::options().write(true).open(self.said_at()).unwrap().set_len(0).unwrap();
    }

    fn said_at(&self) -> PathBuf {
        self.folder.path().join("stream.log")
    }

    /// What the streams said on stderr.
    pub fn said(&self) -> String {
        fs::read_to_string(self.said_at()).unwrap_or_default()
    }

    /// Compares what was produced with both stores.
    pub fn check(&self, topic: &Topic) -> Checked {
        self.runtime.block_on(checker::check(self, topic))
    }

    pub(crate) fn offline(&self) -> OfflineStore {
        OfflineStore::open(".twinstore/offline", self.folder.path()).unwrap()
    }

    pub(crate) async fn log(&self) -> Log {
        self.offline().log(&self.view).await.unwrap()
    }

    pub(crate) async fn online(&self) -> Store {
        Store::open(&self.online, &self.project).await.unwrap()
    }
}

impl Streaming {
    /// Kills it at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}", fs::read_to_string(&self.log).unwrap_or_default());
    }

    /// Puts it to sleep.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Waits until it put itself to sleep.
    pub fn falls_asleep(&self) {
        let stat = format!("/proc/{}/stat", self.child.id());
        let began = Instant::now();
        // The state follows the name, which is in parentheses.
        while !fs::read_to_string(&stat).unwrap().contains(") T ") {
            let said = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(began.elapsed() < BOUND, "it does not fall asleep\n{}", said());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Wakes it.
    pub fn wake(&self) {
        self.signal("CONT");
    }

    /// Waits until it ends by itself; gives what all streams of the project said.
    pub fn ends(mut self) -> (bool, String) {
        let status = self.child.wait().unwrap();
        (status.success(), fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// Waits until it ended itself.
    pub fn ends_itself(mut self) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let said = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(began.elapsed() < BOUND, "it does not end itself\n{}", said());
            thread::sleep(Duration::from_millis(10));
        };
        assert!(status.signal().is_some(), "it ended otherwise: {status}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Streaming {
    /// A test that fails leaves no stream behind.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A view as the registry of a project has it.
async fn registered(folder: &Path, view: &str) -> Arc<View> {
    let url = format!("sqlite://{}", folder.join(".twinstore/registry.db").display());
    let registered = Registry::open(&url).await.unwrap().registered().await.unwrap();
    registered.view(&view.parse().unwrap()).unwrap().clone()
}

fn command(folder: &Path, settings: &[(&str, String)], words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(words).current_dir(folder).envs(settings.iter().map(|(key, value)| (key, value)));
    command
}

/// The binary that is tested: TWINSTORE_BIN, or the one that was built beside this one.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TWINSTORE_BIN") {
        return path.into();
    }
    let here = std::env::current_exe().unwrap();
    let beside = here.ancestors().map(|folder| folder.join("twinstore")).find(|path| path.is_file());
    beside.expect("there is no twinstore binary: run `cargo build --workspace --bins` first")
}

fn definitions(topic: &Topic, from: &str, batch: &str) -> String {
    let Topic { name, written, .. } = topic;
    let format = written.format();
    format!(
        "
kind: entity
name: visitor
keys: {{visitor: int64}}
---
kind: source
name: clicks
schema: {{id: int64, at: timestamp, visitor: int64, amount: float64, page: string}}
event_time: at
allowed_lateness: 1h
stream: {{topic: {name}, format: {format}{from}}}
{batch}
---
kind: feature_view
name: user_clicks
version: 1
entity: visitor
source: clicks
expect:
  - {{sql: \"id >= 0\", name: id_is_a_number}}
features:
  last_id:     {{latest: id}}
  last_page:   {{latest: page}}
  clicks:      {{aggregate: count}}
  clicks_1h:   {{aggregate: count, window: 1h}}
  amount:      {{aggregate: sum(amount)}}
  amount_1h:   {{aggregate: sum(amount), window: 1h}}
  spread_1d:   {{aggregate: stddev(amount), window: 1d}}
  highest:     {{aggregate: max(amount)}}
  pages:       {{aggregate: approx_count_distinct(page)}}
  newest_5:    {{aggregate: \"last_n(id, 5)\"}}
---
kind: feature_service
name: clicks
version: 1
features:
  - {{from: user_clicks@1}}
"
    )
}
