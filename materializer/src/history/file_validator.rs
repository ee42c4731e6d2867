//! The outcome for each row of a source's history: accepted with its times and position, left out, or refused.
//! Pure: files and stores are elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use feature::{EventDate, Micros, Position, Span, Value, View};
use offline::{DeadLetter, Forgotten};
use online::PENDING_BOUND;
use roaring::RoaringTreemap;
use transform::{BadReason, DECLARED_AT, EVENT_TIME, Transformed, ViewTransform};

use super::event_range::EventRange;
use super::loaded_rows::LoadedRows;
use super::repeats::Repeats;
use super::source_rows::{SourceRows, UnreadableRow};
use crate::error::MaterializerError;
use crate::materializer::Target;
use crate::rows::accepted::{AcceptedRows, micros};
use crate::rows::counts::{RowCounts, add_counts};
use crate::rows::dead_letter;
use crate::rows::forgotten::forgotten_rows;
use crate::rows::reason::RefusalReason;

/// For each entity the rows of a load that are not visible yet: law 6 bounds them.
pub(crate) type WaitingRows = BTreeMap<Vec<Value>, usize>;

/// What the rows of one file are validated by.
pub(crate) struct FileValidator {
    pub(crate) target: Target,
    pub(crate) transform: ViewTransform,
    /// The entities whose rows are left out.
    pub(crate) forgotten: Arc<Forgotten>,
    /// The name of the file, for dead letters.
    pub(crate) origin: String,
    /// Its number in positions.
    pub(crate) number: u32,
    /// The numbers of the rows that the log has already.
    pub(crate) known: RoaringTreemap,
    /// The moment before which retention has dropped the rows that were loaded: what is read of them again is known.
    pub(crate) expired_before: Option<Micros>,
    /// The rows that are refused because they repeat others.
    pub(crate) repeats: Repeats,
    /// The recorded start of its load.
    pub(crate) started_at: Micros,
    pub(crate) range: EventRange,
    /// A range of which rows are passed over, as they were decided on before.
    pub(crate) without: Option<EventRange>,
    /// The dates whose rows are read, if not all are.
    pub(crate) dates: Option<Arc<BTreeSet<EventDate>>>,
    /// Where the view's stream starts: rows from then on are the stream's.
    pub(crate) stream_start: Option<Micros>,
    /// Whether this is the first load of the view, whose static rows have always been known.
    pub(crate) is_first: bool,
    /// Whether rows are available when the source says so; else when they are written.
    pub(crate) is_history: bool,
}

/// The outcome for a batch of a file's rows.
pub(crate) struct ValidatedRows {
    pub(crate) accepted: AcceptedRows,
    /// The refused rows, in the order of their positions.
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) counts: FileCounts,
    /// The same by date, if dates are named.
    pub(crate) by_date: BTreeMap<EventDate, DateCounts>,
    /// The date of each row of the batch, if dates are named.
    pub(crate) dates: Vec<EventDate>,
}

impl ValidatedRows {
    /// Without the rows that the log has under other positions.
    pub(crate) fn without_loaded(
        mut self,
        view: &View,
        loaded_rows: &mut LoadedRows,
    ) -> Result<Self, MaterializerError> {
        let is_new = loaded_rows.new_rows(view, &self.accepted)?;
        for (time, _) in self.accepted.event_times.iter().zip(&is_new).filter(|(_, is_new)| !**is_new) {
            self.counts.known += 1;
            self.counts.rows.accepted -= 1;
            if let Some(counts) = self.by_date.get_mut(&EventDate::of(Some(*time))) {
                counts.known += 1;
                counts.accepted -= 1;
            }
        }
        Ok(Self { accepted: self.accepted.filtered(&is_new)?, ..self })
    }
}

/// What is counted of a file's rows of one date.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct DateCounts {
    /// Rows of the source.
    pub(crate) read: u64,
    /// Rows that were in the log already.
    pub(crate) known: u64,
    /// Rows that are the stream's.
    pub(crate) of_stream: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// Of the refused rows, those that count against their batch.
    pub(crate) against_batch: u64,
}

impl DateCounts {
    pub(crate) fn add(&mut self, more: Self) {
        self.read += more.read;
        self.known += more.known;
        self.of_stream += more.of_stream;
        self.accepted += more.accepted;
        self.refused += more.refused;
        self.against_batch += more.against_batch;
    }

    /// Rows that are neither in the log nor refused: by `where`, by a null in their key, as forgotten, or as the stream's.
    pub(crate) fn left_out(self) -> u64 {
        self.read.saturating_sub(self.known + self.accepted + self.refused)
    }
}

/// What is counted of a file's rows.
#[derive(Debug, Default)]
pub(crate) struct FileCounts {
    pub(crate) rows: RowCounts,
    /// Rows that were in the log already.
    pub(crate) known: u64,
    /// Rows outside the range of event times.
    pub(crate) outside_range: u64,
    /// Rows that are the stream's.
    pub(crate) of_stream: u64,
}

/// The rows of a batch that are transformed.
struct Selected<'a> {
    batch: RecordBatch,
    positions: Vec<Position>,
    unreadable: Vec<&'a UnreadableRow>,
    by_date: BTreeMap<EventDate, DateCounts>,
    /// The date of each row, if dates are named.
    dates: Vec<EventDate>,
}

/// A transformed row that is refused.
struct Refused {
    /// Its index among those that were transformed.
    origin: usize,
    reason: RefusalReason,
    detail: String,
}

impl FileValidator {
    /// Validates consecutive rows of the file.
    pub(crate) fn validate(
        &self,
        source_rows: &SourceRows,
        waiting: &Mutex<WaitingRows>,
    ) -> Result<ValidatedRows, MaterializerError> {
        let mut counts = FileCounts::default();
        let mut selected = self.select(source_rows, &mut counts)?;
        let Transformed { rows, origins, bad, filtered, null_keys, warned, against_batch, .. } =
            self.transform.apply(&selected.batch)?;
        let forgotten = counts.rows.forgotten;
        counts.rows.read = (selected.batch.num_rows() + selected.unreadable.len()) as u64 + forgotten;
        (counts.rows.filtered, counts.rows.null_keys) = (filtered, null_keys);
        add_counts(&mut counts.rows.warned, warned);
        counts.rows.against_batch = against_batch.rows.len() as u64;
        add_counts(&mut counts.rows.against_batch_by, against_batch.by_expectation);
        let mut refused: Vec<Refused> = bad
            .iter()
            .map(|bad| Refused {
                origin: bad.row as usize,
                reason: RefusalReason::of(&bad.reason),
                detail: bad.reason.to_string(),
            })
            .collect();
        let origins: Vec<usize> = origins.iter().map(|row| *row as usize).collect();
        let candidates = self.candidates(&selected, rows, origins)?;
        let (candidates, repeated) = self.refuse_repeats(candidates, &mut refused)?;
        let keep = {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.check_times(&candidates, &mut waiting, &mut refused)
        };
        let mut dead_letters = self.dead_letters(&selected, refused)?;
        dead_letters.extend(selected.unreadable.iter().map(|bad| DeadLetter {
            position: source_rows.position(self.number, bad.row),
            origin: self.origin.clone(),
            reason: RefusalReason::Undecodable.as_str().to_owned(),
            detail: bad.detail(),
            row: bad.shown.clone(),
        }));
        dead_letters.sort_by_key(|dead_letter| dead_letter.position);
        counts.rows.add_refused(&dead_letters);
        let accepted = candidates.filtered(&keep)?;
        counts.rows.accepted = accepted.len() as u64;
        let dates = std::mem::take(&mut selected.dates);
        let against_batch = against_batch.rows.iter().filter_map(|row| selected.positions.get(*row as usize));
        let against_batch: Vec<Position> = against_batch.copied().chain(repeated).collect();
        let (first_row, counted) = (source_rows.first_row, selected.by_date);
        let by_date = self.by_date(first_row, counted, &dates, &accepted, (&dead_letters, &against_batch))?;
        let left_out: u64 = by_date.values().map(|date| date.left_out() - date.of_stream).sum();
        if self.dates.is_some() && left_out != filtered + null_keys + forgotten {
            return Err(self.broken("the rows of dates are not those of their batch"));
        }
        Ok(ValidatedRows { accepted, dead_letters, counts, by_date, dates })
    }

    /// The counts of each date, with its accepted and its refused rows.
    fn by_date(
        &self,
        first_row: u64,
        mut by_date: BTreeMap<EventDate, DateCounts>,
        dates: &[EventDate],
        accepted: &AcceptedRows,
        (dead_letters, against_batch): (&[DeadLetter], &[Position]),
    ) -> Result<BTreeMap<EventDate, DateCounts>, MaterializerError> {
        if self.dates.is_none() {
            return Ok(by_date);
        }
        for time in &accepted.event_times {
            by_date.entry(EventDate::of(Some(*time))).or_default().accepted += 1;
        }
        let date_of = |position: Position| {
            let (_, _, row) = position.parts();
            let date = usize::try_from(row - first_row).ok().and_then(|row| dates.get(row));
            date.copied().ok_or_else(|| self.broken("a refused row comes from none of the batch"))
        };
        for dead_letter in dead_letters {
            by_date.entry(date_of(dead_letter.position)?).or_default().refused += 1;
        }
        for position in against_batch {
            by_date.entry(date_of(*position)?).or_default().against_batch += 1;
        }
        Ok(by_date)
    }

    /// The rows in the range that the log does not have, apart from those that cannot be read.
    fn select<'a>(
        &self,
        rows: &'a SourceRows,
        counts: &mut FileCounts,
    ) -> Result<Selected<'a>, MaterializerError> {
        let SourceRows { first_row, batch, unreadable, .. } = rows;
        let takes_all = self.range.is_all() && self.without.is_none() && self.dates.is_none();
        let times = match takes_all && self.stream_start.is_none() && self.expired_before.is_none() {
            true => None,
            false => self.transform.event_times(batch)?,
        };
        let times = times.as_ref().and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let event_time = |row: usize| times.filter(|times| times.is_valid(row)).map(|times| times.value(row));
        let mut unread = unreadable.iter().peekable();
        let mut selected: Vec<u64> = Vec::with_capacity(batch.num_rows());
        let mut refused = Vec::new();
        let mut by_date: BTreeMap<EventDate, DateCounts> = BTreeMap::new();
        let mut dates = Vec::new();
        let forgotten = forgotten_rows(&self.forgotten, &self.target.view, &self.transform, batch)?;
        let forgotten = |row: usize| forgotten.as_ref()?.get(row)?.clone();
        for row in 0..batch.num_rows() {
            let unreadable = unread.next_if(|bad| bad.row == row);
            let event_time = event_time(row);
            let date = self.dates.as_ref().map(|wanted| (EventDate::of(event_time), wanted));
            dates.extend(date.map(|(date, _)| date));
            let is_in_range = self.range.contains_row(event_time)
                && !self.without.is_some_and(|without| without.contains_row(event_time))
                && date.is_none_or(|(date, wanted)| wanted.contains(&date));
            let is_of_stream =
                self.stream_start.zip(event_time).is_some_and(|(start, event)| event >= start.get());
            let is_expired =
                self.expired_before.zip(event_time).is_some_and(|(before, event)| event < before.get());
            if !is_in_range {
                counts.outside_range += 1;
                continue;
            }
            let mut uncounted = DateCounts::default();
            let of_date = match date {
                Some((date, _)) => by_date.entry(date).or_default(),
                None => &mut uncounted,
            };
            of_date.read += 1;
            if is_of_stream {
                counts.of_stream += 1;
                of_date.of_stream += 1;
            } else if is_expired || self.known.contains(first_row + row as u64) {
                counts.known += 1;
                of_date.known += 1;
            } else if let Some(key) = forgotten(row) {
                counts.rows.forgotten += 1;
                counts.rows.forgotten_keys.insert(key);
            } else if let Some(unreadable) = unreadable {
                refused.push(unreadable);
            } else {
                selected.push(row as u64);
            }
        }
        let positions = selected.iter().map(|row| rows.position(self.number, *row as usize)).collect();
        let batch = match selected.len() == batch.num_rows() {
            true => batch.clone(),
            false => take_record_batch(batch, &UInt64Array::from(selected))?,
        };
        Ok(Selected { batch, positions, unreadable: refused, by_date, dates })
    }

    /// The transformed rows, before their times are checked.
    fn candidates(
        &self,
        selected: &Selected<'_>,
        rows: RecordBatch,
        origins: Vec<usize>,
    ) -> Result<AcceptedRows, MaterializerError> {
        let event_times = match rows.column_by_name(EVENT_TIME) {
            Some(times) => micros(times).ok_or_else(|| self.broken("an event time is not a timestamp"))?,
            None if self.is_first => vec![Micros::MIN.get(); rows.num_rows()],
            None => vec![self.started_at.get(); rows.num_rows()],
        };
        let declared = rows
            .column_by_name(DECLARED_AT)
            .filter(|_| self.is_history)
            .map(|times| micros(times).ok_or_else(|| self.broken("a declared time is not a timestamp")));
        let position = |origin: &usize| selected.positions.get(*origin).copied();
        let positions: Option<Vec<Position>> = origins.iter().map(position).collect();
        let positions =
            positions.ok_or_else(|| self.broken("a transformed row comes from none of the file"))?;
        Ok(AcceptedRows {
            deleted: vec![false; rows.num_rows()],
            rows,
            event_times,
            declared: declared.transpose()?,
            positions,
            origins,
        })
    }

    /// Takes the rows away that repeat others. Gives the positions of these too.
    fn refuse_repeats(
        &self,
        candidates: AcceptedRows,
        refused: &mut Vec<Refused>,
    ) -> Result<(AcceptedRows, Vec<Position>), MaterializerError> {
        let mut repeated = Vec::new();
        let mut keep = Vec::with_capacity(candidates.len());
        for (position, origin) in candidates.positions.iter().zip(&candidates.origins) {
            let expectation = self.repeats.expectation(position.parts().2);
            if let Some(name) = expectation {
                let bad = BadReason::Expectation { name: name.to_owned() };
                let reason = RefusalReason::of(&bad);
                refused.push(Refused { origin: *origin, reason, detail: bad.to_string() });
                repeated.push(*position);
            }
            keep.push(expectation.is_none());
        }
        match repeated.is_empty() {
            true => Ok((candidates, repeated)),
            false => Ok((candidates.filtered(&keep)?, repeated)),
        }
    }

    /// Whether each row is visible soon enough, and waits among few enough of its entity.
    fn check_times(
        &self,
        candidates: &AcceptedRows,
        waiting: &mut WaitingRows,
        refused: &mut Vec<Refused>,
    ) -> Vec<bool> {
        let max_ahead = self.target.source.max_ahead;
        let limit = self.started_at.saturating_add(max_ahead).get();
        let delay = self.target.source.assumed_delay.filter(|_| self.is_history).map_or(0, Span::micros);
        let declared = candidates.declared.as_deref();
        let mut keep = Vec::with_capacity(candidates.len());
        for (row, (event_time, origin)) in candidates.event_times.iter().zip(&candidates.origins).enumerate()
        {
            let declared = declared.and_then(|declared| declared.get(row));
            let visible_at = declared.map_or(*event_time, |declared| *declared.max(event_time));
            let mut refuse = |reason, detail| refused.push(Refused { origin: *origin, reason, detail });
            if visible_at > limit {
                let shown = Micros::new(visible_at).unwrap_or(Micros::MAX);
                let detail = format!(
                    "it is visible from {shown}, more than {max_ahead} ahead of the start of its load at {}",
                    self.started_at
                );
                refuse(RefusalReason::TooFarAhead, detail);
                keep.push(false);
                continue;
            }
            let waits = visible_at.saturating_add(delay) > self.started_at.get();
            let count = match waits {
                true => {
                    let count = waiting.entry(self.key(&candidates.rows, row)).or_insert(0);
                    *count += 1;
                    *count
                }
                false => 0,
            };
            if count > PENDING_BOUND {
                let detail = format!("{PENDING_BOUND} rows of its entity wait to become visible already");
                refuse(RefusalReason::TooManyWaiting, detail);
            }
            keep.push(count <= PENDING_BOUND);
        }
        keep
    }

    /// The join keys of a transformed row.
    pub(crate) fn key(&self, rows: &RecordBatch, row: usize) -> Vec<Value> {
        let value = |key: &feature::Field| {
            let column = rows.column_by_name(key.name.as_str());
            column.map_or(Value::Null, |column| transform::value_at(column.as_ref(), row, key.data_type))
        };
        self.target.view.keys.iter().map(value).collect()
    }

    fn dead_letters(
        &self,
        selected: &Selected<'_>,
        refused: Vec<Refused>,
    ) -> Result<Vec<DeadLetter>, MaterializerError> {
        let dead_letter = |Refused { origin, reason, detail }| {
            let position = selected.positions.get(origin).copied();
            let position =
                position.ok_or_else(|| self.broken("a refused row comes from none of the file"))?;
            Ok(DeadLetter {
                position,
                origin: self.origin.clone(),
                reason: RefusalReason::as_str(reason).to_owned(),
                detail,
                row: dead_letter::shown_row(self.transform.input(), &selected.batch, origin),
            })
        };
        refused.into_iter().map(dead_letter).collect()
    }

    fn broken(&self, what: &'static str) -> MaterializerError {
        MaterializerError::invariant(&self.target.view.id, what)
    }
}
