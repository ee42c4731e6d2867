//! Which rows a view takes from a batch, which it refuses, and in which order that is checked.

use std::collections::BTreeMap;
use std::fmt::Write;

use feature::{Column, Expectation, OnFailure, Span, Value};
use proptest::prelude::*;

use super::*;
use crate::{array_of, arrow_schema, value_at};

fn field(name: &str, data_type: &str) -> Field {
    Field { name: name.parse().unwrap(), data_type: data_type.parse().unwrap() }
}

fn source() -> Source {
    Source {
        name: "landings".parse().unwrap(),
        schema: vec![
            field("dest", "string"),
            field("landed_at", "timestamp"),
            field("loaded_at", "timestamp"),
            field("unused", "int32"),
            field("delay", "float64"),
            field("legs", "int32"),
        ],
        event_time: Some("landed_at".parse().unwrap()),
        available_at: None,
        stored: Default::default(),
        assumed_delay: None,
        allowed_lateness: None,
        max_ahead: Span::HOUR,
        batch: None,
        stream: None,
    }
}

fn column(name: &str, expression: &str, data_type: &str) -> Column {
    let Field { name, data_type } = field(name, data_type);
    Column { name, expression: expression.to_owned(), data_type }
}

fn expectation(name: &str, condition: &str, rejects: bool) -> Expectation {
    let on_failure = if rejects { OnFailure::Reject } else { OnFailure::Warn };
    let stage = ExpectationStage::Source;
    Expectation { name: name.to_owned(), condition: condition.to_owned(), on_failure, stage }
}

fn view() -> View {
    let keys = vec![field("airport", "string")];
    View {
        key_expressions: vec!["dest".to_owned()],
        columns: vec![column("per_leg", "100 / legs", "int64"), column("delay", "delay", "float64")],
        ..View::bare(
            "arrivals@1".parse().unwrap(),
            "airport".parse().unwrap(),
            keys,
            "landings".parse().unwrap(),
        )
    }
}

const NOON: &str = "2013-06-01T12:00:00Z";

/// A row of the source: destination, landed at, loaded at, delay, legs; `-` is null.
fn batch(rows: &[[&str; 5]]) -> RecordBatch {
    let schema = source().schema;
    let cell = |row: &[&str; 5], name: &str| -> Value {
        let [dest, landed_at, loaded_at, delay, legs] = *row;
        let time = |text: &str| match text {
            "-" => Value::Null,
            text => Value::Timestamp(text.parse().unwrap()),
        };
        match name {
            "dest" if dest == "-" => Value::Null,
            "dest" => Value::String(dest.into()),
            "landed_at" => time(landed_at),
            "loaded_at" => time(loaded_at),
            "delay" => delay.parse().map_or(Value::Null, Value::Float64),
            "legs" => legs.parse().map_or(Value::Null, Value::Int32),
            _ => Value::Int32(0),
        }
    };
    let columns = schema.iter().map(|field| {
        let values: Vec<Value> = rows.iter().map(|row| cell(row, field.name.as_str())).collect();
        array_of(&values, field.data_type)
    });
    RecordBatch::try_new(arrow_schema(&schema), columns.collect()).unwrap()
}

fn apply(source: &Source, view: &View, batch: &RecordBatch) -> Transformed {
    ViewTransform::compile(source, view).unwrap().apply(batch).unwrap()
}

/// The good rows as text, one line each.
fn shown(rows: &RecordBatch) -> Vec<String> {
    let show = |row: usize| {
        let mut line = String::new();
        for (column, field) in rows.columns().iter().zip(rows.schema_ref().fields()) {
            let data_type = crate::widen::natural(field.data_type()).unwrap();
            write!(line, "{} ", value_at(column, row, data_type)).unwrap();
        }
        line.trim_end().to_owned()
    };
    (0..rows.num_rows()).map(show).collect()
}

fn reasons(transformed: &Transformed) -> Vec<(u32, &'static str)> {
    transformed.bad.iter().map(|bad| (bad.row, bad.reason.kind())).collect()
}

#[test]
fn rows_have_keys_then_times_then_columns() {
    let source = Source { available_at: Some("loaded_at".parse().unwrap()), ..source() };
    let transform = ViewTransform::compile(&source, &view()).unwrap();
    let names: Vec<&str> = transform.input().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["dest", "landed_at", "loaded_at", "delay", "legs"]);
    let transformed = transform.apply(&batch(&[["BOS", NOON, "2013-06-01T12:05:00Z", "1.5", "3"]])).unwrap();
    assert_eq!(transformed.rows.schema_ref(), transform.schema());
    let names: Vec<&str> = transform.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["airport", EVENT_TIME, DECLARED_AT, "per_leg", "delay"]);
    assert_eq!(shown(&transformed.rows), ["BOS 2013-06-01T12:00:00Z 2013-06-01T12:05:00Z 33 1.5"]);
    assert_eq!(transformed.origins, [0]);
}

#[test]
fn a_static_source_gives_rows_without_an_event_time() {
    let source = Source { event_time: None, ..source() };
    let transformed = apply(&source, &view(), &batch(&[["BOS", "-", "-", "1.5", "3"]]));
    assert_eq!(shown(&transformed.rows), ["BOS 33 1.5"]);
    assert!(transformed.bad.is_empty());
}

#[test]
fn each_row_is_taken_filtered_left_out_or_bad() {
    let view = View {
        filter: Some("delay is not null and legs <> 13".to_owned()),
        expectations: vec![
            expectation("plausible", "delay between -120 and 1500", true),
            expectation("short", "delay < 100", false),
        ],
        ..view()
    };
    let rows = [
        ["BOS", NOON, "-", "1", "2"],   // good
        ["BOS", NOON, "-", "-", "2"],   // filtered: null delay
        ["BOS", NOON, "-", "1", "13"],  // filtered: false
        ["BOS", NOON, "-", "1", "-"],   // filtered: null
        ["-", NOON, "-", "1", "2"],     // null key
        ["-", NOON, "-", "9999", "2"],  // implausible, also with a null key
        ["BOS", "-", "-", "1", "2"],    // no event time
        ["-", "-", "-", "1", "0"],      // null key, whatever else is wrong
        ["BOS", "-", "-", "1", "0"],    // no event time, before its column fails
        ["BOS", NOON, "-", "1", "0"],   // its column fails
        ["BOS", NOON, "-", "200", "5"], // good, with a warning
        ["BOS", NOON, "-", "NaN", "4"], // NaN is not between
    ];
    let transformed = apply(&source(), &view, &batch(&rows));
    assert_eq!(
        shown(&transformed.rows),
        ["BOS 2013-06-01T12:00:00Z 50 1", "BOS 2013-06-01T12:00:00Z 20 200"]
    );
    assert_eq!(transformed.origins, [0, 10]);
    assert_eq!((transformed.filtered, transformed.null_keys), (3, 2));
    assert_eq!(transformed.warned, [("short".to_owned(), 1)]);
    assert_eq!(
        reasons(&transformed),
        [
            (5, "expectation_failed"),
            (6, "null_event_time"),
            (8, "null_event_time"),
            (9, "expression_failed"),
            (11, "expectation_failed"),
        ]
    );
    let text: Vec<String> = transformed.bad.iter().map(|bad| bad.reason.to_string()).collect();
    assert_eq!(text[0], "the expectation `plausible` is false");
    assert_eq!(text[1], "the event time `landed_at` is null");
    assert_eq!(text[3], "the column `per_leg` fails: divide by zero");
}

#[test]
fn an_expectation_fails_only_when_it_is_false() {
    let view = View { expectations: vec![expectation("early", "delay < 10", true)], ..view() };
    let rows = [["BOS", NOON, "-", "-", "1"], ["BOS", NOON, "-", "11", "1"]];
    let transformed = apply(&source(), &view, &batch(&rows));
    assert_eq!(transformed.origins, [0]);
    assert_eq!(reasons(&transformed), [(1, "expectation_failed")]);
}

#[test]
fn the_first_expectation_that_a_row_fails_is_its_reason() {
    let expectations =
        vec![expectation("first", "delay < 10", true), expectation("second", "100 / legs > 10", true)];
    let view = View { expectations, ..view() };
    let transformed = apply(&source(), &view, &batch(&[["BOS", NOON, "-", "11", "0"]]));
    assert_eq!(transformed.bad[0].reason, BadReason::Expectation { name: "first".to_owned() });
}

#[test]
fn where_makes_bad_only_the_rows_that_it_fails_on() {
    let view = View { filter: Some("10 / legs > 2".to_owned()), ..view() };
    let rows = [["BOS", NOON, "-", "1", "0"], ["BOS", NOON, "-", "1", "9"], ["BOS", NOON, "-", "1", "3"]];
    let transformed = apply(&source(), &view, &batch(&rows));
    assert_eq!((transformed.origins.as_slice(), transformed.filtered), (&[2][..], 1));
    assert_eq!(transformed.bad[0].reason.to_string(), "`where` fails: divide by zero");
}

#[test]
fn a_row_counts_once_against_its_batch_whatever_else_is_wrong_with_it() {
    let quarantining = |name: &str, condition: &str| Expectation {
        on_failure: OnFailure::Quarantine,
        ..expectation(name, condition, true)
    };
    let expectations = vec![
        expectation("first", "delay < 10", true),
        quarantining("second", "100 / legs > 10"),
        quarantining("third", "delay < 20"),
    ];
    let view = View { expectations, ..view() };
    let rows = [
        ["BOS", NOON, "-", "21", "0"],
        ["BOS", NOON, "-", "11", "1"],
        ["BOS", NOON, "-", "1", "50"],
        ["BOS", NOON, "-", "1", "1"],
    ];
    let transformed = apply(&source(), &view, &batch(&rows));
    assert_eq!(transformed.origins, [3]);
    let by_expectation = vec![("second".to_owned(), 2), ("third".to_owned(), 1)];
    assert_eq!(transformed.against_batch, AgainstBatch { rows: vec![0, 2], by_expectation });
}

#[test]
fn what_the_expressions_make_of_a_row_is_checked_too() {
    let of_row = |name: &str, condition: &str, on_failure| Expectation {
        stage: ExpectationStage::Row,
        on_failure,
        ..expectation(name, condition, true)
    };
    let expectations = vec![
        expectation("short", "delay < 10", true),
        of_row("few legs", "per_leg >= 20", OnFailure::Reject),
        of_row("known", "airport IN ('BOS', 'LAX')", OnFailure::Quarantine),
        of_row("exact", "per_leg * 3 < 150", OnFailure::Warn),
    ];
    let view = View { expectations, ..view() };
    let rows = [
        ["BOS", NOON, "-", "1", "2"],
        ["BOS", NOON, "-", "1", "9"],
        ["JFK", NOON, "-", "1", "1"],
        ["JFK", NOON, "-", "1", "9"],
        ["JFK", NOON, "-", "99", "1"],
        ["LAX", NOON, "-", "1", "0"],
        ["LAX", NOON, "-", "1", "-"],
    ];
    let transformed = apply(&source(), &view, &batch(&rows));
    let said: Vec<(u32, String)> =
        transformed.bad.iter().map(|bad| (bad.row, bad.reason.to_string())).collect();
    let bad = |row, name: &str| (row, format!("the expectation `{name}` is false"));
    let divided = (5, "the column `per_leg` fails: divide by zero".to_owned());
    assert_eq!(said, [bad(1, "few legs"), bad(2, "known"), bad(3, "few legs"), bad(4, "short"), divided]);
    // A null passes, and a row that is bad already is not looked at.
    assert_eq!(transformed.origins, [0, 6]);
    assert_eq!(transformed.warned, [("exact".to_owned(), 1)]);
    assert_eq!(transformed.against_batch.rows, [2, 3]);
    assert_eq!(transformed.against_batch.by_expectation, [("known".to_owned(), 2)]);
    let expectations = vec![of_row("x", "legs > 1", OnFailure::Warn)];
    let error = ViewTransform::compile(&source(), &View { expectations, ..view }).unwrap_err();
    assert!(error.to_string().starts_with("the expectation `x`: unknown column `legs`"), "{error}");
}

#[test]
fn a_warning_never_takes_a_row_away() {
    let expectations = vec![expectation("fails", "10 / (legs - 2) > 0", false)];
    let view = View { expectations, ..view() };
    let rows = [["BOS", NOON, "-", "1", "2"], ["BOS", NOON, "-", "1", "1"], ["-", NOON, "-", "1", "1"]];
    let transformed = apply(&source(), &view, &batch(&rows));
    assert_eq!(transformed.origins, [0, 1]);
    assert_eq!(transformed.warned, [("fails".to_owned(), 2)]);
}

#[test]
fn a_declared_time_must_be_there_and_within_the_years_of_a_row() {
    let source = Source { available_at: Some("loaded_at".parse().unwrap()), ..source() };
    let rows =
        batch(&[["BOS", NOON, "-", "1", "1"], ["BOS", NOON, NOON, "1", "1"], ["BOS", NOON, NOON, "1", "1"]]);
    let times = [None, Some(Micros::MAX.get() + 1), Some(Micros::MAX.get())];
    let times = arrow::array::TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
    let mut columns = rows.columns().to_vec();
    columns[2] = Arc::new(times);
    let rows = RecordBatch::try_new(rows.schema(), columns).unwrap();
    let transformed = apply(&source, &view(), &rows);
    assert_eq!(transformed.origins, [2]);
    assert_eq!(reasons(&transformed), [(0, "null_declared_time"), (1, "time_out_of_range")]);
}

#[test]
fn a_key_is_refused_exactly_where_its_encoding_is_too_long() {
    let view = View {
        keys: vec![field("airport", "string"), field("legs", "int64"), field("raw", "bytes")],
        key_expressions: vec!["dest".into(), "legs".into(), "cast('ab' as bytes)".into()],
        ..view()
    };
    for length in [EntityKey::MAX_BYTES - 18, EntityKey::MAX_BYTES - 17] {
        let dest = "x".repeat(length);
        let values =
            [Value::String(dest.as_str().into()), Value::Int64(1), Value::Bytes(b"ab".as_slice().into())];
        let transformed =
            apply(&source(), &view, &batch(&[["BOS", NOON, "-", "1", "1"], [&dest, NOON, "-", "1", "1"]]));
        match EntityKey::encode(&view.keys, &values) {
            Ok(_) => assert_eq!(transformed.origins, [0, 1]),
            Err(error) => {
                assert_eq!(transformed.origins, [0]);
                assert_eq!(transformed.bad[0].reason.to_string(), error.to_string());
            }
        }
    }
}

#[test]
fn a_key_is_widened_to_the_type_that_its_entity_declares() {
    let view = View {
        keys: vec![field("n", "int64")],
        key_expressions: vec!["legs".into()],
        columns: vec![column("delay", "delay", "float64")],
        ..view()
    };
    let transformed = apply(&source(), &view, &batch(&[["BOS", NOON, "-", "1", "7"]]));
    assert_eq!(value_at(transformed.rows.column(0), 0, "int64".parse().unwrap()), Value::Int64(7));
    let view = View { keys: vec![field("n", "string")], ..view };
    let error = ViewTransform::compile(&source(), &view).unwrap_err();
    assert!(
        error.to_string().starts_with("the key `n` is string, and its expression gives int32"),
        "{error}"
    );
}

#[test]
fn an_expression_that_is_refused_is_named() {
    let error = ViewTransform::compile(&source(), &View { filter: Some("dely > 1".into()), ..view() });
    assert_eq!(error.unwrap_err().to_string(), "`where`: unknown column `dely`, did you mean `delay`?");
    let error = ViewTransform::compile(&source(), &View { filter: Some("delay".into()), ..view() });
    assert!(error.unwrap_err().to_string().starts_with("`where` is bool, and its expression gives float64"));
    let source = Source { event_time: Some("dest".parse().unwrap()), ..source() };
    let error = ViewTransform::compile(&source, &view()).unwrap_err();
    assert!(error.to_string().starts_with("the time `dest` is timestamp, and"), "{error}");
}

proptest! {
    #[test]
    fn a_batch_gives_what_its_halves_give(
        rows in prop::collection::vec((0..3_usize, 0..2_usize, 0..4_usize, 0..4_usize), 1..30),
        cut in 0..30_usize,
    ) {
        let view = View {
            filter: Some("legs is null or 6 / legs > 2".to_owned()),
            expectations: vec![
                expectation("plausible", "delay < 100", true),
                Expectation { on_failure: OnFailure::Quarantine, ..expectation("even", "6 / legs > 1", true) },
                expectation("short", "delay < 1", false),
                Expectation { stage: ExpectationStage::Row, ..expectation("few", "per_leg < 100", true) },
                Expectation {
                    stage: ExpectationStage::Row,
                    on_failure: OnFailure::Quarantine,
                    ..expectation("east", "airport <> 'LAX' OR 1 / delay < 1", true)
                },
                Expectation { stage: ExpectationStage::Row, ..expectation("exact", "per_leg > 16", false) },
            ],
            ..view()
        };
        let rows: Vec<[&str; 5]> = rows
            .iter()
            .map(|(dest, at, delay, legs)| {
                [["-", "BOS", "LAX"][*dest], ["-", NOON][*at], "-", ["-", "NaN", "0.5", "500"][*delay], ["-", "0", "1", "6"][*legs]]
            })
            .collect();
        let transform = ViewTransform::compile(&source(), &view).unwrap();
        let whole = batch(&rows);
        let cut = cut.min(rows.len());
        let all = transform.apply(&whole).unwrap();
        let first = transform.apply(&whole.slice(0, cut)).unwrap();
        let second = transform.apply(&whole.slice(cut, rows.len() - cut)).unwrap();

        let shift = |row: u32| row + cut as u32;
        prop_assert_eq!(shown(&all.rows), [shown(&first.rows), shown(&second.rows)].concat());
        let origins: Vec<u32> = first.origins.iter().copied().chain(second.origins.iter().map(|row| shift(*row))).collect();
        prop_assert_eq!(&all.origins, &origins);
        let second_bad = second.bad.iter().map(|bad| BadRow { row: shift(bad.row), ..bad.clone() });
        prop_assert_eq!(&all.bad, &first.bad.iter().cloned().chain(second_bad).collect::<Vec<_>>());
        prop_assert_eq!(all.filtered, first.filtered + second.filtered);
        prop_assert_eq!(all.null_keys, first.null_keys + second.null_keys);
        let summed = |first: &[(String, u64)], second: &[(String, u64)]| {
            let mut counts = BTreeMap::new();
            first.iter().chain(second).for_each(|(name, rows)| *counts.entry(name.clone()).or_default() += rows);
            counts.into_iter().collect::<Vec<(String, u64)>>()
        };
        prop_assert_eq!(summed(&all.warned, &[]), summed(&first.warned, &second.warned));
        let second_against = second.against_batch.rows.iter().map(|row| shift(*row));
        let against: Vec<u32> = first.against_batch.rows.iter().copied().chain(second_against).collect();
        prop_assert_eq!(&all.against_batch.rows, &against);
        // A row that fails an expectation of source rows is not looked at by those of transformed rows.
        let by_expectation = summed(&all.against_batch.by_expectation, &[]);
        prop_assert_eq!(
            &by_expectation,
            &summed(&first.against_batch.by_expectation, &second.against_batch.by_expectation)
        );
        prop_assert_eq!(against.len() as u64, by_expectation.iter().map(|(_, rows)| rows).sum::<u64>());
        let checked = all.origins.len() as u64 + all.filtered + all.null_keys + all.bad.len() as u64;
        prop_assert_eq!(checked, rows.len() as u64);
    }
}
