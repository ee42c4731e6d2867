//! Every way in: rows that are sent are in the log, among the dead letters, or left out and reported.

use feature::Micros;
use materializer::{PushLog, Pushed};
use proto::v1::push_request::Wait;
use proto::v1::values::Kind;
use proto::v1::{Float32s, Int64s, PushRequest, Strings, Timestamps, Values};
use serde_json::{Value, json};

use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::pushed::{self, with};
use crate::served::Server;
use crate::stored;

/// Two views of one source that has history and a stream, and does not say where the stream begins.
const DEFINITIONS: &str = "
kind: entity
name: airport
keys: {airport: string}
---
kind: source
name: landings
schema: {flight_id: int64, landed_at: timestamp, tailnum: string, dest: string, arr_delay: float32}
event_time: landed_at
batch: {path: data/landings}
stream: {topic: landings, format: json}
---
kind: feature_view
name: arrivals
version: 1
entity: airport
source: landings
keys: {airport: dest}
where: flight_id <> 13
expect: [{column: arr_delay, between: [0, 1000], name: plausible}]
features: {count: {aggregate: count}, last: {latest: flight_id}}
---
kind: feature_view
name: tails
version: 1
entity: airport
source: landings
keys: {airport: tailnum}
features: {count: {aggregate: count}}
---
kind: feature_service
name: visit
version: 1
features: [{from: arrivals@1}]
";

fn project() -> Project {
    with(DEFINITIONS)
}

fn file(project: &Project, name: &str, rows: &[Landing]) {
    write_parquet(&project.path(&format!("data/landings/{name}.parquet")), &batch(rows));
}

/// One whose history ends at 2013-06-08T00:00:04Z.
fn with_history() -> Project {
    let project = project();
    file(&project, "0", &(0..5).map(|n| landing(n, n, 1.0)).collect::<Vec<_>>());
    project.ok("backfill --all");
    project
}

/// Rows of a view in the log, of its history and of its stream.
fn logged(project: &Project, view: &str) -> (usize, usize) {
    let rows = stored::rows(&project.path(&format!(".twinstore/offline/log/{view}/v1")));
    let of = |kind: &str| rows.iter().filter(|row| row["_position_kind"] == kind).count();
    (of("0"), of("1"))
}

fn dead_letters(project: &Project, view: &str) -> Vec<String> {
    let dead_letters = project.json(&format!("dead-letter list {view}@1"));
    let dead_letters = dead_letters["dead_letters"].as_array().unwrap().clone();
    dead_letters.into_iter().map(|dead_letter| dead_letter["reason"].as_str().unwrap().to_owned()).collect()
}

/// One row of each kind: the moment, and what is special about it.
fn rows() -> Vec<Value> {
    let row = |at: Value, more: Value| {
        let mut row =
            json!({"flight_id": 1, "landed_at": at, "tailnum": "N1", "dest": "LAX", "arr_delay": 1});
        more.as_object().unwrap().iter().for_each(|(name, value)| row[name] = value.clone());
        row
    };
    let after = json!("2013-06-08T00:00:04.000001Z");
    vec![
        row(after.clone(), json!({})),
        row(json!("2013-06-08T00:00:04Z"), json!({})),
        row(after.clone(), json!({"arr_delay": -5})),
        row(json!("9999-01-01T00:00:00Z"), json!({})),
        row(after.clone(), json!({"dest": null})),
        row(after.clone(), json!({"flight_id": 13})),
        row(Value::Null, json!({})),
        row(after, json!({"dest": null, "tailnum": null})),
    ]
}

fn refused(answer: &Value) -> Vec<(u64, String, String)> {
    let rows = answer["refused"].as_array().unwrap().iter();
    let of = |row: &Value| {
        let reason = row["reason"].as_str().unwrap();
        let kind = reason.split(':').next().unwrap().to_owned();
        (row["index"].as_u64().unwrap(), row["view"].as_str().unwrap_or("-").to_owned(), kind)
    };
    rows.map(of).collect()
}

/// What a server answers to a push of `rows()`, as HTTP says it.
fn over_http(server: &Server) -> Value {
    let push = json!({"source": "landings", "rows": rows(), "wait": "online"});
    let (status, answer) = server.post("/v1/push", &push);
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The same rows over gRPC, in columns.
fn over_grpc(server: &Server) -> Value {
    let rows = rows();
    let nulls = |name: &str| {
        (0..).zip(&rows).filter(|(_, row)| row[name].is_null()).map(|(at, _)| at).collect::<Vec<u32>>()
    };
    let texts =
        |name: &str| rows.iter().map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect();
    let moment = |row: &Value| row["landed_at"].as_str().map_or(0, |at| at.parse::<Micros>().unwrap().get());
    let numbers = |name: &str| rows.iter().map(|row| row[name].as_i64().unwrap()).collect();
    let delays = rows.iter().map(|row| row["arr_delay"].as_f64().unwrap() as f32).collect();
    let columns = [
        ("flight_id", Kind::Int64s(Int64s { values: numbers("flight_id") })),
        ("landed_at", Kind::Timestamps(Timestamps { values_us: rows.iter().map(moment).collect() })),
        ("tailnum", Kind::Strings(Strings { values: texts("tailnum") })),
        ("dest", Kind::Strings(Strings { values: texts("dest") })),
        ("arr_delay", Kind::Float32s(Float32s { values: delays })),
    ];
    let columns =
        columns.map(|(name, kind)| (name.to_owned(), Values { nulls: nulls(name), kind: Some(kind) }));
    let request = PushRequest {
        source: "landings".to_owned(),
        columns: columns.into(),
        wait: Wait::Online.into(),
        ..PushRequest::default()
    };
    let answer = pushed::over_grpc(server, request).unwrap();
    let refused = answer.refused.iter().map(|row| {
        let view = Some(&row.view).filter(|view| !view.is_empty());
        json!({"index": row.index, "view": view, "reason": row.reason})
    });
    let filtered = answer.filtered.iter().map(|of| (of.view.clone(), json!(of.rows)));
    json!({"taken": answer.taken, "refused": refused.collect::<Vec<_>>(),
           "filtered": filtered.collect::<serde_json::Map<_, _>>()})
}

#[test]
fn of_rows_that_are_pushed_each_is_in_the_log_or_refused_by_view_or_left_out_and_counted() {
    each_pushed_row_is_accounted_for(over_http);
}

#[test]
fn of_rows_that_are_pushed_over_grpc_each_is_in_the_log_or_refused_by_view_or_left_out_and_counted() {
    each_pushed_row_is_accounted_for(over_grpc);
}

fn each_pushed_row_is_accounted_for(push: fn(&Server) -> Value) {
    let project = with_history();
    let server = Server::start(&project);
    let answer = push(&server);
    assert_eq!(answer["taken"], json!(4), "{answer}");
    let expected = [
        (1, "arrivals@1", "before_stream"),
        (1, "tails@1", "before_stream"),
        (2, "arrivals@1", "expectation_failed"),
        (3, "arrivals@1", "too_far_ahead"),
        (3, "tails@1", "too_far_ahead"),
        (4, "arrivals@1", "null_key"),
        (6, "-", "the column `landed_at`, when it happened, is null"),
        (7, "arrivals@1", "null_key"),
        (7, "tails@1", "null_key"),
    ];
    let expected = expected.map(|(index, view, kind)| (index, view.to_owned(), kind.to_owned()));
    assert_eq!(refused(&answer), expected);
    assert_eq!(answer["filtered"], json!({"arrivals@1": 1}));
    // Four rows went no further; of those that were taken one view refuses, leaves out and filters one each.
    assert_eq!(
        (logged(&project, "arrivals"), dead_letters(&project, "arrivals")),
        ((5, 1), vec!["expectation_failed".to_owned()])
    );
    assert_eq!((logged(&project, "tails"), dead_letters(&project, "tails").len()), ((5, 4), 0));
    says(
        &server.get("/metrics"),
        &[
            "twinstore_stream_filtered_total{view=\"arrivals@1\"} 1",
            "twinstore_stream_null_keys_total{view=\"arrivals@1\"} 1",
            "twinstore_stream_refused_total{view=\"arrivals@1\",reason=\"the expectation `plausible` is false\"} 1",
            "twinstore_push_refused_total{view=\"tails@1\",reason=\"before_stream\"} 1",
            "twinstore_push_rows_total{outcome=\"refused\"} 4",
        ],
    );
    // History that comes later stops where the stream begins, and says what it leaves to it.
    file(&project, "1", &[landing(20, -60, 1.0), landing(21, 60, 1.0)]);
    let loaded = project.json("backfill arrivals@1");
    let report = &loaded["views"][0];
    assert_eq!((&report["rows_loaded"], &report["of_stream"]), (&json!(1), &json!(1)), "{loaded}");
    assert_eq!(logged(&project, "arrivals"), (6, 1));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn the_stream_of_a_view_without_history_begins_at_the_first_row_that_is_pushed() {
    let project = project();
    let server = Server::start(&project);
    let push = |second: u32| {
        let row = json!({"flight_id": 1, "landed_at": format!("2013-06-08T00:00:{second:02}Z"),
                         "tailnum": "N1", "dest": "LAX", "arr_delay": 1});
        server.post("/v1/push", &json!({"source": "landings", "rows": [row], "wait": "online"}))
    };
    assert_eq!(push(30).0, 200);
    let (status, answer) = push(29);
    assert_eq!(status, 400, "{answer}");
    assert_eq!(refused(&answer)[0], (0, "arrivals@1".to_owned(), "before_stream".to_owned()));
    says(
        answer["error"]["message"].as_str().unwrap(),
        &[
            "row 1: arrivals@1: before_stream: it happened at 2013-06-08T00:00:29Z",
            "begins at 2013-06-08T00:00:30Z",
        ],
    );
    assert_eq!(push(30).0, 200);
    assert_eq!((logged(&project, "arrivals"), logged(&project, "tails")), ((0, 2), (0, 2)));
    // What history has of it is left to the stream, also by materialize.
    file(&project, "0", &[landing(1, 29, 1.0), landing(2, 30, 1.0)]);
    let loaded = project.json("backfill arrivals@1");
    assert_eq!(
        (&loaded["views"][0]["rows_loaded"], &loaded["views"][0]["of_stream"]),
        (&json!(1), &json!(1))
    );
    file(
        &project,
        "1",
        &[landing(3, 28, 1.0), landing(4, 31, 1.0), landing(13, 0, 1.0), landing(5, 1, -1.0)],
    );
    let loaded = project.json("materialize arrivals@1");
    let report = &loaded["views"][0];
    let counted =
        ["rows_loaded", "of_stream", "filtered", "null_keys"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counted, [1, 1, 1, 0], "{report}");
    assert_eq!(report["refused"], json!({"the expectation `plausible` is false": 1}));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_data_frame_of_feast_is_taken_whole_or_not_at_all_also_where_a_view_refuses_a_row() {
    let project = with_history();
    let server = Server::start(&project);
    let frame = |second: &str| {
        json!({"push_source_name": "landings", "to": "online", "df": {
            "flight_id": [1, 2], "landed_at": ["2013-06-09T00:00:00Z", second], "tailnum": ["N1", "N1"],
            "dest": ["LAX", null], "arr_delay": [1, 1]}})
    };
    let (status, answer) = server.send("/push", &frame("2013-06-08T00:00:04Z").to_string()).unwrap();
    assert_eq!(status, 400, "{answer}");
    says(&answer, &["row 2: tails@1: before_stream"]);
    assert_eq!((logged(&project, "arrivals"), logged(&project, "tails")), ((5, 0), (5, 0)));
    // A row without the key of one view is meant for the other.
    assert_eq!(server.send("/push", &frame("2013-06-09T00:00:00Z").to_string()).unwrap().0, 200);
    assert_eq!((logged(&project, "arrivals"), logged(&project, "tails")), ((5, 1), (5, 2)));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn of_records_of_a_topic_each_is_in_the_log_or_a_dead_letter_or_left_out_and_counted_and_so_is_a_replay() {
    let project = with_history();
    let mut values: Vec<Vec<u8>> = rows().into_iter().map(|row| row.to_string().into_bytes()).collect();
    values.push(b"{".to_vec());
    let sent = values.len() as u64;
    let records: Vec<Pushed> =
        values.into_iter().map(|value| Pushed { key: None, value: Some(value) }).collect();
    let at = Micros::new(pushed::micros_now()).unwrap();
    PushLog::open(&project.path(".twinstore/topics/landings")).unwrap().append(&records, at).unwrap();
    let streamed = project.json("stream --until-caught-up");
    for report in streamed["views"].as_array().unwrap() {
        let view = report["view"].as_str().unwrap().split('@').next().unwrap();
        let count = |name: &str| report[name].as_u64().unwrap();
        let refused: u64 =
            report["refused"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
        assert_eq!(count("records"), sent, "{report}");
        assert_eq!(count("rows_loaded") + refused + count("filtered") + count("null_keys"), sent, "{report}");
        assert_eq!(count("rows_loaded"), logged(&project, view).1 as u64, "{report}");
        let reasons = dead_letters(&project, view);
        assert_eq!(reasons.len() as u64, refused, "{report}");
        assert!(
            reasons.iter().any(|reason| reason == "before stream" || reason == "before_stream"),
            "{reasons:?}"
        );
        let replayed = project.json(&format!("dead-letter replay {view}@1"));
        let replay = &replayed["views"][0];
        let still: u64 =
            replay["still_refused"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
        let count = |name: &str| replay[name].as_u64().unwrap();
        assert_eq!(
            count("replayed") + still + count("filtered") + count("null_keys") + count("not_replayable"),
            count("dead_letters"),
            "{replay}"
        );
        assert_eq!(count("dead_letters"), refused);
    }
    assert_eq!(logged(&project, "arrivals"), (5, 1));
}

#[test]
fn why_a_stream_ends_is_said_once() {
    let project = with_history();
    let log = project.path(".twinstore/offline/log/arrivals/v1/_delta_log");
    std::fs::remove_file(log.join("00000000000000000001.json")).unwrap();
    let done = project.run("stream --until-caught-up");
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let said: Vec<&str> = done.stderr.lines().filter(|line| line.contains("is damaged")).collect();
    assert_eq!(said.len(), 1, "{}", done.stderr);
    assert!(said[0].starts_with("error: "), "{}", done.stderr);
}
