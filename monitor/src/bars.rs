//! Both distributions as bars that can be drawn: ranges of equal width for numbers, the most frequent categories for
//! everything else.

use feature::Value;

use crate::counts::{Bucket, Side, total};
use crate::observed::Measure;
use crate::quantiles::{QuantilePair, number, value};

/// Ranges between the outer two.
const RANGES: usize = 32;

/// The share of both sides' values in a range or a category.
#[derive(Clone, PartialEq, Debug)]
pub struct Bar {
    /// Where the range begins, inclusive; of a category its name; null where it has no begin.
    pub from: Value,
    /// Where it ends, exclusive; null where it has no end, and of a category.
    pub to: Value,
    /// How many of the old values.
    pub old: u64,
    /// How many of the new values.
    pub new: u64,
}

/// Bars of ordered values: what lies below and above the middle 98 per cent of both sides are the outer two.
pub(crate) fn ranges(buckets: &[Bucket], quantiles: &[QuantilePair], measure: Measure) -> Vec<Bar> {
    let at = |per_mille: u64| quantiles.iter().find(|pair| pair.per_mille == per_mille);
    let ends =
        |per_mille: u64| at(per_mille).into_iter().flat_map(|pair| [number(&pair.old), number(&pair.new)]);
    let low = ends(10).flatten().reduce(f64::min);
    let high = ends(990).flatten().reduce(f64::max);
    let (Some(low), Some(high)) = (low, high) else { return Vec::new() };
    let width = (high - low) / RANGES as f64;
    if total(buckets, Side::Old) + total(buckets, Side::New) == 0 || !width.is_finite() {
        return Vec::new();
    }
    let edge = |index: usize| scaled(low + width * index as f64, measure);
    let mut bars = vec![Bar { from: Value::Null, to: edge(0), old: 0, new: 0 }];
    for index in 0..RANGES {
        bars.push(Bar { from: edge(index), to: edge(index + 1), old: 0, new: 0 });
    }
    bars.push(Bar { from: edge(RANGES), to: Value::Null, old: 0, new: 0 });
    for bucket in buckets {
        let least = value(bucket.least, measure);
        let index = match number(&least) {
            None if least == Value::Float64(f64::NEG_INFINITY) => 0,
            Some(x) if x < low => 0,
            // The greatest of the middle belongs to the last range.
            Some(x) if x <= high && width > 0.0 => (((x - low) / width) as usize).min(RANGES - 1) + 1,
            Some(x) if x <= high => 1,
            _ => RANGES + 1,
        };
        if let Some(bar) = bars.get_mut(index) {
            bar.old += bucket.old;
            bar.new += bucket.new;
        }
    }
    bars
}

/// An edge as a value of what is measured.
fn scaled(x: f64, measure: Measure) -> Value {
    match measure {
        Measure::Times => feature::Micros::new(x as i64).map_or(Value::Null, Value::Timestamp),
        _ => Value::Float64(x),
    }
}
