//! What servers counted of reads, as objectives are measured by it: minutes for burn rates, hours for budgets. Whoever looks
//! again and again reads only what may have changed since.

use std::collections::BTreeMap;
use std::ops::Range;

use feature::{Micros, Span};
use monitor::{CountedSlot, ReadCounts, Standing};
use registry::{CountedReads, ReadSlot, ReadsOf, Registry};

use super::cause::before;
use super::read_watch::Subject;
use crate::error::ProjectError;

/// How far back minutes are needed: an hour more than the longest window that is summed from them.
const MINUTES_BACK: Span = Span::HOUR.times(7);
/// How far back hours are needed: a day more than the window of a budget.
const HOURS_BACK: Span = Span::DAY.times(31);
/// Hours between these moments lie wholly in the window of a budget and in no other, so that their sum is enough. It stays
/// so for a day.
const SUMMED_FROM: Span = Span::DAY.times(29);
const SUMMED_TO: Span = Span::DAY.times(4);
/// After this long everything is read again.
const WHOLE_EVERY: Span = Span::HOUR.times(12);
/// Slots that began so long before the last look may have grown since: clocks of servers differ.
const MAY_HAVE_GROWN: [Span; 2] = [Span::MINUTE.times(10), Span::HOUR.times(2)];

/// Slots in the order of their begins, by subject.
type Slots = BTreeMap<Subject, Vec<CountedSlot>>;

/// What was counted, by view and by service.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    minutes: Slots,
    hours: Slots,
    /// When everything was read, and when it was last looked at.
    looked: Option<(Micros, Micros)>,
}

impl Counted {
    /// Everything that was counted.
    pub(super) async fn read(registry: &Registry, now: Micros) -> Result<Self, ProjectError> {
        let (from, to) = (before(now, SUMMED_FROM), before(now, SUMMED_TO));
        let (mut minutes, mut hours) = (Slots::new(), Slots::new());
        add(&mut hours, registry.reads_between(Span::HOUR, before(now, HOURS_BACK), from).await?);
        for (subject, summed) in by_subject(registry.reads_summed(Span::HOUR, from, to).await?) {
            hours.entry(subject).or_default().extend(summed);
        }
        add(&mut hours, registry.reads_between(Span::HOUR, to, Micros::MAX).await?);
        let from = before(now, MINUTES_BACK);
        add(&mut minutes, registry.reads_between(Span::MINUTE, from, Micros::MAX).await?);
        Ok(Self { minutes, hours, looked: Some((now, now)) })
    }

    /// Takes on what was counted since the last look; everything at the first, and twice a day.
    pub(crate) async fn follow(&mut self, registry: &Registry, now: Micros) -> Result<(), ProjectError> {
        let Some((whole, last)) =
            self.looked.filter(|(whole, last)| *last <= now && now.since(*whole) < WHOLE_EVERY.micros())
        else {
            *self = Self::read(registry, now).await?;
            return Ok(());
        };
        let [minutes, hours] = MAY_HAVE_GROWN.map(|span| before(last, span));
        let newest = registry.reads_between(Span::MINUTE, minutes, Micros::MAX).await?;
        let needed = before(now, MINUTES_BACK).get()..minutes.floor(Span::MINUTE);
        grow(&mut self.minutes, &needed, newest);
        let newest = registry.reads_between(Span::HOUR, hours, Micros::MAX).await?;
        let needed = before(now, HOURS_BACK).get()..hours.floor(Span::HOUR);
        grow(&mut self.hours, &needed, newest);
        self.looked = Some((whole, now));
        Ok(())
    }

    /// Every subject of which something was counted.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.hours.keys()
    }

    /// How the reads of a subject stand against a target in percent.
    pub(super) fn standing(&self, subject: &Subject, target: f64, now: Micros) -> Standing {
        let minutes = self.minutes.get(subject).map(Vec::as_slice).unwrap_or_default();
        let hours = self.hours.get(subject).map(Vec::as_slice).unwrap_or_default();
        Standing::at(target, minutes, hours, now)
    }
}

/// Keeps the slots that began in this range of microseconds, and adds the newest.
fn grow(slots: &mut Slots, kept: &Range<i64>, newest: Vec<ReadsOf>) {
    for of_subject in slots.values_mut() {
        of_subject.retain(|one| kept.contains(&one.from.get()));
    }
    add(slots, newest);
}

/// Adds slots that are later than those that are there.
fn add(slots: &mut Slots, later: Vec<ReadsOf>) {
    for ReadsOf { kind, id, measured, slots: of_subject } in later {
        let slot = |ReadSlot { at, good, bad, unknown, missing }| CountedSlot {
            from: at,
            counts: ReadCounts { good, bad, unknown, missing },
        };
        slots.entry(Subject { kind, id, measured }).or_default().extend(of_subject.into_iter().map(slot));
    }
}

/// What was counted, by subject.
pub(super) fn by_subject(counted: Vec<CountedReads>) -> Slots {
    let mut slots = Slots::new();
    for CountedReads { kind, id, measured, at, good, bad, unknown, missing } in counted {
        let counts = ReadCounts { good, bad, unknown, missing };
        slots.entry(Subject { kind, id, measured }).or_default().push(CountedSlot { from: at, counts });
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use feature::VersionId;
    use registry::{Kind, Measured};

    const NOW: i64 = 1_370_001_600_000_000;

    fn at(seconds: i64) -> Micros {
        Micros::new(NOW + seconds * 1_000_000).unwrap()
    }

    fn counted(seconds: i64, good: u64, bad: u64) -> CountedReads {
        let id: VersionId = "visits@1".parse().unwrap();
        let at = at(seconds);
        CountedReads {
            kind: Kind::FeatureView,
            id,
            measured: Measured::Reads,
            at,
            good,
            bad,
            unknown: 0,
            missing: 0,
        }
    }

    #[tokio::test]
    async fn who_follows_sees_what_who_reads_everything_sees() {
        const HOUR: i64 = 3_600;
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(&format!("sqlite://{}/r.db", folder.path().display())).await.unwrap();
        let subject = Subject::view(&"visits@1".parse().unwrap(), Measured::Reads);
        // Reads of 31 days, some of which leave the window of the budget while it is followed.
        for hour in (0..31 * 24).rev() {
            let bad = u64::from(hour % 5 == 0);
            registry.add_reads(&[counted(-hour * HOUR, 10, bad)], at(0)).await.unwrap();
        }
        let mut followed = Counted::default();
        for minute in 0..150 {
            let now = at(minute * 60);
            registry.add_reads(&[counted(minute * 60, 3, u64::from(minute > 100))], now).await.unwrap();
            // A server whose clock is behind.
            registry.add_reads(&[counted(minute * 60 - 120, 1, 1)], now).await.unwrap();
            followed.follow(&registry, now).await.unwrap();
            let whole = Counted {
                minutes: by_subject(registry.reads(Span::MINUTE, before(now, MINUTES_BACK)).await.unwrap()),
                hours: by_subject(registry.reads(Span::HOUR, before(now, HOURS_BACK)).await.unwrap()),
                looked: None,
            };
            let standings = [&followed, &whole].map(|counted| counted.standing(&subject, 99.0, now));
            assert_eq!(standings[0], standings[1], "after {minute} minutes");
        }
    }
}
