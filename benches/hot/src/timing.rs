//! How the contenders are timed: all read the same keys in the same order, in batches, and gather into
//! the same columns.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::contenders::{Columns, Contender, Key, Twinstore, VALUES, key};

/// Random keys out of so many, of which all are there.
pub fn stream(keys: usize, count: usize) -> Vec<Key> {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(|_| key((next() % keys as u64) as usize).to_le_bytes()).collect()
}

/// Nanoseconds a key.
pub fn nanoseconds(contender: &dyn Contender, stream: &[Key], batch: usize) -> f64 {
    let mut columns: Columns = std::array::from_fn(|_| vec![0.0; batch]);
    let began = Instant::now();
    for keys in stream.chunks(batch) {
        contender.gather(keys, &mut columns);
        black_box(&columns);
    }
    began.elapsed().as_nanos() as f64 / stream.len() as f64
}

/// The median of so many measurements, after one that does not count.
pub fn median(rounds: usize, mut measure: impl FnMut() -> f64) -> f64 {
    measure();
    let mut took: Vec<f64> = (0..rounds).map(|_| measure()).collect();
    took.sort_by(f64::total_cmp);
    took.get(rounds / 2).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds a key where two threads read at once, each all keys.
pub fn two_threads(contender: &dyn Contender, stream: &[Key], batch: usize) -> f64 {
    let took = std::thread::scope(|scope| {
        let other = scope.spawn(|| nanoseconds(contender, stream, batch));
        nanoseconds(contender, stream, batch).max(other.join().unwrap_or(f64::NAN))
    });
    took / 2.0
}

/// Nanoseconds a key for one reader while a writer changes a tenth of the rows, again and again; and
/// the rows that it changed in a second.
pub fn beside_a_writer(
    table: &Twinstore,
    keys: usize,
    stream: &[Key],
    batch: usize,
    rounds: usize,
) -> (f64, f64) {
    let stop = AtomicBool::new(false);
    let written = AtomicUsize::new(0);
    let began = Instant::now();
    let took = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut change = 0;
            while !stop.load(Ordering::Relaxed) {
                change += 1;
                for n in (0..keys).step_by(10) {
                    if stop.load(Ordering::Relaxed) || !table.change(n, change) {
                        break;
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let took = median(rounds, || nanoseconds(table, stream, batch));
        stop.store(true, Ordering::Relaxed);
        took
    });
    (took, written.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

const _: () = assert!(VALUES * 8 + 8 == 64);
