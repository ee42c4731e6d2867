//! How long the path from a request's columns to its features takes in process: 10 latest features of
//! 1 and of 50 entities, from one view or over ten, and the same with an on-demand view.
//! Then the same over gRPC at one connection, one request after the other, with reads counted for
//! freshness objectives and without, and where a server's own metrics say that its time went. `cargo bench -p twinstore-server` prints microseconds a request.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement fails by panicking")]

use std::collections::HashMap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{
    About, Column, Computation, Computed, EntityKey, Feature, Field, Fold, Lookup, Micros, OnDemandView,
    Origin, Output, Position, Row, Scalar, ServicePlan, Value, VersionId, View,
};
use online::{Layout, OnlineError, PackedRows, Read, Reader, RowState, Stats};
use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::values::Kind;
use proto::v1::{GetFeaturesRequest, Strings, Values};
use read::{FeatureReader, FeatureRequest, Moment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use twinstore_server::{
    Addresses, Catalog, Limits, Served, Server, Services, Serving, WatchedConsumer, WatchedReads, WatchedView,
};

/// Rows in memory: what is measured is the path and not a store.
#[derive(Clone, Default)]
struct Rows(HashMap<VersionId, HashMap<EntityKey, Vec<u8>>>);

impl Reader for Rows {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        let found = |read: &Read<'_>| {
            let mut found = PackedRows::new(None, read.keys.len());
            let rows = &self.0[read.view];
            read.keys.iter().for_each(|key| found.push(rows.get(key).map(Vec::as_slice)));
            found
        };
        Ok(reads.iter().map(found).collect())
    }

    async fn stats(&self, _: &VersionId) -> Result<Stats, OnlineError> {
        Ok(Stats::default())
    }
}

const ENTITIES: usize = 1_000;

fn now() -> Micros {
    Micros::new(1_400_000_000_000_000).unwrap()
}

fn field(name: &str, scalar: Scalar) -> Field {
    Field { name: name.parse().unwrap(), data_type: scalar.into() }
}

fn view(name: &str, features: usize) -> View {
    let names: Vec<String> = (0..features).map(|n| format!("f{n}")).collect();
    let column = |name: &String| Column {
        name: name.parse().unwrap(),
        expression: name.clone(),
        data_type: Scalar::Float64.into(),
    };
    let feature = |(index, name): (usize, &String)| Feature {
        name: name.parse().unwrap(),
        data_type: Scalar::Float64.into(),
        fold: Fold::Latest { column: index },
        unit: None,
        description: None,
        default: None,
    };
    let id = format!("{name}@1").parse().unwrap();
    let keys = vec![field("thing", Scalar::String)];
    View {
        columns: names.iter().map(column).collect(),
        features: names.iter().enumerate().map(feature).collect(),
        hash: "0123456789abcdef".to_owned(),
        ..View::bare(id, "thing".parse().unwrap(), keys, "source".parse().unwrap())
    }
}

fn key(entity: usize) -> Value {
    Value::String(format!("entity-{entity:06}").into())
}

fn fill(rows: &mut Rows, view: &View) {
    let layout = Arc::new(Layout::new(view));
    let of_view = rows.0.entry(view.id.clone()).or_default();
    for entity in 0..ENTITIES {
        let mut state = RowState::new(&layout);
        let row = Row {
            event_time: Micros::new(1_399_999_000_000_000).unwrap(),
            available_at: Micros::new(1_399_999_000_000_000).unwrap(),
            position: Position::History { file: 0, row: entity as u64 },
            deleted: false,
            values: (0..view.columns.len()).map(|n| Value::Float64((entity * n) as f64)).collect(),
        };
        state.fold(&row, now());
        let mut bytes = Vec::new();
        state.encode(&mut bytes).unwrap();
        of_view.insert(EntityKey::encode(&view.keys, &[key(entity)]).unwrap(), bytes);
    }
}

/// This many features from each view; with or without one that is computed from two of them.
fn plan(views: &[Arc<View>], per_view: usize, computed: bool) -> ServicePlan {
    let stored = |n: usize| Origin::Stored { lookup: n / per_view, feature: n % per_view };
    let output = |name: String, origin| Output { name, data_type: Scalar::Float64.into(), origin };
    let mut outputs: Vec<Output> =
        (0..views.len() * per_view).map(|n| output(format!("f{n}"), stored(n))).collect();
    let mut computations = Vec::new();
    if computed {
        let feature = Computed {
            name: "sum".parse().unwrap(),
            expression: "a + b * 2".to_owned(),
            data_type: Scalar::Float64.into(),
            unit: None,
            description: None,
            default: None,
        };
        let view = OnDemandView {
            id: "sum@1".parse().unwrap(),
            request: Vec::new(),
            inputs: Vec::new(),
            features: vec![feature],
            about: About::default(),
            hash: String::new(),
        };
        let inputs = vec![(field("a", Scalar::Float64), stored(0)), (field("b", Scalar::Float64), stored(1))];
        computations.push(Computation { view: Arc::new(view), inputs, request: Vec::new() });
        outputs.push(output("sum".to_owned(), Origin::Computed { computation: 0, feature: 0 }));
    }
    ServicePlan {
        id: "service@1".parse().unwrap(),
        hash: String::new(),
        keys: vec![field("thing", Scalar::String)],
        request: Vec::new(),
        lookups: views.iter().map(|view| Lookup { view: Arc::clone(view), keys: vec![0] }).collect(),
        computations,
        outputs,
    }
}

fn measure(what: &str, plan: ServicePlan, rows: &Rows, entities: usize) {
    let reader = FeatureReader::new(Arc::new(plan)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batch: Vec<Value> = (0..entities).map(|n| key(n * 7 % ENTITIES)).collect();
    let mut took = Vec::new();
    runtime.block_on(async {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) {
            let one = Instant::now();
            let requested = FeatureRequest {
                features: Vec::new(),
                entities: vec![("thing".to_owned(), batch.clone())],
                request: Vec::new(),
            };
            let validated = reader.validate(requested, ENTITIES).unwrap();
            black_box(reader.read(rows, &validated, Moment::Now(now())).await.unwrap());
            took.push(one.elapsed());
        }
    });
    took.sort_unstable();
    let median = took[took.len() / 2].as_secs_f64() * 1e6;
    println!("{entities:>3} entities x 10 features, {what}: {median:.1} us");
}

/// Objectives of every view of a plan and of its consumer.
fn watched(plan: &ServicePlan) -> Arc<WatchedReads> {
    let view = WatchedView {
        within: Some(feature::Span::MINUTE),
        is_critical: false,
        pipeline: Arc::default(),
        reads: Arc::default(),
        features: Vec::new(),
    };
    view.pipeline.set(Some(monitor::Pipeline { newest: now(), as_of: now() }));
    let consumer = WatchedConsumer { within: None, reads: Arc::default() };
    Arc::new(WatchedReads::new(plan.lookups.iter().map(|_| Some(view.clone())).collect(), Some(consumer)))
}

/// Reads over gRPC, counted or not, and what the server says of itself afterwards.
fn measure_grpc(what: &str, plan: ServicePlan, rows: &Rows, entities: usize, is_counted: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let reader = Served::new(FeatureReader::new(Arc::new(plan)).unwrap());
        let counting = is_counted.then(|| watched(reader.plan()));
        let reader = Arc::new(match counting {
            Some(watched) => reader.watched_by(watched),
            None => reader,
        });
        let live = reader.plan().id.clone();
        let catalog = Arc::new(Catalog::new(Services::new([reader], [live])));
        let free = ([127, 0, 0, 1], 0).into();
        let serving = Serving::new(catalog, rows.clone(), now, Limits::default());
        let server = Server::bind(Addresses { grpc: free, http: free }, serving).await.unwrap();
        let addresses = server.addresses();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let channel = tonic::transport::Channel::from_shared(format!("http://{}", addresses.grpc));
        let mut client = FeatureStoreClient::new(channel.unwrap().connect().await.unwrap());
        let values: Vec<String> = (0..entities).map(|n| format!("entity-{:06}", n * 7 % ENTITIES)).collect();
        let things = Values { nulls: Vec::new(), kind: Some(Kind::Strings(Strings { values })) };
        let request = GetFeaturesRequest {
            service: "service".to_owned(),
            entities: [("thing".to_owned(), things)].into(),
            ..Default::default()
        };
        let mut took = Vec::new();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) {
            let one = Instant::now();
            black_box(client.get_features(request.clone()).await.unwrap());
            took.push(one.elapsed());
        }
        took.sort_unstable();
        let median = took[took.len() / 2].as_secs_f64() * 1e6;
        let stages = stages(addresses.http).await;
        println!(
            "{entities:>3} entities x 10 features, {what}, over gRPC{}: {median:.1} us; in the server {stages}",
            if is_counted { ", counted" } else { "" }
        );
        drop(client);
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    });
}

/// The mean of each stage in microseconds, from the server's page of metrics.
async fn stages(http: SocketAddr) -> String {
    let mut connection = tokio::net::TcpStream::connect(http).await.unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    connection.read_to_string(&mut page).await.unwrap();
    let value = |name: &str, stage: &str| -> Option<f64> {
        let start = format!("twinstore_serve_stage_seconds_{name}{{protocol=\"grpc\",stage=\"{stage}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    };
    let mean = |stage: &&str| {
        let mean = value("sum", stage)? / value("count", stage)?;
        Some(format!("{stage} {:.1}", mean * 1e6))
    };
    let all = ["wait", "decode", "probe", "merge", "expressions", "encode"];
    all.iter().filter_map(mean).collect::<Vec<_>>().join(", ")
}

fn main() {
    let one = vec![Arc::new(view("one", 10))];
    let ten: Vec<Arc<View>> = (0..10).map(|n| Arc::new(view(&format!("v{n}"), 1))).collect();
    let mut rows = Rows::default();
    one.iter().chain(&ten).for_each(|view| fill(&mut rows, view));
    for entities in [1, 50] {
        measure("from one view", plan(&one, 10, false), &rows, entities);
        measure("from ten views", plan(&ten, 1, false), &rows, entities);
        measure("from one view, one more computed", plan(&one, 10, true), &rows, entities);
    }
    for entities in [1, 50] {
        for is_counted in [false, true, false, true] {
            measure_grpc("from one view", plan(&one, 10, false), &rows, entities, is_counted);
            measure_grpc("from ten views", plan(&ten, 1, false), &rows, entities, is_counted);
        }
    }
}
