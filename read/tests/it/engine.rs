//! From a request to its features, in the same process.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::oracle::{self, History};
use feature::{
    AsOf, Lookup, Micros, Name, OpenAnswer, Opening, Openings, Origin, Output, Row, ServicePlan, Status,
    Value, View,
};
use online::{Embedded, Writer};
use read::{FeatureReader, FeatureRequest, Features, Moment, ReadAt, ReadError, RequestError};
use tempfile::TempDir;

use crate::flights::{self, APPLIED, NOON, at, noon, text};
use crate::watched::Watched;

type Columns = Vec<(String, Vec<Value>)>;

fn column(name: &str, values: &[Value]) -> (String, Vec<Value>) {
    (name.to_owned(), values.to_vec())
}

fn airports(codes: &[&str]) -> Vec<Value> {
    codes.iter().map(|code| if code.is_empty() { Value::Null } else { text(code) }).collect()
}

fn request_of(features: &[&str], entities: Columns, request: Columns) -> FeatureRequest<Vec<Value>> {
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

fn cells(features: &Features, name: &str) -> Vec<(Value, Status)> {
    let column = features.columns.iter().find(|column| column.name == name).unwrap();
    let cell = |row| features.cell(column, row).unwrap();
    (0..features.rows).map(cell).map(|cell| (cell.value, cell.status)).collect()
}

fn ages(features: &Features, name: &str) -> Vec<Option<f64>> {
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
type Rows = BTreeMap<Vec<Value>, Vec<Row>>;

/// The service, a request for all entities, and what the log has of each.
fn requested(history: &History) -> (FeatureReader, FeatureRequest<Vec<Value>>, Rows) {
    let column =
        |index: usize| history.entities.iter().filter_map(|(keys, _)| keys.get(index).cloned()).collect();
    let keys = history.view.keys.iter().enumerate();
    let entities = keys.map(|(index, field)| (field.name.to_string(), column(index))).collect();
    let request = FeatureRequest { features: vec![], entities, request: vec![] };
    let reader = FeatureReader::new(Arc::new(plan_of(history))).unwrap();
    (reader, request, history.entities.iter().cloned().collect())
}

#[tokio::test]
async fn what_is_served_while_a_breaker_is_open_equals_the_oracle_whatever_came_since() {
    for seed in 0..20 {
        let mut history = History::generate(seed, 12);
        history.view.ttl = (seed % 2 == 0).then(|| "1m".parse().unwrap());
        let Some(last) = history.moments.last().copied() else { continue };
        let good_until = history.moments[history.moments.len() / 2];
        let folder = TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let (reader, request, rows) = requested(&history);
        flights::fill(&store, &history.view, &rows, last).await;
        let request = reader.validate(request, 10_000).unwrap();
        for answers in [OpenAnswer::LastKnownGood, OpenAnswer::NoValue] {
            let view = history.view.id.clone();
            let opening = Opening {
                number: 7,
                view,
                answers,
                from: good_until,
                until: None,
                good_until,
                features: Vec::new(),
            };
            let openings = Openings::new([opening.clone()]);
            let read_at = || ReadAt { moment: Moment::At(last), openings: &openings };
            if answers == OpenAnswer::LastKnownGood {
                let lost = reader.read(&store, &request, read_at()).await.unwrap();
                let statuses = lost.columns.iter().flat_map(|column| column.statuses.iter());
                assert!(
                    statuses.copied().all(|status| status == Status::BreakerOpen),
                    "no later row is given"
                );
                let kept = View { id: opening.kept_rows(), ..history.view.clone() };
                let visible = |row: &&Row| row.visible_at(AsOf::Available) <= good_until;
                let good = rows.iter().map(|(keys, rows)| {
                    (keys.clone(), rows.iter().filter(visible).cloned().collect::<Vec<Row>>())
                });
                let good = good.filter(|(_, rows)| !rows.is_empty()).collect();
                flights::fill(&store, &kept, &good, good_until).await;
                store.replace(&kept.id, &[], Some(good_until)).await.unwrap();
            }
            let features = reader.read(&store, &request, read_at()).await.unwrap();
            for (row, (keys, rows)) in history.entities.iter().enumerate() {
                let expected = oracle::answer_while_open(&history.view, rows, last, &opening);
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
}

#[tokio::test]
async fn a_moment_of_an_opening_that_ended_is_refused_once_its_rows_are_gone() {
    let history = History::generate(3, 12);
    let last = *history.moments.last().unwrap();
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let (reader, request, rows) = requested(&history);
    flights::fill(&store, &history.view, &rows, last).await;
    let request = reader.validate(request, 10_000).unwrap();
    let until = Some(Micros::new(last.get() + 1).unwrap());
    let (view, answers) = (history.view.id.clone(), OpenAnswer::LastKnownGood);
    let opening =
        Opening { number: 7, view, answers, from: last, until, good_until: last, features: Vec::new() };
    let openings = Openings::new([opening]);
    let read = reader.read(&store, &request, ReadAt { moment: Moment::At(last), openings: &openings }).await;
    let error = read.unwrap_err();
    assert!(matches!(error, ReadError::Request(RequestError::BreakerClosed { .. })), "{error}");
}

/// Writes the rows of an opening's last good moment, as whoever opens a breaker does.
async fn keep(store: &Embedded, history: &History, opening: &Opening) {
    let kept = View { id: opening.kept_rows(), ..history.view.clone() };
    let visible = |row: &&Row| row.visible_at(AsOf::Available) <= opening.good_until;
    let good = history
        .entities
        .iter()
        .map(|(keys, rows)| (keys.clone(), rows.iter().filter(visible).cloned().collect::<Vec<Row>>()));
    let good = good.filter(|(_, rows)| !rows.is_empty()).collect();
    flights::fill(store, &kept, &good, opening.good_until).await;
    store.replace(&kept.id, &[], Some(opening.good_until)).await.unwrap();
}

#[tokio::test]
async fn a_read_that_is_moved_on_is_answered_by_the_openings_of_the_moment_that_it_is_of() {
    let (_folder, store) = flights::store().await;
    let reader = flights::reader();
    let opening = Opening {
        number: 7,
        view: "arrivals@1".parse().unwrap(),
        answers: OpenAnswer::NoValue,
        from: at(APPLIED),
        until: None,
        good_until: at("2013-06-01T10:00:00Z"),
        features: Vec::new(),
    };
    let openings = Openings::new([opening]);
    let dest = || vec![column("dest", &[text("BOS")])];
    let request = reader.validate(request_of(&["dest_last_delay"], dest(), vec![]), 10).unwrap();
    // The clock is behind the store: what the rows of the view say is of the moment that the breaker opened.
    let early = at(APPLIED).get() - 1_000_000;
    let moment = Moment::Now(Micros::new(early).unwrap());
    let features = reader.read(&store, &request, ReadAt { moment, openings: &openings }).await.unwrap();
    assert_eq!(features.at, at(APPLIED));
    assert_eq!(cells(&features, "dest_last_delay"), [(Value::Null, Status::BreakerOpen)]);
}

#[tokio::test]
async fn only_the_features_that_a_breaker_names_are_held_each_with_its_own_times() {
    let mut compared = 0;
    for seed in 0..20 {
        let mut history = History::generate(seed, 12);
        history.view.ttl = (seed % 2 == 0).then(|| "1m".parse().unwrap());
        let Some(last) = history.moments.last().copied() else { continue };
        let folder = TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let (reader, request, rows) = requested(&history);
        flights::fill(&store, &history.view, &rows, last).await;
        let request = reader.validate(request, 10_000).unwrap();
        let count = history.moments.len();
        let every = |nth: usize| -> Vec<Name> {
            history.view.features.iter().skip(nth).step_by(4).map(|feature| feature.name.clone()).collect()
        };
        let kinds = [OpenAnswer::LastKnownGood, OpenAnswer::LastKnownGood, OpenAnswer::NoValue];
        let opening = |(nth, answers): (usize, OpenAnswer)| Opening {
            number: 7 + nth as u32,
            view: history.view.id.clone(),
            answers,
            from: history.moments[count * (nth + 1) / 4],
            until: None,
            good_until: history.moments[count * (nth + 1) / 4],
            features: every(nth),
        };
        let openings: Vec<Opening> = kinds.into_iter().enumerate().map(opening).collect();
        for opening in openings.iter().filter(|opening| opening.answers == OpenAnswer::LastKnownGood) {
            keep(&store, &history, opening).await;
        }
        let openings = Openings::new(openings);
        let read_at = ReadAt { moment: Moment::At(last), openings: &openings };
        let features = reader.read(&store, &request, read_at).await.unwrap();
        for (row, (keys, rows)) in history.entities.iter().enumerate() {
            for (index, column) in features.columns.iter().enumerate() {
                let cell = features.cell(column, row).unwrap();
                let (expected, times) =
                    oracle::answer_of_feature(&history.view, rows, index, last, &openings);
                assert_eq!(
                    (&cell.value, cell.status, cell.times),
                    (&expected.value, expected.status, times),
                    "seed {seed}, {keys:?}, {}",
                    column.name
                );
                compared += usize::from(cell.status == Status::LastKnownGood);
            }
        }
    }
    assert!(compared > 100, "{compared} values of last good moments");
}

#[tokio::test]
async fn what_is_computed_says_that_an_input_is_held_and_what_reads_no_held_feature_does_not() {
    let (_folder, store) = flights::store().await;
    let reader = flights::reader();
    let opening = |name: &str| Opening {
        number: 7,
        view: "arrivals@1".parse().unwrap(),
        answers: OpenAnswer::LastKnownGood,
        from: at(APPLIED),
        until: None,
        good_until: at("2013-06-01T11:15:00Z"),
        features: vec![name.parse().unwrap()],
    };
    let delay = |number, time: &str, delay: f64| flights::row(number, at(time), vec![Value::Float64(delay)]);
    let kept = View { id: opening("last_delay").kept_rows(), ..flights::arrivals() };
    let until_then = [delay(0, "2013-06-01T10:00:00Z", 5.0), delay(1, "2013-06-01T11:10:00Z", 7.0)];
    let rows = BTreeMap::from([(vec![text("BOS")], until_then.to_vec())]);
    flights::fill(&store, &kept, &rows, at("2013-06-01T11:15:00Z")).await;
    let request = || {
        let entities = ["origin", "dest"].map(|name| column(name, &[text("BOS")]));
        let entities = entities.into_iter().chain([column("tailnum", &[text("N123")])]).collect();
        let request = vec![column("distance", &[Value::Int64(187)]), column("scale", &[Value::Float64(2.0)])];
        reader.validate(request_of(&[], entities, request), 10).unwrap()
    };
    let openings = Openings::new([opening("last_delay")]);
    let read_at = ReadAt { moment: Moment::At(noon()), openings: &openings };
    let features = reader.read(&store, &request(), read_at).await.unwrap();
    let good = |value: f64| vec![(Value::Float64(value), Status::LastKnownGood)];
    assert_eq!(cells(&features, "dest_last_delay"), good(7.0));
    assert_eq!(cells(&features, "both_delays"), good(14.0));
    assert_eq!(cells(&features, "twice"), good(28.0));
    assert_eq!(ages(&features, "twice"), [Some(3000.0)]);
    assert_eq!(cells(&features, "dest_arrivals_1h"), [(Value::Int64(2), Status::Present)]);
    assert_eq!(ages(&features, "dest_arrivals_1h"), [Some(1800.0)]);
    assert_eq!(cells(&features, "maker"), [(text("BOEING"), Status::Present)]);
    // Of an airport that was not known at the last good moment nothing is held, so what is computed is no held value.
    let of_sea = || {
        let entities = ["origin", "dest"].map(|name| column(name, &[text("SEA")]));
        let entities = entities.into_iter().chain([column("tailnum", &[text("N123")])]).collect();
        let request = vec![column("distance", &[Value::Int64(187)]), column("scale", &[Value::Float64(2.0)])];
        reader.validate(request_of(&[], entities, request), 10).unwrap()
    };
    let features = reader.read(&store, &of_sea(), read_at).await.unwrap();
    assert_eq!(cells(&features, "dest_last_delay")[0].1, Status::NotFound);
    let computed = ["both_delays", "twice"].map(|name| cells(&features, name)[0].1);
    assert!(!computed.contains(&Status::LastKnownGood), "{computed:?}");
    // Where the rows of the moment are lost, nothing is computed from their absence.
    let lost = Openings::new([Opening { number: 8, ..opening("last_delay") }]);
    let read_at = ReadAt { moment: Moment::At(noon()), openings: &lost };
    let features = reader.read(&store, &request(), read_at).await.unwrap();
    for name in ["dest_last_delay", "both_delays", "twice"] {
        assert_eq!(cells(&features, name), [(Value::Null, Status::BreakerOpen)], "{name}");
    }
    assert_eq!(cells(&features, "dest_arrivals_1h"), [(Value::Int64(2), Status::Present)]);
    // A count that is held: what is computed from delays alone is that of now.
    let openings = Openings::new([opening("arrivals_1h")]);
    let read_at = ReadAt { moment: Moment::At(noon()), openings: &openings };
    let features = reader.read(&store, &request(), read_at).await.unwrap();
    assert_eq!(cells(&features, "both_delays"), [(Value::Float64(-5.0), Status::Present)]);
    assert_eq!(cells(&features, "origin_arrivals_1h"), [(Value::Int64(1), Status::LastKnownGood)]);
}
