//! Hostile requests and connections over real sockets, and what comes back. `make attack` prints a line for each;
//! docs/security.md has the table.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;
use proto::feast::serving::get_online_features_request::Kind as FeastKind;
use proto::feast::serving::serving_service_client::ServingServiceClient;
use proto::feast::serving::{FeatureList, GetOnlineFeaturesRequest};
use proto::feast::types::RepeatedValue;
use proto::v1::GetFeaturesRequest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::codegen::http;
use twinstore_server::Limits;

use crate::flights;
use crate::grpc::{ask, channel, columns, strings};
use crate::http::{send, send_with};
use crate::stop::{Running, patiently, start, start_with};
use crate::watched::{Watch, Watched};

/// What everybody else may wait for an answer while an attack goes on.
const OTHERS_WAIT: Duration = Duration::from_secs(2);

/// Says what an attack came to.
pub fn withstood(attack: &str, outcome: &str) {
    println!("attack: {attack}: {outcome}");
}

/// That health is answered soon.
async fn others_are_answered(http: SocketAddr) {
    let began = Instant::now();
    let (status, _) = patiently(send(http, "GET", "/health", "")).await;
    assert_eq!(status, 200);
    assert!(began.elapsed() < OTHERS_WAIT, "health took {:?}", began.elapsed());
}

async fn held_up(limits: Limits) -> (tempfile::TempDir, Arc<Watch>, Running) {
    let (folder, store) = flights::store().await;
    let store = Watched::new(store, 0);
    let watch = Arc::clone(&store.watch);
    (folder, watch, start_with(store, limits).await)
}

fn good_body() -> String {
    json!({"service": "late_arrival", "features": ["maker"], "entities": {"tailnum": ["N123"]}}).to_string()
}

fn many(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{what}{n}")).collect()
}

fn many_columns(count: usize) -> serde_json::Value {
    many("c", count).into_iter().map(|name| (name, json!([1]))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_name_too_much_are_refused_and_hold_up_nobody() {
    let server = start().await;
    let http = server.addresses.http;
    let long = "a".repeat(7_000_000);
    let bodies = [
        ("/v1/features", json!({"service": "late_arrival", "entities": many_columns(30_000)})),
        ("/v1/features", json!({"service": "late_arrival", "request": many_columns(30_000)})),
        ("/v1/features", json!({"service": "late_arrival", "features": many("f", 300_000), "entities": {}})),
        ("/v1/features", json!({"service": long, "entities": {}})),
        ("/v1/features", json!({"service": "late_arrival", "features": [long], "entities": {}})),
        ("/v1/features", json!({"service": "late_arrival", "entities": {(long.as_str()): [1]}})),
        ("/v1/push", json!({"source": "s", "rows": [many_columns(30_000)]})),
        ("/get-online-features", json!({"features": many("v:f", 300_000), "entities": {}})),
        (
            "/get-online-features",
            json!({"feature_service": "late_arrival", "entities": many_columns(30_000)}),
        ),
        ("/get-online-features", json!({"wrong": many_columns(100_000)})),
        ("/push", json!({"push_source_name": "s", "df": many_columns(30_000)})),
    ];
    for (path, body) in bodies {
        let body = Arc::new(body.to_string());
        let attacks: Vec<_> = (0..4)
            .map(|_| {
                let body = Arc::clone(&body);
                tokio::spawn(async move { send_with(http, "POST", path, "", &body).await })
            })
            .collect();
        others_are_answered(http).await;
        for attack in attacks {
            let (status, answer) = patiently(attack).await.unwrap();
            assert!((400..500).contains(&status), "{path}: {status} {answer}");
            assert!(answer.len() < 4_000, "{path}: an answer of {} bytes", answer.len());
        }
    }
    withstood("30,000 columns, 300,000 features, names of 7 MB over HTTP", "refused, health answered");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_grpc_that_name_too_much_are_refused_and_hold_up_nobody() {
    let server = start().await;
    let http = server.addresses.http;
    let wide = || many("c", 30_000).into_iter().map(|name| (name, strings(&["a"], &[]))).collect();
    let requests = [
        GetFeaturesRequest { service: "late_arrival".to_owned(), entities: wide(), ..Default::default() },
        GetFeaturesRequest { service: "late_arrival".to_owned(), request: wide(), ..Default::default() },
        GetFeaturesRequest {
            service: "late_arrival".to_owned(),
            features: many("f", 300_000),
            ..Default::default()
        },
        GetFeaturesRequest { service: "a".repeat(7_000_000), ..Default::default() },
    ];
    for request in requests {
        let (answered, ()) = tokio::join!(patiently(ask(&server, request)), others_are_answered(http));
        let code = answered.unwrap_err().code();
        assert!(matches!(code, Code::ResourceExhausted | Code::NotFound), "{code:?}");
    }
    let columns = many("c", 30_000).into_iter().map(|name| (name, RepeatedValue::default())).collect();
    let of_columns = GetOnlineFeaturesRequest {
        kind: Some(FeastKind::FeatureService("late_arrival".to_owned())),
        entities: columns,
        ..Default::default()
    };
    let of_features = GetOnlineFeaturesRequest {
        kind: Some(FeastKind::Features(FeatureList { val: many("v:f", 300_000) })),
        ..Default::default()
    };
    for request in [of_columns, of_features] {
        let mut client = ServingServiceClient::new(channel(&server).await);
        let (answered, ()) =
            tokio::join!(patiently(client.get_online_features(request)), others_are_answered(http));
        assert_eq!(answered.unwrap_err().code(), Code::ResourceExhausted);
    }
    withstood(
        "30,000 columns, 300,000 features over gRPC, also as Feast sends them",
        "refused, health answered",
    );
    server.stop().await;
}

/// A request of gRPC without the generated client, which gives up by itself: the status in the head of the answer.
async fn raw_grpc(grpc: SocketAddr, headers: &[(&str, &str)], frame: Vec<u8>) -> Option<String> {
    let stream = TcpStream::connect(grpc).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://x/twinstore.v1.FeatureStore/GetFeatures")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut client = client.ready().await.unwrap();
    let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    // It may be refused before its body.
    let _ = body.send_data(frame.into(), true);
    let response = patiently(response).await.unwrap();
    connection.abort();
    response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned())
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_refused_before_the_store_is_read() {
    let (_folder, watch, server) = held_up(Limits::default()).await;
    watch.gate.add_permits(100);
    let http = server.addresses.http;
    for path in ["/v1/features", "/v1/push", "/get-online-features"] {
        let (status, answer) =
            send_with(http, "POST", path, "x-request-timeout-ms: 0\r\n", &good_body()).await;
        assert_eq!(status, 504, "{path}: {answer}");
    }
    let message = GetFeaturesRequest {
        service: "late_arrival".to_owned(),
        features: vec!["maker".to_owned()],
        entities: columns([("tailnum", strings(&["N123"], &[]))]),
        ..Default::default()
    };
    let frame = framed(0, &message.encode_to_vec());
    for timeout in ["0m", "0S", "1n"] {
        let status = raw_grpc(server.addresses.grpc, &[("grpc-timeout", timeout)], frame.clone()).await;
        assert_eq!(status.as_deref(), Some("4"), "{timeout}");
    }
    assert_eq!(watch.reads.lock().unwrap().len(), 0, "nothing was read");
    assert_eq!(
        send_with(http, "POST", "/v1/features", "x-request-timeout-ms: 5000\r\n", &good_body()).await.0,
        200
    );
    withstood("a deadline of 0", "DEADLINE_EXCEEDED before the store is read");
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_do_not_arrive_take_bounded_memory_and_end() {
    let (_folder, store) = flights::store().await;
    let limits = Limits {
        max_request_bytes: 1 << 20,
        max_body_bytes: 2 << 20,
        body_grace: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = start_with(store, limits).await;
    let http = server.addresses.http;
    let head = format!("POST /v1/features HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 20);
    let mut senders = Vec::new();
    for _ in 0..40 {
        let mut sender = TcpStream::connect(http).await.unwrap();
        sender.write_all(head.as_bytes()).await.unwrap();
        senders.push(tokio::spawn(async move {
            let _ = sender.write_all(&vec![b' '; 900_000]).await;
            let mut answer = Vec::new();
            let _ = sender.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        }));
    }
    others_are_answered(http).await;
    // A small request has memory of its own.
    let (status, answer) = send(http, "POST", "/v1/features", &good_body()).await;
    assert_eq!(status, 200, "{answer}");
    let mut full = 0;
    let mut late = 0;
    for sender in senders {
        let answer = patiently(sender).await.unwrap();
        full += usize::from(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1"));
        late += usize::from(answer.starts_with("HTTP/1.1 504") && answer.contains("did not arrive in time"));
    }
    // Of those that are refused at once some learn only that the connection has ended.
    assert!((1..=2).contains(&late), "{late} were waited for, {full} refused");
    assert!(crate::http::shows(&server, "twinstore_serve_body_bytes 0").await);
    withstood(
        "unfinished bodies",
        "429 beyond the budget, 504 for those that stall, small requests answered",
    );
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_drips_is_ended() {
    let (_folder, store) = flights::store().await;
    let limits = Limits { body_grace: Duration::from_millis(300), ..Limits::default() };
    let server = start_with(store, limits).await;
    let mut sender = TcpStream::connect(server.addresses.http).await.unwrap();
    let head = "POST /v1/features HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    sender.write_all(head.as_bytes()).await.unwrap();
    let (mut answers, mut bytes) = sender.into_split();
    let dripping = tokio::spawn(async move {
        while bytes.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = String::new();
    patiently(answers.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    drop(answers);
    dripping.abort();
    withstood("a body of one byte every 20 ms", "504 once its time is over");
    server.stop().await;
}

/// Whether the server ends a connection on which this is sent.
async fn is_ended(address: SocketAddr, sent: &[u8]) -> bool {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(sent).await.unwrap();
    let mut rest = Vec::new();
    patiently(async { connection.read_to_end(&mut rest).await.map_or(true, |_| true) }).await
}

#[tokio::test]
async fn connections_that_say_nothing_or_half_a_head_are_ended() {
    let (_folder, store) = flights::store().await;
    let second = Duration::from_secs(1);
    let limits = Limits { head_timeout: second, idle_timeout: 2 * second, ..Limits::default() };
    let server = start_with(store, limits).await;
    let (grpc, http) = (server.addresses.grpc, server.addresses.http);
    let (a, b, c, d, e) = tokio::join!(
        is_ended(http, b""),
        is_ended(http, b"POST /v1/features HTTP/1.1\r\nhost: x\r\n"),
        // Answered, then idle.
        is_ended(http, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"),
        is_ended(grpc, b""),
        is_ended(grpc, b"PRI * HTTP"),
    );
    assert!(a && b && c && d && e);
    withstood("connections that say nothing, half a head, or no further request", "ended");
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_drips_is_ended() {
    let (_folder, store) = flights::store().await;
    let limits = Limits { head_timeout: Duration::from_secs(1), ..Limits::default() };
    let server = start_with(store, limits).await;
    let mut sender = TcpStream::connect(server.addresses.http).await.unwrap();
    sender.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
    let ended = patiently(async {
        while sender.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    ended.await;
    withstood("a head of one line every 50 ms", "ended once its time is over");
    server.stop().await;
}

#[tokio::test]
async fn idle_connections_are_ended_for_others() {
    let (_folder, store) = flights::store().await;
    let limits = Limits { max_connections: 16, ..Limits::default() };
    let server = start_with(store, limits).await;
    for address in [server.addresses.http, server.addresses.grpc] {
        let mut idle = Vec::new();
        for _ in 0..100 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        others_are_answered(server.addresses.http).await;
        let request = GetFeaturesRequest { service: "none".to_owned(), ..Default::default() };
        assert_eq!(patiently(ask(&server, request)).await.unwrap_err().code(), Code::NotFound);
        // The first of them is gone.
        let mut first = idle.remove(0);
        let mut rest = Vec::new();
        let _ = patiently(first.read_to_end(&mut rest)).await;
    }
    withstood(
        "100 idle connections where 16 may be open",
        "others are answered, the longest idle ones ended",
    );
    server.stop().await;
}

#[tokio::test]
async fn one_address_has_only_so_many_connections_that_are_in_use() {
    let (_folder, watch, server) = held_up(Limits { max_connections_per_peer: 2, ..Limits::default() }).await;
    let http = server.addresses.http;
    let asking = || tokio::spawn(async move { send(http, "POST", "/v1/features", &good_body()).await });
    let first = asking();
    patiently(watch.begun.notified()).await;
    let second = asking();
    patiently(watch.begun.notified()).await;
    let mut third = TcpStream::connect(http).await.unwrap();
    let mut answer = Vec::new();
    let _ = patiently(third.read_to_end(&mut answer)).await;
    assert!(answer.is_empty(), "{answer:?}");
    watch.gate.add_permits(2);
    assert_eq!(patiently(first).await.unwrap().0, 200);
    assert_eq!(patiently(second).await.unwrap().0, 200);
    withstood("more connections in use than one address may have", "closed at once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_at_once_hold_up_nobody() {
    let server = start().await;
    let stream = TcpStream::connect(server.addresses.grpc).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    for sent in 0..20_000 {
        // The server may end the connection.
        let Ok(ready) = client.ready().await else { break };
        client = ready;
        let request = http::Request::post("http://x/twinstore.v1.FeatureStore/GetFeatures")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let Ok((response, mut body)) = client.send_request(request, false) else { break };
        body.send_reset(h2::Reason::CANCEL);
        drop(response);
        if sent % 5_000 == 0 {
            others_are_answered(server.addresses.http).await;
        }
    }
    others_are_answered(server.addresses.http).await;
    let request = GetFeaturesRequest { service: "none".to_owned(), ..Default::default() };
    assert_eq!(patiently(ask(&server, request)).await.unwrap_err().code(), Code::NotFound);
    connection.abort();
    withstood("20,000 streams that are reset at once", "others are answered");
    server.stop().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let server = start().await;
    let long = "a".repeat(64 << 10);
    let (status, _) = send_with(server.addresses.http, "GET", "/health", &format!("x: {long}\r\n"), "").await;
    assert_eq!(status, 431);
    let stream = TcpStream::connect(server.addresses.grpc).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://x/twinstore.v1.FeatureStore/GetFeatures")
        .header("content-type", "application/grpc")
        .header("x", long)
        .body(())
        .unwrap();
    let sent = client.ready().await.unwrap().send_request(request, true);
    let refused = match sent {
        Ok((response, _)) => patiently(response).await.map_or(true, |response| response.status() == 431),
        Err(_) => true,
    };
    assert!(refused);
    connection.abort();
    others_are_answered(server.addresses.http).await;
    withstood("a head of 64 KiB", "431");
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_is_compressed_is_refused_and_not_inflated() {
    let server = start().await;
    let status =
        raw_grpc(server.addresses.grpc, &[("grpc-encoding", "gzip")], framed(1, &[0x1f, 0x8b, 8, 0])).await;
    assert_eq!(status.as_deref(), Some("12"), "UNIMPLEMENTED");
    let (status, answer) = send_with(
        server.addresses.http,
        "POST",
        "/v1/features",
        "content-encoding: gzip\r\n",
        "\u{1f}not json",
    )
    .await;
    assert_eq!(status, 400, "{answer}");
    withstood("a compressed body", "UNIMPLEMENTED, 400: nothing is inflated");
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_waits_too_long_for_others_is_refused_with_a_hint() {
    let limits = Limits { max_in_flight: 1, max_wait: Duration::from_millis(50), ..Limits::default() };
    let (_folder, watch, server) = held_up(limits).await;
    let http = server.addresses.http;
    let first = tokio::spawn(async move { send(http, "POST", "/v1/features", &good_body()).await });
    patiently(watch.begun.notified()).await;
    let head = patiently(async {
        let mut connection = TcpStream::connect(http).await.unwrap();
        let body = good_body();
        let request = format!(
            "POST /v1/features HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await;
    assert!(head.starts_with("HTTP/1.1 429") && head.contains("retry-after: 1"), "{head}");
    let request = GetFeaturesRequest {
        service: "late_arrival".to_owned(),
        features: vec!["maker".to_owned()],
        entities: columns([("tailnum", strings(&["N123"], &[]))]),
        ..Default::default()
    };
    let refused = patiently(ask(&server, request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
    watch.gate.add_permits(1);
    assert_eq!(patiently(first).await.unwrap().0, 200);
    withstood(
        "more requests than are answered",
        "429 and RESOURCE_EXHAUSTED after a short wait, with a hint",
    );
    server.stop().await;
}

#[tokio::test]
async fn what_a_request_says_does_not_reach_a_terminal_through_an_error() {
    let server = start().await;
    let body = json!({"service": "a\u{1b}[2J\u{202e}b\nerror: forged", "entities": {}}).to_string();
    let (_, answer) = send(server.addresses.http, "POST", "/v1/features", &body).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(!message.contains(['\u{1b}', '\u{202e}', '\n']), "{message:?}");
    let request = GetFeaturesRequest { service: "a\u{1b}[2J\u{202e}b".to_owned(), ..Default::default() };
    let message = ask(&server, request).await.unwrap_err().message().to_owned();
    assert!(!message.contains(['\u{1b}', '\u{202e}']), "{message:?}");
    withstood("escape sequences and U+202E in a request", "escaped in the error");
    server.stop().await;
}
