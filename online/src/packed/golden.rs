//! Packed rows of every layout version that was ever written are read back, and today's are written
//! to the same bytes. `golden/` holds one row of each version.

use std::path::PathBuf;
use std::sync::Arc;

use feature::{
    AsOf, Column, DataType, Feature, Fold, Function, Micros, Position, Row, Scalar, Span, Value, View,
    Window, oracle,
};

use super::{Layout, PackedRow};
use crate::fold::RowState;

/// One feature of every part that a packed row has.
fn view() -> View {
    let x = Scalar::Float64;
    let hours = |n: i64| Some(Window::new(Span::of(n, Span::HOUR).unwrap(), Some(Span::HOUR)).unwrap());
    let aggregate = |function, column: Option<usize>, window| Fold::Aggregate { function, column, window };
    let features = [
        ("flag", Scalar::Bool, Fold::Latest { column: 3 }),
        ("text", Scalar::String, Fold::Latest { column: 1 }),
        ("x", x, Fold::Latest { column: 0 }),
        ("i", Scalar::Int32, Fold::Latest { column: 2 }),
        ("rows_2h", Scalar::Int64, aggregate(Function::Count, None, hours(2))),
        ("mean_2h", x, aggregate(Function::Mean, Some(0), hours(2))),
        ("stddev_12h", x, aggregate(Function::Stddev, Some(0), hours(12))),
        ("min_12h", x, aggregate(Function::Min, Some(0), hours(12))),
        ("first_text", Scalar::String, aggregate(Function::First, Some(1), None)),
        ("last_12h", Scalar::Int32, aggregate(Function::Last, Some(2), hours(12))),
        ("sum", Scalar::Int64, aggregate(Function::Sum, Some(2), None)),
    ];
    view_of(features.map(|(name, scalar, fold)| (name, scalar.into(), fold)).to_vec())
}

/// One feature of every component that gives a list or is a sketch.
fn lists_and_sketches() -> View {
    let hours = |n: i64| Some(Window::new(Span::of(n, Span::HOUR).unwrap(), Some(Span::HOUR)).unwrap());
    let aggregate = |name, parameter: Option<&str>, column: usize, result: DataType, window| {
        let function = Function::ALL.into_iter().find(|function| function.name() == name).unwrap();
        let function = function.with_parameter(parameter).unwrap();
        (name, result, Fold::Aggregate { function, column: Some(column), window })
    };
    let list = |item| DataType::List(item, None);
    let (text, int, float) = (list(Scalar::String), list(Scalar::Int32), list(Scalar::Float64));
    view_of(vec![
        aggregate("count_if", None, 3, Scalar::Int64.into(), hours(12)),
        aggregate("first_n", Some("2"), 1, text, None),
        aggregate("last_n", Some("1000"), 2, int, hours(12)),
        aggregate("distinct_first_n", Some("1"), 2, int, hours(12)),
        aggregate("distinct_last_n", Some("3"), 1, text, hours(12)),
        aggregate("top_n", Some("2"), 0, float, hours(12)),
        aggregate("bottom_n", Some("2"), 1, text, None),
        aggregate("approx_count_distinct", None, 1, Scalar::Int64.into(), hours(12)),
        aggregate("approx_percentile", Some("0.9"), 0, Scalar::Float64.into(), hours(12)),
    ])
}

fn view_of(features: Vec<(&str, DataType, Fold)>) -> View {
    let x = Scalar::Float64;
    let column = |name: &str, data_type: DataType| Column {
        name: name.parse().unwrap(),
        expression: name.to_owned(),
        data_type,
    };
    View {
        columns: vec![
            column("x", x.into()),
            column("text", Scalar::String.into()),
            column("i", Scalar::Int32.into()),
            column("flag", Scalar::Bool.into()),
            column("list", DataType::List(Scalar::Float32, None)),
        ],
        features: features
            .into_iter()
            .map(|(name, data_type, fold)| Feature {
                name: name.parse().unwrap(),
                data_type,
                fold,
                unit: None,
                description: None,
                default: None,
            })
            .collect(),
        hash: "c0ffee00c0ffee00".repeat(4),
        ..View::bare(
            "golden@1".parse().unwrap(),
            "golden".parse().unwrap(),
            Vec::new(),
            "golden".parse().unwrap(),
        )
    }
}

fn moment(minutes: i64) -> Micros {
    Micros::new(1_370_088_000_000_000 + minutes * Span::MINUTE.micros()).unwrap()
}

fn rows() -> Vec<Row> {
    let row = |minutes: i64, delay: i64, position, values: [Value; 5]| Row {
        event_time: moment(minutes),
        available_at: moment(minutes + delay),
        position,
        deleted: false,
        values: values.into(),
    };
    let list = || Value::List([Value::Float32(1.5), Value::Null].into());
    let text = |text: &str| Value::String(text.into());
    let stream = |partition, offset| Position::Stream { partition, offset };
    let history = |row| Position::History { file: 0, row };
    vec![
        row(
            -700,
            0,
            history(0),
            [Value::Float64(1e300), text("earliest"), Value::Int32(-7), Value::Null, list()],
        ),
        row(-690, 0, history(1), [Value::Float64(1.0), Value::Null, Value::Null, Value::Null, Value::Null]),
        row(-680, 0, history(2), [Value::Float64(1e-300), Value::Null, Value::Int32(9), Value::Null, list()]),
        row(-65, 1, stream(0, 41), [Value::Float64(0.1), text("é"), Value::Null, Value::Null, Value::Null]),
        row(
            -5,
            1,
            stream(3, 7),
            [Value::Float64(0.2), text("latest"), Value::Null, Value::Bool(true), list()],
        ),
        row(1, 20, stream(3, 8), [Value::Float64(-0.0), text("waits"), Value::Int32(1), Value::Null, list()]),
    ]
}

fn packed(view: &View, rows: &[Row]) -> (Arc<Layout>, Vec<u8>) {
    let layout = Arc::new(Layout::new(view));
    let mut state = RowState::new(&layout);
    rows.iter().for_each(|row| {
        state.fold(row, moment(0));
    });
    state.set_history(12);
    let mut bytes = Vec::new();
    state.encode(&mut bytes).unwrap();
    (layout, bytes)
}

/// Enough rows, after those of [`rows`], that a sketch of their texts has registers.
fn many_rows() -> Vec<Row> {
    let mut all = rows();
    all.extend((0..200).map(|n| {
        Row {
            event_time: moment(-120),
            available_at: moment(-110),
            position: Position::Stream { partition: 7, offset: n },
            deleted: false,
            values: [
                Value::Float64((n as f64 - 100.0) * n as f64),
                Value::String(format!("text {n}").into()),
                Value::Int32(n as i32 % 5),
                Value::Bool(n % 3 == 0),
                Value::Null,
            ]
            .into(),
        }
    }));
    all
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// The samples of layout version 1: file, view, rows.
fn samples() -> [(&'static str, View, Vec<Row>); 2] {
    [("row-1.bin", view(), rows()), ("row-1-lists-and-sketches.bin", lists_and_sketches(), many_rows())]
}

#[test]
fn a_row_of_layout_version_1_is_read_and_written_as_ever() {
    for (file, view, rows) in samples() {
        let (layout, written) = packed(&view, &rows);
        let stored = std::fs::read(golden(file)).unwrap();
        let row = PackedRow::new(&layout, &stored).unwrap();
        row.verify().unwrap();
        for minutes in [0, 20, 21, 60, 24 * 60 + 1, 24 * 60 + 2] {
            let expected = oracle::answer(&view, &rows, moment(minutes), AsOf::Available);
            assert_eq!(row.answer(moment(minutes)).unwrap(), expected, "{file} after {minutes} minutes");
        }
        let positions = row.positions().unwrap();
        assert_eq!(positions.history(), Some(12));
        assert_eq!(positions.partitions().get(..2), Some(&[(0, 41), (3, 8)][..]));
        assert_eq!(written, stored, "{file}: a change of layout needs a new layout version");
        let mut again = Vec::new();
        RowState::decode(&layout, &stored).unwrap().encode(&mut again).unwrap();
        assert_eq!(again, stored, "{file}");
    }
}

/// For a new layout version: `cargo test -p twinstore-online -- --ignored writes_the_golden_rows`.
#[test]
#[ignore = "it makes the files that the test above is about"]
fn writes_the_golden_rows() {
    for (file, view, rows) in samples() {
        std::fs::write(golden(file), packed(&view, &rows).1).unwrap();
    }
}
