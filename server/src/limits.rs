//! What one server takes on at once, and for how long. Everything beyond is refused by name.

use std::time::Duration;

/// The bounds of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Entities in one request.
    pub max_entities: usize,
    /// Bytes of one request.
    pub max_request_bytes: usize,
    /// Requests that are answered at once, over all connections.
    pub max_in_flight: usize,
    /// Requests that wait until one of those is answered; one more is refused at once.
    pub max_waiting: usize,
    /// Connections of each protocol; one more waits until another has ended.
    pub max_connections: usize,
    /// From a request's head to its answer, unless its caller waits for less.
    pub request_timeout: Duration,
    /// From the signal to stop until requests in flight are cut off.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entities: 10_000,
            max_request_bytes: 8 << 20,
            max_in_flight: 256,
            max_waiting: 1_024,
            max_connections: 4_096,
            request_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(20),
        }
    }
}
