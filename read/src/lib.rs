//! The engine of an online read: a request is validated against its service, its entities become keys,
//! the store is read once for all views, each packed row is folded once at the requested moment,
//! and on-demand views are evaluated over all rows at once.
//!
//! `request` → `entity_keys` → the store → `folded_view` → `result` → `features`; `scope` says which of them a
//! choice of features needs, `reader` is a compiled service, and `reading` runs all of it. This crate knows no network, no registry and no clock:
//! servers, the command line and programs in the same process all read through it.
//!
//! ```
//! # async fn example(plan: feature::ServicePlan, store: online::Embedded, now: feature::Micros)
//! #     -> Result<(), read::ReadError> {
//! use std::sync::Arc;
//! use feature::Value;
//! use read::{FeatureReader, FeatureRequest, Moment};
//!
//! let reader = FeatureReader::new(Arc::new(plan))?;
//! let request = FeatureRequest {
//!     features: vec!["mean_delay_1d".to_owned()],
//!     entities: vec![("airport".to_owned(), vec![Value::String("LAX".into())])],
//!     request: vec![],
//! };
//! let request = reader.validate(request, 1_000)?;
//! let features = reader.read(&store, &request, Moment::Now(now)).await?;
//! for column in &features.columns {
//!     println!("{}: {:?}", column.name, features.cell(column, 0));
//! }
//! # Ok(())
//! # }
//! ```

mod arrays;
mod entity_keys;
mod error;
mod features;
mod folded_view;
pub mod json;
mod open_view;
mod reader;
mod reading;
mod request;
mod request_column;
mod result;
mod scope;
mod scope_cache;

pub use entity_keys::first_key;
pub use error::{ReadError, ReadFailure, RequestError};
pub use features::{FeatureCell, FeatureColumn, Features};
pub use reader::FeatureReader;
pub use reading::{Moment, ReadAt, ReadStage};
pub use request::{FeatureRequest, MOST_COLUMNS, MOST_FEATURES, ValidatedRequest};
pub use request_column::{Given, RequestColumn};
pub use result::{LookedUp, ReadResult, ReadRow};
