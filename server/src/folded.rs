//! The packed rows of one view folded at one moment, each once, into columns; and those columns
//! spread over the rows of a request.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use feature::{Cell, Micros, Status, Times, Value, View};
use online::{Found, Layout, PackedRow};

use crate::error::ServeError;

/// Values and their statuses.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub values: ArrayRef,
    pub statuses: Vec<Status>,
}

/// Some features of some entities of one view at one moment.
pub(crate) struct Folded<'a> {
    features: &'a [usize],
    columns: Vec<Column>,
    times: Vec<Option<Times>>,
}

impl<'a> Folded<'a> {
    /// Folds these features of every packed row that was found.
    pub fn new(
        view: &View,
        layout: &Layout,
        features: &'a [usize],
        found: &Found,
        at: Micros,
    ) -> Result<Self, ServeError> {
        let mut values: Vec<Vec<Value>> = vec![Vec::new(); features.len()];
        let mut statuses: Vec<Vec<Status>> = vec![Vec::new(); features.len()];
        let mut times = Vec::new();
        for row in found.rows() {
            let answer = match row {
                Some(bytes) => Some(PackedRow::new(layout, bytes)?.answer_some(features, at)?),
                None => None,
            };
            times.push(answer.as_ref().and_then(|answer| answer.times));
            let mut cells = answer.map(|answer| answer.cells).unwrap_or_default().into_iter();
            for (values, statuses) in values.iter_mut().zip(&mut statuses) {
                let cell = cells.next().unwrap_or(Cell::NOT_FOUND);
                values.push(cell.value);
                statuses.push(cell.status);
            }
        }
        let types = features.iter().filter_map(|feature| Some(view.features.get(*feature)?.data_type));
        let columns = types.zip(values).zip(statuses).map(|((data_type, values), statuses)| Column {
            values: transform::array_of(&values, data_type),
            statuses,
        });
        Ok(Self { features, columns: columns.collect(), times })
    }

    /// A feature of the entities at these places; those at none are not found.
    pub fn column(&self, feature: usize, places: &[Option<u32>]) -> Result<Option<Column>, ServeError> {
        let column = self.features.binary_search(&feature).ok().and_then(|place| self.columns.get(place));
        let Some(column) = column else { return Ok(None) };
        if self.is_as_it_is(places) {
            return Ok(Some(column.clone()));
        }
        let picks = UInt32Array::from(places.to_vec());
        let values = take(&column.values, &picks, None)?;
        let status = |place: &Option<u32>| {
            let status = place.and_then(|place| column.statuses.get(place as usize));
            status.copied().unwrap_or(Status::NotFound)
        };
        Ok(Some(Column { values, statuses: places.iter().map(status).collect() }))
    }

    /// The times of the entities at these places, those of a source without an event time too.
    pub fn times(&self, places: &[Option<u32>]) -> Vec<Option<Times>> {
        places.iter().map(|place| self.times.get((*place)? as usize).copied().flatten()).collect()
    }

    /// Whether these places are those of all entities, in their order.
    fn is_as_it_is(&self, places: &[Option<u32>]) -> bool {
        places.len() == self.times.len()
            && places.iter().enumerate().all(|(row, place)| *place == Some(row as u32))
    }
}
