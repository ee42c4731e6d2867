//! How a server starts, bounds what it takes on, and stops.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use online::{Embedded, Reader};
use prost::Message;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::Streaming;
use tonic::codegen::http;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};
use twinstore_server::{Addresses, Catalog, Ended, Limits, ServeError, Server, Services, Serving, Tls};

use crate::flights;
use crate::grpc::{channel, columns, strings};
use crate::http::{send, send_with, shows};
use crate::watched::{Watch, Watched};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

const FREE: Addresses = Addresses {
    grpc: std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)),
    http: std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)),
};

/// A server that runs until it is stopped.
pub struct Running {
    pub addresses: Addresses,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<Ended, ServeError>>,
    _folder: Option<tempfile::TempDir>,
}

impl Running {
    /// Tells it to stop, and waits until it has.
    pub async fn stop(self) -> Ended {
        self.stop.send(()).unwrap();
        patiently(self.ended).await.unwrap().unwrap()
    }
}

pub async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap()
}

pub async fn start() -> Running {
    let (folder, store) = flights::store().await;
    Running { _folder: Some(folder), ..start_with::<Embedded>(store, Limits::default()).await }
}

pub async fn start_with<R: Reader + 'static>(store: R, limits: Limits) -> Running {
    let live = "late_arrival@1".parse().unwrap();
    let catalog = Catalog::new(Services::new([crate::served_flights()], [live]));
    start_catalog(Arc::new(catalog), store, limits).await
}

pub async fn start_catalog<R: Reader + 'static>(catalog: Arc<Catalog>, store: R, limits: Limits) -> Running {
    start_serving(Serving::new(catalog, store, flights::noon, limits)).await
}

pub async fn start_serving<R: Reader + 'static>(serving: Serving<R>) -> Running {
    start_serving_over(serving, None).await
}

pub async fn start_serving_over<R: Reader + 'static>(serving: Serving<R>, tls: Option<Arc<Tls>>) -> Running {
    let server = Server::bind(FREE, serving).await.unwrap();
    let server = match tls {
        Some(tls) => server.with_tls(tls),
        None => server,
    };
    let addresses = server.addresses();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { addresses, stop, ended, _folder: None }
}

/// A request for one feature in the background.
/// A server whose store lets so many reads through and then waits, and what it tells.
async fn watched(reads: usize, limits: Limits) -> (tempfile::TempDir, Arc<Watch>, Running) {
    let (folder, store) = flights::store().await;
    let store = Watched::new(store, reads);
    let watch = Arc::clone(&store.watch);
    (folder, watch, start_with(store, limits).await)
}

/// The changes of a server's health, which serves at first, and the client that they come through.
async fn serving_health(server: &Running) -> (HealthClient<Channel>, Streaming<HealthCheckResponse>) {
    let mut health = HealthClient::new(channel(server).await);
    let request = HealthCheckRequest { service: "twinstore.v1.FeatureStore".to_owned() };
    let mut changes = health.watch(request).await.unwrap().into_inner();
    assert_eq!(changes.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    (health, changes)
}

fn asking(server: &Running) -> JoinHandle<(u16, serde_json::Value)> {
    let body = json!({"service": "late_arrival", "features": ["maker"], "entities": {"tailnum": ["N123"]}});
    let address = server.addresses.http;
    tokio::spawn(async move { send(address, "POST", "/v1/features", &body.to_string()).await })
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_finished() {
    let (_folder, watch, server) = watched(0, Limits::default()).await;
    let pending = asking(&server);
    patiently(watch.begun.notified()).await;

    let http = server.addresses.http;
    let stopping = tokio::spawn(server.stop());
    // No connection is taken on any more, while the request waits for the store.
    patiently(async {
        while tokio::net::TcpStream::connect(http).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!stopping.is_finished());
    watch.gate.add_permits(1);
    let (status, answer) = patiently(pending).await.unwrap();
    assert_eq!((status, &answer["columns"]["maker"]["values"]), (200, &json!(["BOEING"])));
    assert_eq!(patiently(stopping).await.unwrap(), Ended::Drained);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let (_folder, store) = flights::store().await;
    let store = Watched::new(store, 0);
    let watch = Arc::clone(&store.watch);
    let limits = Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = start_with(store, limits).await;
    let _pending = asking(&server);
    patiently(watch.begun.notified()).await;
    assert_eq!(patiently(server.stop()).await, Ended::CutOff);
}

#[tokio::test]
async fn health_says_first_that_the_server_stops() {
    let (_folder, watch, server) = watched(0, Limits::default()).await;
    let (health, mut changes) = serving_health(&server).await;
    let pending = asking(&server);
    patiently(watch.begun.notified()).await;

    let stopping = tokio::spawn(server.stop());
    let change = patiently(changes.next()).await.unwrap().unwrap();
    assert_eq!(change.status(), ServingStatus::NotServing);
    drop((changes, health));
    watch.gate.add_permits(1);
    assert_eq!(patiently(pending).await.unwrap().0, 200);
    assert_eq!(patiently(stopping).await.unwrap(), Ended::Drained);
}

#[tokio::test]
async fn one_request_more_than_the_server_takes_on_is_refused_at_once() {
    let (_folder, watch, server) =
        watched(0, Limits { max_in_flight: 1, max_waiting: 0, ..Limits::default() }).await;
    let first = asking(&server);
    patiently(watch.begun.notified()).await;
    let (status, answer) = patiently(asking(&server)).await.unwrap();
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("OVERLOADED")), "{answer}");
    watch.gate.add_permits(2);
    assert_eq!(patiently(first).await.unwrap().0, 200);
    assert_eq!(patiently(asking(&server)).await.unwrap().0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_request_waits_in_its_turn_while_the_queue_is_not_full() {
    let (_folder, watch, server) =
        watched(0, Limits { max_in_flight: 1, max_waiting: 1, max_wait: PATIENCE, ..Limits::default() })
            .await;
    let first = asking(&server);
    patiently(watch.begun.notified()).await;
    let second = asking(&server);
    patiently(async { while !shows(&server, "twinstore_serve_waiting 1").await {} }).await;
    let third = patiently(asking(&server)).await.unwrap();
    assert_eq!(third.0, 429, "{}", third.1);
    watch.gate.add_permits(2);
    assert_eq!(patiently(first).await.unwrap().0, 200);
    assert_eq!(patiently(second).await.unwrap().0, 200);
    assert!(shows(&server, "twinstore_serve_in_flight 0").await);
    server.stop().await;
}

#[tokio::test]
async fn a_caller_who_waits_for_less_is_refused_and_the_read_is_given_up() {
    let (_folder, watch, server) = watched(0, Limits::default()).await;
    let body = json!({"service": "late_arrival", "features": ["maker"], "entities": {"tailnum": ["N123"]}});
    let headers = |value: &str| format!("x-request-timeout-ms: {value}\r\n");
    let http = server.addresses.http;
    let ask = async |value| {
        let answer = send_with(http, "POST", "/v1/features", &headers(value), &body.to_string()).await;
        (answer.0, serde_json::from_str::<serde_json::Value>(&answer.1).unwrap())
    };
    let (status, answer) = patiently(ask("20")).await;
    assert_eq!((status, &answer["error"]["code"]), (504, &json!("DEADLINE_EXCEEDED")), "{answer}");
    assert_eq!(watch.given_up.load(Ordering::Relaxed), 1);
    let (status, answer) = patiently(ask("soon")).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("INVALID_ARGUMENT")), "{answer}");
    watch.gate.add_permits(1);
    assert_eq!(patiently(ask("60000")).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_deadline_of_grpc_ends_the_read_with_the_code_for_it() {
    let (_folder, watch, server) = watched(0, Limits::default()).await;
    // The generated client gives up by itself; only one that does not shows what the server does.
    let stream = tokio::net::TcpStream::connect(server.addresses.grpc).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let message = proto::v1::GetFeaturesRequest {
        service: "late_arrival".to_owned(),
        features: vec!["maker".to_owned()],
        entities: columns([("tailnum", strings(&["N123"], &[]))]),
        ..Default::default()
    }
    .encode_to_vec();
    let ask = async |timeout: &str| {
        let request = http::Request::post("http://x/twinstore.v1.FeatureStore/GetFeatures")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", timeout)
            .body(())
            .unwrap();
        let (response, mut body) =
            client.clone().ready().await.unwrap().send_request(request, false).unwrap();
        let frame = [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat();
        body.send_data(frame.into(), true).unwrap();
        let response = patiently(response).await.unwrap();
        response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned())
    };
    assert_eq!(ask("50m").await.as_deref(), Some("4"), "DEADLINE_EXCEEDED");
    assert_eq!(watch.given_up.load(Ordering::Relaxed), 1);
    watch.gate.add_permits(1);
    // With an answer, the status comes behind it.
    assert_eq!(ask("1M").await, None);
    drop(client);
    connection.abort();
    server.stop().await;
}

#[tokio::test]
async fn health_says_that_the_store_is_gone_and_that_it_is_back() {
    let (_folder, watch, server) = watched(10, Limits::default()).await;
    let (health, mut changes) = serving_health(&server).await;
    watch.gone.store(true, Ordering::Relaxed);
    assert_eq!(patiently(asking(&server)).await.unwrap().0, 503);
    assert_eq!(patiently(changes.next()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let (status, body) = send(server.addresses.http, "GET", "/health", "").await;
    assert_eq!((status, &body["status"]), (503, &json!("NOT_SERVING")), "{body}");
    assert!(shows(&server, "twinstore_serve_store_up 0").await);
    watch.gone.store(false, Ordering::Relaxed);
    assert_eq!(patiently(changes.next()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(send(server.addresses.http, "GET", "/health", "").await.0, 200);
    drop((changes, health));
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let (_folder, store) = flights::store().await;
    let store = Watched::new(store, 0);
    let limits = Limits { request_timeout: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(store, limits).await;
    let (status, answer) = patiently(asking(&server)).await.unwrap();
    assert_eq!((status, &answer["error"]["code"]), (504, &json!("DEADLINE_EXCEEDED")), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn one_connection_more_than_the_server_takes_on_waits() {
    let (_folder, watch, server) = watched(0, Limits { max_connections: 1, ..Limits::default() }).await;
    let first = asking(&server);
    patiently(watch.begun.notified()).await;
    let http = server.addresses.http;
    let second = tokio::spawn(async move { send(http, "GET", "/health", "").await });
    // gRPC has permits of its own; while it answers, HTTP has every chance to answer the second too.
    let mut health = HealthClient::new(channel(&server).await);
    for _ in 0..20 {
        patiently(health.check(HealthCheckRequest::default())).await.unwrap();
    }
    assert!(!second.is_finished(), "the second waits for the first to end");
    watch.gate.add_permits(1);
    assert_eq!(patiently(first).await.unwrap().0, 200);
    assert_eq!(patiently(second).await.unwrap().0, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = start().await;
    let (_folder, store) = flights::store().await;
    let taken = Addresses { http: server.addresses.http, ..FREE };
    let serving = Serving::new(Arc::default(), store, flights::noon, Limits::default());
    let error = Server::bind(taken, serving).await.err().unwrap();
    assert!(error.sentence().contains(&server.addresses.http.to_string()), "{error}");
    assert!(error.sentence().contains("serve.http"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_comes_back_is_served_from_again() {
    let (_folder, watch, server) = watched(10, Limits::default()).await;
    watch.gone.store(true, Ordering::Relaxed);
    assert_eq!(patiently(asking(&server)).await.unwrap().0, 503);
    watch.gone.store(false, Ordering::Relaxed);
    assert_eq!(patiently(asking(&server)).await.unwrap().0, 200);
    server.stop().await;
}

#[test]
fn what_waits_for_a_worker_is_measured_also_where_the_server_is_awaited_beside_the_workers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (_folder, store) = flights::store().await;
        let live = "late_arrival@1".parse().unwrap();
        let catalog = Arc::new(Catalog::new(Services::new([crate::served_flights()], [live])));
        let serving = Serving::new(catalog, store, flights::noon, Limits::default());
        let server = Server::bind(FREE, serving).await.unwrap();
        let http = server.addresses().http;
        // Whatever comes to the only worker waits behind these.
        for _ in 0..4 {
            tokio::spawn(async {
                loop {
                    std::thread::sleep(Duration::from_millis(30));
                    tokio::task::yield_now().await;
                }
            });
        }
        let refuses = async {
            loop {
                let (_, page) = send_with(http, "GET", "/metrics", "", "").await;
                let share = page.lines().find_map(|line| line.strip_prefix("twinstore_serve_refused_share "));
                if share.is_some_and(|share| share.parse::<f64>().unwrap() > 0.0) {
                    return;
                }
            }
        };
        tokio::select! {
            ended = server.run(std::future::pending()) => panic!("{ended:?}"),
            () = patiently(refuses) => {}
        }
    });
    runtime.shutdown_background();
}
