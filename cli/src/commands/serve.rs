//! `serve`: online features over gRPC and HTTP, until it is told to stop.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use feature::{ServiceRef, VersionId};
use registry::Registered;
use server::{Addresses, Catalog, Ended, FeatureReader, Limits, Server, Services, Serving};
use tokio::signal::unix::{SignalKind, signal};

use crate::clock;
use crate::failure::Failure;
use crate::project::Project;

pub async fn serve(project: &Project) -> Result<(), Failure> {
    let registered = project.registered().await?;
    let catalog = Arc::new(Catalog::new(services(&registered)?));
    let addresses = Addresses {
        grpc: address("serve.grpc", &project.settings.serve.grpc)?,
        http: address("serve.http", &project.settings.serve.http)?,
    };
    let serving = Serving::new(catalog.clone(), project.online().await?, clock::now, Limits::default());
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Server::bind(addresses, serving).await?;
    let bound = server.addresses();
    let served: Vec<String> = catalog.services().ids().map(VersionId::to_string).collect();
    eprintln!("serving {} on gRPC {} and HTTP {}", served.join(", "), bound.grpc, bound.http);
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopping: finishing what is in flight");
    };
    match server.run(stop).await? {
        Ended::Drained => Ok(()),
        Ended::CutOff => Err(Failure::new(
            "some requests were still in flight when the time to drain was up, and were cut off",
        )),
    }
}

/// Every registered version of every service, and which of them are live.
fn services(registered: &Registered) -> Result<Services, Failure> {
    let mut readers = Vec::new();
    let mut live = Vec::new();
    for service in registered.services() {
        let plan = registered.service_plan(&ServiceRef::Exact(service.id.clone()))?;
        if registered.live(&service.id.name) == Some(service.id.version) {
            live.push(service.id.clone());
        }
        readers.push(Arc::new(FeatureReader::new(Arc::new(plan))?));
    }
    if readers.is_empty() {
        return Err(Failure::new("no service is registered: define a `feature_service` and apply it"));
    }
    Ok(Services::new(readers, live))
}

fn address(key: &str, text: &str) -> Result<SocketAddr, Failure> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        Failure::new(format!("`{key}` is `{text}`, which is no address: write it as 127.0.0.1:6566"))
    })
}
