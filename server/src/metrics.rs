//! What a server counts about itself. Everything is a fixed set of counters that is there before the
//! first request, so that recording takes no lock and no memory.

mod deprecated;
mod pushes;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use exposition::{Histogram, Page};

pub(crate) use self::deprecated::DeprecatedCounts;
pub(crate) use self::pushes::PushCounts;
use crate::code::Code;

/// How a request came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Grpc,
    Http,
    FeastGrpc,
    FeastHttp,
}

impl Protocol {
    const ALL: [Protocol; 4] = [Protocol::Grpc, Protocol::Http, Protocol::FeastGrpc, Protocol::FeastHttp];

    pub fn name(self) -> &'static str {
        match self {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
            Protocol::FeastGrpc => "feast_grpc",
            Protocol::FeastHttp => "feast_http",
        }
    }
}

/// What a request's time goes into, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Its body read as JSON.
    Parse,
    /// For a permit among the requests that are answered at once.
    Wait,
    /// Its service found, its columns read as what the service needs, its keys encoded.
    Decode,
    /// In the store.
    Probe,
    /// Packed rows folded at the moment, and spread over the request's rows.
    Merge,
    /// On-demand views.
    Expressions,
    /// Pushed rows written and synced to disk, behind those of others.
    Sync,
    /// Until all views of the source have pushed rows online; where that is requested.
    Online,
    /// The answer's columns put together and written as they are sent.
    Encode,
}

impl Stage {
    pub const COUNT: usize = 9;
    pub const ALL: [Stage; Stage::COUNT] = [
        Stage::Parse,
        Stage::Wait,
        Stage::Decode,
        Stage::Probe,
        Stage::Merge,
        Stage::Expressions,
        Stage::Sync,
        Stage::Online,
        Stage::Encode,
    ];

    /// A stage of a read.
    pub const fn of_read(stage: read::ReadStage) -> Self {
        match stage {
            read::ReadStage::Keys => Stage::Decode,
            read::ReadStage::Probe => Stage::Probe,
            read::ReadStage::Merge => Stage::Merge,
            read::ReadStage::Expressions => Stage::Expressions,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Stage::Parse => "parse",
            Stage::Wait => "wait",
            Stage::Decode => "decode",
            Stage::Probe => "probe",
            Stage::Merge => "merge",
            Stage::Expressions => "expressions",
            Stage::Sync => "sync",
            Stage::Online => "online",
            Stage::Encode => "encode",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Answered,
    Refused(Code),
    /// The caller was gone before the answer was there.
    Abandoned,
}

impl Outcome {
    const COUNT: usize = Code::ALL.len() + 2;

    /// The names of all, in the order of their indices.
    fn names() -> impl Iterator<Item = &'static str> {
        let refused = Code::ALL.map(|code| Outcome::Refused(code).name());
        [Outcome::Answered, Outcome::Abandoned].map(Outcome::name).into_iter().chain(refused)
    }

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "OK",
            Outcome::Abandoned => "CANCELLED",
            Outcome::Refused(code) => code.name(),
        }
    }

    fn index(self) -> usize {
        match self {
            Outcome::Answered => 0,
            Outcome::Abandoned => 1,
            Outcome::Refused(code) => 2 + code as usize,
        }
    }
}

const NANOS: f64 = 1e9;
const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// In nanoseconds: from what a stage takes when hot to longer than any request may take.
const SECONDS: &[u64] = &[
    MICRO,
    2 * MICRO + MICRO / 2,
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2 * MILLI + MILLI / 2,
    5 * MILLI,
    10 * MILLI,
    25 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    1_000 * MILLI,
    5_000 * MILLI,
    10_000 * MILLI,
];
const ENTITIES: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// What is counted for one service.
pub(crate) struct ServiceMetrics {
    /// By protocol and outcome.
    requests: [[AtomicU64; Outcome::COUNT]; Protocol::ALL.len()],
    nanos: Histogram,
}

impl fmt::Debug for ServiceMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceMetrics").finish_non_exhaustive()
    }
}

impl Default for ServiceMetrics {
    fn default() -> Self {
        let counters = |_| [const { AtomicU64::new(0) }; Outcome::COUNT];
        Self { requests: std::array::from_fn(counters), nanos: Histogram::new(SECONDS) }
    }
}

impl ServiceMetrics {
    fn record(&self, protocol: Protocol, outcome: Outcome, nanos: u64) {
        let counter = self.requests.get(protocol as usize).and_then(|protocol| protocol.get(outcome.index()));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.observe(nanos);
    }
}

/// What a request was, once it has ended.
pub(crate) struct Ended<'a> {
    pub protocol: Protocol,
    /// Counted apart where its service was never found.
    pub service: Option<&'a ServiceMetrics>,
    pub outcome: Outcome,
    pub nanos: u64,
    pub stages_nanos: [u64; Stage::COUNT],
    pub entities: Option<u64>,
}

/// What is counted for a whole server.
pub(crate) struct Metrics {
    unknown: ServiceMetrics,
    stages: [[Histogram; Stage::COUNT]; Protocol::ALL.len()],
    entities: [Histogram; Protocol::ALL.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = |_| std::array::from_fn(|_| Histogram::new(SECONDS));
        Self {
            unknown: ServiceMetrics::default(),
            stages: std::array::from_fn(seconds),
            entities: std::array::from_fn(|_| Histogram::new(ENTITIES)),
        }
    }
}

impl Metrics {
    /// Counts a request that has ended.
    pub fn record(&self, ended: &Ended<'_>) {
        ended.service.unwrap_or(&self.unknown).record(ended.protocol, ended.outcome, ended.nanos);
        let stages = self.stages.get(ended.protocol as usize).into_iter().flatten();
        for (histogram, nanos) in stages.zip(&ended.stages_nanos).filter(|(_, nanos)| **nanos > 0) {
            histogram.observe(*nanos);
        }
        if let (Some(histogram), Some(entities)) =
            (self.entities.get(ended.protocol as usize), ended.entities)
        {
            histogram.observe(entities);
        }
    }

    /// Writes all of it; `services` are those that are served now, by name.
    pub fn expose<'a>(&'a self, page: &mut Page, mut services: Vec<(String, &'a ServiceMetrics)>) {
        services.push(("unknown".to_owned(), &self.unknown));
        let requests = "twinstore_serve_requests_total";
        page.family(requests, "counter", "Requests that have ended, by service, protocol and code");
        for (service, metrics) in &services {
            for (protocol, by_outcome) in Protocol::ALL.iter().zip(&metrics.requests) {
                for (code, counter) in Outcome::names().zip(by_outcome) {
                    let count = counter.load(Ordering::Relaxed);
                    if count > 0 {
                        let labels =
                            [("service", service.as_str()), ("protocol", protocol.name()), ("code", code)];
                        page.sample(requests, &labels, count as f64);
                    }
                }
            }
        }
        let seconds = "twinstore_serve_request_seconds";
        page.family(seconds, "histogram", "From a request's head to its answer, by service");
        for (service, metrics) in &services {
            page.histogram(seconds, &[("service", service)], &metrics.nanos, NANOS);
        }
        let stage_seconds = "twinstore_serve_stage_seconds";
        page.family(
            stage_seconds,
            "histogram",
            "What the time of a request goes into, by protocol and stage",
        );
        for (protocol, stages) in Protocol::ALL.iter().zip(&self.stages) {
            for (stage, histogram) in Stage::ALL.iter().zip(stages) {
                let labels = [("protocol", protocol.name()), ("stage", stage.name())];
                page.histogram(stage_seconds, &labels, histogram, NANOS);
            }
        }
        let entities = "twinstore_serve_request_entities";
        page.family(entities, "histogram", "Entities in one request, by protocol");
        for (protocol, histogram) in Protocol::ALL.iter().zip(&self.entities) {
            page.histogram(entities, &[("protocol", protocol.name())], histogram, 1.0);
        }
    }
}
