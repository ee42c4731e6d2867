//! A project in a folder of its own, and servers of it: the real binary.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use tempfile::TempDir;
use twinstore_client::{Client, ClientBuilder, Features, FeaturesRequest};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Just after the last row of the sample, as text and in seconds since 1970.
pub const AT: &str = "2013-06-08T01:00:00Z";
const AT_S: u64 = 1_370_653_200;

/// What `init` writes, a week of flights, loaded.
pub struct Project {
    folder: TempDir,
}

impl Project {
    pub fn loaded() -> Self {
        let project = Self::sample();
        project.load();
        project
    }

    /// The same before it is loaded.
    pub fn sample() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.ok("init .");
        project
    }

    pub fn load(&self) {
        self.ok("apply");
        self.ok("backfill --all");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Changes the definitions.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let file = self.path("features/flights.yaml");
        fs::write(&file, change(fs::read_to_string(&file).unwrap())).unwrap();
    }

    /// Runs a command that succeeds. Gives its stdout.
    pub fn ok(&self, words: &str) -> String {
        let done = self.command(words).output().unwrap();
        assert!(done.status.success(), "twinstore {words}\n{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    pub fn json(&self, words: &str) -> Json {
        serde_json::from_str(&self.ok(&format!("{words} --format json"))).unwrap()
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(words.split_whitespace()).current_dir(self.folder.path());
        command
    }
}

/// The binary that is tested: `TWINSTORE_BIN`, or the one that was built beside this one.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TWINSTORE_BIN") {
        return path.into();
    }
    let here = std::env::current_exe().unwrap();
    let beside = here.ancestors().map(|folder| folder.join("twinstore")).find(|path| path.is_file());
    beside.expect("there is no twinstore binary: run `cargo build --workspace --bins` first")
}

/// A running server.
pub struct Server {
    child: Child,
    /// What it says, taken from it all the time: a pipe that nobody empties would hold it up.
    _said: JoinHandle<()>,
    pub grpc: String,
    pub http: String,
}

impl Server {
    pub fn start(project: &Project) -> Self {
        let mut child = project
            .command("serve")
            .env("TWINSTORE_SERVE_GRPC", "127.0.0.1:0")
            .env("TWINSTORE_SERVE_HTTP", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let grpc = line.split_once("gRPC ").unwrap_or_else(|| panic!("{line}")).1;
        let (grpc, http) = grpc.split_once(" and HTTP ").unwrap();
        let (grpc, http) = (grpc.to_owned(), http.trim().to_owned());
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            // It ends with the server, whatever that said last.
            let _ = stderr.read_to_string(&mut said);
        });
        Self { child, _said: said, grpc, http }
    }

    pub fn port(&self) -> u16 {
        self.grpc.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Ends it at once, without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it stop as a supervisor does, and waits until it has.
    pub fn terminate(&mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success() && self.child.wait().unwrap().success());
    }

    /// How many requests of gRPC have ended here, with an answer or without.
    pub fn requests(&self) -> u64 {
        let mut connection = TcpStream::connect(&self.http).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(connection, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let of_grpc = answer.lines().filter(|line| {
            line.starts_with("twinstore_serve_requests_total{") && line.contains("protocol=\"grpc\"")
        });
        of_grpc.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client whose calls wait for a machine that is busy with other tests, as long as that takes.
pub fn patient(endpoints: impl IntoIterator<Item = impl Into<String>>) -> ClientBuilder {
    Client::builder(endpoints).deadline(PATIENCE)
}

/// The same, connected.
pub async fn connected(endpoint: &str) -> Client {
    patient([endpoint]).connect().await.unwrap()
}

/// The moment `AT`.
pub fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(AT_S)
}

/// A read of two entities, the second of which nobody has seen, at a moment just after the last row.
pub fn flights(client: &Client) -> FeaturesRequest {
    client
        .features("late_arrival")
        .keys("dest", ["LAX", "XXX"])
        .keys("tailnum", ["N338AA", "N0"])
        .request("distance", [2475, 100])
        .at(at())
}

/// Whether an answer is the one to `flights`.
pub fn is_right(features: &Features) -> bool {
    let value = |row| features.column("dest_last_delay").unwrap().get::<f32>(row).unwrap();
    (value(0), value(1)) == (Some(-39.0), None)
}
