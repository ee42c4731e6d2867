//! Records whose producer traces them, through a real broker: from its header to their commit.

use test_support::{Collector, KafkaBroker};
use twinstore_faults::{StreamProject, Topic};

#[test]
fn a_record_is_traced_from_its_producers_header_to_its_commit() {
    let broker = KafkaBroker::shared();
    let collector = Collector::start();
    let mut topic = Topic::create(broker, "traced", 2, 31);
    topic.produce(50);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    topic.produce_under(&format!("00-{trace}-00f067aa0ba902b7-01"), 1);
    topic.produce_under(&format!("00-{}-00f067aa0ba902b7-00", "5".repeat(32)), 1);
    let mut project = StreamProject::set(broker, &topic);
    project.report_to(&collector);
    project.ok(&["stream", "--until-caught-up"]);
    let spans = collector.spans_of(trace, 5);
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["materialize", "receive", "transform", "online write", "commit"]);
    assert_eq!(spans[0].parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert!(spans[1..].iter().all(|span| span.parent_span_id == spans[0].span_id));
    assert!(spans.windows(2).skip(1).all(|two| two[0].end_time_unix_nano == two[1].start_time_unix_nano));
    assert_eq!(spans[4].end_time_unix_nano, spans[0].end_time_unix_nano);
    // Fifty rows say nothing of a trace, and one that its producer does not record.
    assert_eq!(collector.spans().len(), 5);
    let names: Vec<String> = collector.metrics().into_iter().map(|metric| metric.name).collect();
    assert!(names.iter().any(|name| name.starts_with("twinstore_stream_")), "{names:?}");
    project.check(&topic).expect_nothing_wrong();
}
