//! How statistics lie in a table: bytes with a version, the same for the same rows.
//!
//! `version u8 · measure u8 · rows · nulls · finite · sum · distinct · lost bits · buckets · names`; numbers are LEB128, and
//! sums, registers and names have their length before them. A bucket is its least key as the distance from the one
//! before, how far its greatest lies above that, and its count. Where there is a sample of vectors the version is 2, and it comes
//! last: `length · vectors`, each its rows and its numbers as float32.

use std::collections::BTreeMap;

use feature::DistinctCount;

use crate::counts::{Bucket, Counts};
use crate::observed::Measure;
use crate::statistics::{MOST_BUCKETS, Statistics};
use crate::vectors::Vectors;

const VERSION: u8 = 1;
/// With a sample of vectors.
const WITH_VECTORS: u8 = 2;

const MEASURES: [Measure; 5] =
    [Measure::Ints, Measure::Floats, Measure::Times, Measure::Categories, Measure::Equality];

impl Statistics {
    /// Its bytes.
    pub fn stored(&self) -> Vec<u8> {
        let measure = MEASURES.iter().position(|measure| *measure == self.measure).unwrap_or(MEASURES.len());
        let version = if self.vectors.is_empty() { VERSION } else { WITH_VECTORS };
        let mut out = vec![version, measure as u8];
        for number in [self.rows, self.nulls, self.finite] {
            write_number(number, &mut out);
        }
        write_bytes(&self.sum_bytes(), &mut out);
        let mut distinct = Vec::new();
        self.distinct.write(&mut distinct);
        write_bytes(&distinct, &mut out);
        write_number(u64::from(self.counts.lost_bits()), &mut out);
        let buckets = self.counts.sorted();
        write_number(buckets.len() as u64, &mut out);
        let mut before = 0;
        for Bucket { least, greatest, old, .. } in buckets {
            for number in [least - before, greatest - least, old] {
                write_number(number, &mut out);
            }
            before = least;
        }
        write_number(self.names.len() as u64, &mut out);
        let mut before = 0;
        for (key, name) in &self.names {
            write_number(key - before, &mut out);
            write_bytes(name, &mut out);
            before = *key;
        }
        if !self.vectors.is_empty() {
            let (length, vectors) = self.vectors.all();
            write_number(length as u64, &mut out);
            write_number(vectors.len() as u64, &mut out);
            for (numbers, rows) in vectors {
                write_number(rows, &mut out);
                out.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
            }
        }
        out
    }

    /// Reads them; `None` if the bytes are not valid statistics of a version that is known.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let [version @ (VERSION | WITH_VECTORS), measure, rest @ ..] = bytes else { return None };
        let has_vectors = *version == WITH_VECTORS;
        let mut read = Statistics::measured(*MEASURES.get(usize::from(*measure))?);
        bytes = rest;
        read.rows = number(&mut bytes)?;
        read.nulls = number(&mut bytes)?;
        read.finite = number(&mut bytes)?;
        read.nulls.checked_add(read.finite).filter(|counted| *counted <= read.rows)?;
        read.sum = Statistics::sum_of(part(&mut bytes)?)?;
        read.distinct = DistinctCount::read(part(&mut bytes)?)?;
        let lost_bits = u32::try_from(number(&mut bytes)?).ok().filter(|bits| *bits < 64)?;
        let count = usize::try_from(number(&mut bytes)?).ok().filter(|count| *count <= MOST_BUCKETS)?;
        let mut buckets = Vec::with_capacity(count);
        let mut before = 0_u64;
        for _ in 0..count {
            let least = before.checked_add(number(&mut bytes)?)?;
            let greatest = least.checked_add(number(&mut bytes)?)?;
            buckets.push(Bucket { least, greatest, old: number(&mut bytes)?, new: 0 });
            before = least;
        }
        read.counts = Counts::of_buckets(MOST_BUCKETS, lost_bits, buckets)?;
        let count = usize::try_from(number(&mut bytes)?).ok().filter(|count| *count <= MOST_BUCKETS)?;
        let (mut names, mut before) = (BTreeMap::new(), 0_u64);
        for _ in 0..count {
            before = before.checked_add(number(&mut bytes)?)?;
            names.insert(before, part(&mut bytes)?.to_vec());
        }
        read.names = names;
        if has_vectors {
            read.vectors = vectors(&mut bytes)?;
        }
        bytes.is_empty().then_some(read)
    }
}

/// A sample of vectors.
fn vectors(bytes: &mut &[u8]) -> Option<Vectors> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let count = usize::try_from(number(bytes)?).ok()?;
    let mut vectors = Vec::new();
    for _ in 0..count {
        let rows = number(bytes)?;
        let (numbers, rest) = bytes.split_at_checked(length.checked_mul(size_of::<f32>())?)?;
        *bytes = rest;
        let number = |four: &[u8]| Some(f32::from_le_bytes(four.try_into().ok()?));
        vectors.push((numbers.chunks_exact(size_of::<f32>()).map(number).collect::<Option<_>>()?, rows));
    }
    Vectors::of(length, vectors)
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(first & 0x7f);
        // The tenth byte has one bit left.
        if part.leading_zeros() < shift {
            return None;
        }
        number |= part << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let (part, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use feature::Scalar;

    use super::*;
    use crate::observed::Observed;

    #[test]
    fn numbers_of_any_size_are_read_as_they_were_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::MAX >> 1, u64::MAX] {
            let mut bytes = Vec::new();
            write_number(value, &mut bytes);
            assert_eq!(number(&mut bytes.as_slice()), Some(value));
            assert_eq!(number(&mut bytes.split_last().unwrap().1), None);
        }
        assert_eq!(number(&mut [0xff_u8; 10].as_slice()), None);
    }

    #[test]
    fn statistics_that_were_stored_once_are_read_for_ever() {
        let mut statistics = Statistics::of(Scalar::Int64.into());
        for x in [7, 7, -1] {
            statistics.add(Observed::Int(x));
        }
        statistics.add(Observed::Null);
        let hex: String = statistics.stored().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../samples/statistics_v1.hex").trim());
    }

    #[test]
    fn a_sample_of_vectors_is_read_as_it_was_and_no_part_of_it_is_one() {
        let mut statistics = Statistics::of(feature::DataType::List(Scalar::Float32, Some(2)));
        for vector in [[1.0, 2.5], [1.0, 2.5], [-3.0, 0.125]] {
            statistics.add_vector(&vector);
        }
        statistics.add_nulls(1);
        let stored = statistics.stored();
        let read = Statistics::read(&stored).unwrap();
        assert_eq!((read.rows(), read.nulls(), read.stored()), (4, 1, stored.clone()));
        let hex: String = stored.iter().map(|byte| format!("{byte:02x}")).collect();
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/statistics_v2.hex");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(sample, hex.clone() + "\n").unwrap();
        }
        assert_eq!(hex, std::fs::read_to_string(sample).unwrap().trim());
        for length in 0..stored.len() {
            assert!(Statistics::read(&stored[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn bytes_that_are_cut_or_of_another_version_are_no_statistics() {
        let mut statistics = Statistics::of(Scalar::String.into());
        statistics.add(Observed::Text("BOS"));
        let stored = statistics.stored();
        for length in 0..stored.len() {
            assert!(Statistics::read(&stored[..length]).is_none(), "{length}");
        }
        let mut newer = stored;
        newer[0] = 2;
        assert!(Statistics::read(&newer).is_none());
    }
}
