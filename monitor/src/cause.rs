//! What probably changed, named from the figures alone: another unit, a value that stands for a missing one, values
//! that are gone.

use std::fmt;

use feature::Value;

use crate::figures::Figures;
use crate::observed::Measure;
use crate::quantiles::number;

/// A value has to gain this share of rows to be named.
const NAMED_GAIN: f64 = 0.01;
/// Quantiles whose ratios agree within this share are multiples of each other.
const AGREE: f64 = 0.02;
/// Different quantiles that it takes to call the new values a multiple of the old ones.
const LEAST_QUANTILES: usize = 5;
/// A share of nulls that changed by this much is named.
const NAMED_NULLS: f64 = 0.01;

/// What probably changed.
#[derive(Clone, PartialEq, Debug)]
pub enum LikelyCause {
    /// Every new value is about this many times the old one.
    Multiple(f64),
    /// A value that the old version rarely has.
    NewValue {
        /// The value.
        value: Value,
        /// Its share of the old values.
        old: f64,
        /// Its share of the new values.
        new: f64,
    },
    /// This share of rows lost their values.
    ValuesLost(f64),
    /// This share of rows have values that were null.
    ValuesGained(f64),
    /// This share of rows were null, and have the default of the new version.
    DefaultsFilled(f64),
    /// This share of rows had the default of the old version, and are null.
    DefaultsGone(f64),
}

/// Factors of units that are mistaken for each other.
const UNITS: [(f64, &str); 12] = [
    (60.0, "as from minutes to seconds, or hours to minutes"),
    (1.0 / 60.0, "as from seconds to minutes, or minutes to hours"),
    (3600.0, "as from hours to seconds"),
    (1.0 / 3600.0, "as from seconds to hours"),
    (24.0, "as from days to hours"),
    (1.0 / 24.0, "as from hours to days"),
    (1000.0, "as from a unit to thousandths of it"),
    (0.001, "as from thousandths to the unit"),
    (100.0, "as from shares to per cent, or a currency to its cents"),
    (0.01, "as from per cent to shares, or cents to the currency"),
    (1.609_344, "as from miles to kilometres"),
    (1.0 / 1.609_344, "as from kilometres to miles"),
];

impl LikelyCause {
    /// The factor between two units where one is within this share of a factor, and the factor itself elsewhere.
    pub(crate) fn nearest_unit(factor: f64, within: f64) -> f64 {
        let distance = |unit: f64| (factor / unit - 1.0).abs();
        let nearest =
            UNITS.iter().map(|(unit, _)| *unit).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        nearest.filter(|unit| distance(*unit) <= within).unwrap_or(factor)
    }
}

impl fmt::Display for LikelyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |x: f64| format!("{:.1}%", x * 100.0);
        match self {
            LikelyCause::Multiple(factor) => {
                let near = |(unit, _): &&(f64, &str)| (factor / unit - 1.0).abs() <= AGREE;
                match UNITS.iter().find(near) {
                    Some((unit, how)) => {
                        write!(f, "the new values are {} times the old ones, {how}", short(*unit))
                    }
                    None => write!(f, "the new values are {} times the old ones", short(*factor)),
                }
            }
            LikelyCause::NewValue { value, old, new } => {
                write!(
                    f,
                    "{value} is {} of the new values and {} of the old ones",
                    percent(*new),
                    percent(*old)
                )
            }
            LikelyCause::ValuesLost(share) => write!(f, "{} of rows lost their value", percent(*share)),
            LikelyCause::ValuesGained(share) => {
                write!(f, "{} of rows have a value that was null", percent(*share))
            }
            LikelyCause::DefaultsFilled(share) => {
                write!(
                    f,
                    "{} of rows were null, and have the default that the new version names",
                    percent(*share)
                )
            }
            LikelyCause::DefaultsGone(share) => {
                write!(
                    f,
                    "{} of rows had the default that the old version names, and are null",
                    percent(*share)
                )
            }
        }
    }
}

/// A factor to three digits.
fn short(x: f64) -> String {
    let digits = (2 - x.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

impl Figures {
    /// What probably changed; nothing where the figures do not say.
    pub fn likely_causes(&self) -> Vec<LikelyCause> {
        let mut causes = Vec::new();
        causes.extend(self.multiple().map(LikelyCause::Multiple));
        if causes.is_empty()
            && let Some((value, old, new)) = &self.new_value
            && new - old >= NAMED_GAIN
            && *old < new / 10.0
        {
            causes.push(LikelyCause::NewValue { value: value.clone(), old: *old, new: *new });
        }
        let share = |rows: u64| rows as f64 / self.rows.max(1) as f64;
        let lost = LikelyCause::ValuesLost(share(self.nulls.lost));
        let gained = LikelyCause::ValuesGained(share(self.nulls.gained));
        causes.extend((share(self.nulls.lost) >= NAMED_NULLS).then_some(lost));
        causes.extend((share(self.nulls.gained) >= NAMED_NULLS).then_some(gained));
        let (filled, emptied) = (self.nulls.filled, self.nulls.emptied);
        causes.extend((filled > 0).then(|| LikelyCause::DefaultsFilled(share(filled))));
        causes.extend((emptied > 0).then(|| LikelyCause::DefaultsGone(share(emptied))));
        causes
    }

    /// The factor between the quantiles of both sides, where it is one.
    fn multiple(&self) -> Option<f64> {
        if !matches!(self.measure, Measure::Ints | Measure::Floats) {
            return None;
        }
        let middle = self.quantiles.iter().filter(|pair| (50..=950).contains(&pair.per_mille));
        let pairs: Vec<(f64, f64)> =
            middle.map(|pair| Some((number(&pair.old)?, number(&pair.new)?))).collect::<Option<_>>()?;
        // Zero is every multiple of zero, and no multiple of anything else.
        if pairs.iter().any(|(old, new)| (*old == 0.0) != (*new == 0.0)) {
            return None;
        }
        let pairs: Vec<(f64, f64)> = pairs.into_iter().filter(|(old, _)| *old != 0.0).collect();
        let mut olds: Vec<f64> = pairs.iter().map(|(old, _)| *old).collect();
        olds.dedup();
        let mut ratios: Vec<f64> = pairs.iter().map(|(old, new)| new / old).collect();
        ratios.sort_by(f64::total_cmp);
        let middle = *ratios.get(ratios.len() / 2)?;
        let agree = ratios.iter().all(|ratio| (ratio / middle - 1.0).abs() <= AGREE);
        (olds.len() >= LEAST_QUANTILES && agree && (middle - 1.0).abs() > 5.0 * AGREE).then_some(middle)
    }
}
