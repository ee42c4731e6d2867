//! The packed rows of one view folded at one moment, each once, into columns; and those columns
//! spread over the rows of a request.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::UInt32Array;
use arrow::compute::take;
use feature::{Cell, Micros, Status, Times, View};
use online::{Found, Layout, PackedRow};

use crate::error::ServeError;
use crate::filling::Filling;
use crate::wanted::Places;

/// Values and their statuses.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub values: ArrayRef,
    pub statuses: Arc<[Status]>,
}

/// Some features of some entities of one view at one moment.
pub(crate) struct Folded {
    columns: Vec<Column>,
    times: Arc<[Option<Times>]>,
}

impl Folded {
    /// Folds these features of every packed row that was found.
    pub fn new(
        view: &View,
        layout: &Layout,
        features: &[usize],
        found: &Found,
        at: Micros,
    ) -> Result<Self, ServeError> {
        let rows = found.rows().count();
        let types = features.iter().filter_map(|feature| Some(view.features.get(*feature)?.data_type));
        let mut fillings: Vec<(Filling, Vec<Status>)> =
            types.map(|data_type| (Filling::new(data_type, rows), Vec::with_capacity(rows))).collect();
        let mut times = Vec::with_capacity(rows);
        for row in found.rows() {
            let answer = match row {
                Some(bytes) => Some(PackedRow::new(layout, bytes)?.answer_some(features, at)?),
                None => None,
            };
            times.push(answer.as_ref().and_then(|answer| answer.times));
            let mut cells = answer.map(|answer| answer.cells).unwrap_or_default().into_iter();
            for (filling, statuses) in &mut fillings {
                let cell = cells.next().unwrap_or(Cell::NOT_FOUND);
                filling.push(cell.value);
                statuses.push(cell.status);
            }
        }
        let columns = fillings
            .into_iter()
            .map(|(filling, statuses)| Column { values: filling.finish(), statuses: statuses.into() });
        Ok(Self { columns: columns.collect(), times: times.into() })
    }

    /// The column at a place among the features, of the entities at these places; those at none are
    /// not found.
    pub fn column(&self, place: usize, places: &Places) -> Result<Option<Column>, ServeError> {
        let Some(column) = self.columns.get(place) else { return Ok(None) };
        let Places::Picked(places) = places else { return Ok(Some(column.clone())) };
        let picks = UInt32Array::from(places.clone());
        let values = take(&column.values, &picks, None)?;
        let status = |place: &Option<u32>| {
            let status = place.and_then(|place| column.statuses.get(place as usize));
            status.copied().unwrap_or(Status::NotFound)
        };
        Ok(Some(Column { values, statuses: places.iter().map(status).collect() }))
    }

    /// The times of the entities at these places, those of a source without an event time too.
    pub fn times(&self, places: &Places) -> Arc<[Option<Times>]> {
        match places {
            Places::InOrder(_) => Arc::clone(&self.times),
            Places::Picked(places) => {
                places.iter().map(|place| self.times.get((*place)? as usize).copied().flatten()).collect()
            }
        }
    }
}
