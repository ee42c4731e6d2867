//! A training set as a stream of batches: the spine with every feature of a service as it was at each label's moment.

use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use feature::{AsOf, Micros, Opening, ServicePlan, View};
use futures::StreamExt;

use crate::blocking::blocking;
use crate::error::OfflineError;
use crate::join::{JoinLookup, JoinSpec, PointInTimeExec, Reading, folded_before, held_features, labels_in};
use crate::log::{OfflineStore, ReadLock, labels_from};
use crate::threads::threads;
use crate::training_set::batch::{BatchBuilder, Layout};
use crate::training_set::log_range::LogRange;
use crate::training_set::options::Options;
use crate::training_set::spine::Spine;
use crate::training_set::summary::{FeatureSummary, OpenLabels, Summary};

/// A training set in memory.
#[derive(Debug)]
pub struct TrainingSet {
    /// The spine's columns in their order, then the features under their service names, then,
    /// with `explain`, the times of each view.
    pub batch: RecordBatch,
    /// Its counts.
    pub summary: Summary,
}

/// Builds the training set of a service for a spine, in memory.
pub async fn training_set(
    store: &OfflineStore,
    plan: &ServicePlan,
    spine: &Spine,
    options: &Options,
) -> Result<TrainingSet, OfflineError> {
    let mut stream = TrainingSetStream::new(store, plan, spine, options).await?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await? {
        batches.push(batch);
    }
    let batch = arrow::compute::concat_batches(stream.schema(), &batches)?;
    Ok(TrainingSet { batch, summary: stream.finish() })
}

/// The batches of a training set, in the order of the spine.
pub struct TrainingSetStream {
    builder: Arc<BatchBuilder>,
    joined: SendableRecordBatchStream,
    join: PointInTimeExec,
    reading: Arc<Reading>,
    log_rows: u64,
    summary: Summary,
    /// No vacuum removes what is read here.
    logs: Vec<OpenedLog>,
}

/// Logs that no vacuum removes a read file of.
#[derive(Debug)]
pub struct ReadLogs {
    _logs: Vec<OpenedLog>,
}

/// What is read, and what is known of each of its logs.
struct Opened {
    lookups: Vec<JoinLookup>,
    locks: Vec<OpenedLog>,
}

/// A log that is read.
#[derive(Debug)]
struct OpenedLog {
    view: Arc<View>,
    expired_before: Option<Micros>,
    /// The openings that hold each group of its features, the oldest first.
    openings: Vec<Vec<Opening>>,
    _lock: ReadLock,
}

impl TrainingSetStream {
    /// Opens the logs and plans the join.
    pub async fn new(
        store: &OfflineStore,
        plan: &ServicePlan,
        spine: &Spine,
        options: &Options,
    ) -> Result<TrainingSetStream, OfflineError> {
        let builder = Arc::new(BatchBuilder::new(plan, spine, options)?);
        let Opened { lookups, locks } = opened(store, plan, builder.layout(), options).await?;
        refuse_labels_without_rows(spine, &locks).await?;
        let leaks = options.as_of == AsOf::Available;
        let leaked = leaks.then_some(0);
        let feature = |name: &String| FeatureSummary { name: name.clone(), nulls: 0, leaked };
        let summary = Summary {
            rows: 0,
            features: plan.outputs.iter().map(|output| feature(&output.name)).collect(),
            log_versions: lookups.iter().map(|one| (one.view.id.clone(), one.log.version)).collect(),
            log_ranges: log_ranges(&lookups),
            openings: openings(&lookups),
        };
        let spec = JoinSpec {
            format: JoinSpec::FORMAT,
            time: spine.time().to_owned(),
            as_of: options.as_of,
            leaks,
            filled: options.filled,
            lookups,
            threads: options.threads.unwrap_or_else(threads),
            max_memory: options.max_memory,
        };
        let log_rows = spec.lookups.iter().map(|lookup| lookup.log.rows()).sum();
        let reading = Arc::new(Reading::default());
        let rows: Arc<dyn PartitionStream> = Arc::new(spine.clone());
        let rows = StreamingTableExec::try_new(spine.schema().clone(), vec![rows], None, [], false, None)?;
        let join = PointInTimeExec::new(Arc::new(rows), Arc::new(spec)).with_reading(reading.clone());
        let joined = join.execute(0, Arc::new(TaskContext::default()))?;
        Ok(TrainingSetStream { builder, joined, join, reading, log_rows, summary, logs: locks })
    }

    /// The columns of the training set.
    pub fn schema(&self) -> &SchemaRef {
        self.builder.schema()
    }

    /// Progress of the reads of the logs.
    pub fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }

    /// How many rows the logs have, each counted once for each role that it is read in.
    pub fn log_rows(&self) -> u64 {
        self.log_rows
    }

    /// The join as DataFusion runs it, with what it has measured so far.
    pub fn explain(&self) -> String {
        DisplayableExecutionPlan::with_metrics(&self.join).indent(true).to_string()
    }

    /// The next rows of the training set; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, OfflineError> {
        Ok(self.next_with_filled().await?.map(|(rows, _)| rows))
    }

    /// The next rows of the training set, and for each output the rows at which its default stands instead of null: of
    /// none, unless [`Options::filled`] asks for it. `None` at the end.
    pub async fn next_with_filled(
        &mut self,
    ) -> Result<Option<(RecordBatch, Vec<BooleanArray>)>, OfflineError> {
        let Some(joined) = self.joined.next().await.transpose()? else { return Ok(None) };
        let (builder, before) = (self.builder.clone(), self.summary.rows);
        let built = blocking(move || builder.build(&joined, before)).await?;
        self.summary.log_ranges.iter_mut().for_each(|range| range.count(&built.labels));
        for open in &mut self.summary.openings {
            open.labels += labels_in(&built.labels, &open.opening);
        }
        self.summary.rows += built.rows.num_rows();
        for (feature, (nulls, leaked)) in self.summary.features.iter_mut().zip(built.counts) {
            feature.nulls += nulls;
            feature.leaked = feature.leaked.zip(leaked).map(|(so_far, more)| so_far + more);
        }
        Ok(Some((built.rows, built.filled)))
    }

    /// The counts of the rows so far.
    pub fn finish(self) -> Summary {
        self.summary
    }

    /// Goes on to keep vacuums away from the logs once the rows are read, until what was built is known of.
    pub fn logs(&mut self) -> ReadLogs {
        ReadLogs { _logs: std::mem::take(&mut self.logs) }
    }
}

impl fmt::Debug for TrainingSetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainingSetStream").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// Opens the log of each of the plan's lookups, at the version that the options name.
async fn opened(
    store: &OfflineStore,
    plan: &ServicePlan,
    layout: &Layout,
    options: &Options,
) -> Result<Opened, OfflineError> {
    let mut lookups = Vec::with_capacity(plan.lookups.len());
    let mut locks = Vec::with_capacity(plan.lookups.len());
    for (index, lookup) in plan.lookups.iter().enumerate() {
        let pinned = options.log_versions.iter().find(|(view, _)| *view == lookup.view.id);
        let mut log = store.log(&lookup.view).await?;
        let lock = ReadLock::of_reader(&log);
        match pinned {
            Some((_, version)) => log = store.whole_log_at(&log, *version).await?,
            None => log.refresh().await?,
        }
        let expired_before = log.expired_before().await?;
        let no_log = || OfflineError::NoLog { view: lookup.view.id.clone() };
        let key = |key: &usize| plan.keys.get(*key).map(|key| key.name.to_string());
        let snapshot = log.snapshot()?.ok_or_else(no_log)?;
        let openings = match options.as_of {
            AsOf::Available => options.openings.of(&lookup.view.id),
            AsOf::Event => &[],
        };
        // The times of a view are those of the features that the fewest breakers held.
        let mut times = options.explain.then(|| layout.times(index));
        let groups = held_features(&lookup.view, layout.features_of(index), openings);
        let openings = groups.iter().map(|held| held.openings.clone()).collect();
        locks.push(OpenedLog { view: lookup.view.clone(), expired_before, openings, _lock: lock });
        for held in groups {
            lookups.push(JoinLookup {
                view: lookup.view.clone(),
                keys: lookup.keys.iter().filter_map(key).collect(),
                log: snapshot.clone(),
                features: held.features,
                times: times.take(),
                openings: held.openings,
            });
        }
    }
    Ok(Opened { lookups, locks })
}

/// Refuses labels whose features would need rows that retention dropped: their values would be others than they were. Where a
/// breaker was open at a label, the moment that counts is the one that its features are folded at.
async fn refuse_labels_without_rows(spine: &Spine, logs: &[OpenedLog]) -> Result<(), OfflineError> {
    for log in logs {
        let Some(before) = log.expired_before else { continue };
        let (spine, from) = (spine.clone(), labels_from(&log.view, before));
        let openings = log.openings.clone();
        let (labels, while_open) = blocking(move || {
            let (mut labels, mut while_open) = (0, 0);
            spine.for_each_times(|times| {
                let folded = folded_before(times, &openings, from);
                labels += folded.labels;
                while_open += folded.while_open;
            })?;
            Ok::<_, OfflineError>((labels, while_open))
        })
        .await?;
        if labels > 0 {
            let view = log.view.id.clone();
            return Err(OfflineError::LabelsExpired { view, labels, while_open, before, from });
        }
    }
    Ok(())
}

/// The openings of all views, each once.
fn openings(lookups: &[JoinLookup]) -> Vec<OpenLabels> {
    let mut all: Vec<OpenLabels> = Vec::new();
    for opening in lookups.iter().flat_map(|lookup| &lookup.openings) {
        if all.iter().all(|open| open.opening.number != opening.number) {
            all.push(OpenLabels { opening: opening.clone(), labels: 0 });
        }
    }
    all
}

/// The days of each log whose rows have event times.
fn log_ranges(lookups: &[JoinLookup]) -> Vec<LogRange> {
    let mut ranges: Vec<LogRange> = Vec::new();
    for lookup in lookups.iter().filter(|lookup| !lookup.view.is_static) {
        if ranges.iter().all(|range| range.view != lookup.view.id) {
            ranges.extend(LogRange::of(&lookup.view.id, &lookup.log));
        }
    }
    ranges
}
