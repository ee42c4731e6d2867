//! Records, and the outcome for each of them.

use feature::{Column, Field, Name, Scalar, Source, StreamFormat, View};

use super::*;

const BEFORE_STREAM: &str = "before_stream";

type KeyAndRow = (Value, feature::Row);

fn field(name: &str, data_type: &str) -> Field {
    Field { name: name.parse().unwrap(), data_type: data_type.parse().unwrap() }
}

fn name(name: &str) -> Name {
    name.parse().unwrap()
}

fn validator() -> RecordValidator {
    let source = Source {
        name: name("clicks"),
        schema: vec![
            field("id", "int64"),
            field("at", "timestamp"),
            field("visitor", "int64"),
            field("page", "string"),
        ],
        event_time: Some(name("at").into()),
        available_at: None,
        stored: Default::default(),
        assumed_delay: None,
        allowed_lateness: Some("1h".parse().unwrap()),
        max_ahead: Source::DEFAULT_MAX_AHEAD,
        batch: None,
        stream: Some(feature::Stream {
            topic: "clicks".to_owned(),
            format: StreamFormat::Json,
            from: None,
            schema: None,
            message: None,
        }),
    };
    let id = "user_clicks@1".parse().unwrap();
    let keys = vec![field("visitor", "int64")];
    let view = View {
        filter: Some("id <> 13".to_owned()),
        columns: vec![
            Column { name: name("id"), expression: "id".to_owned(), data_type: Scalar::Int64.into() },
            Column { name: name("page"), expression: "page".to_owned(), data_type: Scalar::String.into() },
        ],
        ..View::bare(id, name("visitor"), keys, name("clicks"))
    };
    let target = Target { view: Arc::new(view), source: Arc::new(source), input: None };
    RecordValidator::new(&target, Path::new("."), None).unwrap()
}

fn at() -> Micros {
    "2013-06-01T12:00:00Z".parse().unwrap()
}

fn record(offset: u64, key: Option<&str>, value: Option<&str>) -> Record {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Record {
        partition: 2,
        offset,
        timestamp: at(),
        received_at: at(),
        key: bytes(key),
        value: bytes(value),
        trace: None,
        is_forgotten: false,
    }
}

fn validated(records: &[Record], refused_before: &[(u32, u64)]) -> (Vec<KeyAndRow>, Vec<(u64, String)>) {
    let validator = validator();
    let refused = refused_before.iter().copied().collect();
    let before = Before { refused: &refused, start: None, forgotten: &Forgotten::default() };
    let ValidatedRecords { accepted, dead_letters, .. } = validator.validate(records, &before).unwrap();
    let (batch, _) = validator.log_batch(&accepted, at()).unwrap();
    let rows = offline::rows(&validator.target.view, &batch).unwrap();
    let keys =
        rows.into_iter().map(|(key, row)| (key.decode(&validator.target.view.keys).unwrap().remove(0), row));
    let dead_letters =
        dead_letters.into_iter().map(|dead_letter| (dead_letter.position.parts().2, dead_letter.reason));
    (keys.collect(), dead_letters.collect())
}

#[test]
fn rows_and_tombstones_keep_the_order_of_their_offsets() {
    let records = [
        record(
            5,
            Some("7"),
            Some(r#"{"id": 1, "at": "2013-06-01T11:00:00Z", "visitor": 7, "page": "home"}"#),
        ),
        record(6, Some("8"), None),
        record(7, None, Some(r#"{"id": 2, "at": "2013-06-01T11:00:00Z", "visitor": 8}"#)),
        record(8, Some(r#"{"visitor": 7}"#), None),
    ];
    let (rows, dead_letters) = validated(&records, &[]);
    assert_eq!(dead_letters, []);
    let shown: Vec<_> = rows
        .iter()
        .map(|(key, row)| (key.clone(), row.position.parts().2, row.deleted, row.event_time))
        .collect();
    let eleven = "2013-06-01T11:00:00Z".parse().unwrap();
    let user = Value::Int64;
    assert_eq!(
        shown,
        [
            (user(7), 5, false, eleven),
            (user(8), 6, true, at()),
            (user(8), 7, false, eleven),
            (user(7), 8, true, at())
        ]
    );
    assert_eq!(rows[0].1.values, [Value::Int64(1), Value::String("home".into())]);
    assert_eq!(rows[1].1.values, [Value::Null, Value::Null]);
}

#[test]
fn each_bad_record_is_refused_alone_and_says_why() {
    let records = [
        record(0, None, Some("{")),
        record(1, None, Some(r#"{"id": 1, "visitor": 7}"#)),
        record(2, None, Some(r#"{"id": 2, "visitor": 7, "at": "2013-06-01T13:00:00.000001Z"}"#)),
        record(3, None, None),
        record(4, Some("x"), None),
        record(5, None, Some(r#"{"id": 13, "visitor": 7}"#)),
        record(6, None, Some(r#"{"id": 3, "at": "2013-06-01T13:00:00Z"}"#)),
        record(7, None, Some(r#"{"id": 4, "visitor": 7, "at": "2013-06-01T13:00:00Z"}"#)),
    ];
    let (rows, mut dead_letters) = validated(&records, &[]);
    dead_letters.sort();
    let expected = [
        (0, "undecodable"),
        (1, "null_event_time"),
        (2, "too_far_ahead"),
        (3, "tombstone_key"),
        (4, "tombstone_key"),
    ];
    assert_eq!(dead_letters, expected.map(|(offset, reason)| (offset, reason.to_owned())));
    assert_eq!(rows.iter().map(|(_, row)| row.position.parts().2).collect::<Vec<_>>(), [7]);
}

#[test]
fn what_was_refused_before_a_crash_stays_refused() {
    let good = r#"{"id": 1, "at": "2013-06-01T11:00:00Z", "visitor": 7}"#;
    let records = [record(5, None, Some(good)), record(6, None, Some(good))];
    let (rows, dead_letters) = validated(&records, &[(2, 5)]);
    assert_eq!((rows.len(), dead_letters.len()), (1, 0));
    assert_eq!(rows[0].1.position.parts().2, 6);
}

#[test]
fn what_happened_before_the_stream_starts_is_refused_and_says_so() {
    let validator = validator();
    let start = "2013-06-01T12:00:00.000001Z".parse().unwrap();
    let records = [
        record(0, None, Some(r#"{"id": 1, "at": "2013-06-01T12:00:00Z", "visitor": 7}"#)),
        record(1, None, Some(r#"{"id": 2, "at": "2013-06-01T12:00:00.000001Z", "visitor": 7}"#)),
        record(2, Some("7"), None),
    ];
    let before = Before { refused: &BTreeSet::new(), start: Some(start), forgotten: &Forgotten::default() };
    let validated = validator.validate(&records, &before).unwrap();
    assert_eq!(validated.accepted.origins, [1]);
    let reasons: Vec<_> = validated
        .dead_letters
        .iter()
        .map(|dead_letter| (dead_letter.position, dead_letter.reason.as_str()))
        .collect();
    let at = |offset| Position::Stream { partition: 2, offset };
    // The tombstone comes at the broker's time of its record.
    assert_eq!(reasons, [(at(2), BEFORE_STREAM), (at(0), BEFORE_STREAM)]);
    let detail = &validated.dead_letters[1].detail;
    assert!(detail.contains("it happened at 2013-06-01T12:00:00Z"), "{detail}");
    assert!(detail.contains("user_clicks@1 begins at 2013-06-01T12:00:00.000001Z"), "{detail}");
    assert_eq!(validated.counts.refused.get(BEFORE_STREAM), Some(&2));
}

#[test]
fn every_record_is_accepted_or_refused_or_counted_as_left_out() {
    let validator = validator();
    let records = [
        record(0, None, Some(r#"{"id": 1, "at": "2013-06-01T11:00:00Z", "visitor": 7}"#)),
        record(1, None, Some(r#"{"id": 13, "at": "2013-06-01T11:00:00Z", "visitor": 7}"#)),
        record(2, None, Some(r#"{"id": 2, "at": "2013-06-01T11:00:00Z"}"#)),
        record(3, None, Some(r#"{"id": 3, "visitor": 7}"#)),
        record(4, None, Some("[]")),
        record(5, Some("7"), None),
        record(6, None, Some(r#"{"id": 4, "at": "2013-06-01T10:00:00Z", "visitor": 7}"#)),
    ];
    let start = Some("2013-06-01T10:30:00Z".parse().unwrap());
    let before = Before { refused: &BTreeSet::new(), start, forgotten: &Forgotten::default() };
    let validated = validator.validate(&records, &before).unwrap();
    assert_eq!(validated.null_keys, [2]);
    let counts = validated.counts;
    let refused: u64 = counts.refused.values().sum();
    assert_eq!((counts.accepted, counts.filtered, counts.null_keys, refused), (2, 1, 1, 3));
    assert_eq!(validated.dead_letters.len() as u64, refused);
    assert_eq!(counts.read, records.len() as u64);
}
