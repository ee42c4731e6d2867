//! What sends spans and metrics to a collector, in the background.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use feature::{Micros, TraceParent, VersionId};
use materializer::{RowTraces, TracedRow};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use server::{RequestTraces, TracedRequest};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::metrics::{Counted, metrics};
use super::spans::{StoreKind, nanos, of_request, of_row, text};
use crate::background::Background;
use crate::error::ProjectError;
use crate::project::Project;

/// Requests and rows whose spans wait to be sent; more are counted and left out.
const MOST_WAITING: usize = 4_096;
/// Spans of one message.
const MOST_OF_A_MESSAGE: usize = 2_048;
/// How often spans are sent that are not enough for a message.
const SPANS_EVERY: Duration = Duration::from_secs(1);
/// How often metrics are sent.
const METRICS_EVERY: Duration = Duration::from_secs(15);
/// How long a collector may take, while it works and at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What gives all metrics, as Prometheus reads them.
type Exposition = Box<dyn Fn() -> String + Send + Sync>;

/// A process that reports to a collector.
pub(crate) struct Telemetry {
    tracer: Arc<Tracer>,
    exposition: Arc<OnceLock<Exposition>>,
    sending: Background<()>,
}

/// What takes spans and hands them to the task that sends them.
struct Tracer {
    spans: mpsc::Sender<Vec<Span>>,
    left_out: Arc<AtomicU64>,
    /// The share of requests that are recorded whose callers are in no trace.
    sample: f64,
    clock: fn() -> Micros,
    store: StoreKind,
}

impl Telemetry {
    /// Of the settings; `None` where they name no collector.
    pub(crate) fn begin(project: &Project, command: &'static str) -> Result<Option<Self>, ProjectError> {
        let settings = &project.settings.telemetry;
        if settings.url.is_empty() {
            return Ok(None);
        }
        let is_http = settings.url.starts_with("http://") || settings.url.starts_with("https://");
        if !is_http || !(0.0..=1.0).contains(&settings.sample) {
            let url = feature::redacted(&settings.url).into_owned();
            return Err(ProjectError::Telemetry { url, sample: settings.sample });
        }
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(ProjectError::Collector)?;
        let (spans, waiting) = mpsc::channel(MOST_WAITING);
        let (left_out, exposition) = <(Arc<AtomicU64>, Arc<OnceLock<Exposition>>)>::default();
        let (kind, _) = project.settings.online.url.split_once("://").unwrap_or(("embedded", ""));
        let store = if kind.starts_with("redis") { "redis" } else { "embedded" };
        let sender = Sender {
            client,
            url: settings.url.trim_end_matches('/').to_owned(),
            resource: resource(project, command),
            exposition: Arc::clone(&exposition),
            clock: project.clock,
            since: project.now(),
            left_out: Arc::clone(&left_out),
            is_failing: false,
        };
        let sending = Background::begin("nothing is sent to the collector", |stop| sender.run(waiting, stop));
        let (sample, clock) = (settings.sample, project.clock);
        let tracer = Arc::new(Tracer { spans, left_out, sample, clock, store });
        Ok(Some(Self { tracer, exposition, sending }))
    }

    /// Sends these metrics from now on.
    pub(crate) fn exposes(&self, metrics: impl Fn() -> String + Send + Sync + 'static) {
        self.exposition.get_or_init(|| Box::new(metrics));
    }

    /// Takes the requests of a server.
    pub(crate) fn requests(&self) -> Arc<dyn RequestTraces> {
        self.tracer.clone()
    }

    /// Takes the rows of views.
    pub(crate) fn rows(&self) -> RowTracer {
        RowTracer(Arc::clone(&self.tracer))
    }

    /// Sends what there is, and ends.
    pub(crate) async fn stop(self) {
        self.sending.stop().await;
    }
}

/// Takes the rows of views.
#[derive(Clone, Debug)]
pub(crate) struct RowTracer(Arc<Tracer>);

impl RowTracer {
    /// Those of one view.
    pub(crate) fn of(&self, view: &VersionId) -> Arc<dyn RowTraces> {
        Arc::new(ViewTracer { tracer: Arc::clone(&self.0), view: view.clone() })
    }
}

#[derive(Debug)]
struct ViewTracer {
    tracer: Arc<Tracer>,
    view: VersionId,
}

impl RowTraces for ViewTracer {
    fn committed(&self, row: &TracedRow) {
        self.tracer.send(of_row(&self.view, row, self.tracer.store));
    }
}

impl Tracer {
    fn send(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.spans.try_send(spans).is_err() {
            self.left_out.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("sample", &self.sample).finish_non_exhaustive()
    }
}

impl RequestTraces for Tracer {
    fn records(&self, parent: Option<&TraceParent>) -> bool {
        match parent {
            Some(parent) => parent.is_sampled,
            None => self.sample > 0.0 && fastrand::f64() < self.sample,
        }
    }

    fn ended(&self, request: &TracedRequest<'_>) {
        self.send(of_request(request, (self.clock)(), self.store));
    }
}

/// The process, as a collector shows it.
fn resource(project: &Project, command: &str) -> Resource {
    let attributes = vec![
        text("service.name", "twinstore"),
        text("service.namespace", &project.settings.project),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", format!("{command}-{}", std::process::id())),
        text("twinstore.command", command),
    ];
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    let (name, version) = ("twinstore".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    InstrumentationScope { name, version, ..InstrumentationScope::default() }
}

struct Sender {
    client: reqwest::Client,
    url: String,
    resource: Resource,
    exposition: Arc<OnceLock<Exposition>>,
    clock: fn() -> Micros,
    since: Micros,
    left_out: Arc<AtomicU64>,
    is_failing: bool,
}

impl Sender {
    async fn run(mut self, mut waiting: mpsc::Receiver<Vec<Span>>, stop: CancellationToken) {
        let now = Instant::now();
        let mut spans_due = interval_at(now + SPANS_EVERY, SPANS_EVERY);
        let mut metrics_due = interval_at(now + METRICS_EVERY, METRICS_EVERY);
        let mut spans = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(more) = waiting.recv() => {
                    spans.extend(more);
                    if spans.len() >= MOST_OF_A_MESSAGE {
                        self.send_spans(&mut spans).await;
                    }
                }
                _ = spans_due.tick() => self.send_spans(&mut spans).await,
                _ = metrics_due.tick() => self.send_metrics().await,
            }
        }
        while let Ok(more) = waiting.try_recv() {
            spans.extend(more);
        }
        // A collector that is gone does not hold up the end of the process.
        let last = async {
            self.send_spans(&mut spans).await;
            self.send_metrics().await;
        };
        let _ = timeout(PATIENCE, last).await;
    }

    async fn send_spans(&mut self, spans: &mut Vec<Span>) {
        if spans.is_empty() {
            return;
        }
        let spans = std::mem::take(spans);
        let count = spans.len() as u64;
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans,
            ..ResourceSpans::default()
        }];
        if !self.post("v1/traces", ExportTraceServiceRequest { resource_spans }.encode_to_vec()).await {
            self.left_out.fetch_add(count, Ordering::Relaxed);
        }
    }

    async fn send_metrics(&mut self) {
        let counted = Counted { since: nanos(self.since), until: nanos((self.clock)()) };
        let page = self.exposition.get().map(|exposition| exposition()).unwrap_or_default();
        let metrics = metrics(&(page + &self.own()), counted);
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics,
            ..ResourceMetrics::default()
        }];
        self.post("v1/metrics", ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()).await;
    }

    /// What did not reach the collector.
    fn own(&self) -> String {
        let mut page = exposition::Page::default();
        page.alone(&exposition::Sample {
            name: "twinstore_telemetry_spans_left_out_total",
            help: "Spans that the collector did not take, or that were too many at once",
            kind: exposition::SampleKind::Counter,
            value: self.left_out.load(Ordering::Relaxed) as f64,
        });
        page.into_text()
    }

    /// Sends a message; whether the collector took it. That it does not is said once, and once that it does again.
    async fn post(&mut self, path: &str, body: Vec<u8>) -> bool {
        let request = self.client.post(format!("{}/{path}", self.url));
        let sent = request.header("content-type", "application/x-protobuf").body(body).send().await;
        let sent = sent.and_then(reqwest::Response::error_for_status);
        match (&sent, self.is_failing) {
            (Err(error), false) => {
                let why = error.to_string();
                tracing::warn!(
                    "the collector at {} takes no telemetry, which is left out until it does: {}",
                    feature::redacted(&self.url),
                    feature::without_logins(&why)
                );
            }
            (Ok(_), true) => tracing::info!("the collector takes telemetry again"),
            _ => {}
        }
        self.is_failing = sent.is_err();
        sent.is_ok()
    }
}
