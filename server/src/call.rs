//! One request from its head to its answer: how long it may take, what its time went into, and how it
//! ended. It is counted once, when it is dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use access::Identity;
use feature::{TraceParent, VersionId};
use tokio::time::Instant;

use crate::breakers::BREAKERS;
use crate::code::Code;
use crate::error::ServeError;
use crate::metrics::{Ended, Metrics, Outcome, Protocol, ServiceMetrics, Stage};
use crate::notice::{Notice, SERVICE};
use crate::request_traces::{RequestTraces, TracedRequest, TracedStage};
use crate::served::Served;
use crate::server_fault::ServerFault;

/// When the head of a request arrived, how long its caller waits, and who that is.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub at: Instant,
    /// `None` where the caller does not say.
    pub waits: Option<Duration>,
    /// The trace that the caller is in.
    pub trace: Option<TraceParent>,
    /// `None` where nobody has to say so.
    pub caller: Option<Arc<Identity>>,
}

impl Arrived {
    /// What the gate noted of a request; of one that did not pass it, that it arrives now.
    pub fn of(noted: Option<&Self>) -> Self {
        noted.cloned().unwrap_or_else(|| Self { at: Instant::now(), waits: None, trace: None, caller: None })
    }
}

/// How requests become calls: what counts them, how long they may take, and who records them.
pub(crate) struct Calls {
    metrics: Arc<Metrics>,
    longest: Duration,
    traces: Option<Arc<dyn RequestTraces>>,
}

impl Calls {
    /// Calls that take at most this long, and that nobody records.
    pub fn new(longest: Duration) -> Self {
        Self { metrics: Arc::default(), longest, traces: None }
    }

    /// The same, recorded there, as far as it wants them.
    #[must_use]
    pub fn recorded(self, traces: Arc<dyn RequestTraces>) -> Self {
        Self { traces: Some(traces), ..self }
    }

    /// Whether they may be recorded.
    pub fn are_recorded(&self) -> bool {
        self.traces.is_some()
    }

    /// What is counted of them.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How long the answer to a request may take.
    pub fn allowed(&self, arrived: &Arrived) -> Duration {
        arrived.waits.map_or(self.longest, |waits| waits.min(self.longest))
    }

    /// A request that has arrived.
    pub fn begin(&self, protocol: Protocol, arrived: &Arrived) -> Call {
        let traces = self.traces.as_ref().filter(|traces| traces.records(arrived.trace.as_ref()));
        let trace = traces.map(|traces| CallTrace {
            traces: Arc::clone(traces),
            parent: arrived.trace,
            began_nanos: [const { AtomicU64::new(0) }; Stage::COUNT],
        });
        Call {
            protocol,
            metrics: Arc::clone(&self.metrics),
            caller: arrived.caller.clone(),
            allowed: self.allowed(arrived),
            began: arrived.at,
            lap_nanos: AtomicU64::new(0),
            stages_nanos: [const { AtomicU64::new(0) }; Stage::COUNT],
            trace,
            service: OnceLock::new(),
            entities: OnceLock::new(),
            outcome: OnceLock::new(),
            head: OnceLock::new(),
        }
    }
}

/// A request that is being answered.
pub(crate) struct Call {
    protocol: Protocol,
    metrics: Arc<Metrics>,
    caller: Option<Arc<Identity>>,
    allowed: Duration,
    began: Instant,
    /// When the last stage ended, from the beginning.
    lap_nanos: AtomicU64,
    stages_nanos: [AtomicU64; Stage::COUNT],
    /// Where it is recorded.
    trace: Option<CallTrace>,
    service: OnceLock<Arc<ServiceMetrics>>,
    entities: OnceLock<u64>,
    outcome: OnceLock<Outcome>,
    head: OnceLock<Head>,
}

/// A call that is recorded.
struct CallTrace {
    traces: Arc<dyn RequestTraces>,
    parent: Option<TraceParent>,
    /// When each stage first began, from the beginning.
    began_nanos: [AtomicU64; Stage::COUNT],
}

/// What the head of its answer says.
#[derive(Debug)]
struct Head {
    /// The version of the service; `None` of views that no service names.
    service: Option<VersionId>,
    notice: Option<Arc<Notice>>,
    /// Which breakers were open.
    breakers: Option<String>,
}

impl Call {
    /// Who waits for the answer; `None` where nobody has to say so.
    pub fn caller(&self) -> Option<&Identity> {
        self.caller.as_deref()
    }

    /// The moment from which on nobody waits for the answer.
    pub fn deadline(&self) -> Instant {
        self.began + self.allowed
    }

    /// Refuses the call once that moment has come: work that is not begun is not done.
    pub fn in_time(&self) -> Result<(), ServeError> {
        if Instant::now() < self.deadline() { Ok(()) } else { Err(self.late()) }
    }

    /// That the moment has come.
    pub fn late(&self) -> ServeError {
        ServerFault::Late { millis: self.allowed.as_millis() }.into()
    }

    /// A stage has ended: what has passed since the last one did is its own.
    pub fn end_of(&self, stage: Stage) {
        let now = self.nanos();
        let last = self.lap_nanos.swap(now, Ordering::Relaxed);
        let since = now.saturating_sub(last);
        let Some(nanos) = self.stages_nanos.get(stage as usize) else { return };
        let is_first = nanos.fetch_add(since, Ordering::Relaxed) == 0;
        let began = self.trace.as_ref().filter(|_| is_first);
        if let Some(began) = began.and_then(|trace| trace.began_nanos.get(stage as usize)) {
            began.store(last, Ordering::Relaxed);
        }
    }

    /// Its service is found, or it is known to be a read of views.
    pub fn is_of(&self, service: &Arc<ServiceMetrics>) {
        self.service.get_or_init(|| Arc::clone(service));
    }

    /// It is answered by this, while these breakers are open.
    pub fn is_answered_by(&self, served: &Served, breakers: Option<String>) {
        let plan = served.plan();
        let service = (!plan.hash.is_empty()).then(|| plan.id.clone());
        self.head.get_or_init(|| Head { service, notice: served.notice().cloned(), breakers });
    }

    /// The headers of its answer.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let Some(Head { service, notice, breakers }) = self.head.get() else { return Vec::new() };
        let service = service.iter().map(|service| (SERVICE, service.to_string()));
        let breakers = breakers.iter().map(|said| (BREAKERS, said.clone()));
        service.chain(breakers).chain(notice.iter().flat_map(|notice| notice.headers())).collect()
    }

    /// It asks about this many entities.
    pub fn asks_about(&self, entities: usize) {
        self.entities.get_or_init(|| entities as u64);
    }

    /// It has ended. The first ending counts.
    pub fn ended<T>(&self, answer: &Result<T, ServeError>) {
        match answer {
            Ok(_) => self.answered(),
            Err(error) => self.refused(error.code()),
        }
    }

    /// It has ended with an answer.
    pub fn answered(&self) {
        self.outcome.get_or_init(|| Outcome::Answered);
    }

    /// It has ended without one.
    pub fn refused(&self, code: Code) {
        self.outcome.get_or_init(|| Outcome::Refused(code));
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl CallTrace {
    fn ended(&self, ended: &Ended<'_>, service: Option<&VersionId>) {
        let stages = Stage::ALL.iter().zip(&self.began_nanos).zip(ended.stages_nanos);
        let mut stages: Vec<TracedStage> = stages
            .filter(|(_, nanos)| *nanos > 0)
            .map(|((stage, began), nanos)| TracedStage {
                name: stage.name(),
                began: Duration::from_nanos(began.load(Ordering::Relaxed)),
                took: Duration::from_nanos(nanos),
            })
            .collect();
        stages.sort_by_key(|stage| stage.began);
        self.traces.ended(&TracedRequest {
            parent: self.parent,
            protocol: ended.protocol.name(),
            service,
            code: ended.outcome.name(),
            entities: ended.entities,
            took: Duration::from_nanos(ended.nanos),
            stages,
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let ended = Ended {
            protocol: self.protocol,
            service: self.service.get().map(Arc::as_ref),
            outcome: self.outcome.get().copied().unwrap_or(Outcome::Abandoned),
            nanos: self.nanos(),
            stages_nanos: self.stages_nanos.each_ref().map(|nanos| nanos.load(Ordering::Relaxed)),
            entities: self.entities.get().copied(),
        };
        self.metrics.record(&ended);
        if let Some(trace) = &self.trace {
            trace.ended(&ended, self.head.get().and_then(|head| head.service.as_ref()));
        }
    }
}
