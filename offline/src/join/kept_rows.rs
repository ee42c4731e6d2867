//! Rows that hold a slot: their times, positions and values, fetched late, and dropped once they have
//! lost.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{interleave, nullif};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use feature::{Micros, Position};

/// A row among those that are kept, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) batch: u32,
    pub(crate) row: u32,
}

impl Kept {
    /// No row.
    pub(crate) const NONE: Kept = Kept { batch: u32::MAX, row: u32::MAX };

    /// Whether it is not a row.
    pub(crate) fn is_none(self) -> bool {
        self.batch == u32::MAX
    }

    /// The same row, behind so many batches more.
    pub(crate) fn behind(self, batches: u32) -> Kept {
        Kept { batch: self.batch + batches, row: self.row }
    }
}

/// What is known of a row beside its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowFacts {
    pub(crate) event_time: Micros,
    pub(crate) available_at: Micros,
    pub(crate) position: Position,
}

/// Rows of the log whose values may still be wanted.
#[derive(Debug)]
pub(crate) struct KeptRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    facts: Vec<Vec<RowFacts>>,
    rows: usize,
    /// Above this many rows those that have lost are dropped.
    bound: usize,
}

impl KeptRows {
    /// No rows yet, for this many slots.
    pub(crate) fn new(schema: SchemaRef, slots: usize) -> Self {
        let (batches, facts) = (Vec::new(), Vec::new());
        Self { schema, batches, facts, rows: 0, bound: 2 * slots + 65_536 }
    }

    /// How many batches there are: the index of the next.
    pub(crate) fn batches(&self) -> u32 {
        self.batches.len() as u32
    }

    /// Keeps rows, null where they are tombstones.
    pub(crate) fn keep(
        &mut self,
        columns: &[ArrayRef],
        deleted: &BooleanArray,
        facts: Vec<RowFacts>,
    ) -> Result<(), ArrowError> {
        let columns = match deleted.true_count() {
            0 => columns.to_vec(),
            _ => columns.iter().map(|column| nullif(column, deleted)).collect::<Result<_, _>>()?,
        };
        self.batches.push(batch(&self.schema, columns, deleted.len())?);
        self.rows += facts.len();
        self.facts.push(facts);
        Ok(())
    }

    /// Takes over the rows of another, behind the own.
    pub(crate) fn append(&mut self, other: KeptRows) {
        self.rows += other.rows;
        self.batches.extend(other.batches);
        self.facts.extend(other.facts);
    }

    /// What is known of a row; none of [`Kept::NONE`].
    pub(crate) fn facts(&self, row: Kept) -> Option<&RowFacts> {
        self.facts.get(row.batch as usize)?.get(row.row as usize)
    }

    /// Law 2: the order that decides which row is the latest. No row comes before every row.
    pub(crate) fn recency(&self, row: Kept) -> Option<(Micros, Position)> {
        self.facts(row).map(|facts| (facts.event_time, facts.position))
    }

    /// Whether there are many rows more than can still hold a slot.
    pub(crate) fn is_crowded(&self) -> bool {
        self.rows > self.bound
    }

    /// Drops rows but those that hold a slot, which these are.
    pub(crate) fn compact<'a>(&mut self, rows: impl Iterator<Item = &'a mut Kept>) -> Result<(), ArrowError> {
        let mut live = Vec::new();
        let mut facts = Vec::new();
        for kept in rows {
            facts.extend(self.facts(*kept));
            live.push((kept.batch as usize, kept.row as usize));
            *kept = Kept { batch: 0, row: live.len() as u32 - 1 };
        }
        self.batches = vec![gather(&self.schema, &self.batches, &live)?];
        self.rows = live.len();
        self.facts = vec![facts];
        // Rows that all hold a slot must not be gathered again and again.
        self.bound = self.bound.max(2 * self.rows);
        Ok(())
    }

    /// The values of these rows, one array for each column, null where there is none.
    pub(crate) fn values(&self, rows: &[Kept]) -> Result<Vec<ArrayRef>, ArrowError> {
        // One row of nulls after the kept batches stands for no row.
        let nulls = self.schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let none = (self.batches.len(), 0);
        let mut batches = self.batches.clone();
        batches.push(batch(&self.schema, nulls, 1)?);
        let index = |row: &Kept| if row.is_none() { none } else { (row.batch as usize, row.row as usize) };
        let from: Vec<(usize, usize)> = rows.iter().map(index).collect();
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
