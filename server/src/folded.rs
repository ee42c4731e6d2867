//! The packed rows of one view folded at one moment, each once, into columns; and those columns
//! spread over the rows of a request.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::UInt32Array;
use arrow::compute::take;
use feature::{Micros, Status, Times, View};
use online::{Columns, Found, Layout, PackedRow};

use crate::arrays;
use crate::error::ServeError;
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
        let mut folded = Columns::new(layout, features);
        for row in found.rows() {
            match row {
                Some(bytes) => folded.push(&PackedRow::new(layout, bytes)?, at)?,
                None => folded.push_absent(),
            }
        }
        let types = features.iter().filter_map(|feature| Some(view.features.get(*feature)?.data_type));
        let columns = folded.columns.into_iter().zip(types).map(|(column, data_type)| Column {
            values: arrays::of_column(column.values, &column.statuses, data_type),
            statuses: column.statuses.into(),
        });
        Ok(Self { columns: columns.collect(), times: folded.times.into() })
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
