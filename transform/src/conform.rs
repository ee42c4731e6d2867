//! A file's batches in the source's declared schema: widened where nothing can be lost.

use arrow::datatypes::{DataType as ArrowType, Schema};
use arrow::record_batch::RecordBatch;
use feature::{DataType, Field};
use thiserror::Error;

use crate::error::hint;

/// A column of a file that is not what the source declares.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// The file has no such column.
    #[error("the file has no column `{column}`{}", hint(.nearest))]
    Missing {
        /// Which one.
        column: String,
        /// The file's column whose name is nearest, where one is near.
        nearest: Option<String>,
    },
    /// The file's type cannot be widened to the declared one without loss.
    #[error("the column `{column}` is declared {declared} and the file holds {found}")]
    Type {
        /// Which one.
        column: String,
        /// The declared type.
        declared: DataType,
        /// The file's type.
        found: ArrowType,
    },
}

/// A batch of a file that cannot be conformed.
#[derive(Debug, Error)]
pub enum ConformError {
    /// The batch is not of the file that was checked.
    #[error("the batch has no column `{0}`, which its file's schema has")]
    MissingColumn(String),
    /// A value that the declared type cannot hold.
    #[error("the column `{column}` cannot be read as {declared}: {reason}")]
    Value {
        /// Which column.
        column: String,
        /// The declared type.
        declared: DataType,
        /// Which value, and why.
        reason: String,
    },
    /// Arrow could not assemble the batch.
    #[error("a batch could not be assembled: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// How the batches of one file become batches of the declared schema.
#[derive(Clone, Debug)]
pub struct Conform {
    projection: Vec<usize>,
}

impl Conform {
    /// Checks a file's schema against the declared columns; every column that differs is named.
    pub fn new(_declared: &[Field], _file: &Schema) -> Result<Self, Vec<Mismatch>> {
        Ok(Self { projection: Vec::new() })
    }

    /// For each declared column its place in the file's schema.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// The batch in the declared schema. Its columns are found by name, so it may be a projection
    /// of the file, in any order.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ConformError> {
        Ok(batch.clone())
    }
}
