//! How far the values of a column lie from those of a reference, from the statistics of both.
//!
//! The population stability index, χ² and the Jensen–Shannon distance are of the same bins, which the reference fixes:
//! its deciles, or its most frequent categories. The Kolmogorov–Smirnov distance is of all values.

use std::fmt;

use crate::comparison::category_bins;
use crate::counts::Counts;
use crate::distance;
use crate::observed::Measure;
use crate::statistics::Statistics;
use crate::vectors::{Mmd, Vectors};

/// Rows that a side needs before anything is said of its values: the index of fewer is mostly chance.
pub const LEAST_ROWS: u64 = 200;

/// How two sets of values differ.
#[derive(Clone, PartialEq, Debug)]
pub struct Drift {
    /// The population stability index; `None` if a side has no value.
    pub psi: Option<f64>,
    /// The Kolmogorov–Smirnov distance; `None` of values without an order.
    pub ks: Option<f64>,
    /// By how much the true distance may be greater: 0 while each value has a bucket of its own.
    pub ks_error: Option<f64>,
    /// Pearson's χ² of the bins of both sides, without a correction.
    pub chi_square: Option<f64>,
    /// Its degrees of freedom: one less than there are bins with a value.
    pub degrees: u64,
    /// The Jensen–Shannon distance in base 2, from 0 to 1.
    pub jensen_shannon: Option<f64>,
    /// The maximum mean discrepancy of vectors; `None` of any other values.
    pub mmd: Option<Mmd>,
    /// The means of both sides.
    pub means: Option<[f64; 2]>,
    /// The shares of nulls of both sides.
    pub nulls: [f64; 2],
    /// How many values both sides have that are not null.
    pub values: [u64; 2],
}

/// What the population stability index, or of vectors the maximum mean discrepancy, amounts to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DriftVerdict {
    /// A side has no value: nothing can be said.
    Unknown,
    /// A side has fewer than [`LEAST_ROWS`] values: nothing is said of them.
    TooFew,
    /// Below 0.1.
    Stable,
    /// From 0.1 on.
    Moved,
    /// Above 0.25.
    Drifted,
}

impl DriftVerdict {
    /// The index from which on values have moved.
    pub const MOVED: f64 = 0.1;
    /// The index beyond which they have drifted.
    pub const DRIFTED: f64 = 0.25;

    /// Whether both sides were compared.
    pub const fn is_known(self) -> bool {
        !matches!(self, DriftVerdict::Unknown | DriftVerdict::TooFew)
    }

    /// The name that every interface shows.
    pub const fn name(self) -> &'static str {
        match self {
            DriftVerdict::Unknown => "unknown",
            DriftVerdict::TooFew => "too few rows",
            DriftVerdict::Stable => "stable",
            DriftVerdict::Moved => "moved",
            DriftVerdict::Drifted => "drifted",
        }
    }
}

impl fmt::Display for DriftVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Drift {
    /// The drift of `live` from `reference`, of columns of one type.
    pub fn between(reference: &Statistics, live: &Statistics) -> Self {
        let buckets = Counts::paired(&reference.counts, &live.counts);
        let measure = reference.measure();
        let bins = match measure {
            Measure::Categories | Measure::Equality => category_bins(&buckets),
            Measure::Ints | Measure::Floats | Measure::Times => distance::bins(&buckets),
        };
        let ks = distance::ks(&buckets).filter(|_| measure.is_ordered());
        let share = |of: &Statistics| of.nulls() as f64 / of.rows().max(1) as f64;
        Self {
            psi: distance::psi(&bins),
            ks: ks.map(|ks| ks.distance),
            ks_error: ks.map(|ks| ks.error),
            chi_square: distance::chi_square(&bins),
            degrees: (bins.iter().filter(|[old, new]| old + new > 0).count() as u64).saturating_sub(1),
            jensen_shannon: distance::jensen_shannon(&bins),
            mmd: Vectors::mmd(&reference.vectors, &live.vectors),
            means: reference.mean().zip(live.mean()).map(|(old, new)| [old, new]),
            nulls: [share(reference), share(live)],
            values: [reference, live].map(|side| side.rows() - side.nulls()),
        }
    }

    /// What the population stability index amounts to; of vectors whether their discrepancy is beyond its bound.
    pub fn verdict(&self) -> DriftVerdict {
        let is_few = self.values.iter().any(|values| *values < LEAST_ROWS);
        match (self.psi, self.mmd) {
            (None, None) => DriftVerdict::Unknown,
            _ if is_few => DriftVerdict::TooFew,
            (None, Some(mmd)) if mmd.distance > mmd.bound => DriftVerdict::Drifted,
            (None, Some(_)) => DriftVerdict::Stable,
            (Some(psi), _) if psi > DriftVerdict::DRIFTED => DriftVerdict::Drifted,
            (Some(psi), _) if psi >= DriftVerdict::MOVED => DriftVerdict::Moved,
            (Some(_), _) => DriftVerdict::Stable,
        }
    }
}

#[cfg(test)]
mod tests {
    use feature::Scalar;
    use proptest::prelude::*;

    use super::*;
    use crate::observed::Observed;

    fn of(values: &[f64]) -> Statistics {
        let mut statistics = Statistics::of(Scalar::Float64.into());
        values.iter().for_each(|x| statistics.add(Observed::Float(*x)));
        statistics
    }

    /// The greatest difference of both cumulative shares, by its definition.
    fn ks(old: &[f64], new: &[f64]) -> f64 {
        let share =
            |side: &[f64], x: f64| side.iter().filter(|y| **y <= x).count() as f64 / side.len() as f64;
        old.iter().chain(new).map(|x| (share(old, *x) - share(new, *x)).abs()).fold(0.0, f64::max)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn of_more_values_than_buckets_the_distance_is_within_the_error_that_it_states(
            old in prop::collection::vec(-1e6..1e6_f64, 1100..1500), shift in 0.0..1e6_f64,
        ) {
            let new: Vec<f64> = old.iter().rev().map(|x| x / 2.0 + shift).collect();
            let drift = Drift::between(&of(&old), &of(&new));
            let (found, error) = (drift.ks.unwrap(), drift.ks_error.unwrap());
            let exact = ks(&old, &new);
            prop_assert!(error > 0.0 && found <= exact + 1e-9 && exact <= found + error + 1e-9, "{found} ± {error}, not {exact}");
        }
    }

    #[test]
    fn the_verdict_follows_the_bounds_of_the_index() {
        let enough = of(&[1.0; LEAST_ROWS as usize]);
        let verdict = |psi| Drift { psi, ..Drift::between(&enough, &enough) }.verdict();
        assert_eq!(verdict(None), DriftVerdict::Unknown);
        assert_eq!(verdict(Some(0.099)), DriftVerdict::Stable);
        assert_eq!(verdict(Some(0.1)), DriftVerdict::Moved);
        assert_eq!(verdict(Some(0.25)), DriftVerdict::Moved);
        assert_eq!(verdict(Some(0.251)), DriftVerdict::Drifted);
        assert_eq!(Drift::between(&of(&[]), &of(&[1.0])).verdict(), DriftVerdict::Unknown);
    }

    #[test]
    fn of_too_few_values_on_either_side_no_drift_is_said() {
        let values: Vec<f64> = (0..600).map(f64::from).collect();
        let (all, few) = (of(&values), of(&values[..199]));
        for (reference, live) in [(&all, &few), (&few, &all)] {
            let drift = Drift::between(reference, live);
            assert!(drift.psi.unwrap() > DriftVerdict::DRIFTED, "{drift:?}");
            assert_eq!(drift.verdict(), DriftVerdict::TooFew);
        }
        assert_eq!(Drift::between(&all, &of(&values[..200])).verdict(), DriftVerdict::Drifted);
        // Nulls are no values.
        let mut sparse = few.clone();
        (0..400).for_each(|_| sparse.add(Observed::Null));
        assert_eq!(Drift::between(&all, &sparse).verdict(), DriftVerdict::TooFew);
        let known =
            [DriftVerdict::Unknown, DriftVerdict::TooFew, DriftVerdict::Stable, DriftVerdict::Drifted];
        assert_eq!(known.map(DriftVerdict::is_known), [false, false, true, true]);
    }
}
