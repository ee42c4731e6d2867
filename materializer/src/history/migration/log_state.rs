//! What a log records of backfills by dates: the newest one, which dates of it are loaded, and which files it reads. The
//! log decides what is done; whatever else keeps a list of dates is advice.

use std::collections::{BTreeMap, BTreeSet};

use feature::{EventDate, Micros, Span, VersionId};
use offline::{Log, Marker};

use super::delay::{HistoryDelay, MeasuredDelay};
use crate::error::MaterializerError;
use crate::history::files_to_load::FileToLoad;
use crate::markers::{
    self, MIGRATION, MIGRATION_CANCELLED, MIGRATION_DELAY, MIGRATION_DELAY_OF, MIGRATION_DELAY_ROWS,
    MIGRATION_FILES, MIGRATION_HISTORY_END, MIGRATION_LOADED, MIGRATION_STARTED, MIGRATION_TABLE_VERSION,
    MIGRATION_WHOLE,
};

/// Dates whose bits lie in one counter: fewer than a positive number has bits.
const DATES_A_BLOCK: i64 = 60;

/// The newest backfill by dates of a log, by its number, and how far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MigrationState {
    /// Its number, from 1.
    pub number: u64,
    /// Whether all of its dates are in the log.
    pub is_loaded: bool,
    /// Whether all that it loaded is online, too.
    pub is_whole: bool,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
}

impl MigrationState {
    /// What the log records; `None` if no backfill by dates ever began.
    pub async fn of(log: &Log) -> Result<Option<Self>, MaterializerError> {
        let Some(number) = markers::read_number::<u64>(log, MIGRATION).await? else { return Ok(None) };
        let reached = async |key: &str| {
            let newest = markers::read_number::<u64>(log, key).await?;
            Ok::<_, MaterializerError>(newest.is_some_and(|newest| newest >= number))
        };
        Ok(Some(Self {
            number,
            is_loaded: reached(MIGRATION_LOADED).await?,
            is_whole: reached(MIGRATION_WHOLE).await?,
            is_cancelled: reached(MIGRATION_CANCELLED).await?,
        }))
    }

    /// Whether it is to go on.
    pub fn is_under_way(self) -> bool {
        !self.is_whole && !self.is_cancelled
    }
}

/// What a backfill by dates recorded of itself when it began.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) started_at: Micros,
    pub(super) delay: HistoryDelay,
    pub(super) files: usize,
    pub(super) table_version: Option<u64>,
}

impl Begun {
    pub(super) async fn of(log: &Log) -> Result<Option<Self>, MaterializerError> {
        let view = &log.view().id;
        let Some(started_at) = markers::read_moment(log, MIGRATION_STARTED).await? else { return Ok(None) };
        let missing = || MaterializerError::invariant(view, "the log does not say how its backfill began");
        let delay = markers::read(log, MIGRATION_DELAY).await?.ok_or_else(missing)?;
        let rows = markers::read_number::<u64>(log, MIGRATION_DELAY_ROWS).await?.ok_or_else(missing)?;
        let of = markers::read_number::<u32>(log, MIGRATION_DELAY_OF).await?.ok_or_else(missing)?;
        let files = markers::read_number(log, MIGRATION_FILES).await?.ok_or_else(missing)?;
        let of = VersionId { name: view.name.clone(), version: of };
        let delay = HistoryDelay {
            delay: Span::of(delay, Span::MICROSECOND),
            measured: (rows > 0).then_some(MeasuredDelay { of, rows }),
        };
        let table_version = markers::read_number::<i64>(log, MIGRATION_TABLE_VERSION).await?;
        let table_version = table_version.and_then(|version| u64::try_from(version).ok());
        Ok(Some(Self { started_at, delay, files, table_version }))
    }

    /// The markers of the commit with which a backfill of this number begins.
    pub(super) fn markers(
        &self,
        number: u64,
        version: u32,
        history_end: Option<Micros>,
        files: &[FileToLoad],
    ) -> Vec<Marker> {
        let measured = self.delay.measured.as_ref();
        let delay = self.delay.delay.map_or(-1, Span::micros);
        let of = measured.map_or(version, |measured| measured.of.version);
        let mut all = vec![
            markers::marker(MIGRATION, number as i64),
            markers::marker(MIGRATION_STARTED, self.started_at.get()),
            markers::marker(MIGRATION_DELAY, delay),
            markers::marker(MIGRATION_DELAY_ROWS, measured.map_or(0, |measured| measured.rows as i64)),
            markers::marker(MIGRATION_DELAY_OF, i64::from(of)),
            markers::marker(MIGRATION_FILES, self.files as i64),
            markers::marker(MIGRATION_TABLE_VERSION, self.table_version.map_or(-1, |version| version as i64)),
        ];
        // The first moment stands for none: one of a backfill before must not stay.
        all.push(markers::marker(MIGRATION_HISTORY_END, history_end.unwrap_or(Micros::MIN).get()));
        all.extend(
            files
                .iter()
                .map(|file| markers::marker(markers::migration_content(&file.file.name), file.content.hash)),
        );
        all
    }
}

/// Records that a backfill was cancelled.
pub(super) async fn cancel(log: &mut Log, number: u64) -> Result<(), MaterializerError> {
    let cancelled = markers::marker(MIGRATION_CANCELLED, number as i64);
    log.appender().await?.commit(&[cancelled], &[]).await?;
    Ok(())
}

/// The last event time that a backfill under way is to load; `None` if none is under way.
pub(crate) async fn history_end(log: &Log) -> Result<Option<Micros>, MaterializerError> {
    match MigrationState::of(log).await? {
        Some(state) if state.is_under_way() => {
            let end = markers::read_moment(log, MIGRATION_HISTORY_END).await?;
            Ok(end.filter(|end| *end != Micros::MIN))
        }
        _ => Ok(None),
    }
}

/// The hash of a file when the newest backfill by dates began to read it; `None` if it came later.
pub(super) async fn content(log: &Log, name: &str) -> Result<Option<i64>, MaterializerError> {
    markers::read(log, &markers::migration_content(name)).await
}

/// Which of these dates are loaded.
pub(super) async fn loaded(
    log: &Log,
    number: u64,
    dates: impl Iterator<Item = EventDate>,
) -> Result<BTreeSet<EventDate>, MaterializerError> {
    let mut blocks: BTreeMap<String, i64> = BTreeMap::new();
    let mut loaded = BTreeSet::new();
    for date in dates {
        let (key, bit) = slot(number, date);
        let bits = match blocks.get(&key) {
            Some(bits) => *bits,
            None => {
                let bits = markers::read(log, &key).await?.unwrap_or(0);
                blocks.insert(key, bits);
                bits
            }
        };
        if bits & bit != 0 {
            loaded.insert(date);
        }
    }
    Ok(loaded)
}

/// The marker of the commit with the rows of a date.
pub(super) async fn date_loaded(
    log: &Log,
    number: u64,
    date: EventDate,
) -> Result<Marker, MaterializerError> {
    let (key, bit) = slot(number, date);
    let bits = markers::read(log, &key).await?.unwrap_or(0);
    Ok(markers::marker(key, bits | bit))
}

/// The counter that holds the bit of a date, and the bit.
fn slot(number: u64, date: EventDate) -> (String, i64) {
    match date {
        EventDate::None => (markers::migration_undated(number), 1),
        EventDate::Day(day) => {
            let day = i64::from(day);
            let bit = 1 << day.rem_euclid(DATES_A_BLOCK);
            (markers::migration_dates(number, day.div_euclid(DATES_A_BLOCK)), bit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_dates_share_a_bit_of_a_counter_and_no_counter_is_negative() {
        let mut seen = BTreeSet::new();
        for day in -500..500 {
            let (key, bit) = slot(7, EventDate::Day(day));
            assert!(bit > 0 && bit.count_ones() == 1, "{day}");
            assert!(seen.insert((key, bit)), "{day}");
        }
        assert!(seen.insert(slot(7, EventDate::None)));
        // The dates of another backfill are its own.
        assert!(seen.insert(slot(8, EventDate::Day(0))));
    }
}
