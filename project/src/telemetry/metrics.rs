//! Metrics as OTLP has them: what `/metrics` says, with the same names, labels and buckets.

use exposition::{Family, FamilySample, families};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

use super::spans::text;

/// From when values are counted, and when they were read, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) since: u64,
    pub(super) until: u64,
}

/// The metrics of a page.
pub(super) fn metrics(page: &str, counted: Counted) -> Vec<Metric> {
    families(page).into_iter().map(|family| metric(&family, counted)).collect()
}

fn metric(family: &Family, counted: Counted) -> Metric {
    let points = || {
        let point = |sample: &FamilySample| NumberDataPoint {
            attributes: attributes(&sample.labels),
            start_time_unix_nano: counted.since,
            time_unix_nano: counted.until,
            value: Some(Value::AsDouble(sample.value)),
            ..NumberDataPoint::default()
        };
        family.samples.iter().map(point).collect()
    };
    let cumulative = AggregationTemporality::Cumulative as i32;
    let data = match family.kind.as_str() {
        "counter" => {
            Data::Sum(Sum { data_points: points(), aggregation_temporality: cumulative, is_monotonic: true })
        }
        "histogram" => Data::Histogram(Histogram {
            data_points: histograms(family, counted),
            aggregation_temporality: cumulative,
        }),
        _ => Data::Gauge(Gauge { data_points: points() }),
    };
    Metric {
        name: family.name.clone(),
        description: family.help.clone(),
        unit: unit(&family.name).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// The unit that a name ends in, as UCUM writes it.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        Some("ratio" | "share") => "1",
        _ => "",
    }
}

fn attributes(labels: &[(String, String)]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| text(name, value)).collect()
}

/// The histograms of a family, one for each set of labels: their samples follow each other.
fn histograms(family: &Family, counted: Counted) -> Vec<HistogramDataPoint> {
    let mut points = Vec::new();
    let (mut bounds, mut up_to, mut sum) = (Vec::new(), Vec::new(), 0.0);
    for sample in &family.samples {
        match sample.name.strip_prefix(family.name.as_str()) {
            Some("_bucket") => {
                up_to.push(sample.value);
                let bound = sample.labels.iter().find(|(name, _)| name == "le");
                bounds.extend(
                    bound.and_then(|(_, bound)| bound.parse().ok()).filter(|bound: &f64| bound.is_finite()),
                );
            }
            Some("_sum") => sum = sample.value,
            Some("_count") => {
                let counts = std::mem::take(&mut up_to);
                let below = std::iter::once(&0.0).chain(&counts);
                points.push(HistogramDataPoint {
                    attributes: attributes(&sample.labels),
                    start_time_unix_nano: counted.since,
                    time_unix_nano: counted.until,
                    count: sample.value as u64,
                    sum: Some(sum),
                    bucket_counts: counts
                        .iter()
                        .zip(below)
                        .map(|(count, below)| (count - below) as u64)
                        .collect(),
                    explicit_bounds: std::mem::take(&mut bounds),
                    ..HistogramDataPoint::default()
                });
            }
            _ => {}
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use exposition::{Histogram as Counts, Page};

    use super::*;

    #[test]
    fn each_set_of_labels_is_a_histogram_whose_buckets_count_their_own_values() {
        let (fast, slow) = (Counts::new(&[1, 10]), Counts::new(&[1, 10]));
        [1, 5, 6, 50].into_iter().for_each(|value| fast.observe(value));
        slow.observe(7);
        let mut page = Page::default();
        page.family("wait_seconds", "histogram", "How long");
        page.histogram("wait_seconds", &[("queue", "fast")], &fast, 1e3);
        page.histogram("wait_seconds", &[("queue", "slow")], &slow, 1e3);
        let read = metrics(&page.into_text(), Counted { since: 1, until: 2 });
        let [Metric { name, unit, data: Some(Data::Histogram(histogram)), .. }] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!((name.as_str(), unit.as_str()), ("wait_seconds", "s"));
        let [fast, slow] = histogram.data_points.as_slice() else { panic!("{histogram:?}") };
        assert_eq!((fast.count, fast.sum), (4, Some(0.062)));
        assert_eq!(
            (fast.bucket_counts.as_slice(), fast.explicit_bounds.as_slice()),
            ([1, 2, 1].as_slice(), [0.001, 0.01].as_slice())
        );
        assert_eq!(fast.attributes, [text("queue", "fast")]);
        assert_eq!(slow.bucket_counts, [0, 1, 0]);
    }

    #[test]
    fn a_counter_rises_and_a_gauge_does_not_have_to() {
        let mut page = Page::default();
        page.family("rows_total", "counter", "Rows");
        page.sample("rows_total", &[("view", "v@1")], 3.0);
        page.family("held_bytes", "gauge", "Bytes");
        page.sample("held_bytes", &[], 7.0);
        let read = metrics(&page.into_text(), Counted { since: 1, until: 2 });
        assert!(matches!(&read[0].data, Some(Data::Sum(sum)) if sum.is_monotonic));
        assert!(matches!(&read[1].data, Some(Data::Gauge(_))));
        assert_eq!(read[1].unit, "By");
    }
}
