//! A training set: the spine with every feature of a service as it was at each label's moment.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use feature::{AsOf, Computation, Field as FeatureField, Origin, ServicePlan, VersionId};
use futures::StreamExt;
use transform::{Conform, OnDemand};

use crate::error::OfflineError;
use crate::join::{JoinLookup, JoinSpec, PointInTime, PointInTimePlanner, Reading, leak_name};
use crate::label_times::{check_times, label_times};
use crate::log_range::LogRange;
use crate::spine::Spine;
use crate::store::OfflineStore;

/// How a training set is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which rows a label may see.
    pub as_of: AsOf,
    /// Whether to add event time, availability and age of each view.
    pub explain: bool,
    /// How many threads read logs; none means one for each core.
    pub threads: Option<usize>,
    /// Bytes that the labels in memory may take; none means no bound.
    pub max_memory: Option<u64>,
    /// The versions of logs to read, by view; the newest of those that are not named.
    pub log_versions: Vec<(VersionId, u64)>,
}

/// The rows of a training set and what there is to say of them.
#[derive(Debug)]
pub struct TrainingSet {
    /// The spine's columns in their order, then the features under their service names, then,
    /// where it was asked, the times of each view.
    pub batch: RecordBatch,
    /// What there is to say of them.
    pub summary: Summary,
}

/// What there is to say of a training set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many rows it has.
    pub rows: usize,
    /// One for each feature, in the service's order.
    pub features: Vec<FeatureSummary>,
    /// For each view that was read, the version of its log.
    pub log_versions: Vec<(VersionId, u64)>,
    /// For each view that was read and has event times, the labels outside the days of its log.
    pub log_ranges: Vec<LogRange>,
}

/// What a training set holds of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSummary {
    /// Its name in the service.
    pub name: String,
    /// How many labels have no value.
    pub nulls: usize,
    /// How many labels a join by event time would have filled from rows that were not yet
    /// available; none where the join itself was by event time.
    pub leaked: Option<usize>,
}

/// Makes the training set of a service for a spine, in memory.
pub async fn training_set(
    store: &OfflineStore,
    plan: &ServicePlan,
    spine: &Spine,
    options: &Options,
) -> Result<TrainingSet, OfflineError> {
    let mut making = Making::new(store, plan, spine, options).await?;
    let mut batches = Vec::new();
    while let Some(batch) = making.next().await? {
        batches.push(batch);
    }
    let batch = arrow::compute::concat_batches(making.schema(), &batches)?;
    Ok(TrainingSet { batch, summary: making.finish() })
}

/// A training set on its way, batch by batch in the order of the spine.
pub struct Making<'a> {
    plan: &'a ServicePlan,
    spine: &'a Spine,
    options: &'a Options,
    schema: SchemaRef,
    layout: Layout,
    on_demand: Vec<OnDemand>,
    joined: datafusion::execution::SendableRecordBatchStream,
    physical: Arc<dyn ExecutionPlan>,
    reading: Arc<Reading>,
    log_rows: u64,
    summary: Summary,
}

impl<'a> Making<'a> {
    /// Opens the logs and plans the join.
    pub async fn new(
        store: &OfflineStore,
        plan: &'a ServicePlan,
        spine: &'a Spine,
        options: &'a Options,
    ) -> Result<Making<'a>, OfflineError> {
        let schema = Arc::new(schema_of(plan, spine, options)?);
        let layout = Layout::new(plan, spine);
        let mut spec = JoinSpec {
            format: JoinSpec::FORMAT,
            time: spine.time().to_owned(),
            as_of: options.as_of,
            leaks: options.as_of == AsOf::Available,
            lookups: Vec::new(),
            threads: options
                .threads
                .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            max_memory: options.max_memory,
        };
        let mut summary = Summary::default();
        for (place, lookup) in plan.lookups.iter().enumerate() {
            let asked = options.log_versions.iter().find(|(view, _)| *view == lookup.view.id);
            let log = match asked {
                Some((_, version)) => store.log_at(&lookup.view, *version).await?,
                None => store.log(&lookup.view).await?,
            };
            let no_log = || OfflineError::NoLog { view: lookup.view.id.to_string() };
            let snapshot = log.snapshot()?.ok_or_else(no_log)?;
            summary.log_versions.push((lookup.view.id.clone(), snapshot.version));
            let is_known = summary.log_ranges.iter().any(|known| known.view == lookup.view.id);
            if !lookup.view.is_static && !is_known {
                summary.log_ranges.extend(LogRange::of(&lookup.view.id, &snapshot));
            }
            let key = |key: &usize| plan.keys.get(*key).map(|key| key.name.to_string());
            spec.lookups.push(JoinLookup {
                view: lookup.view.clone(),
                keys: lookup.keys.iter().filter_map(key).collect(),
                log: snapshot,
                features: layout.features_of(place),
                times: options
                    .explain
                    .then(|| (layout.name(place, "event_time"), layout.name(place, "available_at"))),
            });
        }
        let log_rows = spec.lookups.iter().map(|lookup| lookup.log.rows()).sum();
        let reading = Arc::new(Reading::default());
        let state = state()?;
        let physical = physical_plan(spine, spec, reading.clone(), &state).await?;
        let context = Arc::new(datafusion::execution::TaskContext::from(&state));
        let joined = physical.execute(0, context)?;
        let on_demand = plan
            .computations
            .iter()
            .map(|computation| OnDemand::compile(&computation.view, &inputs_of(plan, computation)))
            .collect::<Result<_, _>>()?;
        for output in &plan.outputs {
            let leaked = (options.as_of == AsOf::Available).then_some(0);
            summary.features.push(FeatureSummary { name: output.name.clone(), nulls: 0, leaked });
        }
        Ok(Making {
            plan,
            spine,
            options,
            schema,
            layout,
            on_demand,
            joined,
            physical,
            reading,
            log_rows,
            summary,
        })
    }

    /// The columns of the training set.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the join has read so far.
    pub fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }

    /// How many rows the logs have, each counted once for each role that it is read in.
    pub fn log_rows(&self) -> u64 {
        self.log_rows
    }

    /// The join as DataFusion runs it, with what it has measured so far.
    pub fn explain(&self) -> String {
        let plan = datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(
            self.physical.as_ref(),
        );
        plan.indent(true).to_string()
    }

    /// The next rows of the training set; none at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, OfflineError> {
        let Some(joined) = self.joined.next().await.transpose()? else { return Ok(None) };
        let values = Values { making: self, joined: &joined };
        let mut computed: Vec<Vec<ArrayRef>> = Vec::new();
        for (computation, compiled) in self.plan.computations.iter().zip(&self.on_demand) {
            let values = values.compute(computation, compiled, &computed)?;
            computed.push(values);
        }
        let spine_columns = self.spine.schema().fields().len();
        let mut columns: Vec<ArrayRef> = joined.columns().iter().take(spine_columns).cloned().collect();
        let mut counted = Vec::new();
        for output in &self.plan.outputs {
            let column = values.column(output.origin, &computed)?;
            let leaked = self.options.as_of == AsOf::Available;
            let leaked =
                leaked.then(|| values.leaked(output.origin).iter().filter(|leaked| **leaked).count());
            counted.push((column.null_count(), leaked));
            columns.push(column);
        }
        if self.options.explain {
            columns.extend(values.times()?);
        }
        let labels = check_times(&joined, self.spine.time(), self.summary.rows);
        let labels = labels.map_err(|problem| OfflineError::Spine(vec![problem]))?;
        self.summary.log_ranges.iter_mut().for_each(|range| range.count(&labels));
        self.summary.rows += joined.num_rows();
        for (feature, (nulls, leaked)) in self.summary.features.iter_mut().zip(counted) {
            feature.nulls += nulls;
            feature.leaked = feature.leaked.zip(leaked).map(|(so_far, more)| so_far + more);
        }
        Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
    }

    /// What there is to say of the rows that were made.
    pub fn finish(self) -> Summary {
        self.summary
    }
}

fn state() -> Result<SessionState, OfflineError> {
    let runtime = Arc::new(RuntimeEnvBuilder::new().build()?);
    let config = SessionConfig::new().with_target_partitions(1);
    Ok(SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).build())
}

async fn physical_plan(
    spine: &Spine,
    spec: JoinSpec,
    reading: Arc<Reading>,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>, OfflineError> {
    let table = StreamingTable::try_new(spine.schema().clone(), vec![Arc::new(spine.clone())])?;
    let scan = LogicalPlanBuilder::scan("spine", provider_as_source(Arc::new(table)), None)?.build()?;
    let join = PointInTime::new(scan, Arc::new(spec))?.into_plan();
    let planner =
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(PointInTimePlanner::new(reading))]);
    Ok(planner.create_physical_plan(&join, state).await?)
}

/// Which features of each lookup are joined, those that outputs or on-demand views read, and what the
/// join calls its columns.
struct Layout {
    wanted: Vec<(usize, usize)>,
    /// What the names of joined columns begin with: no column of the spine does.
    mark: String,
}

impl Layout {
    fn new(plan: &ServicePlan, spine: &Spine) -> Self {
        let outputs = plan.outputs.iter().map(|output| output.origin);
        let inputs = plan.computations.iter().flat_map(|c| c.inputs.iter().map(|(_, origin)| *origin));
        let mut wanted: Vec<(usize, usize)> = outputs
            .chain(inputs)
            .filter_map(|origin| match origin {
                Origin::Stored { lookup, feature } => Some((lookup, feature)),
                Origin::Computed { .. } => None,
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut mark = "@".to_owned();
        while spine.schema().fields().iter().any(|field| field.name().starts_with(&mark)) {
            mark.push('@');
        }
        Self { wanted, mark }
    }

    /// What the join calls something of a lookup.
    fn name(&self, lookup: usize, what: impl std::fmt::Display) -> String {
        format!("{}{lookup}.{what}", self.mark)
    }

    fn features_of(&self, lookup: usize) -> Vec<(usize, String)> {
        let of_lookup = self.wanted.iter().filter(|(place, _)| *place == lookup);
        of_lookup.map(|(_, feature)| (*feature, self.name(lookup, feature))).collect()
    }
}

/// The columns of a training set. Refuses by name those that would stand in it twice; the names of
/// features were compared with the spine's when that was read.
fn schema_of(plan: &ServicePlan, spine: &Spine, options: &Options) -> Result<Schema, OfflineError> {
    let fields = fields(plan, spine, options);
    let repeated = transform::repeated_names(fields.iter().map(|field| field.name().as_str()));
    let problem = |name: &String| match spine.schema().column_with_name(name) {
        Some(_) => format!(
            "{}: it has a column `{name}`, which `explain` adds for the times of a view: rename the column",
            spine.path().display()
        ),
        None => format!(
            "{}: `{name}` is a column that `explain` adds for the times of a view, and is also the name of another column: give the feature a prefix",
            plan.id
        ),
    };
    match repeated.is_empty() {
        true => Ok(Schema::new_with_metadata(fields, spine.schema().metadata().clone())),
        false => Err(OfflineError::Spine(repeated.iter().map(problem).collect())),
    }
}

fn fields(plan: &ServicePlan, spine: &Spine, options: &Options) -> Vec<FieldRef> {
    let mut fields: Vec<FieldRef> = spine.schema().fields().iter().cloned().collect();
    for output in &plan.outputs {
        fields.push(Arc::new(Field::new(&output.name, transform::arrow_type(output.data_type), true)));
    }
    if options.explain {
        for lookup in 0..plan.lookups.len() {
            let name = explain_name(plan, lookup);
            let time = crate::columns::timestamp_type();
            fields.push(Arc::new(Field::new(format!("{name}__event_time"), time.clone(), true)));
            fields.push(Arc::new(Field::new(format!("{name}__available_at"), time, true)));
            fields.push(Arc::new(Field::new(format!("{name}__age_s"), DataType::Float64, true)));
        }
    }
    fields
}

/// What the times of a lookup are called: its view, with its version where there are several of them, and
/// its role where the view has several.
fn explain_name(plan: &ServicePlan, place: usize) -> String {
    let Some(lookup) = plan.lookups.get(place) else { return String::new() };
    let several = plan.lookups.iter().filter(|other| other.view.id == lookup.view.id).count() > 1;
    let is_other_version = |other: &&feature::Lookup| {
        other.view.id.name == lookup.view.id.name && other.view.id != lookup.view.id
    };
    let view = match plan.lookups.iter().find(is_other_version) {
        Some(_) => format!("{}_v{}", lookup.view.id.name, lookup.view.id.version),
        None => lookup.view.id.name.to_string(),
    };
    let roles: Vec<_> =
        lookup.keys.iter().filter_map(|key| plan.keys.get(*key)).map(|key| key.name.as_str()).collect();
    match several {
        true => format!("{view}_by_{}", roles.join("_")),
        false => view,
    }
}

/// What an on-demand view reads: its inputs, then its request columns.
fn inputs_of(plan: &ServicePlan, computation: &Computation) -> Vec<FeatureField> {
    let inputs = computation.inputs.iter().map(|(field, _)| field.clone());
    inputs.chain(computation.request.iter().filter_map(|place| plan.request.get(*place).cloned())).collect()
}

/// Every value that the plan's outputs can come from, for one batch of joined rows.
struct Values<'a> {
    making: &'a Making<'a>,
    joined: &'a RecordBatch,
}

impl Values<'_> {
    fn joined(&self, name: &str) -> Result<&ArrayRef, OfflineError> {
        self.joined.column_by_name(name).ok_or_else(|| OfflineError::Corrupt {
            what: format!("the features of {}", self.making.plan.id),
            why: format!("the join gave no `{name}`"),
        })
    }

    fn column(&self, origin: Origin, computed: &[Vec<ArrayRef>]) -> Result<ArrayRef, OfflineError> {
        match origin {
            Origin::Stored { lookup, feature } => {
                self.joined(&self.making.layout.name(lookup, feature)).cloned()
            }
            Origin::Computed { computation, feature } => {
                let found = computed.get(computation).and_then(|values| values.get(feature)).cloned();
                found.ok_or_else(|| OfflineError::Corrupt {
                    what: format!("the features of {}", self.making.plan.id),
                    why: format!("on-demand view {computation} has no feature {feature}"),
                })
            }
        }
    }

    /// The rows at which an event-time join would have filled the value, or an input of it, from
    /// rows that were not yet available.
    fn leaked(&self, origin: Origin) -> Vec<bool> {
        let mut any = vec![false; self.joined.num_rows()];
        match origin {
            Origin::Stored { lookup, feature } => {
                let name = leak_name(&self.making.layout.name(lookup, feature));
                if let Some(leaked) =
                    self.joined.column_by_name(&name).and_then(|column| column.as_boolean_opt())
                {
                    any.iter_mut().zip(leaked).for_each(|(any, leaked)| *any = leaked == Some(true));
                }
            }
            Origin::Computed { computation, .. } => {
                let computations = &self.making.plan.computations;
                let inputs = computations.get(computation).map(|c| c.inputs.as_slice()).unwrap_or_default();
                for (_, input) in inputs {
                    any.iter_mut().zip(self.leaked(*input)).for_each(|(any, one)| *any |= one);
                }
            }
        }
        any
    }

    fn compute(
        &self,
        computation: &Computation,
        compiled: &OnDemand,
        computed: &[Vec<ArrayRef>],
    ) -> Result<Vec<ArrayRef>, OfflineError> {
        let plan = self.making.plan;
        let mut columns = Vec::new();
        for (_, origin) in &computation.inputs {
            columns.push(self.column(*origin, computed)?);
        }
        for field in computation.request.iter().filter_map(|place| plan.request.get(*place)) {
            columns.extend(self.conformed(field)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.joined.num_rows()));
        let schema = transform::arrow_schema(&inputs_of(plan, computation));
        let features = compiled.evaluate(&RecordBatch::try_new_with_options(schema, columns, &options)?)?;
        Ok(features.into_iter().map(|feature| feature.values).collect())
    }

    /// A request column of the spine in its declared type.
    fn conformed(&self, field: &FeatureField) -> Result<Vec<ArrayRef>, OfflineError> {
        let wrong = |problem: String| {
            let path = self.making.spine.path().display();
            OfflineError::Spine(vec![format!("{path}: the request column `{}`: {problem}", field.name)])
        };
        let conform = Conform::new(std::slice::from_ref(field), &self.joined.schema());
        let conform =
            conform.map_err(|mismatches| wrong(mismatches.iter().map(ToString::to_string).collect()))?;
        let batch = conform.apply(self.joined).map_err(|error| wrong(error.to_string()))?;
        Ok(batch.columns().to_vec())
    }

    /// Event time, availability and age of each lookup's latest row.
    fn times(&self) -> Result<Vec<ArrayRef>, OfflineError> {
        let (labels, _) =
            label_times(self.joined, self.making.spine.time()).map_err(|p| OfflineError::Spine(vec![p]))?;
        let mut columns = Vec::new();
        for place in 0..self.making.plan.lookups.len() {
            let event = self.joined(&self.making.layout.name(place, "event_time"))?;
            let times = event.as_primitive::<TimestampMicrosecondType>();
            let age: Float64Array =
                times.iter().zip(&labels).map(|(event, at)| Some((at - event?) as f64 / 1e6)).collect();
            columns.push(event.clone());
            columns.push(self.joined(&self.making.layout.name(place, "available_at"))?.clone());
            columns.push(Arc::new(age));
        }
        Ok(columns)
    }
}
