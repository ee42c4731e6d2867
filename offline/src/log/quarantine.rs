//! Quarantined batches: files of history none of whose rows were taken, each with why. What is decided of them is in
//! the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use feature::{Micros, VersionId};
use futures::StreamExt;

use crate::error::OfflineError;
use crate::log::columns::timestamp_type;
use crate::log::scan;
use crate::log::storage::TableLocation;
use crate::log::store::OfflineStore;
use crate::log::table::{Marker, Table};

/// One quarantined batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedBatch {
    /// The number of its file in the positions of its rows.
    pub number: u32,
    /// The file's name below the source's folder.
    pub origin: String,
    /// The first 63 bits of the SHA-256 of the file.
    pub content: i64,
    /// Its rows that passed the view's `where`.
    pub rows: u64,
    /// How many of them fail an expectation.
    pub failing: u64,
    /// Why it is quarantined.
    pub why: String,
    /// Some of the rows that the view refuses, as a JSON array of objects with `row`, `detail` and `values`.
    pub examples: String,
    /// When it was quarantined.
    pub recorded_at: Micros,
}

/// The quarantined batches of one view version.
#[derive(Debug)]
pub struct Quarantine {
    view: VersionId,
    table: Table,
}

impl OfflineStore {
    /// The quarantined batches of a view version.
    pub async fn quarantine(&self, view: &VersionId) -> Result<Quarantine, OfflineError> {
        Quarantine::open(view, self.table(view, "quarantine")?).await
    }
}

impl Quarantine {
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) async fn open(view: &VersionId, location: TableLocation) -> Result<Self, OfflineError> {
        let table =
            Table::open(format!("quarantine of {view}"), location, schema(), None, None, None).await?;
        Ok(Self { view: view.clone(), table })
    }

    /// Whether the table is there: it is made with the first batch that is quarantined.
    pub fn is_there(&self) -> bool {
        self.table.version().is_some()
    }

    /// Appends a batch, unless it is there already with the same content: a load that is repeated quarantines it
    /// again.
    pub async fn append(&mut self, batch: &QuarantinedBatch) -> Result<(), OfflineError> {
        let key = format!("batch:{}", batch.number);
        loop {
            self.table.refresh().await?;
            if self.table.marker(&key).await? == Some(batch.content) {
                return Ok(());
            }
            let mut appender = self.table.appender().await?;
            appender.write(row(batch)?);
            let marker = Marker { app: key.clone(), version: batch.content };
            match appender.commit(&[marker], &[&key]).await {
                // Another load took the same batch: one of them always makes progress.
                Err(OfflineError::Conflict { .. }) => {}
                done => return done.map(|_| ()),
            }
        }
    }

    /// Describes batches without their examples of some rows once more. What has these examples is there until it is removed.
    pub(crate) async fn describe_without(
        &mut self,
        is_such: impl Fn(&str) -> bool,
    ) -> Result<(), OfflineError> {
        if !self.is_there() {
            return Ok(());
        }
        let described: Vec<_> =
            self.read().await?.values().filter_map(|batch| batch.without(&is_such)).collect();
        for batch in &described {
            let mut appender = self.table.appender().await?;
            appender.write(row(batch)?);
            appender.commit(&[], &[]).await?;
        }
        Ok(())
    }

    /// All batches by their numbers; of one whose file changed before anything of it was decided, the newest.
    pub async fn read(&self) -> Result<BTreeMap<u32, QuarantinedBatch>, OfflineError> {
        let fields = schema();
        let columns: Vec<&str> = fields.fields().iter().map(|field| field.name().as_str()).collect();
        let mut stream = scan::stream(&self.table, &self.table.files(), &columns)?;
        let mut batches: BTreeMap<u32, QuarantinedBatch> = BTreeMap::new();
        while let Some(rows) = stream.next().await {
            for batch in self.batches(&rows?)? {
                let known = batches.get(&batch.number);
                if known.is_none_or(|known| known.recorded_at <= batch.recorded_at) {
                    batches.insert(batch.number, batch);
                }
            }
        }
        Ok(batches)
    }

    fn batches(&self, rows: &RecordBatch) -> Result<Vec<QuarantinedBatch>, OfflineError> {
        let [numbers, origins, contents, counts, failing, whys, examples, recorded] = rows.columns() else {
            return Ok(Vec::new());
        };
        let text = |column: &ArrayRef, row: usize| column.as_string::<i32>().value(row).to_owned();
        let whole = |column: &ArrayRef, row: usize| column.as_primitive::<Int64Type>().value(row);
        let recorded = recorded.as_primitive::<TimestampMicrosecondType>();
        let corrupt =
            |why: String| OfflineError::Corrupt { what: format!("the quarantine of {}", self.view), why };
        let read = |row: usize| {
            Ok(QuarantinedBatch {
                number: numbers.as_primitive::<Int32Type>().value(row) as u32,
                origin: text(origins, row),
                content: whole(contents, row),
                rows: whole(counts, row) as u64,
                failing: whole(failing, row) as u64,
                why: text(whys, row),
                examples: text(examples, row),
                recorded_at: Micros::new(recorded.value(row)).map_err(|error| corrupt(error.to_string()))?,
            })
        };
        (0..rows.num_rows()).map(read).collect()
    }
}

impl QuarantinedBatch {
    /// The same without these examples; `None` if it has none of them.
    fn without(&self, is_such: impl Fn(&str) -> bool) -> Option<Self> {
        let examples: Vec<serde_json::Value> = serde_json::from_str(&self.examples).ok()?;
        let all = examples.len();
        let others: Vec<_> = examples.into_iter().filter(|one| !is_such(&one.to_string())).collect();
        let examples = serde_json::to_string(&others).ok()?;
        (others.len() < all).then(|| Self { examples, ..self.clone() })
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("batch", DataType::Int32, false),
        Field::new("origin", DataType::Utf8, false),
        Field::new("content", DataType::Int64, false),
        Field::new("rows", DataType::Int64, false),
        Field::new("failing", DataType::Int64, false),
        Field::new("why", DataType::Utf8, false),
        Field::new("examples", DataType::Utf8, false),
        Field::new("recorded_at", timestamp_type(), false),
    ]))
}

fn row(batch: &QuarantinedBatch) -> Result<RecordBatch, OfflineError> {
    let text = |text: &str| Arc::new(StringArray::from(vec![text.to_owned()])) as ArrayRef;
    let whole = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let recorded = TimestampMicrosecondArray::from(vec![batch.recorded_at.get()]);
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Int32Array::from(vec![batch.number as i32])),
            text(&batch.origin),
            whole(batch.content),
            whole(batch.rows as i64),
            whole(batch.failing as i64),
            text(&batch.why),
            text(&batch.examples),
            Arc::new(recorded.with_timezone("UTC")),
        ],
    )?)
}
