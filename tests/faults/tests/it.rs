//! Streams over a real broker, in short.

use twinstore_faults::{Broker, Extent, Fault, Stage, Topic, run};

/// A fault in short; what is left has to be right.
fn short(fault: Fault, times: u32) {
    let extent = Extent { times, clicks: 800, seed: 7 };
    run(Broker::shared(), fault, extent).checked.expect_nothing_wrong();
}

#[test]
fn a_stream_brings_every_row_into_both_stores_once() {
    let broker = Broker::shared();
    let mut topic = Topic::create(broker, "once", 4, 1);
    let stage = Stage::set(broker, &topic);
    let stream = stage.stream(&[]);
    topic.produce(2_000);
    topic.poison(20);
    topic.forget(10);
    stage.await_rows(&topic, 10);
    stream.stop();
    stage.check(&topic).expect_nothing_wrong();
    assert_eq!(stage.dead_letters(), 20);
}

#[test]
fn a_stream_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    short(Fault::Killed, 5);
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
fn an_online_store_that_lost_its_rows_is_folded_anew_while_the_stream_goes_on() {
    short(Fault::OnlineLost, 2);
}

#[test]
fn an_online_store_that_is_rebuilt_is_the_fold_of_the_log() {
    let broker = Broker::shared();
    let mut topic = Topic::create(broker, "rebuilt", 2, 3);
    let stage = Stage::set(broker, &topic);
    topic.produce(1_000);
    stage.stream(&["--until-caught-up"]).ends();
    stage.lose_online_rows();
    assert!(stage.check(&topic).wrong_online > 0);
    stage.ok(&["online", "rebuild"]);
    stage.check(&topic).expect_nothing_wrong();
}

#[test]
fn rows_that_the_topic_dropped_stop_the_stream_and_it_says_how_many() {
    let broker = Broker::shared();
    let mut topic = Topic::create(broker, "gap", 1, 4);
    let stage = Stage::set(broker, &topic);
    topic.produce(100);
    stage.stream(&["--until-caught-up"]).ends();
    let committed = topic.records;
    topic.produce(200);
    topic.drop_before(0, committed + 50);
    let (is_done, said) = stage.stream(&[]).ends();
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
fn too_many_bad_rows_stop_the_stream_and_naming_a_larger_share_goes_on() {
    let broker = Broker::shared();
    let mut topic = Topic::create(broker, "bad", 1, 5);
    let stage = Stage::set(broker, &topic);
    topic.produce(50);
    topic.poison(150);
    let (is_done, said) = stage.stream(&[]).ends();
    assert!(!is_done && said.contains("user_clicks@1") && said.contains("--max-bad-share"), "{said}");
    let (is_done, said) = stage.stream(&["--max-bad-share", "1", "--until-caught-up"]).ends();
    assert!(is_done, "{said}");
    stage.check(&topic).expect_nothing_wrong();
    assert_eq!(stage.dead_letters(), 150);
}

#[test]
fn at_the_seam_of_history_and_stream_no_row_is_lost_and_none_counts_twice() {
    let broker = Broker::shared();
    let mut topic = Topic::create(broker, "seam", 2, 6);
    topic.has_twins = false;
    topic.produce(2_000);
    // Both have all clicks.
    let stage = Stage::with_history(broker, &topic, topic.middle());
    stage.stream(&["--until-caught-up"]).ends();
    stage.ok(&["backfill", "--all"]);
    stage.check(&topic).expect_nothing_wrong();
}

#[test]
fn a_log_that_is_compacted_meanwhile_loses_nothing() {
    let broker = Broker::shared();
    let mut topic = Topic::create(broker, "compacted", 2, 8);
    let stage = Stage::set(broker, &topic);
    let stream = stage.stream(&["--flush-rows", "50"]);
    for _ in 0..5 {
        let before = stage.rows();
        topic.produce(500);
        stage.await_more(before);
        stage.ok(&["offline", "optimize"]);
    }
    stage.await_rows(&topic, 0);
    stream.stop();
    stage.check(&topic).expect_nothing_wrong();
}

#[test]
fn rows_that_are_pushed_without_a_broker_go_into_both_stores_once_through_kills() {
    let mut topic = Topic::on_disk("pushed", 3);
    let stage = Stage::embedded(&topic);
    for _ in 0..5 {
        let stream = stage.stream(&["--flush-rows", "50"]);
        let before = stage.rows();
        topic.produce(600);
        stage.push(&mut topic);
        stage.await_more(before);
        stream.kill();
    }
    let (is_done, said) = stage.stream(&["--until-caught-up"]).ends();
    assert!(is_done, "{said}");
    stage.check(&topic).expect_nothing_wrong();
}
