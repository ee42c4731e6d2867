//! The point-in-time join as a DataFusion operator: the spine is its one input, the logs are read
//! by the operator itself. How much memory labels take decides into how many parts a spine is cut.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{BatchCoalescer, concat_batches};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use feature::{Component, DataType, Fold};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::blocking::blocking;
use crate::error::OfflineError;
use crate::join::measured::{Measured, Reading};
use crate::join::spec::{JoinLookup, JoinSpec};
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

/// Bytes that the rows of a spine and everything that is known of them take at the most, while they
/// are joined by the threads of the spec.
fn bytes_of_labels(spec: &JoinSpec, batch: &RecordBatch) -> u64 {
    batch.num_rows() as u64 * bytes_of_row(spec, batch)
}

/// How many of the batch's first rows take no more than this many bytes.
fn rows_that_fit(spec: &JoinSpec, batch: &RecordBatch, bytes: u64) -> usize {
    usize::try_from(bytes / bytes_of_row(spec, batch)).unwrap_or(usize::MAX)
}

fn bytes_of_row(spec: &JoinSpec, batch: &RecordBatch) -> u64 {
    let threads = spec.threads.max(1) as u64;
    // A slice of a column has only its own share of the buffers.
    let bytes_of = |column: &ArrayRef| {
        let own = column.to_data().get_slice_memory_size();
        own.unwrap_or_else(|_| column.get_array_memory_size()) as u64
    };
    let rows = batch.num_rows().max(1) as u64;
    let row_bytes = batch.columns().iter().map(bytes_of).sum::<u64>().div_ceil(rows);
    let lookups = spec.lookups.iter().map(|lookup| bytes_of_label(lookup, spec.leaks, threads));
    // A row of the spine is held twice: as it came, and concatenated.
    2 * row_bytes + 8 + lookups.sum::<u64>()
}

/// Bytes of one label of one lookup.
fn bytes_of_label(lookup: &JoinLookup, leaks: bool, threads: u64) -> u64 {
    // Its time and slot, and a share of its entity's key and slot.
    const LABEL: u64 = 8 + 8 + 24;
    // The row of a slot, and the interval beside the entity.
    const LATEST: u64 = 8 + 24;
    // Best event time, and the facts of two kept rows.
    const SHARED: u64 = 8 + 2 * 32;
    // A hidden row: its slot, event time and row, in a table that is half empty; its facts.
    const HIDDEN: u64 = 2 * 24 + 32;
    // A count and a count of hidden rows for each fold, and a sum.
    const WINDOW: u64 = 8 + 4 + 40;
    let mut folded = 0;
    let mut values = 0;
    for feature in lookup.features.iter().filter_map(|(index, _)| lookup.view.features.get(*index)) {
        match feature.fold {
            // Kept rows may be twice as many as slots.
            Fold::Latest { .. } => values += 2 * 16,
            Fold::Aggregate { function, .. } => {
                let argument = lookup.view.argument(feature);
                let trees = function.components().iter().map(|component| bytes_of_tree(*component, argument));
                folded += WINDOW + trees.sum::<u64>();
            }
        }
    }
    let hidden = if leaks { HIDDEN } else { 0 };
    LABEL + SHARED + values + threads * (LATEST + hidden + folded)
}

/// Bytes that a segment tree takes for one label: two states.
fn bytes_of_tree(component: Component, argument: Option<DataType>) -> u64 {
    const STATE: u64 = 72;
    // Text beyond this is rare.
    const VALUE_BYTES: usize = 32;
    match component {
        Component::Count | Component::Sum => 0,
        component if component.slot_width(argument).is_some() => 2 * STATE,
        component => 2 * (STATE + component.longest_state(argument, VALUE_BYTES) as u64),
    }
}
