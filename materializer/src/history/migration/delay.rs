//! After which delay rows of history count as available: as long as live rows of the view took where there are enough
//! of them, else as long as the source assumes.
//!
//! The delay is the 99th percentile of `available_at` − `event_time` over streamed rows that were not late. Late rows say
//! how long a topic was not read, or that old records were produced again, and not how long a row usually takes; if more
//! than half of the rows are late, nothing was live. The percentile is rounded up, so that history is never
//! available earlier than live rows were.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, TimestampMicrosecondType};
use feature::{Lateness, Position, Provenance, Source, Span, VersionId};
use futures::TryStreamExt;
use offline::{AVAILABLE_AT, EVENT_TIME, Log, OfflineError, POSITION_KIND};

use crate::error::MaterializerError;

/// The least number of streamed rows, not late, from which a delay is measured.
const LEAST_ROWS: u64 = 1_000;
/// The share of rows that were available within the delay, in per cent.
pub const DELAY_PERCENTILE: u64 = 99;
/// What is late if the source does not say it.
const LATE: Span = Span::HOUR;

/// After which delay rows of history count as available.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryDelay {
    /// The delay; `None` if the source declares when rows were available, or assumes no delay.
    pub delay: Option<Span>,
    /// From which rows it was measured; `None` if the source assumes it.
    pub measured: Option<MeasuredDelay>,
}

/// Live rows from which a delay was measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeasuredDelay {
    /// The view version that streamed them.
    pub of: VersionId,
    /// How many there are.
    pub rows: u64,
}

impl HistoryDelay {
    /// By the streamed rows of the first of these logs that has enough, else as the source assumes.
    pub(super) async fn of(source: &Source, logs: &[Log]) -> Result<Self, MaterializerError> {
        let assumed = Self { delay: source.assumed_delay, measured: None };
        if source.provenance_of_history() != Provenance::Simulated {
            return Ok(Self { delay: None, ..assumed });
        }
        for log in logs.iter().filter(|log| log.version().is_some()) {
            let mut delays = Delays::new(source.allowed_lateness.and_then(Lateness::span).unwrap_or(LATE));
            read(log, &mut delays).await?;
            if let Some((delay, rows)) = delays.percentile() {
                let measured = Some(MeasuredDelay { of: log.view().id.clone(), rows });
                return Ok(Self { delay: Some(delay), measured });
            }
        }
        Ok(assumed)
    }
}

/// How long streamed rows took.
struct Delays {
    late: i64,
    late_rows: u64,
    rows: u64,
    /// Rows by the upper end of their delay, in microseconds.
    counts: BTreeMap<i64, u64>,
}

impl Delays {
    fn new(late: Span) -> Self {
        Self { late: late.micros(), late_rows: 0, rows: 0, counts: BTreeMap::new() }
    }

    fn add(&mut self, delay: i64) {
        if delay > self.late {
            self.late_rows += 1;
            return;
        }
        self.rows += 1;
        // So that there are at most some hundred thousand different ones.
        let unit = if delay < Span::MINUTE.micros() { Span::MILLISECOND } else { Span::SECOND }.micros();
        let upper = (delay.max(1) + unit - 1) / unit * unit;
        *self.counts.entry(upper).or_default() += 1;
    }

    /// The percentile and the rows that it is of; `None` if there are too few.
    fn percentile(&self) -> Option<(Span, u64)> {
        if self.rows < LEAST_ROWS || self.late_rows > self.rows {
            return None;
        }
        let mut below = 0;
        let reached = self.counts.iter().find(|(_, count)| {
            below += **count;
            below * 100 >= self.rows * DELAY_PERCENTILE
        });
        let delay = reached.and_then(|(delay, _)| Span::of(*delay, Span::MICROSECOND))?;
        Some((delay, self.rows))
    }
}

/// Reads how long the streamed rows of a log took.
async fn read(log: &Log, delays: &mut Delays) -> Result<(), MaterializerError> {
    let mut batches = log.scan(&[EVENT_TIME, AVAILABLE_AT, POSITION_KIND])?;
    while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
        let [times, available, kinds] = batch.columns() else {
            return Err(MaterializerError::invariant(&log.view().id, "a scan of three columns gave others"));
        };
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        let available = available.as_primitive::<TimestampMicrosecondType>().values();
        let kinds = kinds.as_primitive::<Int8Type>().values();
        for ((time, available), kind) in times.iter().zip(available).zip(kinds) {
            if *kind != Position::KIND_HISTORY as i8 {
                delays.add(available - time);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(of: impl IntoIterator<Item = i64>) -> Delays {
        let mut delays = Delays::new(Span::HOUR);
        of.into_iter().for_each(|delay| delays.add(delay));
        delays
    }

    #[test]
    fn the_delay_is_one_within_which_99_in_100_live_rows_were_available() {
        let mixed = (0..10_000).map(|row| if row % 100 == 0 { 40_000_000 } else { 1_500 });
        assert_eq!(delays(mixed).percentile(), Some(("2ms".parse().unwrap(), 10_000)));
        let slower = (0..10_000).map(|row| if row % 50 == 0 { 40_000_000 } else { 1_500 });
        assert_eq!(delays(slower).percentile(), Some(("40s".parse().unwrap(), 10_000)));
        // A clock that ran ahead of the source's says nothing below zero.
        assert_eq!(delays(vec![-5; 2_000]).percentile(), Some((Span::MILLISECOND, 2_000)));
    }

    #[test]
    fn few_rows_and_a_topic_that_was_read_late_measure_nothing() {
        assert_eq!(delays(vec![1_500; 999]).percentile(), None);
        // A replay of last year's records.
        assert_eq!(delays(vec![Span::YEAR.micros(); 10_000]).percentile(), None);
        // An hour of outage counts for nothing.
        let some_late = (0..3_000).map(|row| if row < 1_000 { Span::DAY.micros() } else { 1_000 });
        assert_eq!(delays(some_late).percentile(), Some((Span::MILLISECOND, 2_000)));
    }
}
