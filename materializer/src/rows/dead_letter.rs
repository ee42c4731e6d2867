//! A refused row as a dead letter. Of a stream all of the record that fits is kept, so that it can be replayed;
//! of history its values, as text.

use arrow::array::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use feature::{Field, Micros, Position};
use offline::DeadLetter;
use serde_json::{Map, Value as Json, json};

use super::reason::RefusalReason;
use super::record::Record;

/// The longest record that is kept whole, in bytes of its key and value.
const MAX_RECORD_BYTES: usize = 256 << 10;

/// The values of a row of history, by column: what its dead letter keeps of it.
pub(crate) fn shown_row(columns: &[Field], batch: &RecordBatch, row: usize) -> String {
    let values = columns.iter().filter_map(|field| {
        let column = batch.column_by_name(field.name.as_str())?;
        let value = transform::value_at(column.as_ref(), row, field.data_type);
        let shown = if value.is_null() { Json::Null } else { Json::String(value.to_string()) };
        Some((field.name.to_string(), shown))
    });
    cut(Json::Object(values.collect()).to_string())
}

/// A text, cut to the bytes that a dead letter of history keeps.
pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(DeadLetter::MAX_ROW_BYTES));
    text
}

/// The dead letter of a record of this topic.
pub(crate) fn of_record(topic: &str, record: &Record, reason: RefusalReason, detail: String) -> DeadLetter {
    let mut row = Map::new();
    row.insert("timestamp_us".to_owned(), json!(record.timestamp.get()));
    let mut remaining = MAX_RECORD_BYTES;
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        let Some(bytes) = bytes else { continue };
        let kept = bytes.get(..remaining).unwrap_or(bytes);
        remaining -= kept.len();
        match str::from_utf8(kept) {
            Ok(text) => row.insert(name.to_owned(), json!(text)),
            Err(_) => row.insert(format!("{name}_base64"), json!(STANDARD.encode(kept))),
        };
        if kept.len() < bytes.len() {
            row.insert("cut_from_bytes".to_owned(), json!(bytes.len()));
        }
    }
    DeadLetter {
        position: Position::Stream { partition: record.partition, offset: record.offset },
        origin: topic.to_owned(),
        reason: reason.as_str().to_owned(),
        detail,
        row: Json::Object(row).to_string(),
    }
}

/// The record of a dead letter; `None` if it is of history, or was too long to be kept whole.
pub(crate) fn record(dead_letter: &DeadLetter) -> Option<Record> {
    let Position::Stream { partition, offset } = dead_letter.position else { return None };
    let row: Map<String, Json> = serde_json::from_str(&dead_letter.row).ok()?;
    if row.contains_key("cut_from_bytes") {
        return None;
    }
    let timestamp = Micros::new(row.get("timestamp_us")?.as_i64()?).ok()?;
    let bytes = |name: &str| match (row.get(name), row.get(&format!("{name}_base64"))) {
        (Some(text), _) => text.as_str().map(|text| text.as_bytes().to_vec()),
        (None, Some(coded)) => STANDARD.decode(coded.as_str()?).ok(),
        (None, None) => None,
    };
    Some(Record {
        partition,
        offset,
        timestamp,
        received_at: timestamp,
        key: bytes("key"),
        value: bytes("value"),
        trace: None,
        is_forgotten: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_dead_letter_unless_it_was_too_long_to_be_kept() {
        let at = Micros::new(7).unwrap();
        let mut kept = Record {
            partition: 2,
            offset: 9,
            timestamp: at,
            received_at: at,
            key: Some(b"k".to_vec()),
            value: Some(vec![0xff, 0]),
            trace: None,
            is_forgotten: false,
        };
        let dead_letter = |record: &Record| {
            of_record("landings", record, RefusalReason::Undecodable, "it is not JSON".to_owned())
        };
        assert_eq!(record(&dead_letter(&kept)), Some(kept.clone()));
        kept.value = None;
        assert_eq!(record(&dead_letter(&kept)), Some(kept.clone()));
        kept.value = Some(vec![b'x'; MAX_RECORD_BYTES]);
        assert_eq!(record(&dead_letter(&kept)), None);
    }
}
