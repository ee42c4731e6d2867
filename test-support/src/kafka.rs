//! A Kafka broker for this process: it ends when the process does.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::port::free_port;
use crate::proxy::Proxy;

/// A broker on a port of its own.
#[derive(Debug)]
pub struct KafkaBroker {
    folder: TempDir,
    /// Where it listens.
    pub port: u16,
    /// Where it listens for the proxy.
    second: u16,
    /// In front of the second port.
    pub proxy: Proxy,
    /// Ends the broker once this process is gone: it waits for the end of its standard input.
    _watcher: Child,
}

impl KafkaBroker {
    /// The broker that all tests of a process share.
    pub fn shared() -> &'static KafkaBroker {
        static SHARED: OnceLock<KafkaBroker> = OnceLock::new();
        SHARED.get_or_init(KafkaBroker::start)
    }

    /// Starts a broker; installs it first where it is not there.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        script(&["install".as_ref()]);
        let end = format!(
            "cat >/dev/null; '{}' kill '{}'",
            scripts().join("kafka").display(),
            folder.path().display()
        );
        let watcher = Command::new("setsid").args(["sh", "-c", &end]).stdin(Stdio::piped()).spawn().unwrap();
        let (port, second) = (free_port(), free_port());
        let broker = Self { folder, port, second, proxy: Proxy::before(second), _watcher: watcher };
        broker.restart();
        broker
    }

    /// Where clients find it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The same for clients behind the proxy.
    pub fn proxied(&self) -> String {
        format!("127.0.0.1:{}", self.proxy.port)
    }

    /// Ends it at once.
    pub fn kill(&self) {
        script(&["kill".as_ref(), self.folder.path()]);
    }

    /// Starts it again, with what it had.
    pub fn restart(&self) {
        let [port, second, shown] = [self.port, self.second, self.proxy.port].map(|port| port.to_string());
        let folder = self.folder.path();
        script(&["start".as_ref(), folder, port.as_ref(), second.as_ref(), shown.as_ref()]);
    }
}

/// The scripts of the repository.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts")
}

fn script(words: &[&Path]) {
    let done = Command::new(scripts().join("kafka")).args(words).output().unwrap();
    assert!(done.status.success(), "scripts/kafka {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}
