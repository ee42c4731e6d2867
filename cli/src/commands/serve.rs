//! `serve`: online features over gRPC and HTTP, until it is told to stop. What is applied and which
//! versions are live is followed while it runs, and so is what changes in the online store. Where topics lie
//! on disk, one command is all of a feature store: rows are pushed into them here, and followed into both
//! stores in the same process.

mod hot;
mod served_at;
mod sources;
mod streams;
mod topics;

use std::convert::Infallible;
use std::future::pending;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use feature::{ServiceRef, VersionId};
use online::{HotTier, Reader, Store};
use read::FeatureReader;
use registry::{Registered, Registry, RegistryError, Using};
use server::{
    Addresses, BeginUse, Catalog, Ended, Limits, NotRecorded, Served, Server, Services, Serving, Views,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use self::served_at::ServedAt;
pub use self::served_at::served_at;
pub use self::sources::Sources;
use self::streams::Streams;
pub use self::topics::Topics;
use crate::arguments::ServeArgs;
use crate::clock;
use crate::failure::Failure;
use crate::project::Project;

/// How often the registry is asked whether it has changed.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

pub async fn serve(project: &Project, args: &ServeArgs) -> Result<(), Failure> {
    let streams = Streams::new(project, args)?;
    let registered = project.registered().await?;
    let settings = &project.settings.serve;
    let addresses = Addresses {
        grpc: address("serve.grpc", &settings.grpc)?,
        http: address("serve.http", &settings.http)?,
    };
    let sources = Sources::new(project);
    let services = services(registered.clone(), &Services::default(), &sources)?;
    let topics = Arc::new(Topics::new(project, streams.board()));
    topics.follow(&registered)?;
    let mut applied = Applied {
        topics,
        registry: project.registry().await?,
        generation: registered.generation(),
        catalog: Arc::new(Catalog::new(services)),
        sources,
        streams,
        tier: None,
    };
    match hot::before(project.online().await?, settings)? {
        hot::Read::Direct(store) => {
            let serving = applied.serving(store);
            run(project, addresses, serving, applied, &registered, pending()).await
        }
        hot::Read::Hot(tier) => {
            hot::allow(&tier, &registered);
            applied.tier = Some(tier.clone());
            let (counted, standing_in) = (tier.clone(), tier.clone());
            let serving = applied
                .serving(tier.clone())
                .with_samples(move || hot::samples(&counted.counts(), clock::now()))
                .with_stand_in(move || standing_in.stands_in());
            run(project, addresses, serving, applied, &registered, hot::follow(&tier)).await
        }
    }
}

/// Answers until the process is told to stop. The registry and the online store are followed until the
/// last answer is given, and streams until all that they read is committed.
async fn run<R: Reader + 'static>(
    project: &Project,
    addresses: Addresses,
    serving: Serving<R>,
    mut applied: Applied<'_>,
    registered: &Registered,
    store_is_followed: impl Future<Output = Infallible>,
) -> Result<(), Failure> {
    let served: Vec<String> = applied.catalog.services().ids().map(VersionId::to_string).collect();
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Server::bind(addresses, serving).await?;
    let bound = server.addresses();
    let _served_at = ServedAt::note(project, bound.http)?;
    eprintln!("serving {} on gRPC {} and HTTP {}", served.join(", "), bound.grpc, bound.http);
    applied.streams.follow(registered).await?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopping: finishing what is in flight");
    };
    let ended = tokio::select! {
        ended = server.run(stop) => ended?,
        never = applied.follow() => match never {},
        never = store_is_followed => match never {},
    };
    applied.streams.stop().await;
    match ended {
        Ended::Drained => Ok(()),
        Ended::CutOff => Err(Failure::new(
            "some requests were still in flight when the time to drain was up, and were cut off",
        )),
    }
}

/// What was applied, as it is served.
struct Applied<'a> {
    registry: Registry,
    generation: u64,
    catalog: Arc<Catalog>,
    sources: Sources,
    streams: Streams<'a>,
    topics: Arc<Topics>,
    /// It is told what views allow.
    tier: Option<Arc<HotTier<Store>>>,
}

impl Applied<'_> {
    /// Answers from a store, and takes pushed rows.
    fn serving<R: Reader>(&self, store: R) -> Serving<R> {
        let (board, degraded) = (self.streams.board(), self.streams.board());
        Serving::new(self.catalog.clone(), store, clock::now, Limits::default())
            .with_sink(self.topics.clone())
            .with_degraded(move || degraded.degraded())
            .with_families(move || board.prometheus())
            .with_first_use(begin_use(self.registry.clone()))
    }

    /// Takes on what is applied from now on, and which versions are made live. What cannot be taken on is
    /// said once, and tried again; until then the server goes on with what it has.
    async fn follow(&mut self) -> Infallible {
        let mut ticks = interval(FOLLOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        loop {
            ticks.tick().await;
            match self.next().await {
                Ok(()) => said.clear(),
                Err(failure) => {
                    let sentence = failure.to_string();
                    if sentence != said {
                        tracing::warn!("the registry cannot be followed: {sentence}");
                        said = sentence;
                    }
                }
            }
        }
    }

    /// Takes on what the registry holds, if it has changed.
    async fn next(&mut self) -> Result<(), Failure> {
        if self.registry.generation().await? == self.generation {
            return Ok(());
        }
        let registered = self.registry.registered().await?;
        let generation = registered.generation();
        if let Some(tier) = &self.tier {
            hot::allow(tier, &registered);
        }
        let (before, defined, sources) = (self.catalog.services(), registered.clone(), self.sources.clone());
        // Expressions are compiled meanwhile, and requests are not to wait for that.
        let services = tokio::task::spawn_blocking(move || services(defined, &before, &sources)).await;
        let services =
            services.map_err(|error| Failure::new(format!("the services cannot be compiled: {error}")))?;
        self.topics.follow(&registered)?;
        self.catalog.replace(services?);
        self.streams.follow(&registered).await?;
        tracing::info!(generation, "the registry has changed: serving what it says now");
        self.generation = generation;
        Ok(())
    }
}

/// Records the first answered read of each service, and of each view that none names.
fn begin_use(registry: Registry) -> BeginUse {
    Box::new(move |plan| {
        let (registry, using) = (registry.clone(), Using::service(plan));
        Box::pin(async move {
            let begun = registry.begin_use(&using, "serve", clock::now()).await;
            begun.map_err(|error| match error {
                RegistryError::Moved { .. } => NotRecorded::Moved(error.to_string()),
                error => NotRecorded::Failed(error.to_string()),
            })
        })
    })
}

/// Every registered version of every service, which of them are live, and every view. A service that
/// was compiled before stays as it is.
fn services(registered: Registered, before: &Services, sources: &Sources) -> Result<Services, Failure> {
    let mut readers = Vec::new();
    let mut live = Vec::new();
    for service in registered.services() {
        let plan = registered.service_plan(&ServiceRef::Exact(service.id.clone()))?;
        if registered.live(&service.id.name) == Some(service.id.version) {
            live.push(service.id.clone());
        }
        let compiled = before.exact(&service.id).filter(|reader| **reader.plan() == plan).cloned();
        readers.push(match compiled {
            Some(reader) => reader,
            None => Arc::new(Served::new(FeatureReader::new(Arc::new(plan))?)),
        });
    }
    if readers.is_empty() {
        return Err(Failure::new("no service is registered: define a `feature_service` and apply it"));
    }
    let sources = sources.of(&registered)?;
    let ids: Vec<VersionId> = registered.readable().cloned().collect();
    let id: VersionId = "views@1".parse().map_err(|error| Failure::new(format!("{error}")))?;
    let views = Views::new(ids, move |views| {
        registered.views_plan(id.clone(), views).map_err(|error| error.to_string())
    });
    Ok(Services::new(readers, live).with_views(views).with_sources(sources))
}

fn address(key: &str, text: &str) -> Result<SocketAddr, Failure> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        Failure::new(format!("`{key}` is `{text}`, which is no address: write it as 127.0.0.1:6566"))
    })
}
