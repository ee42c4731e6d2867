//! A project of its own for each scenario: a folder that is thrown away, what is registered, and both
//! stores, wired as the command wires them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::{AsOf, DataType, EntityKey, Micros, Row, ServicePlan, Value, View};
use futures::StreamExt;
use materializer::{EventRange, Input, Materializer, Target};
use offline::{FeatureSummary, OfflineStore, Options, Spine, row_columns, rows, write_file};
use online::{Embedded, Layout, MAX_ROW_BYTES};
use registry::{Definitions, Plan, Registered, Registry, RowBound};
use tempfile::TempDir;

/// A training set: its rows, and what its summary says of each feature.
pub(crate) struct Trained {
    pub(crate) batch: RecordBatch,
    pub(crate) features: Vec<FeatureSummary>,
}

impl Trained {
    /// The value of a column at a label.
    pub(crate) fn value(&self, column: &str, row: usize, data_type: DataType) -> Value {
        let found = self.batch.column_by_name(column).unwrap_or_else(|| panic!("no column {column}"));
        transform::value_at(found.as_ref(), row, data_type)
    }
}

/// A project and its parts.
pub(crate) struct Project {
    pub(crate) registered: Registered,
    pub(crate) materializer: Materializer<Embedded>,
    pub(crate) folder: TempDir,
}

impl Project {
    /// Two empty stores that know this time.
    pub(crate) fn empty(clock: fn() -> Micros) -> Project {
        let folder = tempfile::tempdir().unwrap();
        let materializer = Materializer {
            schema_registry: None,
            offline: OfflineStore::open("offline", folder.path()).unwrap(),
            online: Embedded::open(&folder.path().join("online")).unwrap(),
            project: folder.path().to_owned(),
            clock,
            first_use: materializer::FirstUse::default(),
        };
        Project { registered: Registered::default(), materializer, folder }
    }

    /// Applies definitions, given by the names and texts of their files.
    pub(crate) async fn apply(&mut self, files: &[(String, String)]) {
        let database = self.folder.path().join("registry.db");
        let registry = Registry::open(&format!("sqlite://{}", database.display())).await.unwrap();
        let before = registry.registered().await.unwrap();
        let files = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let definitions = Definitions::of(files, &before).unwrap_or_else(|problems| panic!("{problems}"));
        let longest = |view: &View| Layout::new(view).largest_row(256, 1024);
        let bound = RowBound { longest, max_bytes: MAX_ROW_BYTES };
        registry.apply(&Plan::of(&definitions, &before, &bound), (self.materializer.clock)()).await.unwrap();
        self.registered = registry.registered().await.unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What a service reads and gives.
    pub(crate) fn plan(&self, service: &str) -> Arc<ServicePlan> {
        Arc::new(self.registered.service_plan(&service.parse().unwrap()).unwrap())
    }

    /// A view and what it reads.
    pub(crate) fn target(&self, view: &Arc<View>) -> Target {
        let source = Arc::new(self.registered.source_of(view).unwrap().into_owned());
        let input = self.registered.input_of(view).unwrap();
        Target { view: view.clone(), source, input: input.map(|view| Input { view, has_history: true }) }
    }

    /// Loads the history of every view that these lookups read, into both stores.
    pub(crate) async fn backfill(&self, plan: &ServicePlan) {
        for lookup in &plan.lookups {
            let target = self.target(&lookup.view);
            let report = self.materializer.backfill(&target, EventRange::default(), |_| {}).await.unwrap();
            assert!(report.rows_loaded > 0 || report.files_known > 0, "{} has no rows", lookup.view.id);
        }
    }

    /// The training set of a spine, with the times of each view.
    pub(crate) async fn training_set(
        &self,
        plan: &ServicePlan,
        spine: &RecordBatch,
        time: &str,
        as_of: AsOf,
    ) -> Trained {
        let path = self.folder.path().join("spine.parquet");
        write_file(&path, spine).unwrap();
        let spine = Spine::read(&path, time, plan).unwrap();
        let options = Options { as_of, explain: true, ..Options::default() };
        let set = offline::training_set(&self.materializer.offline, plan, &spine, &options).await.unwrap();
        Trained { batch: set.batch, features: set.summary.features }
    }

    /// All rows of a view's log, by entity.
    pub(crate) async fn log_rows(&self, view: &Arc<View>) -> HashMap<EntityKey, Vec<Row>> {
        let log = self.materializer.offline.log(view).await.unwrap();
        let mut found: HashMap<EntityKey, Vec<Row>> = HashMap::new();
        let mut stream = log.scan(&row_columns(view)).unwrap();
        while let Some(batch) = stream.next().await {
            for (key, row) in rows(view, &batch.unwrap()).unwrap() {
                found.entry(key).or_default().push(row);
            }
        }
        found
    }
}
