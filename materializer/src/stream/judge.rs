//! What becomes of each record of a flush: taken with its times and position, left out, or refused.
//! Pure: what was read and where it is written are elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::Schema;
use feature::{Micros, Position, Provenance, Source, Span, Value, View};
use offline::{DeadLetter, Facts, log_batch};
use transform::{EVENT_TIME, ViewTransform};

use super::decode::{Decoder, tombstone_key};
use super::letter;
use super::protocol::Record;
use super::schema_registry::SchemaRegistry;
use super::working::NoRoom;
use crate::counting::{add_counts, count_refused};
use crate::error::MaterializerError;
use crate::history::Target;
use crate::judge::micros;

/// What the rows of one view's stream are judged by.
pub(crate) struct Judge {
    view: Arc<View>,
    source: Arc<Source>,
    transform: ViewTransform,
    decoder: Decoder,
    topic: String,
    /// The view's keys and columns: what the rows that are taken have.
    schema: Arc<Schema>,
}

/// What is settled before records are judged.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    /// What was refused before, by (partition, offset), and stays refused: what was folded after it is
    /// folded without it.
    pub(crate) refused: &'a BTreeSet<(u32, u64)>,
    /// From when the stream counts: earlier events are history's.
    pub(crate) start: Option<Micros>,
}

/// The reason of a row that happened before its stream counts.
pub(crate) const BEFORE_STREAM: &str = "before_stream";
/// The reason of a row that is left out over a null in its key.
pub(crate) const NULL_KEY: &str = "null_key";

/// What became of the records of one flush.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// The rows that were taken.
    pub(crate) taken: Taken,
    /// The rows that were refused.
    pub(crate) letters: Vec<DeadLetter>,
    /// The indexes of the records that are left out over a null in their key.
    pub(crate) null_keys: Vec<usize>,
    /// All of it, counted.
    pub(crate) counts: Counts,
}

/// What a judgement counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Records that were judged.
    pub(crate) read: u64,
    /// Rows that were taken.
    pub(crate) taken: u64,
    /// Rows that did not pass the view's `where`.
    pub(crate) filtered: u64,
    /// Rows with a null in their key.
    pub(crate) null_keys: u64,
    /// Rows that an expectation only warns of.
    pub(crate) warned: BTreeMap<String, u64>,
    /// Refused rows by reason.
    pub(crate) refused: BTreeMap<String, u64>,
}

/// The rows of a flush that were taken, by partition and offset.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    rows: RecordBatch,
    event_times: Vec<i64>,
    deleted: Vec<bool>,
    positions: Vec<Position>,
    /// For each row its place among the records.
    pub(crate) origins: Vec<usize>,
}

impl Judge {
    /// What the stream of a view is judged by.
    pub(crate) fn new(
        target: &Target,
        project: &Path,
        registry: Option<&Arc<SchemaRegistry>>,
    ) -> Result<Self, MaterializerError> {
        let Target { view, source } = target;
        let Some(stream) = &source.stream else {
            return Err(MaterializerError::NoStream {
                source_name: source.name.to_string(),
                view: view.id.clone(),
            });
        };
        let transform = ViewTransform::compile(source, view)?;
        let names =
            transform.input().iter().map(|field| source.stored_name(&field.name).to_owned()).collect();
        let decoder = Decoder::new(stream, transform.input(), names, project, registry)
            .map_err(|why| MaterializerError::StreamSchema { source_name: source.name.to_string(), why })?;
        let keys = view.keys.iter().map(|key| (key.name.as_str(), key.data_type));
        let columns = view.columns.iter().map(|column| (column.name.as_str(), column.data_type));
        let fields = keys
            .chain(columns)
            .map(|(name, ty)| arrow::datatypes::Field::new(name, transform::arrow_type(ty), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self {
            view: view.clone(),
            source: source.clone(),
            transform,
            decoder,
            topic: stream.topic.clone(),
            schema,
        })
    }

    /// Finds out what has to be known before these records are judged; fails where it has to wait.
    pub(crate) async fn prepare(&mut self, records: &[Record]) -> Result<(), MaterializerError> {
        self.decoder.prepare(records.iter().filter_map(|record| record.value.as_deref())).await
    }

    /// Judges records that were prepared and are in the order of their positions.
    pub(crate) fn judge(
        &self,
        records: &[Record],
        before: &Before<'_>,
    ) -> Result<Judgement, MaterializerError> {
        let mut counts = Counts { read: records.len() as u64, ..Counts::default() };
        let mut letters = Vec::new();
        let mut refuse = |record: &Record, reason: &str, detail: String| {
            letters.push(letter::letter(&self.topic, record, reason, detail));
        };
        let mut cells: Vec<Vec<Value>> = vec![Vec::new(); self.decoder.fields().len()];
        let mut decoded = Vec::new();
        let mut tombstones: Vec<(usize, Vec<Value>)> = Vec::new();
        for (place, record) in records.iter().enumerate() {
            if before.refused.contains(&(record.partition, record.offset)) {
                continue;
            }
            match &record.value {
                Some(value) => match self.decoder.decode(value) {
                    Ok(values) => {
                        cells.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                        decoded.push(place);
                    }
                    Err(refusal) => refuse(record, refusal.kind, refusal.detail),
                },
                None if before.start.is_some_and(|start| record.timestamp < start) => {
                    refuse(record, BEFORE_STREAM, self.before_stream(record.timestamp, before));
                }
                None => match tombstone_key(&self.view, record.key.as_deref()) {
                    Ok(key) => tombstones.push((place, key)),
                    Err(problem) => refuse(record, "tombstone_key", problem),
                },
            }
        }
        let batch = self.batch(&cells)?;
        let made = self.transform.apply(&batch)?;
        counts.filtered += made.filtered;
        counts.null_keys += made.null_keys;
        add_counts(&mut counts.warned, made.warned);
        let place_of = |row: u32| decoded.get(row as usize).copied().unwrap_or(usize::MAX);
        for bad in &made.bad {
            if let Some(record) = records.get(place_of(bad.row)) {
                refuse(record, bad.reason.kind(), bad.reason.to_string());
            }
        }
        let null_keys = made.null_key_rows.iter().map(|row| place_of(*row)).collect();
        let event_times = made.rows.column_by_name(EVENT_TIME).map(micros).unwrap_or_default();
        let mut keep = Vec::new();
        let mut origins = Vec::new();
        for (row, origin) in made.origins.iter().enumerate() {
            let place = place_of(*origin);
            let (Some(record), Some(event_time)) = (records.get(place), event_times.get(row)) else {
                continue;
            };
            let limit = record.timestamp.saturating_add(self.source.max_ahead).get();
            if before.start.is_some_and(|start| *event_time < start.get()) {
                let event_time = Micros::new(*event_time).unwrap_or(Micros::MIN);
                refuse(record, BEFORE_STREAM, self.before_stream(event_time, before));
            } else if *event_time <= limit {
                keep.push(row as u32);
                origins.push(place);
            } else {
                let detail = format!(
                    "it happens at {}, more than {} ahead of the broker's timestamp {}",
                    Micros::new(*event_time).unwrap_or(Micros::MAX),
                    self.source.max_ahead,
                    record.timestamp
                );
                refuse(record, "too_far_ahead", detail);
            }
        }
        count_refused(&mut counts.refused, &letters);
        let rows = take_record_batch(&self.projected(&made.rows)?, &UInt32Array::from(keep.clone()))?;
        let event_times = keep.iter().filter_map(|row| event_times.get(*row as usize).copied()).collect();
        let taken = self.with_tombstones(records, rows, event_times, origins, &tombstones)?;
        counts.taken += taken.len() as u64;
        Ok(Judgement { taken, letters, null_keys, counts })
    }

    /// Why a row that happened at this moment is not the stream's.
    fn before_stream(&self, event_time: Micros, before: &Before<'_>) -> String {
        let start = before.start.unwrap_or(Micros::MIN);
        format!(
            "it happened at {event_time}, and the stream of {} begins at {start}: what happened before is \
             its history's to load",
            self.view.id
        )
    }

    /// The letter of a row for which its entity has no room.
    pub(crate) fn no_room(&self, record: &Record, why: NoRoom) -> DeadLetter {
        letter::letter(&self.topic, record, why.kind(), why.to_string())
    }

    /// The topic that its records are of.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    fn batch(&self, cells: &[Vec<Value>]) -> Result<RecordBatch, MaterializerError> {
        let schema = transform::arrow_schema(self.decoder.fields());
        let columns: Vec<ArrayRef> = self
            .decoder
            .fields()
            .iter()
            .zip(cells)
            .map(|(field, values)| transform::array_of(values, field.data_type))
            .collect();
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    /// The keys and columns of transformed rows.
    fn projected(&self, rows: &RecordBatch) -> Result<RecordBatch, MaterializerError> {
        let columns = self.schema.fields().iter().map(|field| {
            let column = rows.column_by_name(field.name()).cloned();
            column.unwrap_or_else(|| new_null_array(field.data_type(), rows.num_rows()))
        });
        Ok(RecordBatch::try_new(self.schema.clone(), columns.collect())?)
    }

    /// The rows with the tombstones among them, all in the order of their records.
    fn with_tombstones(
        &self,
        records: &[Record],
        rows: RecordBatch,
        event_times: Vec<i64>,
        origins: Vec<usize>,
        tombstones: &[(usize, Vec<Value>)],
    ) -> Result<Taken, MaterializerError> {
        let position = |place: &usize| {
            let at = records.get(*place).map_or((0, 0), |record| (record.partition, record.offset));
            Position::Stream { partition: at.0, offset: at.1 }
        };
        if tombstones.is_empty() {
            let positions = origins.iter().map(position).collect();
            return Ok(Taken { deleted: vec![false; origins.len()], positions, rows, event_times, origins });
        }
        let keys = self.view.keys.iter().enumerate().map(|(place, key)| {
            let values: Vec<&Value> = tombstones.iter().filter_map(|(_, values)| values.get(place)).collect();
            transform::array_of(values, key.data_type)
        });
        let nulls = self
            .view
            .columns
            .iter()
            .map(|column| new_null_array(&transform::arrow_type(column.data_type), tombstones.len()));
        let deleted = RecordBatch::try_new(self.schema.clone(), keys.chain(nulls).collect())?;
        let both = concat_batches(&self.schema, [&rows, &deleted])?;
        let timestamp = |place: &usize| records.get(*place).map_or(0, |record| record.timestamp.get());
        let mut order: Vec<(usize, u32, i64, bool)> = origins
            .iter()
            .zip(&event_times)
            .enumerate()
            .map(|(row, (origin, time))| (*origin, row as u32, *time, false))
            .collect();
        let first = rows.num_rows() as u32;
        order
            .extend((first..).zip(tombstones).map(|(row, (place, _))| (*place, row, timestamp(place), true)));
        order.sort_unstable();
        let places = UInt32Array::from_iter_values(order.iter().map(|(_, row, ..)| *row));
        Ok(Taken {
            rows: take_record_batch(&both, &places)?,
            event_times: order.iter().map(|(_, _, time, _)| *time).collect(),
            deleted: order.iter().map(|(.., deleted)| *deleted).collect(),
            positions: order.iter().map(|(place, ..)| position(place)).collect(),
            origins: order.iter().map(|(place, ..)| *place).collect(),
        })
    }

    /// The rows as the log holds them once they became available at this moment, and how many are late.
    pub(crate) fn log_batch(
        &self,
        taken: &Taken,
        at: Micros,
    ) -> Result<(RecordBatch, u64), MaterializerError> {
        let lateness = self.source.allowed_lateness.map(Span::micros);
        let is_late = |event: &i64| lateness.is_some_and(|lateness| at.get() - event > lateness);
        let late: Vec<bool> = taken.event_times.iter().map(is_late).collect();
        let late_rows = late.iter().filter(|late| **late).count() as u64;
        let facts = Facts {
            event_times: TimestampMicrosecondArray::from(taken.event_times.clone()),
            available_at: TimestampMicrosecondArray::from(vec![at.get(); taken.len()]),
            provenance: Provenance::Measured,
            assumed_delay: None,
            positions: taken.positions.clone(),
            late: BooleanArray::from(late),
            deleted: BooleanArray::from(taken.deleted.clone()),
        };
        Ok((log_batch(&self.view, &taken.rows, facts)?, late_rows))
    }
}

impl Taken {
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Each row's position, and when it happened.
    pub(crate) fn events(&self) -> impl Iterator<Item = (Position, i64)> {
        self.positions.iter().copied().zip(self.event_times.iter().copied())
    }

    /// When each row happened.
    pub(crate) fn event_times(&self) -> &[i64] {
        &self.event_times
    }

    /// The rows without those at these places.
    pub(crate) fn without(&self, places: &BTreeSet<usize>) -> Result<Taken, MaterializerError> {
        let kept: Vec<usize> = (0..self.len()).filter(|row| !places.contains(row)).collect();
        let rows = UInt32Array::from_iter_values(kept.iter().map(|row| *row as u32));
        Ok(Taken {
            rows: take_record_batch(&self.rows, &rows)?,
            event_times: kept.iter().filter_map(|row| self.event_times.get(*row).copied()).collect(),
            deleted: kept.iter().filter_map(|row| self.deleted.get(*row).copied()).collect(),
            positions: kept.iter().filter_map(|row| self.positions.get(*row).copied()).collect(),
            origins: kept.iter().filter_map(|row| self.origins.get(*row).copied()).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
