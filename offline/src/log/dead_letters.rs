//! Dead letters: rows that were refused, each with its position and the reason.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, Int64Type, Schema, SchemaRef};
use feature::{Micros, Position, VersionId};
use futures::StreamExt;

use crate::error::OfflineError;
use crate::log::columns::{POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, timestamp_type};
use crate::log::scan;
use crate::log::storage::TableLocation;
use crate::log::store::OfflineStore;
use crate::log::table::{Marker, Table};

/// How often refused rows are compared with those that are there, because others keep adding some.
const TRIES: usize = 100;

/// One refused row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its position in the source.
    pub position: Position,
    /// The file or topic that it came from.
    pub origin: String,
    /// The kind of reason, under which refusals are counted.
    pub reason: String,
    /// What exactly was wrong.
    pub detail: String,
    /// The row as JSON: of history its values, cut at [`DeadLetter::MAX_ROW_BYTES`]; of a stream the record
    /// itself.
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

impl OfflineStore {
    /// The rows of a view version that were refused.
    pub async fn dead_letters(&self, view: &VersionId) -> Result<DeadLetters, OfflineError> {
        DeadLetters::open(view, self.table(view, "dead_letters")?).await
    }
}

impl DeadLetters {
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) async fn open(view: &VersionId, location: TableLocation) -> Result<Self, OfflineError> {
        let table =
            Table::open(format!("dead letters of {view}"), location, schema(), None, None, None).await?;
        Ok(Self { table })
    }

    /// Whether the table is there: it is made with the first rows that are refused.
    pub fn is_there(&self) -> bool {
        self.table.version().is_some()
    }

    /// Where a counter stands: what was already written up to it.
    pub async fn marker(&self, app: &str) -> Result<Option<i64>, OfflineError> {
        self.table.marker(app).await
    }

    /// Appends refused rows and moves the counters in one commit. A position is kept once: what a
    /// replay refuses again is passed over, as the same row is refused for the same reason. Which are there
    /// is read on the snapshot that is committed on, and read again where another added some.
    pub async fn append(
        &mut self,
        mut dead_letters: Vec<DeadLetter>,
        recorded_at: Micros,
        markers: &[Marker],
    ) -> Result<(), OfflineError> {
        for _ in 0..TRIES {
            self.refresh().await?;
            let known = self.positions().await?;
            dead_letters.retain(|dead_letter| !known.contains(&dead_letter.position.parts()));
            if dead_letters.is_empty() {
                return Ok(());
            }
            let mut appender = self.table.appender().await?;
            appender.write(batch(&dead_letters, recorded_at)?);
            let written = appender.finish().await?;
            let mut intent = written.intent(None, markers, &[]);
            intent.reads_rows = true;
            match self.table.commit(&intent).await {
                Err(OfflineError::Conflict { .. }) => {}
                done => return done.map(|_| ()),
            }
        }
        Err(self.table.conflict("other refused rows kept coming"))
    }

    /// Brings the snapshot up to the newest version.
    pub async fn refresh(&mut self) -> Result<(), OfflineError> {
        self.table.refresh().await
    }

    /// Appends refused rows that are known not to be there yet. Where two processes refuse the same rows,
    /// each says the same of them.
    pub async fn append_new(
        &mut self,
        dead_letters: Vec<DeadLetter>,
        recorded_at: Micros,
    ) -> Result<(), OfflineError> {
        if dead_letters.is_empty() {
            return Ok(());
        }
        let mut appender = self.table.appender().await?;
        appender.write(batch(&dead_letters, recorded_at)?);
        appender.commit(&[], &[]).await?;
        Ok(())
    }

    /// The streamed rows that were refused at or beyond these offsets: (partition, offset) each.
    pub async fn beyond(&mut self, indices: &BTreeMap<u32, u64>) -> Result<Vec<(u32, u64)>, OfflineError> {
        self.refresh().await?;
        let mut found = Vec::new();
        scan::for_each_position(&self.table, |(kind, partition, offset)| {
            // Kind 1 is a stream.
            if kind == 1 && indices.get(&partition).is_some_and(|next| *next <= offset) {
                found.push((partition, offset));
            }
        })
        .await?;
        Ok(found)
    }

    /// At most this many refused rows, in no order; a row may come more than once.
    pub async fn read(&self, limit: usize) -> Result<Vec<DeadLetter>, OfflineError> {
        let columns = [POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, "origin", "reason", "detail", "row"];
        let mut stream = scan::stream(&self.table, &self.table.files(), &columns)?;
        let mut dead_letters = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let [kinds, majors, minors, origins, reasons, details, rows] = batch.columns() else { continue };
            let kinds = kinds.as_primitive::<Int8Type>();
            let majors = majors.as_primitive::<Int32Type>();
            let minors = minors.as_primitive::<Int64Type>();
            let text = |column: &ArrayRef, row: usize| column.as_string::<i32>().value(row).to_owned();
            for row in 0..batch.num_rows() {
                let (kind, major, minor) = (kinds.value(row), majors.value(row), minors.value(row));
                let position = Position::from_parts(kind as u8, major as u32, minor as u64);
                let position = position.ok_or_else(|| OfflineError::Corrupt {
                    what: format!("the {}", self.table.name()),
                    why: format!("{kind} is no kind of position"),
                })?;
                dead_letters.push(DeadLetter {
                    position,
                    origin: text(origins, row),
                    reason: text(reasons, row),
                    detail: text(details, row),
                    row: text(rows, row),
                });
                if dead_letters.len() == limit {
                    return Ok(dead_letters);
                }
            }
        }
        Ok(dead_letters)
    }

    /// Calls with the parts of the position of every row that was refused so far; a row may come more than once.
    pub async fn for_each_position(&self, then: impl FnMut((u8, u32, u64))) -> Result<(), OfflineError> {
        scan::for_each_position(&self.table, then).await
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

fn batch(dead_letters: &[DeadLetter], recorded_at: Micros) -> Result<RecordBatch, OfflineError> {
    let parts: Vec<_> = dead_letters.iter().map(|dead_letter| dead_letter.position.parts()).collect();
    let text =
        |of: fn(&DeadLetter) -> &str| Arc::new(StringArray::from_iter_values(dead_letters.iter().map(of)));
    let recorded = TimestampMicrosecondArray::from(vec![recorded_at.get(); dead_letters.len()]);
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Int8Array::from_iter_values(parts.iter().map(|(kind, ..)| *kind as i8))),
            Arc::new(Int32Array::from_iter_values(parts.iter().map(|(_, major, _)| *major as i32))),
            Arc::new(Int64Array::from_iter_values(parts.iter().map(|(.., minor)| *minor as i64))),
            text(|dead_letter| &dead_letter.origin),
            text(|dead_letter| &dead_letter.reason),
            text(|dead_letter| &dead_letter.detail),
            text(|dead_letter| &dead_letter.row),
            Arc::new(recorded.with_timezone("UTC")),
        ],
    )?)
}
