//! What a reader gives: one column for each feature, its statuses, and the times that columns
//! share.

use std::sync::Arc;

use arrow::array::ArrayRef;
use feature::{DataType, Micros, Status, Times, Value, VersionId};

/// The features of a batch of entities at one moment.
#[derive(Clone, Debug)]
pub struct Features {
    /// The service version that was read.
    pub service: VersionId,
    /// The moment.
    pub at: Micros,
    /// How many entities there are.
    pub rows: usize,
    /// One column for each chosen feature, in the service's order.
    pub columns: Vec<FeatureColumn>,
    /// The times of the columns, one for each entity; none where there is no row or no event time.
    pub times: Vec<Arc<[Option<Times>]>>,
}

/// One feature of every entity of a batch.
#[derive(Clone, Debug)]
pub struct FeatureColumn {
    /// The name that the service gives it.
    pub name: String,
    /// The type of its values.
    pub data_type: DataType,
    /// Its values, as an array of [`transform::arrow_type`]`(data_type)`.
    pub values: ArrayRef,
    /// Why they are what they are.
    pub statuses: Arc<[Status]>,
    /// Which of [`Features::times`] are its own.
    pub times: usize,
}

/// One feature of one entity.
#[derive(Clone, PartialEq, Debug)]
pub struct FeatureCell {
    /// The value; the feature's default, or null, unless the status is `PRESENT`.
    pub value: Value,
    /// Why.
    pub status: Status,
    /// The times of the row that it comes from.
    pub times: Option<Times>,
    /// From the event time to the moment, in seconds.
    pub age_s: Option<f64>,
}

impl Features {
    /// The times of a column, one for each entity.
    pub fn times_of(&self, column: &FeatureColumn) -> &[Option<Times>] {
        self.times.get(column.times).map_or(&[], |times| times)
    }

    /// From an event time to the moment, in seconds.
    pub fn age_s(&self, times: Times) -> f64 {
        self.at.since(times.event_time) as f64 / 1e6
    }

    /// The cell of a column for one entity; none where there is no such entity.
    pub fn cell(&self, column: &FeatureColumn, row: usize) -> Option<FeatureCell> {
        let status = *column.statuses.get(row)?;
        let times = self.times_of(column).get(row).copied().flatten();
        Some(FeatureCell {
            value: transform::value_at(&column.values, row, column.data_type),
            status,
            times,
            age_s: times.map(|times| self.age_s(times)),
        })
    }
}
