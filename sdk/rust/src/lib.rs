//! A light client of a twinstore server: features are read and rows are pushed over gRPC, in columns.
//!
//! The crate needs neither Arrow nor DataFusion: it knows the messages of the protocol and nothing of how features are
//! computed. A [`Client`] spreads its requests over several servers, keeps a deadline for each, repeats what is safe to repeat
//! within a [budget](RetryBudget), may [hedge](Hedging) slow reads, and may [cache](CacheBounds) answers for a bounded time.
//!
//! ```no_run
//! use std::time::Duration;
//! use twinstore_client::{Client, Hedging, Status};
//!
//! # async fn score() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder(["10.0.0.1:6566", "10.0.0.2:6566"])
//!     .deadline(Duration::from_millis(50))
//!     .hedging(Hedging::AfterP95 { at_least: Duration::from_millis(2) })
//!     .connect()
//!     .await?;
//!
//! let features = client
//!     .features("late_arrival@1")
//!     .keys("dest", ["LAX", "BOS"])
//!     .keys("tailnum", ["N338AA", "N328AA"])
//!     .request("distance", [2475, 187])
//!     .read()
//!     .await?;
//! let delay = features.column("dest_last_delay")?;
//! for row in 0..features.rows() {
//!     let value: Option<f32> = delay.get(row)?;
//!     println!("{value:?} {:?}, {:?} old", delay.status(row), delay.age(row));
//! }
//! assert_ne!(delay.status(0), Some(Status::NotFound));
//! # Ok(()) }
//! ```

mod answer;
mod builder;
mod cache;
mod calls;
mod client;
mod error;
mod features_request;
#[cfg(doctest)]
mod how_to;
mod pool;
mod push_request;
mod requests;
mod session;
mod statistics;
mod token;
mod values;

pub use answer::{Column, Features, Status};
pub use builder::ClientBuilder;
pub use cache::CacheBounds;
pub use calls::{Hedging, RetryBudget};
pub use client::Client;
pub use error::{Advice, Code, Error};
pub use features_request::FeaturesRequest;
pub use push_request::{PushRequest, Pushed, RefusedRow};
pub use statistics::Statistics;
pub use values::{FromValues, Values};
