//! Sketches from all values at once: the registers of all hashes, and the bucket of the one value
//! that sorting finds. Shared with the fast path are the hash, the bucket of a value, and the last
//! step from registers or a bucket to a number.

use std::collections::{BTreeMap, BTreeSet};

use crate::aggregate::{Quantile, bucket, bucket_estimate, distinct_estimate, hash_of, register};
use crate::value::Value;

pub(super) fn count_distinct(values: &[Value]) -> i64 {
    let hashes: BTreeSet<u64> = values.iter().map(hash_of).collect();
    if hashes.len() <= 128 {
        return hashes.len() as i64;
    }
    let mut highest: BTreeMap<usize, u8> = BTreeMap::new();
    for (index, height) in hashes.into_iter().map(register) {
        let current = highest.entry(index).or_default();
        *current = height.max(*current);
    }
    let registers: Vec<u8> = (0..2048).map(|index| highest.get(&index).copied().unwrap_or(0)).collect();
    distinct_estimate(&registers)
}

pub(super) fn percentile(quantile: Quantile, values: &[Value]) -> f64 {
    let mut doubles: Vec<f64> = values
        .iter()
        .map(|value| match value {
            Value::Int32(x) => f64::from(*x),
            Value::Int64(x) => *x as f64,
            Value::Float32(x) => f64::from(*x),
            Value::Float64(x) => *x,
            _ => 0.0,
        })
        .collect();
    if doubles.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    doubles.sort_by(f64::total_cmp);
    let chosen = doubles.get(quantile.rank(doubles.len() as u128) as usize).copied().unwrap_or(f64::NAN);
    if chosen.is_infinite() {
        return chosen;
    }
    let buckets: BTreeSet<i32> = doubles.iter().filter(|x| x.is_finite()).map(|x| bucket(*x)).collect();
    // 2^level magnitudes share a bucket: the least level at which there are no more than 1024.
    let at = |bucket: i32, level: u8| bucket.signum() * ((bucket.abs() + (1 << level) - 1) >> level);
    let fits = |level: &u8| buckets.iter().map(|n| at(*n, *level)).collect::<BTreeSet<i32>>().len() <= 1024;
    let level = (0..8).find(fits).unwrap_or(8);
    bucket_estimate(at(bucket(chosen), level), level)
}
