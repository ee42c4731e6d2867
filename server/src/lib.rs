//! Online features over gRPC (`twinstore.v1.FeatureStore`) and HTTP/JSON, the same as a Feast server
//! gives them (`feast.serving.ServingService`, `POST /get-online-features`). Rows that are pushed are
//! checked here, and handed to whoever makes them durable. Where there is an [`AccessControl`], it is known who sends each request,
//! and nothing is answered that they may not read.
//!
//! A [`read::FeatureReader`] reads one version of a service. A [`Catalog`] says which of them are [`Served`], a
//! [`Server`] answers for them.
//! This crate knows no definitions and no registry, writes no store and reads no clock: whoever
//! wires it brings resolved plans, a store's reader and the time.
//!
//! ```no_run
//! # use twinstore_server as server;
//! # async fn example(plan: feature::ServicePlan, store: online::Embedded, clock: fn() -> feature::Micros)
//! #     -> Result<(), server::ServeError> {
//! use std::sync::Arc;
//! use read::FeatureReader;
//! use server::{Addresses, Catalog, Limits, Served, Server, Services, Serving};
//!
//! let live = plan.id.clone();
//! let served = Arc::new(Served::new(FeatureReader::new(Arc::new(plan))?));
//! let catalog = Arc::new(Catalog::new(Services::new([served], [live])));
//! let addresses = Addresses { grpc: ([127, 0, 0, 1], 6566).into(), http: ([127, 0, 0, 1], 6567).into() };
//! let server = Server::bind(addresses, Serving::new(catalog, store, clock, Limits::default())).await?;
//! server.run(async { /* until stopped */ }).await?;
//! # Ok(())
//! # }
//! ```

mod access_control;
mod access_fault;
mod admission;
mod availability;
mod bodies;
mod breakers;
mod call;
mod catalog;
mod code;
mod connections;
mod error;
mod feast;
mod first_use;
mod freshness;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod grpc;
mod http;
mod limits;
mod metrics;
mod notice;
mod overload;
mod pages;
mod push;
mod request_fault;
mod request_traces;
mod sampling;
mod serve;
mod served;
mod server;
mod server_fault;
mod serving;
mod tls;
mod views;

pub use access_control::{AccessControl, AllowedCount, Decided, DeniedCount};
pub use access_fault::AccessFault;
pub use breakers::Breakers;
pub use catalog::{Catalog, Services};
pub use code::Code;
pub use error::ServeError;
pub use first_use::{BeginUse, BeginningUse, NotRecorded};
pub use freshness::{PipelineTime, ReadCounter, WatchedConsumer, WatchedFeature, WatchedReads, WatchedView};
pub use limits::Limits;
pub use notice::Notice;
pub use pages::{MakingPage, Page, PageRequest, Pages};
pub use push::{
    Appending, PushSource, PushView, PushedRows, RefusedByView, RefusedRow, Sink, SinkError, Taken,
    Validated, Validating, push_rows,
};
pub use request_fault::RequestFault;
pub use request_traces::{RequestTraces, TracedRequest, TracedStage};
pub use sampling::{Sampling, ServedRow};
pub use served::Served;
pub use server::{Addresses, Ended, Server};
pub use server_fault::ServerFault;
pub use serving::{Answered, ServiceRequest, Serving};
pub use tls::{Tls, TlsFiles};
pub use views::Views;
