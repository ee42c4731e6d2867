//! A Redis of a stage's own, behind a proxy: it ends when this process does.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::broker::free_port;
use crate::proxy::Proxy;

/// How long it may take to answer.
const BOUND: Duration = Duration::from_secs(30);

/// A running `redis-server`.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    port: u16,
    keeps: bool,
    child: Option<Child>,
    /// The way that streams take to it.
    pub proxy: Proxy,
}

impl Redis {
    /// An empty server that has nothing when it starts again.
    pub fn start() -> Self {
        Self::with(false)
    }

    /// One that has everything that it acknowledged when it starts again.
    pub fn that_keeps() -> Self {
        Self::with(true)
    }

    fn with(keeps: bool) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { folder, port, keeps, child: None, proxy: Proxy::before(port) };
        server.restart();
        server
    }

    /// Starts it, after it was killed.
    pub fn restart(&mut self) {
        let appends = if self.keeps { "yes" } else { "no" };
        // It is killed once nobody holds the other end of its shell's input any more.
        let line = format!(
            "redis-server --port {} --bind 127.0.0.1 --save '' --appendonly {appends} >server.log 2>&1 & \
             echo $! >pid; cat >/dev/null; kill -9 $! 2>/dev/null",
            self.port
        );
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(self.folder.path()).stdin(Stdio::piped());
        self.child = Some(command.spawn().unwrap());
        let began = Instant::now();
        while !self.says("PING").starts_with("+PONG") {
            let hint = "run scripts/install-test-needs";
            assert!(began.elapsed() < BOUND, "redis-server does not answer: {hint}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = fs::read_to_string(self.folder.path().join("pid")).unwrap();
        // It may have ended by itself: what follows needs it to be gone, not to have been there.
        drop(Command::new("kill").args(["-9", pid.trim()]).status());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    /// Leaves no memory for anything new, or as much as there is.
    pub fn fill(&self, is_full: bool) {
        let bytes = if is_full { "1" } else { "0" };
        assert_eq!(self.says(&format!("CONFIG SET maxmemory {bytes}")), "+OK\r\n");
    }

    /// Where streams find it.
    pub fn proxied(&self) -> String {
        format!("redis://127.0.0.1:{}", self.proxy.port)
    }

    /// Where whoever looks from outside finds it.
    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The first bytes of what it answers; nothing where it does not.
    fn says(&self, command: &str) -> String {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(format!("{command}\r\n").as_bytes())?;
            let mut bytes = [0; 512];
            let length = stream.read(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
        };
        ask().unwrap_or_default()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
