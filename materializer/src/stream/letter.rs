//! A refused record as a dead letter: all of it that fits, so that it can be replayed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use feature::{Micros, Position};
use offline::DeadLetter;
use serde_json::{Map, Value as Json, json};

use super::protocol::Record;

/// The longest record that is kept whole, in bytes of its key and value.
const MAX_BYTES: usize = 256 << 10;

/// The letter of a record.
pub(crate) fn letter(topic: &str, record: &Record, reason: &str, detail: String) -> DeadLetter {
    let mut row = Map::new();
    row.insert("timestamp_us".to_owned(), json!(record.timestamp.get()));
    let mut room = MAX_BYTES;
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        let Some(bytes) = bytes else { continue };
        let kept = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        room -= kept.len();
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
        reason: reason.to_owned(),
        detail,
        row: Json::Object(row).to_string(),
    }
}

/// The record of a letter; none where it is of history, or was too long to be kept whole.
pub(crate) fn record(letter: &DeadLetter) -> Option<Record> {
    let Position::Stream { partition, offset } = letter.position else { return None };
    let row: Map<String, Json> = serde_json::from_str(&letter.row).ok()?;
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_letter_unless_it_was_too_long_to_be_kept() {
        let at = Micros::new(7).unwrap();
        let mut kept = Record {
            partition: 2,
            offset: 9,
            timestamp: at,
            received_at: at,
            key: Some(b"k".to_vec()),
            value: Some(vec![0xff, 0]),
        };
        let letter_of =
            |record: &Record| letter("landings", record, "undecodable", "it is no JSON".to_owned());
        assert_eq!(record(&letter_of(&kept)), Some(kept.clone()));
        kept.value = None;
        assert_eq!(record(&letter_of(&kept)), Some(kept.clone()));
        kept.value = Some(vec![b'x'; MAX_BYTES]);
        assert_eq!(record(&letter_of(&kept)), None);
    }
}
