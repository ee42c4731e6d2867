//! A tier of servers that is simulated: how many, what is sent to them, how clients choose, and what fails.
//!
//! Times are seconds.

use serde::Serialize;

/// How long a worker is busy with a request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Service {
    /// Always as long.
    Fixed(f64),
    /// Distributed exponentially around this mean.
    Exponential(f64),
}

/// How a client chooses a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Balance {
    /// Any.
    Random,
    /// Of any two the one with fewer requests that are not answered yet, whoever sent them.
    LeastOfTwo,
}

/// Servers that fail: from one moment on they say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// How many, the first ones.
    pub servers: usize,
    /// When.
    pub at: f64,
    /// When clients stop choosing them.
    pub detected: f64,
    /// When they are back.
    pub back: f64,
    /// How long a client waits for a server that says nothing until it tries another one.
    pub silence: f64,
}

/// A tier and what is sent to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tier {
    /// Servers.
    pub servers: usize,
    /// Requests that a server works on at once; one for each core.
    pub workers: usize,
    /// Requests a second, a Poisson process.
    pub arrivals: f64,
    /// How long a worker is busy with one.
    pub service: Service,
    /// The share of requests that then wait for the store, without a worker, and how long on average.
    pub store: (f64, f64),
    /// How a client chooses.
    pub balance: Balance,
    /// Requests that may wait at a server; one more is refused.
    pub waiting: usize,
    /// How long a request may wait for a worker; then it is refused.
    pub longest_wait: f64,
    /// What fails.
    pub failure: Option<Failure>,
    /// From when on requests count.
    pub warm_up: f64,
    /// Until when requests arrive.
    pub until: f64,
    /// Determines everything that is random.
    pub seed: u64,
}
