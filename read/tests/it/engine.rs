//! From a request to its features, in the same process.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::oracle::{self, History};
use feature::{AsOf, Lookup, Micros, Origin, Output, Row, ServicePlan, Status, Value};
use online::Embedded;
use read::{FeatureReader, FeatureRequest, Features, Moment, ReadError, RequestError};
use tempfile::TempDir;

use crate::flights::{self, APPLIED, NOON, at, noon, text};
use crate::watched::Watched;

pub(crate) type Columns = Vec<(String, Vec<Value>)>;

pub(crate) fn column(name: &str, values: &[Value]) -> (String, Vec<Value>) {
    (name.to_owned(), values.to_vec())
}

fn airports(codes: &[&str]) -> Vec<Value> {
    codes.iter().map(|code| if code.is_empty() { Value::Null } else { text(code) }).collect()
}

pub(crate) fn request_of(
    features: &[&str],
    entities: Columns,
    request: Columns,
) -> FeatureRequest<Vec<Value>> {
    FeatureRequest { features: features.iter().map(|name| (*name).to_owned()).collect(), entities, request }
}

async fn read(
    features: &[&str],
    entities: Columns,
    request: Columns,
    moment: Moment,
) -> Result<Features, ReadError> {
    let (_folder, store) = flights::store().await;
    let reader = flights::reader();
    let validated = reader.validate(request_of(features, entities, request), 10_000)?;
    reader.read(&store, &validated, moment).await
}

pub(crate) fn cells(features: &Features, name: &str) -> Vec<(Value, Status)> {
    let column = features.columns.iter().find(|column| column.name == name).unwrap();
    let cell = |row| features.cell(column, row).unwrap();
    (0..features.rows).map(cell).map(|cell| (cell.value, cell.status)).collect()
}

pub(crate) fn ages(features: &Features, name: &str) -> Vec<Option<f64>> {
    let column = features.columns.iter().find(|column| column.name == name).unwrap();
    (0..features.rows).map(|row| features.cell(column, row).unwrap().age_s).collect()
}

#[tokio::test]
async fn every_status_is_distinguished() {
    let dest = column("dest", &airports(&["BOS", "SEA", "LAX", "JFK", ""]));
    let features =
        read(&["dest_last_delay", "dest_arrivals_1h"], vec![dest], vec![], Moment::At(noon())).await;
    let features = features.unwrap();
    assert_eq!((features.service.to_string().as_str(), features.at), ("late_arrival@1", at(NOON)));
    let expected = [
        (Value::Float64(-2.5), Status::Present),
        (Value::Null, Status::NullValue),
        (Value::Null, Status::OutsideMaxAge),
        (Value::Null, Status::NotFound),
        (Value::Null, Status::NotFound),
    ];
    assert_eq!(cells(&features, "dest_last_delay"), expected);
    assert_eq!(ages(&features, "dest_last_delay"), [Some(1800.0), Some(3600.0), Some(172_800.0), None, None]);
    // A window of a known entity is empty, and that of an unknown one is nothing.
    let counts = [Value::Int64(2), Value::Int64(1), Value::Int64(0), Value::Null, Value::Null];
    let counts: Vec<_> = counts.into_iter().map(|count| (count.clone(), Status::of(&count))).collect();
    assert_eq!(cells(&features, "dest_arrivals_1h")[..3], counts[..3]);
    assert_eq!(cells(&features, "dest_arrivals_1h")[3], (Value::Null, Status::NotFound));
}

#[tokio::test]
async fn each_entity_is_read_once_for_all_its_rows_and_roles() {
    let (_folder, store) = flights::store().await;
    let store = Watched::new(store, 1);
    let reader = flights::reader();
    let entities = vec![
        column("origin", &airports(&["BOS", "LAX", "BOS", ""])),
        column("dest", &airports(&["LAX", "BOS", "SEA", "BOS"])),
        column("tailnum", &[text("N123"), text("N123"), text("N9"), Value::Null]),
    ];
    let names = ["origin_last_delay", "dest_last_delay", "maker", "built", "wings"];
    let validated = reader.validate(request_of(&names, entities, vec![]), 10_000).unwrap();
    let features = reader.read(&store, &validated, Moment::At(noon())).await.unwrap();
    let reads = store.watch.reads.lock().unwrap().clone();
    assert_eq!(reads, [[("arrivals@1".to_owned(), 3), ("aircraft@1".to_owned(), 2)]]);
    let delays = |name| cells(&features, name).into_iter().map(|(value, _)| value).collect::<Vec<_>>();
    let bos = Value::Float64(-2.5);
    assert_eq!(delays("origin_last_delay"), [bos.clone(), Value::Null, bos.clone(), Value::Null]);
    assert_eq!(delays("dest_last_delay"), [Value::Null, bos.clone(), Value::Null, bos]);
    assert_eq!(delays("maker"), [text("BOEING"), text("BOEING"), Value::Null, Value::Null]);
    let wings = Value::List([Value::Float32(1.5), Value::Null].into());
    assert_eq!(delays("wings"), [wings.clone(), wings, Value::Null, Value::Null]);
    assert_eq!(cells(&features, "built")[0], (Value::Int32(1998), Status::Present));
}

#[tokio::test]
async fn entities_that_swap_roles_keep_their_own_values() {
    let entities =
        vec![column("origin", &airports(&["BOS", "LAX"])), column("dest", &airports(&["LAX", "BOS"]))];
    let names = ["origin_arrivals_1h", "dest_arrivals_1h"];
    let features = read(&names, entities, vec![], Moment::At(noon())).await.unwrap();
    let counts = |name| cells(&features, name).into_iter().map(|(value, _)| value).collect::<Vec<_>>();
    assert_eq!(counts("origin_arrivals_1h"), [Value::Int64(2), Value::Int64(0)]);
    assert_eq!(counts("dest_arrivals_1h"), [Value::Int64(0), Value::Int64(2)]);
    assert_eq!(ages(&features, "dest_arrivals_1h"), [Some(172_800.0), Some(1800.0)]);
}

#[tokio::test]
async fn a_source_without_an_event_time_shows_no_times() {
    let tail = column("tailnum", &[text("N123")]);
    let features = read(&["maker"], vec![tail], vec![], Moment::Now(noon())).await.unwrap();
    assert_eq!(cells(&features, "maker"), [(text("BOEING"), Status::Present)]);
    assert_eq!(ages(&features, "maker"), [None]);
}

#[tokio::test]
async fn an_on_demand_row_fails_alone_and_has_the_times_of_its_oldest_input() {
    let entities = vec![
        column("origin", &airports(&["BOS", "SEA", "JFK", "BOS"])),
        column("dest", &airports(&["BOS", "BOS", "BOS", "JFK"])),
    ];
    let request = vec![
        column("distance", &[Value::Int64(187), Value::Int64(0), Value::Int64(-7), Value::Null]),
        column("scale", &[Value::Float64(2.0), Value::Float64(f64::NAN), Value::Null, Value::Float64(1.0)]),
    ];
    let features =
        read(&["twice", "trips", "both_delays"], entities, request, Moment::At(noon())).await.unwrap();
    let null = (Value::Null, Status::NullValue);
    let number = |x| (Value::Int64(x), Status::Present);
    assert_eq!(cells(&features, "trips"), [number(5), null.clone(), number(-142), null.clone()]);
    let double = |x| (Value::Float64(x), Status::Present);
    assert_eq!(cells(&features, "both_delays"), [double(-5.0), null.clone(), null.clone(), null.clone()]);
    assert_eq!(cells(&features, "twice"), [double(-10.0), null.clone(), null.clone(), null]);
    // SEA's latest row is older than that of BOS; JFK has none, so that of BOS is the oldest.
    assert_eq!(ages(&features, "twice"), [Some(1800.0), Some(3600.0), Some(1800.0), Some(1800.0)]);
}

#[tokio::test]
async fn features_come_in_the_order_of_the_service_each_once() {
    let dest = column("dest", &airports(&["BOS"]));
    let names = ["dest_arrivals_1h", "dest_last_delay", "dest_arrivals_1h"];
    let features = read(&names, vec![dest], vec![], Moment::Now(noon())).await.unwrap();
    let names: Vec<&str> = features.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["dest_last_delay", "dest_arrivals_1h"]);
    assert_eq!(features.times.len(), 1, "features of one view in one role share their times");
}

#[tokio::test]
async fn a_key_that_is_too_long_for_any_store_is_not_found() {
    let dest = column("dest", &airports(&["BOS", &"x".repeat(2_000)]));
    let features = read(&["dest_last_delay"], vec![dest], vec![], Moment::Now(noon())).await.unwrap();
    assert_eq!(cells(&features, "dest_last_delay")[1], (Value::Null, Status::NotFound));
}

#[tokio::test]
async fn no_entities_give_empty_columns() {
    let features = read(&["dest_last_delay"], vec![column("dest", &[])], vec![], Moment::Now(noon())).await;
    assert_eq!(cells(&features.unwrap(), "dest_last_delay"), []);
}

#[tokio::test]
async fn a_moment_before_the_applied_time_is_refused_and_a_slow_clock_is_not() {
    let dest = || vec![column("dest", &airports(&["BOS"]))];
    let early = Micros::new(at(APPLIED).get() - 1).unwrap();
    let refused = read(&["dest_last_delay"], dest(), vec![], Moment::At(early)).await.unwrap_err();
    let sentence = refused.to_string();
    for part in ["11:29:59.999999", "arrivals@1", "2013-06-01T11:30:00Z"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    let exact = read(&["dest_last_delay"], dest(), vec![], Moment::At(at(APPLIED))).await.unwrap();
    assert_eq!(ages(&exact, "dest_last_delay"), [Some(0.0)]);
    let slow = read(&["dest_last_delay"], dest(), vec![], Moment::Now(early)).await.unwrap();
    assert_eq!(slow.at, at(APPLIED));
    // The aircraft were loaded before anything happened, so they can be read at that moment.
    let tail = vec![column("tailnum", &[text("N123")])];
    assert!(read(&["maker"], tail, vec![], Moment::At(early)).await.is_ok());
}

#[test]
fn all_problems_of_a_request_are_named_at_once() {
    let reader = flights::reader();
    let entities = vec![
        column("origin", &[Value::Int64(1), text("BOS")]),
        column("destt", &airports(&["BOS"])),
        column("distance", &[Value::Int64(1)]),
    ];
    let request = vec![column("scale", &[Value::Float64(1.0)]), column("origin", &airports(&["BOS", "SEA"]))];
    let requested = request_of(&["dest_last_dely", "twice", "weather"], entities, request);
    let error = reader.validate(requested, 10_000).unwrap_err();
    let RequestError::Misfit { problems, .. } = &error else { panic!("{error}") };
    let expected = [
        "the feature `dest_last_dely` is unknown, did you mean `dest_last_delay`?",
        "the feature `weather` is unknown",
        "`origin` has 2 rows and `destt` has 1: each entity takes one row of every column",
        "`origin` has 2 rows and `distance` has 1: each entity takes one row of every column",
        "`origin` has 2 rows and `scale` has 1: each entity takes one row of every column",
        "the join key `origin` holds 1, where a string is needed (row 1)",
        "the join key `destt` is unknown, did you mean `dest`?",
        "`distance` is no join key: move it from `entities` to `request`",
        "the join key `dest` is missing: add its column (string) to `entities`",
        "`origin` is no request column: move it from `request` to `entities`",
        "the request column `distance` is missing: add its column (int64) to `request`",
    ];
    assert_eq!(problems, &expected);
}

#[test]
fn a_request_full_of_problems_gets_a_short_answer() {
    let reader = flights::reader();
    let names: Vec<String> = (0..500).map(|n| format!("{n}{}", "x".repeat(1_000))).collect();
    let requested = FeatureRequest { features: names, entities: Columns::new(), request: Columns::new() };
    let error = reader.validate(requested, 10_000).unwrap_err();
    assert!(error.to_string().contains("and 480 more"));
    assert!(error.to_string().len() < 6_000);
}

#[test]
fn a_column_that_is_given_twice_is_refused() {
    let reader = flights::reader();
    let twice = vec![column("tailnum", &[text("N123")]), column("tailnum", &[text("N124")])];
    let error = reader.validate(request_of(&["maker"], twice, vec![]), 10).unwrap_err();
    assert!(error.to_string().contains("the join key `tailnum` is given twice"), "{error}");
}

#[test]
fn only_the_columns_of_the_chosen_features_are_needed() {
    let reader = flights::reader();
    let rows = |features: &[&str], entities: Columns| {
        reader.validate(request_of(features, entities, vec![]), 10_000).map(|validated| validated.rows())
    };
    assert_eq!(rows(&["maker"], vec![column("tailnum", &[text("N123")])]).unwrap(), 1);
    let all = rows(&[], vec![column("tailnum", &[text("N123")])]).unwrap_err();
    for name in ["origin", "dest", "distance", "scale"] {
        assert!(all.to_string().contains(&format!("`{name}` is missing")), "{all}");
    }
}

#[test]
fn more_entities_than_one_request_may_have_are_refused() {
    let reader = flights::reader();
    let requested = request_of(&["maker"], vec![column("tailnum", &vec![Value::Null; 3])], vec![]);
    let error = reader.validate(requested, 2).unwrap_err();
    assert_eq!(error.to_string(), "the request has 3 entities, more than the 2 that one request may have");
}

#[test]
fn an_on_demand_view_that_does_not_compile_is_refused_by_name() {
    let mut plan = flights::late_arrival();
    plan.computations[1].inputs.clear();
    let error = FeatureReader::new(Arc::new(plan)).unwrap_err();
    assert!(error.to_string().starts_with("chain@1 cannot be evaluated"), "{error}");
}

/// A service that gives every feature of a generated history's view.
fn plan_of(history: &History) -> ServicePlan {
    let view = Arc::new(history.view.clone());
    let output = |(feature, of): (usize, &feature::Feature)| Output {
        name: of.name.to_string(),
        data_type: of.data_type,
        origin: Origin::Stored { lookup: 0, feature },
    };
    ServicePlan {
        id: "everything@1".parse().unwrap(),
        hash: String::new(),
        keys: view.keys.clone(),
        request: Vec::new(),
        outputs: view.features.iter().enumerate().map(output).collect(),
        lookups: vec![Lookup { keys: (0..view.keys.len()).collect(), view }],
        computations: Vec::new(),
    }
}

#[tokio::test]
async fn what_is_served_equals_the_oracle_for_every_type_and_function() {
    for seed in 0..20 {
        let history = History::generate(seed, 12);
        let Some(last) = history.moments.last().copied() else { continue };
        let folder = TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let rows: BTreeMap<Vec<Value>, Vec<Row>> = history.entities.iter().cloned().collect();
        flights::fill(&store, &history.view, &rows, last).await;
        let reader = FeatureReader::new(Arc::new(plan_of(&history))).unwrap();
        let key = |index: usize| history.entities.iter().map(|(keys, _)| keys[index].clone()).collect();
        let entities =
            history.view.keys.iter().enumerate().map(|(index, field)| (field.name.to_string(), key(index)));
        let requested: FeatureRequest<Vec<Value>> =
            FeatureRequest { features: vec![], entities: entities.collect(), request: vec![] };
        let validated = reader.validate(requested, 10_000).unwrap();
        let features = reader.read(&store, &validated, Moment::At(last)).await.unwrap();
        for (row, (keys, rows)) in history.entities.iter().enumerate() {
            let expected = oracle::answer(&history.view, rows, last, AsOf::Available);
            for (column, expected) in features.columns.iter().zip(&expected.cells) {
                let cell = features.cell(column, row).unwrap();
                assert_eq!(
                    (&cell.value, cell.status),
                    (&expected.value, expected.status),
                    "seed {seed}, {keys:?}, {}",
                    column.name
                );
            }
            assert_eq!(features.times[0][row], expected.times, "seed {seed}, {keys:?}");
        }
    }
}

/// The rows of each entity, by its key.
pub(crate) type Rows = BTreeMap<Vec<Value>, Vec<Row>>;

/// The service, a request for all entities, and what the log has of each.
pub(crate) fn requested(history: &History) -> (FeatureReader, FeatureRequest<Vec<Value>>, Rows) {
    let column =
        |index: usize| history.entities.iter().filter_map(|(keys, _)| keys.get(index).cloned()).collect();
    let keys = history.view.keys.iter().enumerate();
    let entities = keys.map(|(index, field)| (field.name.to_string(), column(index))).collect();
    let request = FeatureRequest { features: vec![], entities, request: vec![] };
    let reader = FeatureReader::new(Arc::new(plan_of(history))).unwrap();
    (reader, request, history.entities.iter().cloned().collect())
}
