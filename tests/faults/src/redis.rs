//! The Redis of a project, behind a proxy.

use test_support::{Proxy, RedisServer};

/// A running `redis-server` with a proxy in front of it.
#[derive(Debug)]
pub struct Redis {
    server: RedisServer,
    /// In front of it, for streams.
    pub proxy: Proxy,
}

impl Redis {
    /// An empty server that has nothing when it starts again.
    pub fn start() -> Self {
        Self::behind_proxy(RedisServer::start(&[]))
    }

    /// One that has everything that it acknowledged when it starts again.
    pub fn that_keeps() -> Self {
        Self::behind_proxy(RedisServer::durable())
    }

    fn behind_proxy(server: RedisServer) -> Self {
        Self { proxy: Proxy::before(server.port), server }
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it, after it was killed.
    pub fn restart(&mut self) {
        self.server.restart();
    }

    /// Leaves no memory for anything new, or as much as there is.
    pub fn fill(&self, is_full: bool) {
        let bytes = if is_full { "1" } else { "0" };
        assert_eq!(self.server.says(&format!("CONFIG SET maxmemory {bytes}")), "+OK\r\n");
    }

    /// Where streams find it.
    pub fn proxied(&self) -> String {
        format!("redis://127.0.0.1:{}", self.proxy.port)
    }

    /// Its URL without the proxy.
    pub fn address(&self) -> String {
        self.server.url()
    }
}
