//! Pushed records survive every crash, once and in their order.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::stream::feed::{Arrival, Feed};
use crate::stream::push::push_feed::PushFeed;

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
    assert!(matches!(PushLog::open(folder.path()), Err(PushError::Locked { .. })));
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
        let end = fs::read(folder.path().join("end")).unwrap();
        log.append(&[pushed("not"), pushed("acknowledged")], at()).unwrap();
        let after = log.segment.bytes();
        drop(log);
        fs::write(folder.path().join("end"), end).unwrap();
        let path = segment::path(folder.path(), 0);
        let left = before + ((after - before) as f64 * cut) as u64;
        File::options().write(true).open(&path).unwrap().set_len(left).unwrap();
        let mut log = PushLog::open(folder.path()).unwrap();
        let next = log.append(&[pushed("new")], at()).unwrap();
        prop_assert!((texts.len() as u64..texts.len() as u64 + 2).contains(&next));
        let read = read_from(folder.path(), "g", 0);
        prop_assert_eq!(read.len() as u64, next + 1);
        for (index, text) in texts.iter().enumerate() {
            prop_assert_eq!(read[index].1.as_deref(), Some(text.as_bytes()));
        }
        prop_assert_eq!(read.last().unwrap().1.as_deref(), Some(&b"new"[..]));
    }
}

/// A topic of three appends, eight rows in all, of which a group has read two; in two segments.
fn topic(folder: &Path) {
    let mut log = PushLog::open(folder).unwrap();
    log.append(&[pushed("a"), pushed("b"), pushed("c")], at()).unwrap();
    joined(folder, "g").acknowledge(&[(0, 2)]);
    log.append(&[pushed("d"), pushed("e")], at()).unwrap();
    log.roll().unwrap();
    log.append(&[pushed("f"), pushed("g"), pushed("h")], at()).unwrap();
}

/// Whether a damaged topic is refused by name, with its bytes left alone; else all eight rows have to be there.
fn is_refused(folder: &Path, damaged: &Path) -> bool {
    let before = fs::read(damaged).ok();
    match PushLog::open(folder) {
        Ok(log) => {
            assert_eq!(log.next(), 8, "{damaged:?}");
            drop(log);
            assert_eq!(read_from(folder, "g", 0).len(), 8, "{damaged:?}");
            false
        }
        Err(PushError::Damaged { path, .. }) => {
            assert!(Path::new(&path).starts_with(folder) && damaged.starts_with(folder));
            assert_eq!(fs::read(damaged).ok(), before, "what is refused is left as it is");
            true
        }
        Err(other) => panic!("{other}"),
    }
}

fn flipped(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

#[test]
fn any_flipped_bit_of_a_segment_is_refused_by_push_and_stream_and_no_frame_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    topic(folder.path());
    for first in [0, 5] {
        let path = segment::path(folder.path(), first);
        let whole = fs::read(&path).unwrap();
        for bit in 0..8 * whole.len() {
            flipped(&path, bit);
            assert!(is_refused(folder.path(), &path), "bit {bit} of {path:?}");
            let mut feed = joined(folder.path(), "g");
            feed.next(Duration::ZERO).unwrap();
            feed.begin(&[(0, 0)]).unwrap();
            let error = loop {
                match feed.next(Duration::ZERO) {
                    Ok(Arrival::Record(_)) => {}
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(error.contains(".segment"), "{error}");
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn a_flipped_bit_of_an_offset_file_loses_no_row() {
    for name in ["end", "groups/g"] {
        for bit in 0..96 {
            let folder = tempfile::tempdir().unwrap();
            topic(folder.path());
            flipped(&folder.path().join(name), bit);
            assert!(!is_refused(folder.path(), &folder.path().join(name)));
            let mut log = PushLog::open(folder.path()).unwrap();
            log.append(&[pushed("i")], at()).unwrap();
            log.roll().unwrap();
            assert_eq!(segments(folder.path()).unwrap()[0], 0, "bit {bit} of {name} drops nothing unread");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    topic(folder.path());
    fs::remove_file(folder.path().join("end")).unwrap();
    let error = joined(folder.path(), "g").extent(0).unwrap_err().to_string();
    assert!(error.contains("end") && error.contains("missing"), "{error}");
    assert!(!is_refused(folder.path(), &folder.path().join("end")));
}

#[test]
fn a_segment_that_is_cut_or_missing_is_refused_also_where_others_follow() {
    for (first, left) in
        [(0, None), (0, Some(0)), (0, Some(60)), (5, None), (5, Some(0)), (5, Some(8)), (5, Some(50))]
    {
        let folder = tempfile::tempdir().unwrap();
        topic(folder.path());
        // A third segment, so that the second lies in the middle.
        let mut log = PushLog::open(folder.path()).unwrap();
        log.roll().unwrap();
        log.append(&[pushed("i")], at()).unwrap();
        drop(log);
        let path = segment::path(folder.path(), first);
        match left {
            None => fs::remove_file(&path).unwrap(),
            Some(left) => File::options().write(true).open(&path).unwrap().set_len(left).unwrap(),
        }
        if (first, left) == (0, None) {
            // What lies before the first segment may have been dropped: a stream that needs it says so.
            joined(folder.path(), "g").begin(&[(0, 0)]).unwrap();
            assert_eq!(joined(folder.path(), "g").extent(0).unwrap().0, 5);
            continue;
        }
        assert!(is_refused(folder.path(), &path), "{path:?} {left:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    topic(folder.path());
    [0, 5].iter().for_each(|first| fs::remove_file(segment::path(folder.path(), *first)).unwrap());
    assert!(is_refused(folder.path(), folder.path()));
}

#[test]
fn what_a_power_cut_tears_is_cut_off_and_what_a_later_append_shows_to_be_synced_is_not() {
    let torn = |end: u64, damage: fn(&mut Vec<u8>, usize)| {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PushLog::open(folder.path()).unwrap();
        log.append(&[pushed("a")], at()).unwrap();
        let second = log.segment.bytes() as usize;
        log.append(&[pushed("b"), pushed("c")], at()).unwrap();
        drop(log);
        let path = segment::path(folder.path(), 0);
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes, second);
        fs::write(&path, bytes).unwrap();
        number::write(&file(&folder.path().join("end")).unwrap(), end).unwrap();
        PushLog::open(folder.path()).map(|log| log.next())
    };
    // Of the last append the first page was lost, and the second is there; or zeros are.
    assert_eq!(torn(1, |bytes, second| bytes[second..second + 20].fill(0)).unwrap(), 1);
    assert_eq!(torn(1, |bytes, second| bytes[second..].fill(0)).unwrap(), 1);
    // The same where `end` says that it was acknowledged, or where what follows it was written after a sync.
    assert!(torn(3, |bytes, second| bytes[second..second + 20].fill(0)).is_err());
    assert!(torn(0, |bytes, _| bytes[20] ^= 1).is_err());
}

#[test]
fn a_push_writes_a_damaged_end_again_whatever_it_held() {
    for damaged in [vec![], vec![7; 3], vec![7; 12], vec![7; 19]] {
        let folder = tempfile::tempdir().unwrap();
        topic(folder.path());
        fs::write(folder.path().join("end"), &damaged).unwrap();
        let mut log = PushLog::open(folder.path()).unwrap();
        let next = log.append(&[pushed("z")], at()).unwrap() + 1;
        drop(log);
        assert_eq!(read_from(folder.path(), "g", 0).len() as u64, next, "{damaged:?}");
    }
}

#[test]
fn a_segment_of_version_1_is_followed_by_one_of_version_2_and_its_damage_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    topic(folder.path());
    fs::remove_file(segment::path(folder.path(), 5)).unwrap();
    let path = segment::path(folder.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] = 1;
    fs::write(&path, &bytes).unwrap();
    fs::write(folder.path().join("end"), 0_u64.to_le_bytes()).unwrap();
    let mut log = PushLog::open(folder.path()).unwrap();
    assert_eq!(log.append(&[pushed("f")], at()).unwrap(), 5);
    drop(log);
    assert_eq!(segments(folder.path()).unwrap(), [0, 5]);
    assert_eq!(read_from(folder.path(), "g", 0).len(), 6);
    fs::remove_file(segment::path(folder.path(), 5)).unwrap();
    fs::write(folder.path().join("end"), 0_u64.to_le_bytes()).unwrap();
    // Version 1 does not say where an append began: whatever is whole behind it shows the damage.
    flipped(&path, 8 * 30);
    assert!(is_refused(folder.path(), &path));
}
