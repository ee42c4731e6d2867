//! Whether a batch of rows is as its view expects it as a whole: how many of its rows fail, how many there are, and how
//! new the newest is.

use std::collections::BTreeMap;

use feature::{BatchCheck, BatchLimits, Micros, counted};

/// What is counted of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchFacts {
    /// Rows that were read and passed the view's `where`.
    pub rows: u64,
    /// Rows that the view would take.
    pub accepted: u64,
    /// Rows that fail an expectation which quarantines.
    pub failing: u64,
    /// The same by expectation.
    pub failing_by: BTreeMap<String, u64>,
    /// Rows with the entity and event time of an earlier row of the batch.
    pub repeated: u64,
    /// Rows with the entity and event time of a row of the log, or of an earlier row of the batch.
    pub repeated_in_log: u64,
    /// When the newest accepted row happened; `None` without a row, or in a static source.
    pub newest: Option<Micros>,
    /// When its load began.
    pub loaded_at: Micros,
    /// Rows that the log has of the same hours a week before; `None` if no check needs it.
    pub last_week: Option<u64>,
}

impl BatchFacts {
    /// Of a batch whose load began then, before any of its rows.
    pub fn begun_at(loaded_at: Micros) -> Self {
        Self {
            rows: 0,
            accepted: 0,
            failing: 0,
            failing_by: BTreeMap::new(),
            repeated: 0,
            repeated_in_log: 0,
            newest: None,
            loaded_at,
            last_week: None,
        }
    }
}

/// What follows from the facts of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BatchVerdict {
    /// Why the batch is quarantined, a clause each; it is not where there is none.
    pub reasons: Vec<String>,
    /// How many rows fail an expectation which quarantines, repeated ones included where that does.
    pub failing: u64,
    /// What is only counted: an expectation, and how many rows are against it; 1 for a check of the batch as a whole.
    pub warned: Vec<(String, u64)>,
}

impl BatchVerdict {
    /// Checks a batch. Its share of failing rows is of the rows that passed `where`; of an empty batch none fails.
    pub fn of(facts: &BatchFacts, limits: &BatchLimits) -> Self {
        let mut verdict = Self::default();
        let mut failing = facts.failing;
        let mut by_expectation = facts.failing_by.clone();
        for expectation in &limits.expectations {
            let name = &expectation.name;
            let repeated = match expectation.check {
                BatchCheck::Unique => Some(facts.repeated),
                BatchCheck::UniqueInLog => Some(facts.repeated_in_log),
                BatchCheck::Rows { .. } | BatchCheck::OfLastWeek { .. } | BatchCheck::NewestWithin(_) => None,
            };
            if let Some(repeated) = repeated {
                if expectation.quarantines {
                    failing += repeated;
                    by_expectation.insert(name.clone(), repeated);
                } else if repeated > 0 {
                    verdict.warned.push((name.clone(), repeated));
                }
                continue;
            }
            let Some(reason) = unmet(expectation.check, facts) else { continue };
            match expectation.quarantines {
                true => verdict.reasons.push(format!("`{name}`: {reason}")),
                false => verdict.warned.push((name.clone(), 1)),
            }
        }
        // A row may fail in both ways, and is one row.
        let failing = failing.min(facts.rows);
        verdict.failing = failing;
        let most = limits.max_bad_share();
        if failing as f64 > most * facts.rows as f64 {
            let named = by_expectation.iter().filter(|(_, rows)| **rows > 0);
            let named: Vec<String> = named.map(|(name, rows)| format!("{rows} `{name}`")).collect();
            verdict.reasons.insert(
                0,
                format!(
                    "{failing} of its {} fail ({}), and {}% may",
                    counted(facts.rows, "row"),
                    named.join(", "),
                    100.0 * most
                ),
            );
        }
        verdict
    }
}

/// How a batch does not meet a check of it as a whole; `None` if it does.
fn unmet(check: BatchCheck, facts: &BatchFacts) -> Option<String> {
    match check {
        BatchCheck::Unique | BatchCheck::UniqueInLog => None,
        BatchCheck::Rows { least } => (facts.rows < least)
            .then(|| format!("it has {}, and at least {least} are expected", counted(facts.rows, "row"))),
        BatchCheck::OfLastWeek { least } => {
            // Nothing was there a week before: there is nothing to compare with.
            let before = facts.last_week.filter(|rows| *rows > 0)?;
            let expected = least.get() * before as f64;
            ((facts.accepted as f64) < expected).then(|| {
                format!(
                    "it has {} of hours that had {before} a week before, and at least {} of these are expected",
                    counted(facts.accepted, "row"),
                    least.get()
                )
            })
        }
        BatchCheck::NewestWithin(span) => match facts.newest {
            None => Some(format!("it has no row, and one within {span} of its load is expected")),
            Some(newest) => (newest.saturating_add(span) < facts.loaded_at).then(|| {
                format!(
                    "its newest row is of {newest}, more than {span} before its load at {}",
                    facts.loaded_at
                )
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use feature::{BatchExpectation, Bound, Span};

    use super::*;

    fn limits(check: BatchCheck, quarantines: bool) -> BatchLimits {
        let expectations = vec![BatchExpectation { name: "n".to_owned(), check, quarantines }];
        BatchLimits { max_bad_share: None, expectations }
    }

    fn at(second: i64) -> Micros {
        Micros::new(second * 1_000_000).unwrap()
    }

    fn facts(rows: u64) -> BatchFacts {
        BatchFacts { rows, accepted: rows, newest: Some(at(900)), ..BatchFacts::begun_at(at(1000)) }
    }

    #[test]
    fn a_batch_is_quarantined_beyond_the_share_and_not_at_it() {
        let failing = |rows| BatchFacts { failing: rows, ..facts(100) };
        let within = BatchVerdict::of(&failing(5), &BatchLimits::default());
        assert_eq!(within, BatchVerdict { failing: 5, ..BatchVerdict::default() });
        let beyond = BatchVerdict::of(&failing(6), &BatchLimits::default());
        assert_eq!(beyond.reasons, ["6 of its 100 rows fail (), and 5% may"]);
        let most = BatchLimits { max_bad_share: Bound::new(0.5), ..BatchLimits::default() };
        assert!(BatchVerdict::of(&failing(50), &most).reasons.is_empty());
        assert_eq!(BatchVerdict::of(&failing(51), &most).reasons.len(), 1);
        assert!(BatchVerdict::of(&facts(0), &BatchLimits::default()).reasons.is_empty());
    }

    #[test]
    fn repeated_rows_count_as_failing_ones_or_are_only_counted() {
        let repeated = BatchFacts { repeated: 6, ..facts(100) };
        let quarantined = BatchVerdict::of(&repeated, &limits(BatchCheck::Unique, true));
        assert_eq!(quarantined.reasons, ["6 of its 100 rows fail (6 `n`), and 5% may"]);
        let warned = BatchVerdict::of(&repeated, &limits(BatchCheck::Unique, false));
        assert_eq!((quarantined.failing, warned.failing), (6, 0));
        assert_eq!((warned.reasons.len(), warned.warned), (0, vec![("n".to_owned(), 6)]));
        let in_log = BatchFacts { repeated: 0, repeated_in_log: 6, ..facts(100) };
        assert!(BatchVerdict::of(&in_log, &limits(BatchCheck::Unique, true)).reasons.is_empty());
        let quarantined = BatchVerdict::of(&in_log, &limits(BatchCheck::UniqueInLog, true));
        assert_eq!(quarantined.reasons, ["6 of its 100 rows fail (6 `n`), and 5% may"]);
    }

    #[test]
    fn a_batch_with_too_few_rows_or_old_ones_says_so() {
        let one = |check, facts: &BatchFacts| BatchVerdict::of(facts, &limits(check, true)).reasons;
        assert!(one(BatchCheck::Rows { least: 10 }, &facts(10)).is_empty());
        assert_eq!(
            one(BatchCheck::Rows { least: 10 }, &facts(9)),
            ["`n`: it has 9 rows, and at least 10 are expected"]
        );
        let hundred = Span::of(100, Span::SECOND).unwrap();
        assert!(one(BatchCheck::NewestWithin(hundred), &facts(1)).is_empty());
        let old = BatchFacts { newest: Some(at(899)), ..facts(1) };
        assert!(one(BatchCheck::NewestWithin(hundred), &old)[0].contains("more than 100s before its load"));
        let none = BatchFacts { newest: None, ..facts(0) };
        assert!(one(BatchCheck::NewestWithin(hundred), &none)[0].contains("no row"));
        let least = BatchCheck::OfLastWeek { least: Bound::new(0.8).unwrap() };
        let week = |last_week| BatchFacts { last_week, ..facts(80) };
        assert!(one(least, &week(Some(100))).is_empty());
        assert!(one(least, &week(Some(0))).is_empty());
        assert!(one(least, &week(Some(101)))[0].contains("80 rows of hours that had 101 a week before"));
        let warned = BatchVerdict::of(&facts(9), &limits(BatchCheck::Rows { least: 10 }, false));
        assert_eq!((warned.reasons.len(), warned.warned), (0, vec![("n".to_owned(), 1)]));
    }
}
