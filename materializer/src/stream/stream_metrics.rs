//! Metrics of a stream while it runs: how long its rows take from their events to each step, and its report, for any
//! thread that reads them.

use std::sync::{Arc, Mutex, PoisonError};

use exposition::{Histogram, Page};
use feature::{Micros, VersionId};

use super::row_traces::{MOST_OF_A_FLUSH, RowTraces, TracedRow};
use super::stream_report::{PartitionReport, StreamReport};
use crate::rows::accepted::AcceptedRows;
use crate::rows::record::Record;

/// A stage of a row's way from its event into both stores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LatencyStage {
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
    /// From the broker's timestamp to the acknowledgement: how fast twinstore is.
    Readable,
    /// From the event to the acknowledgement: how fresh the online store is.
    Fresh,
}

impl LatencyStage {
    /// Every stage, in the order of a row's way.
    pub const ALL: [LatencyStage; 7] = [
        LatencyStage::Event,
        LatencyStage::Received,
        LatencyStage::Transformed,
        LatencyStage::Acknowledged,
        LatencyStage::Committed,
        LatencyStage::Readable,
        LatencyStage::Fresh,
    ];

    /// What metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            LatencyStage::Event => "event",
            LatencyStage::Received => "received",
            LatencyStage::Transformed => "transformed",
            LatencyStage::Acknowledged => "acknowledged",
            LatencyStage::Committed => "committed",
            LatencyStage::Readable => "readable",
            LatencyStage::Fresh => "fresh",
        }
    }
}

/// The upper edges of the histograms' buckets, in microseconds.
const EDGES: &[u64] = &[
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

/// Histograms of how long rows took, by stage, and the report as of the newest flush. Several threads may read them.
#[derive(Debug)]
pub struct StreamMetrics {
    /// By stage, in their order; in microseconds.
    stages: [Histogram; LatencyStage::ALL.len()],
    report: Mutex<Option<StreamReport>>,
    stuck: Mutex<Option<(LatencyStage, String)>>,
    traces: Option<Arc<dyn RowTraces>>,
}

impl Default for StreamMetrics {
    fn default() -> Self {
        Self {
            stages: LatencyStage::ALL.map(|_| Histogram::new(EDGES)),
            report: Mutex::default(),
            stuck: Mutex::default(),
            traces: None,
        }
    }
}

/// When the rows of one flush reached each stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlushTimes {
    transformed_at: Option<Micros>,
    acknowledged_at: Option<Micros>,
    pub(crate) late: u64,
}

impl FlushTimes {
    pub(crate) fn transformed(&mut self, at: Micros) {
        self.transformed_at = Some(at);
    }

    pub(crate) fn acknowledged(&mut self, at: Micros) {
        self.acknowledged_at = Some(at);
    }
}

impl StreamMetrics {
    /// Those of a stream that reports rows which their producers trace.
    #[must_use]
    pub fn with_traces(self, traces: Arc<dyn RowTraces>) -> Self {
        Self { traces: Some(traces), ..self }
    }

    /// Reports the traced rows of a flush.
    fn trace(&self, rows: impl Iterator<Item = TracedRow>) {
        if let Some(traces) = &self.traces {
            rows.take(MOST_OF_A_FLUSH).for_each(|row| traces.committed(&row));
        }
    }

    pub(crate) fn count(
        &self,
        times: &FlushTimes,
        accepted: Option<&AcceptedRows>,
        records: &[Record],
        committed_at: Micros,
    ) {
        let (Some(accepted), Some(transformed), Some(acknowledged)) =
            (accepted, times.transformed_at, times.acknowledged_at)
        else {
            return;
        };
        self.trace(accepted.origins.iter().filter_map(|origin| {
            let record = records.get(*origin)?;
            Some(TracedRow {
                parent: record.trace?,
                partition: record.partition,
                offset: record.offset,
                appended_at: record.timestamp,
                received_at: record.received_at,
                transformed_at: transformed,
                acknowledged_at: acknowledged,
                committed_at,
            })
        }));
        for (origin, event_time) in accepted.origins.iter().zip(&accepted.event_times) {
            let Some(record) = records.get(*origin) else { continue };
            let Record { timestamp, received_at, .. } = record;
            for (stage, micros) in [
                (LatencyStage::Event, timestamp.get() - event_time),
                (LatencyStage::Received, received_at.since(*timestamp)),
                (LatencyStage::Transformed, transformed.since(*received_at)),
                (LatencyStage::Acknowledged, acknowledged.since(transformed)),
                (LatencyStage::Committed, committed_at.since(acknowledged)),
                (LatencyStage::Readable, acknowledged.since(*timestamp)),
                (LatencyStage::Fresh, acknowledged.get() - event_time),
            ] {
                if let Some(histogram) = self.stages.get(stage as usize) {
                    // A clock that is behind gives times before the event.
                    histogram.observe(u64::try_from(micros).unwrap_or(0));
                }
            }
        }
    }

    /// The upper edge, in microseconds, of the bucket that holds this share of a stage's rows; `None` if there are no
    /// rows, or if it is beyond the last edge.
    pub fn quantile(&self, stage: LatencyStage, share: f64) -> Option<i64> {
        self.stages.get(stage as usize)?.quantile(share).and_then(|edge| i64::try_from(edge).ok())
    }

    /// How many rows took how long in each stage since the stream began: the stage, the upper edge of the bucket in
    /// microseconds, `None` beyond the last, and the rows in it. Empty buckets are left out.
    pub fn counted(&self) -> Vec<(LatencyStage, Option<i64>, u64)> {
        let of = |(stage, histogram): (LatencyStage, &Histogram)| {
            let buckets: Vec<_> = histogram.buckets().filter(|(_, rows)| *rows > 0).collect();
            let edge = |edge: Option<u64>| edge.and_then(|edge| i64::try_from(edge).ok());
            buckets.into_iter().map(move |(bound, rows)| (stage, edge(bound), rows))
        };
        LatencyStage::ALL.into_iter().zip(&self.stages).flat_map(of).collect()
    }

    pub(crate) fn publish(&self, report: &StreamReport) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
    }

    /// Notes the stage that fails and is tried again, and why; `None` once it goes on.
    pub(crate) fn note_stuck(&self, stuck: Option<(LatencyStage, String)>) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = stuck;
    }

    /// The stage that fails and is tried again, and why; `None` while the stream goes on.
    pub fn stuck(&self) -> Option<(LatencyStage, String)> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The report as of the newest flush; `None` before the first.
    pub fn report(&self) -> Option<StreamReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writes the metrics of several views' streams onto a page, family by family.
pub fn expose(views: &[(VersionId, Arc<StreamMetrics>)], page: &mut Page) {
    let mut has_head = false;
    for (view, metrics) in views {
        for (stage, histogram) in LatencyStage::ALL.into_iter().zip(&metrics.stages) {
            if !histogram.is_empty() && !std::mem::replace(&mut has_head, true) {
                page.family(SECONDS, "histogram", "How long rows took, by view and stage");
            }
            let labels = [("view", view.to_string()), ("stage", stage.name().to_owned())];
            let labels = labels.each_ref().map(|(name, value)| (*name, value.as_str()));
            page.histogram(SECONDS, &labels, histogram, MICROS);
        }
    }
    let reports: Vec<StreamReport> = views.iter().filter_map(|(_, metrics)| metrics.report()).collect();
    for (name, help, count) in COUNTERS {
        let samples = reports.iter().map(|report| (view_label(report), count(report) as f64));
        family(page, &format!("twinstore_stream_{name}_total"), "counter", help, samples.collect());
    }
    let refused = reports.iter().flat_map(|report| {
        let label = |reason: &String| [view_label(report), vec![("reason", reason.clone())]].concat();
        report.refused.iter().map(move |(reason, count)| (label(reason), *count as f64))
    });
    let help = "Rows in the dead letters, by reason";
    family(page, "twinstore_stream_refused_total", "counter", help, refused.collect());
    for (name, help, value) in GAUGES {
        let samples = reports.iter().flat_map(|report| {
            let label = |number: &u32| [view_label(report), vec![("partition", number.to_string())]].concat();
            let partitions = report.partitions.iter();
            partitions.filter_map(move |(number, partition)| Some((label(number), value(partition)?)))
        });
        family(page, &format!("twinstore_stream_{name}"), "gauge", help, samples.collect());
    }
}

const SECONDS: &str = "twinstore_stream_seconds";
const MICROS: f64 = 1e6;

type Counter = (&'static str, &'static str, fn(&StreamReport) -> u64);
type Gauge = (&'static str, &'static str, fn(&PartitionReport) -> Option<f64>);
type Labels = Vec<(&'static str, String)>;

const COUNTERS: [Counter; 9] = [
    ("records", "Records that were read", |report| report.records),
    ("rows", "Rows that are new in the log", |report| report.rows_loaded),
    ("late", "Rows that came later than the source allows", |report| report.late),
    ("filtered", "Rows that did not pass the view's condition", |report| report.filtered),
    ("null_keys", "Rows that were left out because of a null in their key", |report| report.null_keys),
    ("forgotten", "Rows that were left out because their entity was forgotten", |report| report.forgotten),
    ("commits", "Commits of the log", |report| report.flushes),
    ("folded_again", "Online rows that were folded again because another process changed them", |report| {
        report.folded_again
    }),
    ("rebuilt", "How often the online store had lost rows", |report| report.rebuilt),
];

const GAUGES: [Gauge; 4] = [
    ("lag_records", "Records by which the log is behind the topic", |partition| {
        Some(partition.end.saturating_sub(partition.next) as f64)
    }),
    ("too_many_bad", "1 while more of the newest rows are bad than the limit allows", |partition| {
        Some(f64::from(u8::from(partition.too_many_bad.is_some())))
    }),
    ("watermark_seconds", "The newest event time in the log, in seconds since 1970", |partition| {
        partition.watermark.map(|at| seconds(at.get()))
    }),
    ("received_seconds", "When the newest record was received, in seconds since 1970", |partition| {
        partition.received_at.map(|at| seconds(at.get()))
    }),
];

fn view_label(report: &StreamReport) -> Labels {
    vec![("view", report.view.to_string())]
}

/// A family, unless it has no samples.
fn family(page: &mut Page, name: &str, kind: &str, help: &str, samples: Vec<(Labels, f64)>) {
    if samples.is_empty() {
        return;
    }
    page.family(name, kind, help);
    for (labels, value) in samples {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        page.sample(name, &labels, value);
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_reads_has_every_bucket_and_counter() {
        let metrics = StreamMetrics::default();
        metrics.stages[LatencyStage::Readable as usize].observe(30_000);
        let view: VersionId = "clicks@1".parse().unwrap();
        let mut report = StreamReport::new(view.clone());
        report.refused.insert("undecodable".to_owned(), 3);
        (report.filtered, report.null_keys) = (5, 6);
        let partition = report.partitions.entry(2).or_default();
        partition.end = 7;
        partition.too_many_bad = Some(crate::stream::BadRows { bad: 9, rows: 10, stopped: false });
        metrics.publish(&report);
        let mut page = Page::default();
        expose(&[(view, Arc::new(metrics))], &mut page);
        let text = page.into_text();
        for line in [
            "twinstore_stream_seconds_bucket{view=\"clicks@1\",stage=\"readable\",le=\"0.025\"} 0",
            "twinstore_stream_seconds_bucket{view=\"clicks@1\",stage=\"readable\",le=\"0.05\"} 1",
            "twinstore_stream_seconds_count{view=\"clicks@1\",stage=\"readable\"} 1",
            "twinstore_stream_refused_total{view=\"clicks@1\",reason=\"undecodable\"} 3",
            "twinstore_stream_lag_records{view=\"clicks@1\",partition=\"2\"} 7",
            "twinstore_stream_filtered_total{view=\"clicks@1\"} 5",
            "twinstore_stream_null_keys_total{view=\"clicks@1\"} 6",
            "twinstore_stream_too_many_bad{view=\"clicks@1\",partition=\"2\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "no {line} in\n{text}");
        }
    }
}
