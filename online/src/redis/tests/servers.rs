//! Real servers for tests: each on a port of its own, with its files in a folder that goes with it, and
//! killed when the test is done with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to do what is waited for.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Waits until something is so; says what, where it never is.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < BOUND, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A port that nobody listens at, so low that a cluster's second port, 10000 higher, is one too.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 2000) as u16 * 10;
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

/// A running `redis-server`.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// An empty server with these further settings.
    pub(crate) fn start(settings: &[&str]) -> Server {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let fixed = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"];
        let mut arguments: Vec<String> = fixed.iter().map(|text| (*text).to_owned()).collect();
        arguments.push(port.to_string());
        arguments.extend(settings.iter().map(|text| (*text).to_owned()));
        let mut server = Server { port, folder, arguments, child: None };
        server.launch();
        eventually("the server answers", || server.speaks());
        server
    }

    /// One whose port speaks TLS, with the certificate authority that it is certified by.
    pub(crate) fn start_with_tls() -> (Server, PathBuf) {
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
        let mut server = Server { port, folder, arguments: settings.into(), child: None };
        server.launch();
        eventually("the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        (server, ca)
    }

    fn launch(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(&self.arguments).current_dir(self.folder.path()).stdout(Stdio::null());
        let child = command.spawn();
        self.child = Some(child.expect("redis-server is not installed: run scripts/install-test-needs"));
    }

    /// Kills it, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends it a signal, as `STOP`, by which it stands still until `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().map(|child| child.id().to_string()).unwrap();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Starts it again after it was killed, without its data.
    pub(crate) fn restart(&mut self) {
        self.launch();
        eventually("the server answers", || self.speaks());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends a command on a connection of its own, and gives the answer as it comes.
    pub(crate) fn says(&self, command: &str) -> String {
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

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A cluster of three servers.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start() -> Cluster {
        let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let servers: Vec<Server> = (0..3).map(|_| Server::start(&settings)).collect();
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]).args(servers.iter().map(Server::address)).arg("--cluster-yes");
        let made = command.stdout(Stdio::null()).status().expect("redis-cli is installed");
        assert!(made.success());
        eventually("the cluster is whole", || {
            servers.iter().all(|server| server.says("CLUSTER INFO").contains("cluster_state:ok"))
        });
        Cluster { servers }
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> = self.servers.iter().map(Server::address).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }
}

/// A master with a replica, and a Sentinel that looks after them.
pub(crate) struct Watched {
    pub(crate) master: Server,
    pub(crate) replica: Server,
    pub(crate) sentinel: Server,
}

impl Watched {
    pub(crate) fn start() -> Watched {
        let master = Server::start(&[]);
        let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let lines = format!(
            "port {port}\nsentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            master.port
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, lines).unwrap();
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        let mut sentinel = Server { port, folder, arguments, child: None };
        sentinel.launch();
        let watched = Watched { master, replica, sentinel };
        eventually("the replica follows", || {
            watched.replica.says("INFO replication").contains("master_link_status:up")
                && watched.sentinel.says("SENTINEL replicas main").contains(&watched.replica.port.to_string())
        });
        watched
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://{}/main", self.sentinel.address())
    }
}
