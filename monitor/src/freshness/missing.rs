//! Whether more reads find no row than before: an online store that silently lost a part of its rows answers for the
//! others as ever.

use feature::{Micros, Span};

use super::windows::{CountedSlot, ReadCounts, sum};

/// The minutes that are compared, and the hour before them.
const LATELY: Span = Span::MINUTE.times(5);
const BEFORE: Span = Span::HOUR;

/// A share that rose by at least this is no chance.
const RISE: f64 = 0.05;

/// With fewer reads on either side nothing is said.
const LEAST_READS: u64 = 100;

/// The shares of reads, from 0 to 1, that found no row: in the last five minutes, and in the hour before them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MissingRise {
    /// Lately.
    pub lately: f64,
    /// In the hour before.
    pub before: f64,
}

impl MissingRise {
    /// The rise at a moment, from minutes that ascend; `None` if there is none.
    pub fn at(minutes: &[CountedSlot], now: Micros) -> Option<Self> {
        let lately = sum(minutes, Span::MINUTE, LATELY, now);
        let before = sum(minutes, Span::MINUTE, LATELY.plus(BEFORE), now).since(&lately);
        let (lately, before) = (share(&lately)?, share(&before)?);
        (lately >= before + RISE).then_some(Self { lately, before })
    }
}

fn share(counts: &ReadCounts) -> Option<f64> {
    let all = counts.counted().saturating_add(counts.missing).saturating_add(counts.unknown);
    (all >= LEAST_READS).then(|| counts.missing as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_rows_that_is_gone_is_a_rise_and_entities_that_were_never_there_are_none() {
        let at = |minute: i64| Micros::new(1_370_044_800_000_000 + minute * 60_000_000).unwrap();
        let minutes = |missing: &dyn Fn(i64) -> u64| -> Vec<CountedSlot> {
            let of = |minute| {
                let missing = missing(minute);
                CountedSlot {
                    from: at(minute),
                    counts: ReadCounts { good: 100 - missing, missing, ..ReadCounts::default() },
                }
            };
            (0..70).map(of).collect()
        };
        let lost = minutes(&|minute| if minute >= 64 { 10 } else { 0 });
        let rise = MissingRise::at(&lost, at(69)).unwrap();
        assert!((rise.lately - 0.1).abs() < 1e-9 && rise.before < 0.01, "{rise:?}");
        assert_eq!(MissingRise::at(&lost[..60], at(59)), None);
        assert_eq!(MissingRise::at(&minutes(&|_| 30), at(69)), None);
        assert_eq!(MissingRise::at(&lost[65..], at(69)), None);
        assert_eq!(MissingRise::at(&[], at(69)), None);
    }
}
