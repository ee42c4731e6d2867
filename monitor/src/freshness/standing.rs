//! How one objective stands at a moment: what was attained, how much of the budget is left, how fast it burns, and since
//! when.

use feature::{Micros, Span};

use super::burn::{self, BurnRule, Severity};
use super::objective::allowed;
use super::windows::{CountedSlot, ReadCounts, sum};

/// The rolling window that a budget is for.
const BUDGET_WINDOW: Span = Span::DAY.times(30);

/// Windows up to this one are summed from minutes, longer ones from hours.
const MINUTES_UP_TO: Span = Span::HOUR.times(6);

/// How long ago the last bad minute lies at most while reads are still bad, in microseconds.
const STILL_US: i64 = 5 * 60_000_000;

/// How fast a budget burns over one window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Burn {
    /// The window.
    pub window: Span,
    /// How many times as fast as it may; `None` if no read counts.
    pub rate: Option<f64>,
}

/// How an objective stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// What was counted in the window of the budget.
    pub counts: ReadCounts,
    /// The share of good reads, from 0 to 1; `None` if no read counts.
    pub attained: Option<f64>,
    /// Which share of the budget is left: 1 for all of it, below 0 where it is overspent; `None` if no read counts.
    pub budget_left: Option<f64>,
    /// How fast the budget burns, by window, the shortest first.
    pub burns: Vec<Burn>,
    /// Who is to act, by the most severe alert that fires; `None` if nobody.
    pub severity: Option<Severity>,
    /// Since when reads have been worse than the budget allows, minute for minute; `None` if they are not now.
    pub since: Option<Micros>,
}

impl Standing {
    /// How an objective with a target in percent stands. Minutes are those of the last six hours at least, hours those of
    /// the window of the budget; both ascend.
    pub fn at(target: f64, minutes: &[CountedSlot], hours: &[CountedSlot], now: Micros) -> Self {
        let over = |window: Span| {
            if window <= MINUTES_UP_TO {
                sum(minutes, Span::MINUTE, window, now)
            } else {
                sum(hours, Span::HOUR, window, now)
            }
        };
        let counts = over(BUDGET_WINDOW);
        let burns = BurnRule::windows().into_iter();
        let burns = burns.map(|window| Burn { window, rate: burn::rate(target, &over(window)) });
        let fires = |rule: &&BurnRule| rule.fires(target, &over(rule.long), &over(rule.short));
        let severity = BurnRule::ALL.iter().find(fires).map(|rule| rule.severity);
        Self {
            attained: counts.bad_share().map(|bad| 1.0 - bad),
            budget_left: counts.bad_share().map(|bad| 1.0 - bad / allowed(target)),
            burns: burns.collect(),
            severity,
            since: since(target, minutes, now),
            counts,
        }
    }

    /// How fast the budget burns over one window.
    #[cfg(test)]
    pub(super) fn burn(&self, window: Span) -> Option<f64> {
        self.burns.iter().find(|burn| burn.window == window)?.rate
    }
}

/// The first of the newest minutes that all had more bad reads than the target allows; minutes without reads are passed
/// over.
fn since(target: f64, minutes: &[CountedSlot], now: Micros) -> Option<Micros> {
    let mut began = None;
    for minute in minutes.iter().rev().filter(|minute| minute.from <= now) {
        let Some(bad) = minute.counts.bad_share() else { continue };
        let is_recent = began.is_some() || now.since(minute.from) <= STILL_US;
        if bad <= allowed(target) || !is_recent {
            break;
        }
        began = Some(minute.from);
    }
    began
}
