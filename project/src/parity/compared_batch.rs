//! The joined rows of both versions, compared batch by batch: memory follows the number of features, not of rows.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, TimeUnit, TimestampMicrosecondType};
use feature::{Field, Micros, ServicePlan, Status, Value};
use materializer::ObservedColumn;
use monitor::{Bounds, Comparison, Figures, Largest, Measure, Observed, Pair};
use offline::Spine;

use super::ages::{AgePair, Times, age_pairs};
use super::moments::conformed_key;
use super::report::{ComparedFeature, DifferingRow};
use super::sides::FeaturePair;
use crate::error::ProjectError;

/// Rows that differ most, for each feature.
const MOST_DIFFERENCES: usize = 10;
/// Different values that all features may keep together.
const ALL_VALUES: usize = 1 << 20;
/// Different values that one feature may keep, at least and at most.
const VALUES: std::ops::RangeInclusive<usize> = 1024..=65_536;

/// What was compared so far.
#[derive(Debug)]
pub(super) struct Comparing {
    keys: Vec<Field>,
    time: String,
    /// Columns of a batch before the features.
    spine_columns: usize,
    outputs: usize,
    /// For each lookup whether its rows have times.
    has_times: Vec<bool>,
    features: Vec<Compared>,
    /// For each feature the index of its ages.
    age_of: Vec<usize>,
    ages: Vec<AgePair>,
    rows: u64,
}

#[derive(Debug)]
struct Compared {
    pair: FeaturePair,
    comparison: Comparison,
    largest: Largest<DifferingRow>,
}

impl Comparing {
    pub(super) fn new(plan: &ServicePlan, pairs: &[FeaturePair], spine: &Spine) -> Self {
        let most = (ALL_VALUES / pairs.len().max(1)).clamp(*VALUES.start(), *VALUES.end());
        let (age_of, ages) = age_pairs(pairs, most);
        let compared = |pair: &FeaturePair| Compared {
            comparison: Comparison::new(Measure::of(pair.old.data_type, pair.new.data_type), most),
            largest: Largest::new(MOST_DIFFERENCES),
            pair: pair.clone(),
        };
        Self {
            keys: plan.keys.clone(),
            time: spine.time().to_owned(),
            spine_columns: spine.schema().fields().len(),
            outputs: plan.outputs.len(),
            has_times: plan.lookups.iter().map(|lookup| !lookup.view.is_static).collect(),
            features: pairs.iter().map(compared).collect(),
            age_of,
            ages,
            rows: 0,
        }
    }

    /// The same, with the rows of one more batch, and for each output where its default stands instead of null.
    pub(super) fn with(mut self, batch: &RecordBatch, filled: &[BooleanArray]) -> Result<Self, ProjectError> {
        let moments = self.moments(batch)?;
        let moments = moments.as_primitive::<TimestampMicrosecondType>().values();
        let keys = self.keys.iter().map(|key| {
            let column = batch.column_by_name(key.name.as_str());
            let column = column.expect("invariant: a spine has the join keys of its plan");
            conformed_key(column, key)
        });
        let keys: Vec<ArrayRef> = keys.collect::<Result<_, _>>()?;
        let lookup_times = (0..self.has_times.len()).map(|lookup| {
            let column = batch.column(self.spine_columns + self.outputs + 3 * lookup);
            let times = column.as_primitive::<TimestampMicrosecondType>();
            Box::new(|row: usize| times.is_valid(row).then(|| times.value(row))) as Box<dyn Fn(usize) -> _>
        });
        let times = Times { event: lookup_times.collect(), moments };
        let entity = |row: usize| -> Vec<(String, Value)> {
            let value = |(key, column): (&Field, &ArrayRef)| {
                (key.name.to_string(), transform::value_at(column.as_ref(), row, key.data_type))
            };
            self.keys.iter().zip(&keys).map(value).collect()
        };
        for feature in &mut self.features {
            let column = |output: usize| GivenColumn {
                values: batch.column(self.spine_columns + output),
                filled: filled
                    .get(output)
                    .expect("invariant: the join says of each output where it has its default"),
            };
            let sides = (column(feature.pair.old.output), column(feature.pair.new.output));
            feature.add(sides, &times, &self.has_times, self.rows, entity);
        }
        self.ages.iter_mut().for_each(|ages| ages.add(&times));
        self.rows += batch.num_rows() as u64;
        Ok(self)
    }

    /// The moments of a batch, whatever the spine has them in.
    fn moments(&self, batch: &RecordBatch) -> Result<ArrayRef, ProjectError> {
        let column = batch.column_by_name(&self.time).expect("invariant: a spine has a column of moments");
        Ok(cast(column, &ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?)
    }

    /// The figures of every feature, and those of the ages that they refer to.
    pub(super) fn finish(self) -> (Vec<ComparedFeature>, Vec<Figures>) {
        let features = self.features.into_iter().zip(self.age_of);
        let features = features.map(|(feature, ages)| feature.finish(ages)).collect();
        (features, self.ages.iter().map(AgePair::figures).collect())
    }
}

/// What a version gives of a feature.
#[derive(Clone, Copy)]
struct GivenColumn<'a> {
    /// The values that readers get.
    values: &'a ArrayRef,
    /// The rows at which these are the default, which stands instead of null.
    filled: &'a BooleanArray,
}

impl Compared {
    fn add(
        &mut self,
        (old, new): (GivenColumn<'_>, GivenColumn<'_>),
        times: &Times<'_>,
        has_times: &[bool],
        before: u64,
        entity: impl Fn(usize) -> Vec<(String, Value)>,
    ) {
        let FeaturePair { old: old_side, new: new_side, .. } = &self.pair;
        let have_times =
            |lookups: &[usize]| lookups.iter().all(|lookup| has_times.get(*lookup) == Some(&true));
        let (old_times, new_times) = (have_times(&old_side.lookups), have_times(&new_side.lookups));
        let (olds, news) = (
            ObservedColumn::of(old.values, old_side.data_type),
            ObservedColumn::of(new.values, new_side.data_type),
        );
        let (mut old_bytes, mut new_bytes) = (Vec::new(), Vec::new());
        for row in 0..old.values.len() {
            let observed_old = olds.at(row, &mut old_bytes);
            let observed_new = news.at(row, &mut new_bytes);
            let status = |side, has_times, observed, given: GivenColumn<'_>| match observed {
                // Law 3: a default stands for a null, and does not change the status.
                _ if given.filled.value(row) => Status::NullValue,
                Observed::Null => times.status_of_null(side, has_times, row),
                _ => Status::Present,
            };
            let statuses = (
                status(old_side, old_times, observed_old, old),
                status(new_side, new_times, observed_new, new),
            );
            let pair = Pair { old: observed_old, new: observed_new, statuses: Some(statuses) };
            if let Some(difference) = self.comparison.add(&pair) {
                self.largest.offer(difference, before + row as u64, || DifferingRow {
                    entity: entity(row),
                    at: times
                        .moments
                        .get(row)
                        .and_then(|at| Micros::new(*at).ok())
                        .expect("invariant: every row of a spine has a moment"),
                    old: transform::value_at(old.values.as_ref(), row, old_side.data_type),
                    new: transform::value_at(new.values.as_ref(), row, new_side.data_type),
                    old_inputs: Vec::new(),
                    new_inputs: Vec::new(),
                });
            }
        }
    }

    fn finish(self, ages: usize) -> ComparedFeature {
        let figures = self.comparison.figures();
        let bounds = self.pair.expected.as_ref().map_or(Bounds::DEFAULT, Bounds::of);
        let judgement = bounds.check(&figures, self.pair.expected.is_some());
        ComparedFeature {
            name: self.pair.name,
            old_type: self.pair.old.data_type,
            new_type: self.pair.new.data_type,
            old_unit: self.pair.old.unit,
            new_unit: self.pair.new.unit,
            expected: self.pair.expected,
            bounds,
            judgement,
            ages,
            differences: self.largest.into_sorted().collect(),
            figures,
        }
    }
}
