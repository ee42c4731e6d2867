//! The engine: one service compiled, and the path from a question to its features. gRPC, HTTP and
//! callers in the same process all read through it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use feature::{Computation, Field, Micros, Origin, ServicePlan, Status, Times, VersionId, View};
use online::{Found, Layout, Read, Reader};
use transform::OnDemand;

use crate::error::ServeError;
use crate::features::{FeatureColumn, Features};
use crate::folded::{Column, Folded};
use crate::given::GivenColumn;
use crate::limits::Limits;
use crate::metrics::{ServiceMetrics, Stage};
use crate::question::{Asked, Question};
use crate::wanted::Entities;

/// The moment to read at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The one that was asked for: refused where the online store has moved on.
    At(Micros),
    /// The clock's. A store that was written by a clock slightly ahead of it is read at its own
    /// applied time, so that no reader is refused for the difference.
    Now(Micros),
}

/// One version of a service, compiled: reads its features from an online store.
#[derive(Debug)]
pub struct FeatureReader {
    plan: Arc<ServicePlan>,
    /// The distinct views of the plan's lookups.
    views: Vec<(Arc<View>, Layout)>,
    /// For each of the plan's lookups the place of its view among the views.
    view_of: Vec<usize>,
    on_demand: Vec<OnDemand>,
    /// For each of the plan's outputs the lookups whose oldest time is its own; those of a source
    /// without an event time have none.
    timed_by: Vec<Vec<usize>>,
    /// The places of the plan's outputs, by name.
    outputs: HashMap<String, usize>,
    metrics: Arc<ServiceMetrics>,
}

impl FeatureReader {
    /// Compiles a service.
    pub fn new(plan: Arc<ServicePlan>) -> Result<Self, ServeError> {
        let mut views: Vec<(Arc<View>, Layout)> = Vec::new();
        let mut view_of = Vec::with_capacity(plan.lookups.len());
        for lookup in &plan.lookups {
            let place = views.iter().position(|(view, _)| view.id == lookup.view.id).unwrap_or(views.len());
            if place == views.len() {
                views.push((Arc::clone(&lookup.view), Layout::new(&lookup.view)));
            }
            view_of.push(place);
        }
        let on_demand = plan
            .computations
            .iter()
            .map(|computation| compile(&plan, computation))
            .collect::<Result<_, _>>()?;
        let has_time =
            |lookup: &usize| plan.lookups.get(*lookup).is_some_and(|lookup| !lookup.view.is_static);
        let timed_by = plan
            .outputs
            .iter()
            .map(|output| plan.lookups_of(output.origin).into_iter().filter(has_time).collect())
            .collect();
        let outputs = plan.outputs.iter().enumerate();
        let outputs = outputs.map(|(place, output)| (output.name.clone(), place)).collect();
        Ok(Self { views, view_of, on_demand, timed_by, outputs, metrics: Arc::default(), plan })
    }

    /// The service's plan.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    /// The place of a feature among the service's.
    pub(crate) fn output(&self, name: &str) -> Option<usize> {
        self.outputs.get(name).copied()
    }

    /// What is counted for the service.
    pub(crate) fn metrics(&self) -> &Arc<ServiceMetrics> {
        &self.metrics
    }

    /// Checks a request against the service; all of its problems are found at once.
    pub fn question<C: GivenColumn>(&self, asked: Asked<C>, limits: &Limits) -> Result<Question, ServeError> {
        Question::new(&self.plan, asked, limits)
    }

    /// Reads the features: one read of the store for all views and roles, each packed row folded
    /// once, the on-demand views evaluated over all rows at once.
    pub async fn read<R: Reader>(
        &self,
        store: &R,
        question: &Question,
        moment: Moment,
    ) -> Result<Features, ServeError> {
        self.read_in_stages(store, question, moment, &|_| {}).await
    }

    /// Reads the features, and tells when each stage has ended.
    pub(crate) async fn read_in_stages<R: Reader>(
        &self,
        store: &R,
        question: &Question,
        moment: Moment,
        end_of: &(dyn Fn(Stage) + Sync),
    ) -> Result<Features, ServeError> {
        let wanted = self.wanted(question)?;
        let reads: Vec<Read<'_>> = wanted
            .views
            .iter()
            .filter_map(|(place, wanted)| {
                Some(Read { view: &self.views.get(*place)?.0.id, keys: &wanted.entities.keys })
            })
            .collect();
        end_of(Stage::Decode);
        let found = if reads.is_empty() { Vec::new() } else { store.read(&reads).await? };
        end_of(Stage::Probe);
        let at = readable_at(&reads, &found, moment)?;
        let (mut columns, times) = self.merge(question, &wanted, &found, at)?;
        end_of(Stage::Merge);
        for place in &question.scope.computations {
            let computed = self.compute(*place, question, &columns)?;
            columns.computed.insert(*place, computed);
        }
        if !question.scope.computations.is_empty() {
            end_of(Stage::Expressions);
        }
        self.features(question, &columns, &times, at)
    }

    fn wanted(&self, question: &Question) -> Result<Wanted, ServeError> {
        let mut wanted = Wanted::default();
        for (place, features) in &question.scope.lookups {
            let lookup = self.plan.lookups.get(*place);
            let Some((lookup, view)) = lookup.zip(self.view_of.get(*place)) else {
                return Err(self.incomplete("a lookup"));
            };
            let of_view = wanted.views.entry(*view).or_default();
            of_view.features.extend(features);
            of_view.features.sort_unstable();
            of_view.features.dedup();
            let places = of_view.entities.add(&self.plan, lookup, question)?;
            wanted.places.insert(*place, places);
        }
        Ok(wanted)
    }

    fn merge(
        &self,
        question: &Question,
        wanted: &Wanted,
        found: &[Found],
        at: Micros,
    ) -> Result<(Columns, TimesOfLookups), ServeError> {
        let mut folded = BTreeMap::new();
        for ((place, wanted), found) in wanted.views.iter().zip(found) {
            let (view, layout) = self.views.get(*place).ok_or_else(|| self.incomplete("a view"))?;
            folded.insert(*place, Folded::new(view, layout, &wanted.features, found, at)?);
        }
        let mut columns = Columns::default();
        let mut times = TimesOfLookups::new();
        for (lookup, features) in &question.scope.lookups {
            let folded = self.view_of.get(*lookup).and_then(|view| folded.get(view));
            let Some((folded, places)) = folded.zip(wanted.places.get(lookup)) else {
                return Err(self.incomplete("a lookup"));
            };
            for feature in features {
                let column = folded.column(*feature, places)?.ok_or_else(|| self.incomplete("a feature"))?;
                columns.stored.insert((*lookup, *feature), column);
            }
            times.insert(*lookup, folded.times(places));
        }
        Ok((columns, times))
    }

    fn compute(
        &self,
        place: usize,
        question: &Question,
        columns: &Columns,
    ) -> Result<Vec<Column>, ServeError> {
        let computation = self.plan.computations.get(place);
        let Some((computation, on_demand)) = computation.zip(self.on_demand.get(place)) else {
            return Err(self.incomplete("an on-demand view"));
        };
        let inputs = computation.inputs.iter().map(|(_, origin)| columns.get(*origin).map(|c| &c.values));
        let request =
            computation.request.iter().map(|place| question.request.get(*place).and_then(Option::as_ref));
        let arrays: Option<Vec<ArrayRef>> = inputs.chain(request).map(Option::<&ArrayRef>::cloned).collect();
        let arrays = arrays.ok_or_else(|| self.incomplete("an input"))?;
        let schema = transform::arrow_schema(&inputs_of(&self.plan, computation));
        let options = RecordBatchOptions::new().with_row_count(Some(question.rows));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        let values = on_demand.evaluate(&batch).map_err(|error| ServeError::Evaluate {
            view: computation.view.id.clone(),
            reason: error.to_string(),
        })?;
        Ok(values.into_iter().map(computed).collect())
    }

    fn features(
        &self,
        question: &Question,
        columns: &Columns,
        times: &TimesOfLookups,
        at: Micros,
    ) -> Result<Features, ServeError> {
        let mut features = Features {
            service: self.plan.id.clone(),
            at,
            rows: question.rows,
            columns: Vec::with_capacity(question.scope.outputs.len()),
            times: Vec::new(),
        };
        let mut shared: BTreeMap<&[usize], usize> = BTreeMap::new();
        for place in &question.scope.outputs {
            let output = self.plan.outputs.get(*place);
            let column = output.and_then(|output| columns.get(output.origin));
            let Some(((output, column), timed_by)) = output.zip(column).zip(self.timed_by.get(*place)) else {
                return Err(self.incomplete("an output"));
            };
            let next = features.times.len();
            let times = *shared.entry(timed_by).or_insert_with(|| {
                features.times.push(oldest(timed_by, times, question.rows));
                next
            });
            features.columns.push(FeatureColumn {
                name: output.name.clone(),
                data_type: output.data_type,
                values: Arc::clone(&column.values),
                statuses: column.statuses.clone(),
                times,
            });
        }
        Ok(features)
    }

    /// A plan that names what it does not hold; the registry makes none.
    fn incomplete(&self, what: &str) -> ServeError {
        ServeError::Evaluate {
            view: self.plan.id.clone(),
            reason: format!("its plan names {what} that it does not hold"),
        }
    }
}

/// What a question needs of the store.
#[derive(Default)]
struct Wanted {
    /// By the place of a view among the reader's.
    views: BTreeMap<usize, WantedView>,
    /// For each lookup that is needed, the place of each row's entity among its view's.
    places: BTreeMap<usize, Vec<Option<u32>>>,
}

#[derive(Default)]
struct WantedView {
    entities: Entities,
    features: Vec<usize>,
}

/// The times of the rows that each lookup has found, one for each row of the request.
type TimesOfLookups = BTreeMap<usize, Vec<Option<Times>>>;

/// The columns that are there so far.
#[derive(Default)]
struct Columns {
    stored: BTreeMap<(usize, usize), Column>,
    computed: BTreeMap<usize, Vec<Column>>,
}

impl Columns {
    fn get(&self, origin: Origin) -> Option<&Column> {
        match origin {
            Origin::Stored { lookup, feature } => self.stored.get(&(lookup, feature)),
            Origin::Computed { computation, feature } => self.computed.get(&computation)?.get(feature),
        }
    }
}

fn compile(plan: &ServicePlan, computation: &Computation) -> Result<OnDemand, ServeError> {
    OnDemand::compile(&computation.view, &inputs_of(plan, computation)).map_err(|error| {
        ServeError::Evaluate { view: computation.view.id.clone(), reason: error.to_string() }
    })
}

/// What the expressions of an on-demand view read: its inputs, then its request columns.
fn inputs_of(plan: &ServicePlan, computation: &Computation) -> Vec<Field> {
    let inputs = computation.inputs.iter().map(|(field, _)| field);
    let request = computation.request.iter().filter_map(|place| plan.request.get(*place));
    inputs.chain(request).cloned().collect()
}

/// Law 3: an on-demand feature is there or null, whatever its inputs were.
fn computed(values: ArrayRef) -> Column {
    let status = |row| if values.is_null(row) { Status::NullValue } else { Status::Present };
    Column { statuses: (0..values.len()).map(status).collect(), values }
}

/// Law 3: the times of the oldest of these lookups that has a row, for each row of the request.
fn oldest(lookups: &[usize], times: &TimesOfLookups, rows: usize) -> Vec<Option<Times>> {
    let times: Vec<&Vec<Option<Times>>> = lookups.iter().filter_map(|lookup| times.get(lookup)).collect();
    let oldest = |row: usize| {
        let times = times.iter().filter_map(|times| times.get(row).copied().flatten());
        times.min_by_key(|times| (times.event_time, times.available_at))
    };
    (0..rows).map(oldest).collect()
}

/// The moment that all these views can be read at.
fn readable_at(reads: &[Read<'_>], found: &[Found], moment: Moment) -> Result<Micros, ServeError> {
    let applied = reads.iter().zip(found).filter_map(|(read, found)| Some((found.applied_at()?, read.view)));
    let latest: Option<(Micros, &VersionId)> = applied.max();
    match (moment, latest) {
        (Moment::At(at), Some((applied, view))) if at < applied => {
            Err(ServeError::TooEarly { at, view: view.clone(), applied })
        }
        (Moment::At(at), _) => Ok(at),
        (Moment::Now(now), latest) => Ok(latest.map_or(now, |(applied, _)| now.max(applied))),
    }
}
