//! Rows that are pushed into a server: checked, and durable before they are acknowledged.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use materializer::{PushLog, Pushed};
use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::push_request::Wait;
use proto::v1::values::Kind;
use proto::v1::{Float64s, Int64s, PushRequest, PushResponse, Timestamps, Values};
use serde_json::{Value, json};
use test_support::visitors;

use crate::project::{Project, says};
use crate::served::Server;
use crate::stored;

const CLICKS: &str = "\
schema: {visitor: int64, at: timestamp, id: int64, page: string, ms: float64}
event_time: at
stream: {topic: clicks, format: json}
";

const DEFINITIONS: &str = "---
kind: source
name: files_only
schema: {visitor: int64, at: timestamp}
event_time: at
batch: {path: data/none.parquet}
---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
expect:
  - {column: ms, between: [0, 1000]}
features:
  page: {latest: page}
  id: {latest: id}
  clicks: {aggregate: count}
---
kind: feature_view
name: never
version: 1
entity: visitor
source: files_only
features:
  count: {aggregate: count}
---
kind: feature_service
name: visit
version: 1
features:
  - {from: visits@1}
";
pub const LOG: &str = ".twinstore/offline/log/visits/v1";

pub fn clicks() -> Project {
    with(&definitions())
}

/// Pushed clicks, the view of them, and a service.
pub fn definitions() -> String {
    visitors(CLICKS) + DEFINITIONS
}

/// A project with these definitions alone, registered.
pub fn with(definitions: &str) -> Project {
    let project = Project::sample();
    project.write("features/flights.yaml", definitions);
    project.ok("apply");
    project
}

pub fn micros_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

pub fn now() -> String {
    feature::Micros::new(micros_now()).unwrap().to_string()
}

pub fn read(server: &Server, visitors: &Value) -> Value {
    let body = json!({"service": "visit", "entities": {"visitor": visitors}});
    let (status, answer) = server.post("/v1/features", &body);
    assert_eq!(status, 200, "{answer}");
    answer["columns"].clone()
}

#[test]
fn a_row_that_is_pushed_can_be_read_once_it_is_answered_and_is_in_the_log() {
    let project = clicks();
    let server = Server::start(&project);
    let rows = json!([
        {"visitor": 1, "at": now(), "id": 1, "page": "home", "ms": 5},
        {"visitor": 2, "at": now(), "id": 2},
        {"visitor": "three", "at": now(), "pag": "home"},
    ]);
    let push = json!({"source": "clicks", "rows": rows, "wait": "online"});
    let (status, answer) = server.post("/v1/push", &push);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["taken"], &answer["first_offset"], &answer["topic"]),
        (&json!(2), &json!(0), &json!("clicks"))
    );
    assert_eq!(
        (&answer["refused"][0]["index"], &answer["refused"][0]["row"], &answer["refused"][0]["view"]),
        (&json!(2), &json!(3), &Value::Null)
    );
    says(
        answer["refused"][0]["reason"].as_str().unwrap(),
        &["`pag` is unknown, did you mean `page`?", "`visitor` holds \"three\""],
    );
    let columns = read(&server, &json!([1, 2, 3]));
    assert_eq!(columns["page"]["values"], json!(["home", null, null]));
    assert_eq!(columns["clicks"]["statuses"], json!(["PRESENT", "PRESENT", "NOT_FOUND"]));
    assert_eq!(stored::positions(&stored::rows(&project.path(LOG))), [(1, 0, 0), (1, 0, 1)]);
    // A row that every view refuses is refused in the answer, and comes no further.
    let bad = json!({"source": "clicks", "rows": [{"visitor": 1, "at": now(), "ms": -1}], "wait": "online"});
    let (status, answer) = server.post("/v1/push", &bad);
    assert_eq!(
        (status, &answer["taken"], &answer["refused"][0]["view"]),
        (400, &json!(0), &json!("visits@1"))
    );
    says(answer["error"]["message"].as_str().unwrap(), &["row 1: visits@1: expectation_failed: ", "`ms"]);
    let listed = project.json("dead-letter list");
    assert_eq!(listed["dead_letters"].as_array().unwrap().len(), 0, "{listed}");
    assert_eq!(server.terminate().0, Some(0));
}

pub fn over_grpc(
    server: &Server,
    request: impl tonic::IntoRequest<PushRequest>,
) -> Result<PushResponse, tonic::Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = format!("http://{}", server.grpc);
    runtime.block_on(async {
        let mut client = FeatureStoreClient::connect(address).await.unwrap();
        client.push(request).await.map(tonic::Response::into_inner)
    })
}

fn values(kind: Kind, nulls: &[u32]) -> Values {
    Values { nulls: nulls.to_vec(), kind: Some(kind) }
}

#[test]
fn columns_are_pushed_over_grpc() {
    let project = clicks();
    let server = Server::start(&project);
    let moment = micros_now();
    let request = |names: &[&str]| {
        let columns = [
            ("visitor", values(Kind::Int64s(Int64s { values: vec![1, 1, 2] }), &[])),
            ("at", values(Kind::Timestamps(Timestamps { values_us: vec![moment, moment + 1, 0] }), &[2])),
            ("ms", values(Kind::Float64s(Float64s { values: vec![1.0, 0.0, f64::NAN] }), &[1])),
        ];
        let columns = columns.into_iter().filter(|(name, _)| names.contains(name));
        let columns = columns.map(|(name, values)| (name.to_owned(), values)).collect();
        PushRequest {
            source: "clicks".to_owned(),
            columns,
            wait: Wait::Online.into(),
            ..PushRequest::default()
        }
    };
    let answer = over_grpc(&server, request(&["visitor", "at", "ms"])).unwrap();
    assert_eq!((answer.taken, answer.first_offset, answer.topic.as_str()), (2, 0, "clicks"));
    assert_eq!(answer.refused.len(), 1);
    assert_eq!((answer.refused[0].index, answer.refused[0].view.as_str()), (2, ""));
    says(&answer.refused[0].reason, &["`at`, when it happened, is null"]);
    assert_eq!(read(&server, &json!([1, 2]))["clicks"]["values"], json!([2, null]));
    let refused = over_grpc(&server, request(&["visitor"])).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    says(refused.message(), &["row 1: the column `at`", "row 3: ", "the registered definition of clicks"]);
    let mut wrong = request(&["at", "ms"]);
    wrong.columns.insert("visitr".to_owned(), values(Kind::Int64s(Int64s { values: vec![1] }), &[]));
    wrong.columns.insert("page".to_owned(), values(Kind::Int64s(Int64s { values: vec![1, 2, 3] }), &[]));
    let refused = over_grpc(&server, wrong).unwrap_err();
    says(refused.message(), &["`page` is a column of int64", "`visitr` has 1 rows"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn rows_in_json_and_columns_of_another_width_fail_alone_over_grpc() {
    let project = clicks();
    let server = Server::start(&project);
    let moment = micros_now();
    let at = feature::Micros::new(moment).unwrap();
    let json_rows = |rows: &[String]| PushRequest {
        source: "clicks".to_owned(),
        json_rows: rows.to_vec(),
        wait: Wait::Online.into(),
        ..PushRequest::default()
    };
    let good = json!({"visitor": 1, "at": at.to_string(), "ms": 2.5}).to_string();
    let rows = [good.clone(), json!({"visitor": "x"}).to_string(), "{".to_owned(), good];
    let answer = over_grpc(&server, json_rows(&rows)).unwrap();
    assert_eq!((answer.taken, answer.topic.as_str()), (2, "clicks"));
    let refused: Vec<u32> = answer.refused.iter().map(|row| row.index).collect();
    assert_eq!(refused, [1, 2]);
    says(&answer.refused[0].reason, &["`visitor` holds \"x\""]);
    says(&answer.refused[1].reason, &["it is no JSON object"]);
    // Nothing is taken, and that is an answer, too.
    let answer = over_grpc(&server, json_rows(&["7".to_owned()])).unwrap();
    assert_eq!((answer.taken, answer.refused.len()), (0, 1));
    let mut both = json_rows(&["{}".to_owned()]);
    both.columns.insert("visitor".to_owned(), values(Kind::Int64s(Int64s { values: vec![1] }), &[]));
    says(over_grpc(&server, both).unwrap_err().message(), &["both columns and rows in JSON"]);
    // Doubles are whole numbers in the rows where they are.
    let columns = [
        ("visitor", values(Kind::Float64s(Float64s { values: vec![1.0, 1.5, 2.0] }), &[])),
        ("at", values(Kind::Timestamps(Timestamps { values_us: vec![moment; 3] }), &[])),
    ];
    let columns = columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    let request = PushRequest { source: "clicks".to_owned(), columns, ..PushRequest::default() };
    let answer = over_grpc(&server, request).unwrap();
    assert_eq!((answer.taken, answer.refused.len(), answer.refused[0].index), (2, 1, 1));
    says(&answer.refused[0].reason, &["`visitor` holds 1.5, where a whole number"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn whatever_is_wrong_with_a_push_is_said_and_nothing_is_taken() {
    let project = clicks();
    let server = Server::start(&project);
    let rows = |rows: Value| json!({"source": "clicks", "rows": rows}).to_string();
    let many: Vec<Value> = (0..10_001).map(|_| json!({})).collect();
    let cases: [(String, u16, &str, &[&str]); 12] = [
        (String::new(), 400, "INVALID_ARGUMENT", &["cannot be read", "{\"source\": \"name\", \"rows\":"]),
        ("[]".to_owned(), 400, "INVALID_ARGUMENT", &["cannot be read"]),
        (json!({"source": "clicks"}).to_string(), 400, "INVALID_ARGUMENT", &["missing field `rows`"]),
        (json!({"source": "clicks", "rows": {}}).to_string(), 400, "INVALID_ARGUMENT", &["cannot be read"]),
        (
            json!({"source": "clicks", "rows": [7]}).to_string(),
            400,
            "INVALID_ARGUMENT",
            &["row 1: it is 7", "an object with the source's columns"],
        ),
        (
            json!({"source": "clicks", "rows": [], "wait": "ever"}).to_string(),
            400,
            "INVALID_ARGUMENT",
            &["`ever`", "`online`"],
        ),
        (
            json!({"source": "clicks", "rows": [], "wate": "online"}).to_string(),
            400,
            "INVALID_ARGUMENT",
            &["`wate`"],
        ),
        (
            json!({"source": "clics", "rows": []}).to_string(),
            404,
            "NOT_FOUND",
            &["no source `clics`, but there is `clicks`"],
        ),
        (
            json!({"source": "files_only", "rows": []}).to_string(),
            409,
            "FAILED_PRECONDITION",
            &["it has no `stream`"],
        ),
        (
            rows(json!([{}, {"at": "yesterday"}])),
            400,
            "INVALID_ARGUMENT",
            &[
                "row 1: the column `at`, when it happened, is null",
                "row 2: the column `at` holds \"yesterday\"",
            ],
        ),
        (
            rows(json!([{"visitor": 1.5, "at": now(), "ms": "fast", "page": 7, "id": true}])),
            400,
            "INVALID_ARGUMENT",
            &["`visitor` holds 1.5", "`ms` holds", "`page` holds 7", "`id` holds true"],
        ),
        (rows(json!(many)), 413, "RESOURCE_EXHAUSTED", &["10001 rows", "split the rows"]),
    ];
    for (body, status, code, parts) in cases {
        let start: String = body.chars().take(80).collect();
        let (given, answer) = server.send("/v1/push", &body).unwrap();
        assert_eq!(given, status, "{start}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["error"]["code"], code, "{start}: {answer}");
        says(
            &format!(
                "{} {}",
                answer["error"]["message"].as_str().unwrap(),
                answer["error"]["help"].as_str().unwrap()
            ),
            parts,
        );
    }
    let (status, answer) = server.post("/v1/push", &json!({"source": "clicks", "rows": []}));
    assert_eq!((status, &answer["taken"], &answer["first_offset"]), (200, &json!(0), &Value::Null));
    assert!(!project.path(".twinstore/topics/clicks/end").exists());
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn where_topics_are_those_of_brokers_a_push_is_refused_with_what_to_do() {
    let project = clicks();
    let text = project.read("twinstore.toml");
    project.write("twinstore.toml", format!("{text}\nstream.brokers = \"127.0.0.1:1\"\n"));
    let server = Server::start(&project);
    let (status, answer) = server.post("/v1/push", &json!({"source": "clicks", "rows": [{"at": now()}]}));
    assert_eq!(status, 409, "{answer}");
    says(
        answer["error"]["message"].as_str().unwrap(),
        &["the brokers at 127.0.0.1:1", "produce to `clicks`", "embedded://FOLDER"],
    );
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn whoever_waits_for_rows_that_no_stream_brings_is_answered_that_they_are_durable() {
    let project = clicks();
    let server = Server::start_as(&project, "serve --no-streams");
    let moment = micros_now();
    let columns = [
        ("visitor", values(Kind::Int64s(Int64s { values: vec![1] }), &[])),
        ("at", values(Kind::Timestamps(Timestamps { values_us: vec![moment] }), &[])),
    ];
    let columns = columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    let request = PushRequest {
        source: "clicks".to_owned(),
        columns,
        wait: Wait::Online.into(),
        ..PushRequest::default()
    };
    let mut request = tonic::Request::new(request);
    request.set_timeout(Duration::from_secs(1));
    let refused = over_grpc(&server, request).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
    says(
        refused.message(),
        &["the rows are durable", "visits@1 does not show them yet", "do not push them again"],
    );
    project.ok("stream --until-caught-up");
    assert_eq!(read(&server, &json!([1]))["clicks"]["values"], json!([1]));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn bad_rows_of_one_hold_up_no_other_are_named_by_health_and_forgotten_once_good_ones_follow() {
    let project = clicks();
    // They come by another way than the server, which would have refused them.
    let garbage: Vec<Pushed> = (0..200).map(|_| Pushed { key: None, value: Some(b"{".to_vec()) }).collect();
    let at = feature::Micros::new(micros_now()).unwrap();
    PushLog::open(&project.path(".twinstore/topics/clicks")).unwrap().append(&garbage, at).unwrap();
    let server = Server::start(&project);
    let began = Instant::now();
    while !server.get("/health").contains("DEGRADED") {
        assert!(began.elapsed() < Duration::from_secs(30), "health never said so");
    }
    says(&server.get("/health"), &["visits@1", "200 of its newest 200 rows are bad"]);
    says(&server.get("/metrics"), &["twinstore_stream_too_many_bad{view=\"visits@1\",partition=\"0\"} 1"]);
    let far: Vec<Value> = (0..3_000).map(|_| json!({"visitor": 1, "at": "9999-01-01T00:00:00Z"})).collect();
    let (status, answer) = server.post("/v1/push", &json!({"source": "clicks", "rows": far}));
    assert_eq!((status, answer["refused"].as_array().unwrap().len()), (400, 3_000));
    let good = json!({"source": "clicks", "rows": [{"visitor": 1, "at": now(), "ms": 1}], "wait": "online"});
    let (status, answer) = server.post("/v1/push", &good);
    assert_eq!((status, &answer["taken"]), (200, &json!(1)), "{answer}");
    assert_eq!(read(&server, &json!([1]))["clicks"]["values"], json!([1]));
    let began = Instant::now();
    while !server.get("/health").contains("\"SERVING\"") {
        assert!(began.elapsed() < Duration::from_secs(30), "health never healed");
    }
    says(
        &server.get("/metrics"),
        &["twinstore_push_refused_total{view=\"visits@1\",reason=\"too_far_ahead\"} 3000"],
    );
    assert_eq!(server.terminate().0, Some(0));
}
