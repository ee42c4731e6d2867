//! How far two distributions lie apart: the population stability index and the two-sample Kolmogorov–Smirnov distance.

use std::collections::BTreeSet;

use crate::counts::{Bucket, Side, total};

/// Into how many parts of equal size the old values are cut for the population stability index.
const PARTS: u64 = 10;

/// A share below this counts as this, so that an empty bin has a finite index.
const LEAST_SHARE: f64 = 1e-4;

/// The greatest difference between the two cumulative shares.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Ks {
    pub(crate) distance: f64,
    /// By how much the true distance may be greater: 0 where buckets are single values.
    pub(crate) error: f64,
}

/// The Kolmogorov–Smirnov distance of the two sides of sorted buckets; `None` where a side has no value.
pub(crate) fn ks(buckets: &[Bucket]) -> Option<Ks> {
    let (olds, news) = (total(buckets, Side::Old), total(buckets, Side::New));
    if olds == 0 || news == 0 {
        return None;
    }
    let (mut old, mut new) = (0_u128, 0_u128);
    let (mut greatest, mut widest) = (0_u128, 0_u128);
    let (all_old, all_new) = (u128::from(olds), u128::from(news));
    for bucket in buckets {
        old += u128::from(bucket.old);
        new += u128::from(bucket.new);
        greatest = greatest.max((old * all_new).abs_diff(new * all_old));
        if !bucket.is_one_value() {
            let within = (u128::from(bucket.old) * all_new).max(u128::from(bucket.new) * all_old);
            widest = widest.max(within);
        }
    }
    let whole = (all_old * all_new) as f64;
    Some(Ks { distance: greatest as f64 / whole, error: widest as f64 / whole })
}

/// The bins of sorted buckets, fixed by the old side: its deciles; a bin of its own for each bucket with a tenth of
/// the old values or more; and one bin each for what lies below and above all old values.
pub(crate) fn bins(buckets: &[Bucket]) -> Vec<[u64; 2]> {
    let olds = total(buckets, Side::Old);
    // The indices of the buckets after which a bin ends.
    let mut ends = BTreeSet::new();
    let (mut before, mut part) = (0, 1);
    for (index, bucket) in buckets.iter().enumerate().filter(|(_, bucket)| bucket.old > 0) {
        let is_first = before == 0;
        let after = before + bucket.old;
        if is_first || bucket.old * PARTS >= olds {
            ends.extend(index.checked_sub(1));
        }
        if after == olds || bucket.old * PARTS >= olds {
            ends.insert(index);
        }
        while part < PARTS && after * PARTS >= part * olds {
            ends.insert(index);
            part += 1;
        }
        before = after;
    }
    let mut bins = vec![[0, 0]];
    for (index, bucket) in buckets.iter().enumerate() {
        if let Some([old, new]) = bins.last_mut() {
            *old += bucket.old;
            *new += bucket.new;
        }
        if ends.contains(&index) && index + 1 < buckets.len() {
            bins.push([0, 0]);
        }
    }
    bins
}

/// The population stability index of bins; `None` where a side is empty.
pub(crate) fn psi(bins: &[[u64; 2]]) -> Option<f64> {
    let olds: u64 = bins.iter().map(|[old, _]| old).sum();
    let news: u64 = bins.iter().map(|[_, new]| new).sum();
    if olds == 0 || news == 0 {
        return None;
    }
    let share = |part: u64, whole: u64| (part as f64 / whole as f64).max(LEAST_SHARE);
    let of = |[old, new]: &[u64; 2]| {
        let (old, new) = (share(*old, olds), share(*new, news));
        (new - old) * (new / old).ln()
    };
    Some(bins.iter().map(of).sum())
}

/// Pearson's χ² of the bins of two sides, without a correction; `None` where a side is empty.
pub(crate) fn chi_square(bins: &[[u64; 2]]) -> Option<f64> {
    let [olds, news] = both(bins)?;
    let all = (olds + news) as f64;
    let of = |[old, new]: &[u64; 2]| {
        let bin = (old + new) as f64;
        let part = |seen: u64, side: u64| {
            let expected = bin * side as f64 / all;
            (seen as f64 - expected).powi(2) / expected
        };
        part(*old, olds) + part(*new, news)
    };
    Some(bins.iter().filter(|[old, new]| old + new > 0).map(of).sum())
}

/// The Jensen–Shannon distance of the bins of two sides in base 2; `None` where a side is empty.
pub(crate) fn jensen_shannon(bins: &[[u64; 2]]) -> Option<f64> {
    let [olds, news] = both(bins)?;
    let entropy = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
    let of = |[old, new]: &[u64; 2]| {
        let (old, new) = (*old as f64 / olds as f64, *new as f64 / news as f64);
        let middle = f64::midpoint(old, new);
        entropy(old, middle) + entropy(new, middle)
    };
    let divergence: f64 = bins.iter().map(of).sum::<f64>() / 2.0;
    Some(divergence.max(0.0).sqrt())
}

/// How many values each side has; `None` where one has none.
fn both(bins: &[[u64; 2]]) -> Option<[u64; 2]> {
    let all = bins.iter().fold([0, 0], |[olds, news], [old, new]| [olds + old, news + new]);
    all.iter().all(|side| *side > 0).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(key: u64, old: u64, new: u64) -> Bucket {
        Bucket { least: key, greatest: key, old, new }
    }

    #[test]
    fn a_value_that_most_rows_have_is_a_bin_of_its_own() {
        let buckets = [bucket(1, 5, 5), bucket(2, 90, 0), bucket(3, 5, 95)];
        assert_eq!(bins(&buckets), [[5, 5], [90, 0], [5, 95]]);
    }

    #[test]
    fn values_outside_of_all_old_ones_are_bins_of_their_own() {
        let buckets =
            [bucket(0, 0, 5), bucket(1, 5, 0), bucket(2, 95, 95), bucket(9, 0, 7), bucket(10, 0, 1)];
        assert_eq!(bins(&buckets), [[0, 5], [5, 0], [95, 95], [0, 8]]);
    }

    #[test]
    fn a_side_without_values_has_no_distance() {
        assert_eq!(ks(&[bucket(1, 0, 3)]), None);
        assert_eq!(psi(&[[0, 3]]), None);
        assert_eq!(bins(&[]), [[0, 0]]);
    }

    #[test]
    fn the_distance_of_wide_buckets_says_how_far_it_may_be_off() {
        let wide = Bucket { least: 1, greatest: 5, old: 10, new: 10 };
        assert_eq!(ks(&[wide]), Some(Ks { distance: 0.0, error: 1.0 }));
        assert_eq!(ks(&[bucket(1, 10, 0), bucket(2, 0, 10)]), Some(Ks { distance: 1.0, error: 0.0 }));
    }
}
