//! The values of one feature in two versions, compared row by row in bounded memory.

use std::collections::BTreeMap;

use feature::{Status, Value};
use hashbrown::HashMap;
use twox_hash::XxHash64;

use crate::bars::{self, Bar};
use crate::counts::{Bucket, Counts, Side, total};
use crate::distance;
use crate::figures::{Figures, MeanShift, Nulls, StatusChange};
use crate::key;
use crate::moments::Moments;
use crate::observed::{Measure, Observed, Pair};
use crate::quantiles::quantiles;

/// Categories that are bins of their own, by how often the old side has them.
const MOST_BINS: usize = 50;
/// Categories that are shown, by how often either side has them.
const MOST_SHOWN: usize = 20;
/// Bytes of a category's name that are kept.
const MOST_NAME_BYTES: usize = 64;

/// What was seen of one feature so far.
#[derive(Clone, Debug)]
pub struct Comparison {
    measure: Measure,
    rows: u64,
    equal: u64,
    nulls: Nulls,
    statuses: BTreeMap<(Status, Status), u64>,
    counts: Counts,
    /// What categories are called, by their keys, while there is a bucket for each.
    names: HashMap<u64, Value>,
    old: Moments,
    new: Moments,
}

impl Comparison {
    /// A comparison that keeps at most so many different values. With more, distributions are of ranges of values.
    pub fn new(measure: Measure, most_values: usize) -> Self {
        Self {
            measure,
            rows: 0,
            equal: 0,
            nulls: Nulls::default(),
            statuses: BTreeMap::new(),
            counts: Counts::new(most_values),
            names: HashMap::new(),
            old: Moments::default(),
            new: Moments::default(),
        }
    }

    /// Adds one row. Gives how far its values lie apart; `None` where they are equal, and 0 where a value is missing or
    /// has no distance.
    pub fn add(&mut self, pair: &Pair<'_>) -> Option<f64> {
        let Pair { old, new, statuses } = *pair;
        self.rows += 1;
        self.observe(old, Side::Old);
        self.observe(new, Side::New);
        // Law 3: a default does not change the status, and so hides no null.
        let is_null = |value: Observed<'_>, status| value.is_null() || status == Some(Status::NullValue);
        let (old_status, new_status) = statuses.unzip();
        match (is_null(old, old_status), is_null(new, new_status)) {
            (true, true) => match (old.is_null(), new.is_null()) {
                (true, true) => self.nulls.both += 1,
                (true, false) => self.nulls.filled += 1,
                (false, true) => self.nulls.emptied += 1,
                (false, false) => self.nulls.defaults += 1,
            },
            (true, false) => self.nulls.gained += 1,
            (false, true) => self.nulls.lost += 1,
            (false, false) => {}
        }
        if let Some(change) = statuses.filter(|(old, new)| old != new) {
            *self.statuses.entry(change).or_default() += 1;
        }
        if old.equals(new) {
            self.equal += 1;
            return None;
        }
        let distance = match (old.number(), new.number()) {
            (Some(old), Some(new)) => (new - old).abs(),
            _ => 0.0,
        };
        Some(if distance.is_nan() { f64::INFINITY } else { distance })
    }

    fn observe(&mut self, value: Observed<'_>, side: Side) {
        let moments = match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        };
        match (self.measure, value) {
            (_, Observed::Null) => {}
            (Measure::Ints | Measure::Times, Observed::Int(x)) => {
                moments.add_int(x);
                self.counts.add(key::of_int(x), side);
            }
            (Measure::Floats, Observed::Int(x)) => {
                moments.add_float(x as f64);
                self.counts.add(key::of_float(x as f64), side);
            }
            (Measure::Floats, Observed::Float(x)) => {
                moments.add_float(x);
                self.counts.add(key::of_float(x), side);
            }
            (Measure::Categories, Observed::Text(text)) => {
                self.category(text.as_bytes(), side, || Value::String(shortened(text).into()));
            }
            (Measure::Categories, Observed::Bytes(bytes)) => {
                let kept = bytes.get(..MOST_NAME_BYTES).unwrap_or(bytes);
                self.category(bytes, side, || Value::Bytes(kept.into()));
            }
            // Values that only may be equal, and none of another kind: the measure comes from their types.
            (Measure::Equality, _) | (_, Observed::Int(_) | Observed::Float(_)) => {}
            (_, Observed::Text(_) | Observed::Bytes(_)) => {}
        }
    }

    fn category(&mut self, bytes: &[u8], side: Side, name: impl FnOnce() -> Value) {
        let key = XxHash64::oneshot(0, bytes);
        self.counts.add(key, side);
        if !self.counts.is_exact() {
            self.names = HashMap::new();
        } else if !self.names.contains_key(&key) {
            self.names.insert(key, name());
        }
    }

    /// The figures of all rows so far.
    pub fn figures(&self) -> Figures {
        let buckets = self.counts.sorted();
        let ordered = self.measure.is_ordered();
        let quantiles = quantiles(&buckets, self.measure);
        let (bins, bars) = match self.measure {
            Measure::Categories => (category_bins(&buckets), self.categories(&buckets)),
            _ => (distance::bins(&buckets), bars::ranges(&buckets, &quantiles, self.measure)),
        };
        let ks = distance::ks(&buckets).filter(|_| ordered);
        let has_mean = matches!(self.measure, Measure::Ints | Measure::Floats);
        Figures {
            measure: self.measure,
            rows: self.rows,
            equal: self.equal,
            nulls: self.nulls,
            statuses: self
                .statuses
                .iter()
                .map(|((old, new), rows)| StatusChange { old: *old, new: *new, rows: *rows })
                .collect(),
            psi: distance::psi(&bins),
            ks: ks.map(|ks| ks.distance),
            ks_error: ks.map(|ks| ks.error),
            mean: has_mean.then(|| MeanShift::of(&self.old, &self.new)).flatten(),
            new_value: self.new_value(&buckets),
            quantiles,
            bars,
            is_exact: self.counts.is_exact(),
        }
    }

    /// The most frequent categories, and all others as one.
    fn categories(&self, buckets: &[Bucket]) -> Vec<Bar> {
        let mut bars: Vec<Bar> = buckets
            .iter()
            .filter_map(|bucket| {
                let name = self.names.get(&bucket.least)?.clone();
                Some(Bar { from: name, to: Value::Null, old: bucket.old, new: bucket.new })
            })
            .collect();
        bars.sort_by(|a, b| b.old.max(b.new).cmp(&a.old.max(a.new)).then_with(|| a.from.cmp(&b.from)));
        let others = bars.split_off(bars.len().min(MOST_SHOWN));
        if !others.is_empty() {
            let sum = |of: fn(&Bar) -> u64| others.iter().map(of).sum();
            bars.push(Bar {
                from: Value::Null,
                to: Value::Null,
                old: sum(|bar| bar.old),
                new: sum(|bar| bar.new),
            });
        }
        bars
    }

    /// The value that became most frequent, where there is one bucket for it.
    fn new_value(&self, buckets: &[Bucket]) -> Option<(Value, f64, f64)> {
        let (olds, news) = (total(buckets, Side::Old), total(buckets, Side::New));
        if olds == 0 || news == 0 {
            return None;
        }
        let shares = |bucket: &Bucket| (bucket.old as f64 / olds as f64, bucket.new as f64 / news as f64);
        let gain = |bucket: &Bucket| {
            let (old, new) = shares(bucket);
            new - old
        };
        let values = buckets.iter().filter(|bucket| bucket.is_one_value());
        let most = values.max_by(|a, b| gain(a).total_cmp(&gain(b)).then(b.least.cmp(&a.least)))?;
        let value = match self.measure {
            Measure::Categories => self.names.get(&most.least)?.clone(),
            measure => crate::quantiles::value(most.least, measure),
        };
        let (old, new) = shares(most);
        Some((value, old, new))
    }
}

/// The bins of categories: the most frequent ones of the old side, and all others as one.
pub(crate) fn category_bins(buckets: &[Bucket]) -> Vec<[u64; 2]> {
    let mut bins: Vec<[u64; 2]> = buckets.iter().map(|bucket| [bucket.old, bucket.new]).collect();
    // Buckets come in the order of their keys, which decides between equals.
    bins.sort_by_key(|[old, _]| std::cmp::Reverse(*old));
    let is_own = bins.iter().take(MOST_BINS).take_while(|[old, _]| *old > 0).count();
    let others = bins.split_off(is_own);
    if !others.is_empty() {
        bins.push(others.iter().fold([0, 0], |[old, new], [a, b]| [old + a, new + b]));
    }
    bins
}

/// Text as far as it is kept.
fn shortened(text: &str) -> &str {
    let end = (0..=MOST_NAME_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
