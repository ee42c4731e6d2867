//! Metrics of a stream while it runs: how long its rows take from their events to each step, and its report, for any
//! thread that reads them.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use feature::{Micros, VersionId};

use super::stream_report::StreamReport;
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
    /// From the broker's timestamp to the acknowledgement: how fresh the online store is.
    Readable,
}

impl LatencyStage {
    /// Every stage, in the order of a row's way.
    pub const ALL: [LatencyStage; 6] = [
        LatencyStage::Event,
        LatencyStage::Received,
        LatencyStage::Transformed,
        LatencyStage::Acknowledged,
        LatencyStage::Committed,
        LatencyStage::Readable,
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

/// Histograms of how long rows took, by stage, and the report as of the newest flush. Several threads may read them.
#[derive(Debug, Default)]
pub struct StreamMetrics {
    /// By stage, in their order.
    stages: Mutex<[Histogram; LatencyStage::ALL.len()]>,
    report: Mutex<Option<StreamReport>>,
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
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
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
            ] {
                if let Some(histogram) = stages.get_mut(stage as usize) {
                    histogram.add(micros);
                }
            }
        }
    }

    /// The upper edge, in microseconds, of the bucket that holds this share of a stage's rows; `None` if there are no
    /// rows, or if it is beyond the last edge.
    pub fn quantile(&self, stage: LatencyStage, share: f64) -> Option<i64> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.get(stage as usize)?.quantile(share)
    }

    /// How many rows took how long in each stage since the stream began: the stage, the upper edge of the bucket in
    /// microseconds, `None` beyond the last, and the rows in it. Empty buckets are left out.
    pub fn counted(&self) -> Vec<(LatencyStage, Option<i64>, u64)> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(stage, histogram): (&LatencyStage, &Histogram)| {
            let buckets = histogram.buckets.iter().enumerate().filter(|(_, rows)| **rows > 0);
            let stage = *stage;
            buckets.map(move |(bucket, rows)| (stage, EDGES.get(bucket).copied(), *rows)).collect::<Vec<_>>()
        };
        LatencyStage::ALL.iter().zip(stages.iter()).flat_map(of).collect()
    }

    pub(crate) fn publish(&self, report: &StreamReport) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
    }

    /// The report as of the newest flush; `None` before the first.
    pub fn report(&self) -> Option<StreamReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything in the text format of Prometheus, without `# TYPE` lines; times in seconds.
    pub fn prometheus(&self, view: &VersionId) -> String {
        let mut text = String::new();
        // A string takes whatever is written to it.
        self.write_histograms(view, &mut text).unwrap_or_default();
        if let Some(report) = self.report() {
            write_counters(&report, &mut text).unwrap_or_default();
        }
        text
    }

    fn write_histograms(&self, view: &VersionId, text: &mut String) -> std::fmt::Result {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let counted =
            LatencyStage::ALL.iter().zip(stages.iter()).filter(|(_, histogram)| histogram.count > 0);
        for (stage, histogram) in counted {
            let labels = format!("view=\"{view}\",stage=\"{}\"", stage.name());
            let mut below = 0;
            for (edge, count) in EDGES.iter().zip(&histogram.buckets) {
                below += count;
                let edge = seconds(*edge);
                writeln!(text, "twinstore_stream_seconds_bucket{{{labels},le=\"{edge}\"}} {below}")?;
            }
            let Histogram { count, sum_us, .. } = histogram;
            writeln!(text, "twinstore_stream_seconds_bucket{{{labels},le=\"+Inf\"}} {count}")?;
            writeln!(text, "twinstore_stream_seconds_sum{{{labels}}} {}", seconds(*sum_us))?;
            writeln!(text, "twinstore_stream_seconds_count{{{labels}}} {count}")?;
        }
        Ok(())
    }
}

fn write_counters(report: &StreamReport, text: &mut String) -> std::fmt::Result {
    let view = &report.view;
    for (name, count) in [
        ("records", report.records),
        ("rows", report.rows_loaded),
        ("late", report.late),
        ("filtered", report.filtered),
        ("null_keys", report.null_keys),
        ("commits", report.flushes),
        ("folded_anew", report.folded_again),
        ("rebuilt", report.rebuilt),
    ] {
        writeln!(text, "twinstore_stream_{name}_total{{view=\"{view}\"}} {count}")?;
    }
    for (reason, count) in &report.refused {
        let reason = reason.replace(['"', '\\', '\n'], "_");
        writeln!(text, "twinstore_stream_refused_total{{view=\"{view}\",reason=\"{reason}\"}} {count}")?;
    }
    for (number, partition) in &report.partitions {
        let labels = format!("view=\"{view}\",partition=\"{number}\"");
        let lag = partition.end.saturating_sub(partition.next);
        writeln!(text, "twinstore_stream_lag_records{{{labels}}} {lag}")?;
        let is_over = u8::from(partition.too_many_bad.is_some());
        writeln!(text, "twinstore_stream_too_many_bad{{{labels}}} {is_over}")?;
        for (name, at) in [("watermark", partition.watermark), ("received", partition.received_at)] {
            if let Some(at) = at {
                writeln!(text, "twinstore_stream_{name}_seconds{{{labels}}} {}", seconds(at.get()))?;
            }
        }
    }
    Ok(())
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_upper_edge_of_the_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (0..98).for_each(|_| histogram.add(7_000));
        histogram.add(40_000);
        histogram.add(i64::MAX);
        assert_eq!(histogram.quantile(0.5), Some(10_000));
        assert_eq!(histogram.quantile(0.99), Some(50_000));
        assert_eq!(histogram.quantile(1.0), None);
    }

    #[test]
    fn what_prometheus_reads_has_every_bucket_and_counter() {
        let metrics = StreamMetrics::default();
        metrics.stages.lock().unwrap()[LatencyStage::Readable as usize].add(30_000);
        let view: VersionId = "clicks@1".parse().unwrap();
        let mut report = StreamReport::new(view.clone());
        report.refused.insert("undecodable".to_owned(), 3);
        (report.filtered, report.null_keys) = (5, 6);
        let partition = report.partitions.entry(2).or_default();
        partition.end = 7;
        partition.too_many_bad = Some(crate::stream::BadRows { bad: 9, rows: 10, stopped: false });
        metrics.publish(&report);
        let text = metrics.prometheus(&view);
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
