//! The one writer of both stores, and what it is pointed at. Its operations are where their steps are: loads in
//! `history/`, replays in `stream/`, the rest in `maintenance.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use feature::{Micros, Source, View};
use offline::OfflineStore;

use crate::first_use::FirstUse;
use crate::schema_registry::SchemaRegistry;

/// The one writer of both stores.
#[derive(Debug)]
pub struct Materializer<W> {
    /// The logs.
    pub offline: OfflineStore,
    /// The packed rows.
    pub online: W,
    /// The folder from which the paths of sources are resolved.
    pub project: PathBuf,
    /// Serves the schemas of streams whose sources name no schema file, if there is a registry.
    pub schema_registry: Option<Arc<SchemaRegistry>>,
    /// The current time.
    pub clock: fn() -> Micros,
    /// Is notified before the first row of a view is written.
    pub first_use: FirstUse,
}

/// A view and the source that it reads. That of a derived view is made of its input.
#[derive(Clone, Debug)]
pub struct Target {
    /// The view.
    pub view: Arc<View>,
    /// Its source.
    pub source: Arc<Source>,
    /// Of a derived view: what it reads.
    pub input: Option<Input>,
}

/// A view whose rows a derived view reads.
#[derive(Clone, Debug)]
pub struct Input {
    /// The view.
    pub view: Arc<View>,
    /// Whether it has history, which is loaded before a derived view takes its rows.
    pub has_history: bool,
}
