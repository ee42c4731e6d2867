//! Real servers and definitions for tests: Redis (one server, a cluster, behind Sentinel, with TLS), a Kafka broker,
//! Postgres, a server of buckets, TCP proxies in front of them, and a collector of OpenTelemetry that keeps what it gets. Each has a port and a folder of its own and ends with the test, also if the test's process is killed.
//!
//! The tests of all crates start servers here and nowhere else, and projects of one view begin with its definitions. This
//! crate depends on no part of the product.
//!
//! ```no_run
//! use twinstore_test_support::{Proxy, RedisServer, Way, eventually};
//!
//! let server = RedisServer::start(&[]);
//! let proxy = Proxy::before(server.port);
//! eventually("the server answers", || server.says("PING") == "+PONG\r\n");
//! proxy.set(Way::Cut);
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a harness of tests: what goes wrong in it ends the test aloud"
)]

mod authority;
mod bucket;
mod collector;
mod definitions;
mod kafka;
mod port;
mod postgres;
mod proxy;
mod redis;
mod redis_deployments;
mod varint;
mod wait;

pub use authority::{Authority, Signed};
pub use bucket::BucketServer;
pub use collector::Collector;
pub use definitions::{user_events, visitor_clicks, visitors};
pub use kafka::KafkaBroker;
pub use port::free_port;
pub use postgres::PostgresServer;
pub use proxy::{Proxy, Way};
pub use redis::RedisServer;
pub use redis_deployments::{RedisCluster, WatchedRedis};
pub use varint::{varint, zigzag};
pub use wait::{BOUND, eventually};
