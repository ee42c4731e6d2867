//! The rows that the log has of files which were rewritten into others: as many rows of a rewritten file are known,
//! whatever their order in it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{Int8Type, Int32Type, Schema};
use arrow::row::{RowConverter, SortField};
use feature::{Position, View};
use futures::TryStreamExt;
use offline::{EVENT_TIME, Log, POSITION_KIND, POSITION_MAJOR, log_schema};
use sha2::{Digest, Sha256};

use crate::error::MaterializerError;
use crate::rows::accepted::AcceptedRows;

/// The SHA-256 of a row.
type RowHash = [u8; 32];

/// How often each row of some files is in the log.
#[derive(Debug)]
pub(crate) struct LoadedRows {
    names: Vec<String>,
    schema: Schema,
    rows: HashMap<RowHash, u64>,
}

impl LoadedRows {
    /// Reads what the log has of the files with these numbers.
    pub(crate) async fn read(log: &Log, view: &View, numbers: &[u32]) -> Result<Self, MaterializerError> {
        let time = (!view.is_static).then(|| EVENT_TIME.to_owned());
        let keys = view.keys.iter().map(|key| key.name.to_string());
        let columns = view.columns.iter().map(|column| column.name.to_string());
        let names: Vec<String> = time.into_iter().chain(keys).chain(columns).collect();
        let mut found = Self { names, schema: log_schema(view).as_ref().clone(), rows: HashMap::new() };
        let wanted = found.names.iter().map(String::as_str).chain([POSITION_KIND, POSITION_MAJOR]);
        let wanted: Vec<&str> = wanted.collect();
        let mut batches = log.scan(&wanted)?;
        while let Some(batch) = batches.try_next().await.map_err(offline::OfflineError::from)? {
            let kinds =
                batch.column_by_name(POSITION_KIND).and_then(|kinds| kinds.as_primitive_opt::<Int8Type>());
            let files =
                batch.column_by_name(POSITION_MAJOR).and_then(|files| files.as_primitive_opt::<Int32Type>());
            let Some((kinds, files)) = kinds.zip(files) else {
                return Err(MaterializerError::invariant(&view.id, "a scan of the log gave no positions"));
            };
            let hashes = found.hashes(&batch)?;
            for (row, hash) in hashes.into_iter().enumerate() {
                if kinds.value(row) == Position::KIND_HISTORY as i8
                    && numbers.contains(&(files.value(row) as u32))
                {
                    *found.rows.entry(hash).or_default() += 1;
                }
            }
        }
        Ok(found)
    }

    /// Which of these rows are new, by their keys, columns and event times: each that is known stands for one of
    /// the log's.
    pub(crate) fn new_rows(
        &mut self,
        view: &View,
        accepted: &AcceptedRows,
    ) -> Result<Vec<bool>, MaterializerError> {
        let keys = view.keys.iter().map(|key| key.name.as_str());
        let names = keys.chain(view.columns.iter().map(|column| column.name.as_str()));
        let times = TimestampMicrosecondArray::from(accepted.event_times.clone()).with_timezone("UTC");
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![(EVENT_TIME, Arc::new(times), true)];
        for name in names {
            columns.extend(accepted.rows.column_by_name(name).map(|column| (name, column.clone(), true)));
        }
        let hashes = self.hashes(&RecordBatch::try_from_iter_with_nullable(columns)?)?;
        let is_new = hashes.into_iter().map(|hash| match self.rows.get_mut(&hash) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        });
        Ok(is_new.collect())
    }

    fn hashes(&self, batch: &RecordBatch) -> Result<Vec<RowHash>, MaterializerError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.names.len());
        for name in &self.names {
            let field = self.schema.field_with_name(name)?;
            let column = batch.column_by_name(name).ok_or_else(|| {
                arrow::error::ArrowError::SchemaError(format!("the column `{name}` is missing"))
            })?;
            columns.push(cast(column, field.data_type())?);
        }
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
        let rows = RowConverter::new(fields.collect())?;
        let rows = rows.convert_columns(&columns)?;
        let hash = |row: arrow::row::Row<'_>| Sha256::digest(row.data()).into();
        Ok(rows.iter().map(hash).collect())
    }
}
