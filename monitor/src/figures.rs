//! The figures of a comparison: how many rows agree, what happened to nulls, and how far the distributions lie apart.

use feature::{Status, Value};

use crate::bars::Bar;
use crate::moments::Moments;
use crate::observed::Measure;
use crate::quantiles::QuantilePair;

/// The figures of one feature in two versions.
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    /// What was measured.
    pub measure: Measure,
    /// Rows that were compared.
    pub rows: u64,
    /// Of these, rows whose values are equal to the bit.
    pub equal: u64,
    /// The outcome for nulls.
    pub nulls: Nulls,
    /// Rows whose status differs, by both statuses.
    pub statuses: Vec<StatusChange>,
    /// The population stability index, in bins that the old values fix; `None` where a side has no value.
    pub psi: Option<f64>,
    /// The two-sample Kolmogorov–Smirnov distance; `None` where a side has no value, or values have no order.
    pub ks: Option<f64>,
    /// By how much the true distance may be greater; 0 unless there were more different values than are kept.
    pub ks_error: Option<f64>,
    /// The means of numbers.
    pub mean: Option<MeanShift>,
    /// Quantiles of ordered values.
    pub quantiles: Vec<QuantilePair>,
    /// Both distributions, to be drawn.
    pub bars: Vec<Bar>,
    /// Whether every different value was counted by itself.
    pub is_exact: bool,
    /// The value whose share grew most, with its old and its new share.
    pub(crate) new_value: Option<(Value, f64, f64)>,
}

/// The outcome for nulls.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Nulls {
    /// Rows that are null in both versions, and have a default in neither.
    pub both: u64,
    /// Rows that are null in both versions, and have the default of each.
    pub defaults: u64,
    /// Rows that have a value in the new version only; in the old one they are null or have its default.
    pub gained: u64,
    /// Rows that had a value in the old version only; in the new one they are null or have its default.
    pub lost: u64,
    /// Rows that are null in the old version, and have the default of the new one: it names one for them.
    pub filled: u64,
    /// Rows that have the default of the old version, and are null in the new one, which names none for them.
    pub emptied: u64,
}

/// Rows whose status is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusChange {
    /// What it was.
    pub old: Status,
    /// What it is.
    pub new: Status,
    /// Of how many rows.
    pub rows: u64,
}

/// The means of both sides' finite numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MeanShift {
    /// The old mean.
    pub old: f64,
    /// The new mean.
    pub new: f64,
    /// The difference, relative to the old mean or to a tenth of the old standard deviation, whichever is greater:
    /// a mean near zero is no scale. `None` where both are zero and the new mean is not.
    pub relative: Option<f64>,
}

impl MeanShift {
    pub(crate) fn of(old: &Moments, new: &Moments) -> Option<Self> {
        let (old_mean, new_mean) = (old.mean()?, new.mean()?);
        let scale = old_mean.abs().max(old.spread().map_or(0.0, |spread| spread / 10.0));
        let relative = match new_mean - old_mean {
            0.0 => Some(0.0),
            shift => Some(shift / scale).filter(|relative| relative.is_finite()),
        };
        Some(Self { old: old_mean, new: new_mean, relative })
    }
}

impl Figures {
    /// The share of rows whose values are equal; `None` of no rows.
    pub fn equal_share(&self) -> Option<f64> {
        self.share(self.equal)
    }

    /// The shares of nulls in the old and in the new version, those included that defaults stand for in both, or where the
    /// other has a value; `None` of no rows.
    pub fn null_shares(&self) -> Option<(f64, f64)> {
        let Nulls { both, defaults, gained, lost, filled, emptied } = self.nulls;
        let both = both + defaults;
        self.share(both + gained + filled).zip(self.share(both + lost + emptied))
    }

    /// By how much the share of nulls grew, but for defaults, which definitions name; `None` of no rows.
    pub fn null_growth(&self) -> Option<f64> {
        self.share(self.nulls.lost).zip(self.share(self.nulls.gained)).map(|(lost, gained)| lost - gained)
    }

    /// Whether neither version has a value in any row.
    pub const fn has_no_value(&self) -> bool {
        self.nulls.both == self.rows
    }

    fn share(&self, rows: u64) -> Option<f64> {
        (self.rows > 0).then(|| rows as f64 / self.rows as f64)
    }
}
