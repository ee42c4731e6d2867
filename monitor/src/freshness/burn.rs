//! How fast an error budget burns, and which alert follows: several windows at several rates, as in chapter 5 of
//! Google's Site Reliability Workbook. A long window shows that it matters, a short one that it is still so.

use feature::Span;

use super::objective::allowed;
use super::windows::ReadCounts;

/// Who is to act, and when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// In the next days.
    Ticket,
    /// Somebody, now.
    Page,
}

impl Severity {
    /// What alerts and reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Ticket => "ticket",
            Severity::Page => "page",
        }
    }
}

/// An alert that fires while the budget burns this many times as fast as it may, over both windows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BurnRule {
    /// Who is to act.
    pub severity: Severity,
    /// How many times as fast as the budget allows.
    pub rate: f64,
    /// Over which window it has to burn.
    pub long: Span,
    /// And over which it has to burn still.
    pub short: Span,
}

impl BurnRule {
    /// Every rule, the fastest first: 2% of the budget of 30 days in an hour, 5% in six hours, and 10% in three days.
    pub const ALL: [BurnRule; 3] = [
        BurnRule { severity: Severity::Page, rate: 14.4, long: Span::HOUR, short: Span::MINUTE.times(5) },
        BurnRule {
            severity: Severity::Page,
            rate: 6.0,
            long: Span::HOUR.times(6),
            short: Span::MINUTE.times(30),
        },
        BurnRule {
            severity: Severity::Ticket,
            rate: 1.0,
            long: Span::DAY.times(3),
            short: Span::HOUR.times(6),
        },
    ];

    /// The windows of all rules, the shortest first.
    pub fn windows() -> Vec<Span> {
        let mut windows: Vec<Span> = Self::ALL.iter().flat_map(|rule| [rule.long, rule.short]).collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// The share of bad reads, from 0 to 1, from which on it fires with a target in percent. With a low target not even
    /// bad reads alone burn as fast as the rule says: it fires when all reads are bad.
    pub fn bad_share(&self, target: f64) -> f64 {
        (self.rate * allowed(target)).min(1.0)
    }

    /// Whether it fires with what was counted over both windows.
    pub fn fires(&self, target: f64, long: &ReadCounts, short: &ReadCounts) -> bool {
        let bound = self.bad_share(target);
        [long, short].into_iter().all(|counts| counts.bad_share().is_some_and(|share| share >= bound))
    }
}

/// How many times as fast as a target in percent allows its budget burns; `None` if no read counts.
pub(super) fn rate(target: f64, counts: &ReadCounts) -> Option<f64> {
    Some(counts.bad_share()? / allowed(target))
}
