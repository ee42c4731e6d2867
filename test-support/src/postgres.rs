//! One Postgres server: on a port of its own, with its files in a folder of its own, ended when it is dropped.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::authority::Authority;
use crate::port::free_port;
use crate::wait::eventually;

/// Starts the command that follows, and ends it once nobody holds the other end of the shell's input any more, in the way in
/// which a server of Postgres leaves nothing behind.
const UNTIL_INPUT_ENDS: &str =
    "\"$@\" >>server.log 2>&1 & echo $! >pid; cat >/dev/null; kill -QUIT $! 2>/dev/null; wait";
/// Where Debian puts the programs of a version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// A role that needs a password, which is `s3cret`.
const GUARDED: &str = "CREATE ROLE guarded LOGIN PASSWORD 's3cret'";

/// A running `postgres` with a database `ops`, whose user `postgres` needs no password and whose user `guarded` needs one.
#[derive(Debug)]
pub struct PostgresServer {
    /// Where it listens.
    pub port: u16,
    folder: TempDir,
    settings: Vec<String>,
    child: Option<Child>,
}

impl PostgresServer {
    /// A server that takes connections without TLS.
    pub fn start() -> Self {
        Self::started(|_| Vec::new())
    }

    /// A server that also takes connections with TLS, with a certificate of this authority for `127.0.0.1`.
    pub fn start_with_tls(authority: &Authority) -> Self {
        let signed = authority.signs("server", "IP:127.0.0.1");
        Self::started(|folder| {
            for (file, name) in [(&signed.certificate, "server.pem"), (&signed.key, "server.key")] {
                fs::copy(file, folder.join(name)).unwrap();
            }
            run("chmod", &["0600", &folder.join("server.key").display().to_string()]);
            let file = |name: &str| folder.join(name).display().to_string();
            vec![
                "ssl=on".to_owned(),
                format!("ssl_cert_file={}", file("server.pem")),
                format!("ssl_key_file={}", file("server.key")),
            ]
        })
    }

    fn started(settings: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = settings(folder.path());
        own(folder.path());
        let data = folder.path().join("data").display().to_string();
        let made = as_user(&program("initdb"))
            .args([
                "-D",
                &data,
                "-U",
                "postgres",
                "--auth=trust",
                "--no-sync",
                "--locale=C.UTF-8",
                "-E",
                "UTF8",
            ])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let rules = "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        fs::write(folder.path().join("data/pg_hba.conf"), rules).unwrap();
        let mut server = Self { port: free_port(), folder, settings, child: None };
        server.launch();
        eventually("the server answers", || server.psql("postgres", "SELECT 1").is_ok());
        server.psql("postgres", "CREATE DATABASE ops").unwrap();
        server.sql(GUARDED);
        server
    }

    fn launch(&mut self) {
        // The note of an earlier process is not taken for that of this one.
        drop(fs::remove_file(self.folder.path().join("pid")));
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_INPUT_ENDS, "sh"]);
        let postgres = as_user(&program("postgres"));
        command.arg(postgres.get_program()).args(postgres.get_args());
        command.arg("-D").arg(self.folder.path().join("data"));
        let port = format!("port={}", self.port);
        let fixed = ["listen_addresses=127.0.0.1", &port, "unix_socket_directories=", "fsync=off"];
        let all = fixed.into_iter().chain(self.settings.iter().map(String::as_str));
        command.args(all.flat_map(|setting| ["-c", setting]));
        command.current_dir(self.folder.path()).stdin(Stdio::piped());
        self.child = Some(command.spawn().unwrap());
    }

    /// Executes SQL in the database `ops`. Gives what it says: a line for each row, with bars between fields.
    pub fn sql(&self, sql: &str) -> String {
        self.psql("ops", sql).unwrap()
    }

    fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port);
        let done = Command::new(program("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        match done.status.success() {
            true => Ok(String::from_utf8(done.stdout).unwrap().trim_end().to_owned()),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    }

    /// Copies rows of CSV into a table of the database `ops`.
    pub fn copy(&self, table: &str, csv: &str) {
        let mut session = self.session();
        let mut input = session.stdin.take().unwrap();
        write!(input, "COPY {table} FROM STDIN (FORMAT csv);\n{csv}\\.\n").unwrap();
        drop(input);
        assert!(session.wait().unwrap().success());
    }

    /// Begins to execute SQL in the database `ops`: what is written to its input is executed there in turn.
    pub fn session(&self) -> Child {
        let url = format!("postgres://postgres@127.0.0.1:{}/ops?sslmode=disable", self.port);
        let mut command = Command::new(program("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url]).stdin(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Ends it, as a server does that is switched over to another.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    /// Starts it again on the same port, with what it holds.
    pub fn start_again(&mut self) {
        self.launch();
        eventually("the server answers again", || self.psql("ops", "SELECT 1").is_ok());
    }

    /// The URL of the database `ops` for a user, as definitions name it.
    pub fn url(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/ops", self.port)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of Postgres: the newest version that is installed.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().expect("postgresql is not installed: run scripts/install-test-needs")
}

/// A program that is executed by a user whom Postgres serves: it refuses root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Gives a folder and all that is in it to that user.
fn own(folder: &Path) {
    if is_root() {
        run("chown", &["-R", "postgres:postgres", &folder.display().to_string()]);
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
}
