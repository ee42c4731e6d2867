//! The rows of a log with the features of their entities: each row's are what the fold gave from the moment on that the
//! row was visible. It is a point-in-time join of the log with its own rows, and so what derived views read.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use feature::{AsOf, Micros, Position, View};
use futures::{StreamExt, TryStreamExt};

use crate::error::OfflineError;
use crate::join::{JoinLookup, JoinSpec, PointInTimeExec};
use crate::log::columns::timestamp_type;
use crate::log::{
    AVAILABLE_AT, Added, EVENT_TIME, Log, LogSnapshot, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR,
    positions,
};
use crate::threads::threads;

/// From when on a row is visible: the label at which its features are read.
const VISIBLE_AT: &str = "_visible_at";
/// Bytes that the rows which are joined at a time, and what is known of them, may take.
const JOINED_BYTES: u64 = 256 << 20;

/// Rows of a log by when they became visible.
#[derive(Clone, Debug)]
pub struct RowRange {
    /// The files that they lie in.
    pub files: Added,
    /// Only rows that became visible later than this; `None` means all.
    pub after: Option<Micros>,
    /// Only rows that were visible by then.
    pub until: Micros,
}

/// Rows of a log with some of the features of its view.
#[derive(Clone, Debug)]
pub struct FeatureRows {
    log: Log,
    ranges: Arc<[RowRange]>,
    features: Vec<usize>,
}

impl FeatureRows {
    /// These rows of a log, with these features, by their indices in its view. What the features see is the log at its
    /// snapshot.
    pub fn new(log: &Log, ranges: Arc<[RowRange]>, features: Vec<usize>) -> Self {
        Self { log: log.clone(), ranges, features }
    }

    /// Reads the rows, range after range.
    pub fn read(&self) -> Result<FeatureRowStream, OfflineError> {
        let view = self.log.view();
        let spine = Arc::new(VisibleRows::new(&self.log, &self.ranges));
        let context = Arc::new(TaskContext::default());
        let snapshot = self.log.snapshot()?.filter(|_| !self.features.is_empty());
        let batches = match snapshot {
            Some(snapshot) => {
                let schema = Arc::clone(&spine.schema);
                let spine = StreamingTableExec::try_new(schema, vec![spine], None, [], false, None)?;
                let spec = self.spec(view, snapshot);
                PointInTimeExec::new(Arc::new(spine), Arc::new(spec)).execute(0, context)?
            }
            None => spine.execute(context),
        };
        Ok(FeatureRowStream { view: Arc::clone(view), batches })
    }

    fn spec(&self, view: &Arc<View>, log: LogSnapshot) -> JoinSpec {
        let name = |index: &usize| Some((*index, view.features.get(*index)?.name.to_string()));
        let lookup = JoinLookup {
            view: Arc::clone(view),
            keys: view.keys.iter().map(|key| key.name.to_string()).collect(),
            log,
            features: self.features.iter().filter_map(name).collect(),
            times: None,
            // What a derived view is made of is what the rows give, whatever was answered of them.
            openings: Vec::new(),
        };
        JoinSpec {
            format: JoinSpec::FORMAT,
            time: VISIBLE_AT.to_owned(),
            as_of: AsOf::Available,
            leaks: false,
            filled: false,
            lookups: vec![lookup],
            threads: threads(),
            max_memory: Some(JOINED_BYTES),
        }
    }
}

/// Rows with features while they are read.
pub struct FeatureRowStream {
    view: Arc<View>,
    batches: SendableRecordBatchStream,
}

impl FeatureRowStream {
    /// The next rows and their positions: [`EVENT_TIME`], [`AVAILABLE_AT`], and the join keys and features by their
    /// names. `None` at the end.
    pub async fn next(&mut self) -> Result<Option<(RecordBatch, Vec<Position>)>, OfflineError> {
        let Some(batch) = self.batches.next().await.transpose()? else { return Ok(None) };
        let positions = positions(&self.view, &batch)?;
        Ok(Some((batch, positions)))
    }
}

/// The spine: times, positions and keys of the rows in some ranges.
#[derive(Debug)]
struct VisibleRows {
    log: Log,
    ranges: Arc<[RowRange]>,
    schema: SchemaRef,
}

impl VisibleRows {
    fn new(log: &Log, ranges: &Arc<[RowRange]>) -> Self {
        let view = log.view();
        let table = log.table().schema();
        let stored = columns(view).into_iter().filter_map(|name| table.field_with_name(name).ok().cloned());
        let visible_at = Field::new(VISIBLE_AT, timestamp_type(), false);
        let schema = Arc::new(Schema::new(stored.chain([visible_at]).collect::<Vec<_>>()));
        Self { log: log.clone(), ranges: Arc::clone(ranges), schema }
    }
}

fn columns(view: &View) -> Vec<&str> {
    let facts = [EVENT_TIME, AVAILABLE_AT, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR];
    facts.into_iter().chain(view.keys.iter().map(|key| key.name.as_str())).collect()
}

impl PartitionStream for VisibleRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (log, ranges, schema) = (self.log.clone(), Arc::clone(&self.ranges), Arc::clone(&self.schema));
        let external = |error: OfflineError| DataFusionError::External(Box::new(error));
        let read = move |index: usize| {
            let range = ranges.get(index).cloned();
            let range = range.expect("invariant: as many scans as ranges");
            let scan = log.scan_added(&range.files, &columns(log.view())).map_err(external)?;
            let schema = Arc::clone(&schema);
            Ok::<_, DataFusionError>(
                scan.map(move |batch| visible(&batch?, &range, &schema).map_err(external)),
            )
        };
        let batches = futures::stream::iter(0..self.ranges.len()).map(read).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

/// The rows of a batch that became visible within a range, with the moment at which they did.
fn visible(batch: &RecordBatch, range: &RowRange, schema: &SchemaRef) -> Result<RecordBatch, OfflineError> {
    let times =
        |name: &str| batch.column_by_name(name).map(|times| times.as_primitive::<TimestampMicrosecondType>());
    let pairs = times(EVENT_TIME).zip(times(AVAILABLE_AT));
    let (event_times, available_at) = pairs.expect("invariant: the scan reads both times");
    let pairs = event_times.values().iter().zip(available_at.values());
    let visible_at: Vec<i64> =
        pairs.map(|(event_time, available_at)| *event_time.max(available_at)).collect();
    let is_within: BooleanArray = visible_at
        .iter()
        .map(|at| Some(range.after.is_none_or(|after| *at > after.get()) && *at <= range.until.get()))
        .collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.push(Arc::new(TimestampMicrosecondArray::from(visible_at).with_timezone("UTC")));
    Ok(filter_record_batch(&RecordBatch::try_new(Arc::clone(schema), columns)?, &is_within)?)
}
