//! The rows of another view as a source: the features of that view, at each row of its log.
//!
//! A load takes the rows that commits added to the input's log since the version up to which everything was taken, as
//! far as they are visible when it begins. A row that is not visible yet is taken by a later load, once it is: its
//! features depend on rows that may still come. Compactions add no rows. The rows keep their positions, so a load that
//! was interrupted skips those that its own log has.
//!
//! A row's features are those of the input's log when it was taken. History that is added to the input later, and would
//! change them, is refused by name: the log of a derived view only grows.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use feature::{AsOf, Field, Micros, Position, Provenance, VersionId, View};
use futures::TryStreamExt;
use futures::future::{BoxFuture, FutureExt};
use offline::{
    AVAILABLE_AT, Added, EVENT_TIME, FeatureRowStream, FeatureRows, Log, Marker, OfflineError, OfflineStore,
    PROVENANCE, ReadLock, RowRange,
};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::batch_source::{BatchSource, RowReader};
use super::loaded_files;
use super::source_file::{SourceFile, SourceFiles, TableVersions};
use super::source_rows::SourceRows;
use crate::error::MaterializerError;
use crate::load_lock::LoadLock;
use crate::markers::{self, DERIVED_NEWEST, DERIVED_UNTIL, DERIVED_WAITING, DERIVING, first_63_bits};
use crate::materializer::Input;

/// The rows of an input that a derived view takes next.
pub(crate) struct DerivedSource {
    input: Arc<View>,
    log: Log,
    /// The version of the input's log whose rows are taken.
    version: u64,
    /// Rows that became visible later are left to a later load.
    until: Micros,
    ranges: Arc<[RowRange]>,
    /// What the times of these rows say.
    found: Found,
    /// The positions that the derived view's own log has, of a load that was interrupted.
    known: Arc<HashSet<Position>>,
    /// No vacuum removes what is read here.
    _reading: ReadLock,
}

/// What the log of a derived view records of its input.
#[derive(Debug)]
struct Taken {
    versions: TableVersions,
    /// The moment up to which all rows of that version are taken.
    until: Option<Micros>,
    /// From when on the newest row that was taken was visible.
    newest: Option<Micros>,
    /// Whether rows of that version were not visible yet.
    has_waiting: bool,
    /// The version that a load which was interrupted was taking.
    interrupted: Option<u64>,
}

/// What the times of rows say.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// Rows to take.
    rows: u64,
    /// Rows that are not visible yet.
    waiting: u64,
    /// From when on the newest row to take is visible.
    newest: Option<Micros>,
    /// Rows of history, beside the rows that were taken before: how many of them were visible before the newest of
    /// those, and from when on the first of them.
    conflicts: u64,
    first_conflict: Option<Micros>,
}

impl DerivedSource {
    /// Decides which rows of its input a view takes, whose own log this is.
    pub(crate) async fn find(
        offline: &OfflineStore,
        own: &Log,
        input: &Input,
        clock: fn() -> Micros,
    ) -> Result<Self, MaterializerError> {
        let view = &own.view().id;
        let (log, until) = {
            // What a load of the input commits after this moment is visible after it.
            let _lock = LoadLock::acquire(&offline.log(&input.view).await?).await?;
            (offline.log(&input.view).await?, clock())
        };
        let reading = ReadLock::of_reader(&log);
        let Some(version) = log.version() else { return Err(never_loaded(view, input)) };
        if input.has_history && !loaded_files::has_first_load(&log).await? {
            return Err(never_loaded(view, input));
        }
        let taken = Taken::read(own).await?;
        let id = identity(&log)?;
        if taken.versions.id.is_some_and(|known| known != id)
            || taken.versions.whole.is_some_and(|whole| whole > version)
        {
            let path = log.named()?;
            return Err(MaterializerError::OtherTable { view: view.clone(), path });
        }
        if let (None, Some(before)) = (taken.versions.whole, log.expired_before().await?) {
            let (view, input) = (view.clone(), input.view.id.clone());
            return Err(MaterializerError::InputExpired { view, input, before });
        }
        let ranges = ranges(offline, &log, &taken, until).await?;
        let found = found(&log, &ranges, &taken).await?;
        if let Some(first) = found.first_conflict {
            return Err(MaterializerError::HistoryOfInput {
                view: view.clone(),
                input: input.view.id.clone(),
                rows: found.conflicts,
                first,
            });
        }
        let known = match taken.interrupted {
            Some(_) => known(own).await?,
            None => HashSet::new(),
        };
        let known = Arc::new(known);
        let newest = found.newest.max(taken.newest);
        let found = Found { newest, ..found };
        let ranges = ranges.into_iter().map(|(range, _)| range).collect();
        Ok(Self {
            input: Arc::clone(&input.view),
            log,
            version,
            until,
            ranges,
            found,
            known,
            _reading: reading,
        })
    }

    /// Whether there is nothing to take.
    fn is_empty(&self) -> bool {
        self.ranges.iter().all(|range| range.files.is_empty())
    }

    /// The commit of the input's log with which everything that is taken was committed.
    fn file(&self) -> Result<SourceFile, OfflineError> {
        let commit = Path::new("_delta_log").join(format!("{:020}.json", self.version));
        Ok(SourceFile {
            name: format!("{} version {} until {}", self.input.id, self.version, self.until),
            path: self.log.folder()?.join(commit),
            partition: Vec::new(),
            table_columns: Default::default(),
            replaces: Default::default(),
        })
    }
}

impl Taken {
    async fn read(own: &Log) -> Result<Self, MaterializerError> {
        let deriving = markers::read_number::<u64>(own, DERIVING).await?.unwrap_or(0);
        Ok(Self {
            versions: loaded_files::table_versions(own).await?,
            until: markers::read_moment(own, DERIVED_UNTIL).await?,
            newest: markers::read_moment(own, DERIVED_NEWEST).await?,
            has_waiting: markers::read_number::<u64>(own, DERIVED_WAITING).await?.unwrap_or(0) > 0,
            interrupted: deriving.checked_sub(1),
        })
    }
}

/// How many rows of its input that were visible at a moment a derived view has not taken; `None` if it was never loaded.
pub async fn rows_to_derive(
    offline: &OfflineStore,
    view: &Arc<View>,
    input: &Input,
    at: Micros,
) -> Result<Option<u64>, MaterializerError> {
    let (own, log) = (offline.log(view).await?, offline.log(&input.view).await?);
    let _reading = ReadLock::of_reader(&log);
    let taken = Taken::read(&own).await?;
    if taken.versions.whole.is_none() || log.version().is_none() {
        return Ok(None);
    }
    let ranges = ranges(offline, &log, &taken, at).await?;
    Ok(Some(found(&log, &ranges, &taken).await?.rows))
}

/// The versions of its input's log from which a derived view takes its next rows.
pub(crate) async fn versions_to_derive_from(own: &Log) -> Result<Vec<u64>, MaterializerError> {
    let taken = Taken::read(own).await?;
    Ok([taken.versions.whole, taken.interrupted].into_iter().flatten().collect())
}

fn never_loaded(view: &VersionId, input: &Input) -> MaterializerError {
    MaterializerError::InputNeverLoaded { view: view.clone(), input: input.view.id.clone() }
}

/// The first 63 bits of the hash of the identity of a log's table.
fn identity(log: &Log) -> Result<i64, MaterializerError> {
    let identity = log
        .identity()
        .ok_or_else(|| MaterializerError::invariant(&log.view().id, "a log with a version has no table"))?;
    Ok(first_63_bits(&Sha256::digest(identity).into()))
}

/// The rows that may be taken, and of each range whether what it has of history must not be visible before rows that were
/// taken.
async fn ranges(
    offline: &OfflineStore,
    log: &Log,
    taken: &Taken,
    until: Micros,
) -> Result<Vec<(RowRange, bool)>, MaterializerError> {
    let range = |files: Added, after| RowRange { files, after, until };
    let Some(whole) = taken.versions.whole else {
        let mut ranges = vec![(range(log.all_rows(), None), false)];
        if let Some(interrupted) = taken.interrupted {
            // Its own rows first: what was added since must not change them.
            let began = offline.log_at(log.view(), interrupted).await?;
            ranges = vec![
                (range(began.all_rows(), None), false),
                (range(log.added_since(interrupted).await?, None), true),
            ];
        }
        return Ok(ranges);
    };
    let mut ranges = Vec::new();
    if taken.has_waiting {
        let before = offline.log_at(log.view(), whole).await?;
        ranges.push((range(before.all_rows(), taken.until), false));
    }
    match taken.interrupted {
        Some(interrupted) => {
            let began = offline.log_at(log.view(), interrupted).await?;
            ranges.push((range(began.added_since(whole).await?, None), false));
            ranges.push((range(log.added_since(interrupted).await?, None), true));
        }
        None => ranges.push((range(log.added_since(whole).await?, None), true)),
    }
    Ok(ranges)
}

/// Reads the times of these rows.
async fn found(log: &Log, ranges: &[(RowRange, bool)], taken: &Taken) -> Result<Found, MaterializerError> {
    let mut found = Found::default();
    for (range, is_new) in ranges {
        let newest = taken.newest.filter(|_| *is_new);
        let mut batches = log.scan_added(&range.files, &[EVENT_TIME, AVAILABLE_AT, PROVENANCE])?;
        while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
            found.add(log.view(), &batch, range, newest)?;
        }
    }
    Ok(found)
}

impl Found {
    /// Adds the rows of a batch. Those of history must be visible after the `newest` row that was taken before.
    fn add(
        &mut self,
        input: &View,
        batch: &RecordBatch,
        range: &RowRange,
        newest: Option<Micros>,
    ) -> Result<(), MaterializerError> {
        let broken = |what| MaterializerError::invariant(&input.id, what);
        let moments = |column: usize| {
            let times = batch.column(column).as_primitive_opt::<TimestampMicrosecondType>();
            let times = times.ok_or_else(|| broken("a scan of times gave no times"))?;
            let moment =
                |time: &i64| Micros::new(*time).map_err(|_| broken("a time of the log is out of range"));
            times.values().iter().map(moment).collect::<Result<Vec<Micros>, MaterializerError>>()
        };
        let (event_times, available_at) = (moments(0)?, moments(1)?);
        let provenance = batch.column(2).as_string_opt::<i32>();
        let provenance = provenance.ok_or_else(|| broken("a scan of provenances gave none"))?;
        for (row, (event_time, available_at)) in event_times.into_iter().zip(available_at).enumerate() {
            let visible_at = AsOf::Available.visible_at(event_time, available_at);
            if range.after.is_some_and(|after| visible_at <= after) {
                continue;
            }
            if visible_at > range.until {
                self.waiting += 1;
                continue;
            }
            self.rows += 1;
            self.newest = self.newest.max(Some(visible_at));
            let is_history = provenance.value(row) != Provenance::Measured.name();
            if is_history && newest.is_some_and(|newest| visible_at <= newest) {
                self.conflicts += 1;
                self.first_conflict =
                    Some(self.first_conflict.map_or(visible_at, |first| first.min(visible_at)));
            }
        }
        Ok(())
    }
}

/// The positions of all rows of a log.
async fn known(own: &Log) -> Result<HashSet<Position>, MaterializerError> {
    let (mut known, mut is_known_kind) = (HashSet::new(), true);
    own.for_each_position(|(kind, major, minor)| match Position::from_parts(kind, major, minor) {
        Some(position) => {
            known.insert(position);
        }
        None => is_known_kind = false,
    })
    .await?;
    match is_known_kind {
        true => Ok(known),
        false => Err(MaterializerError::invariant(
            &own.view().id,
            "a row of the log has no known kind of position",
        )),
    }
}

impl BatchSource for DerivedSource {
    fn files<'a>(
        &'a self,
        _: &'a VersionId,
        _: TableVersions,
    ) -> BoxFuture<'a, Result<SourceFiles, MaterializerError>> {
        let files = async {
            if self.is_empty() {
                return Ok(SourceFiles::default());
            }
            let (table_version, table_id) = (Some(self.version), Some(identity(&self.log)?));
            Ok(SourceFiles { files: vec![self.file()?], unread: Vec::new(), table_version, table_id })
        };
        files.boxed()
    }

    fn begun(&self) -> Vec<Marker> {
        let newest = self.found.newest.map(|newest| markers::marker(DERIVED_NEWEST, newest.get()));
        let deriving = markers::marker(DERIVING, self.version as i64 + 1);
        newest.into_iter().chain([deriving]).filter(|_| !self.is_empty()).collect()
    }

    fn ended(&self) -> Vec<Marker> {
        let ended = [
            markers::marker(DERIVING, 0),
            markers::marker(DERIVED_UNTIL, self.until.get()),
            markers::marker(DERIVED_WAITING, self.found.waiting as i64),
        ];
        ended.into_iter().filter(|_| !self.is_empty()).collect()
    }

    fn open(
        &self,
        columns: &[Field],
        _: &SourceFile,
        max_rows: Option<usize>,
    ) -> Result<Box<dyn RowReader>, MaterializerError> {
        let features = columns.iter().filter_map(|field| self.input.feature(field.name.as_str()));
        let rows = FeatureRows::new(&self.log, Arc::clone(&self.ranges), features.collect());
        let runtime = Handle::current();
        // The join asks for the runtime of the thread that begins it.
        let stream = runtime.block_on(async { rows.read() })?;
        Ok(Box::new(DerivedReader {
            stream,
            runtime,
            columns: columns.to_vec(),
            known: Arc::clone(&self.known),
            max_rows: max_rows.unwrap_or(usize::MAX),
            left: None,
            next_row: 0,
        }))
    }
}

/// The rows of an input being read.
struct DerivedReader {
    stream: FeatureRowStream,
    runtime: Handle,
    columns: Vec<Field>,
    /// Positions that are passed over.
    known: Arc<HashSet<Position>>,
    max_rows: usize,
    /// Rows that are read and did not fit a batch.
    left: Option<(RecordBatch, Vec<Position>)>,
    next_row: u64,
}

impl RowReader for DerivedReader {
    fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        let next = match self.left.take() {
            Some(left) => Some(left),
            None => self.read()?,
        };
        let Some((batch, mut positions)) = next else { return Ok(None) };
        let taken = batch.num_rows().min(self.max_rows);
        if taken < batch.num_rows() {
            self.left = Some((batch.slice(taken, batch.num_rows() - taken), positions.split_off(taken)));
        }
        let (first_row, batch) = (self.next_row, batch.slice(0, taken));
        self.next_row += taken as u64;
        Ok(Some(SourceRows { first_row, batch, positions: Some(positions), unreadable: Vec::new() }))
    }
}

impl DerivedReader {
    /// The next rows that are not known, in the requested columns; `None` at the end.
    fn read(&mut self) -> Result<Option<(RecordBatch, Vec<Position>)>, MaterializerError> {
        loop {
            let Some((batch, mut positions)) = self.runtime.block_on(self.stream.next())? else {
                return Ok(None);
            };
            let mut batch = self.conformed(&batch)?;
            if !self.known.is_empty() {
                let is_new: Vec<bool> =
                    positions.iter().map(|position| !self.known.contains(position)).collect();
                let mut keeps = is_new.iter();
                positions.retain(|_| keeps.next() == Some(&true));
                batch = filter_record_batch(&batch, &BooleanArray::from(is_new))?;
            }
            if batch.num_rows() > 0 {
                return Ok(Some((batch, positions)));
            }
        }
    }

    fn conformed(&self, batch: &RecordBatch) -> Result<RecordBatch, MaterializerError> {
        let [event_time, available_at] = View::row_times();
        let column = |field: &Field| {
            let name = match &field.name {
                name if *name == event_time => EVENT_TIME,
                name if *name == available_at => AVAILABLE_AT,
                name => name.as_str(),
            };
            let column = batch.column_by_name(name);
            let column = column.expect("invariant: the columns of a derived view are those of its input");
            let declared = transform::arrow_type(field.data_type);
            if *column.data_type() == declared { Ok(Arc::clone(column)) } else { cast(column, &declared) }
        };
        let columns = self.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        Ok(RecordBatch::try_new_with_options(
            transform::arrow_schema(&self.columns),
            columns,
            &arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
        )?)
    }
}
