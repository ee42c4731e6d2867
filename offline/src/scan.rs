//! Reading a log: DataFusion's Parquet source over the files of one snapshot.

use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use feature::Micros;

use arrow::datatypes::{Field, Schema};

use crate::columns::DATE;
use crate::error::OfflineError;
use crate::table::{DataFile, Table};

/// Rows of one batch of a scan.
const BATCH_ROWS: usize = 8192;

pub(crate) fn streams(
    table: &Table,
    columns: &[&str],
    until: Option<Micros>,
    partitions: usize,
) -> Result<Vec<SendableRecordBatchStream>, OfflineError> {
    let files = table.files().into_iter().filter(|file| may_have_happened(file, until)).collect();
    streams_of(table, files, columns, partitions)
}

/// Reads these columns of these files of a table.
pub(crate) fn streams_of(
    table: &Table,
    files: Vec<DataFile>,
    columns: &[&str],
    partitions: usize,
) -> Result<Vec<SendableRecordBatchStream>, OfflineError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let fields: Vec<Arc<Field>> =
        table.schema().fields().iter().filter(|field| field.name() != DATE).cloned().collect();
    let schema = Arc::new(Schema::new(fields));
    let projection = columns.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
    // A table's files lie in its own storage, so each scan has a name of its own for it.
    let url = ObjectStoreUrl::parse(format!("log://{}/", table.name().replace(['@', '_', ' '], "-")))?;
    let config = FileScanConfigBuilder::new(url.clone(), Arc::new(ParquetSource::new(schema)))
        .with_file_groups(groups(files, partitions))
        .with_projection_indices(Some(projection))?
        .build();
    let plan = DataSourceExec::from_data_source(config);
    let runtime = Arc::new(RuntimeEnvBuilder::new().build()?);
    runtime.register_object_store(url.as_ref(), table.storage());
    let context =
        SessionContext::new_with_config_rt(SessionConfig::new().with_batch_size(BATCH_ROWS), runtime);
    let partitions = plan.properties().output_partitioning().partition_count();
    (0..partitions).map(|partition| Ok(plan.execute(partition, context.task_ctx())?)).collect()
}

/// Whether a file can hold a row of this moment or before, by the date of its partition.
fn may_have_happened(file: &DataFile, until: Option<Micros>) -> bool {
    let date = file.partition.as_deref().and_then(|date| date.parse::<Micros>().ok());
    match (date, until) {
        (Some(date), Some(until)) => date <= until,
        _ => true,
    }
}

/// Newest first and dealt out in turn, so that every stream begins with the rows that win most.
fn groups(files: Vec<DataFile>, partitions: usize) -> Vec<FileGroup> {
    let mut groups = vec![Vec::new(); partitions.clamp(1, files.len())];
    let count = groups.len();
    for (n, file) in files.into_iter().rev().enumerate() {
        if let Some(group) = groups.get_mut(n % count) {
            group.push(PartitionedFile::new(file.path.to_string(), file.bytes));
        }
    }
    groups.into_iter().map(FileGroup::new).collect()
}
