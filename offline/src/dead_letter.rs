//! Rows that were refused, with their position and the reason, kept until they are looked at.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Int8Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use feature::{Micros, Position, VersionId};
use url::Url;

use crate::columns::{POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, timestamp_type};
use crate::error::OfflineError;
use crate::scan;
use crate::table::{Marker, Table};

/// One refused row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the source.
    pub position: Position,
    /// The file or topic that it came from.
    pub origin: String,
    /// The kind of reason, under which refusals are counted.
    pub reason: String,
    /// What exactly was wrong.
    pub detail: String,
    /// The row as JSON, cut at [`DeadLetter::MAX_ROW_BYTES`].
    pub row: String,
}

impl DeadLetter {
    /// The longest text of a row that is kept, in bytes.
    pub const MAX_ROW_BYTES: usize = 4096;
}

/// The refused rows of one view version.
#[derive(Debug)]
pub struct DeadLetters {
    table: Table,
}

impl DeadLetters {
    pub(crate) async fn open(view: &VersionId, url: Url) -> Result<Self, OfflineError> {
        let table = Table::open(format!("dead letters of {view}"), url, schema(), None, None).await?;
        Ok(Self { table })
    }

    /// Where a counter stands: what was already written up to it.
    pub async fn marker(&self, app: &str) -> Result<Option<i64>, OfflineError> {
        self.table.marker(app).await
    }

    /// Appends refused rows and moves the counters in one commit. A position is kept once: what a
    /// replay refuses again is passed over, as the same row is refused for the same reason.
    pub async fn append(
        &mut self,
        mut letters: Vec<DeadLetter>,
        recorded_at: Micros,
        markers: &[Marker],
    ) -> Result<(), OfflineError> {
        let known = self.positions().await?;
        letters.retain(|letter| !known.contains(&letter.position.parts()));
        if letters.is_empty() {
            return Ok(());
        }
        let mut appender = self.table.appender().await?;
        appender.write(batch(&letters, recorded_at)?).await?;
        appender.commit(markers).await?;
        Ok(())
    }

    /// The positions of all rows that were refused so far.
    async fn positions(&self) -> Result<HashSet<(u8, u32, u64)>, OfflineError> {
        let mut known = HashSet::new();
        scan::for_each_position(&self.table, |parts| {
            known.insert(parts);
        })
        .await?;
        Ok(known)
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(POSITION_KIND, DataType::Int8, false),
        Field::new(POSITION_MAJOR, DataType::Int32, false),
        Field::new(POSITION_MINOR, DataType::Int64, false),
        Field::new("origin", DataType::Utf8, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("detail", DataType::Utf8, false),
        Field::new("row", DataType::Utf8, false),
        Field::new("recorded_at", timestamp_type(), false),
    ]))
}

fn batch(letters: &[DeadLetter], recorded_at: Micros) -> Result<RecordBatch, OfflineError> {
    let parts: Vec<_> = letters.iter().map(|letter| letter.position.parts()).collect();
    let text = |of: fn(&DeadLetter) -> &str| Arc::new(StringArray::from_iter_values(letters.iter().map(of)));
    let recorded = TimestampMicrosecondArray::from(vec![recorded_at.get(); letters.len()]);
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Int8Array::from_iter_values(parts.iter().map(|(kind, ..)| *kind as i8))),
            Arc::new(Int32Array::from_iter_values(parts.iter().map(|(_, major, _)| *major as i32))),
            Arc::new(Int64Array::from_iter_values(parts.iter().map(|(.., minor)| *minor as i64))),
            text(|letter| &letter.origin),
            text(|letter| &letter.reason),
            text(|letter| &letter.detail),
            text(|letter| &letter.row),
            Arc::new(recorded.with_timezone("UTC")),
        ],
    )?)
}
