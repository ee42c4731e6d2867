//! `serve`: online features over gRPC and HTTP, until it is told to stop. What is applied and which
//! versions are live is followed while it runs. Where topics lie on disk, one command is all of a feature
//! store: rows are pushed into them here, and followed into both stores in the same process.

mod sources;
mod streams;
mod topics;

use std::convert::Infallible;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use feature::{ServiceRef, VersionId};
use registry::{Registered, Registry};
use server::{Addresses, Catalog, Ended, FeatureReader, Limits, Server, Services, Serving, Views};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use self::sources::Sources;
use self::streams::Streams;
use self::topics::Topics;
use crate::arguments::ServeArgs;
use crate::clock;
use crate::failure::Failure;
use crate::project::Project;

/// How often the registry is asked whether it has changed.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

pub async fn serve(project: &Project, args: &ServeArgs) -> Result<(), Failure> {
    if !(0.0..=1.0).contains(&args.max_bad_share) {
        return Err(Failure::new("--max-bad-share is a share: a number from 0 to 1"));
    }
    let registered = project.registered().await?;
    let registry = project.registry().await?;
    let generation = registered.generation();
    let sources = Sources::new(project);
    let catalog = services(registered.clone(), &Services::default(), &sources)?;
    let catalog = Arc::new(Catalog::new(catalog));
    let addresses = Addresses {
        grpc: address("serve.grpc", &project.settings.serve.grpc)?,
        http: address("serve.http", &project.settings.serve.http)?,
    };
    let mut streams = Streams::new(project, args);
    let topics = Arc::new(Topics::new(project, streams.board()));
    let board = streams.board();
    let serving = Serving::new(catalog.clone(), project.online().await?, clock::now, Limits::default());
    let serving = serving.with_sink(topics).with_families(move || board.prometheus());
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Server::bind(addresses, serving).await?;
    let bound = server.addresses();
    let served: Vec<String> = catalog.services().ids().map(VersionId::to_string).collect();
    eprintln!("serving {} on gRPC {} and HTTP {}", served.join(", "), bound.grpc, bound.http);
    streams.follow(&registered).await?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopping: finishing what is in flight");
    };
    let ended = tokio::select! {
        ended = server.run(stop) => ended?,
        never = follow(&registry, &catalog, &sources, &mut streams, generation) => match never {},
    };
    streams.stop().await;
    match ended {
        Ended::Drained => Ok(()),
        Ended::CutOff => Err(Failure::new(
            "some requests were still in flight when the time to drain was up, and were cut off",
        )),
    }
}

/// Takes on what is applied after this generation, and which versions are made live. What cannot be
/// taken on is said once, and tried again; until then the server goes on with what it has.
async fn follow(
    registry: &Registry,
    catalog: &Catalog,
    sources: &Sources,
    streams: &mut Streams<'_>,
    mut generation: u64,
) -> Infallible {
    let mut ticks = interval(FOLLOW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = String::new();
    loop {
        ticks.tick().await;
        match next(registry, catalog, sources, streams, generation).await {
            Ok(newer) => {
                if newer != generation {
                    tracing::info!(generation = newer, "the registry has changed: serving what it says now");
                    generation = newer;
                }
                said.clear();
            }
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

/// Takes on what the registry holds, if it has changed. Gives its generation.
async fn next(
    registry: &Registry,
    catalog: &Catalog,
    sources: &Sources,
    streams: &mut Streams<'_>,
    generation: u64,
) -> Result<u64, Failure> {
    if registry.generation().await? == generation {
        return Ok(generation);
    }
    let registered = registry.registered().await?;
    let generation = registered.generation();
    let (before, defined, sources) = (catalog.services(), registered.clone(), sources.clone());
    // Expressions are compiled meanwhile, and requests are not to wait for that.
    let services = tokio::task::spawn_blocking(move || services(defined, &before, &sources)).await;
    let services =
        services.map_err(|error| Failure::new(format!("the services cannot be compiled: {error}")))?;
    catalog.replace(services?);
    streams.follow(&registered).await?;
    Ok(generation)
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
            None => Arc::new(FeatureReader::new(Arc::new(plan))?),
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
