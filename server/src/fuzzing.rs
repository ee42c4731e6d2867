//! What this crate answers to the bodies of requests, as functions of any bytes. None may panic, and none may take memory
//! out of proportion to what it was given: the scenarios run them over seeds and their mutations, and the programs under
//! `fuzz/` over what a fuzzer finds. Each body goes through the routes of its protocol, up to the answer.
#![expect(clippy::unwrap_used, reason = "what is wrong here ends the program that looks for it")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use feature::fuzzing::Target;
use feature::oracle::History;
use feature::{
    DataType, EntityKey, Field, Lookup, Micros, Origin, Output, Scalar, ServicePlan, VersionId, View,
};
use online::{Layout, OnlineError, PackedRows, Read, Reader, RowState, Stats};
use read::FeatureReader;
use tokio::runtime::{Builder, Runtime};
use tonic::codegen::Service;

use crate::push::{Appending, PushSource, PushView, Sink, Taken, Validated, Validating};
use crate::{Catalog, Limits, Served, Services, Serving, Views};

/// What is read here: its name, and the function, which says whether the bytes were what it reads.
pub const TARGETS: [Target; 6] = [
    ("http_features", |data| json("/v1/features", data)),
    ("http_push", |data| json("/v1/push", data)),
    ("grpc_features", |data| message("/twinstore.v1.FeatureStore/GetFeatures", data)),
    ("grpc_push", |data| message("/twinstore.v1.FeatureStore/Push", data)),
    ("feast_http", |data| {
        let paths = ["/get-online-features", "/push", "/write-to-online-store"];
        // Each is requested, whatever the others answer.
        paths.map(|path| json(path, data)).contains(&true)
    }),
    ("feast_grpc", |data| message("/feast.serving.ServingService/GetOnlineFeatures", data)),
];

/// More than any answer here has.
const MOST_ANSWERED_BYTES: usize = 64 << 20;

/// What stands before a message of gRPC: that it is not compressed, and its length.
const FRAME_BYTES: usize = 5;

thread_local! {
    static SERVER: Routes = Routes::new();
}

/// Both protocols, on a runtime of this thread alone.
struct Routes {
    runtime: Runtime,
    http: Router,
    grpc: Router,
}

impl Routes {
    fn new() -> Self {
        let serving = Arc::new(serving());
        let (_, health) = tonic_health::server::health_reporter();
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            http: crate::http::routes(Arc::clone(&serving), Arc::new(AtomicBool::new(false))),
            grpc: crate::grpc::routes(&serving, health).unwrap().prepare().into_axum_router(),
        }
    }

    fn answer(&self, router: &Router, request: Request<Body>) -> (Response<()>, Bytes) {
        self.runtime.block_on(async {
            let answer = router.clone().call(request).await.unwrap();
            let (head, body) = answer.into_parts();
            let body = to_bytes(body, MOST_ANSWERED_BYTES).await.unwrap();
            (Response::from_parts(head, ()), body)
        })
    }
}

/// A body of JSON, and whether it is answered.
fn json(path: &str, data: &[u8]) -> bool {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(data.to_vec())).unwrap();
    let (head, body) = SERVER.with(|server| server.answer(&server.http, request));
    let said = String::from_utf8_lossy(&body);
    assert!(head.status() != StatusCode::INTERNAL_SERVER_ERROR, "{path}: {said}");
    assert!(
        !said.contains(['\n', '\r', '\u{1b}', '\u{202e}']) || head.status().is_success(),
        "{path}: {said}"
    );
    head.status().is_success()
}

/// A message of gRPC in its frame, and whether it is answered.
fn message(path: &str, data: &[u8]) -> bool {
    let mut framed = Vec::with_capacity(FRAME_BYTES + data.len());
    framed.push(0);
    framed.extend_from_slice(&(data.len() as u32).to_be_bytes());
    framed.extend_from_slice(data);
    let request =
        Request::post(path).header(header::CONTENT_TYPE, "application/grpc").header(header::TE, "trailers");
    let request = request.body(Body::from(framed)).unwrap();
    let (head, _) = SERVER.with(|server| server.answer(&server.grpc, request));
    let status = head.headers().get("grpc-status").map(|status| status.as_bytes());
    let said = head.headers().get("grpc-message");
    // Code that is generated answers so to what is no message.
    let is_none = said.is_some_and(|said| said.as_bytes().starts_with(b"failed%20to%20decode%20Protobuf"));
    assert!(status != Some(b"13") || is_none, "{path}: {said:?}");
    status.is_none_or(|status| status == b"0")
}

/// One row for every key: what is read is the request.
#[derive(Clone)]
struct OneRow(Arc<[u8]>);

impl Reader for OneRow {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        let found = |read: &Read<'_>| {
            let mut found = PackedRows::new(None, read.keys.len());
            read.keys.iter().for_each(|_: &EntityKey| found.push(Some(&*self.0)));
            found
        };
        Ok(reads.iter().map(found).collect())
    }

    async fn stats(&self, _: &VersionId) -> Result<Stats, OnlineError> {
        Ok(Stats::default())
    }
}

/// Takes every row, and keeps none.
struct Nowhere;

impl Sink for Nowhere {
    fn validate<'a>(&'a self, _: &'a PushSource, rows: &'a Arc<Vec<Vec<u8>>>) -> Validating<'a> {
        let is_taken = vec![true; rows.len()];
        Box::pin(async { Ok(Validated { is_taken, ..Validated::default() }) })
    }

    fn append<'a>(&'a self, _: &'a PushSource, _: Vec<Vec<u8>>) -> Appending<'a> {
        Box::pin(async { Ok(Taken { first_offset: 0, synced_nanos: 0 }) })
    }

    fn progress(&self, _: &PushSource, _: &VersionId) -> u64 {
        u64::MAX
    }

    fn stopped(&self, _: &VersionId) -> Option<String> {
        None
    }
}

/// A column of every type.
fn columns() -> Vec<Field> {
    let lists = [DataType::List(Scalar::Float32, Some(2)), DataType::List(Scalar::String, None)];
    let types = Scalar::ALL.into_iter().map(DataType::from).chain(lists).enumerate();
    types.map(|(index, data_type)| Field { name: format!("c{index}").parse().unwrap(), data_type }).collect()
}

/// A view whose keys are of every type that a key can have, with features of every function.
fn things() -> View {
    let is_key = |field: &Field| {
        field.data_type.scalar().is_some_and(|scalar| !matches!(scalar, Scalar::Float32 | Scalar::Float64))
    };
    let keys = columns().into_iter().filter(is_key).collect();
    let View { columns, features, .. } = History::generate(0, 0).view;
    let bare =
        View::bare("things@1".parse().unwrap(), "thing".parse().unwrap(), keys, "things".parse().unwrap());
    View { columns, features, hash: "0123456789abcdef".repeat(4), ..bare }
}

fn plan(id: &VersionId, name_of: impl Fn(&str) -> String) -> ServicePlan {
    let view = Arc::new(things());
    let output = |(feature, of): (usize, &feature::Feature)| Output {
        name: name_of(of.name.as_str()),
        data_type: of.data_type,
        origin: Origin::Stored { lookup: 0, feature },
    };
    ServicePlan {
        id: id.clone(),
        hash: "ab".repeat(32),
        keys: view.keys.clone(),
        request: Vec::new(),
        outputs: view.features.iter().enumerate().map(output).collect(),
        lookups: vec![Lookup { keys: (0..view.keys.len()).collect(), view }],
        computations: Vec::new(),
    }
}

fn row(view: &View) -> Arc<[u8]> {
    let (_, rows) = History::generate(3, 20).entities.into_iter().max_by_key(|(_, rows)| rows.len()).unwrap();
    let mut state = RowState::new(&Arc::new(Layout::new(view)));
    for row in &rows {
        state.fold(row, now());
    }
    let mut bytes = Vec::new();
    state.encode(&mut bytes).unwrap();
    bytes.into()
}

fn now() -> Micros {
    Micros::new(1_400_000_000_000_000).unwrap()
}

fn serving() -> Serving<OneRow> {
    let view = things();
    let service: VersionId = "all@1".parse().unwrap();
    let served = Served::new(FeatureReader::new(Arc::new(plan(&service, str::to_owned))).unwrap());
    let id = view.id.clone();
    let views = Views::new([id.clone()], move |_| Ok((plan(&id, |name| format!("{id}:{name}")), None)));
    let columns = columns();
    let name = |field: &Field| (field.name.clone(), Some(field.name.clone()));
    let source = PushSource {
        name: "things".parse().unwrap(),
        stored_names: columns.iter().map(|field| field.name.to_string()).collect(),
        event_time: columns
            .iter()
            .find(|field| field.data_type == Scalar::Timestamp.into())
            .map(|f| f.name.clone()),
        topic: "things".to_owned(),
        refusal: None,
        views: vec![PushView {
            id: view.id.clone(),
            reads: Vec::new(),
            keys: view.keys.iter().map(name).collect(),
            features: Vec::new(),
        }],
        schema: columns,
    };
    let services = Services::new([Arc::new(served)], [service]).with_views(views).with_sources([source]);
    Serving::new(Arc::new(Catalog::new(services)), OneRow(row(&view)), now, Limits::default())
        .with_sink(Arc::new(Nowhere))
}
