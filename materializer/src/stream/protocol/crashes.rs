//! The protocol against crashes, sleepers and rebalances at every step, by random schedules; and the
//! checker against a world whose safeguards are switched off one by one.

use proptest::prelude::*;

use super::world::{Safeguards, World};
use super::*;

fn span(text: &str) -> feature::Span {
    text.parse().unwrap()
}

fn at(millis: i64) -> Micros {
    Micros::new(millis * 1_000).unwrap()
}

fn transformed(refused: usize) -> Event {
    let bad = BTreeMap::from([(0, refused as u64)]);
    Event::Transformed { refused: Refused { rows: refused, bad } }
}

fn protocol(limit: BadRowLimit) -> Protocol {
    let bounds = Bounds {
        rows: 3,
        bytes: 1 << 20,
        wait: span("100ms"),
        first_rest: span("10ms"),
        longest_rest: span("50ms"),
    };
    Protocol::new(bounds, limit, at(0))
}

fn record(partition: u32, offset: u64) -> Record {
    Record {
        partition,
        offset,
        timestamp: at(0),
        received_at: at(0),
        key: None,
        value: Some(vec![0; 10]),
        trace: None,
        is_forgotten: false,
    }
}

fn located(partition: u32, committed: Option<u64>) -> Event {
    Event::Located(vec![Located { partition, committed, earliest: 0, end: 100 }])
}

/// A protocol that reads one partition from this offset.
fn reading(committed: Option<u64>) -> Protocol {
    reading_as(&[0], BadRowLimit::allowed(0.1), committed)
}

fn reading_as(partitions: &[u32], limit: BadRowLimit, committed: Option<u64>) -> Protocol {
    let mut protocol = protocol(limit);
    protocol.on(Event::Assigned(partitions.to_vec()));
    assert_eq!(protocol.step(), Step::Forget);
    protocol.on(Event::Forgotten);
    assert_eq!(protocol.step(), Step::Locate(partitions.to_vec()));
    partitions.iter().for_each(|partition| protocol.on(located(*partition, committed)));
    protocol
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_crashes_sleeps_or_moves_every_row_is_logged_once_and_folded_once(seed: u64) {
        let mut world = World::new(seed, Safeguards::ALL);
        world.run(600);
        prop_assert_eq!(world.check(), Ok(()));
    }
}

#[test]
fn without_any_one_of_the_safeguards_the_checker_goes_red() {
    let all = Safeguards::ALL;
    for (what, safeguards) in [
        ("the position check", Safeguards { positions: false, ..all }),
        ("the compare-and-set", Safeguards { compare_and_set: false, ..all }),
        ("the application transaction", Safeguards { transactions: false, ..all }),
    ] {
        let is_red = |seed: u64| {
            let mut world = World::new(seed, safeguards);
            world.run(600);
            world.check().is_err()
        };
        assert!((0..60).any(is_red), "{what} is missing and nobody notices");
    }
}

#[test]
fn a_flush_goes_through_its_steps_in_one_order() {
    let mut protocol = reading(Some(5));
    for offset in 5..8 {
        protocol.on(Event::Received(record(0, offset), at(1)));
    }
    assert_eq!(protocol.step(), Step::Transform);
    protocol.on(transformed(1));
    assert_eq!(protocol.step(), Step::Refuse);
    protocol.on(Event::Refused);
    assert_eq!(protocol.step(), Step::Write);
    protocol.on(Event::Written);
    assert_eq!(protocol.step(), Step::Stamp);
    protocol.on(Event::Stamped);
    let moves = vec![Move { partition: 0, from: Some(5), to: 8 }];
    assert_eq!(protocol.step(), Step::Commit(moves.clone()));
    protocol.on(Event::Uncertain(at(2)));
    assert_eq!(protocol.step(), Step::Rest { until: at(12) });
    protocol.on(Event::Idle(at(12)));
    assert_eq!(protocol.step(), Step::Compare(moves));
    protocol.on(Event::StandsAfter);
    assert_eq!(protocol.step(), Step::Acknowledge(vec![(0, 8)]));
    protocol.on(Event::Acknowledged);
    assert!(matches!(protocol.step(), Step::Receive { .. }));
    assert_eq!(protocol.owned().get(&0), Some(&Some(8)));
}

#[test]
fn a_flush_begins_when_its_first_record_has_waited_long_enough() {
    let mut protocol = reading(None);
    // The broker has it since 0, and it is received at 7.
    protocol.on(Event::Received(record(0, 0), at(7)));
    assert_eq!(protocol.step(), Step::Receive { until: at(100) });
    protocol.on(Event::Idle(at(99)));
    assert_eq!(protocol.step(), Step::Receive { until: at(100) });
    protocol.on(Event::Idle(at(100)));
    assert_eq!(protocol.step(), Step::Transform);
}

#[test]
fn a_clock_that_is_set_back_makes_no_flush_and_no_rest_wait_until_it_is_as_late_again() {
    let hour = 3_600_000;
    let mut protocol = reading(None);
    let fresh = Record { timestamp: at(hour), ..record(0, 0) };
    protocol.on(Event::Received(fresh, at(hour)));
    protocol.on(Event::Idle(at(50)));
    assert_eq!(protocol.step(), Step::Receive { until: at(150) });
    protocol.on(Event::Idle(at(150)));
    assert_eq!(protocol.step(), Step::Transform);
    protocol.on(Event::Failed(at(hour)));
    protocol.on(Event::Idle(at(200)));
    assert_eq!(protocol.step(), Step::Rest { until: at(250) });
    protocol.on(Event::Idle(at(250)));
    assert_eq!(protocol.step(), Step::Transform);
}

#[test]
fn records_that_waited_at_the_broker_are_gathered_before_they_are_flushed_at_once() {
    let mut protocol = reading(None);
    for offset in 0..2 {
        protocol.on(Event::Received(record(0, offset), at(500)));
        assert_eq!(protocol.step(), Step::Receive { until: at(500) });
    }
    protocol.on(Event::Idle(at(500)));
    assert_eq!(protocol.step(), Step::Transform);
    assert_eq!(protocol.records().len(), 2);
}

#[test]
fn what_the_log_has_already_is_passed_over_when_it_arrives_again() {
    let mut protocol = reading(Some(5));
    for offset in [3, 4, 5, 5, 6] {
        protocol.on(Event::Received(record(0, offset), at(1)));
    }
    let offsets: Vec<u64> = protocol.records().iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [5, 6]);
}

#[test]
fn a_partition_that_is_taken_away_takes_its_records_with_it() {
    let mut protocol = reading(Some(5));
    protocol.on(Event::Received(record(0, 5), at(1)));
    protocol.on(Event::Revoked(vec![0]));
    assert_eq!(protocol.step(), Step::Forget);
    protocol.on(Event::Forgotten);
    protocol.on(Event::Idle(at(1_000)));
    assert!(matches!(protocol.step(), Step::Receive { .. }) && protocol.records().is_empty());
}

#[test]
fn one_that_was_overtaken_forgets_and_begins_where_the_log_stands() {
    let mut protocol = reading(Some(5));
    (5..8).for_each(|offset| protocol.on(Event::Received(record(0, offset), at(1))));
    for event in [transformed(0), Event::Written, Event::Stamped, Event::Uncertain(at(1))] {
        protocol.step();
        protocol.on(event);
    }
    protocol.on(Event::Idle(at(1_000)));
    assert!(matches!(protocol.step(), Step::Compare(_)));
    protocol.on(Event::Overtaken);
    assert_eq!(protocol.step(), Step::Forget);
    protocol.on(Event::Forgotten);
    assert_eq!(protocol.step(), Step::Locate(vec![0]));
    assert!(protocol.records().is_empty());
}

#[test]
fn rows_that_the_source_dropped_before_the_log_had_them_stop_the_stream() {
    let mut protocol = reading(None);
    let located = Located { partition: 0, committed: Some(5), earliest: 9, end: 20 };
    protocol.on(Event::Located(vec![located]));
    assert_eq!(protocol.step(), Step::Halt(Halt::Gap { partition: 0, next: 5, earliest: 9 }));
    let mut protocol = reading(None);
    let located = Located { partition: 0, committed: Some(5), earliest: 0, end: 2 };
    protocol.on(Event::Located(vec![located]));
    assert_eq!(protocol.step(), Step::Halt(Halt::Beyond { partition: 0, next: 5, end: 2 }));
}

#[test]
fn a_step_that_fails_rests_twice_as_long_each_time_up_to_a_bound() {
    let mut protocol = reading(None);
    (0..3).for_each(|offset| protocol.on(Event::Received(record(0, offset), at(0))));
    assert_eq!(protocol.step(), Step::Transform);
    protocol.on(transformed(0));
    let mut now = 0;
    for rest in [10, 20, 40, 50, 50] {
        assert_eq!(protocol.step(), Step::Write);
        protocol.on(Event::Failed(at(now)));
        now += rest;
        assert_eq!(protocol.step(), Step::Rest { until: at(now) });
        protocol.on(Event::Idle(at(now)));
    }
}

#[test]
fn a_stream_stops_once_too_many_of_its_rows_are_bad() {
    let mut protocol = reading(None);
    let mut halted_after = None;
    for flush in 0..100 {
        (0..3).for_each(|row| protocol.on(Event::Received(record(0, flush * 3 + row), at(0))));
        assert_eq!(protocol.step(), Step::Transform);
        protocol.on(transformed(3));
        assert_eq!(protocol.step(), Step::Refuse);
        protocol.on(Event::Refused);
        if let Step::Halt(halt) = protocol.step() {
            halted_after = Some((flush, halt));
            break;
        }
        for event in [Event::Written, Event::Stamped, Event::Committed, Event::Acknowledged] {
            protocol.step();
            protocol.on(event);
        }
    }
    assert_eq!(halted_after, Some((33, Halt::TooManyBad { partition: 0, bad: 102, rows: 102 })));
}

/// Takes the records of a flush, so many of which are refused, through all steps that are left.
fn flushed(protocol: &mut Protocol, partition: u32, offset: u64, bad: u64) {
    (0..3).for_each(|row| protocol.on(Event::Received(record(partition, offset + row), at(0))));
    assert_eq!(protocol.step(), Step::Transform);
    let bad_rows = BTreeMap::from([(partition, bad)]);
    protocol.on(Event::Transformed { refused: Refused { rows: bad as usize, bad: bad_rows } });
    if bad > 0 {
        assert_eq!(protocol.step(), Step::Refuse);
        protocol.on(Event::Refused);
    }
    if protocol.step() == Step::Write {
        for event in [Event::Written, Event::Stamped, Event::Committed, Event::Acknowledged] {
            protocol.step();
            protocol.on(event);
        }
    }
}

#[test]
fn the_bad_rows_of_a_partition_stop_it_alone_and_are_said_at_the_end() {
    let mut protocol = reading_as(&[0, 1], BadRowLimit::allowed(0.1), None);
    (0..34).for_each(|flush| flushed(&mut protocol, 1, flush * 3, 3));
    let bad_rows = BadRows { bad: 102, rows: 102, stopped: true };
    assert_eq!(protocol.too_many_bad(), BTreeMap::from([(1, bad_rows)]));
    // The other is located again, and read on.
    assert_eq!(protocol.step(), Step::Forget);
    protocol.on(Event::Forgotten);
    assert_eq!(protocol.step(), Step::Locate(vec![0]));
    protocol.on(Event::Located(vec![Located { partition: 0, committed: None, earliest: 0, end: 9 }]));
    flushed(&mut protocol, 0, 0, 0);
    assert_eq!(protocol.owned().get(&0), Some(&Some(3)));
    // What comes of the stopped one is passed over: the log stands where it stood.
    protocol.on(Event::Received(record(1, 102), at(0)));
    assert!(protocol.records().is_empty());
    protocol.on(Event::Stop);
    assert_eq!(protocol.step(), Step::Halt(Halt::TooManyBad { partition: 1, bad: 102, rows: 102 }));
}

#[test]
fn a_partition_that_many_write_to_goes_on_over_bad_rows_and_is_noted_until_good_ones_follow() {
    let mut protocol = reading_as(&[0], BadRowLimit::allowed(0.1).noting(), None);
    (0..34).for_each(|flush| flushed(&mut protocol, 0, flush * 3, 3));
    let bad_rows = BadRows { bad: 102, rows: 102, stopped: false };
    assert_eq!(protocol.too_many_bad(), BTreeMap::from([(0, bad_rows)]));
    assert_eq!(protocol.owned().get(&0), Some(&Some(102)));
    flushed(&mut protocol, 0, 102, 0);
    assert_eq!(protocol.too_many_bad(), BTreeMap::new());
}

#[test]
fn a_stop_flushes_what_there_is_and_ends() {
    let mut protocol = reading(None);
    protocol.on(Event::Received(record(0, 0), at(0)));
    protocol.on(Event::Stop);
    assert_eq!(protocol.step(), Step::Transform);
    for event in [transformed(0), Event::Written, Event::Stamped, Event::Committed] {
        protocol.step();
        protocol.on(event);
    }
    protocol.on(Event::Acknowledged);
    assert_eq!(protocol.step(), Step::Done);
}

#[test]
fn a_stop_waits_for_no_store_that_is_down() {
    let mut protocol = reading(None);
    (0..3).for_each(|offset| protocol.on(Event::Received(record(0, offset), at(0))));
    assert_eq!(protocol.step(), Step::Transform);
    protocol.on(transformed(0));
    protocol.on(Event::Failed(at(0)));
    assert!(matches!(protocol.step(), Step::Rest { .. }));
    protocol.on(Event::Stop);
    assert_eq!(protocol.step(), Step::Done);
}
