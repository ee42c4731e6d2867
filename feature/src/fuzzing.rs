//! What this crate reads of bytes and texts that others wrote, as functions of any bytes. None may panic, and none may
//! take memory out of proportion to what it was given: the scenarios run them over seeds and their mutations, and the
//! programs under `fuzz/` over what a fuzzer finds.
#![expect(clippy::unwrap_used, reason = "what is wrong here ends the program that looks for it")]

use std::sync::LazyLock;

use crate::{
    DataType, DatabaseConnection, EntityKey, EventDate, Field, Micros, Name, Scalar, ServiceRef, Span,
    TraceParent, Value, VersionId, csv_separator, excerpt, nearest, redacted, shown, visible_line,
    without_logins,
};

/// What reads bytes: its name, and the function, which says whether the bytes were what it reads.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// What is read here.
pub const TARGETS: [Target; 3] =
    [("entity_key", entity_key), ("stored_value", stored_value), ("texts", texts)];

static KEYS: LazyLock<[Vec<Field>; 4]> = LazyLock::new(|| {
    let keys = |types: &[&str]| -> Vec<Field> {
        let key = |(index, data_type): (usize, &&str)| Field {
            name: format!("k{index}").parse().unwrap(),
            data_type: data_type.parse().unwrap(),
        };
        types.iter().enumerate().map(key).collect()
    };
    [
        keys(&["string"]),
        keys(&["string", "bytes"]),
        keys(&["int64", "string", "timestamp"]),
        keys(&["bool", "int32"]),
    ]
});

/// The encoded key of an entity. One that is decoded is encoded to the same bytes: no two keys are one.
pub fn entity_key(data: &[u8]) -> bool {
    let Ok(key) = EntityKey::from_bytes(data.into()) else { return false };
    let mut is_key = false;
    for keys in KEYS.iter() {
        if let Some(values) = key.decode(keys) {
            assert_eq!(EntityKey::encode(keys, &values).as_ref(), Ok(&key));
            is_key = true;
        }
    }
    is_key
}

/// A value as it lies in a store, of every type.
pub fn stored_value(data: &[u8]) -> bool {
    let mut is_list = false;
    for scalar in Scalar::ALL {
        let _ = Value::read(scalar.into(), data);
        for data_type in [DataType::List(scalar, None), DataType::List(scalar, Some(3))] {
            if let Some(value) = Value::read(data_type, data) {
                let mut written = Vec::new();
                value.write(&mut written);
                assert_eq!(written, data);
                is_list = true;
            }
        }
    }
    is_list
}

/// The texts that definitions, files, requests and command lines have values in.
pub fn texts(data: &[u8]) -> bool {
    let text = &String::from_utf8_lossy(data);
    let mut is_value = false;
    for scalar in Scalar::ALL {
        is_value |= crate::field(text, scalar.into()).is_some();
        is_value |= crate::field(text, DataType::List(scalar, None)).is_some();
    }
    if let Ok(moment) = text.parse::<Micros>() {
        assert_eq!(moment.to_string().parse(), Ok(moment));
        is_value = true;
    }
    if let Ok(span) = text.parse::<Span>() {
        assert_eq!(span.to_string().parse(), Ok(span));
        is_value = true;
    }
    if let Ok(data_type) = text.parse::<DataType>() {
        assert_eq!(data_type.to_string().parse(), Ok(data_type));
        is_value = true;
    }
    is_value |= text.parse::<Name>().is_ok() | text.parse::<VersionId>().is_ok();
    is_value |= text.parse::<ServiceRef>().is_ok() | text.parse::<EventDate>().is_ok();
    is_value |= TraceParent::parse(text).is_some();
    is_value |= text.parse::<DatabaseConnection>().is_ok();
    csv_separator(data);
    let _ = (nearest(text, ["airport", "landed_at"]), redacted(text), without_logins(text));
    assert!(!visible_line(text).contains(is_obeyed) && !shown(text).contains(|c| c != '\n' && is_obeyed(c)));
    // A character is escaped in twelve at most.
    assert!(excerpt(text, 40).chars().count() <= 40 * 12 + 1);
    is_value
}

/// What a terminal obeys, or what begins a line of a log.
fn is_obeyed(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{1b}' | '\u{9b}' | '\u{202e}' | '\0')
}
