//! Requests that are traced: what the time of each went into, under the trace that its caller is in. How they are
//! recorded is up to whoever wires a server.

use std::time::Duration;

use feature::{TraceParent, VersionId};

/// A request that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TracedRequest<'a> {
    /// The caller's span; `None` where it names none.
    pub parent: Option<TraceParent>,
    /// How it came: `grpc`, `http`, `feast_grpc`, `feast_http`.
    pub protocol: &'static str,
    /// The service that answered it, if one did.
    pub service: Option<&'a VersionId>,
    /// `OK`, `CANCELLED`, or the code of its refusal.
    pub code: &'static str,
    /// How many entities it was about, once that is known.
    pub entities: Option<u64>,
    /// From its head to its answer.
    pub took: Duration,
    /// What it went through, in order.
    pub stages: Vec<TracedStage>,
}

/// A stage of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TracedStage {
    /// The stage, as in `twinstore_serve_stage_seconds`.
    pub name: &'static str,
    /// When it began, from the request's head.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
}

/// Receives the traced requests of a server. It is called when a request ends, and does not block.
pub trait RequestTraces: Send + Sync {
    /// Whether a request is recorded: where its caller is in a trace, by what that says.
    fn records(&self, parent: Option<&TraceParent>) -> bool;

    /// A request that is recorded has ended just now.
    fn ended(&self, request: &TracedRequest<'_>);
}
