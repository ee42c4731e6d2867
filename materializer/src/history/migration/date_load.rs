//! The load of one view's history, date by date: decided on one snapshot of the log, and from there on by the state of
//! each date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use arrow::array::AsArray;
use arrow::datatypes::Int8Type;
use feature::{EventDate, Micros, Position, Provenance, Source, View};
use futures::TryStreamExt;
use offline::{BatchPoint, DeadLetters, Forgotten, Log, OfflineError, POSITION_KIND};
use online::Mender;
use roaring::RoaringTreemap;
use transform::ViewTransform;

use super::checks::ColumnSummary;
use super::date_rows::DateReport;
use super::dates::SourceDates;
use super::delay::HistoryDelay;
use super::group::SHARE_OF_ROWS;
use super::log_state::{self, Begun, MigrationState};
use super::next_step::{DateState, NextStep, PlannedDate, StopRequest, next_step};
use super::observation::MatchedColumns;
use super::pace::TokenBucket;
use super::watch::{Migration, MigrationEnd, MigrationEvent, MigrationReport, MigrationWatch};
use super::whole_files::WholeFiles;
use crate::error::MaterializerError;
use crate::fold::prefix;
use crate::history::batch_source::BatchSource;
use crate::history::event_range::EventRange;
use crate::history::file_validator::WaitingRows;
use crate::history::files_to_load::{FileToLoad, FilesToLoad};
use crate::history::load_report::LoadReport;
use crate::history::loaded_files;
use crate::history::mode::Mode;
use crate::history::repeats::Repeats;
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::materializer::{Materializer, Target};
use crate::stream_start;

/// The load under way.
pub(super) struct DateLoad<'a, W> {
    pub(super) materializer: &'a Materializer<W>,
    /// The view, and its source with the delay after which its history counts as available.
    pub(super) target: Target,
    pub(super) migration: &'a Migration,
    pub(super) watch: &'a dyn MigrationWatch,
    pub(super) report: &'a mut MigrationReport,
    pub(super) log: Log,
    pub(super) dead_letters: DeadLetters,
    pub(super) turn: LoadTurn,
    pub(super) begun: Begun,
    pub(super) files: Vec<FileToLoad>,
    pub(super) dates: SourceDates,
    /// Files of which the log records what they are.
    pub(super) recorded: BTreeSet<usize>,
    /// What the columns of the dates hold that were loaded so far.
    pub(super) before: Vec<ColumnSummary>,
    /// The log of the version before, if it has rows.
    pub(super) previous: Option<Log>,
    pub(super) matched: MatchedColumns,
    pub(super) batch_source: Arc<dyn BatchSource>,
    pub(super) transform: ViewTransform,
    /// The entities whose rows are left out.
    pub(super) forgotten: Arc<Forgotten>,
    pub(super) stream_start: Option<Micros>,
    /// For each file the numbers of the rows that the log has of it.
    pub(super) known: BTreeMap<u32, RoaringTreemap>,
    /// For each file its rows that repeat others, and are refused.
    pub(super) repeats: BTreeMap<u32, Repeats>,
    pub(super) waiting: Arc<Mutex<WaitingRows>>,
    pub(super) bucket: Option<TokenBucket>,
    pub(super) bytes_a_row: u64,
}

impl<'a, W: Mender> DateLoad<'a, W> {
    /// Loads what is left, until all is done or it is to stop.
    pub(super) async fn run(
        materializer: &'a Materializer<W>,
        target: &Target,
        migration: &'a Migration,
        watch: &'a dyn MigrationWatch,
        report: &'a mut MigrationReport,
    ) -> Result<MigrationEnd, MaterializerError> {
        let view = &target.view;
        // The decision is made on what is there once nobody else loads.
        let _lock = LoadLock::acquire(&materializer.offline.log(view).await?).await?;
        prefix::check_prefix(&materializer.offline, &materializer.online, view).await?;
        let log = materializer.offline.log(view).await?;
        let state = MigrationState::of(&log).await?;
        let own = state.filter(|state| state.number == migration.number);
        match (state, own) {
            (_, Some(own)) if own.is_whole => return Ok(MigrationEnd::Whole),
            (_, Some(own)) if own.is_cancelled => return Ok(MigrationEnd::Cancelled),
            (Some(state), None) if state.is_under_way() || state.number > migration.number => {
                return Err(MaterializerError::MigrationUnfinished {
                    view: view.id.clone(),
                    is_cancelled: false,
                });
            }
            _ => {}
        }
        let mut load = Self::begin(materializer, target, migration, watch, report, log, own).await?;
        if own.is_some_and(|own| own.is_loaded) {
            return load.go_online().await;
        }
        load.load().await
    }

    /// Finds the files and their dates, and records in the log that the load begins, or that this process goes on with it.
    async fn begin(
        materializer: &'a Materializer<W>,
        target: &Target,
        migration: &'a Migration,
        watch: &'a dyn MigrationWatch,
        report: &'a mut MigrationReport,
        mut log: Log,
        own: Option<MigrationState>,
    ) -> Result<Self, MaterializerError> {
        let view = &target.view;
        let dead_letters = materializer.offline.dead_letters(&view.id).await?;
        let batch_source = materializer.batch_source(target, &log).await?;
        let now = (materializer.clock)();
        let mut found = LoadReport::new(view.id.clone());
        let files = FilesToLoad::find(
            target,
            &batch_source,
            &log,
            &dead_letters,
            (now, Mode::Backfill(EventRange::default())),
            &mut found,
        )
        .await?;
        BatchPoint::Hashed.pass();
        let previous = match &migration.previous {
            Some(previous) => Some(materializer.offline.log(previous).await?),
            None => None,
        };
        let previous = previous.filter(|previous| previous.version().is_some());
        let begun = match own {
            Some(_) => Begun::of(&log).await?.ok_or_else(|| {
                MaterializerError::invariant(&view.id, "the log does not say how its backfill began")
            })?,
            None => Begun {
                started_at: now,
                delay: {
                    let logs: Vec<Log> = std::iter::once(log.clone()).chain(previous.clone()).collect();
                    HistoryDelay::of(&target.source, &logs).await?
                },
                files: files.files.len(),
                table_version: files.table_version,
            },
        };
        let all = files.files.len();
        let members = match own {
            Some(own) => members(&log, files.files, &begun, own.is_loaded).await?,
            None => files.files,
        };
        report.files_later = all - members.len();
        report.delay = begun.delay.clone();
        let limit = begun.started_at.saturating_add(target.source.max_ahead);
        let dates = SourceDates::of(target, &batch_source, &members, migration.range, limit).await?;
        refuse_unknown_dates(view, &migration.accepted, &dates.all())?;
        let forgotten = Arc::new(materializer.offline.forgotten_as_of(&log).await?);
        let target = Target {
            view: view.clone(),
            source: Arc::new(with_delay(&target.source, &begun.delay)),
            input: None,
        };
        let stream_start = stream_start::find(&log, &target.source).await?;
        let transform = ViewTransform::compile(&target.source, view)?;
        let whole_files = WholeFiles {
            target: &target,
            transform: &transform,
            log: &log,
            batch_source: &batch_source,
            forgotten: &forgotten,
            stream_start,
            range: migration.range,
            started_at: begun.started_at,
            were_checked: own.is_some(),
        };
        let repeats = whole_files.check(&members, &mut report.warned).await?;
        let mut turn = LoadTurn::next(&log).await?;
        materializer.first_use.begin(view).await?;
        let mut markers = Vec::new();
        if own.is_none() {
            markers.extend(files.numbered);
            markers.extend(files.renamed);
            markers.push(loaded_files::numbers_given(files.numbers_after));
            markers.extend(files.first_version.map(loaded_files::first_table_version));
            markers.extend(files.table_id.map(loaded_files::table_id));
            let end = dates.last.filter(|_| migration.range.to.is_none());
            markers.extend(begun.markers(migration.number, view.id.version, end, &members));
        }
        turn.take(&mut log, &markers).await?;
        let matched = match &previous {
            Some(previous) => MatchedColumns::of(view, previous.view()),
            None => MatchedColumns::none(view),
        };
        let now = (materializer.clock)();
        Ok(Self {
            known: known(&log, &members).await?,
            repeats,
            stream_start,
            transform,
            forgotten,
            bucket: migration.max_rows_per_second.map(|rate| TokenBucket::new(rate, now)),
            bytes_a_row: bytes_a_row(view),
            before: migration.loaded.clone(),
            recorded: BTreeSet::new(),
            waiting: Arc::default(),
            files: members,
            materializer,
            migration,
            watch,
            report,
            log,
            dead_letters,
            turn,
            begun,
            dates,
            previous,
            matched,
            batch_source,
            target,
        })
    }

    /// Does one step after the other.
    async fn load(&mut self) -> Result<MigrationEnd, MaterializerError> {
        let rows = self.dates.all();
        let loaded = log_state::loaded(&self.log, self.migration.number, rows.keys().copied()).await?;
        let planned = |(date, rows): (EventDate, u64)| {
            let state = if loaded.contains(&date) { DateState::Done } else { DateState::Waiting };
            (date, PlannedDate { state, rows })
        };
        let mut planned: BTreeMap<EventDate, PlannedDate> = rows.into_iter().map(planned).collect();
        let dates = planned.iter();
        let dates = dates.map(|(date, planned)| (*date, (planned.rows, planned.state == DateState::Done)));
        let delay = self.begun.delay.clone();
        self.watch.report(MigrationEvent::Planned { dates: dates.collect(), delay }).await;
        for date in loaded.difference(&self.migration.recorded) {
            let report = self.counted(*date, planned.get(date).map_or(0, |planned| planned.rows)).await?;
            self.watch.report(MigrationEvent::Loaded(*date, report)).await;
        }
        loop {
            let rows_at_once = self.migration.max_memory / SHARE_OF_ROWS / self.bytes_a_row.max(1);
            match next_step(&planned, self.migration.order, rows_at_once, self.watch.request()) {
                NextStep::Load(dates) => {
                    self.watch.report(MigrationEvent::Reading(dates.clone())).await;
                    let Some(mut group) = self.read(dates).await? else { continue };
                    for (date, rows) in group.dates {
                        if self.watch.request().is_some() {
                            break;
                        }
                        let expected = planned.get(&date).map_or(0, |planned| planned.rows);
                        let state = self.settle_date(date, expected, rows, group.written.take()).await?;
                        planned.entry(date).and_modify(|planned| planned.state = state);
                    }
                }
                NextStep::Finish => {
                    self.record_whole().await?;
                    return self.go_online().await;
                }
                NextStep::EndIncomplete => return Ok(MigrationEnd::Incomplete),
                NextStep::Stop(StopRequest::Pause) => return Ok(MigrationEnd::Paused),
                NextStep::Stop(StopRequest::Cancel) => {
                    log_state::cancel(&mut self.log, self.migration.number).await?;
                    return Ok(MigrationEnd::Cancelled);
                }
            }
        }
    }

    /// The outcome for a date whose process ended before it could say so, by what the log has of it.
    async fn counted(&self, date: EventDate, rows: u64) -> Result<DateReport, MaterializerError> {
        let mut loaded = 0;
        let mut batches = self.log.scan_date(&date.to_string(), &[POSITION_KIND])?;
        while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
            let kinds = batch.column(0).as_primitive::<Int8Type>().values();
            loaded += kinds.iter().filter(|kind| **kind == Position::KIND_HISTORY as i8).count() as u64;
        }
        let (left_out, files) = (rows.saturating_sub(loaded), self.files_with(date));
        Ok(DateReport { read: rows, loaded, left_out, files, ..DateReport::default() })
    }
}

/// The files that a backfill reads which began before: those that were there then, and hold what they held.
async fn members(
    log: &Log,
    files: Vec<FileToLoad>,
    begun: &Begun,
    is_loaded: bool,
) -> Result<Vec<FileToLoad>, MaterializerError> {
    let (mut members, mut changed) = (Vec::new(), Vec::new());
    for file in files {
        match log_state::content(log, &file.file.name).await? {
            Some(content) if file.content.is(content) => members.push(file),
            Some(_) => changed.push(format!("`{}`", file.file.path.display())),
            None => {}
        }
    }
    let view = log.view().id.clone();
    if !changed.is_empty() {
        return Err(MaterializerError::MigrationSourceChanged { view, files: changed });
    }
    if members.len() != begun.files && !is_loaded {
        return Err(MaterializerError::MigrationFilesGone { view, files: begun.files, found: members.len() });
    }
    Ok(members)
}

/// For each of these files that was loaded in part, the numbers of the rows that the log has of it.
async fn known(log: &Log, files: &[FileToLoad]) -> Result<BTreeMap<u32, RoaringTreemap>, MaterializerError> {
    let resumed = files.iter().filter(|file| file.resumes);
    let mut known: BTreeMap<u32, RoaringTreemap> =
        resumed.map(|file| (file.number, RoaringTreemap::new())).collect();
    if !known.is_empty() {
        log.for_each_position(|(kind, file, row)| {
            if let Some(known) = known.get_mut(&file).filter(|_| kind == Position::KIND_HISTORY) {
                known.insert(row);
            }
        })
        .await?;
    }
    Ok(known)
}

/// The source, whose history counts as available after this delay.
fn with_delay(source: &Source, delay: &HistoryDelay) -> Source {
    match source.provenance_of_history() {
        Provenance::Simulated => Source { assumed_delay: delay.delay, ..source.clone() },
        _ => source.clone(),
    }
}

/// How much memory a row is taken to need before any was read, in bytes.
fn bytes_a_row(view: &View) -> u64 {
    const FACTS: u64 = 64;
    let columns =
        view.keys.iter().map(|key| key.data_type).chain(view.columns.iter().map(|column| column.data_type));
    let bytes = columns.map(|data_type| match data_type.scalar() {
        Some(feature::Scalar::String | feature::Scalar::Bytes) => 32,
        Some(_) => 9,
        None => 256,
    });
    FACTS + bytes.sum::<u64>()
}

/// Refuses dates that are to be taken as they are, and of which there are no rows.
fn refuse_unknown_dates(
    view: &View,
    accepted: &BTreeSet<EventDate>,
    all: &BTreeMap<EventDate, u64>,
) -> Result<(), MaterializerError> {
    let unknown = accepted.iter().filter(|date| !all.contains_key(date)).map(EventDate::to_string);
    let dates: Vec<String> = unknown.collect();
    match (all.first_key_value(), all.last_key_value()) {
        (Some((first, _)), Some((last, _))) if !dates.is_empty() => {
            Err(MaterializerError::NoSuchDates { view: view.id.clone(), dates, first: *first, last: *last })
        }
        _ => Ok(()),
    }
}
