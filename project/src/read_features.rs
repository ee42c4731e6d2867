//! What a read of one entity takes and gives.

use std::path::PathBuf;

use feature::{HelpTopic, Micros, ServiceRef, Status, Value, VersionId, ViewSource};
use registry::Deprecated;

use crate::missing_logs::OtherLog;

/// What to read.
#[derive(Clone, Debug)]
pub struct Get {
    /// Of which service: its live version, or an exact one.
    pub service: ServiceRef,
    /// The join keys of the entity, and what on-demand features take.
    pub values: Vec<(String, Input)>,
    /// As of this time instead of now.
    pub at: Option<Micros>,
    /// The training set of the model that reads, or its manifest, from the project's folder: another version than the
    /// one that it was built from is refused.
    pub trained_on: Option<PathBuf>,
    /// From the server at this `HOST:PORT` of gRPC instead of the store itself.
    pub server: Option<String>,
}

impl Get {
    /// All features of a service for one entity, now, from the store itself.
    pub fn of(service: ServiceRef, values: impl IntoIterator<Item = (String, Input)>) -> Self {
        Self { service, values: values.into_iter().collect(), at: None, trained_on: None, server: None }
    }
}

/// The value of a join key or of a request column.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// As people write it, to be read in the type that the service needs.
    Text(String),
    /// In that type.
    Value(Value),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Value> for Input {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

/// The features of one entity at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct ReadFeatures {
    /// The version of the service that was read.
    pub service: VersionId,
    /// The moment.
    pub at: Micros,
    /// Each feature, in the service's order.
    pub features: Vec<ReadFeature>,
    /// The views that have no row of any entity, as nothing was ever loaded.
    pub never_loaded: Vec<NeverLoaded>,
    /// The views whose online rows are not those of their logs; none of a server, which says so itself.
    pub other_logs: Vec<OtherLog>,
    /// The deprecated versions among the service and what it reads.
    pub deprecated: Vec<Deprecated>,
}

/// One feature of one entity.
#[derive(Clone, PartialEq, Debug)]
pub struct ReadFeature {
    /// The name that the service gives it.
    pub name: String,
    /// Its value, its default, or null.
    pub value: Value,
    /// Why it is what it is.
    pub status: Status,
    /// When the entity's latest row in the view happened.
    pub event_time: Option<Micros>,
    /// From when on that row could be read.
    pub available_at: Option<Micros>,
    /// From the event time to the moment, in seconds.
    pub age_s: Option<f64>,
    /// Whether the newest event that the pipeline of each view that it reads has brought online, or else that row, is at
    /// most as old as the view's objective allows; `None` where none has one, where there is no value, or where it is
    /// not known how far a pipeline is.
    pub is_fresh: Option<bool>,
}

/// A view of which nothing was loaded yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeverLoaded {
    /// The view.
    pub view: VersionId,
    /// Where its rows come from.
    pub source: ViewSource,
    /// Whether it has history to load; else its rows come by its stream.
    pub has_history: bool,
    /// The operation that loads it; `None` where rows come by its stream.
    pub help: Option<HelpTopic>,
}
