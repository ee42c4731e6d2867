//! Statistics of the rows of a log: for each load or stretch of a stream, date and column what was counted, as values that
//! any program reads and as a sketch that merges.
//!
//! A counter says up to which version of the log all rows are counted, and moves in the commit of the rows that it speaks
//! of. So a row of the log is counted once, whoever counts it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Date32Type, Field, Int64Type, Schema, SchemaRef};
use deltalake_core::protocol::DeltaOperation;
use feature::{EventDate, Micros, VersionId};
use futures::StreamExt;

use crate::error::OfflineError;
use crate::log::commit::{Added, Intent};
use crate::log::storage::TableLocation;
use crate::log::store::OfflineStore;
use crate::log::table::{Marker, Table};
use crate::log::view_log::Log;
use crate::log::{expiry, scan};

/// The counter: up to which version of the log rows are counted, and one.
const COUNTED: &str = "counted";

/// What was counted of one column on one date.
#[derive(Debug, Clone, PartialEq)]
pub struct CountedColumn {
    /// The date on which the rows happened.
    pub date: EventDate,
    /// The column of the log.
    pub column: String,
    /// How many rows.
    pub rows: u64,
    /// How many of them are null.
    pub nulls: u64,
    /// The mean, of numbers.
    pub mean: Option<f64>,
    /// The least value, as text.
    pub least: Option<String>,
    /// The greatest value, as text.
    pub greatest: Option<String>,
    /// About how many different values.
    pub distinct: u64,
    /// The bytes from which they merge.
    pub sketch: Vec<u8>,
    /// The version of the log up to which they count; set when they are written.
    pub log_version: u64,
}

/// The statistics of one view version.
#[derive(Debug)]
pub struct StatisticsTable {
    view: VersionId,
    table: Table,
}

/// Rows of a log that are not counted yet, by their dates.
#[derive(Debug, Default)]
pub struct Uncounted {
    /// The version up to which they were committed.
    pub version: u64,
    /// By date, as the log has it.
    pub by_date: BTreeMap<String, Added>,
}

impl OfflineStore {
    /// The statistics of the rows of a view version.
    pub async fn statistics(&self, view: &VersionId) -> Result<StatisticsTable, OfflineError> {
        StatisticsTable::open(view, self.table(view, "statistics")?).await
    }
}

impl StatisticsTable {
    pub(crate) async fn open(view: &VersionId, location: TableLocation) -> Result<Self, OfflineError> {
        let table =
            Table::open(format!("statistics of {view}"), location, schema(), None, None, None).await?;
        Ok(Self { view: view.clone(), table })
    }

    /// The version of the snapshot; `None` if nothing was ever counted.
    pub fn version(&self) -> Option<u64> {
        self.table.version()
    }

    /// Brings the snapshot up to the newest version.
    pub async fn refresh(&mut self) -> Result<(), OfflineError> {
        self.table.refresh().await
    }

    /// The version of the log from which on rows may not be counted.
    pub async fn counted_up_to(&self) -> Result<u64, OfflineError> {
        let counted = self.table.marker(COUNTED).await?;
        Ok(counted.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
    }

    /// The rows of the log's snapshot that are not counted, but for those in the files of these names. `None` if those
    /// are counted already, at least in part: whoever counted them has to forget them.
    pub async fn uncounted(
        &self,
        log: &Log,
        counted: &HashSet<String>,
    ) -> Result<Option<Uncounted>, OfflineError> {
        let Some(version) = log.version() else { return Ok(Some(Uncounted::default())) };
        let after = self.counted_up_to().await?;
        let mut uncounted = Uncounted { version, by_date: BTreeMap::new() };
        let (mut found, expired_before) = (0, log.expired_before().await?);
        for file in log.added_from(after).await?.files {
            if file.path.filename().is_some_and(|name| counted.contains(name)) {
                found += 1;
                continue;
            }
            // Nobody counts what retention dropped.
            if expiry::date(&file).zip(expired_before).is_some_and(|(date, before)| date < before) {
                continue;
            }
            let date = file.partition.clone().unwrap_or_default();
            uncounted.by_date.entry(date).or_default().files.push(file);
        }
        Ok((found == counted.len()).then_some(uncounted))
    }

    /// Removes what was counted of dates before a midnight. A conflict where another removed some of it.
    pub async fn drop_before(&mut self, midnight: Micros) -> Result<u64, OfflineError> {
        let mut left: BTreeMap<u64, Vec<CountedColumn>> = BTreeMap::new();
        let mut dropped = 0;
        for counted in self.read().await? {
            match counted.date < EventDate::of(Some(midnight.get())) {
                true => dropped += 1,
                false => left.entry(counted.log_version).or_default().push(counted),
            }
        }
        if dropped == 0 {
            return Ok(0);
        }
        self.table.allow_removals().await?;
        let mut actions = self.table.removals(&self.table.files())?;
        let mut writer = self.table.rows_writer().await?;
        for (version, counted) in left {
            writer.write(batch(&counted, version)?);
        }
        actions.extend(writer.finish().await?.actions());
        let operation = DeltaOperation::Delete { predicate: None };
        let intent = Intent { actions, operation, markers: &[], reads: &[], reads_rows: false };
        self.table.commit(&intent).await?;
        Ok(dropped)
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Begins to write what was counted up to this version of the log.
    pub async fn writer(&mut self, version: u64) -> Result<StatisticsWriter<'_>, OfflineError> {
        let appender = self.table.appender().await?;
        Ok(StatisticsWriter { appender, version })
    }

    /// All that was counted, in no order; a date and column may come several times.
    pub async fn read(&self) -> Result<Vec<CountedColumn>, OfflineError> {
        let fields = schema();
        let columns: Vec<&str> = fields.fields().iter().map(|field| field.name().as_str()).collect();
        let mut stream = scan::stream(&self.table, &self.table.files(), &columns)?;
        let mut counted = Vec::new();
        while let Some(batch) = stream.next().await {
            self.read_batch(&batch?, &mut counted)?;
        }
        Ok(counted)
    }

    fn read_batch(&self, batch: &RecordBatch, counted: &mut Vec<CountedColumn>) -> Result<(), OfflineError> {
        let [dates, columns, rows, nulls, means, least, greatest, distinct, sketches, versions] =
            batch.columns()
        else {
            let what = format!("the statistics of {}", self.view);
            return Err(OfflineError::Corrupt { what, why: "columns are missing".to_owned() });
        };
        let text = |column: &ArrayRef, row: usize| {
            let column = column.as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let whole = |column: &ArrayRef, row: usize| column.as_primitive::<Int64Type>().value(row) as u64;
        let means = means.as_primitive::<arrow::datatypes::Float64Type>();
        for row in 0..batch.num_rows() {
            let day = i64::from(dates.as_primitive::<Date32Type>().value(row));
            counted.push(CountedColumn {
                date: EventDate::of(Some(day * DAY_US)),
                column: text(columns, row).unwrap_or_default(),
                rows: whole(rows, row),
                nulls: whole(nulls, row),
                mean: means.is_valid(row).then(|| means.value(row)),
                least: text(least, row),
                greatest: text(greatest, row),
                distinct: whole(distinct, row),
                sketch: sketches.as_binary::<i32>().value(row).to_vec(),
                log_version: whole(versions, row),
            });
        }
        Ok(())
    }
}

const DAY_US: i64 = 86_400_000_000;

/// Statistics on their way into the table.
pub struct StatisticsWriter<'a> {
    appender: crate::log::append::Appender<'a>,
    version: u64,
}

impl StatisticsWriter<'_> {
    /// Takes what was counted of some columns; they are on disk when it returns.
    pub async fn write(&mut self, counted: &[CountedColumn]) -> Result<(), OfflineError> {
        if counted.is_empty() {
            return Ok(());
        }
        self.appender.write(batch(counted, self.version)?);
        self.appender.flush().await
    }

    /// Commits them; a conflict if others counted rows meanwhile.
    pub async fn commit(self) -> Result<(), OfflineError> {
        // 0 stands for no version, as the counter of a log of which nothing is counted.
        let counted = Marker { app: COUNTED.to_owned(), version: self.version as i64 + 1 };
        self.appender.commit(&[counted], &[COUNTED]).await.map(|_| ())
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("date", DataType::Date32, false),
        Field::new("column", DataType::Utf8, false),
        Field::new("rows", DataType::Int64, false),
        Field::new("nulls", DataType::Int64, false),
        Field::new("mean", DataType::Float64, true),
        Field::new("least", DataType::Utf8, true),
        Field::new("greatest", DataType::Utf8, true),
        Field::new("distinct", DataType::Int64, false),
        Field::new("sketch", DataType::Binary, false),
        Field::new("log_version", DataType::Int64, false),
    ]))
}

fn batch(counted: &[CountedColumn], version: u64) -> Result<RecordBatch, OfflineError> {
    let whole = |of: fn(&CountedColumn) -> u64| {
        Arc::new(Int64Array::from_iter_values(counted.iter().map(|one| of(one) as i64))) as ArrayRef
    };
    let text = |of: fn(&CountedColumn) -> Option<&str>| {
        Arc::new(counted.iter().map(of).collect::<StringArray>()) as ArrayRef
    };
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Date32Array::from_iter_values(counted.iter().map(|one| one.date.number() as i32))),
            text(|one| Some(&one.column)),
            whole(|one| one.rows),
            whole(|one| one.nulls),
            Arc::new(counted.iter().map(|one| one.mean).collect::<Float64Array>()),
            text(|one| one.least.as_deref()),
            text(|one| one.greatest.as_deref()),
            whole(|one| one.distinct),
            Arc::new(BinaryArray::from_iter_values(counted.iter().map(|one| &one.sketch))),
            Arc::new(Int64Array::from(vec![version as i64; counted.len()])),
        ],
    )?)
}
