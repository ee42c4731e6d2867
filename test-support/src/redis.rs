//! One Redis server: on a port of its own, with its files in a folder of its own, killed when it is dropped.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::port::{free_cluster_port, free_port};
use crate::wait::eventually;

/// Starts the command that follows, notes its process, and kills it once nobody holds the other end of the shell's
/// input any more: it ends with the process of the test, however that ends.
const UNTIL_INPUT_ENDS: &str =
    "\"$@\" >>server.log 2>&1 & echo $! >pid; cat >/dev/null; kill -9 $! 2>/dev/null; wait";

/// A running `redis-server`.
#[derive(Debug)]
pub struct RedisServer {
    /// Where it listens.
    pub port: u16,
    /// Its working directory.
    pub folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// An empty server with these further settings, which has nothing when it starts again.
    pub fn start(settings: &[&str]) -> Self {
        Self::answering(free_port(), "no", settings)
    }

    /// An empty server that has everything that it acknowledged when it starts again.
    pub fn durable() -> Self {
        Self::answering(free_port(), "yes", &[])
    }

    /// A node for a cluster.
    pub(crate) fn of_cluster(settings: &[&str]) -> Self {
        Self::answering(free_cluster_port(), "no", settings)
    }

    fn answering(port: u16, appends: &str, settings: &[&str]) -> Self {
        let port_text = port.to_string();
        let fixed = ["--save", "", "--appendonly", appends, "--bind", "127.0.0.1", "--port", &port_text];
        let arguments = fixed.iter().chain(settings).map(|text| (*text).to_owned()).collect();
        let server = Self::launched(TempDir::new().unwrap(), port, arguments);
        eventually("the server answers", || server.speaks());
        server
    }

    /// A server with these arguments, which may not answer yet.
    pub(crate) fn launched(folder: TempDir, port: u16, arguments: Vec<String>) -> Self {
        let mut server = Self { port, folder, arguments, child: None };
        server.launch();
        server
    }

    /// One whose port speaks TLS, with the file of the authority that signed its certificate.
    pub fn start_with_tls() -> (Self, PathBuf) {
        let folder = TempDir::new().unwrap();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.args(arguments.split(' ')).current_dir(folder.path()).stderr(Stdio::null());
            assert!(command.status().expect("openssl is installed").success(), "{arguments}");
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        openssl(&format!("req -x509 {key} -subj /CN=authority -keyout ca.key -out ca.pem"));
        openssl(&format!(
            "req -x509 {key} -CA ca.pem -CAkey ca.key -subj /CN=server -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout server.key -out server.pem"
        ));
        let port = free_port();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let settings = [
            "--port".to_owned(),
            "0".to_owned(),
            "--tls-port".to_owned(),
            port.to_string(),
            "--bind".to_owned(),
            "127.0.0.1".to_owned(),
            "--save".to_owned(),
            String::new(),
            "--tls-cert-file".to_owned(),
            file("server.pem"),
            "--tls-key-file".to_owned(),
            file("server.key"),
            "--tls-ca-cert-file".to_owned(),
            file("ca.pem"),
            "--tls-auth-clients".to_owned(),
            "no".to_owned(),
        ];
        let ca = folder.path().join("ca.pem");
        let server = Self::launched(folder, port, settings.into());
        eventually("the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        (server, ca)
    }

    fn launch(&mut self) {
        let is_installed =
            Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
        assert!(is_installed, "redis-server is not installed: run scripts/install-test-needs");
        // The note of an earlier process is not taken for that of this one.
        drop(fs::remove_file(self.pid_file()));
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_INPUT_ENDS, "sh", "redis-server"]).args(&self.arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::piped());
        self.child = Some(command.spawn().unwrap());
        eventually("the server is started", || self.pid().is_some());
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    fn pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        text.strip_suffix('\n').map(ToOwned::to_owned)
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = self.pid().unwrap();
        // It may have ended by itself: what follows needs it to be gone, not to have been there.
        drop(Command::new("kill").args(["-9", &pid]).stderr(Stdio::null()).status());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    /// Sends it a signal, such as `STOP`, which suspends it until `CONT`.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().unwrap();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Starts it again after it was killed: without its data, unless it is durable.
    pub fn restart(&mut self) {
        self.launch();
        eventually("the server answers", || self.speaks());
    }

    /// Its URL, as settings name it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends a command on a connection of its own, and returns the answer as it is sent: empty if there is none.
    pub fn says(&self, command: &str) -> String {
        self.try_say(command).unwrap_or_default()
    }

    fn speaks(&self) -> bool {
        // One that asks for a password speaks too.
        ["+PONG", "-NOAUTH"].iter().any(|answer| self.says("PING").starts_with(answer))
    }

    fn try_say(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = String::new();
        read_answer(&mut BufReader::new(stream), &mut answer)?;
        Ok(answer)
    }
}

/// Reads one answer, with all that is nested in it.
fn read_answer(from: &mut BufReader<TcpStream>, answer: &mut String) -> std::io::Result<()> {
    let start = answer.len();
    from.read_line(answer)?;
    let line = answer[start..].trim_end();
    let count = line.get(1..).and_then(|count| count.parse().ok()).unwrap_or(0);
    match line.bytes().next() {
        Some(b'$') => {
            let mut bytes = vec![0; count + 2];
            from.read_exact(&mut bytes)?;
            answer.push_str(&String::from_utf8_lossy(&bytes));
        }
        Some(b'*') => (0..count).try_for_each(|_| read_answer(from, answer))?,
        _ => (),
    }
    Ok(())
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
