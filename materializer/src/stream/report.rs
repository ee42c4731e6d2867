//! What a stream did, for its operator: counts, how late and how far behind each partition is, and how
//! long a row took from its event to each step.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use feature::{Micros, VersionId};
use serde::Serialize;

use super::judge::{Counts, Taken};
use super::protocol::{Located, Record};

/// What became of the records of one view's stream since it began to be followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// The view.
    pub view: VersionId,
    /// Commits of the log.
    pub flushes: u64,
    /// Records that were read.
    pub records: u64,
    /// Rows that are new in the log.
    pub rows_loaded: u64,
    /// Of these, rows that came later than the source allows.
    pub late: u64,
    /// Rows that did not pass the view's `where`.
    pub filtered: u64,
    /// Rows with a null in their key, left out.
    pub null_keys: u64,
    /// Rows in the dead letter table, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Rows that an expectation only warns of, by expectation.
    pub warned: BTreeMap<String, u64>,
    /// Entities whose online rows were written, each time that they were.
    pub entities_written: u64,
    /// Entities whose folds are in memory.
    pub entities_in_memory: u64,
    /// Online rows that another process changed meanwhile, and that were folded anew.
    pub folded_anew: u64,
    /// How often the online store had lost rows, and was folded anew from the log.
    pub rebuilt: u64,
    /// Each partition that is read.
    pub partitions: BTreeMap<u32, PartitionReport>,
}

/// Where one partition stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    /// The next offset by the log.
    pub next: u64,
    /// The offset that the source's next row had when it was asked last.
    pub end: u64,
    /// The greatest broker's timestamp that the log has.
    pub watermark: Option<Micros>,
}

impl StreamReport {
    pub(crate) fn new(view: VersionId) -> Self {
        Self {
            view,
            flushes: 0,
            records: 0,
            rows_loaded: 0,
            late: 0,
            filtered: 0,
            null_keys: 0,
            refused: BTreeMap::new(),
            warned: BTreeMap::new(),
            entities_written: 0,
            entities_in_memory: 0,
            folded_anew: 0,
            rebuilt: 0,
            partitions: BTreeMap::new(),
        }
    }

    /// Rows that were refused, whatever the reason.
    pub fn refused_rows(&self) -> u64 {
        self.refused.values().sum()
    }

    pub(crate) fn located(&mut self, places: &[Located]) {
        for place in places {
            let partition = self.partitions.entry(place.partition).or_default();
            partition.next = place.committed.unwrap_or(place.earliest);
            partition.end = place.end;
        }
    }

    pub(crate) fn flushed(
        &mut self,
        rows: u64,
        late: u64,
        counts: Counts,
        ends: &[(u32, u64)],
        records: &[Record],
    ) {
        self.flushes += 1;
        self.rows_loaded += rows;
        self.late += late;
        self.records += counts.read;
        self.filtered += counts.filtered;
        self.null_keys += counts.null_keys;
        for (reason, count) in counts.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        for (expectation, count) in counts.warned {
            *self.warned.entry(expectation).or_default() += count;
        }
        for (partition, end) in ends {
            let partition = self.partitions.entry(*partition).or_default();
            partition.next = *end;
            partition.end = partition.end.max(*end);
        }
        for record in records {
            let partition = self.partitions.entry(record.partition).or_default();
            partition.watermark = partition.watermark.max(Some(record.timestamp));
        }
    }
}

/// A step of a row's way from its event into both stores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// From the event to the broker's timestamp.
    Event,
    /// From the broker's timestamp to its being received.
    Received,
    /// From there to its being transformed and folded.
    Transformed,
    /// From there to the acknowledgement of the online store.
    Acknowledged,
    /// From there to the commit of the log.
    Committed,
    /// From the broker's timestamp to the acknowledgement: how fresh the online store is.
    Readable,
}

impl Stage {
    /// Every stage, in the order of a row's way.
    pub const ALL: [Stage; 6] = [
        Stage::Event,
        Stage::Received,
        Stage::Transformed,
        Stage::Acknowledged,
        Stage::Committed,
        Stage::Readable,
    ];

    /// What metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Event => "event",
            Stage::Received => "received",
            Stage::Transformed => "transformed",
            Stage::Acknowledged => "acknowledged",
            Stage::Committed => "committed",
            Stage::Readable => "readable",
        }
    }
}

/// The upper edges of the histograms' buckets, in microseconds.
const EDGES: [i64; 15] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    600_000_000,
    3_600_000_000,
];

/// How long rows took, by stage: histograms that several threads may add to and read.
#[derive(Debug, Default)]
pub struct Freshness {
    stages: Mutex<BTreeMap<Stage, Histogram>>,
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    buckets: [u64; EDGES.len() + 1],
    count: u64,
    sum_us: i64,
}

impl Histogram {
    fn add(&mut self, micros: i64) {
        let micros = micros.max(0);
        let bucket = EDGES.partition_point(|edge| *edge < micros);
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(micros);
    }

    /// The upper edge of the bucket that holds this share of the rows.
    fn quantile(&self, share: f64) -> Option<i64> {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && self.count > 0 {
                return EDGES.get(bucket).copied();
            }
        }
        None
    }
}

/// When the rows of one flush were where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    transformed_at: Option<Micros>,
    acknowledged_at: Option<Micros>,
    pub(crate) late: u64,
}

impl Marks {
    pub(crate) fn transformed(&mut self, at: Micros) {
        self.transformed_at = Some(at);
    }

    pub(crate) fn acknowledged(&mut self, at: Micros) {
        self.acknowledged_at = Some(at);
    }
}

impl Freshness {
    pub(crate) fn count(
        &self,
        marks: &Marks,
        taken: Option<&Taken>,
        records: &[Record],
        committed_at: Micros,
    ) {
        let (Some(taken), Some(transformed), Some(acknowledged)) =
            (taken, marks.transformed_at, marks.acknowledged_at)
        else {
            return;
        };
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        for (origin, event_time) in taken.origins.iter().zip(taken.event_times()) {
            let Some(record) = records.get(*origin) else { continue };
            let Record { timestamp, received_at, .. } = record;
            for (stage, micros) in [
                (Stage::Event, timestamp.get() - event_time),
                (Stage::Received, received_at.since(*timestamp)),
                (Stage::Transformed, transformed.since(*received_at)),
                (Stage::Acknowledged, acknowledged.since(transformed)),
                (Stage::Committed, committed_at.since(acknowledged)),
                (Stage::Readable, acknowledged.since(*timestamp)),
            ] {
                stages.entry(stage).or_default().add(micros);
            }
        }
    }

    /// The upper edge, in microseconds, of the bucket that holds this share of a stage's rows; none where
    /// there are none, or where it lies beyond the last edge.
    pub fn quantile(&self, stage: Stage, share: f64) -> Option<i64> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.get(&stage)?.quantile(share)
    }

    /// The histograms of a view, in the text format of Prometheus; in seconds.
    pub fn prometheus(&self, view: &VersionId) -> String {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (stage, histogram) in stages.iter() {
            let labels = format!("view=\"{view}\",stage=\"{}\"", stage.name());
            let mut below = 0;
            for (edge, count) in EDGES.iter().zip(&histogram.buckets) {
                below += count;
                let edge = *edge as f64 / 1e6;
                text += &format!("twinstore_stream_seconds_bucket{{{labels},le=\"{edge}\"}} {below}\n");
            }
            let Histogram { count, sum_us, .. } = histogram;
            text += &format!("twinstore_stream_seconds_bucket{{{labels},le=\"+Inf\"}} {count}\n");
            text += &format!("twinstore_stream_seconds_sum{{{labels}}} {}\n", *sum_us as f64 / 1e6);
            text += &format!("twinstore_stream_seconds_count{{{labels}}} {count}\n");
        }
        text
    }
}
