//! The generator against servers that count their requests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use proto::v1::feature_store_server::{FeatureStore, FeatureStoreServer};
use proto::v1::values::Kind;
use proto::v1::{
    Column, Float64s, GetFeaturesRequest, GetFeaturesResponse, PushRequest, PushResponse, Values,
};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Answers as the benchmark's data has it, refuses one of `refuse`, and stalls once where that is set.
#[derive(Clone, Default)]
struct Counting {
    requests: Arc<AtomicU64>,
    refuse: Option<u64>,
    stalls: Option<Arc<OnceLock<Instant>>>,
    stalled: Arc<AtomicBool>,
    wrong: bool,
}

#[tonic::async_trait]
impl FeatureStore for Counting {
    async fn get_features(
        &self,
        request: Request<GetFeaturesRequest>,
    ) -> Result<Response<GetFeaturesResponse>, Status> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if self.refuse.is_some_and(|every| number.is_multiple_of(every)) {
            return Err(Status::resource_exhausted("busy"));
        }
        // Well into the open loop, and once: this is the server's only thread.
        if let Some(began) = &self.stalls
            && began.get_or_init(Instant::now).elapsed() > Duration::from_millis(600)
            && !self.stalled.swap(true, Ordering::Relaxed)
        {
            std::thread::sleep(Duration::from_millis(300));
        }
        let keys = request.into_inner().entities.remove("entity_id").and_then(|values| values.kind);
        let Some(Kind::Int64s(keys)) = keys else { return Err(Status::invalid_argument("no keys")) };
        let offset = if self.wrong { 4 } else { 3 };
        let values = keys.values.iter().map(|key| (key * 32 + offset) as f64 / 7.0).collect();
        let values = Values { nulls: Vec::new(), kind: Some(Kind::Float64s(Float64s { values })) };
        let column = Column { name: "f3".to_owned(), values: Some(values), ..Default::default() };
        Ok(Response::new(GetFeaturesResponse { columns: vec![column], ..Default::default() }))
    }

    async fn push(&self, _: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        Err(Status::unimplemented("nothing is pushed here"))
    }
}

/// What the generator prints, asking a gRPC server; or what it complains of.
async fn ask_grpc(server: Counting, options: &[&str]) -> Result<Value, String> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap().to_string();
    let serving =
        Server::builder().add_service(FeatureStoreServer::new(server)).serve_with_incoming(incoming);
    let task = tokio::spawn(serving);
    let said = ask(address, options).await;
    task.abort();
    said
}

async fn ask(address: String, options: &[&str]) -> Result<Value, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench-load"));
    command.args(["--address", &address, "--service", "s", "--check-every", "1", "--warm-up", "0.5"]);
    command.args(options);
    let ended = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    match ended.status.success() {
        true => Ok(serde_json::from_slice(&ended.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&ended.stderr).into_owned()),
    }
}

fn count(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap()
}

#[tokio::test]
async fn every_request_of_an_open_loop_is_answered_and_checked() {
    let said =
        ask_grpc(Counting::default(), &["--rates", "500", "--seconds", "1", "--batch", "3"]).await.unwrap();
    let open = &said["open"][0];
    assert!((400..600).contains(&count(open, "answered")), "{said}");
    assert_eq!(count(open, "checked"), count(open, "answered"));
    assert_eq!((count(open, "refused"), count(open, "unfinished")), (0, 0));
}

#[tokio::test]
async fn a_capacity_is_found_and_its_fractions_are_sent() {
    let options = ["--capacity-seconds", "0.3", "--fractions", "0.1,0.2", "--seconds", "0.3"];
    let said = ask_grpc(Counting::default(), &options).await.unwrap();
    let capacity = said["capacity"]["requests_per_s"].as_f64().unwrap();
    let rates: Vec<f64> = (0..2).map(|n| said["open"][n]["rate"].as_f64().unwrap() / capacity).collect();
    assert!((rates[0] - 0.1).abs() < 1e-9 && (rates[1] - 0.2).abs() < 1e-9, "{said}");
}

#[tokio::test]
async fn a_server_that_stalls_is_late_for_all_that_were_due() {
    let server = Counting { stalls: Some(Arc::default()), ..Default::default() };
    let options = ["--rates", "400", "--seconds", "2", "--arrivals", "constant"];
    let options = [&options[..], &["--connections", "1", "--streams", "1"]].concat();
    let said = ask_grpc(server, &options).await.unwrap();
    let open = &said["open"][0];
    // One request in 300 ms was in flight; a hundred and more were due.
    assert!(count(&open["latency_us"], "max") >= 300_000, "{said}");
    assert!(count(&open["latency_us"], "p99") >= 200_000, "{said}");
}

#[tokio::test]
async fn refusals_are_counted_apart() {
    let server = Counting { refuse: Some(10), ..Default::default() };
    let said = ask_grpc(server, &["--rates", "500", "--seconds", "1"]).await.unwrap();
    let open = &said["open"][0];
    assert!((30..80).contains(&count(open, "refused")), "{said}");
}

#[tokio::test]
async fn a_wrong_value_ends_the_run() {
    let server = Counting { wrong: true, ..Default::default() };
    let complaint = ask_grpc(server, &[]).await.unwrap_err();
    assert!(complaint.contains("f3 of entity"), "{complaint}");
}

#[tokio::test]
async fn http_requests_use_connections_that_are_kept() {
    let answer = || async { r#"{"columns": {"count_1h": {"values": [4]}}}"# };
    let routes = Router::new().route("/v1/features", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move { axum::serve(listener, routes).await });
    let said = ask(address, &["--protocol", "http", "--rates", "300", "--seconds", "0.5"]).await.unwrap();
    assert!((90..210).contains(&count(&said["open"][0], "answered")), "{said}");
    task.abort();
}
