//! Quantiles of both sides: the least value that at least this share of values does not exceed.

use feature::{Micros, Value};

use crate::counts::{Bucket, Side, total};
use crate::key;
use crate::observed::Measure;

/// The quantiles that are reported, in thousandths.
const REPORTED: [u64; 23] = [
    0, 10, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 650, 700, 750, 800, 850, 900, 950, 990,
    1000,
];

/// One quantile of both sides.
#[derive(Clone, PartialEq, Debug)]
pub struct QuantilePair {
    /// Which, in thousandths: 500 is the median.
    pub per_mille: u64,
    /// Of the old values; null where there are none.
    pub old: Value,
    /// Of the new values; null where there are none.
    pub new: Value,
}

/// The reported quantiles of sorted buckets; none of values without an order.
pub(crate) fn quantiles(buckets: &[Bucket], measure: Measure) -> Vec<QuantilePair> {
    if !measure.is_ordered() {
        return Vec::new();
    }
    let of = |side, per_mille| at(buckets, side, per_mille).map_or(Value::Null, |key| value(key, measure));
    let pair =
        |per_mille| QuantilePair { per_mille, old: of(Side::Old, per_mille), new: of(Side::New, per_mille) };
    REPORTED.into_iter().map(pair).collect()
}

/// The key of a quantile of one side; where a bucket is wide, its greatest key, and of the least value its least.
pub(crate) fn at(buckets: &[Bucket], side: Side, per_mille: u64) -> Option<u64> {
    let count = total(buckets, side);
    let rank = (u128::from(count) * u128::from(per_mille)).div_ceil(1000).max(1);
    let mut seen = 0_u128;
    for bucket in buckets.iter().filter(|bucket| bucket.of(side) > 0) {
        seen += u128::from(bucket.of(side));
        if seen >= rank {
            return Some(if per_mille == 0 { bucket.least } else { bucket.greatest });
        }
    }
    None
}

/// The value of a key.
pub(crate) fn value(key: u64, measure: Measure) -> Value {
    match measure {
        Measure::Ints => Value::Int64(key::int(key)),
        Measure::Times => Micros::new(key::int(key)).map_or(Value::Null, Value::Timestamp),
        Measure::Floats => Value::Float64(key::float(key)),
        Measure::Categories | Measure::Equality => Value::Null,
    }
}

/// A value as a number.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int64(x) => Some(*x as f64),
        Value::Float64(x) => Some(*x).filter(|x| x.is_finite()),
        Value::Timestamp(x) => Some(x.get() as f64),
        _ => None,
    }
}
