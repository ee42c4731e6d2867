//! A store's file damaged in every way: what is read of it is what was written, or a refusal; nobody is said to
//! be absent who was there, and no process ends by a signal.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use feature::oracle::Numbers;
use feature::{EntityKey, VersionId};
use tempfile::TempDir;

use super::Embedded;
use super::shared::Condition;
use crate::contract::{Sample, key, moment, read, wait_for};
use crate::error::OnlineError;
use crate::mending::{Mender, Mending};
use crate::store::{Read, Reader, RowWrite, Writer};

const VIEWS: [&str; 3] = ["one@1", "two@1", "three@7"];
const ENTITIES: usize = 200;
const PAGE: usize = 4096;
const CHILD: &str = "TWINSTORE_TEST_DAMAGED";

type Rows = BTreeMap<(usize, EntityKey), Vec<u8>>;

/// Rows of all lengths: some take pages of their own.
fn rows() -> Rows {
    let mut rows = Rows::new();
    for (view, name) in VIEWS.iter().enumerate() {
        let sample = Sample::named(name);
        for n in 0..ENTITIES {
            let text = "x".repeat(if n % 40 == 0 { 9_000 } else { n });
            rows.insert(
                (view, key(&format!("entity {n}"))),
                sample.row_with(Some(3), &[(0, n as u64)], &text),
            );
        }
    }
    rows
}

fn id(view: usize) -> VersionId {
    VIEWS[view].parse().unwrap()
}

/// Bytes of a file, before its last writes and after them.
struct Files {
    older: Vec<u8>,
    sound: Vec<u8>,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let bytes = || fs::read(folder.path().join("data.mdb")).unwrap();
        let rows = rows();
        // Written in several steps, so that the file has free pages and old ones.
        for step in 0..8 {
            let some = rows.iter().enumerate().filter(|(n, _)| n % 8 == step);
            for ((view, key), bytes) in some.map(|(_, row)| row) {
                let row = [RowWrite { key, bytes }];
                wait_for(store.replace(&id(*view), &row, Some(moment(4)))).unwrap();
            }
        }
        let older = bytes();
        let all = rows.iter().map(|((view, key), _)| (view, key)).step_by(11);
        for (view, key) in all {
            let sample = Sample::named(VIEWS[*view]);
            let newer = sample.row_with(Some(4), &[(0, 1000)], "newer");
            let row = [RowWrite { key, bytes: &newer }];
            wait_for(store.replace(&id(*view), &row, Some(moment(5)))).unwrap();
        }
        drop(store);
        Self { older, sound: bytes() }
    }

    fn expected(&self) -> Rows {
        let mut rows = rows();
        let newer: Vec<_> = rows.keys().cloned().step_by(11).collect();
        for (view, key) in newer {
            let sample = Sample::named(VIEWS[view]);
            rows.insert((view, key), sample.row_with(Some(4), &[(0, 1000)], "newer"));
        }
        rows
    }
}

/// A number below a bound.
fn below(numbers: &mut Numbers, bound: usize) -> usize {
    numbers.below(bound as u64) as usize
}

/// One damage, and what it is.
fn damaged(files: &Files, numbers: &mut Numbers) -> (String, Vec<u8>) {
    let mut bytes = files.sound.clone();
    let (length, pages) = (bytes.len(), bytes.len() / PAGE);
    let what = match below(numbers, 12) {
        0 => {
            let length = below(numbers, length);
            bytes.truncate(length);
            format!("cut to {length} bytes")
        }
        1 => {
            let pages = below(numbers, pages);
            bytes.truncate(pages * PAGE);
            format!("cut to {pages} pages")
        }
        2 => {
            let page = below(numbers, pages);
            bytes[page * PAGE..(page + 1) * PAGE].fill(0);
            format!("page {page} zeroed")
        }
        3 => {
            let (from, to) = (below(numbers, pages), below(numbers, pages));
            bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
            format!("page {from} over page {to}")
        }
        4 => {
            let page = below(numbers, files.older.len() / PAGE);
            let range = page * PAGE..(page + 1) * PAGE;
            bytes[range.clone()].copy_from_slice(&files.older[range]);
            format!("page {page} as it was before")
        }
        5 => {
            let (at, run) = (below(numbers, length), 1 + below(numbers, 64));
            let end = (at + run).min(length);
            bytes[at..end].fill(0xEE);
            format!("bytes {at} to {end} overwritten")
        }
        // Where the trees begin, and where a wrong bit does most.
        6 => {
            let bit = below(numbers, 2 * 200 * 8);
            let bit = if bit < 1600 { bit } else { PAGE * 8 + bit - 1600 };
            bytes[bit / 8] ^= 1 << (bit % 8);
            format!("bit {bit} flipped")
        }
        7 => {
            let bit = below(numbers, pages) * PAGE * 8 + below(numbers, 64 * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            format!("bit {bit} flipped")
        }
        _ => {
            let bit = below(numbers, length * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            format!("bit {bit} flipped")
        }
    };
    (what, bytes)
}

/// What reading all entities of a store gives.
#[derive(Default, Debug)]
struct Outcomes {
    right: usize,
    refused: usize,
    not_found: usize,
    wrong: usize,
    absent_refused: usize,
}

fn read_all(store: &Embedded, expected: &Rows) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for ((view, key), row) in expected {
        let (view, keys) = (id(*view), std::slice::from_ref(key));
        match wait_for(store.read(&[Read { view: &view, keys }])) {
            Ok(found) => match found[0].row(0) {
                Some(bytes) if bytes == row && found[0].applied_at() == Some(moment(5)) => {
                    outcomes.right += 1
                }
                Some(_) => outcomes.wrong += 1,
                None => outcomes.not_found += 1,
            },
            Err(_) => outcomes.refused += 1,
        }
    }
    for view in 0..VIEWS.len() {
        match wait_for(store.read(&[Read { view: &id(view), keys: &[key("nobody")] }])) {
            Ok(found) => outcomes.wrong += usize::from(found[0].row(0).is_some()),
            Err(_) => outcomes.absent_refused += 1,
        }
    }
    outcomes
}

/// Run by the test below in a process of its own: damages a store again and again, and says what is read of it.
#[test]
fn a_reader_of_damaged_stores_that_another_test_starts() {
    let Some(seed) = std::env::var(CHILD).ok().and_then(|seed| seed.parse().ok()) else { return };
    let cases: usize = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1);
    let (files, mut numbers) = (Files::new(), Numbers::new(seed));
    let expected = files.expected();
    for case in 0..120 * cases {
        let (what, bytes) = damaged(&files, &mut numbers);
        println!("\ncase {case}: {what}");
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("data.mdb"), bytes).unwrap();
        match Embedded::open(folder.path()) {
            Ok(store) => println!("\nread {:?}", read_all(&store, &expected)),
            Err(OnlineError::DamagedFile { file, .. }) => {
                assert!(file.ends_with("data.mdb"));
                println!("\nrefused");
            }
            Err(OnlineError::Newer { .. }) => println!("\nrefused"),
            Err(error) => panic!("{error}"),
        }
        let (store, condition) = match Embedded::repair(folder.path(), "then") {
            Err(OnlineError::Newer { .. }) => continue,
            repaired => repaired.unwrap(),
        };
        if let Condition::Replaced { aside } = condition {
            assert_eq!(aside, Some(folder.path().canonicalize().unwrap().join("data.mdb.damaged-then")));
            let outcomes = read_all(&store, &expected);
            assert_eq!((outcomes.not_found, outcomes.refused), (0, expected.len()), "{outcomes:?}");
        }
        fill(&store, &expected);
        store.complete().unwrap();
        assert_eq!(store.verify().unwrap(), 0);
        let outcomes = read_all(&store, &expected);
        assert_eq!((outcomes.right, outcomes.absent_refused), (expected.len(), 0), "{outcomes:?}");
        drop(store);
        let outcomes = read_all(&Embedded::open(folder.path()).unwrap(), &expected);
        assert_eq!((outcomes.right, outcomes.absent_refused), (expected.len(), 0), "{outcomes:?}");
    }
    println!("\nended");
}

/// Writes all rows again, as a rebuild does.
fn fill(store: &Embedded, expected: &Rows) {
    for view in 0..VIEWS.len() {
        let of_view = expected.iter().filter(|((of, _), _)| *of == view);
        let rows: Vec<Mending<'_>> =
            of_view.map(|((_, key), bytes)| Mending { key, bytes, over: None }).collect();
        wait_for(store.mend(&id(view), &rows, Some(moment(5)))).unwrap();
        wait_for(store.recount(&id(view))).unwrap();
    }
}

#[test]
fn whatever_is_damaged_no_value_is_wrong_nobody_known_is_absent_and_no_signal_ends_the_process() {
    // `SEED=n` and `CASES=n` try others, and more.
    let seed = std::env::var("SEED").unwrap_or_else(|_| "12".to_owned());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "embedded::damage::a_reader_of_damaged_stores_that_another_test_starts",
            "--nocapture",
        ])
        .env(CHILD, &seed)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut case, mut has_ended) = (String::new(), false);
    let (mut refused, mut partly, mut right) = (0, 0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if line.starts_with("case ") {
            case = line;
        } else if line == "refused" {
            refused += 1;
        } else if let Some(read) = line.strip_prefix("read ") {
            assert!(read.contains("not_found: 0, wrong: 0"), "seed {seed}, {case}: {read}");
            if read.contains("refused: 0, not_found") { right += 1 } else { partly += 1 }
        } else if line == "ended" {
            has_ended = true;
        }
    }
    let status = child.wait().unwrap();
    println!("seed {seed}: {refused} files refused, {partly} read but for some rows, {right} all right");
    assert!(status.success() && has_ended, "seed {seed}, {case}: {status}");
    assert!(refused > 20 && partly > 5 && right > 5, "{refused} {partly} {right}");
}

/// The store's file in a folder.
fn data(folder: &Path) -> PathBuf {
    folder.join("data.mdb")
}

#[test]
fn a_damaged_row_is_refused_by_its_key_and_others_are_read_on() {
    let files = Files::new();
    let expected = files.expected();
    let folder = TempDir::new().unwrap();
    let mut bytes = files.sound.clone();
    let ((view, victim), row) = expected.iter().nth(70).unwrap();
    let at = bytes.windows(row.len()).position(|window| window == row.as_slice()).unwrap();
    bytes[at + 20] ^= 4;
    fs::write(data(folder.path()), bytes).unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let refusal = wait_for(store.read(&[Read { view: &id(*view), keys: std::slice::from_ref(victim) }]));
    let refusal = refusal.unwrap_err();
    assert!(matches!(&refusal, OnlineError::DamagedRow { key, .. } if key == victim), "{refusal}");
    let sentence = refusal.to_string();
    assert!(sentence.contains("one@1") && sentence.contains("rebuild the view's online rows"), "{sentence}");
    let outcomes = read_all(&store, &expected);
    assert_eq!((outcomes.right, outcomes.refused, outcomes.absent_refused), (expected.len() - 1, 1, 0));
    assert_eq!(store.verify().unwrap(), 1);
    fill(&store, &expected);
    assert_eq!(store.verify().unwrap(), 0);
    assert_eq!(wait_for(read(&store, &id(*view), victim)).as_ref(), Some(row));
}

#[test]
fn a_file_that_is_cut_while_it_is_open_ends_nobody_and_new_files_are_taken_on() {
    let files = Files::new();
    let expected = files.expected();
    let folder = TempDir::new().unwrap();
    fs::write(data(folder.path()), &files.sound).unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(read_all(&store, &expected).right, expected.len());
    fs::OpenOptions::new().write(true).open(data(folder.path())).unwrap().set_len(3 * PAGE as u64).unwrap();
    let outcomes = read_all(&store, &expected);
    assert_eq!((outcomes.not_found, outcomes.wrong), (0, 0), "{outcomes:?}");
    assert!(outcomes.refused > 0);
    // Another process would do that.
    fs::rename(data(folder.path()), folder.path().join("aside")).unwrap();
    fs::remove_file(folder.path().join("lock.mdb")).unwrap();
    fs::write(folder.path().join("next"), &files.sound).unwrap();
    fs::rename(folder.path().join("next"), data(folder.path())).unwrap();
    let newer =
        [RowWrite { key: &key("entity 1"), bytes: &Sample::named(VIEWS[0]).row(Some(9), &[(0, 1000)]) }];
    wait_for(store.replace(&id(0), &newer, None)).unwrap();
    let outcomes = read_all(&store, &expected);
    assert_eq!((outcomes.right, outcomes.wrong), (expected.len() - 1, 1), "{outcomes:?}");
}

#[test]
fn a_missing_lock_file_is_made_and_a_missing_store_beside_it_is_not() {
    let files = Files::new();
    let folder = TempDir::new().unwrap();
    fs::write(data(folder.path()), &files.sound).unwrap();
    drop(Embedded::open(folder.path()).unwrap());
    fs::remove_file(folder.path().join("lock.mdb")).unwrap();
    drop(Embedded::open(folder.path()).unwrap());
    fs::remove_file(data(folder.path())).unwrap();
    let refusal = Embedded::open(folder.path()).unwrap_err().to_string();
    assert!(refusal.contains("data.mdb is damaged (it is missing"), "{refusal}");
    let (store, condition) = Embedded::repair(folder.path(), "then").unwrap();
    assert_eq!(condition, Condition::Replaced { aside: None });
    assert_eq!(wait_for(store.stats(&id(0))).unwrap().rows, 0);
    let unfinished = Embedded::repair(folder.path(), "again").unwrap().1;
    assert_eq!(unfinished, Condition::Unfinished);
}
