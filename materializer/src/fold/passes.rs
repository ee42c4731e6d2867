//! How many entities are folded at a time: a range of keys after the other where the states of all would take more
//! memory than a bound.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use feature::{Micros, Span};
use foldhash::fast::FixedState;
use offline::{Log, LogSnapshot, OfferedRows, OfflineError, RowFold, WholeRows, fold_rows, threads};
use online::{Layout, RowState};

use super::selection::KeyRange;
use crate::blocking;
use crate::error::MaterializerError;

/// Bytes that the states of a pass may take.
const PASS_BYTES: u64 = 192 << 20;
/// Keys of a sample: their number is known within some hundredths, and so is where parts of them end.
const SAMPLED: usize = 8192;

/// Keys of a log with the least hashes: a fair sample of its entities, however often each occurs, which also says how
/// many there are (Bar-Yossef et al., "Counting distinct elements in a data stream", 2002).
#[derive(Debug, Default)]
struct Sample {
    keys: BTreeMap<u64, Box<[u8]>>,
    hasher: FixedState,
}

impl Sample {
    fn add(&mut self, hash: u64, key: &[u8]) {
        if self.keys.len() == SAMPLED && self.keys.last_key_value().is_some_and(|(last, _)| hash >= *last) {
            return;
        }
        self.keys.entry(hash).or_insert_with(|| key.into());
        if self.keys.len() > SAMPLED {
            self.keys.pop_last();
        }
    }

    /// About how many different keys there are.
    fn entities(&self) -> u64 {
        match self.keys.last_key_value() {
            Some((last, _)) if self.keys.len() == SAMPLED => {
                (u128::from(u64::MAX) * (SAMPLED as u128 - 1) / u128::from((*last).max(1))) as u64
            }
            _ => self.keys.len() as u64,
        }
    }

    /// Ranges of about as many entities each.
    fn ranges(self, count: u64) -> Vec<KeyRange> {
        let mut keys: Vec<Box<[u8]>> = self.keys.into_values().collect();
        keys.sort_unstable();
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(keys.len()).max(1);
        let bound = |part: usize| match part % count {
            0 => None,
            part => keys.get(part * keys.len() / count).cloned(),
        };
        (0..count).map(|part| KeyRange { from: bound(part), before: bound(part + 1) }).collect()
    }
}

impl RowFold for Sample {
    fn offer(&mut self, rows: &OfferedRows<'_>, _: usize) -> Result<(), OfflineError> {
        for row in 0..rows.keys.len() {
            let key = rows.keys.key(row);
            self.add(self.hasher.hash_one(key), key);
        }
        Ok(())
    }

    fn wanted(&mut self) -> Vec<u32> {
        Vec::new()
    }

    fn fold(&mut self, _: &WholeRows<'_>) {}
}

/// The ranges of keys whose entities are folded one after the other, in the order of the keys.
pub(crate) async fn ranges(log: &Log, layout: &Layout) -> Result<Vec<KeyRange>, MaterializerError> {
    let all = || vec![KeyRange::default()];
    let Some(snapshot) = log.snapshot()? else { return Ok(all()) };
    let (rows, span) = (snapshot.rows(), span(&snapshot));
    // No entity has fewer rows than one.
    if bytes(layout, rows, rows, span) <= PASS_BYTES {
        return Ok(all());
    }
    let log = log.clone();
    let samples = (0..threads()).map(|_| Sample::default()).collect();
    let samples: Vec<Sample> = blocking::run(move || fold_rows(&log, None, samples)).await??;
    let mut sample = Sample::default();
    for (hash, key) in samples.iter().flat_map(|sample| &sample.keys) {
        sample.add(*hash, key);
    }
    let count = bytes(layout, sample.entities(), rows, span).div_ceil(PASS_BYTES);
    Ok(sample.ranges(count))
}

/// About how many bytes the states of so many entities take that have so many rows in such a time.
fn bytes(layout: &Layout, entities: u64, rows: u64, span: Span) -> u64 {
    let of_each = rows.div_ceil(entities.max(1));
    entities.saturating_mul(RowState::likely_bytes(layout, of_each, span))
}

/// From the first day of the log's files to the end of the last.
fn span(snapshot: &LogSnapshot) -> Span {
    let days = || snapshot.files.iter().filter_map(|file| file.date.as_ref()?.parse::<Micros>().ok());
    let (first, last) = (days().min(), days().max());
    let days = first.zip(last).map_or(1, |(first, last)| (last.get() - first.get()) / Span::DAY.micros() + 1);
    Span::of(days, Span::DAY).unwrap_or(Span::DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(keys: u32) -> Sample {
        let mut sample = Sample::default();
        for number in (0..keys).chain(0..keys) {
            let key = number.to_be_bytes();
            sample.add(sample.hasher.hash_one(&key[..]), &key);
        }
        sample
    }

    #[test]
    fn a_sample_says_how_many_keys_there_are_however_often_each_occurs() {
        assert_eq!(sample(0).entities(), 0);
        assert_eq!(sample(5000).entities(), 5000);
        let about = sample(300_000).entities();
        assert!((290_000..310_000).contains(&about), "{about}");
    }

    #[test]
    fn ranges_of_a_sample_hold_each_key_once_and_about_as_many_each() {
        let ranges = sample(200_000).ranges(7);
        assert_eq!(ranges.len(), 7);
        let mut held = vec![0; 7];
        for number in 0..200_000_u32 {
            let key = number.to_be_bytes();
            let of: Vec<usize> = (0..7).filter(|range| ranges[*range].includes(&key)).collect();
            assert_eq!(of.len(), 1, "{number}");
            held[of[0]] += 1;
        }
        assert!(held.iter().all(|held| (24_000..33_000).contains(held)), "{held:?}");
        // In the order of the keys.
        assert!(ranges.is_sorted_by(|one, next| one.before == next.from));
        assert_eq!(sample(0).ranges(3), [KeyRange::default()]);
        assert_eq!(sample(2).ranges(3).len(), 2);
    }
}
