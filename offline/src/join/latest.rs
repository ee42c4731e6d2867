//! Law 2 at every label: the visible row with the greatest (event time, position).
//!
//! A row is offered to the first slot from which it is visible; when all rows have been offered,
//! each slot takes the better of its own row and the one before it. Values are fetched late: a
//! batch leaves behind only the rows that won a slot.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{interleave, nullif, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use feature::{Micros, Position};

/// The row that is best for one slot so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Winner {
    pub(crate) event_time: Micros,
    pub(crate) available_at: Micros,
    position: Position,
    batch: u32,
    row: u32,
}

impl Winner {
    /// Law 2: the order that decides which row is the latest.
    pub(crate) fn recency(&self) -> (Micros, Position) {
        (self.event_time, self.position)
    }
}

/// The latest rows of all slots while the log streams by.
pub(crate) struct LatestFold {
    schema: SchemaRef,
    best: Vec<Option<Winner>>,
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    /// Slots won by the batch that is being read.
    touched: Vec<usize>,
}

impl LatestFold {
    /// No rows yet, for values of this schema.
    pub(crate) fn new(schema: SchemaRef, slots: usize) -> Self {
        Self { schema, best: vec![None; slots], kept: Vec::new(), kept_rows: 0, touched: Vec::new() }
    }

    /// Offers a row of the current batch to the slot from which on it is visible.
    pub(crate) fn offer(&mut self, slot: usize, times: (Micros, Micros), position: Position, row: usize) {
        let Some(best) = self.best.get_mut(slot) else { return };
        let (event_time, available_at) = times;
        if best.is_none_or(|old| (event_time, position) > old.recency()) {
            let batch = self.kept.len() as u32;
            *best = Some(Winner { event_time, available_at, position, batch, row: row as u32 });
            self.touched.push(slot);
        }
    }

    /// Ends the current batch: keeps the values of the rows that won, null where they are
    /// tombstones.
    pub(crate) fn settle(
        &mut self,
        values: &[ArrayRef],
        deleted: &arrow::array::BooleanArray,
    ) -> Result<(), ArrowError> {
        self.touched.sort_unstable();
        self.touched.dedup();
        let mut place_of = vec![u32::MAX; deleted.len()];
        let mut rows = Vec::new();
        for slot in self.touched.drain(..) {
            let Some(Some(winner)) = self.best.get_mut(slot) else { continue };
            let Some(place) = place_of.get_mut(winner.row as usize) else { continue };
            if *place == u32::MAX {
                *place = rows.len() as u32;
                rows.push(winner.row);
            }
            winner.row = *place;
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.kept_rows += rows.len();
        let rows = UInt32Array::from(rows);
        let deleted = take(deleted, &rows, None)?;
        let columns = values
            .iter()
            .map(|column| nullif(&take(column, &rows, None)?, arrow::array::AsArray::as_boolean(&deleted)))
            .collect::<Result<Vec<_>, _>>()?;
        self.kept.push(batch(&self.schema, columns, rows.len())?);
        if self.kept_rows > 4 * self.best.len() + 65_536 {
            self.compact()?;
        }
        Ok(())
    }

    /// Drops the values of rows that have lost since.
    fn compact(&mut self) -> Result<(), ArrowError> {
        let live: Vec<(usize, usize)> = self
            .best
            .iter_mut()
            .flatten()
            .enumerate()
            .map(|(place, winner)| {
                let from = (winner.batch as usize, winner.row as usize);
                (winner.batch, winner.row) = (0, place as u32);
                from
            })
            .collect();
        self.kept = vec![gather(&self.schema, &self.kept, &live)?];
        self.kept_rows = live.len();
        Ok(())
    }

    /// The winner of every slot and the values of its row, null where there is none.
    pub(crate) fn finish(
        mut self,
        entities: impl Iterator<Item = Range<usize>>,
    ) -> Result<(Vec<Option<Winner>>, Vec<ArrayRef>), ArrowError> {
        for range in entities {
            let mut best: Option<Winner> = None;
            for slot in self.best.get_mut(range).unwrap_or_default() {
                match (best, *slot) {
                    (Some(before), Some(own)) if own.recency() > before.recency() => best = Some(own),
                    (None, own) => best = own,
                    _ => {}
                }
                *slot = best;
            }
        }
        // One row of nulls after the kept batches stands for slots without a winner.
        let nulls = self.schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let none = (self.kept.len(), 0);
        self.kept.push(batch(&self.schema, nulls, 1)?);
        let from: Vec<(usize, usize)> = self
            .best
            .iter()
            .map(|winner| winner.map_or(none, |winner| (winner.batch as usize, winner.row as usize)))
            .collect();
        let values = gather(&self.schema, &self.kept, &from)?;
        Ok((self.best, values.columns().to_vec()))
    }
}

fn gather(
    schema: &SchemaRef,
    kept: &[RecordBatch],
    from: &[(usize, usize)],
) -> Result<RecordBatch, ArrowError> {
    let columns = (0..schema.fields().len())
        .map(|n| {
            let arrays: Vec<&dyn Array> = kept.iter().map(|batch| batch.column(n).as_ref()).collect();
            interleave(&arrays, from)
        })
        .collect::<Result<Vec<_>, _>>()?;
    batch(schema, columns, from.len())
}

/// A batch that may have no columns.
fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}
