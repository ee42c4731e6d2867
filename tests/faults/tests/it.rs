//! Streams over a real broker, and batch commands beside each other, in short.

#[cfg(test)]
#[path = "it/accounted.rs"]
mod accounted;
#[cfg(test)]
#[path = "it/batch.rs"]
mod batch;
#[cfg(test)]
#[path = "it/incidents.rs"]
mod incidents;
#[cfg(test)]
#[path = "it/many_materializers.rs"]
mod many_materializers;
#[cfg(test)]
#[path = "it/traced.rs"]
mod traced;

use std::time::Duration;

use test_support::KafkaBroker;
use twinstore_faults::{Extent, Fault, Schemas, StreamProject, Topic, Written, restart, run};

/// A fault in short; what is left has to be right.
fn short(fault: Fault, times: u32) {
    let extent = Extent { times, clicks: 800, down_s: 3, seed: 7 };
    run(KafkaBroker::shared(), fault, extent).checked.expect_nothing_wrong();
}

#[test]
fn a_stream_brings_every_row_into_both_stores_once() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "once", 4, 1);
    let project = StreamProject::set(broker, &topic);
    let stream = project.stream(&[]);
    topic.produce(2_000);
    topic.poison(20);
    topic.forget(10);
    project.await_rows(&topic, 10);
    stream.stop();
    project.check(&topic).expect_nothing_wrong();
    assert_eq!(project.dead_letters(), 20);
}

#[test]
fn a_stream_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    short(Fault::Killed, 5);
}

#[test]
fn a_stream_that_is_killed_after_each_step_of_a_flush_loses_nothing_and_doubles_nothing() {
    short(Fault::KilledAtEach, 1);
}

#[test]
fn a_broker_that_is_cut_off_or_silent_or_slow_is_waited_for() {
    // One after the other: they share the way to the broker.
    short(Fault::BrokerCut, 1);
    short(Fault::BrokerSilent, 1);
    short(Fault::BrokerSlow, 1);
}

#[test]
fn a_stream_into_redis_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    short(Fault::RedisKilled, 4);
}

#[test]
fn a_redis_that_is_killed_and_comes_back_with_or_without_its_rows_has_them_all_again() {
    short(Fault::RedisBack, 1);
    short(Fault::RedisEmpty, 1);
}

#[test]
fn a_redis_that_is_full_or_slow_or_cut_off_is_waited_for() {
    short(Fault::RedisFull, 1);
    short(Fault::RedisSlow, 1);
    short(Fault::RedisCut, 1);
}

#[test]
fn a_clock_that_is_an_hour_wrong_makes_no_row_available_before_it_was_there() {
    short(Fault::ClockAhead, 1);
    short(Fault::ClockBehind, 1);
}

#[test]
fn by_the_times_of_producers_a_clock_that_is_behind_loses_nothing_and_the_checker_sees_that_it_stamps_too_early()
 {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "behind", 2, 10);
    let mut project = StreamProject::set(broker, &topic);
    project.set_clock(-3_600);
    topic.produce(500);
    let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
    assert!(is_done, "{said}");
    let checked = project.check(&topic);
    assert_eq!(checked.too_early, checked.rows);
    assert_eq!(checked.lost + checked.doubled + checked.positions_twice + checked.wrong_online, 0);
}

#[test]
fn without_the_position_check_the_checker_goes_red() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "no-positions", 1, 11);
    let project = StreamProject::set(broker, &topic);
    topic.produce(500);
    let without = ("TWINSTORE_TRIAL_WITHOUT", "positions");
    let ends = ("TWINSTORE_TRIAL_END", "written:1");
    project.stream_on_trial(&["--flush-rows", "400"], &[without, ends]).ends_itself();
    topic.produce(500);
    let (is_done, said) = project.stream_on_trial(&["--until-caught-up"], &[without]).ends();
    assert!(is_done, "{said}");
    let checked = project.check(&topic);
    assert!(checked.lost + checked.doubled == 0 && checked.wrong_online > 0, "{checked:?}");
}

#[test]
fn without_positions_in_the_commit_of_their_rows_the_checker_goes_red() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "two-commits", 1, 12);
    let project = StreamProject::set(broker, &topic);
    topic.produce(500);
    let without = ("TWINSTORE_TRIAL_WITHOUT", "one-commit");
    let ends = ("TWINSTORE_TRIAL_END", "file-written:1");
    project.stream_on_trial(&[], &[without, ends]).ends_itself();
    let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
    assert!(is_done, "{said}");
    assert!(project.check(&topic).doubled > 0);
}

#[test]
fn without_the_compare_and_set_a_sleeper_that_wakes_up_makes_the_checker_red() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "no-compare", 2, 13);
    let project = StreamProject::set(broker, &topic);
    let without = ("TWINSTORE_TRIAL_WITHOUT", "compare-and-set");
    // In the middle of a flush: it is folded, and nothing of it is written.
    let sleeps = ("TWINSTORE_TRIAL_SLEEP", "transformed:3");
    // Its commit would conflict, and it would mend what it wrote: perhaps before anybody looked.
    let ends = ("TWINSTORE_TRIAL_END", "written:1");
    let sleeper = project.stream_on_trial(&["--flush-rows", "50"], &[without, sleeps, ends]);
    topic.produce(3_000);
    sleeper.falls_asleep();
    let successor = project.stream(&[]);
    project.await_rows(&topic, 0);
    successor.stop();
    project.check(&topic).expect_nothing_wrong();
    sleeper.wake();
    sleeper.ends_itself();
    let checked = project.check(&topic);
    assert!(checked.lost + checked.doubled == 0 && checked.wrong_online > 0, "{checked:?}");
}

#[test]
fn a_sleeper_that_wakes_up_writes_nothing_over_its_successor() {
    short(Fault::Zombie, 1);
}

#[test]
fn partitions_that_move_between_processes_lose_nothing_and_double_nothing() {
    short(Fault::Cooperative, 4);
    short(Fault::Eager, 4);
}

#[test]
fn a_stream_that_catches_up_beside_another_of_its_group_waits_for_what_that_one_commits() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "beside", 1, 15);
    let project = StreamProject::set(broker, &topic);
    topic.produce(100);
    let first = project.stream(&[]);
    project.await_rows(&topic, 0);
    topic.produce(2_000);
    let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
    assert!(is_done, "{said}");
    assert_eq!(project.rows(), topic.produced.values().map(|times| u64::from(*times)).sum::<u64>());
    first.stop();
    project.check(&topic).expect_nothing_wrong();
}

#[test]
fn an_online_store_that_lost_its_rows_is_folded_again_while_the_stream_goes_on() {
    short(Fault::OnlineLost, 2);
}

#[test]
fn an_online_store_that_is_rebuilt_is_the_fold_of_the_log() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "rebuilt", 2, 3);
    let project = StreamProject::set(broker, &topic);
    topic.produce(1_000);
    project.stream(&["--until-caught-up"]).ends();
    project.lose_online_rows();
    assert!(project.check(&topic).wrong_online > 0);
    project.ok(&["online", "rebuild"]);
    project.check(&topic).expect_nothing_wrong();
}

#[test]
fn rows_that_the_topic_dropped_stop_the_stream_and_it_says_how_many() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "gap", 1, 4);
    let project = StreamProject::set(broker, &topic);
    topic.produce(100);
    project.stream(&["--until-caught-up"]).ends();
    let committed = topic.records;
    topic.produce(200);
    topic.drop_before(0, committed + 50);
    let (is_done, said) = project.stream(&[]).ends();
    assert!(!is_done);
    let parts = [
        "partition 0",
        &format!("offset {}", committed + 50),
        &format!("needs {committed}"),
        "50 rows are gone",
    ];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
}

#[test]
fn rows_that_the_topic_dropped_before_a_stream_that_runs_had_them_stop_it() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "gap-ahead", 1, 9);
    let project = StreamProject::set(broker, &topic);
    let stream = project.stream(&[]);
    topic.produce(100);
    project.await_rows(&topic, 0);
    stream.pause();
    // What was requested before it slept is answered with the first of these.
    topic.produce(1);
    topic.produce(200);
    topic.drop_before(0, topic.records - 10);
    stream.wake();
    let (is_done, said) = stream.ends();
    assert!(!is_done && said.contains("partition 0") && said.contains("rows are gone"), "{said}");
}

#[test]
fn a_stream_that_was_killed_is_fresh_again_within_thirty_seconds() {
    let took = restart(KafkaBroker::shared(), 20_000, 14);
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn too_many_bad_rows_stop_the_stream_and_naming_a_larger_share_goes_on() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "bad", 1, 5);
    let project = StreamProject::set(broker, &topic);
    topic.produce(50);
    topic.poison(150);
    let (is_done, said) = project.stream(&[]).ends();
    assert!(!is_done && said.contains("user_clicks@1") && said.contains("--max-bad-share"), "{said}");
    let (is_done, said) = project.stream(&["--max-bad-share", "1", "--until-caught-up"]).ends();
    assert!(is_done, "{said}");
    project.check(&topic).expect_nothing_wrong();
    assert_eq!(project.dead_letters(), 150);
}

#[test]
fn where_the_stream_starts_after_history_no_row_is_lost_and_none_counts_twice() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "start", 2, 6);
    topic.has_twins = false;
    topic.produce(2_000);
    // Both have all clicks.
    let project = StreamProject::with_history(broker, &topic, topic.middle());
    project.stream(&["--until-caught-up"]).ends();
    project.ok(&["backfill", "--all"]);
    project.check(&topic).expect_nothing_wrong();
}

#[test]
fn a_log_that_is_compacted_meanwhile_loses_nothing() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "compacted", 2, 8);
    let project = StreamProject::set(broker, &topic);
    let stream = project.stream(&["--flush-rows", "50"]);
    for _ in 0..5 {
        let before = project.rows();
        topic.produce(500);
        project.await_more(before);
        project.ok(&["offline", "optimize"]);
    }
    project.await_rows(&topic, 0);
    stream.stop();
    project.check(&topic).expect_nothing_wrong();
}

#[test]
fn rows_that_are_pushed_without_a_broker_go_into_both_stores_once_through_kills() {
    let mut topic = Topic::on_disk("pushed", 3);
    let project = StreamProject::embedded(&topic);
    for _ in 0..5 {
        let stream = project.stream(&["--flush-rows", "50"]);
        let before = project.rows();
        topic.produce(600);
        project.push(&mut topic);
        project.await_more(before);
        stream.kill();
    }
    let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
    assert!(is_done, "{said}");
    project.check(&topic).expect_nothing_wrong();
}

#[test]
fn records_of_every_format_come_into_both_stores_by_a_schema_from_a_file() {
    let broker = KafkaBroker::shared();
    for (name, written) in [("avro", Written::Avro), ("protobuf", Written::Protobuf)] {
        let mut topic = Topic::create(broker, name, 2, 9);
        topic.written = written;
        let project = StreamProject::set(broker, &topic);
        topic.produce(500);
        topic.forget(5);
        let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
        assert!(is_done, "{said}");
        project.check(&topic).expect_nothing_wrong();
    }
}

#[test]
fn framed_records_are_read_by_the_registrys_schemas_and_one_it_does_not_have_is_a_dead_letter() {
    let broker = KafkaBroker::shared();
    let framed = [("framed-avro", Written::FramedAvro), ("framed-protobuf", Written::FramedProtobuf)];
    for (name, written) in framed {
        let mut topic = Topic::create(broker, name, 2, 10);
        topic.written = written;
        let schemas = Schemas::start();
        written.register(&schemas);
        let mut project = StreamProject::set(broker, &topic);
        project.set_schemas(&schemas);
        topic.produce(500);
        topic.poison_schemas(6);
        topic.produce(500);
        let (is_done, said) = project.stream(&["--until-caught-up", "--flush-rows", "100"]).ends();
        assert!(is_done, "{said}");
        project.check(&topic).expect_nothing_wrong();
        let listed = project.ok(&["dead-letter", "list", "--format", "json"]);
        assert_eq!(listed.matches("unknown_schema").count(), 6, "{listed}");
        // What is known is not requested again; what is not is, in the next flush.
        assert!(schemas.requests() <= 20, "it had {} requests", schemas.requests());
    }
}

#[test]
fn a_stream_waits_for_a_schema_registry_that_is_down_and_refuses_no_row() {
    let broker = KafkaBroker::shared();
    let mut topic = Topic::create(broker, "schemas-down", 2, 11);
    topic.written = Written::FramedAvro;
    let schemas = Schemas::start();
    topic.written.register(&schemas);
    schemas.set_down(true);
    let mut project = StreamProject::set(broker, &topic);
    project.set_schemas(&schemas);
    topic.produce(300);
    let stream = project.stream(&[]);
    project.await_said("the schema registry");
    assert_eq!(project.rows(), 0);
    schemas.set_down(false);
    project.await_rows(&topic, 0);
    stream.stop();
    project.check(&topic).expect_nothing_wrong();
    assert_eq!(project.dead_letters(), 0);
}

#[test]
fn settings_of_kafka_are_passed_on_and_what_this_build_cannot_do_is_said_in_a_sentence() {
    let broker = KafkaBroker::shared();
    for (number, (key, value, part)) in [
        ("security.protocol", "ssl", "needs OpenSSL"),
        ("ssl.ca.location", "ca.pem", "needs OpenSSL"),
        ("sasl.mechanism", "SCRAM-SHA-256", "OpenSSL"),
        ("fetch.wait.max.ms", "soon", "fetch.wait.max.ms"),
        ("no.such.setting", "1", "no.such.setting"),
    ]
    .into_iter()
    .enumerate()
    {
        let topic = Topic::create(broker, &format!("settings-{number}"), 1, 12);
        let project = StreamProject::set(broker, &topic);
        project.set_kafka(key, value);
        if key == "sasl.mechanism" {
            project.set_kafka("security.protocol", "sasl_plaintext");
        }
        let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
        assert!(!is_done && said.contains(part), "{key}: {said}");
    }
}

#[test]
fn a_topic_of_a_codec_that_this_build_lacks_stops_the_stream_and_others_are_read() {
    let broker = KafkaBroker::shared();
    for codec in ["gzip", "lz4", "snappy"] {
        let mut topic = Topic::compressed(broker, codec, 1, 13, codec);
        let project = StreamProject::set(broker, &topic);
        topic.produce(200);
        let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
        assert!(is_done, "{codec}: {said}");
        project.check(&topic).expect_nothing_wrong();
    }
    let mut topic = Topic::compressed(broker, "zstd", 1, 13, "zstd");
    let project = StreamProject::set(broker, &topic);
    topic.produce(200);
    let (is_done, said) = project.stream(&["--until-caught-up"]).ends();
    assert!(!is_done && said.contains("zstd") && said.contains("compression.type"), "{said}");
}
