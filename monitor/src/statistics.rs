//! What a column holds, in bounded memory: how many rows and nulls, the range, the mean, the distribution, how many
//! different values and which are most frequent.
//!
//! Statistics of two sets of rows merge into those of both, and are the same to the bit however rows are grouped: counts
//! of values in buckets that only get wider, an exact sum, and HyperLogLog registers.

use std::collections::BTreeMap;

use feature::{Component, DataType, DistinctCount, FloatSum, Scalar, State, Value};
use twox_hash::XxHash64;

use crate::counts::{Bucket, Counts, Side};
use crate::key;
use crate::observed::{Measure, Observed};
use crate::quantiles;
use crate::vectors::Vectors;

/// Different values of a column of which each is counted by itself; of more, ranges of values are.
pub const MOST_BUCKETS: usize = 1024;
/// Bytes of a category's name that are kept.
const MOST_NAME_BYTES: usize = 64;

/// The statistics of one column.
#[derive(Clone, Debug)]
pub struct Statistics {
    pub(crate) measure: Measure,
    pub(crate) rows: u64,
    pub(crate) nulls: u64,
    /// Numbers that are neither NaN nor infinite.
    pub(crate) finite: u64,
    pub(crate) sum: FloatSum,
    pub(crate) counts: Counts,
    pub(crate) distinct: DistinctCount,
    /// What categories are called, by their keys, while there is a bucket for each.
    pub(crate) names: BTreeMap<u64, Vec<u8>>,
    /// A sample of vectors; empty of any other column.
    pub(crate) vectors: Vectors,
}

/// A frequent value.
#[derive(Clone, PartialEq, Debug)]
pub struct TopValue {
    /// The value; text that is too long is cut.
    pub value: Value,
    /// How many rows have it.
    pub rows: u64,
}

impl Statistics {
    /// The statistics of no row, for a column of this type.
    pub fn of(data_type: DataType) -> Self {
        Self::measured(Measure::of(data_type, data_type))
    }

    pub(crate) fn measured(measure: Measure) -> Self {
        Self {
            measure,
            rows: 0,
            nulls: 0,
            finite: 0,
            sum: FloatSum::default(),
            counts: Counts::new(MOST_BUCKETS),
            distinct: DistinctCount::default(),
            names: BTreeMap::new(),
            vectors: Vectors::default(),
        }
    }

    /// Adds the value of a row.
    pub fn add(&mut self, value: Observed<'_>) {
        self.rows += 1;
        match (self.measure, value) {
            (_, Observed::Null) => self.nulls += 1,
            // Of lists nulls are counted, and vectors are added by themselves.
            (Measure::Equality, _) => {}
            (Measure::Floats, Observed::Float(x)) => self.add_number(x, key::of_float(x)),
            (Measure::Ints | Measure::Times, Observed::Int(x)) => self.add_number(x as f64, key::of_int(x)),
            (_, Observed::Text(text)) => {
                self.add_category(text.as_bytes(), text.floor_char_boundary(MOST_NAME_BYTES));
            }
            (_, Observed::Bytes(bytes)) => self.add_category(bytes, MOST_NAME_BYTES),
            // Of another type than the column's: the measure comes from its type.
            (_, Observed::Int(_) | Observed::Float(_)) => {}
        }
    }

    fn add_number(&mut self, x: f64, key: u64) {
        if x.is_finite() {
            self.finite += 1;
            self.sum.add(x);
        }
        self.counts.add(key, Side::Old);
        self.distinct.add_hash(XxHash64::oneshot(0, &key.to_le_bytes()));
    }

    /// Adds the vector of a row, of a column of lists of numbers that all have one length.
    pub fn add_vector(&mut self, numbers: &[f32]) {
        self.rows += 1;
        self.vectors.add(numbers);
    }

    /// Adds rows that are null.
    pub fn add_nulls(&mut self, rows: u64) {
        self.rows += rows;
        self.nulls += rows;
    }

    /// Adds the floats of rows, as [`Statistics::add`] does one by one, and faster.
    pub fn add_floats(&mut self, values: &[f64]) {
        self.add_numbers(values.iter().map(|x| (*x, key::of_float(*x))));
    }

    /// The same for integers, and for timestamps as their microseconds.
    pub fn add_ints(&mut self, values: &[i64]) {
        self.add_numbers(values.iter().map(|x| (*x as f64, key::of_int(*x))));
    }

    fn add_numbers(&mut self, numbers: impl ExactSizeIterator<Item = (f64, u64)>) {
        self.rows += numbers.len() as u64;
        let mut keys = Vec::with_capacity(numbers.len());
        for (x, key) in numbers {
            if x.is_finite() {
                self.finite += 1;
                self.sum.add(x);
            }
            keys.push(key);
        }
        keys.sort_unstable();
        for key in keys.chunk_by(|a, b| a == b).filter_map(|run| run.first()) {
            self.distinct.add_hash(XxHash64::oneshot(0, &key.to_le_bytes()));
        }
        self.counts.add_sorted(&keys);
    }

    /// `kept` bytes are kept of its name.
    fn add_category(&mut self, bytes: &[u8], kept: usize) {
        let key = XxHash64::oneshot(0, bytes);
        self.counts.add(key, Side::Old);
        self.distinct.add_hash(key);
        if !self.counts.is_exact() {
            self.names.clear();
        } else if self.measure == Measure::Categories && !self.names.contains_key(&key) {
            self.names.insert(key, bytes.get(..kept).unwrap_or(bytes).to_vec());
        }
    }

    /// Adds the rows that others count.
    pub fn merge(&mut self, other: &Statistics) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.finite += other.finite;
        self.sum.merge(&other.sum);
        self.counts.merge(&other.counts);
        self.distinct.merge(&other.distinct);
        self.vectors.merge(&other.vectors);
        match self.counts.is_exact() {
            true => self.names.extend(other.names.iter().map(|(key, name)| (*key, name.clone()))),
            false => self.names.clear(),
        }
    }

    /// What is measured of its values.
    pub const fn measure(&self) -> Measure {
        self.measure
    }

    /// How many rows there are.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// How many of them are null.
    pub const fn nulls(&self) -> u64 {
        self.nulls
    }

    /// How many of them are NaN or infinite.
    pub fn not_finite(&self) -> u64 {
        match self.measure {
            Measure::Floats => self.rows - self.nulls - self.finite,
            Measure::Ints | Measure::Times | Measure::Categories | Measure::Equality => 0,
        }
    }

    /// The mean of the finite numbers; `None` without any, and of times and categories.
    pub fn mean(&self) -> Option<f64> {
        let has_mean = matches!(self.measure, Measure::Ints | Measure::Floats) && self.finite > 0;
        has_mean.then(|| self.sum.round() / self.finite as f64).filter(|mean| mean.is_finite())
    }

    /// How many different values there are: exact up to 1024, else within about 2.3% (one standard error).
    pub fn distinct(&self) -> u64 {
        if self.counts.is_exact() {
            return self.counts.sorted().len() as u64;
        }
        match self.distinct.finish() {
            Value::Int64(count) => count.unsigned_abs(),
            _ => 0,
        }
    }

    /// The least value that at least this share, in thousandths, does not exceed: 0 is the least of all and 1000 the
    /// greatest, both exact. NaN is above none and below none: it is left out. Null of no values, and of values without an
    /// order.
    pub fn quantile(&self, per_mille: u64) -> Value {
        let mut buckets = self.counts.sorted();
        if self.measure == Measure::Floats {
            leave_out_nan(&mut buckets);
        }
        let key = quantiles::at(&buckets, Side::Old, per_mille).filter(|_| self.measure.is_ordered());
        key.map_or(Value::Null, |key| quantiles::value(key, self.measure))
    }

    /// The most frequent values; none of a column of which only ranges are counted.
    pub fn top(&self, most: usize) -> Vec<TopValue> {
        if !self.counts.is_exact() {
            return Vec::new();
        }
        let mut buckets: Vec<Bucket> = self.counts.sorted();
        buckets.sort_by(|a, b| b.old.cmp(&a.old).then(a.least.cmp(&b.least)));
        buckets.truncate(most);
        let value = |bucket: &Bucket| match self.names.get(&bucket.least) {
            Some(name) => match std::str::from_utf8(name) {
                Ok(text) => Value::String(text.into()),
                Err(_) => Value::Bytes(name.clone().into()),
            },
            None => quantiles::value(bucket.least, self.measure),
        };
        buckets.iter().map(|bucket| TopValue { value: value(bucket), rows: bucket.old }).collect()
    }

    /// Its sum as the laws store one.
    pub(crate) fn sum_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        State::FloatSum(self.sum.clone()).write(&mut bytes);
        bytes
    }

    pub(crate) fn sum_of(bytes: &[u8]) -> Option<FloatSum> {
        match State::read(Component::Sum, Some(Scalar::Float64.into()), true, bytes)? {
            State::FloatSum(sum) => Some(sum),
            _ => None,
        }
    }
}

/// Takes NaN, whose key is above all others, out of sorted buckets. One that has infinity as well, as where values of a
/// thousand magnitudes are counted, keeps its count and ends at infinity.
fn leave_out_nan(buckets: &mut Vec<Bucket>) {
    let Some(last) = buckets.last_mut().filter(|last| last.greatest == key::of_float(f64::NAN)) else {
        return;
    };
    if last.is_one_value() {
        buckets.pop();
    } else {
        last.greatest = key::of_float(f64::INFINITY);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_floats(values: &[f64]) -> Statistics {
        let mut statistics = Statistics::of(Scalar::Float64.into());
        values.iter().for_each(|x| statistics.add(Observed::Float(*x)));
        statistics
    }

    proptest! {
        #[test]
        fn statistics_of_parts_merge_into_those_of_all_rows_to_the_bit(
            parts in prop::collection::vec(prop::collection::vec(any::<f64>(), 0..400), 1..6),
        ) {
            let all: Vec<f64> = parts.concat();
            let mut merged = Statistics::of(Scalar::Float64.into());
            parts.iter().rev().for_each(|part| merged.merge(&of_floats(part)));
            prop_assert_eq!(merged.stored(), of_floats(&all).stored());
        }

        #[test]
        fn numbers_that_are_added_together_count_as_those_that_are_added_one_by_one(
            floats in prop::collection::vec(any::<f64>(), 0..1500), ints in prop::collection::vec(-40_i64..40, 0..90),
        ) {
            let mut together = Statistics::of(Scalar::Float64.into());
            floats.chunks(700).for_each(|floats| together.add_floats(floats));
            prop_assert_eq!(together.stored(), of_floats(&floats).stored());
            let [mut together, mut alone] = [(); 2].map(|()| Statistics::of(Scalar::Int64.into()));
            together.add_ints(&ints);
            together.add_nulls(2);
            ints.iter().for_each(|x| alone.add(Observed::Int(*x)));
            (0..2).for_each(|_| alone.add(Observed::Null));
            prop_assert_eq!(together.stored(), alone.stored());
        }

        #[test]
        fn stored_statistics_are_read_as_they_were(
            names in prop::collection::vec("[a-e]{0,3}", 0..200), nulls in 0_u64..5,
        ) {
            let mut statistics = Statistics::of(Scalar::String.into());
            names.iter().for_each(|name| statistics.add(Observed::Text(name)));
            (0..nulls).for_each(|_| statistics.add(Observed::Null));
            let stored = statistics.stored();
            let read = Statistics::read(&stored).unwrap();
            prop_assert_eq!(read.stored(), stored);
            prop_assert_eq!(read.top(3), statistics.top(3));
            prop_assert_eq!((read.rows(), read.nulls()), (names.len() as u64 + nulls, nulls));
        }
    }

    #[test]
    fn few_values_are_counted_exactly_and_the_most_frequent_come_first() {
        let mut statistics = Statistics::of(Scalar::String.into());
        for name in ["BOS", "LAX", "BOS", "JFK", "BOS", "LAX"] {
            statistics.add(Observed::Text(name));
        }
        statistics.add(Observed::Null);
        let top: Vec<(String, u64)> =
            statistics.top(2).iter().map(|top| (top.value.to_string(), top.rows)).collect();
        assert_eq!(top, [("BOS".to_owned(), 3), ("LAX".to_owned(), 2)]);
        assert_eq!((statistics.rows(), statistics.nulls(), statistics.distinct()), (7, 1, 3));
        assert_eq!((statistics.mean(), statistics.quantile(500)), (None, Value::Null));
    }

    #[test]
    fn many_numbers_have_their_mean_range_and_quantiles() {
        let statistics = of_floats(&(1..=10_000).map(f64::from).collect::<Vec<_>>());
        assert_eq!(statistics.mean(), Some(5000.5));
        assert_eq!(
            (statistics.quantile(0), statistics.quantile(1000)),
            (Value::Float64(1.0), Value::Float64(10_000.0))
        );
        let Value::Float64(median) = statistics.quantile(500) else { panic!("a median") };
        assert!((median - 5000.0).abs() < 50.0, "{median}");
        let distinct = statistics.distinct() as f64;
        assert!((distinct - 10_000.0).abs() < 1000.0, "{distinct}");
        assert!(statistics.top(3).is_empty());
    }

    #[test]
    fn what_is_not_finite_is_in_the_distribution_and_not_in_the_mean() {
        let statistics = of_floats(&[1.0, f64::NAN, 3.0, f64::INFINITY]);
        assert_eq!((statistics.mean(), statistics.rows(), statistics.distinct()), (Some(2.0), 4, 4));
        assert_eq!(statistics.not_finite(), 2);
        let mut ints = Statistics::of(Scalar::Int64.into());
        ints.add(Observed::Int(i64::MAX));
        ints.add(Observed::Null);
        assert_eq!(ints.not_finite(), 0);
    }

    #[test]
    fn nan_is_in_no_quantile_and_infinities_are_where_they_order() {
        let statistics = of_floats(&[1.0, f64::NAN, 3.0, f64::NEG_INFINITY, f64::NAN]);
        let quantiles = [0, 500, 1000].map(|per_mille| statistics.quantile(per_mille));
        assert_eq!(quantiles, [f64::NEG_INFINITY, 1.0, 3.0].map(Value::Float64));
        assert_eq!(of_floats(&[f64::NAN]).quantile(500), Value::Null);
        // More magnitudes than there are buckets, so that NaN shares one with the greatest.
        let mut many: Vec<f64> = (-1000..1024).map(|power| 2_f64.powi(power)).collect();
        many.extend(many.clone().iter().map(|x| -x));
        many.push(f64::NAN);
        let greatest = of_floats(&many).quantile(1000);
        assert!(matches!(greatest, Value::Float64(x) if x >= 2_f64.powi(1023)), "{greatest}");
    }
}
