//! What is pushed is there after whatever happens, once and in its order.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::stream::feed::{Arrival, Feed};

fn at() -> Micros {
    Micros::new(7_000_000).unwrap()
}

fn pushed(text: &str) -> Pushed {
    Pushed { key: None, value: Some(text.as_bytes().to_vec()) }
}

fn joined(folder: &Path, group: &str) -> PushFeed {
    PushFeed::join(folder, group, at).unwrap()
}

/// Everything from an offset on.
fn read_from(folder: &Path, group: &str, offset: u64) -> Vec<(u64, Option<Vec<u8>>)> {
    let mut feed = joined(folder, group);
    assert_eq!(feed.next(Duration::ZERO).unwrap(), Arrival::Assigned(vec![0]));
    feed.begin(&[(0, offset)]).unwrap();
    let mut read = Vec::new();
    while let Arrival::Record(record) = feed.next(Duration::ZERO).unwrap() {
        read.push((record.offset, record.value));
    }
    read
}

#[test]
fn what_was_pushed_is_read_from_any_offset_on_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = PushLog::open(folder.path()).unwrap();
    assert_eq!(log.append(&[pushed("a"), pushed("b")], at()).unwrap(), 0);
    drop(log);
    let mut log = PushLog::open(folder.path()).unwrap();
    let tombstone = Pushed { key: Some(b"k".to_vec()), value: None };
    assert_eq!(log.append(&[tombstone], at()).unwrap(), 2);
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(read_from(folder.path(), "g", 0), [(0, bytes("a")), (1, bytes("b")), (2, None)]);
    assert_eq!(read_from(folder.path(), "g", 1), [(1, bytes("b")), (2, None)]);
    assert_eq!(joined(folder.path(), "g").extent(0).unwrap(), (0, 3));
}

#[test]
fn of_two_who_append_one_is_refused_and_of_two_readers_of_a_group_one_waits() {
    let folder = tempfile::tempdir().unwrap();
    let _first = PushLog::open(folder.path()).unwrap();
    assert!(matches!(PushLog::open(folder.path()), Err(PushError::Taken { .. })));
    let mut reader = joined(folder.path(), "g");
    let mut other = joined(folder.path(), "g");
    assert_eq!(reader.next(Duration::ZERO).unwrap(), Arrival::Assigned(vec![0]));
    assert_eq!(other.next(Duration::ZERO).unwrap(), Arrival::Nothing);
    drop(reader);
    assert_eq!(other.next(Duration::ZERO).unwrap(), Arrival::Assigned(vec![0]));
}

#[test]
fn segments_that_every_group_has_read_are_dropped_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = PushLog::open(folder.path()).unwrap();
    for group in ["slow", "fast"] {
        joined(folder.path(), group);
    }
    for text in ["a", "b", "c"] {
        log.append(&[pushed(text)], at()).unwrap();
        log.roll().unwrap();
    }
    joined(folder.path(), "fast").acknowledge(&[(0, 3)]);
    joined(folder.path(), "slow").acknowledge(&[(0, 1)]);
    log.append(&[pushed("d")], at()).unwrap();
    log.roll().unwrap();
    assert_eq!(segments(folder.path()).unwrap(), [1, 2, 3, 4]);
    assert_eq!(read_from(folder.path(), "slow", 1).len(), 3);
}

#[test]
fn a_topic_of_version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("groups")).unwrap();
    let mut bytes = b"twpush\x00\x01".to_vec();
    // Length, checksum; offset 0, 7 seconds, key and value, a key of one byte: `k`, `v`.
    let covered: Vec<u8> =
        [&0_u64.to_le_bytes()[..], &7_000_000_i64.to_le_bytes(), &[3], &1_u32.to_le_bytes(), b"k", b"v"]
            .concat();
    bytes.extend(23_u32.to_le_bytes());
    bytes.extend(SUM.to_le_bytes());
    bytes.extend(covered);
    fs::write(folder.path().join("00000000000000000000.segment"), bytes).unwrap();
    drop(PushLog::open(folder.path()).unwrap());
    assert_eq!(read_from(folder.path(), "g", 0), [(0, Some(b"v".to_vec()))]);
}

/// The CRC-32 of the sample's frame.
const SUM: u32 = 0x93f5_1042;

proptest! {
    #[test]
    fn whatever_a_crash_leaves_of_the_last_append_what_was_acknowledged_is_whole(
        texts in prop::collection::vec("[a-z]{0,20}", 1..20),
        cut in 0.0..1.0_f64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let acknowledged: Vec<Pushed> = texts.iter().map(|text| pushed(text)).collect();
        let mut log = PushLog::open(folder.path()).unwrap();
        log.append(&acknowledged, at()).unwrap();
        let before = log.segment.bytes();
        log.append(&[pushed("not"), pushed("acknowledged")], at()).unwrap();
        let after = log.segment.bytes();
        drop(log);
        let path = segment::path(folder.path(), 0);
        let left = before + ((after - before) as f64 * cut) as u64;
        File::options().write(true).open(&path).unwrap().set_len(left).unwrap();
        let mut log = PushLog::open(folder.path()).unwrap();
        let next = log.append(&[pushed("new")], at()).unwrap();
        prop_assert!((texts.len() as u64..texts.len() as u64 + 2).contains(&next));
        let read = read_from(folder.path(), "g", 0);
        prop_assert_eq!(read.len() as u64, next + 1);
        for (place, text) in texts.iter().enumerate() {
            prop_assert_eq!(read[place].1.as_deref(), Some(text.as_bytes()));
        }
        prop_assert_eq!(read.last().unwrap().1.as_deref(), Some(&b"new"[..]));
    }
}
