//! Serve: online features over gRPC and HTTP, until it is stopped. What is applied and which versions are live is
//! followed while it runs, and so is what changes in the online store. Where topics lie on disk, one process is all of a
//! feature store: rows are pushed into them here, and followed into both stores.

use std::convert::Infallible;
use std::future::pending;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::{Resource, ResourceKind};
use feature::{Canary, Micros, Name, ServicePlan, ServiceRef, Span, VersionId};
use materializer::BadRowLimit;
use online::{HotTier, Reader, Store};
use read::FeatureReader;
use registry::{Kind, Registered, Registry, RegistryError, Using};
use server::{
    Addresses, BeginUse, Catalog, Ended, Limits, NotRecorded, Notice, Pages, Served, Server, Services,
    Serving, Views,
};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::hot;
use crate::background;
use crate::breakers::{BreakerWatch, Evidence, FollowedBreakers};
use crate::error::ProjectError;
use crate::followed_registry::FollowedRegistry;
use crate::missing_logs::all_views;
use crate::permission::{FollowedTls, Following};
use crate::project::Project;
use crate::pushing::{PushSources, ServedAt, Topics, lost_topics};
use crate::quality::value_watch::ValueWatch;
use crate::run::{Event, Run};
use crate::served::Verifier;
use crate::settings::ServeSettings;
use crate::slo::{Counting, ReadWatch};
use crate::streaming::{StreamSetup, StreamStatus, Streams, ViewStreamOptions, bad_row_limit};
use crate::telemetry::{RowTracer, Telemetry};

/// How often the registry is checked for changes.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// How long a row of a stream waits for others: less than with `stream`, as somebody may be waiting for it.
const FLUSH_AFTER: Span = Span::MILLISECOND.times(50);
/// Rows of one flush of a stream.
const FLUSH_ROWS: usize = 20_000;
/// Bytes that the folds of one view may take in memory.
const FOLD_BYTES: usize = 256 << 20;

/// What is served beside features.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Whether pushed rows are brought into both stores here, and not left to others.
    pub follows_streams: bool,
    /// The share of bad rows, from 0 to 1, beyond which the server says of a view that it is degraded.
    pub max_bad_share: f64,
    /// The pages that people see, if there are any.
    pub pages: Option<Arc<dyn Pages>>,
}

impl Default for Serve {
    fn default() -> Self {
        Self { follows_streams: true, max_bad_share: 0.1, pages: None }
    }
}

/// Serves until the run is cancelled; what is in flight then is finished.
pub(crate) async fn serve(project: &Project, options: &Serve, run: &Run) -> Result<(), ProjectError> {
    let began = match run.until_cancelled(begin(project, options, run)).await {
        // Stopped before it answered anybody.
        Err(ProjectError::Cancelled) => return Ok(()),
        began => began?,
    };
    let Began { addresses, mut applied, registered, read } = began;

    match read {
        hot::Read::Direct(store) => {
            let serving = applied.serving(store);
            answer(addresses, serving, applied, &registered, run, pending()).await
        }
        hot::Read::Hot(tier) => {
            hot::allow(&tier, &registered);
            applied.tier = Some(tier.clone());
            let (counted, standing_in, clock) = (tier.clone(), tier.clone(), project.clock);
            let serving = applied
                .serving(tier.clone())
                .with_samples(move || hot::samples(&counted.counts(), clock()))
                .with_stand_in(move || standing_in.stands_in());
            answer(addresses, serving, applied, &registered, run, hot::follow(&tier)).await
        }
    }
}

/// What there is before the first request.
struct Began {
    addresses: Addresses,
    applied: Applied,
    registered: Registered,
    read: hot::Read,
}

async fn begin(project: &Project, options: &Serve, run: &Run) -> Result<Began, ProjectError> {
    let bad_row_limit = bad_row_limit(options.max_bad_share)?;
    let (registry, registered) = project.registry_in_use().await?;
    let settings = &project.settings.serve;
    let addresses = Addresses {
        grpc: address("serve.grpc", &settings.grpc)?,
        http: address("serve.http", &settings.http)?,
    };
    let store = project.online_to_read(&registered, &all_views(&registered)).await?;
    let warnings = warnings(project, &registry, &registered, &store).await;
    let access = Following::begin(project, &registry).await?;
    let tls = FollowedTls::begin(project)?;
    protected(project, &addresses, access.is_some(), tls.is_some())?;
    let sources = PushSources::new(project);
    let watch = Arc::<ReadWatch>::default();
    let services = services(registered.clone(), &Services::default(), &sources, Some(&watch))?;
    let stream_status = Arc::<StreamStatus>::default();
    let topics = Arc::new(Topics::new(project, stream_status.clone()));
    topics.follow(&registered)?;
    let mut registry = FollowedRegistry::new(registry);
    registry.takes_on(&registered);
    let breakers = FollowedBreakers::default();
    breakers.follow(registry.registry()).await?;
    let value_watch = ValueWatch::begin(project, registry.registry());
    let telemetry = Telemetry::begin(project, "serve")?;
    let rows = telemetry.as_ref().map(Telemetry::rows);
    let applied = Applied {
        project: project.clone(),
        topics,
        registry,
        catalog: Arc::new(Catalog::new(services)),
        sources,
        watch,
        verifier: Verifier::begin(project),
        breakers,
        value_watch,
        streams: streams(
            project,
            options.follows_streams.then_some(bad_row_limit),
            &stream_status,
            rows,
            run,
        )
        .await?,
        telemetry,
        stream_status,
        tier: None,
        unfollowed: Arc::default(),
        pages: options.pages.clone(),
        access,
        tls,
        warnings,
    };
    let read = hot::before(store, settings, project.clock)?;
    Ok(Began { addresses, applied, registered, read })
}

/// Topics that are gone, and online rows that are not of their logs.
async fn warnings(
    project: &Project,
    registry: &Registry,
    registered: &Registered,
    store: &Store,
) -> Vec<String> {
    let lost = lost_topics(project, registry, registered).await;
    let others = project.other_prefixes(&all_views(registered), store).await;
    lost.iter().map(ToString::to_string).chain(others.values().map(ToString::to_string)).collect()
}

/// None yet; none at all where topics are Kafka's, or are left to others.
async fn streams(
    project: &Project,
    follows: Option<BadRowLimit>,
    stream_status: &Arc<StreamStatus>,
    rows: Option<RowTracer>,
    run: &Run,
) -> Result<Option<Streams>, ProjectError> {
    let Some(bad_row_limit) = follows.filter(|_| project.has_topics_on_disk()) else { return Ok(None) };
    let each = ViewStreamOptions {
        flush_rows: FLUSH_ROWS,
        flush_after: FLUSH_AFTER,
        bad_row_limit,
        fold_bytes: FOLD_BYTES,
        until_caught_up: false,
        faults: Arc::default(),
    };
    // The server goes on where a stream ends: nobody waits for that.
    let (endings, _) = mpsc::unbounded_channel();
    let setup = StreamSetup {
        by: "serve",
        online: project.online().await?,
        options: each,
        derives: true,
        stream_status: stream_status.clone(),
        traces: rows,
        endings,
    };
    Streams::new(project, setup, run).await.map(Some)
}

/// Answers until the run is cancelled. The registry and the online store are followed until the
/// last answer is given, and streams until all that they read is committed.
async fn answer<R: Reader + 'static>(
    addresses: Addresses,
    serving: Serving<R>,
    mut applied: Applied,
    registered: &Registered,
    run: &Run,
    store_is_followed: impl Future<Output = Infallible>,
) -> Result<(), ProjectError> {
    let services = applied.catalog.services().ids().cloned().collect();
    let server = Server::bind(addresses, serving).await?;
    let server = match &applied.tls {
        Some(tls) => server.with_tls(tls.tls()),
        None => server,
    };
    let bound = server.addresses();
    if let Some(telemetry) = &applied.telemetry {
        telemetry.exposes(server.metrics());
    }
    let _served_at = ServedAt::note(&applied.project, bound.http)?;
    run.report(Event::Serving { services, grpc: bound.grpc, http: bound.http });
    applied.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if let Some(streams) = &mut applied.streams {
        streams.follow(registered).await?;
    }
    let counting = Counting::begin(
        &applied.project,
        applied.registry.registry(),
        &applied.watch,
        (&applied.stream_status, &applied.verifier.counts),
    );
    let evidence = Evidence {
        stream_status: applied.stream_status.clone(),
        served: Some(applied.verifier.counts.clone()),
        reads: Some(applied.watch.clone()),
    };
    let following = applied.breakers.begin(&applied.project, applied.registry.registry());
    let breaker_watch = BreakerWatch::begin(&applied.project, applied.registry.registry(), evidence);
    let stop = {
        let run = run.clone();
        async move {
            run.cancel.cancelled().await;
            run.report(Event::StoppingServer);
        }
    };
    let ended = tokio::select! {
        ended = server.run(stop) => ended?,
        never = applied.follow() => match never {},
        never = store_is_followed => match never {},
    };
    following.stop().await;
    counting.stop().await;
    breaker_watch.stop().await;
    applied.verifier.stop().await;
    applied.value_watch.stop().await;
    if let Some(access) = &mut applied.access {
        access.write_down(&applied.project, applied.registry.registry()).await;
    }
    if let Some(streams) = applied.streams {
        // One that panicked has said so, and what it read is read again.
        let _ = streams.stop().await;
    }
    if let Some(telemetry) = applied.telemetry {
        telemetry.stop().await;
    }
    match ended {
        Ended::Drained => Ok(()),
        Ended::CutOff => Err(ProjectError::CutOff),
    }
}

/// What was applied, as it is served.
struct Applied {
    project: Project,
    registry: FollowedRegistry,
    catalog: Arc<Catalog>,
    sources: PushSources,
    /// Counts reads for freshness objectives.
    watch: Arc<ReadWatch>,
    /// Compares a sample of what is served with the log.
    verifier: Verifier,
    /// The circuit breakers that are open.
    breakers: FollowedBreakers,
    /// Looks for what changed in the values that come in.
    value_watch: ValueWatch,
    streams: Option<Streams>,
    stream_status: Arc<StreamStatus>,
    topics: Arc<Topics>,
    /// It learns what views allow.
    tier: Option<Arc<HotTier<Store>>>,
    unfollowed: Arc<Mutex<Option<(Micros, String)>>>,
    pages: Option<Arc<dyn Pages>>,
    /// What goes to a collector.
    telemetry: Option<Telemetry>,
    /// Who may be answered; `None` where everybody is.
    access: Option<Following>,
    tls: Option<FollowedTls>,
    /// What is wrong with what it serves from the start on; said once it serves.
    warnings: Vec<String>,
}

impl Applied {
    /// Answers from a store, and takes pushed rows.
    fn serving<R: Reader>(&self, store: R) -> Serving<R> {
        let (stream_status, degraded, clock) =
            (self.stream_status.clone(), self.stream_status.clone(), self.project.clock);
        let values = self.value_watch.exposition();
        let (unfollowed, watch, served) =
            (self.unfollowed.clone(), self.watch.clone(), self.verifier.counts.clone());
        let breakers = self.breakers.clone();
        let serving = Serving::new(self.catalog.clone(), store, clock, limits(&self.project.settings.serve))
            .with_breakers(breakers.breakers.clone())
            .with_sink(self.topics.clone())
            .with_degraded(move || degraded.degraded())
            .with_sampling(self.verifier.sampling.clone())
            .with_families(move || {
                stream_status.prometheus()
                    + &watch.prometheus(clock())
                    + &served.prometheus()
                    + &values()
                    + &background::exposition()
                    + &breakers.prometheus(clock())
            })
            .with_unfollowed(move || unfollowed.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .with_first_use(begin_use(self.project.clone(), "serve"));
        let serving = match &self.access {
            Some(access) => serving.with_access(access.control()),
            None => serving,
        };
        let serving = match &self.telemetry {
            Some(telemetry) => serving.with_traces(telemetry.requests()),
            None => serving,
        };
        match &self.pages {
            Some(pages) => serving.with_pages(Arc::clone(pages)),
            None => serving,
        }
    }

    /// Takes on what is applied from now on, and which versions are made live. What cannot be taken on is
    /// said once, and tried again; until then the server goes on with what it has.
    async fn follow(&mut self) -> Infallible {
        let mut ticks = interval(FOLLOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        loop {
            ticks.tick().await;
            if let Some(tls) = &mut self.tls {
                tls.follow();
            }
            match self.next().await {
                Ok(()) => {
                    said.clear();
                    *self.unfollowed.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                Err(error) => {
                    let sentence = error.to_string();
                    self.is_unfollowed(&sentence);
                    if sentence != said {
                        tracing::warn!("the registry cannot be followed: {sentence}");
                        said = sentence;
                    }
                }
            }
        }
    }

    /// Notes that the registry cannot be followed, and since when.
    fn is_unfollowed(&self, why: &str) {
        let mut unfollowed = self.unfollowed.lock().unwrap_or_else(PoisonError::into_inner);
        let since = unfollowed.as_ref().map_or_else(|| self.project.now(), |(since, _)| *since);
        *unfollowed = Some((since, why.to_owned()));
    }

    /// Takes on what the registry holds, if it has changed, and who may read it. One that replaced it is opened again.
    async fn next(&mut self) -> Result<(), ProjectError> {
        let changed = self.registry.changed(&self.project).await?;
        if let Some(access) = &mut self.access {
            access.follow(&self.project, self.registry.registry()).await?;
        }
        let Some(registered) = changed else { return Ok(()) };
        let generation = registered.generation();
        if let Some(tier) = &self.tier {
            hot::allow(tier, &registered);
        }
        let (before, defined, sources) = (self.catalog.services(), registered.clone(), self.sources.clone());
        let watch = self.watch.clone();
        // Expressions are compiled meanwhile, and requests are not to wait for that.
        let services =
            tokio::task::spawn_blocking(move || services(defined, &before, &sources, Some(&watch))).await;
        let services = services.map_err(ProjectError::NotCompiled)?;
        self.topics.follow(&registered)?;
        self.catalog.replace(services?);
        if let Some(streams) = &mut self.streams {
            streams.follow(&registered).await?;
        }
        tracing::info!(generation, "the registry has changed: serving what it says now");
        self.registry.takes_on(&registered);
        Ok(())
    }
}

/// Records the first answered read of each service, and of each view that none names.
pub(super) fn begin_use(project: Project, by: &'static str) -> BeginUse {
    Box::new(move |plan| {
        let (project, using) = (project.clone(), Using::service(plan));
        Box::pin(async move {
            // The one that is there now: another may have replaced the one that was served from.
            let registry = project.registry_so_far().await;
            let registry = registry.map_err(|error| NotRecorded::Failed(error.to_string()))?;
            let registry = registry.ok_or_else(|| NotRecorded::Failed("the registry is gone".to_owned()))?;
            let begun = registry.begin_use(&using, by, project.now()).await;
            begun.map_err(|error| match error {
                RegistryError::Moved { .. } => NotRecorded::Moved(error.to_string()),
                error => NotRecorded::Failed(error.to_string()),
            })
        })
    })
}

/// Every registered version of every service, which of them are live, and every view. A service that
/// was compiled before stays as it is.
pub(super) fn services(
    registered: Registered,
    before: &Services,
    sources: &PushSources,
    watch: Option<&Arc<ReadWatch>>,
) -> Result<Services, ProjectError> {
    let mut readers = Vec::new();
    let mut live = Vec::new();
    if let Some(watch) = watch {
        watch.follow(&registered);
    }
    for service in registered.services() {
        let plan = registered.service_plan(&ServiceRef::Exact(service.id.clone()))?;
        if registered.live(&service.id.name) == Some(service.id.version) {
            live.push(service.id.clone());
        }
        let compiled = before.exact(&service.id).filter(|reader| **reader.plan() == plan).cloned();
        let notice = notice(&registered, &plan);
        let resource = Resource::new(ResourceKind::Service, plan.id.to_string());
        let resource = resource.tagged(registered.tags_of_service(&plan));
        let reader = match compiled {
            Some(reader) => reader.with_notice(notice),
            None => Served::new(FeatureReader::new(Arc::new(plan))?).with_notice(notice),
        };
        let reader = reader.guarded_by([resource]);
        let watched = watch.map(|watch| watch.of(reader.plan(), service.consumer.as_ref()));
        readers.push(Arc::new(match watched {
            Some(watched) => reader.watched_by(watched),
            None => reader,
        }));
    }
    if readers.is_empty() {
        return Err(ProjectError::NoService);
    }
    let sources = sources.of(&registered)?;
    let canaries: Vec<Canary> =
        live.iter().filter_map(|id| registered.rollout(&id.name)?.canary.clone()).collect();
    let ids: Vec<VersionId> = registered.readable().cloned().collect();
    let id = VersionId { name: "views".parse::<Name>()?, version: 1 };
    let retired: Vec<(VersionId, String)> = registered
        .retirements()
        .filter(|(id, _)| id.kind == Kind::FeatureService)
        .filter_map(|(id, retirement)| Some((id.version_id()?, retirement.to_string())))
        .collect();
    let registered = Arc::new(registered);
    let tagged = Arc::clone(&registered);
    let views = Views::new(ids, move |views| {
        let plan = registered.views_plan(id.clone(), views).map_err(|error| error.to_string())?;
        let notice = notice(&registered, &plan);
        Ok((plan, notice))
    });
    let views = views.guarded_by(move |view| tagged.tags_of_view(view).map_err(|error| error.to_string()));
    let views = match watch.cloned() {
        Some(watch) => views.watched_by(move |plan| watch.of(plan, None)),
        None => views,
    };
    let services = Services::new(readers, live).with_canaries(canaries).with_retired(retired);
    Ok(services.with_views(views).with_sources(sources))
}

/// Refuses to answer others than this machine where nothing says who may read, unless that is set so.
fn protected(
    project: &Project,
    addresses: &Addresses,
    has_policy: bool,
    has_tls: bool,
) -> Result<(), ProjectError> {
    let settings = &project.settings;
    for (key, address) in [("serve.grpc", addresses.grpc), ("serve.http", addresses.http)] {
        if address.ip().is_loopback() {
            continue;
        }
        if !has_policy && !settings.serve.unprotected {
            let policy = settings.access.policy.clone();
            return Err(ProjectError::Unprotected { key, address, policy });
        }
        if has_policy && !has_tls {
            tracing::warn!(
                "tokens go to {address} as they are: set `serve.tls_certificate` and `serve.tls_key`, or end TLS before the server"
            );
        }
    }
    Ok(())
}

/// The bounds of the server, as far as the settings say them.
fn limits(settings: &ServeSettings) -> Limits {
    Limits {
        max_body_bytes: settings.body_bytes,
        max_connections_per_peer: settings.connections_per_peer.max(1),
        ..Limits::default()
    }
}

/// What answers of a service say, where it or what it reads is deprecated.
fn notice(registered: &Registered, plan: &ServicePlan) -> Option<Notice> {
    let deprecated = registered.deprecated_of(plan);
    let since = deprecated.iter().map(|one| one.deprecation.since).min()?;
    let sunset = deprecated.iter().map(|one| one.deprecation.sunset).min()?;
    Some(Notice {
        versions: deprecated.iter().map(|one| one.version.reference()).collect(),
        since,
        sunset,
        sentence: deprecated.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    })
}

fn address(key: &'static str, text: &str) -> Result<SocketAddr, ProjectError> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| ProjectError::Address { key, text: feature::redacted(text).into_owned() })
}
