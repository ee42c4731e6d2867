//! The values of rows that hold a slot: fetched late, and dropped once they have lost.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{interleave, nullif};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::join::latest::{Kept, LatestFold, Winner};

/// Rows of the log whose values may still be wanted.
#[derive(Debug)]
pub(crate) struct KeptRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    /// Above this many rows those that have lost are dropped.
    bound: usize,
}

impl KeptRows {
    /// No rows yet, for this many slots.
    pub(crate) fn new(schema: SchemaRef, slots: usize) -> Self {
        Self { schema, batches: Vec::new(), rows: 0, bound: 4 * slots + 65_536 }
    }

    /// How many batches there are: the place of the next.
    pub(crate) fn batches(&self) -> u32 {
        self.batches.len() as u32
    }

    /// Keeps rows, null where they are tombstones.
    pub(crate) fn keep(&mut self, columns: &[ArrayRef], deleted: &BooleanArray) -> Result<(), ArrowError> {
        let columns = match deleted.true_count() {
            0 => columns.to_vec(),
            _ => columns.iter().map(|column| nullif(column, deleted)).collect::<Result<_, _>>()?,
        };
        self.rows += deleted.len();
        self.batches.push(batch(&self.schema, columns, deleted.len())?);
        Ok(())
    }

    /// Takes over the rows of another, behind the own.
    pub(crate) fn append(&mut self, other: KeptRows) {
        self.rows += other.rows;
        self.batches.extend(other.batches);
    }

    /// Drops rows that hold no slot any more, where there are many.
    pub(crate) fn compact(&mut self, folds: &mut [&mut LatestFold]) -> Result<(), ArrowError> {
        if self.rows <= self.bound {
            return Ok(());
        }
        let mut live = Vec::new();
        for kept in folds.iter_mut().flat_map(|fold| fold.kept()) {
            live.push((kept.batch as usize, kept.row as usize));
            *kept = Kept { batch: 0, row: live.len() as u32 - 1 };
        }
        self.batches = vec![gather(&self.schema, &self.batches, &live)?];
        self.rows = live.len();
        Ok(())
    }

    /// The values of these winners, null where there is none.
    pub(crate) fn values(&self, winners: &[Option<Winner>]) -> Result<Vec<ArrayRef>, ArrowError> {
        // One row of nulls after the kept batches stands for slots without a winner.
        let nulls = self.schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let none = (self.batches.len(), 0);
        let mut batches = self.batches.clone();
        batches.push(batch(&self.schema, nulls, 1)?);
        let from: Vec<(usize, usize)> = winners
            .iter()
            .map(|winner| winner.map_or(none, |winner| (winner.at.batch as usize, winner.at.row as usize)))
            .collect();
        Ok(gather(&self.schema, &batches, &from)?.columns().to_vec())
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
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}
