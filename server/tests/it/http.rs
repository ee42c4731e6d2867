//! The HTTP protocol over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use twinstore_server::Limits;

use crate::flights::{self, NOON};
use crate::stop::{Running, patiently, start, start_with};
use crate::watched::Watched;

/// One request on a connection of its own: the status and the body.
pub async fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Json) {
    let (status, body) = send_with(address, method, path, "", body).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// Whether the page of metrics has this line.
pub async fn shows(server: &Running, line: &str) -> bool {
    let (_, page) = send_with(server.addresses.http, "GET", "/metrics", "", "").await;
    page.lines().any(|other| other == line)
}

/// The same with more headers, and the body as it is.
pub async fn send_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let answer = answer_with(address, method, path, headers, body).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, body.to_owned())
}

/// The same, and the answer as it came.
pub async fn answer_with(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    // A server that refuses a body by its length may close before all of it is written.
    let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn features(server: &Running, body: &Json) -> (u16, Json) {
    send(server.addresses.http, "POST", "/v1/features", &body.to_string()).await
}

fn body() -> Json {
    json!({
        "service": "late_arrival",
        "features": ["dest_last_delay", "dest_arrivals_1h"],
        "entities": {"dest": ["BOS", "LAX", null]},
        "at": NOON,
    })
}

#[tokio::test]
async fn features_come_in_the_promised_shape() {
    let server = start().await;
    let (status, answer) = features(&server, &body()).await;
    let expected = json!({
        "service": "late_arrival@1",
        "at": "2013-06-01T12:00:00Z",
        "columns": {
            "dest_last_delay": {
                "values": [-2.5, null, null],
                "statuses": ["PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND"],
                "event_times": ["2013-06-01T11:30:00Z", "2013-05-30T12:00:00Z", null],
                "ages_s": [1800.0, 172_800.0, null],
            },
            "dest_arrivals_1h": {
                "values": [2, 0, null],
                "statuses": ["PRESENT", "PRESENT", "NOT_FOUND"],
                "event_times": ["2013-06-01T11:30:00Z", "2013-05-30T12:00:00Z", null],
                "ages_s": [1800.0, 172_800.0, null],
            },
        },
    });
    assert_eq!((status, &answer), (200, &expected));
    assert_eq!(answer.to_string(), expected.to_string(), "the columns keep the service's order");
    server.stop().await;
}

#[tokio::test]
async fn all_features_need_all_columns() {
    let server = start().await;
    let everything = json!({
        "service": "late_arrival@1",
        "entities": {"origin": ["BOS"], "dest": ["BOS"], "tailnum": ["N123"]},
        "request": {"distance": [187], "scale": ["Infinity"]},
    });
    let (status, answer) = features(&server, &everything).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["at"], NOON, "without a moment it is now");
    let value = |name: &str| answer["columns"][name]["values"][0].clone();
    assert_eq!(answer["columns"].as_object().unwrap().len(), 10);
    assert_eq!((value("maker"), value("wings")), (json!("BOEING"), json!([1.5, null])));
    assert_eq!((value("trips"), value("twice")), (json!(5), json!("-Infinity")));
    assert_eq!(answer["columns"]["maker"]["ages_s"], json!([null]));
    server.stop().await;
}

#[tokio::test]
async fn each_bad_request_has_its_status_and_says_what_to_do() {
    let limits = Limits { max_entities: 3, max_request_bytes: 1_000, ..Limits::default() };
    let (_folder, store) = flights::store().await;
    let server = start_with(store, limits).await;
    let with = |key: &str, value: Json| {
        let mut body = body();
        body[key] = value;
        body.to_string()
    };
    let cases = [
        ("{\"service\":\n nonsense}".to_owned(), 400, "INVALID_ARGUMENT", "at line 2 column 3"),
        (String::new(), 400, "INVALID_ARGUMENT", "line 1 column 0"),
        (with("entity", json!({})), 400, "INVALID_ARGUMENT", "unknown field `entity`"),
        (with("entities", json!({"dest": "BOS"})), 400, "INVALID_ARGUMENT", "expected a sequence"),
        (with("entities", json!(["BOS"])), 400, "INVALID_ARGUMENT", "expected columns as in"),
        (
            r#"{"service": "late_arrival", "entities": {"dest": [], "dest": []}}"#.to_owned(),
            400,
            "INVALID_ARGUMENT",
            "the column `dest` is given twice",
        ),
        (with("at", json!("noon")), 400, "INVALID_ARGUMENT", "`noon` is not a time"),
        (
            with("entities", json!({"dest": [1.5]})),
            400,
            "INVALID_ARGUMENT",
            "holds 1.5, where a string is needed",
        ),
        (with("service", json!("late")), 404, "NOT_FOUND", "there is no service `late`"),
        (with("at", json!("2013-06-01T11:00:00Z")), 409, "FAILED_PRECONDITION", "too early"),
        (with("entities", json!({"dest": ["a", "b", "c", "d"]})), 413, "RESOURCE_EXHAUSTED", "4 entities"),
        (with("service", json!("x".repeat(2_000))), 413, "RESOURCE_EXHAUSTED", "1000 bytes"),
    ];
    for (body, status, code, part) in cases {
        let (given, answer) = send(server.addresses.http, "POST", "/v1/features", &body).await;
        assert_eq!((given, &answer["error"]["code"]), (status, &json!(code)), "{body}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(part), "{part}: {answer}");
        assert!(!answer["error"]["help"].as_str().unwrap().is_empty(), "{answer}");
    }
    let misfit = with("entities", json!({"dest": [1.5]}));
    let (_, answer) = send(server.addresses.http, "POST", "/v1/features", &misfit).await;
    let help = answer["error"]["help"].as_str().unwrap();
    assert!(help.contains("definition of late_arrival@1"), "{help}");
    let nowhere = [("GET", "/v1/features", 405), ("POST", "/v2/features", 404), ("POST", "/health", 405)];
    for (method, path, status) in nowhere {
        let (given, answer) = send(server.addresses.http, method, path, "").await;
        assert_eq!((given, &answer["error"]["code"]), (status, &json!("NOT_FOUND")), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_is_gone_is_unavailable_and_never_not_found() {
    let (_folder, store) = flights::store().await;
    let store = Watched::new(store, 10);
    store.watch.gone.store(true, Ordering::Relaxed);
    let server = start_with(store, Limits::default()).await;
    let (status, answer) = features(&server, &body()).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("UNAVAILABLE")), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_panics_is_refused_alone() {
    let (_folder, store) = flights::store().await;
    let store = Watched::new(store, 10);
    let watch = Arc::clone(&store.watch);
    let server = start_with(store, Limits::default()).await;
    watch.broken.store(true, Ordering::Relaxed);
    let (status, answer) = features(&server, &body()).await;
    assert_eq!((status, &answer["error"]["code"]), (500, &json!("INTERNAL")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("the store is broken"), "{answer}");
    watch.broken.store(false, Ordering::Relaxed);
    assert_eq!(features(&server, &body()).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let (_folder, store) = flights::store().await;
    let limits = Limits { request_timeout: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(store, limits).await;
    let mut connection = TcpStream::connect(server.addresses.http).await.unwrap();
    let head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    connection.write_all(head).await.unwrap();
    let mut answer = String::new();
    patiently(connection.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.contains("did not arrive in time"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn health_says_that_it_serves() {
    let server = start().await;
    let health = send(server.addresses.http, "GET", "/health", "").await;
    assert_eq!(health, (200, json!({"status": "SERVING"})));
    server.stop().await;
}
