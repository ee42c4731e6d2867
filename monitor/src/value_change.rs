//! What changed in the values of a column on one date, beside the dates before: another unit, a value that stands for a
//! missing one, nulls, another distribution; and rows that did not come.
//!
//! Dates differ from each other by themselves. So a distribution has changed only where it is farther from the dates before
//! than any of these is from the others, and fewer rows came only where none of the dates before had as few.

use std::fmt;

use feature::{Value, thousands};

use crate::cause::LikelyCause;
use crate::drift::{Drift, DriftVerdict, LEAST_ROWS};
use crate::quantiles::number;
use crate::statistics::Statistics;

/// Dates before that it takes to know how much dates differ by themselves.
const LEAST_DATES: usize = 3;
/// Weeks of a reference that it takes to know how much weeks differ by themselves.
const LEAST_WEEKS: usize = 3;
/// A factor from which on values are another multiple.
const LEAST_FACTOR: f64 = 1.5;
/// Ratios of quantiles that agree within this share of their factor are one multiple.
const AGREE: f64 = 0.2;
/// Different quantiles that it takes to call values a multiple.
const LEAST_QUANTILES: usize = 5;
/// A number beyond nearly all values before has to have this share of rows to be named.
const NAMED_NUMBER: f64 = 0.02;
/// The same of a category.
const NAMED_CATEGORY: f64 = 0.1;
/// A share of nulls that rose by this much is named.
const NAMED_NULLS: f64 = 0.05;
/// So many times farther than any date before from the others is another distribution.
const FARTHER: f64 = 1.5;
/// The share of the least number of rows before, below which rows are missing.
const LEAST_SHARE: f64 = 0.85;

/// What changed in the values of a column, or in the rows of a view.
#[derive(Clone, PartialEq, Debug)]
pub enum ValueChange {
    /// Another unit, or a value that stands for something else.
    Likely(LikelyCause),
    /// More rows are null.
    Nulls {
        /// Their share before.
        before: f64,
        /// Their share now.
        now: f64,
    },
    /// The distribution is another one.
    Distribution {
        /// The population stability index.
        psi: f64,
    },
    /// The distribution has become another one over weeks, without a date on which it changed.
    SlowDrift {
        /// The population stability index between the weeks of the reference and the newest week.
        psi: f64,
    },
    /// Fewer rows came.
    FewerRows {
        /// The fewest of the dates before.
        before: u64,
        /// Rows now.
        now: u64,
    },
}

impl ValueChange {
    /// What metrics call it.
    pub const fn name(&self) -> &'static str {
        match self {
            ValueChange::Likely(LikelyCause::Multiple(_)) => "multiple",
            ValueChange::Likely(_) => "new_value",
            ValueChange::Nulls { .. } => "nulls",
            ValueChange::Distribution { .. } => "distribution",
            ValueChange::SlowDrift { .. } => "slow_drift",
            ValueChange::FewerRows { .. } => "fewer_rows",
        }
    }
}

impl fmt::Display for ValueChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueChange::Likely(cause) => write!(f, "{cause}"),
            ValueChange::Nulls { before, now } => {
                write!(f, "{:.1}% of rows are null, and {:.1}% before", now * 100.0, before * 100.0)
            }
            ValueChange::Distribution { psi } => {
                write!(f, "the distribution is another one, with a population stability index of {psi:.2}")
            }
            ValueChange::SlowDrift { psi } => write!(
                f,
                "the week up to then is not like those of a month before, with a population stability index of {psi:.2}, \
                 although no date differs as much from those before it"
            ),
            ValueChange::FewerRows { before, now: 0 } => {
                write!(f, "no row came, and at least {} on each of the dates before", thousands(*before))
            }
            ValueChange::FewerRows { before, now } => write!(
                f,
                "{} rows came, {:.0}% fewer than on any of the dates before",
                thousands(*now),
                (1.0 - *now as f64 / (*before).max(1) as f64) * 100.0
            ),
        }
    }
}

/// What changed in the values of a column on a date; nothing where there are too few rows or dates to say so. The
/// distribution is compared where the date is `over`: some hours of a date are not like all of another.
pub fn value_changes(before: &[&Statistics], now: &Statistics, over: bool) -> Vec<ValueChange> {
    let before: Vec<&Statistics> = before.iter().copied().filter(|day| day.rows() >= LEAST_ROWS).collect();
    let Some(all) = merged(&before).filter(|_| before.len() >= LEAST_DATES && now.rows() >= LEAST_ROWS)
    else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    match multiple(&all, now) {
        Some(factor) => changes.push(ValueChange::Likely(LikelyCause::Multiple(factor))),
        None => changes.extend(new_value(&all, now).map(ValueChange::Likely)),
    }
    let share = |of: &Statistics| of.nulls() as f64 / of.rows().max(1) as f64;
    let most = before.iter().map(|day| share(day)).fold(0.0, f64::max);
    if share(now) >= most + NAMED_NULLS && share(now) >= 2.0 * most {
        changes.push(ValueChange::Nulls { before: most, now: share(now) });
    }
    if over && changes.is_empty() {
        changes.extend(distribution(&before, &all, now));
    }
    changes
}

/// Whether a week is unlike the weeks of a reference, by more than these differ from each other; nothing where there are
/// too few rows or weeks to say so. What comes slowly is not seen from one date to the next.
pub fn slow_drift(reference: &[&Statistics], week: &Statistics) -> Option<ValueChange> {
    let enough = |one: &&Statistics| one.rows() >= 7 * LEAST_ROWS;
    let reference: Vec<&Statistics> = reference.iter().copied().filter(enough).collect();
    let all = merged(&reference).filter(|_| reference.len() >= LEAST_WEEKS && enough(&week))?;
    distance(&reference, &all, week).map(|psi| ValueChange::SlowDrift { psi })
}

/// Whether fewer rows came than on any of these dates; nothing where these are too few to say so.
pub fn fewer_rows(before: &[u64], now: u64) -> Option<ValueChange> {
    let least = before.iter().copied().min().filter(|_| before.len() >= LEAST_DATES)?;
    let is_fewer = least >= LEAST_ROWS && (now as f64) < LEAST_SHARE * least as f64;
    is_fewer.then_some(ValueChange::FewerRows { before: least, now })
}

fn merged(days: &[&Statistics]) -> Option<Statistics> {
    let (first, others) = days.split_first()?;
    let mut all = (*first).clone();
    others.iter().for_each(|day| all.merge(day));
    Some(all)
}

/// The factor between the quantiles of both sides, where it is one; that of two units where it is near.
fn multiple(before: &Statistics, now: &Statistics) -> Option<f64> {
    before.mean().zip(now.mean())?;
    let pair = |per_mille| Some((number(&before.quantile(per_mille))?, number(&now.quantile(per_mille))?));
    let pairs: Vec<(f64, f64)> = (1..20).map(|part| pair(part * 50)).collect::<Option<_>>()?;
    // Near zero a small difference is a large ratio.
    let span = pairs.iter().map(|(old, _)| old.abs()).fold(0.0, f64::max);
    let far: Vec<(f64, f64)> =
        pairs.into_iter().filter(|(old, _)| old.abs() >= span / 10.0 && span > 0.0).collect();
    let mut olds: Vec<f64> = far.iter().map(|(old, _)| *old).collect();
    olds.dedup();
    let mut ratios: Vec<f64> = far.iter().map(|(old, new)| new / old).collect();
    ratios.sort_by(f64::total_cmp);
    let factor = *ratios.get(ratios.len() / 2)?;
    let is_other = factor >= LEAST_FACTOR || (factor > 0.0 && factor <= 1.0 / LEAST_FACTOR);
    let agree = ratios.iter().filter(|ratio| (*ratio / factor - 1.0).abs() <= AGREE).count();
    let is_one = olds.len() >= LEAST_QUANTILES && agree * 10 >= ratios.len() * 8;
    (is_other && is_one).then(|| LikelyCause::nearest_unit(factor, AGREE))
}

/// A value that has many rows now and had few or none before: a number beyond nearly all others, or a category.
fn new_value(before: &Statistics, now: &Statistics) -> Option<LikelyCause> {
    let shares = |of: &Statistics, rows: u64| rows as f64 / of.rows().max(1) as f64;
    let olds = before.top(usize::MAX);
    let bounds = number(&before.quantile(1)).zip(number(&before.quantile(999)));
    now.top(5).into_iter().find_map(|top| {
        let known = olds.iter().find(|old| old.value == top.value).map_or(0, |old| old.rows);
        let (old, new) = (shares(before, known), shares(now, top.rows));
        let is_named = match (number(&top.value), bounds) {
            (Some(x), Some((least, most))) => new >= NAMED_NUMBER && (x < least || x > most),
            (None, _) => new >= NAMED_CATEGORY && !matches!(top.value, Value::Bool(_)),
            (Some(_), None) => false,
        };
        (is_named && old < new / 10.0).then_some(LikelyCause::NewValue { value: top.value, old, new })
    })
}

/// Another distribution: farther from the dates before than any of these is from the others.
fn distribution(before: &[&Statistics], all: &Statistics, now: &Statistics) -> Option<ValueChange> {
    distance(before, all, now).map(|psi| ValueChange::Distribution { psi })
}

/// The population stability index of a part beside others, all of them together, where it is farther from these than any
/// of them is from the rest.
fn distance(before: &[&Statistics], all: &Statistics, now: &Statistics) -> Option<f64> {
    let psi = Drift::between(all, now).psi.filter(|psi| *psi > DriftVerdict::DRIFTED)?;
    let farthest = (0..before.len()).filter_map(|index| {
        let others: Vec<&Statistics> =
            before.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, day)| *day).collect();
        Drift::between(&merged(&others)?, before.get(index)?).psi
    });
    let farthest = farthest.fold(0.0, f64::max);
    (psi > FARTHER * farthest).then_some(psi)
}

#[cfg(test)]
mod tests {
    use feature::Scalar;

    use super::*;
    use crate::observed::Observed;

    /// Delays in minutes of one day, from the day's number.
    fn day(number: u64, rows: u64, of: impl Fn(f64) -> f64) -> Statistics {
        let mut statistics = Statistics::of(Scalar::Float64.into());
        for row in 0..rows {
            let drawn = (row * 7919 + number * 104_729) % 1000;
            statistics.add(Observed::Float(of((drawn as f64 / 10.0).round() - 10.0)));
        }
        statistics
    }

    fn changes(now: &Statistics) -> Vec<String> {
        let before: Vec<Statistics> = (0..7).map(|number| day(number, 900, |delay| delay)).collect();
        let before: Vec<&Statistics> = before.iter().collect();
        value_changes(&before, now, true).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_day_like_the_others_has_not_changed() {
        assert_eq!(changes(&day(9, 900, |delay| delay)), [""; 0]);
        assert_eq!(changes(&day(9, 199, |delay| delay * 60.0)), [""; 0]);
    }

    #[test]
    fn another_unit_is_named_by_its_factor() {
        assert_eq!(
            changes(&day(9, 900, |delay| delay * 60.0)),
            ["the new values are 60 times the old ones, as from minutes to seconds, or hours to minutes"]
        );
        let hours = changes(&day(9, 900, |delay| delay / 60.0));
        assert!(hours[0].contains("as from seconds to minutes"), "{hours:?}");
    }

    #[test]
    fn a_value_that_stands_for_a_missing_one_is_named_with_its_share() {
        let sentinel = day(9, 900, |delay| if delay as i64 % 20 == 0 { 999.0 } else { delay });
        let said = changes(&sentinel);
        assert!(
            said[0].starts_with("999 is ") && said[0].ends_with("of the new values and 0.0% of the old ones"),
            "{said:?}"
        );
    }

    #[test]
    fn nulls_and_another_distribution_are_named() {
        let mut nulls = day(9, 900, |delay| delay);
        nulls.add_nulls(200);
        assert_eq!(changes(&nulls), ["18.2% of rows are null, and 0.0% before"]);
        let said = changes(&day(9, 900, |delay| delay + 60.0));
        assert!(said[0].starts_with("the distribution is another one"), "{said:?}");
        let before: Vec<Statistics> = (0..7).map(|number| day(number, 900, |delay| delay)).collect();
        let before: Vec<&Statistics> = before.iter().collect();
        let morning = day(9, 300, |delay| delay + 60.0);
        assert_eq!(value_changes(&before, &morning, false), []);
    }

    #[test]
    fn a_week_that_is_unlike_those_of_a_reference_has_drifted() {
        let week = |number: u64, shift: f64| day(number, 2_000, |delay| delay + shift);
        let reference: Vec<Statistics> = (0..4).map(|number| week(number, 0.0)).collect();
        let reference: Vec<&Statistics> = reference.iter().collect();
        assert_eq!(slow_drift(&reference, &week(9, 0.0)), None);
        let drifted = slow_drift(&reference, &week(9, 40.0)).unwrap();
        assert_eq!(drifted.name(), "slow_drift");
        assert!(drifted.to_string().starts_with("the week up to then is not like those of a month before"));
        // Weeks that differ as much from each other say nothing.
        let seasons: Vec<Statistics> = (0..4).map(|number| week(number, number as f64 * 30.0)).collect();
        assert_eq!(slow_drift(&seasons.iter().collect::<Vec<_>>(), &week(9, 110.0)), None);
        assert_eq!(slow_drift(&reference[..2], &week(9, 40.0)), None);
    }

    #[test]
    fn fewer_rows_are_those_that_no_date_before_had() {
        let said = fewer_rows(&[1000, 1100, 1050], 820).unwrap().to_string();
        assert_eq!(said, "820 rows came, 18% fewer than on any of the dates before");
        assert_eq!(fewer_rows(&[1000, 1100, 900], 820), None);
        assert_eq!(fewer_rows(&[1000, 1100], 10), None);
    }
}
