//! The columns of a training set, what the join calls those that they come from, and one batch of them from the joined
//! rows: on-demand features evaluated by the code that also serves them, and what is counted of them.

use std::fmt::Display;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::{and_not, nullif};
use arrow::datatypes::{
    DataType, Field as ArrowField, FieldRef, Schema, SchemaRef, TimestampMicrosecondType,
};
use feature::{AsOf, Field, Input, Lookup, Micros, Needs, OpenAnswer, Openings, Origin, ServicePlan};
use transform::{ComputedColumn, OnDemand};

use crate::error::OfflineError;
use crate::join::{check_times, filled_name, leak_name};
use crate::log::columns::timestamp_type;
use crate::training_set::options::Options;
use crate::training_set::spine::Spine;

/// A service compiled for one spine.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    plan: ServicePlan,
    spine: Spine,
    as_of: AsOf,
    explain: bool,
    filled: bool,
    schema: SchemaRef,
    layout: Layout,
    /// One for each of the plan's computations.
    on_demand: Vec<OnDemand>,
    /// For each computation, and each of its features, the inputs of it that the expression reads.
    reads: Vec<Vec<Vec<Origin>>>,
    /// When circuit breakers were open; a join by event time knows none.
    openings: Openings,
}

/// Rows of a training set, and their counts.
#[derive(Debug)]
pub(crate) struct BuiltBatch {
    pub(crate) rows: RecordBatch,
    /// The label time of each row, in microseconds.
    pub(crate) labels: Vec<i64>,
    /// For each feature how many rows have no value, and how many a join by event time would have leaked.
    pub(crate) counts: Vec<(usize, Option<usize>)>,
    /// For each feature where its default stands instead of null, where that was requested.
    pub(crate) filled: Vec<BooleanArray>,
}

impl BatchBuilder {
    pub(crate) fn new(plan: &ServicePlan, spine: &Spine, options: &Options) -> Result<Self, OfflineError> {
        let compile = |computation| {
            let inputs: Vec<Field> = plan.inputs(computation).map(|(field, _)| field.clone()).collect();
            OnDemand::compile(&computation.view, &inputs)
        };
        let on_demand = plan.computations.iter().map(compile).collect::<Result<Vec<OnDemand>, _>>()?;
        let reads = plan.computations.iter().zip(&on_demand).map(|(computation, compiled)| {
            // Behind the inputs lie the columns of the request.
            let origin = |input: &usize| computation.inputs.get(*input).map(|(_, origin)| *origin);
            compiled.reads().iter().map(|read| read.iter().filter_map(origin).collect()).collect()
        });
        let openings = match options.as_of {
            AsOf::Available => options.openings.clone(),
            AsOf::Event => Openings::default(),
        };
        Ok(Self {
            schema: Arc::new(schema(plan, spine, options.explain)?),
            layout: Layout::new(plan, spine),
            reads: reads.collect(),
            on_demand,
            openings,
            plan: plan.clone(),
            spine: spine.clone(),
            as_of: options.as_of,
            explain: options.explain,
            filled: options.filled,
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The batch of these joined rows, of which `before` came earlier.
    pub(crate) fn build(&self, joined: &RecordBatch, before: usize) -> Result<BuiltBatch, OfflineError> {
        let labels = check_times(joined, self.spine.time(), before);
        let labels = labels.map_err(|problem| OfflineError::Spine(vec![problem]))?;
        let mut values = Values {
            service: self,
            joined,
            computed: Vec::new(),
            filled: Vec::new(),
            unanswered: Vec::new(),
        };
        values.compute(&labels)?;
        let spine_columns = self.spine.schema().fields().len();
        let mut columns: Vec<ArrayRef> = joined.columns().iter().take(spine_columns).cloned().collect();
        let mut counts = Vec::with_capacity(self.plan.outputs.len());
        for output in &self.plan.outputs {
            let column = values.column(output.origin)?;
            let leaked = match self.as_of {
                AsOf::Available => {
                    Some(values.leaked(output.origin)?.iter().filter(|leaked| **leaked).count())
                }
                AsOf::Event => None,
            };
            counts.push((column.null_count(), leaked));
            columns.push(column);
        }
        if self.explain {
            columns.extend(values.times(&labels)?);
        }
        let outputs = self.plan.outputs.iter().filter(|_| self.filled);
        let filled = outputs.map(|output| values.filled(output.origin)).collect::<Result<_, _>>()?;
        Ok(BuiltBatch { rows: RecordBatch::try_new(self.schema.clone(), columns)?, labels, counts, filled })
    }
}

/// Every value that outputs can come from, for one batch of joined rows.
struct Values<'a> {
    service: &'a BatchBuilder,
    joined: &'a RecordBatch,
    /// The features of the computations so far.
    computed: Vec<Vec<ArrayRef>>,
    /// For each of them the rows at which its default stands instead of null.
    filled: Vec<Vec<BooleanArray>>,
    /// For each of them the rows at which it is computed from a feature of which nothing was answered.
    unanswered: Vec<Vec<Vec<bool>>>,
}

impl Values<'_> {
    /// Evaluates the on-demand views, in an order in which each finds its inputs.
    fn compute(&mut self, labels: &[i64]) -> Result<(), OfflineError> {
        let plan = &self.service.plan;
        let compiled = self.service.on_demand.iter().zip(&self.service.reads);
        for (computation, (compiled, reads)) in plan.computations.iter().zip(compiled) {
            let inputs = plan.inputs(computation).map(|(field, input)| match input {
                Input::Feature(origin) => self.column(origin),
                Input::Request(_) => self.request_column(field),
            });
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let features = compiled.evaluate(inputs, self.joined.num_rows())?;
            let mut filled: Vec<BooleanArray> = features.iter().map(ComputedColumn::filled).collect();
            let mut values: Vec<ArrayRef> = features.into_iter().map(|feature| feature.values).collect();
            if !self.service.openings.is_empty() {
                let unanswered: Vec<Vec<bool>> = reads
                    .iter()
                    .map(|read| self.unanswered_of_any(read, labels))
                    .collect::<Result<_, _>>()?;
                for ((values, filled), rows) in values.iter_mut().zip(&mut filled).zip(&unanswered) {
                    let rows = BooleanArray::from(rows.clone());
                    *values = nullif(values, &rows)?;
                    *filled = and_not(filled, &rows)?;
                }
                self.unanswered.push(unanswered);
            }
            self.computed.push(values);
            self.filled.push(filled);
        }
        Ok(())
    }

    /// Law 8: the rows at which nothing was answered of one of these, as a circuit breaker was open.
    fn unanswered_of_any(&self, origins: &[Origin], labels: &[i64]) -> Result<Vec<bool>, OfflineError> {
        let mut any = vec![false; labels.len()];
        for origin in origins {
            let of_one = match *origin {
                Origin::Stored { lookup, feature } => self.unanswered(lookup, feature, labels)?,
                Origin::Computed { computation, feature } => {
                    let known = self.unanswered.get(computation).and_then(|features| features.get(feature));
                    known.cloned().ok_or_else(|| self.absent("value of an on-demand view"))?
                }
            };
            any.iter_mut().zip(of_one).for_each(|(any, one)| *any |= one);
        }
        Ok(any)
    }

    /// The rows at which nothing was answered of a feature; a key with a null has no answer that a breaker could hold.
    fn unanswered(&self, lookup: usize, feature: usize, labels: &[i64]) -> Result<Vec<bool>, OfflineError> {
        let BatchBuilder { plan, openings, .. } = self.service;
        let read = plan.lookups.get(lookup).ok_or_else(|| self.absent("view"))?;
        let name = &read.view.features.get(feature).ok_or_else(|| self.absent("feature"))?.name;
        if openings.of(&read.view.id).iter().all(|opening| opening.answers != OpenAnswer::NoValue) {
            return Ok(vec![false; labels.len()]);
        }
        let keys = read.keys.iter().filter_map(|key| plan.keys.get(*key));
        let keys = keys.map(|key| self.joined(key.name.as_str())).collect::<Result<Vec<_>, _>>()?;
        let is_unanswered = |(row, label): (usize, &i64)| {
            let opening = openings.of_feature(&read.view.id, name, Micros::new(*label).ok()?)?;
            let is_no_value = opening.answers == OpenAnswer::NoValue;
            Some(is_no_value && keys.iter().all(|key| key.is_valid(row)))
        };
        Ok(labels.iter().enumerate().map(|label| is_unanswered(label).unwrap_or(false)).collect())
    }

    fn column(&self, origin: Origin) -> Result<ArrayRef, OfflineError> {
        match origin {
            Origin::Stored { lookup, feature } => {
                self.joined(&self.service.layout.feature(lookup, feature)).cloned()
            }
            Origin::Computed { computation, feature } => {
                let found = self.computed.get(computation).and_then(|values| values.get(feature)).cloned();
                found
                    .ok_or_else(|| self.absent(&format!("feature {feature} of on-demand view {computation}")))
            }
        }
    }

    /// The rows at which the default of a value stands instead of null.
    fn filled(&self, origin: Origin) -> Result<BooleanArray, OfflineError> {
        match origin {
            Origin::Stored { lookup, feature } => {
                let name = filled_name(&self.service.layout.feature(lookup, feature));
                Ok(self.joined(&name)?.as_boolean().clone())
            }
            Origin::Computed { computation, feature } => {
                let found = self.filled.get(computation).and_then(|features| features.get(feature)).cloned();
                found.ok_or_else(|| self.absent("defaults of an on-demand view"))
            }
        }
    }

    fn joined(&self, name: &str) -> Result<&ArrayRef, OfflineError> {
        self.joined.column_by_name(name).ok_or_else(|| self.absent(&format!("column `{name}`")))
    }

    fn absent(&self, what: &str) -> OfflineError {
        OfflineError::Corrupt {
            what: format!("the features of {}", self.service.plan.id),
            why: format!("the join gave no {what}"),
        }
    }

    /// The rows at which an event-time join would have filled the value, or an input of it, from
    /// rows that were not yet available.
    fn leaked(&self, origin: Origin) -> Result<Vec<bool>, OfflineError> {
        match origin {
            Origin::Stored { lookup, feature } => {
                let leaked = self.joined(&leak_name(&self.service.layout.feature(lookup, feature)))?;
                Ok(leaked.as_boolean().iter().map(|leaked| leaked == Some(true)).collect())
            }
            Origin::Computed { computation, .. } => {
                let mut any = vec![false; self.joined.num_rows()];
                let computation = self.service.plan.computations.get(computation);
                for (_, input) in computation.into_iter().flat_map(|computation| &computation.inputs) {
                    any.iter_mut().zip(self.leaked(*input)?).for_each(|(any, one)| *any |= one);
                }
                Ok(any)
            }
        }
    }

    /// A request column of the spine in its declared type.
    fn request_column(&self, field: &Field) -> Result<ArrayRef, OfflineError> {
        transform::conformed(self.joined(field.name.as_str())?, field).map_err(|error| {
            let path = self.service.spine.path().display();
            OfflineError::Spine(vec![format!("{path}: the request column `{}`: {error}", field.name)])
        })
    }

    /// Event time, availability and age of each lookup's latest row.
    fn times(&self, labels: &[i64]) -> Result<Vec<ArrayRef>, OfflineError> {
        let mut columns = Vec::new();
        for lookup in 0..self.service.plan.lookups.len() {
            let (event_time, available_at) = self.service.layout.times(lookup);
            let event_time = self.joined(&event_time)?;
            let times = event_time.as_primitive::<TimestampMicrosecondType>();
            let age: Float64Array =
                times.iter().zip(labels).map(|(event, at)| Some((at - event?) as f64 / 1e6)).collect();
            columns.push(event_time.clone());
            columns.push(self.joined(&available_at)?.clone());
            columns.push(Arc::new(age));
        }
        Ok(columns)
    }
}

/// The features that are joined, those that outputs need directly or through on-demand views, and the names of the
/// join's columns.
#[derive(Debug)]
pub(crate) struct Layout {
    needs: Needs,
    /// How the names of joined columns begin: no column of the spine does.
    mark: String,
}

impl Layout {
    pub(crate) fn new(plan: &ServicePlan, spine: &Spine) -> Self {
        let mut mark = "@".to_owned();
        while spine.schema().fields().iter().any(|field| field.name().starts_with(&mark)) {
            mark.push('@');
        }
        Self { needs: plan.needs(0..plan.outputs.len()), mark }
    }

    /// What the join calls a feature, by its index in the lookup's view.
    pub(crate) fn feature(&self, lookup: usize, feature: usize) -> String {
        self.name(lookup, feature)
    }

    /// What the join calls the times of a lookup's latest row: event time and availability.
    pub(crate) fn times(&self, lookup: usize) -> (String, String) {
        (self.name(lookup, "event_time"), self.name(lookup, "available_at"))
    }

    fn name(&self, lookup: usize, what: impl Display) -> String {
        format!("{}{lookup}.{what}", self.mark)
    }

    /// The features of a lookup that are joined, with the names of their columns.
    pub(crate) fn features_of(&self, lookup: usize) -> Vec<(usize, String)> {
        let features = self.needs.lookups.get(&lookup).into_iter().flatten();
        features.map(|feature| (*feature, self.feature(lookup, *feature))).collect()
    }
}

/// The columns of a training set: the spine's, the features, and the times of each view if `explain`. Names those
/// that would be there twice; the names of features were compared with the spine's when that was opened.
fn schema(plan: &ServicePlan, spine: &Spine, explain: bool) -> Result<Schema, OfflineError> {
    let fields = fields(plan, spine, explain);
    let beside = spine.beside().iter().map(String::as_str);
    let repeated = transform::repeated_names(fields.iter().map(|field| field.name().as_str()).chain(beside));
    let is_of_spine =
        |name: &String| spine.schema().column_with_name(name).is_some() || spine.beside().contains(name);
    let problem = |name: &String| match is_of_spine(name) {
        true => format!(
            "{}: it has a column `{name}`, which `explain` adds for the times of a view: rename the column",
            spine.path().display()
        ),
        false => format!(
            "{}: `{name}` is a column that `explain` adds for the times of a view, and is also the name of another column: give the feature a prefix",
            plan.id
        ),
    };
    match repeated.is_empty() {
        true => Ok(Schema::new_with_metadata(fields, spine.schema().metadata().clone())),
        false => Err(OfflineError::Spine(repeated.iter().map(problem).collect())),
    }
}

fn fields(plan: &ServicePlan, spine: &Spine, explain: bool) -> Vec<FieldRef> {
    let mut fields: Vec<FieldRef> = spine.schema().fields().iter().cloned().collect();
    for output in &plan.outputs {
        fields.push(Arc::new(ArrowField::new(&output.name, transform::arrow_type(output.data_type), true)));
    }
    for lookup in plan.lookups.iter().filter(|_| explain) {
        let name = explain_name(plan, lookup);
        fields.push(Arc::new(ArrowField::new(format!("{name}__event_time"), timestamp_type(), true)));
        fields.push(Arc::new(ArrowField::new(format!("{name}__available_at"), timestamp_type(), true)));
        fields.push(Arc::new(ArrowField::new(format!("{name}__age_s"), DataType::Float64, true)));
    }
    fields
}

/// What the times of a lookup are called: its view, with its version if there are several of them, and with its role
/// if the view has several.
fn explain_name(plan: &ServicePlan, lookup: &Lookup) -> String {
    let several = plan.lookups.iter().filter(|other| other.view.id == lookup.view.id).count() > 1;
    let is_other_version =
        |other: &&Lookup| other.view.id.name == lookup.view.id.name && other.view.id != lookup.view.id;
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
