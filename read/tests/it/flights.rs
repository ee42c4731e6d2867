//! A small project in an embedded store: airports in two roles, aircraft without an event time,
//! and on-demand views over both.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{
    About, Column, Computation, Computed, DataType, EntityKey, Feature, Field, Fold, Function, Lookup,
    Micros, OnDemandView, Origin, Output, Position, Row, Scalar, ServicePlan, Span, Value, View, Window,
};
use online::{Embedded, Layout, RowState, RowWrite, Writer};
use read::FeatureReader;
use tempfile::TempDir;

/// When the last row became visible.
pub const APPLIED: &str = "2013-06-01T11:30:00Z";
/// A moment a little later.
pub const NOON: &str = "2013-06-01T12:00:00Z";

pub fn at(text: &str) -> Micros {
    text.parse().unwrap()
}

pub fn noon() -> Micros {
    at(NOON)
}

pub fn text(text: &str) -> Value {
    Value::String(text.into())
}

pub fn field(name: &str, data_type: impl Into<DataType>) -> Field {
    Field { name: name.parse().unwrap(), data_type: data_type.into() }
}

pub fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.parse().unwrap(), expression: name.to_owned(), data_type }
}

pub fn feature(name: &str, data_type: DataType, fold: Fold) -> Feature {
    Feature { name: name.parse().unwrap(), data_type, fold, unit: None, description: None, default: None }
}

pub fn view(id: &str, key: &str, columns: Vec<Column>, features: Vec<Feature>) -> View {
    let keys = vec![field(key, Scalar::String)];
    View {
        columns,
        features,
        hash: "0123456789abcdef".to_owned(),
        ..View::bare(id.parse().unwrap(), "thing".parse().unwrap(), keys, "source".parse().unwrap())
    }
}

/// Arrivals at an airport: the latest delay, which lives for a day, and how many within an hour.
pub fn arrivals() -> View {
    let float = DataType::Scalar(Scalar::Float64);
    let hour = Window::new(Span::HOUR, None).ok();
    let count = Fold::Aggregate { function: Function::Count, column: None, window: hour };
    let mut view = view(
        "arrivals@1",
        "airport",
        vec![column("delay", float)],
        vec![
            feature("last_delay", float, Fold::Latest { column: 0 }),
            feature("arrivals_1h", Scalar::Int64.into(), count),
        ],
    );
    view.ttl = Some(Span::DAY);
    view
}

/// What is known about an aircraft, without an event time.
pub fn aircraft() -> View {
    let columns = vec![
        column("maker", Scalar::String.into()),
        column("built", Scalar::Int32.into()),
        column("wings", DataType::List(Scalar::Float32, Some(2))),
    ];
    let features = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            feature(column.name.as_str(), column.data_type, Fold::Latest { column: index })
        })
        .collect();
    let mut view = view("aircraft@1", "tailnum", columns, features);
    view.is_static = true;
    view
}

fn computed(name: &str, expression: &str, data_type: Scalar) -> Computed {
    Computed {
        name: name.parse().unwrap(),
        expression: expression.to_owned(),
        data_type: data_type.into(),
        unit: None,
        description: None,
        default: None,
    }
}

fn on_demand(id: &str, features: Vec<Computed>) -> Arc<OnDemandView> {
    Arc::new(OnDemandView {
        id: id.parse().unwrap(),
        request: Vec::new(),
        inputs: Vec::new(),
        features,
        about: About::default(),
        hash: String::new(),
    })
}

/// `late_arrival@1`: arrivals in both roles, the aircraft, and what is computed from them.
pub fn late_arrival() -> ServicePlan {
    let (arrivals, aircraft) = (Arc::new(arrivals()), Arc::new(aircraft()));
    let stored = |lookup, feature| Origin::Stored { lookup, feature };
    let of_route = |feature| Origin::Computed { computation: 0, feature };
    let float = Scalar::Float64;
    let outputs = [
        ("origin_last_delay", float.into(), stored(0, 0)),
        ("origin_arrivals_1h", Scalar::Int64.into(), stored(0, 1)),
        ("dest_last_delay", float.into(), stored(1, 0)),
        ("dest_arrivals_1h", Scalar::Int64.into(), stored(1, 1)),
        ("maker", Scalar::String.into(), stored(2, 0)),
        ("built", Scalar::Int32.into(), stored(2, 1)),
        ("wings", DataType::List(Scalar::Float32, Some(2)), stored(2, 2)),
        ("both_delays", float.into(), of_route(0)),
        ("trips", Scalar::Int64.into(), of_route(1)),
        ("twice", float.into(), Origin::Computed { computation: 1, feature: 0 }),
    ];
    ServicePlan {
        id: "late_arrival@1".parse().unwrap(),
        hash: String::new(),
        keys: vec![
            field("origin", Scalar::String),
            field("dest", Scalar::String),
            field("tailnum", Scalar::String),
        ],
        request: vec![field("distance", Scalar::Int64), field("scale", float)],
        lookups: vec![
            Lookup { view: Arc::clone(&arrivals), keys: vec![0] },
            Lookup { view: arrivals, keys: vec![1] },
            Lookup { view: aircraft, keys: vec![2] },
        ],
        computations: vec![
            Computation {
                view: on_demand(
                    "route@1",
                    vec![
                        computed("both_delays", "origin_last_delay + dest_last_delay", float),
                        computed("trips", "1000 / distance", Scalar::Int64),
                    ],
                ),
                inputs: vec![
                    (field("origin_last_delay", float), stored(0, 0)),
                    (field("dest_last_delay", float), stored(1, 0)),
                ],
                request: vec![0],
            },
            Computation {
                view: on_demand("chain@1", vec![computed("twice", "both_delays * scale", float)]),
                inputs: vec![(field("both_delays", float), of_route(0))],
                request: vec![1],
            },
        ],
        outputs: outputs
            .into_iter()
            .map(|(name, data_type, origin)| Output { name: name.to_owned(), data_type, origin })
            .collect(),
    }
}

pub fn reader() -> Arc<FeatureReader> {
    Arc::new(FeatureReader::new(Arc::new(late_arrival())).unwrap())
}

/// Writes the folds of these rows, by key, as a writer at `now` leaves them.
pub async fn fill(store: &Embedded, view: &View, rows: &BTreeMap<Vec<Value>, Vec<Row>>, now: Micros) {
    let layout = Arc::new(Layout::new(view));
    let mut applied = None;
    let mut packed = Vec::new();
    for (key, rows) in rows {
        let mut state = RowState::new(&layout);
        for row in rows {
            state.fold(row, now);
        }
        let mut bytes = Vec::new();
        state.encode(&mut bytes).unwrap();
        applied = applied.max(state.applied_at());
        packed.push((EntityKey::encode(&view.keys, key).unwrap(), bytes));
    }
    let rows: Vec<_> = packed.iter().map(|(key, bytes)| RowWrite { key, bytes }).collect();
    store.replace(&view.id, &rows, applied).await.unwrap();
}

pub fn row(number: u64, event_time: Micros, values: Vec<Value>) -> Row {
    Row {
        event_time,
        available_at: event_time,
        position: Position::History { file: 0, row: number },
        deleted: false,
        values,
    }
}

/// A store in a folder of its own: BOS with three arrivals, LAX with one of two days ago, SEA with
/// a delay that is null, and one aircraft.
pub async fn store() -> (TempDir, Embedded) {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let delay = |number, time: &str, delay: Value| row(number, at(time), vec![delay]);
    let arrivals_by_airport = BTreeMap::from([
        (
            vec![text("BOS")],
            vec![
                delay(0, "2013-06-01T10:00:00Z", Value::Float64(5.0)),
                delay(1, "2013-06-01T11:10:00Z", Value::Float64(7.0)),
                delay(2, APPLIED, Value::Float64(-2.5)),
            ],
        ),
        (vec![text("LAX")], vec![delay(3, "2013-05-30T12:00:00Z", Value::Float64(60.0))]),
        (vec![text("SEA")], vec![delay(4, "2013-06-01T11:00:00Z", Value::Null)]),
    ]);
    fill(&store, &arrivals(), &arrivals_by_airport, noon()).await;
    let wings = Value::List([Value::Float32(1.5), Value::Null].into());
    let facts = vec![text("BOEING"), Value::Int32(1998), wings];
    let aircraft_by_tail = BTreeMap::from([(vec![text("N123")], vec![row(0, Micros::MIN, facts)])]);
    fill(&store, &aircraft(), &aircraft_by_tail, noon()).await;
    (folder, store)
}
