//! A training set: the spine with every feature of a service as it was at each label's moment.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use feature::{AsOf, Computation, Lookup, Micros, Origin, ServicePlan};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use transform::OnDemand;

use crate::error::OfflineError;
use crate::join::{Ask, Folded, Labels, Reading, fold};
use crate::spine::Spine;
use crate::store::OfflineStore;

/// How a training set is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Which rows a label may see.
    pub as_of: AsOf,
    /// Whether to add event time, availability and age of each view.
    pub explain: bool,
}

/// The rows of a training set and what there is to say of them.
#[derive(Debug)]
pub struct TrainingSet {
    /// The spine's columns in their order, then the features under their service names, then,
    /// where it was asked, the times of each view.
    pub batch: RecordBatch,
    /// One for each feature, in the service's order.
    pub features: Vec<FeatureSummary>,
    /// For each view that was read, the version of its log.
    pub log_versions: Vec<(feature::VersionId, Option<u64>)>,
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

/// Makes the training set of a service for a spine.
pub async fn training_set(
    store: &OfflineStore,
    plan: &ServicePlan,
    spine: &Spine,
    options: Options,
) -> Result<TrainingSet, OfflineError> {
    let mut lookups = Vec::new();
    let mut log_versions = Vec::new();
    for folded in fold_lookups(store, plan, spine, options.as_of).await? {
        log_versions.push(folded.version);
        lookups.push(Joined::new(&folded.fold, spine.rows())?);
    }
    let views = plan.lookups.iter().map(|lookup| lookup.view.id.clone());
    let mut values = Values { plan, spine, lookups, computed: Vec::new() };
    for computation in &plan.computations {
        let computed = values.compute(computation)?;
        values.computed.push(computed);
    }
    let mut fields: Vec<Arc<Field>> = spine.batch.schema().fields().iter().cloned().collect();
    let mut columns = spine.batch.columns().to_vec();
    let mut features = Vec::new();
    for output in &plan.outputs {
        let column = values.column(output.origin)?;
        let leaked = (options.as_of == AsOf::Available)
            .then(|| values.leaked(output.origin).iter().filter(|leaked| **leaked).count());
        features.push(FeatureSummary { name: output.name.clone(), nulls: column.null_count(), leaked });
        fields.push(Arc::new(Field::new(&output.name, column.data_type().clone(), true)));
        columns.push(column);
    }
    if options.explain {
        for (lookup, joined) in plan.lookups.iter().zip(&values.lookups) {
            joined.explain(&explain_name(plan, lookup), lookup, spine, &mut fields, &mut columns);
        }
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(TrainingSet { batch, features, log_versions: views.zip(log_versions).collect() })
}

struct FoldedLookup {
    fold: Folded,
    version: Option<u64>,
}

/// Folds every lookup of the plan, side by side.
async fn fold_lookups(
    store: &OfflineStore,
    plan: &ServicePlan,
    spine: &Spine,
    as_of: AsOf,
) -> Result<Vec<FoldedLookup>, OfflineError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.div_ceil(plan.lookups.len().max(1));
    let turns = Arc::new(Semaphore::new(cores));
    let mut tasks = JoinSet::new();
    for (place, lookup) in plan.lookups.iter().enumerate() {
        let log = store.log(&lookup.view).await?;
        if log.version().is_none() {
            return Err(OfflineError::NoLog { view: lookup.view.id.to_string() });
        }
        let keys: Vec<ArrayRef> =
            lookup.keys.iter().filter_map(|key| spine.keys.get(*key).cloned()).collect();
        let times = spine.times.clone();
        let turns = turns.clone();
        tasks.spawn(async move {
            let _turn = turns.acquire_many_owned(threads as u32).await;
            let folded = tokio::task::spawn_blocking(move || {
                let labels = Arc::new(Labels::new(&keys, &times)?);
                let ask = Ask { as_of, leaks: true };
                let version = log.version();
                let fold = fold(&log, labels, ask, threads, &Reading::default())?;
                Ok::<_, OfflineError>(FoldedLookup { fold, version })
            });
            (place, folded.await)
        });
    }
    let mut folded = Vec::new();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok((place, Ok(fold))) => folded.push((place, fold?)),
            Ok((_, Err(panic))) | Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    folded.sort_by_key(|(place, _)| *place);
    Ok(folded.into_iter().map(|(_, fold)| fold).collect())
}

/// The features of one lookup at every row of the spine.
struct Joined {
    features: Vec<ArrayRef>,
    /// For each feature, the rows at which an event-time join would have leaked.
    leaked: Vec<Vec<bool>>,
    times: Vec<Option<(Micros, Micros)>>,
}

impl Joined {
    fn new(fold: &Folded, rows: usize) -> Result<Self, OfflineError> {
        let slots = &fold.labels.slot_of_row;
        let places = UInt32Array::from(slots.clone());
        let features =
            fold.features.iter().map(|array| take(array, &places, None)).collect::<Result<_, _>>()?;
        let at_row = |of: &Vec<bool>, row: usize| {
            let slot = slots.get(row).copied().flatten();
            slot.and_then(|slot| of.get(slot as usize)).copied().unwrap_or(false)
        };
        let leaked = fold.leaked.iter().map(|of| (0..rows).map(|row| at_row(of, row)).collect()).collect();
        let times = slots
            .iter()
            .map(|slot| {
                let winner = fold.winners.get((*slot)? as usize).copied().flatten()?;
                Some((winner.event_time, winner.available_at))
            })
            .collect();
        Ok(Self { features, leaked, times })
    }

    /// Adds the times of the latest visible row, null for a static view.
    fn explain(
        &self,
        name: &str,
        lookup: &Lookup,
        spine: &Spine,
        fields: &mut Vec<Arc<Field>>,
        columns: &mut Vec<ArrayRef>,
    ) {
        let shown = |times: &Option<(Micros, Micros)>| times.filter(|_| !lookup.view.is_static);
        let event: TimestampMicrosecondArray =
            self.times.iter().map(|times| shown(times).map(|(event, _)| event.get())).collect();
        let available: TimestampMicrosecondArray =
            self.times.iter().map(|times| shown(times).map(|(_, available)| available.get())).collect();
        let age: Float64Array = self
            .times
            .iter()
            .zip(&spine.times)
            .map(|(times, at)| shown(times).map(|(event, _)| (at - event.get()) as f64 / 1e6))
            .collect();
        let explained: [(&str, ArrayRef); 3] = [
            ("event_time", Arc::new(event.with_timezone("UTC"))),
            ("available_at", Arc::new(available.with_timezone("UTC"))),
            ("age_s", Arc::new(age)),
        ];
        for (what, column) in explained {
            fields.push(Arc::new(Field::new(format!("{name}__{what}"), column.data_type().clone(), true)));
            columns.push(column);
        }
    }
}

/// What the times of a lookup are called: its view, and its role where the view has several.
fn explain_name(plan: &ServicePlan, lookup: &Lookup) -> String {
    let several = plan.lookups.iter().filter(|other| other.view.id == lookup.view.id).count() > 1;
    let roles: Vec<_> =
        lookup.keys.iter().filter_map(|key| plan.keys.get(*key)).map(|key| key.name.as_str()).collect();
    match several {
        true => format!("{}_by_{}", lookup.view.id.name, roles.join("_")),
        false => lookup.view.id.name.to_string(),
    }
}

/// Every value that the plan's outputs can come from, at every row of the spine.
struct Values<'a> {
    plan: &'a ServicePlan,
    spine: &'a Spine,
    lookups: Vec<Joined>,
    computed: Vec<Vec<ArrayRef>>,
}

impl Values<'_> {
    fn column(&self, origin: Origin) -> Result<ArrayRef, OfflineError> {
        let found = match origin {
            Origin::Stored { lookup, feature } => {
                self.lookups.get(lookup).and_then(|l| l.features.get(feature))
            }
            Origin::Computed { computation, feature } => {
                self.computed.get(computation).and_then(|c| c.get(feature))
            }
        };
        found.cloned().ok_or_else(|| OfflineError::Corrupt {
            what: format!("the features of {}", self.plan.id),
            why: format!("{origin:?} is not there"),
        })
    }

    /// The rows at which an event-time join would have filled the value, or an input of it, from
    /// rows that were not yet available.
    fn leaked(&self, origin: Origin) -> Vec<bool> {
        match origin {
            Origin::Stored { lookup, feature } => {
                let leaked = self.lookups.get(lookup).and_then(|joined| joined.leaked.get(feature));
                leaked.cloned().unwrap_or_else(|| vec![false; self.spine.rows()])
            }
            Origin::Computed { computation, .. } => {
                let mut any = vec![false; self.spine.rows()];
                let inputs =
                    self.plan.computations.get(computation).map(|c| c.inputs.as_slice()).unwrap_or_default();
                for (_, input) in inputs {
                    any.iter_mut().zip(self.leaked(*input)).for_each(|(any, one)| *any |= one);
                }
                any
            }
        }
    }

    fn compute(&self, computation: &Computation) -> Result<Vec<ArrayRef>, OfflineError> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (field, origin) in &computation.inputs {
            fields.push(field.clone());
            columns.push(self.column(*origin)?);
        }
        for place in &computation.request {
            if let (Some(field), Some(column)) =
                (self.plan.request.get(*place), self.spine.request.get(*place))
            {
                fields.push(field.clone());
                columns.push(column.clone());
            }
        }
        let compiled = OnDemand::compile(&computation.view, &fields)?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.spine.rows()));
        let batch = RecordBatch::try_new_with_options(transform::arrow_schema(&fields), columns, &options)?;
        Ok(compiled.evaluate(&batch)?)
    }
}
