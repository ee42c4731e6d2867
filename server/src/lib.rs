//! Online features over gRPC (`twinstore.v1.FeatureStore`) and HTTP/JSON, the same as a Feast server
//! gives them (`feast.serving.ServingService`, `POST /get-online-features`), and the engine below all. Rows that are pushed are
//! checked here, and handed to whoever makes them durable.
//!
//! A [`FeatureReader`] is one version of a service, compiled: it checks a request, reads the store
//! once for all views, folds each packed row once at the moment that was asked for, and evaluates
//! the on-demand views. A [`Catalog`] says which services there are, a [`Server`] answers for them.
//! This crate knows no definitions and no registry, writes no store and reads no clock: whoever
//! wires it brings resolved plans, a store's reader and the time.
//!
//! ```no_run
//! # async fn example(plan: feature::ServicePlan, store: online::Embedded, clock: fn() -> feature::Micros)
//! #     -> Result<(), server::ServeError> {
//! use std::sync::Arc;
//! use server::{Addresses, Catalog, FeatureReader, Limits, Server, Services, Serving};
//!
//! let live = plan.id.clone();
//! let reader = Arc::new(FeatureReader::new(Arc::new(plan))?);
//! let catalog = Arc::new(Catalog::new(Services::new([reader], [live])));
//! let addresses = Addresses { grpc: ([127, 0, 0, 1], 6566).into(), http: ([127, 0, 0, 1], 6567).into() };
//! let server = Server::bind(addresses, Serving::new(catalog, store, clock, Limits::default())).await?;
//! server.run(async { /* until told to stop */ }).await?;
//! # Ok(())
//! # }
//! ```

mod admission;
mod answered;
mod arrays;
mod availability;
mod call;
mod catalog;
mod connections;
mod error;
mod excerpt;
mod feast;
mod features;
mod first_use;
mod folded;
mod given;
mod grpc;
mod http;
pub mod json;
mod limits;
mod metrics;
mod nearest;
mod push;
mod question;
mod reader;
mod scope;
mod scopes;
mod server;
mod serving;
mod views;
mod wanted;

pub use catalog::{Catalog, Services};
pub use error::{Code, ServeError};
pub use features::{FeatureCell, FeatureColumn, Features};
pub use first_use::{BeginUse, BeginningUse, NotRecorded};
pub use given::GivenColumn;
pub use limits::Limits;
pub use metrics::{Sample, SampleKind};
pub use push::{
    Appending, Judged, Judging, PushSource, PushView, PushedRows, RefusedByView, RefusedRow, Sink, SinkError,
    Taken, push_rows,
};
pub use question::{Asked, Question};
pub use reader::{FeatureReader, Moment};
pub use server::{Addresses, Ended, Server};
pub use serving::Serving;
pub use views::Views;
