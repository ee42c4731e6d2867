//! Packed rows of every layout version that was ever written are read back, and today's are written
//! to the same bytes. `golden/` holds one row of each version.

use std::path::PathBuf;
use std::sync::Arc;

use feature::{
    About, AsOf, Column, DataType, Feature, Fold, Function, Micros, Position, Row, Scalar, Span, Value, View,
    Window, oracle,
};

use super::{Layout, PackedRow};
use crate::fold::RowState;

/// One feature of every part that a packed row has.
fn view() -> View {
    let column = |name: &str, data_type: DataType| Column {
        name: name.parse().unwrap(),
        expression: name.to_owned(),
        data_type,
    };
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
    View {
        id: "golden@1".parse().unwrap(),
        entity: "golden".parse().unwrap(),
        keys: Vec::new(),
        source: "golden".parse().unwrap(),
        key_expressions: Vec::new(),
        filter: None,
        columns: vec![
            column("x", x.into()),
            column("text", Scalar::String.into()),
            column("i", Scalar::Int32.into()),
            column("flag", Scalar::Bool.into()),
            column("list", DataType::List(Scalar::Float32, None)),
        ],
        features: features
            .into_iter()
            .map(|(name, scalar, fold)| Feature {
                name: name.parse().unwrap(),
                data_type: scalar.into(),
                fold,
                unit: None,
                description: None,
            })
            .collect(),
        expectations: Vec::new(),
        ttl: Some(Span::DAY),
        is_static: false,
        retention: None,
        freshness: None,
        about: About::default(),
        hash: "c0ffee00c0ffee00".repeat(4),
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

fn packed() -> (Arc<Layout>, Vec<u8>) {
    let layout = Arc::new(Layout::new(&view()));
    let mut state = RowState::new(&layout);
    rows().iter().for_each(|row| {
        state.fold(row, moment(0));
    });
    state.set_history(12);
    let mut bytes = Vec::new();
    state.encode(&mut bytes).unwrap();
    (layout, bytes)
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/row-1.bin")
}

#[test]
fn a_row_of_layout_version_1_is_read_and_written_as_ever() {
    let (layout, written) = packed();
    let held = std::fs::read(golden()).unwrap();
    let row = PackedRow::new(&layout, &held).unwrap();
    row.verify().unwrap();
    for minutes in [0, 20, 21, 60, 24 * 60 + 1, 24 * 60 + 2] {
        let expected = oracle::answer(&view(), &rows(), moment(minutes), AsOf::Available);
        assert_eq!(row.answer(moment(minutes)).unwrap(), expected, "after {minutes} minutes");
    }
    let positions = row.positions().unwrap();
    assert_eq!(positions.history(), Some(12));
    assert_eq!(positions.partitions(), [(0, 41), (3, 8)]);
    assert_eq!(written, held, "a change of layout needs a new layout version");
    let mut again = Vec::new();
    RowState::decode(&layout, &held).unwrap().encode(&mut again).unwrap();
    assert_eq!(again, held);
}

/// For a new layout version: `cargo test -p twinstore-online -- --ignored writes_the_golden_row`.
#[test]
#[ignore = "it makes the file that the test above is about"]
fn writes_the_golden_row() {
    std::fs::write(golden(), packed().1).unwrap();
}
