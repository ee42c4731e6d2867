//! What one server takes on at once, and for how long. Everything beyond is refused by name.

use std::time::Duration;

/// The bounds of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Entities in one request.
    pub max_entities: usize,
    /// Bytes of one request.
    pub max_request_bytes: usize,
    /// Bytes of request bodies that are held at once, over all connections.
    pub max_body_bytes: usize,
    /// How long nothing has to arrive of a body. From then on 64 KiB a second are expected.
    pub body_grace: Duration,
    /// Requests that are answered at once, over all connections.
    pub max_in_flight: usize,
    /// Requests that wait until one of those is answered; one more is refused at once.
    pub max_waiting: usize,
    /// The longest that a request waits for one of those to be answered, before it is refused.
    pub max_wait: Duration,
    /// The same while the queue has not been empty for `max_wait`; and how late tasks may run before requests are
    /// refused.
    pub target_wait: Duration,
    /// Connections of each protocol. For one more the longest idle one is ended; where all are in use, it waits.
    pub max_connections: usize,
    /// The same of one peer address; where all are in use, one more is closed.
    pub max_connections_per_peer: usize,
    /// Until the head of a request has arrived, from its first byte or the begin of the connection.
    pub head_timeout: Duration,
    /// How long a connection of HTTP may be without a request.
    pub idle_timeout: Duration,
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
            max_body_bytes: 96 << 20,
            body_grace: Duration::from_secs(3),
            max_in_flight: 256,
            max_waiting: 1_024,
            max_wait: Duration::from_millis(100),
            target_wait: Duration::from_millis(25),
            max_connections: 4_096,
            max_connections_per_peer: 1_024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            request_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(20),
        }
    }
}
