//! Scans of a log: DataFusion's Parquet source over the files of one snapshot, decoded on a thread of its own.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan};
use datafusion::prelude::{SessionConfig, SessionContext};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Field, Int8Type, Int32Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use feature::Micros;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::runtime::Handle;

use crate::error::OfflineError;
use crate::log::columns::{AVAILABLE_AT, DATE, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::log::commit::Added;
use crate::log::storage::check_length;
use crate::log::table::{DataFile, Table};
use crate::log::view_log::Log;

/// Rows of one batch of a scan.
const BATCH_ROWS: usize = 8192;
/// Batches that are decoded before they are requested.
const BATCHES_AHEAD: usize = 2;

impl Log {
    /// When the last of the snapshot's rows happened; `None` without rows. It reads the newest day alone.
    pub async fn last_event_time(&self) -> Result<Option<Micros>, OfflineError> {
        let mut files = self.table.files();
        let newest = files.iter().filter_map(|file| file.partition.clone()).max();
        files.retain(|file| file.partition == newest);
        let mut batches = stream(&self.table, &files, &[EVENT_TIME])?;
        let mut last = None;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
            last = last.max(times.and_then(arrow::compute::max));
        }
        self.moment(last)
    }

    /// When the first of the rows that happened on a date became available; `None` without any. It reads that date alone.
    pub async fn first_available_of(&self, date: &str) -> Result<Option<Micros>, OfflineError> {
        let mut batches = self.scan_date(date, &[AVAILABLE_AT])?;
        let mut first = None;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
            first = first.into_iter().chain(times.and_then(arrow::compute::min)).min();
        }
        self.moment(first)
    }

    fn moment(&self, micros: Option<i64>) -> Result<Option<Micros>, OfflineError> {
        let corrupt = |error: feature::TimeError| OfflineError::Corrupt {
            what: format!("the {}", self.table.name()),
            why: error.to_string(),
        };
        micros.map(Micros::new).transpose().map_err(corrupt)
    }

    /// How many rows the log has of a date: by the statistics of its files, where all have some.
    pub async fn rows_of_date(&self, date: &str) -> Result<u64, OfflineError> {
        let files = self.table.files().into_iter().filter(|file| file.partition.as_deref() == Some(date));
        if let Some(rows) = files.map(|file| file.rows).sum::<Option<u64>>() {
            return Ok(rows);
        }
        let mut rows = 0;
        let mut batches = self.scan_date(date, &[EVENT_TIME])?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            rows += batch.num_rows() as u64;
        }
        Ok(rows)
    }

    /// Reads these columns of all rows, in no order.
    pub fn scan(&self, columns: &[&str]) -> Result<SendableRecordBatchStream, OfflineError> {
        stream(&self.table, &self.table.files(), columns)
    }

    /// Reads these columns of the rows that happened on a date, as in `2013-06-01`, in no order.
    pub fn scan_date(&self, date: &str, columns: &[&str]) -> Result<SendableRecordBatchStream, OfflineError> {
        let mut files = self.table.files();
        files.retain(|file| file.partition.as_deref() == Some(date));
        stream(&self.table, &files, columns)
    }

    /// Reads these columns of the rows that commits added, in no order.
    pub fn scan_added(
        &self,
        added: &Added,
        columns: &[&str],
    ) -> Result<SendableRecordBatchStream, OfflineError> {
        stream(&self.table, &added.files, columns)
    }

    /// Gives the parts of every row's position, in no order: as [`feature::Position::parts`].
    pub async fn for_each_position(&self, each: impl FnMut((u8, u32, u64))) -> Result<(), OfflineError> {
        for_each_position(&self.table, each).await
    }
}

/// Reads these columns of these files of a table, file after file.
pub(crate) fn stream(
    table: &Table,
    files: &[DataFile],
    columns: &[&str],
) -> Result<SendableRecordBatchStream, OfflineError> {
    let fields: Vec<Arc<Field>> =
        table.schema().fields().iter().filter(|field| field.name() != DATE).cloned().collect();
    let schema = Arc::new(Schema::new(fields));
    let projection = columns.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() {
        return Ok(Box::pin(EmptyRecordBatchStream::new(Arc::new(schema.project(&projection)?))));
    }
    let folder = table.folder()?;
    for file in files {
        let path = folder.join(file.path.as_ref());
        // One that is still in a bucket is compared by who reads it.
        if table.checked_storage().has_copies() && !path.exists() {
            continue;
        }
        check_length(&path, file.bytes).map_err(|error| OfflineError::of_file(&path, error))?;
    }
    // A table's files lie in its own storage, so each scan has a name of its own for it.
    let url = ObjectStoreUrl::parse(format!("log://{}/", table.name().replace(['@', '_', ' '], "-")))?;
    let config = FileScanConfigBuilder::new(url.clone(), Arc::new(ParquetSource::new(schema)))
        .with_file_group(
            files.iter().map(|file| PartitionedFile::new(file.path.to_string(), file.bytes)).collect(),
        )
        .with_projection_indices(Some(projection))?
        .build();
    let plan = DataSourceExec::from_data_source(config);
    let runtime = Arc::new(RuntimeEnvBuilder::new().build()?);
    runtime.register_object_store(url.as_ref(), table.storage());
    let context =
        SessionContext::new_with_config_rt(SessionConfig::new().with_batch_size(BATCH_ROWS), runtime);
    let (batches, storage) = (plan.execute(0, context.task_ctx())?, table.checked_storage().clone());
    let schema = batches.schema();
    // What was found damaged, and not what the reader of pages makes of it.
    let batches = batches.map_err(move |error| match storage.take_damaged() {
        Some(damaged) => DataFusionError::External(Box::new(OfflineError::from(damaged))),
        None => error,
    });
    Ok(decoded_apart(schema, batches))
}

/// The same batches, of which a few are decoded ahead on a thread of their own. It ends with the stream.
fn decoded_apart(
    schema: SchemaRef,
    mut batches: impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + Unpin + 'static,
) -> SendableRecordBatchStream {
    let mut receiver = RecordBatchReceiverStream::builder(schema, BATCHES_AHEAD);
    let (sender, runtime) = (receiver.tx(), Handle::current());
    receiver.spawn_blocking(move || {
        runtime.block_on(async {
            while let Some(batch) = batches.next().await {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
    });
    receiver.build()
}

/// Gives the parts of every row's position, in no order: kind, file or partition, row or offset.
pub(crate) async fn for_each_position(
    table: &Table,
    mut each: impl FnMut((u8, u32, u64)),
) -> Result<(), OfflineError> {
    let columns = [POSITION_KIND, POSITION_MAJOR, POSITION_MINOR];
    let mut stream = stream(table, &table.files(), &columns)?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let [kinds, majors, minors] = batch.columns() else { continue };
        let kinds = kinds.as_primitive::<Int8Type>().values();
        let majors = majors.as_primitive::<Int32Type>().values();
        let minors = minors.as_primitive::<Int64Type>().values();
        for ((kind, major), minor) in kinds.iter().zip(majors).zip(minors) {
            each((*kind as u8, *major as u32, *minor as u64));
        }
    }
    Ok(())
}
