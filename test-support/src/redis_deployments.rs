//! Several Redis servers that are one store: a cluster, and a master with its replica behind Sentinel.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::port::free_port;
use crate::redis::RedisServer;
use crate::wait::eventually;

/// A cluster of three servers.
#[derive(Debug)]
pub struct RedisCluster {
    /// Its nodes.
    pub servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts it, and waits until it answers for all slots.
    pub fn start() -> Self {
        let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let servers: Vec<RedisServer> = (0..3).map(|_| RedisServer::of_cluster(&settings)).collect();
        let mut command = Command::new("redis-cli");
        command
            .args(["--cluster", "create"])
            .args(servers.iter().map(RedisServer::address))
            .arg("--cluster-yes");
        let created = command.stdout(Stdio::null()).status().expect("redis-cli is installed");
        assert!(created.success());
        eventually("the cluster is whole", || {
            servers.iter().all(|server| server.says("CLUSTER INFO").contains("cluster_state:ok"))
        });
        Self { servers }
    }

    /// Its URL, as settings name it.
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.servers.iter().map(RedisServer::address).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }
}

/// A master with a replica, and a Sentinel that watches both.
#[derive(Debug)]
pub struct WatchedRedis {
    /// It takes writes at first.
    pub master: RedisServer,
    /// It takes over.
    pub replica: RedisServer,
    /// It watches both.
    pub sentinel: RedisServer,
}

impl WatchedRedis {
    /// Starts all three, and waits until the replica follows.
    pub fn start() -> Self {
        let master = RedisServer::start(&[]);
        let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let lines = format!(
            "port {port}\nsentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            master.port
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, lines).unwrap();
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        let sentinel = RedisServer::launched(folder, port, arguments);
        let watched = Self { master, replica, sentinel };
        eventually("the replica follows", || {
            watched.replica.says("INFO replication").contains("master_link_status:up")
                && watched.sentinel.says("SENTINEL replicas main").contains(&watched.replica.port.to_string())
        });
        watched
    }

    /// Its URL, as settings name it.
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/main", self.sentinel.address())
    }
}
