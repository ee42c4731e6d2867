//! The point-in-time join as a DataFusion operator: the spine is its one input, the logs are read
//! by the operator itself.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::compute::{BatchCoalescer, concat_batches};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::blocking::blocking;
use crate::error::OfflineError;
use crate::join::log_reader::Reading;
use crate::join::memory::{bytes_of_labels, rows_that_fit};
use crate::join::spec::JoinSpec;
use crate::join::work::{Joined, join};

/// Rows of one batch that the operator gives.
const BATCH_ROWS: usize = 65_536;

/// Rows of a spine that are joined together, however little memory there is.
const LEAST_ROWS: usize = 4096;

/// The features of some views at every label of a spine, in the spine's order.
#[derive(Debug, Clone)]
pub struct PointInTimeExec {
    spine: Arc<dyn ExecutionPlan>,
    spec: Arc<JoinSpec>,
    reading: Arc<Reading>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PointInTimeExec {
    /// The join of this spine. Each partition of the spine is joined on its own.
    pub fn new(spine: Arc<dyn ExecutionPlan>, spec: Arc<JoinSpec>) -> Self {
        let schema = spec.schema(&spine.schema());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            spine.output_partitioning().clone(),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            spine,
            spec,
            reading: Arc::new(Reading::default()),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The description of the join.
    pub fn spec(&self) -> &Arc<JoinSpec> {
        &self.spec
    }

    /// Progress of the reads, for callers that show or cancel them.
    pub(crate) fn with_reading(mut self, reading: Arc<Reading>) -> Self {
        self.reading = reading;
        self
    }
}

impl DisplayAs for PointInTimeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JoinSpec { time, as_of, lookups, threads, .. } = self.spec.as_ref();
        write!(f, "PointInTimeExec: time={time}, as_of={as_of:?}, threads={threads}, lookups=[")?;
        for (index, lookup) in lookups.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            let (view, log) = (&lookup.view.id, &lookup.log);
            write!(
                f,
                "{separator}{view} by ({}): {} features, log version {}, {} files, {} rows",
                lookup.keys.join(", "),
                lookup.features.len(),
                log.version,
                log.files.len(),
                log.rows()
            )?;
        }
        f.write_str("]")
    }
}

impl ExecutionPlan for PointInTimeExec {
    fn name(&self) -> &'static str {
        "PointInTimeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.spine]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // Every partition of the spine reads the logs once more.
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [spine] = children.as_slice() else {
            return internal_err!("a point-in-time join has one spine, not {}", children.len());
        };
        let replaced = Self::new(spine.clone(), self.spec.clone()).with_reading(self.reading.clone());
        Ok(Arc::new(replaced))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts = Parts {
            input: Some(self.spine.execute(partition, context)?),
            rest: None,
            spec: self.spec.clone(),
            schema: self.spine.schema(),
            reading: self.reading.clone(),
            measured: Measured::new(&self.metrics, partition),
        };
        let stop = StopReading(Some(self.reading.clone()));
        let joined = futures::stream::try_unfold((parts, stop), |(mut parts, stop)| async move {
            match parts.next().await? {
                Some(joined) => Ok::<_, DataFusionError>(Some((joined, (parts, stop)))),
                None => {
                    stop.not_needed();
                    Ok(None)
                }
            }
        });
        let threads = self.spec.threads.max(1);
        let batches = joined.map_ok(move |joined| batches(joined, threads)).try_flatten().boxed();
        // One part is cut into whole batches as it is; where several meet, nobody is to see it.
        let whole = match self.spec.max_memory {
            Some(_) => whole_batches(batches, self.schema()).boxed(),
            None => batches,
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), whole)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        // A row for each row of the spine; nothing is known of the features.
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(spine) = input_stats.first() {
            statistics.num_rows = spine.num_rows;
        }
        Ok(Arc::new(statistics))
    }
}

/// Tells the reading threads to stop where nobody waits for the join any more before it has ended.
struct StopReading(Option<Arc<Reading>>);

impl StopReading {
    /// The join has ended: there is nothing to stop.
    fn not_needed(mut self) {
        self.0 = None;
    }
}

impl Drop for StopReading {
    fn drop(&mut self) {
        if let Some(reading) = &self.0 {
            reading.cancelled.store(true, Ordering::Relaxed);
        }
    }
}

/// The figures that EXPLAIN ANALYZE shows of one partition.
struct Measured {
    join_time: Time,
    parts: Count,
    output_rows: Count,
    files_read: Count,
    skipped: Count,
    rows_skipped: Count,
    rows_read: Count,
    rows_fetched: Count,
    bytes: Count,
}

impl Measured {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            join_time: MetricBuilder::new(metrics).subset_time("join_time", partition),
            parts: counter("spine_parts"),
            output_rows: MetricBuilder::new(metrics).output_rows(partition),
            files_read: counter("files_read"),
            skipped: counter("files_and_row_groups_skipped"),
            rows_skipped: counter("rows_in_pages_skipped"),
            rows_read: counter("rows_read"),
            rows_fetched: counter("rows_fetched_late"),
            bytes: counter("file_bytes"),
        }
    }

    fn note(&self, reading: &Reading, rows: usize) {
        let pairs = [
            (&self.files_read, &reading.files),
            (&self.skipped, &reading.row_groups_skipped),
            (&self.rows_skipped, &reading.rows_skipped),
            (&self.rows_read, &reading.rows),
            (&self.rows_fetched, &reading.rows_wanted),
            (&self.bytes, &reading.bytes),
        ];
        for (count, read) in pairs {
            let total = read.load(Ordering::Relaxed) as usize;
            count.add(total.saturating_sub(count.value()));
        }
        self.parts.add(1);
        self.output_rows.add(rows);
    }
}

/// A spine while it is read, part by part.
struct Parts {
    input: Option<SendableRecordBatchStream>,
    /// A batch that did not fit the part before.
    rest: Option<RecordBatch>,
    spec: Arc<JoinSpec>,
    schema: SchemaRef,
    reading: Arc<Reading>,
    measured: Measured,
}

impl Parts {
    /// The next part of the spine, joined; `None` at the end.
    async fn next(&mut self) -> Result<Option<Arc<Joined>>> {
        let Some(spine) = self.next_spine().await? else { return Ok(None) };
        let (spec, reading) = (self.spec.clone(), self.reading.clone());
        let timer = self.measured.join_time.timer();
        let joined = on_a_thread(move || join(&spec, spine, &reading)).await?;
        timer.done();
        self.measured.note(&self.reading, joined.rows());
        Ok(Some(Arc::new(joined)))
    }

    /// As many rows of the spine as the bound on memory allows, and at least a few.
    async fn next_spine(&mut self) -> Result<Option<RecordBatch>> {
        let mut batches = Vec::new();
        let mut left = self.spec.max_memory.unwrap_or(u64::MAX);
        while let Some(batch) = self.next_batch().await? {
            let fits = rows_that_fit(&self.spec, &batch, left);
            let rows = if batches.is_empty() { fits.max(LEAST_ROWS) } else { fits }.min(batch.num_rows());
            if rows > 0 {
                let part = batch.slice(0, rows);
                left = left.saturating_sub(bytes_of_labels(&self.spec, &part));
                batches.push(part);
            }
            if rows < batch.num_rows() {
                self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
                break;
            }
        }
        match batches.as_slice() {
            [] => Ok(None),
            batches => Ok(Some(concat_batches(&self.schema, batches)?)),
        }
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        let Some(input) = &mut self.input else { return Ok(None) };
        let next = input.next().await.transpose()?;
        if next.is_none() {
            self.input = None;
        }
        Ok(next)
    }
}

/// The batches of a joined part in their order, of which so many are made at a time.
fn batches(joined: Arc<Joined>, at_a_time: usize) -> impl Stream<Item = Result<RecordBatch>> {
    let rows = joined.rows();
    let starts = (0..rows).step_by(BATCH_ROWS);
    let ranges: Vec<Range<usize>> = starts.map(|start| start..rows.min(start + BATCH_ROWS)).collect();
    let slices = futures::stream::iter(ranges).map(move |range| {
        let joined = joined.clone();
        on_a_thread(move || joined.batch(range))
    });
    slices.buffered(at_a_time)
}

/// The same rows in batches of [`BATCH_ROWS`], the last smaller.
fn whole_batches(
    batches: BoxStream<'static, Result<RecordBatch>>,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> {
    let state = (Some(batches), BatchCoalescer::new(schema, BATCH_ROWS));
    futures::stream::try_unfold(state, |(mut batches, mut coalescer)| async move {
        loop {
            if let Some(batch) = coalescer.next_completed_batch() {
                return Ok(Some((batch, (batches, coalescer))));
            }
            let Some(more) = &mut batches else { return Ok(None) };
            match more.next().await.transpose()? {
                Some(batch) => coalescer.push_batch(batch)?,
                None => {
                    coalescer.finish_buffered_batch()?;
                    batches = None;
                }
            }
        }
    })
}

/// Does work on a thread of its own, with its error as DataFusion carries it.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::result::Result<T, OfflineError> + Send + 'static,
) -> Result<T> {
    blocking(work).await.map_err(|error| DataFusionError::External(Box::new(error)))
}
