//! What a manifest's hash of the columns was taken of, by the manifest's format: the one rule on formats.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::OfflineError;
use crate::training_set::content_hash::{ColumnHash, ContentHash};
use crate::training_set::written_columns::WrittenColumns;

/// The format of manifests that this version writes.
pub(crate) const FORMAT: u32 = 2;

/// In the first format nested columns were hashed in another way, and before columns were made those of the file.
const fn is_first(format: u32) -> bool {
    format <= 1
}

/// The hash of a training set's rows as a manifest holds it.
pub struct ManifestHash {
    written: Option<WrittenColumns>,
    hash: ContentHash,
}

impl ManifestHash {
    /// Of rows as they are built, for a file of this name.
    pub(crate) fn of_built(format: u32, file: &Path, schema: &SchemaRef) -> Result<Self, OfflineError> {
        let written = (!is_first(format)).then(|| WrittenColumns::of(file, schema)).transpose()?;
        let stored = written.as_ref().map_or(schema, WrittenColumns::schema);
        Ok(Self { hash: Self::of_stored(format, stored).hash, written })
    }

    /// Of rows as they are read from the file.
    pub(crate) fn of_stored(format: u32, schema: &Schema) -> Self {
        let hash = ContentHash::new(schema);
        Self { hash: if is_first(format) { hash.in_first_format() } else { hash }, written: None }
    }

    /// Adds rows. The error names the column.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), OfflineError> {
        match &self.written {
            Some(written) => self.hash.add(&written.batch(batch)?)?,
            None => self.hash.add(batch)?,
        }
        Ok(())
    }

    /// The hash of each column, and how many rows there were.
    pub fn finish(self) -> (Vec<ColumnHash>, usize) {
        self.hash.finish()
    }
}
