//! The table keeps what it was given, gives the same answers on every path, and takes no more memory
//! than its bound. `CASES=n` makes the long ones n times as long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;

fn options(max_bytes: usize, at_bound: AtBound, probe: Probe) -> TableOptions {
    TableOptions { max_bytes, at_bound, huge_pages: false, probe }
}

/// How often to do what costs seconds in its long form.
fn times(short: usize) -> usize {
    short * std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1)
}

#[derive(Clone, Debug)]
enum Step {
    Put(u32, Vec<u8>, usize),
    Remove(u32, Vec<u8>),
}

/// Few keys, so that they meet; short ones, long ones, and rows from nothing to several slabs.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = prop_oneof![
        (0_u64..40).prop_map(|n| n.to_le_bytes().to_vec()),
        prop::collection::vec(0_u8..3, 0..4),
        (0_u8..9).prop_map(|n| vec![n; 100]),
    ];
    let row = prop_oneof![8 => 0_usize..60, 2 => 60_usize..5000, 1 => 60_000_usize..140_000];
    let step = (any::<bool>(), 0_u32..3, key, row).prop_map(|(put, view, key, row)| match put {
        true => Step::Put(view, key, row),
        false => Step::Remove(view, key),
    });
    prop::collection::vec(step, 1..300)
}

/// A row that says which write it is of, everywhere.
fn row(write: usize, length: usize) -> Vec<u8> {
    (write as u64).to_le_bytes().into_iter().cycle().take(length).collect()
}

proptest! {
    #[test]
    fn a_table_is_a_map_on_every_path(steps in steps()) {
        let tables = Probe::available().into_iter().map(|probe| HotTable::new(options(64 << 20, AtBound::Refuse, probe)).unwrap());
        let tables: Vec<HotTable> = tables.collect();
        let mut map: HashMap<(u32, Vec<u8>), Vec<u8>> = HashMap::new();
        for (write, step) in steps.into_iter().enumerate() {
            for table in &tables {
                match &step {
                    Step::Put(view, key, length) => table.write().put(*view, key, &row(write, *length)).unwrap(),
                    Step::Remove(view, key) => {
                        prop_assert_eq!(table.write().remove(*view, key), map.contains_key(&(*view, key.clone())));
                    }
                }
            }
            match step {
                Step::Put(view, key, length) => map.insert((view, key), row(write, length)),
                Step::Remove(view, key) => map.remove(&(view, key)),
            };
        }
        let keys: Vec<Vec<u8>> = map.keys().map(|(_, key)| key.clone()).chain([b"never".to_vec()]).collect();
        for table in &tables {
            prop_assert_eq!(table.stats().entries, map.len() as u64);
            let reading = table.read();
            for view in 0..3 {
                let mut rows = Vec::new();
                reading.rows(view, &keys, &mut rows);
                for (key, row) in keys.iter().zip(rows) {
                    prop_assert_eq!(row, map.get(&(view, key.clone())).map(Vec::as_slice));
                    prop_assert_eq!(reading.get(view, key), row);
                }
            }
        }
    }
}

#[test]
fn a_table_grows_from_little_to_much_and_keeps_every_row() {
    for probe in Probe::available() {
        let table = HotTable::new(options(256 << 20, AtBound::Refuse, probe)).unwrap();
        let count = 60_000_u64;
        for n in 0..count {
            table.write().put(7, &n.to_le_bytes(), &n.to_be_bytes()).unwrap();
        }
        let keys: Vec<[u8; 8]> = (0..count + 100).map(u64::to_le_bytes).collect();
        let reading = table.read();
        let mut rows = Vec::new();
        reading.rows(7, &keys, &mut rows);
        for (n, row) in rows.into_iter().enumerate() {
            let expected = (n as u64).to_be_bytes();
            assert_eq!(row, (n < count as usize).then_some(&expected[..]), "{n}");
        }
        assert!(table.stats().bytes < 60_000 * 100 + 100_000, "{:?}", table.stats());
    }
}

#[test]
fn a_row_that_is_being_read_stays_as_it_is() {
    let table = HotTable::new(options(1 << 20, AtBound::Evict, Probe::widest())).unwrap();
    table.write().put(0, b"a", &[1; 40]).unwrap();
    let reading = table.read();
    let row = reading.get(0, b"a").unwrap();
    for n in 0..50_000_u32 {
        // Where readers hold up everything a row is refused, and the old one is there no less.
        let _ = table.write().put(0, b"a", &[n as u8; 40]);
        let _ = table.write().put(0, &n.to_le_bytes(), &[2; 40]);
    }
    assert_eq!(row, [1; 40]);
    drop(reading);
    table.write().put(0, b"a", &[3; 40]).unwrap();
    assert_eq!(table.read().get(0, b"a").unwrap(), [3; 40]);
}

#[test]
fn a_store_refuses_at_its_bound_and_keeps_what_it_has() {
    let table = HotTable::new(options(2 << 20, AtBound::Refuse, Probe::widest())).unwrap();
    let mut kept = 0_u64;
    let refusal = loop {
        match table.write().put(0, &kept.to_le_bytes(), &[kept as u8; 200]) {
            Ok(()) => kept += 1,
            Err(refusal) => break refusal,
        }
    };
    assert!(refusal.bytes > 200 && kept > 5000, "{refusal:?} {kept}");
    assert!(table.stats().bytes <= 2 << 20);
    let there = (0..kept).filter(|n| table.read().get(0, &n.to_le_bytes()) == Some(&[*n as u8; 200]));
    assert_eq!(there.count() as u64, kept);
    // A row that goes makes space for another; one that is exchanged needs the space of two for a moment.
    assert!(table.write().remove(0, &0_u64.to_le_bytes()));
    table.write().put(0, &1_u64.to_le_bytes(), &[9; 200]).unwrap();
    assert_eq!(table.stats().evictions, 0);
}

#[test]
fn a_tier_keeps_what_is_read_again_and_stays_within_its_bound() {
    let table = HotTable::new(options(4 << 20, AtBound::Evict, Probe::widest())).unwrap();
    let often: Vec<[u8; 8]> = (0..1000_u64).map(u64::to_le_bytes).collect();
    for key in &often {
        table.write().put(0, key, &[1; 150]).unwrap();
    }
    let mut rows = Vec::new();
    for n in 0..40_000_u64 {
        if n % 2000 == 0 {
            table.read().rows(0, &often, &mut Vec::new());
        }
        table.write().put(0, &(n + 10_000).to_le_bytes(), &[2; 150]).unwrap();
        assert!(table.stats().bytes <= 4 << 20);
    }
    let reading = table.read();
    reading.rows(0, &often, &mut rows);
    let kept = rows.iter().flatten().count();
    assert!(kept > 900, "{kept} of 1000 rows that are read again were kept");
    assert!(table.stats().evictions > 15_000);
}

#[test]
fn rows_of_another_size_find_a_slot_where_all_are_taken() {
    let table = HotTable::new(options(4 << 20, AtBound::Evict, Probe::widest())).unwrap();
    for round in 0..4_u64 {
        for length in [40, 700, 3000, 100_000] {
            for n in 0..4 * (4 << 20) / length as u64 {
                let key = (round << 32 | n).to_le_bytes();
                table.write().put(length, &key, &vec![n as u8; length as usize]).unwrap();
                assert_eq!(table.read().get(length, &key).map(<[u8]>::len), Some(length as usize));
            }
            assert!(table.stats().bytes <= 4 << 20);
        }
    }
    assert!(table.write().put(0, b"large", &vec![0; 3 << 20]).is_err());
}

/// Readers check that each row is one that was written whole, and of its key; that rows that are never
/// removed are always found; and that a writer's earlier row never comes after a later one.
fn torture(max_bytes: usize, at_bound: AtBound, probe: Probe, writes: usize) {
    const KEYS: u64 = 3000;
    const LASTING: u64 = 1000;
    let table = HotTable::new(options(max_bytes, at_bound, probe)).unwrap();
    let written = |n: u64, write: u64| -> Vec<u8> {
        let length = 16 + 8 * ((n * 7 + write * 13) % 60) as usize;
        n.to_le_bytes().into_iter().chain(write.to_le_bytes()).cycle().take(length).collect()
    };
    for n in 0..LASTING {
        table.write().put(1, &n.to_le_bytes(), &written(n, 0)).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2_u64 {
            let (table, done) = (&table, &done);
            scope.spawn(move || {
                let mut last = vec![0; KEYS as usize];
                let mut from = reader * 17;
                while !done.load(Ordering::Relaxed) {
                    let numbers: Vec<u64> = (0..64).map(|n| (from + n * 31) % KEYS).collect();
                    from += 7;
                    let keys: Vec<[u8; 8]> = numbers.iter().map(|n| n.to_le_bytes()).collect();
                    let reading = table.read();
                    let mut rows = Vec::new();
                    reading.rows(1, &keys, &mut rows);
                    for (n, row) in numbers.into_iter().zip(rows) {
                        let Some(row) = row else {
                            assert!(n >= LASTING || at_bound == AtBound::Evict, "{n} was lost");
                            continue;
                        };
                        let write = u64::from_le_bytes(*row[8..].first_chunk().unwrap());
                        assert_eq!(row, written(n, write), "{n}");
                        assert!(write >= last[n as usize], "{n} went back");
                        last[n as usize] = write;
                    }
                }
            });
        }
        let mut state = 88_172_645_463_325_252_u64;
        for write in 1..writes as u64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let n = state % KEYS;
            if n >= LASTING && state & 1 << 40 == 0 {
                table.write().remove(1, &n.to_le_bytes());
            } else if table.write().put(1, &n.to_le_bytes(), &written(n, write)).is_err() {
                assert_eq!(at_bound, AtBound::Evict);
            }
            // Others make the table grow, or let rows go.
            if write % 4 == 0 {
                let other = table.write().put(2, &write.to_le_bytes(), &[3; 30]);
                assert!(other.is_ok() || at_bound == AtBound::Evict);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn every_row_that_is_read_was_written_whole_while_the_table_grows() {
    for probe in Probe::available() {
        torture(1 << 30, AtBound::Refuse, probe, times(20_000));
    }
}

#[test]
fn every_row_that_is_read_was_written_whole_while_rows_are_let_go() {
    torture(1 << 20, AtBound::Evict, Probe::widest(), times(60_000));
}

#[test]
fn more_readers_than_there_are_slots_read_all_the_same() {
    let table = HotTable::new(options(1 << 20, AtBound::Refuse, Probe::widest())).unwrap();
    table.write().put(0, b"a", b"row").unwrap();
    let readings: Vec<Reading<'_>> = (0..300).map(|_| table.read()).collect();
    assert!(readings.iter().all(|reading| reading.get(0, b"a") == Some(b"row")));
    table.write().put(0, b"a", b"new").unwrap();
    drop(readings);
    assert_eq!(table.read().get(0, b"a"), Some(&b"new"[..]));
}
