//! What the columns of a date hold, beside what those of a version before hold on the same date.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use feature::{EventDate, Feature, Fold, View};
use futures::TryStreamExt;
use monitor::{Comparison, Measure, Observed, Pair};
use offline::{Log, OfflineError};

use super::checks::{ColumnSummary, ComparedColumn, Reference, check_column};
use crate::error::MaterializerError;
use crate::observed_column::ObservedColumn;

/// Different values that are kept of one column; with more, distributions are of ranges of values.
const MOST_VALUES: usize = 16_384;

/// The columns of one date.
#[derive(Debug)]
pub(super) struct Observation {
    columns: Vec<ColumnObservation>,
}

#[derive(Debug)]
struct ColumnObservation {
    summary: ColumnSummary,
    measure: Measure,
    /// Both sides' values, if the version before has this column too.
    comparison: Option<Comparison>,
}

/// For each column of a view the column of a version before that it is compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MatchedColumns(Vec<Option<usize>>);

impl MatchedColumns {
    /// The columns that features of one name have in both versions, unless the feature's definition is another one and
    /// a change of it is expected.
    pub(super) fn of(new: &View, old: &View) -> Self {
        let mut matched = vec![None; new.columns.len()];
        for feature in &new.features {
            let Some(before) = old.feature(feature.name.as_str()).and_then(|index| old.features.get(index))
            else {
                continue;
            };
            let is_expected = new.about.expect_change.contains_key(feature.name.as_str());
            if is_expected && !is_same(new, feature, old, before) {
                continue;
            }
            if let (Some(column), Some(before)) = (feature.fold.column(), before.fold.column())
                && let Some(slot) = matched.get_mut(column)
            {
                *slot = Some(before);
            }
        }
        Self(matched)
    }

    /// No version before.
    pub(super) fn none(new: &View) -> Self {
        Self(vec![None; new.columns.len()])
    }
}

/// Whether a feature computes the same in two versions.
fn is_same(new: &View, feature: &Feature, old: &View, before: &Feature) -> bool {
    let expression = |view: &View, feature: &Feature| {
        let column = feature.fold.column().and_then(|column| view.columns.get(column));
        column.map(|column| (column.expression.clone(), column.data_type))
    };
    let is_same_fold = match (&feature.fold, &before.fold) {
        (Fold::Latest { .. }, Fold::Latest { .. }) => new.ttl == old.ttl,
        (
            Fold::Aggregate { function, window, .. },
            Fold::Aggregate { function: before, window: window_before, .. },
        ) => function == before && window == window_before,
        _ => false,
    };
    is_same_fold
        && expression(new, feature) == expression(old, before)
        && (feature.data_type, &feature.unit) == (before.data_type, &before.unit)
}

impl Observation {
    pub(super) fn new(view: &View, old: Option<&View>, matched: &MatchedColumns) -> Self {
        let columns = view.columns.iter().zip(&matched.0).map(|(column, matched)| {
            let before = matched.and_then(|matched| old?.columns.get(matched));
            let measure = Measure::of(column.data_type, before.map_or(column.data_type, |old| old.data_type));
            ColumnObservation {
                summary: ColumnSummary::new(column.name.to_string()),
                measure,
                comparison: before.map(|_| Comparison::new(measure, MOST_VALUES)),
            }
        });
        Self { columns: columns.collect() }
    }

    /// Adds accepted rows.
    pub(super) fn add(&mut self, view: &View, rows: &RecordBatch) -> Result<(), MaterializerError> {
        for (column, observation) in view.columns.iter().zip(&mut self.columns) {
            let array = column_in(view, rows, column)?;
            let values = ObservedColumn::of(&array, column.data_type);
            let mut bytes = Vec::new();
            for row in 0..array.len() {
                let value = values.at(row, &mut bytes);
                observation.summary.add(value, observation.measure);
                if let Some(comparison) = &mut observation.comparison {
                    comparison.add(&Pair { old: Observed::Null, new: value, statuses: None });
                }
            }
        }
        Ok(())
    }

    /// Adds what the log of a version before has of a date. Gives for each column what it holds there.
    pub(super) async fn add_old(
        &mut self,
        log: &Log,
        date: EventDate,
        matched: &MatchedColumns,
    ) -> Result<Vec<Option<ColumnSummary>>, MaterializerError> {
        let old = log.view().clone();
        let column = |matched: &Option<usize>| matched.and_then(|index| old.columns.get(index));
        let columns: Vec<Option<&feature::Column>> = matched.0.iter().map(column).collect();
        let mut names: Vec<&str> = columns.iter().flatten().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut summaries: Vec<Option<ColumnSummary>> = columns
            .iter()
            .map(|column| column.map(|column| ColumnSummary::new(column.name.to_string())))
            .collect();
        if names.is_empty() {
            return Ok(summaries);
        }
        let mut batches = log.scan_date(&date.to_string(), &names)?;
        while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
            for ((column, summary), observation) in columns.iter().zip(&mut summaries).zip(&mut self.columns)
            {
                let (Some(column), Some(summary), Some(comparison)) =
                    (column, summary, &mut observation.comparison)
                else {
                    continue;
                };
                let array = column_in(&old, &batch, column)?;
                let values = ObservedColumn::of(&array, column.data_type);
                let mut bytes = Vec::new();
                for row in 0..array.len() {
                    let value = values.at(row, &mut bytes);
                    summary.add(value, observation.measure);
                    comparison.add(&Pair { old: value, new: Observed::Null, statuses: None });
                }
            }
        }
        Ok(summaries)
    }

    /// Why the date does not look as it is expected to: beside a version before where that has rows of the date, else
    /// beside the dates before. None of its columns is compared with both.
    pub(super) fn check(
        &self,
        olds: &[Option<ColumnSummary>],
        version: Option<&Reference>,
        before: &[ColumnSummary],
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        for (index, observation) in self.columns.iter().enumerate() {
            let old = olds.get(index).and_then(Option::as_ref).filter(|old| old.rows > 0).zip(version);
            let new = &observation.summary;
            let compared =
                match old {
                    Some((old, reference)) => {
                        let figures = observation.comparison.as_ref().map(Comparison::figures);
                        Some(ComparedColumn { new, old, reference, figures })
                    }
                    None => before
                        .iter()
                        .find(|before| before.column == new.column)
                        .map(|old| ComparedColumn { new, old, reference: &Reference::Before, figures: None }),
                };
            reasons.extend(compared.iter().flat_map(check_column));
        }
        reasons
    }

    /// What the columns hold.
    pub(super) fn summaries(&self) -> Vec<ColumnSummary> {
        self.columns.iter().map(|column| column.summary.clone()).collect()
    }
}

/// A column of a batch in its declared type.
fn column_in(
    view: &View,
    batch: &RecordBatch,
    column: &feature::Column,
) -> Result<ArrayRef, MaterializerError> {
    let array = batch.column_by_name(column.name.as_str());
    let array =
        array.ok_or_else(|| MaterializerError::invariant(&view.id, "a batch lacks a column of its view"))?;
    Ok(cast(array, &transform::arrow_type(column.data_type))?)
}
