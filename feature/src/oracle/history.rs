//! Generated histories: the same from the same seed, and full of what goes wrong. Ties,
//! duplicates, late and early rows, nulls, NaN, infinities, tombstones, times before 1970, and
//! moments exactly on a boundary.

use std::sync::Arc;

use crate::aggregate::Function;
use crate::name::Name;
use crate::row::{Position, Row};
use crate::time::{Micros, Span, floor};
use crate::value::{DataType, Field, Scalar, Value};
use crate::view::{Column, Feature, Fold, View};
use crate::window::Window;

/// A view, the rows of some entities, and the moments at which to ask.
#[derive(Clone, Debug)]
pub struct History {
    /// A view with every function over columns of every type.
    pub view: View,
    /// The join keys of each entity, and its rows in no order.
    pub entities: Vec<(Vec<Value>, Vec<Row>)>,
    /// Moments on and around every boundary of the rows, in order.
    pub moments: Vec<Micros>,
}

/// A small generator of numbers (SplitMix64), so that a seed means the same everywhere.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len() as u64) as usize).copied()
    }
}

impl History {
    /// The history of a seed, with up to `rows` rows for each of up to four entities.
    pub fn generate(seed: u64, rows: usize) -> History {
        let mut numbers = Numbers::new(seed);
        let mut view = view(&mut numbers);
        add_defaults(seed, &mut view);
        let base = numbers.pick(&[0, -7_200_000_000, 1_370_088_000_000_000]).unwrap_or(0);
        let mut position = 0;
        let entities: Vec<_> = (0..=numbers.below(4))
            .map(|n| {
                let keys = vec![Value::String(format!("e{n}").into()), Value::Int32(n as i32 - 1)];
                let count = numbers.below(rows as u64 + 1) as usize;
                let rows = (0..count).map(|_| row(&mut numbers, &view, base, &mut position)).collect();
                (keys, rows)
            })
            .collect();
        let moments = moments(&entities);
        History { view, entities, moments }
    }
}

fn name(text: &str) -> Option<Name> {
    text.parse().ok()
}

const COLUMNS: [(&str, DataType); 9] = [
    ("x", DataType::Scalar(Scalar::Float64)),
    ("f", DataType::Scalar(Scalar::Float32)),
    ("i", DataType::Scalar(Scalar::Int64)),
    ("j", DataType::Scalar(Scalar::Int32)),
    ("s", DataType::Scalar(Scalar::String)),
    ("y", DataType::Scalar(Scalar::Bytes)),
    ("b", DataType::Scalar(Scalar::Bool)),
    ("t", DataType::Scalar(Scalar::Timestamp)),
    ("l", DataType::List(Scalar::Float32, None)),
];

/// Every column's latest value, and every function over every column that it takes, over the
/// whole history and over windows.
fn view(numbers: &mut Numbers) -> View {
    let columns: Vec<Column> = COLUMNS
        .iter()
        .filter_map(|(text, data_type)| {
            Some(Column { name: name(text)?, expression: (*text).to_owned(), data_type: *data_type })
        })
        .collect();
    let minutes = |n| Span::of(n, Span::MINUTE).unwrap_or(Span::MINUTE);
    let windows = [
        None,
        Window::new(Span::MINUTE, None).ok(),
        Window::new(minutes(30), Some(minutes(10))).ok(),
        Window::new(Span::HOUR, Some(minutes(10))).ok(),
    ];
    let mut features = Vec::new();
    let mut add = |text: String, data_type: DataType, fold: Fold| {
        if let Some(name) = name(&text) {
            features.push(Feature { name, data_type, fold, unit: None, description: None, default: None });
        }
    };
    for (index, column) in columns.iter().enumerate() {
        add(format!("latest_{}", column.name), column.data_type, Fold::Latest { column: index });
    }
    for (w, window) in windows.into_iter().enumerate() {
        add(
            format!("rows_{w}"),
            Scalar::Int64.into(),
            Fold::Aggregate { function: Function::Count, column: None, window },
        );
        for (index, column) in columns.iter().enumerate() {
            // What is neither a number nor an edge is read over the whole history and one window.
            let all =
                Function::ALL.into_iter().filter(|function| w % 2 == 0 || !is_list_or_sketch(*function));
            let mut functions: Vec<_> = all.map(|function| ("", function)).collect();
            if w == 2 {
                functions.extend(other_parameters().map(|function| ("other_", function)));
            }
            for (prefix, function) in functions {
                if let Ok(data_type) = function.result_type(Some(column.data_type)) {
                    let fold = Fold::Aggregate { function, column: Some(index), window };
                    add(format!("{prefix}{}_{}_{w}", function.name(), column.name), data_type, fold);
                }
            }
        }
    }
    let keys = [("k", Scalar::String), ("n", Scalar::Int32)]
        .into_iter()
        .filter_map(|(text, scalar)| Some(Field { name: name(text)?, data_type: scalar.into() }))
        .collect();
    let id = crate::name::VersionId { name: first_name(), version: 1 };
    View {
        columns,
        features,
        ttl: numbers.pick(&[None, Some(Span::MINUTE), Some(minutes(30))]).flatten(),
        hash: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into(),
        ..View::bare(id, first_name(), keys, first_name())
    }
}

/// Gives some of the features a default, by numbers of their own: the rest of a history stays as it was.
/// That of seed 0 has none, as samples are pinned by it.
fn add_defaults(seed: u64, view: &mut View) {
    let numbers = &mut Numbers::new(!seed);
    for feature in view.features.iter_mut().filter(|_| seed != 0) {
        if numbers.once_in(3) {
            feature.default = Some(value(numbers, feature.data_type)).filter(|value| !value.is_null());
        }
    }
}

fn is_list_or_sketch(function: Function) -> bool {
    function.parameter().is_some() || function == Function::ApproxCountDistinct
}

/// The functions that have a parameter, with another one than in [`Function::ALL`].
fn other_parameters() -> impl Iterator<Item = Function> {
    Function::ALL.into_iter().filter(|function| function.parameter().is_some()).filter_map(|function| {
        ["1", "0.9"].into_iter().find_map(|parameter| function.with_parameter(Some(parameter)).ok())
    })
}

fn first_name() -> Name {
    name("generated").expect("invariant: `generated` is a name")
}

fn row(numbers: &mut Numbers, view: &View, base: i64, position: &mut u64) -> Row {
    let minute = Span::MINUTE.micros();
    // A grid of half minutes over two hours, so that ties and boundaries are common.
    let on_grid = base + (numbers.below(240) as i64) * minute / 2;
    let event_time = on_grid + numbers.pick(&[0, 0, 0, 1, -1, 7_000_000]).unwrap_or(0);
    let delay = numbers.pick(&[0, 0, 1, 1_000_000, minute, 10 * minute, -minute, 90 * minute]).unwrap_or(0);
    *position += 1;
    let index = match numbers.below(3) {
        0 => Position::Stream { partition: numbers.below(2) as u32, offset: *position },
        _ => Position::History { file: numbers.below(3) as u32, row: *position },
    };
    Row {
        event_time: moment(event_time),
        available_at: moment(event_time + delay),
        position: index,
        deleted: numbers.once_in(12),
        values: view.columns.iter().map(|column| value(numbers, column.data_type)).collect(),
    }
}

fn moment(micros: i64) -> Micros {
    Micros::new(micros).unwrap_or(Micros::MIN)
}

fn value(numbers: &mut Numbers, data_type: DataType) -> Value {
    if numbers.once_in(5) {
        return Value::Null;
    }
    let scalar = match data_type {
        DataType::Scalar(scalar) => scalar,
        DataType::List(item, _) => {
            let items: Arc<[Value]> = (0..numbers.below(3)).map(|_| value(numbers, item.into())).collect();
            return Value::List(items);
        }
    };
    match scalar {
        Scalar::Bool => Value::Bool(numbers.once_in(2)),
        Scalar::Int32 => Value::Int32(numbers.pick(&[0, 1, -1, 7, i32::MAX, i32::MIN]).unwrap_or(0)),
        Scalar::Int64 => Value::Int64(numbers.pick(&[0, 1, -1, 1000, i64::MAX, i64::MIN]).unwrap_or(0)),
        Scalar::Float32 => Value::Float32(double(numbers) as f32).canonical(),
        Scalar::Float64 => Value::Float64(double(numbers)),
        Scalar::String => Value::String(numbers.pick(&["", "a", "é", "zz", "|"]).unwrap_or("").into()),
        Scalar::Bytes => {
            Value::Bytes(numbers.pick(&[&b""[..], b"a", b"\0", b"\xff\xfe"]).unwrap_or(b"").into())
        }
        Scalar::Timestamp => Value::Timestamp(moment(numbers.below(1 << 40) as i64)),
    }
}

fn double(numbers: &mut Numbers) -> f64 {
    const ODD: [f64; 14] = [
        0.0,
        -0.0,
        1e300,
        -1e300,
        f64::MAX,
        f64::MIN,
        5e-324,
        1e16,
        -1e16,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        0.1,
        1.0,
    ];
    match numbers.below(4) {
        0 => numbers.pick(&ODD).unwrap_or(0.0),
        1 => f64::from_bits(numbers.draw() & !(0x400 << 52)),
        _ => (numbers.below(20_000) as f64 - 10_000.0) / 10.0,
    }
}

/// For each row the moments at which something changes, and one microsecond to either side.
fn moments(entities: &[(Vec<Value>, Vec<Row>)]) -> Vec<Micros> {
    let minute = Span::MINUTE.micros();
    let mut moments = vec![0];
    for row in entities.iter().flat_map(|(_, rows)| rows) {
        let event = row.event_time.get();
        let hop = floor(event, Span::MINUTE);
        for at in [
            event,
            row.available_at.get(),
            event + minute,
            event + 30 * minute,
            hop + 2 * minute,
            hop + 40 * minute,
        ] {
            moments.extend([at - 1, at, at + 1]);
        }
    }
    moments.sort_unstable();
    moments.dedup();
    moments.into_iter().map(moment).collect()
}
