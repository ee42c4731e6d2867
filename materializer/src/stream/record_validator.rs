//! The outcome for each record of a flush: accepted with its times and position, left out, or refused. Pure: how
//! records are read and where rows are written is elsewhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::Schema;
use feature::{EntityKey, Micros, Position, Value};
use offline::{DeadLetter, Forgotten};
use transform::{EVENT_TIME, Transformed, ViewTransform};

use super::decode::{Decoder, tombstone_key};
use crate::error::MaterializerError;
use crate::materializer::Target;
use crate::rows::accepted::{AcceptedRows, Availability, micros};
use crate::rows::counts::{RowCounts, add_counts};
use crate::rows::dead_letter;
use crate::rows::forgotten::{forgotten_rows, is_forgotten};
use crate::rows::reason::RefusalReason;
use crate::rows::record::Record;
use crate::schema_registry::SchemaRegistry;

/// What the rows of one view's stream are validated by.
pub(crate) struct RecordValidator {
    target: Target,
    transform: ViewTransform,
    decoder: Decoder,
    topic: String,
    /// The view's keys and columns: those of accepted rows.
    schema: Arc<Schema>,
}

/// What is settled before records are validated.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    /// What was refused before, by (partition, offset), and stays refused: what was folded after it was folded
    /// without it.
    pub(crate) refused: &'a BTreeSet<(u32, u64)>,
    /// Where the stream starts: earlier events are history's.
    pub(crate) start: Option<Micros>,
    /// The entities whose rows are left out.
    pub(crate) forgotten: &'a Forgotten,
}

/// The outcome for the records of one flush.
#[derive(Debug)]
pub(crate) struct ValidatedRecords {
    pub(crate) accepted: AcceptedRows,
    /// The rows that were refused.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// The indexes of the records that are left out because of a null in their key.
    pub(crate) null_keys: Vec<usize>,
    /// The indexes of the records that are left out because their entities were forgotten.
    pub(crate) forgotten: Vec<usize>,
    pub(crate) counts: RowCounts,
}

/// Records that were decoded.
struct Decoded {
    /// The values of each column.
    columns: Vec<Vec<Value>>,
    /// For each decoded record its index among the records.
    origins: Vec<usize>,
    /// The index and the join keys of each tombstone.
    tombstones: Vec<(usize, Vec<Value>)>,
    /// The indexes of records whose key and value were taken out of their topic.
    forgotten: Vec<usize>,
}

impl RecordValidator {
    /// A validator of the stream of a view.
    pub(crate) fn new(
        target: &Target,
        project: &Path,
        registry: Option<&Arc<SchemaRegistry>>,
    ) -> Result<Self, MaterializerError> {
        let Target { view, source, .. } = target;
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
        Ok(Self { target: target.clone(), transform, decoder, topic: stream.topic.clone(), schema })
    }

    /// Fetches what has to be known before these records are validated; fails if that has to wait.
    pub(crate) async fn prepare(&mut self, records: &[Record]) -> Result<(), MaterializerError> {
        self.decoder.prepare(records.iter().filter_map(|record| record.value.as_deref())).await
    }

    /// Validates records that were prepared and are in the order of their positions.
    pub(crate) fn validate(
        &self,
        records: &[Record],
        before: &Before<'_>,
    ) -> Result<ValidatedRecords, MaterializerError> {
        let mut dead_letters = Vec::new();
        let mut decoded = self.decode(records, before, &mut dead_letters);
        let (batch, forgotten, keys) = self.without_forgotten(records, &mut decoded, before.forgotten)?;
        let Transformed { rows, origins, filtered, null_keys, null_key_rows, bad, warned, .. } =
            self.transform.apply(&batch)?;
        let mut counts =
            RowCounts { read: records.len() as u64, filtered, null_keys, ..RowCounts::default() };
        (counts.forgotten, counts.forgotten_keys) = (forgotten.len() as u64, keys);
        add_counts(&mut counts.warned, warned);
        let record_of = |row: u32| self.record_of(records, &decoded.origins, row);
        for bad in &bad {
            let (_, record) = record_of(bad.row)?;
            dead_letters.push(self.refuse(record, RefusalReason::of(&bad.reason), bad.reason.to_string()));
        }
        let null_keys = null_key_rows.into_iter().map(|row| Ok(record_of(row)?.0));
        let null_keys = null_keys.collect::<Result<Vec<usize>, MaterializerError>>()?;
        let event_times = self.event_times(&rows)?;
        let mut keep = Vec::new();
        let mut kept = Vec::new();
        for (row, (origin, event_time)) in origins.iter().zip(event_times).enumerate() {
            let (index, record) = record_of(*origin)?;
            match self.misplaced(record, event_time, before) {
                Some((reason, detail)) => dead_letters.push(self.refuse(record, reason, detail)),
                None => {
                    keep.push(row as u32);
                    kept.push((index, event_time));
                }
            }
        }
        counts.add_refused(&dead_letters);
        let rows = take_record_batch(&self.projected(&rows)?, &UInt32Array::from(keep))?;
        let accepted = self.with_tombstones(records, rows, kept, &decoded.tombstones)?;
        counts.accepted = accepted.len() as u64;
        Ok(ValidatedRecords { accepted, dead_letters, null_keys, forgotten, counts })
    }

    /// The dead letter of a record.
    pub(crate) fn refuse(&self, record: &Record, reason: RefusalReason, detail: String) -> DeadLetter {
        dead_letter::of_record(&self.topic, record, reason, detail)
    }

    /// The topic of its records.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// The rows as the log holds them once they became available at this moment, and how many are late.
    pub(crate) fn log_batch(
        &self,
        accepted: &AcceptedRows,
        at: Micros,
    ) -> Result<(RecordBatch, u64), MaterializerError> {
        accepted.log_batch(&self.target.source, &self.target.view, Availability::Measured(at))
    }

    fn decode(&self, records: &[Record], before: &Before<'_>, dead_letters: &mut Vec<DeadLetter>) -> Decoded {
        let mut decoded = Decoded {
            columns: vec![Vec::new(); self.decoder.fields().len()],
            origins: Vec::new(),
            tombstones: Vec::new(),
            forgotten: Vec::new(),
        };
        for (index, record) in records.iter().enumerate() {
            if before.refused.contains(&(record.partition, record.offset)) {
                continue;
            }
            if record.is_forgotten {
                decoded.forgotten.push(index);
                continue;
            }
            let mut refuse = |reason, detail| dead_letters.push(self.refuse(record, reason, detail));
            let Some(value) = &record.value else {
                match (before.start, tombstone_key(&self.target.view, record.key.as_deref())) {
                    (Some(start), _) if record.timestamp < start => {
                        refuse(RefusalReason::BeforeStream, self.before_stream(record.timestamp, start));
                    }
                    (_, Ok(key)) => decoded.tombstones.push((index, key)),
                    (_, Err(problem)) => refuse(RefusalReason::TombstoneKey, problem),
                }
                continue;
            };
            match self.decoder.decode(value) {
                Ok(values) => {
                    decoded.columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                    decoded.origins.push(index);
                }
                Err(error) => refuse(error.reason, error.detail),
            }
        }
        decoded
    }

    /// The decoded rows as a batch, and tombstones, without those of forgotten entities; and the indexes of
    /// their records, and their keys.
    fn without_forgotten(
        &self,
        records: &[Record],
        decoded: &mut Decoded,
        list: &Forgotten,
    ) -> Result<(RecordBatch, Vec<usize>, BTreeSet<EntityKey>), MaterializerError> {
        let view = &self.target.view;
        let mut left_out = decoded.forgotten.clone();
        decoded.tombstones.retain(|(index, key)| {
            let at = records.get(*index).map_or(Micros::MIN, |record| record.timestamp);
            let is_left_out = is_forgotten(list, view, key, at);
            left_out.extend(is_left_out.then_some(*index));
            !is_left_out
        });
        let batch = self.batch(&decoded.columns)?;
        let Some(forgotten) = forgotten_rows(list, view, &self.transform, &batch)? else {
            return Ok((batch, left_out, BTreeSet::new()));
        };
        let mut kept = Vec::new();
        for (index, key) in decoded.origins.iter().zip(&forgotten) {
            if key.is_some() { left_out.push(*index) } else { kept.push(*index) }
        }
        decoded.origins = kept;
        let is_kept: BooleanArray = forgotten.iter().map(|key| Some(key.is_none())).collect();
        let keys = forgotten.into_iter().flatten().collect();
        Ok((filter_record_batch(&batch, &is_kept)?, left_out, keys))
    }

    /// The record of a row of the decoded batch, and its index.
    fn record_of<'a>(
        &self,
        records: &'a [Record],
        origins: &[usize],
        row: u32,
    ) -> Result<(usize, &'a Record), MaterializerError> {
        let index = origins.get(row as usize).copied();
        let record = index.and_then(|index| Some((index, records.get(index)?)));
        record.ok_or_else(|| self.broken("a transformed row comes from no record"))
    }

    fn event_times(&self, rows: &RecordBatch) -> Result<Vec<i64>, MaterializerError> {
        let times = rows.column_by_name(EVENT_TIME).and_then(micros);
        times.ok_or_else(|| self.broken("a transformed row of a stream has no event time"))
    }

    /// Why a row is not the stream's at this moment, if so: it happened before the stream starts, or is too far
    /// ahead.
    fn misplaced(
        &self,
        record: &Record,
        event_time: i64,
        before: &Before<'_>,
    ) -> Option<(RefusalReason, String)> {
        let max_ahead = self.target.source.max_ahead;
        match before.start {
            Some(start) if event_time < start.get() => {
                let event_time = Micros::new(event_time).unwrap_or(Micros::MIN);
                Some((RefusalReason::BeforeStream, self.before_stream(event_time, start)))
            }
            _ if event_time <= record.timestamp.saturating_add(max_ahead).get() => None,
            _ => {
                let event_time = Micros::new(event_time).unwrap_or(Micros::MAX);
                let detail = format!(
                    "it happens at {event_time}, more than {max_ahead} ahead of the broker's timestamp {}",
                    record.timestamp
                );
                Some((RefusalReason::TooFarAhead, detail))
            }
        }
    }

    /// Why a row that happened at this moment is not the stream's.
    fn before_stream(&self, event_time: Micros, start: Micros) -> String {
        format!(
            "it happened at {event_time}, and the stream of {} begins at {start}: what happened before is \
             its history's to load",
            self.target.view.id
        )
    }

    fn batch(&self, columns: &[Vec<Value>]) -> Result<RecordBatch, MaterializerError> {
        let schema = transform::arrow_schema(self.decoder.fields());
        let fields = self.decoder.fields().iter().zip(columns);
        let columns: Vec<ArrayRef> =
            fields.map(|(field, values)| transform::array_of(values, field.data_type)).collect();
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    /// The keys and columns of transformed rows.
    fn projected(&self, rows: &RecordBatch) -> Result<RecordBatch, MaterializerError> {
        let columns = self.schema.fields().iter().map(|field| {
            let column = rows.column_by_name(field.name()).cloned();
            column.ok_or_else(|| self.broken("a transformed row lacks a column of its view"))
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, MaterializerError>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The rows with the tombstones among them, all in the order of their records.
    fn with_tombstones(
        &self,
        records: &[Record],
        rows: RecordBatch,
        kept: Vec<(usize, i64)>,
        tombstones: &[(usize, Vec<Value>)],
    ) -> Result<AcceptedRows, MaterializerError> {
        let position = |index: usize| match records.get(index) {
            Some(record) => Ok(Position::Stream { partition: record.partition, offset: record.offset }),
            None => Err(self.broken("an accepted row comes from no record")),
        };
        // The index of the record, the row in `both`, the event time, and whether it is a tombstone.
        let mut order: Vec<(usize, u32, i64, bool)> =
            (0..).zip(kept).map(|(row, (index, time))| (index, row, time, false)).collect();
        for (row, (index, _)) in (order.len() as u32..).zip(tombstones) {
            let record = records.get(*index);
            let record = record.ok_or_else(|| self.broken("a tombstone comes from no record"))?;
            order.push((*index, row, record.timestamp.get(), true));
        }
        let rows = match tombstones {
            [] => rows,
            tombstones => {
                order.sort_unstable();
                let both = concat_batches(&self.schema, [&rows, &self.deleted(tombstones)?])?;
                take_record_batch(
                    &both,
                    &UInt32Array::from_iter_values(order.iter().map(|(_, row, ..)| *row)),
                )?
            }
        };
        let positions = order.iter().map(|(index, ..)| position(*index));
        Ok(AcceptedRows {
            rows,
            event_times: order.iter().map(|(_, _, time, _)| *time).collect(),
            declared: None,
            deleted: order.iter().map(|(.., deleted)| *deleted).collect(),
            positions: positions.collect::<Result<Vec<Position>, MaterializerError>>()?,
            origins: order.iter().map(|(index, ..)| *index).collect(),
        })
    }

    /// Rows with the join keys of tombstones, and nulls.
    fn deleted(&self, tombstones: &[(usize, Vec<Value>)]) -> Result<RecordBatch, MaterializerError> {
        let keys = self.target.view.keys.iter().enumerate().map(|(key, field)| {
            let values: Vec<&Value> = tombstones.iter().filter_map(|(_, values)| values.get(key)).collect();
            transform::array_of(values, field.data_type)
        });
        let columns = self.target.view.columns.iter();
        let nulls =
            columns.map(|column| new_null_array(&transform::arrow_type(column.data_type), tombstones.len()));
        Ok(RecordBatch::try_new(self.schema.clone(), keys.chain(nulls).collect())?)
    }

    fn broken(&self, what: &'static str) -> MaterializerError {
        MaterializerError::invariant(&self.target.view.id, what)
    }
}

#[cfg(test)]
mod validator_tests;
