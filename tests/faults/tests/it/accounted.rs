//! Records of a broker's topic: each is in the log, among the dead letters, or left out and counted.

use serde_json::Value;
use test_support::KafkaBroker;
use twinstore_faults::{StreamProject, Topic};

#[test]
fn of_records_of_a_brokers_topic_each_is_in_the_log_or_a_dead_letter_or_left_out_and_counted() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "accounted", 3, 12);
    topic.produce(400);
    // Half of the clicks happened before the stream begins: history has them.
    let project = StreamProject::with_history(broker, &topic, topic.middle());
    project.ok(&["backfill", "--all"]);
    let of_history = project.rows();
    topic.poison(8);
    topic.forget(5);
    let after = topic.middle();
    let click = |more: &str| format!("{{\"amount\": 1.5, \"page\": \"x\", {more}}}");
    let values = [
        click(&format!("\"id\": 900001, \"at\": \"{after}\", \"visitor\": null")),
        click(&format!("\"id\": 900002, \"at\": \"{after}\"")),
        click("\"id\": 900003, \"at\": \"9999-01-01T00:00:00Z\", \"visitor\": 1"),
        click(&format!("\"id\": 900004, \"at\": \"{after}\", \"visitor\": 1, \"visitor\": 2")),
        click(&format!("\"id\": -5, \"at\": \"{after}\", \"visitor\": 1")),
        click("\"id\": 900006, \"at\": null, \"visitor\": 1"),
        click(&format!("\"id\": 1e400, \"at\": \"{after}\", \"visitor\": 1")),
    ];
    topic.produce_values(&values.each_ref().map(String::as_str));
    let report = project.ok(&["stream", "--until-caught-up", "--max-bad-share", "0.9", "--format", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let report = &report["views"][0];
    let count = |name: &str| report[name].as_u64().unwrap();
    let refused: u64 =
        report["refused"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
    assert_eq!(count("records"), topic.records, "{report}");
    assert_eq!(
        count("rows_loaded") + refused + count("filtered") + count("null_keys"),
        topic.records,
        "{report}"
    );
    assert_eq!(count("rows_loaded"), project.rows() - of_history, "{report}");
    assert_eq!(count("null_keys"), 2, "{report}");
    assert_eq!(project.dead_letters(), refused, "{report}");
}
