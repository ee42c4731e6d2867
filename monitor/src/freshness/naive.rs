//! Standings against a naive count of every single read, over replayed clocks.

use feature::{Micros, Span};
use proptest::prelude::*;

use super::{
    BurnRule, Cause, CountedSlot, Objective, PartitionProgress, Pipeline, PipelineFacts, ReadCounts,
    ReadOutcome, Severity, Stage, StageTime, Standing,
};

/// A minute that begins an hour and a day.
const NOON: i64 = 1_370_044_800_000_000;
const TARGET: f64 = 99.0;

fn at(seconds: i64) -> Micros {
    Micros::new(NOON + seconds * 1_000_000).unwrap()
}

/// One read that was counted.
#[derive(Clone, Copy, Debug)]
struct OneRead {
    at_s: i64,
    is_bad: bool,
}

/// The reads as servers add them to slots.
fn slots(reads: &[OneRead], slot: Span, now_s: i64) -> Vec<CountedSlot> {
    let mut slots: Vec<CountedSlot> = Vec::new();
    let mut sorted: Vec<&OneRead> = reads.iter().filter(|read| read.at_s <= now_s).collect();
    sorted.sort_by_key(|read| read.at_s);
    for read in sorted {
        let from = Micros::new(at(read.at_s).floor(slot)).unwrap();
        let outcome = if read.is_bad { ReadOutcome::Bad } else { ReadOutcome::Good };
        if slots.last().is_none_or(|last| last.from != from) {
            slots.push(CountedSlot { from, counts: ReadCounts::default() });
        }
        slots.last_mut().unwrap().counts += ReadCounts::default().with(outcome, 1);
    }
    slots
}

fn standing(reads: &[OneRead], now_s: i64) -> Standing {
    let (minutes, hours) = (slots(reads, Span::MINUTE, now_s), slots(reads, Span::HOUR, now_s));
    Standing::at(TARGET, &minutes, &hours, at(now_s))
}

/// The bad share from one second to another, both inclusive, read by read.
fn naive_share(reads: &[OneRead], from_s: i64, to_s: i64) -> Option<f64> {
    let inside: Vec<_> = reads.iter().filter(|read| (from_s..=to_s).contains(&read.at_s)).collect();
    let bad = inside.iter().filter(|read| read.is_bad).count();
    (!inside.is_empty()).then(|| bad as f64 / inside.len() as f64)
}

/// The bad reads of a window, read by read.
fn naive_bad(reads: &[OneRead], window_s: i64, now_s: i64) -> u64 {
    reads.iter().filter(|read| read.is_bad && read.at_s <= now_s && read.at_s > now_s - window_s).count()
        as u64
}

fn any_reads() -> impl Strategy<Value = Vec<OneRead>> {
    let outage = (0_i64..7_200, 0_i64..3_600);
    (prop::collection::vec(0_i64..14_400, 1..400), outage).prop_map(|(times, (from, length))| {
        let is_bad = |at_s: i64| (from..from + length).contains(&at_s);
        times.into_iter().map(|at_s| OneRead { at_s, is_bad: is_bad(at_s) }).collect()
    })
}

proptest! {
    #[test]
    fn every_window_is_a_count_of_single_reads_to_a_slot(reads in any_reads(), now_s in 0_i64..16_000) {
        let (standing, noon_s) = (standing(&reads, now_s), NOON / 1_000_000);
        for burn in &standing.burns {
            let window_s = burn.window.micros() / 1_000_000;
            let slot_s = if burn.window <= Span::HOUR.times(6) { 60 } else { 3_600 };
            // A slot counts whole if a part of it is in the window: so the window begins where that slot does.
            let begins_s = (noon_s + now_s - window_s).div_euclid(slot_s) * slot_s - noon_s;
            let exact = naive_share(&reads, begins_s, now_s);
            let rate = exact.map(|share| share / 0.01);
            prop_assert_eq!(burn.rate.is_some(), rate.is_some(), "{:?}", burn);
            if let (Some(found), Some(rate)) = (burn.rate, rate) {
                prop_assert!((found - rate).abs() < 1e-9, "{} over {}: {found}, not {rate}", now_s, burn.window);
            }
        }
        prop_assert_eq!(standing.counts.bad, naive_bad(&reads, 30 * 86_400, now_s));
    }

    #[test]
    fn an_alert_fires_exactly_while_both_of_its_windows_burn(reads in any_reads(), now_s in 0_i64..16_000) {
        let standing = standing(&reads, now_s);
        let burns = |window: Span, rate: f64| standing.burn(window).is_some_and(|burn| burn >= rate);
        let fires = |rule: &BurnRule| burns(rule.long, rule.rate) && burns(rule.short, rule.rate);
        let expected = BurnRule::ALL.iter().find(|rule| fires(rule)).map(|rule| rule.severity);
        prop_assert_eq!(standing.severity, expected);
    }
}

/// Two reads a second for six hours; those of `bad_s` are bad.
fn steady(bad_s: std::ops::Range<i64>) -> Vec<OneRead> {
    (0..6 * 3_600 * 2).map(|half| OneRead { at_s: half / 2, is_bad: bad_s.contains(&(half / 2)) }).collect()
}

#[test]
fn an_outage_pages_in_minutes_says_since_when_and_clears_once_it_is_mended() {
    let reads = steady(3 * 3_600..3 * 3_600 + 1_800);
    let began = 3 * 3_600;
    assert_eq!(standing(&reads, began - 1).severity, None);
    let pages = |now: &i64| standing(&reads, *now).severity == Some(Severity::Page);
    let first = (began..began + 1_800).find(pages).unwrap();
    // 14.4% of an hour's reads are bad after 8 minutes and 38 seconds, less those of a part of a minute.
    assert!((518..=528).contains(&(first - began)), "{} s", first - began);
    let paging = standing(&reads, first);
    assert_eq!((paging.severity, paging.since), (Some(Severity::Page), Some(at(began))));
    let mended = began + 1_800;
    let cleared = (mended..).find(|now| !pages(now)).unwrap();
    assert!(cleared - mended <= 30 * 60, "{} s", cleared - mended);
    assert_eq!(standing(&reads, mended + 300).since, None);
    let after = standing(&reads, 6 * 3_600 - 1);
    assert_eq!((after.counts.bad, after.counts.counted()), (3_600, 43_200));
    // 8.3% of the reads were bad, and 1% may be.
    assert!((after.budget_left.unwrap() - (1.0 - 100.0 / 12.0)).abs() < 1e-9, "{after:?}");
}

#[test]
fn a_target_that_is_too_low_for_a_rate_pages_when_every_read_is_bad() {
    let all_bad = ReadCounts { bad: 10, ..ReadCounts::default() };
    let nearly = ReadCounts { good: 1, bad: 999, ..ReadCounts::default() };
    let rule = &BurnRule::ALL[0];
    assert!(rule.fires(90.0, &all_bad, &all_bad));
    assert!(!rule.fires(90.0, &nearly, &nearly));
    assert!(rule.fires(99.0, &nearly, &nearly));
    assert!(!rule.fires(99.0, &ReadCounts::default(), &all_bad));
}

#[test]
fn a_quiet_entity_is_as_fresh_as_the_pipeline_of_its_view() {
    let within = Span::MINUTE;
    let objective = Objective { within, target: 99.9 };
    assert_eq!(objective.to_string(), "99.9% within 1m");
    assert!((objective.allowed() - 0.001).abs() < 1e-12);
    let pipeline = |newest, as_of| Some(Pipeline { newest: at(newest), as_of: at(as_of) });
    let read = |row: Option<i64>, pipeline| ReadOutcome::of_read(at(1_000), within, row.map(at), pipeline);
    assert_eq!(read(Some(0), pipeline(990, 1_000)), ReadOutcome::Good);
    assert_eq!(read(Some(0), pipeline(900, 1_000)), ReadOutcome::Bad);
    assert_eq!(read(Some(940), pipeline(0, 1_000)), ReadOutcome::Good);
    assert_eq!(read(Some(939), pipeline(0, 1_000)), ReadOutcome::Bad);
    assert_eq!(read(Some(0), None), ReadOutcome::Unknown);
    assert_eq!(read(None, pipeline(0, 1_000)), ReadOutcome::Missing);
    // What was known a few seconds ago holds as of then; what has not been said for longer does not.
    assert_eq!(read(Some(0), pipeline(935, 994)), ReadOutcome::Good);
    assert_eq!(read(Some(0), pipeline(935, 989)), ReadOutcome::Bad);
}

fn partition(newest: i64, updated: i64) -> PartitionProgress {
    PartitionProgress {
        partition: Some(0),
        newest: Some(at(newest)),
        received_at: Some(at(newest)),
        lag: 0,
        updated_at: at(updated),
        stuck: None,
    }
}

#[test]
fn a_stale_pipeline_names_the_stage_that_ate_the_time() {
    let cause = |is_streamed, progress: Vec<PartitionProgress>, times: Vec<StageTime>| {
        let facts = PipelineFacts { is_streamed, has_open_backfill: false, progress, times };
        facts.cause(Span::MINUTE, at(1_000))
    };
    let streamed = |progress| cause(true, vec![progress], Vec::new());
    assert_eq!(streamed(partition(990, 1_000)), None);
    assert_eq!(streamed(partition(900, 950)), Some(Cause::NotFollowedSince(at(950))));
    assert_eq!(streamed(partition(900, 999)), Some(Cause::SilentSince(Some(at(900)))));
    let late = PartitionProgress { received_at: Some(at(995)), ..partition(900, 999) };
    assert_eq!(streamed(late.clone()), Some(Cause::LateEvents));
    let slow = vec![StageTime { stage: Stage::Broker, total_us: 90_000_000, rows: 10 }];
    assert_eq!(cause(true, vec![late], slow), Some(Cause::Slow(Stage::Broker)));
    assert_eq!(streamed(partition(1_100, 999)), Some(Cause::ClockAhead(100)));
    let stuck = Some((Stage::Commit, "the disk is full".to_owned()));
    let held_up = streamed(PartitionProgress { stuck, lag: 9, ..partition(900, 999) }).unwrap();
    assert_eq!(held_up.stage(), Stage::Commit);
    let lagging = || vec![PartitionProgress { lag: 9, ..partition(900, 999) }];
    let took = |stage, seconds: u64| StageTime { stage, total_us: seconds * 10_000_000, rows: 10 };
    let behind = |slowest| Some(Cause::Behind { records: 9, slowest });
    assert_eq!(cause(true, lagging(), vec![took(Stage::Broker, 90), took(Stage::Commit, 0)]), behind(None));
    let times = vec![took(Stage::Broker, 90), took(Stage::OnlineWrite, 4), took(Stage::Commit, 1)];
    assert_eq!(cause(true, lagging(), times), behind(Some(Stage::OnlineWrite)));
    assert_eq!(behind(None).unwrap().stage(), Stage::Broker);
    let loaded = || vec![PartitionProgress { partition: None, ..partition(900, 910) }];
    assert_eq!(cause(false, loaded(), Vec::new()), Some(Cause::NotLoadedSince(at(910))));
    assert_eq!(cause(true, loaded(), Vec::new()), Some(Cause::NotFollowedSince(at(910))));
    assert_eq!(cause(false, Vec::new(), Vec::new()), Some(Cause::NeverLoaded));
}
