//! What folds a log reads a group of its rows in two passes: some columns of every row, then others of the rows that are
//! wanted.

use arrow::array::RecordBatch;

use crate::error::OfflineError;

/// A fold of the rows of a log, group after group.
pub(crate) trait Passes {
    /// Rows of one batch of the second pass; `None` if all that are wanted have to come at once.
    const SECOND_ROWS: Option<usize>;

    /// The join keys that are read as the dictionaries that they are stored as, where it is a single text key.
    fn dictionaries(&self) -> Vec<&str>;

    /// The columns that the first pass needs of every row.
    fn first_columns(&self) -> Vec<&str>;

    /// Takes a batch of the first columns whose first row has this number in its group.
    fn first_pass(&mut self, batch: &RecordBatch, first_row: usize) -> Result<(), OfflineError>;

    /// The rows of the current group that the second pass needs, in order.
    fn wanted(&mut self) -> Vec<u32>;

    /// The columns that the second pass needs of the rows that are wanted.
    fn second_columns(&self) -> Vec<&str>;

    /// Takes the second columns of the next rows that are wanted.
    fn second_pass(&mut self, batch: &RecordBatch) -> Result<(), OfflineError>;
}

/// Batches in memory take the same two passes.
pub(crate) fn fold_batch(fold: &mut impl Passes, batch: &RecordBatch) -> Result<(), OfflineError> {
    fold.first_pass(batch, 0)?;
    let wanted = fold.wanted();
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = arrow::array::UInt32Array::from(wanted);
    fold.second_pass(&arrow::compute::take_record_batch(batch, &rows)?)
}
