//! The packed rows of one view folded at one moment, each once, into columns; and those columns
//! spread over the rows of a request.

use std::borrow::Cow;

use feature::{Answer, Cell, Micros, Span, Status, Times, Value};
use online::{Column, Columns, Layout, PackedRow, PackedRows};

use crate::entity_keys::KeyIndices;
use crate::error::ReadError;

/// Some features of some entities of one view at one moment.
#[derive(Debug)]
pub(crate) struct FoldedView(Columns);

impl FoldedView {
    /// Folds these features of every packed row that was found.
    pub fn new(
        layout: &Layout,
        features: &[usize],
        found: &PackedRows,
        at: Micros,
    ) -> Result<Self, ReadError> {
        let mut folded = Columns::new(layout, features, found.len());
        for row in found.rows() {
            match row {
                Some(bytes) => folded.push(&PackedRow::new(layout, bytes)?, at)?,
                None => folded.push_absent(),
            }
        }
        Ok(Self(folded))
    }

    /// Law 8: what was answered at the last good moment, as a reader at `at` gets it.
    pub fn kept(mut self, ttl: Option<Span>, at: Micros) -> Self {
        self.0.keep(ttl, at);
        self
    }

    /// Law 8: these features of so many entities while nothing is answered of their view.
    pub fn breaker_open(layout: &Layout, features: &[usize], entities: usize) -> Self {
        let mut folded = Columns::new(layout, features, entities);
        (0..entities).for_each(|_| folded.push_breaker_open());
        Self(folded)
    }

    /// Whether there is a column at an index among the features.
    pub fn holds(&self, index: usize) -> bool {
        index < self.0.columns.len()
    }

    /// The column at an index among the features, of the entities at these indices; those at none are
    /// not found.
    pub fn column(&self, index: usize, indices: &KeyIndices) -> Option<Cow<'_, Column>> {
        let column = self.0.columns.get(index)?;
        Some(match indices {
            KeyIndices::InOrder => Cow::Borrowed(column),
            KeyIndices::Picked(indices) => Cow::Owned(column.picked(indices)),
        })
    }

    /// The times of the entities at these indices, those of a source without an event time too.
    pub fn times(&self, indices: &KeyIndices) -> Cow<'_, [Option<Times>]> {
        let times = &self.0.times;
        match indices {
            KeyIndices::InOrder => Cow::Borrowed(times),
            KeyIndices::Picked(indices) => {
                indices.iter().map(|index| times.get((*index)? as usize).copied().flatten()).collect()
            }
        }
    }

    /// The times of the entity of one row of the request, by these indices.
    pub fn times_at(&self, row: usize, indices: &KeyIndices) -> Option<Times> {
        self.0.times.get(indices.at(row)?).copied().flatten()
    }

    /// What is answered of the entity at an index: a cell for each feature.
    pub fn answer_at(&self, index: usize) -> Answer {
        let cell = |column: &Column| {
            let status = column.statuses.get(index).copied().unwrap_or(Status::NotFound);
            let value = column
                .values
                .value(index)
                .filter(|_| status.has_value(column.has_default))
                .unwrap_or(Value::Null);
            Cell { value, status }
        };
        Answer {
            cells: self.0.columns.iter().map(cell).collect(),
            times: self.0.times.get(index).copied().flatten(),
        }
    }
}
