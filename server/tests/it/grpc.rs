//! The gRPC protocol over a real socket, with the generated client.

use std::collections::HashMap;
use std::sync::Arc;

use proto::v1::column::Status;
use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::values::Kind;
use proto::v1::{
    Column, Float32s, Float64s, GetFeaturesRequest, GetFeaturesResponse, Int64s, Lists, Strings, Values,
};
use read::FeatureReader;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use twinstore_server::{Catalog, Limits, Served, Services};

use crate::flights::{self, NOON, at};
use crate::stop::{Running, start, start_with};
use crate::watched::Watched;

pub fn values(kind: Kind, nulls: &[u32]) -> Values {
    Values { kind: Some(kind), nulls: nulls.to_vec() }
}

pub fn strings(texts: &[&str], nulls: &[u32]) -> Values {
    let values = texts.iter().map(|text| (*text).to_owned()).collect();
    self::values(Kind::Strings(Strings { values }), nulls)
}

pub fn columns<const N: usize>(columns: [(&str, Values); N]) -> HashMap<String, Values> {
    columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect()
}

fn request(service: &str) -> GetFeaturesRequest {
    GetFeaturesRequest {
        service: service.to_owned(),
        features: vec!["dest_last_delay".to_owned(), "dest_arrivals_1h".to_owned()],
        entities: columns([("dest", strings(&["BOS", "LAX", "JFK", ""], &[3]))]),
        at_us: Some(at(NOON).get()),
        ..Default::default()
    }
}

pub async fn channel(server: &Running) -> Channel {
    let url = format!("http://{}", server.addresses.grpc);
    Channel::from_shared(url).unwrap().connect().await.unwrap()
}

pub async fn ask(
    server: &Running,
    request: GetFeaturesRequest,
) -> Result<GetFeaturesResponse, tonic::Status> {
    FeatureStoreClient::new(channel(server).await)
        .get_features(request)
        .await
        .map(tonic::Response::into_inner)
}

pub fn statuses(column: &Column) -> Vec<Status> {
    column.statuses().collect()
}

#[tokio::test]
async fn columns_come_packed_with_statuses_and_times() {
    let server = start().await;
    let response = ask(&server, request("late_arrival")).await.unwrap();
    assert_eq!((response.service.as_str(), response.at_us), ("late_arrival@1", at(NOON).get()));
    let [delay, count] = response.columns.as_slice() else { panic!("{response:?}") };
    assert_eq!((delay.name.as_str(), count.name.as_str()), ("dest_last_delay", "dest_arrivals_1h"));
    let packed = Kind::Float64s(Float64s { values: vec![-2.5, 0.0, 0.0, 0.0] });
    assert_eq!(delay.values, Some(values(packed, &[1, 2, 3])));
    let found = [Status::Present, Status::OutsideMaxAge, Status::NotFound, Status::NotFound];
    assert_eq!(statuses(delay), found);
    assert_eq!(count.values, Some(values(Kind::Int64s(Int64s { values: vec![2, 0, 0, 0] }), &[2, 3])));
    assert_eq!((delay.times, count.times, response.times.len()), (0, 0, 1));
    let times = &response.times[0];
    assert_eq!(times.ages_s, [1800.0, 172_800.0, 0.0, 0.0]);
    assert_eq!(times.nulls, [2, 3]);
    assert_eq!(times.event_times_us[0], at("2013-06-01T11:30:00Z").get());
    assert_eq!(times.available_ats_us[1], at("2013-05-30T12:00:00Z").get());
    server.stop().await;
}

#[tokio::test]
async fn an_absent_moment_is_now() {
    let server = start().await;
    let now = GetFeaturesRequest { at_us: None, ..request("late_arrival@1") };
    assert_eq!(ask(&server, now).await.unwrap().at_us, at(NOON).get());
    server.stop().await;
}

#[tokio::test]
async fn lists_strings_and_computed_columns_come_too() {
    let server = start().await;
    let everything = GetFeaturesRequest {
        service: "late_arrival".to_owned(),
        entities: columns([
            ("origin", strings(&["BOS", "BOS"], &[])),
            ("dest", strings(&["BOS", "SEA"], &[])),
            ("tailnum", strings(&["N123", "N9"], &[])),
        ]),
        request: columns([
            ("distance", values(Kind::Int64s(Int64s { values: vec![187, 0] }), &[])),
            ("scale", values(Kind::Float64s(Float64s { values: vec![2.0, 2.0] }), &[])),
        ]),
        ..Default::default()
    };
    let response = ask(&server, everything).await.unwrap();
    let column = |name: &str| response.columns.iter().find(|column| column.name == name).unwrap();
    assert_eq!(response.columns.len(), 10);
    assert_eq!(column("maker").values, Some(strings(&["BOEING", ""], &[1])));
    let items = values(Kind::Float32s(Float32s { values: vec![1.5, 0.0] }), &[1]);
    let lists = Lists { lengths: vec![2, 0], items: Some(Box::new(items)), length: 2 };
    assert_eq!(column("wings").values, Some(values(Kind::Lists(Box::new(lists)), &[1])));
    assert_eq!(column("trips").values, Some(values(Kind::Int64s(Int64s { values: vec![5, 0] }), &[1])));
    assert_eq!(statuses(column("trips")), [Status::Present, Status::NullValue]);
    // The aircraft have no event time, so all entries of their times are empty.
    assert_eq!(response.times[column("maker").times as usize].nulls, [0, 1]);
    server.stop().await;
}

#[tokio::test]
async fn each_bad_request_has_its_code_and_says_what_to_do() {
    let limits = Limits { max_entities: 5, ..Limits::default() };
    let (_folder, store) = flights::store().await;
    let server = start_with(store, limits).await;
    let good = || request("late_arrival");
    let with = |dest: Values| GetFeaturesRequest { entities: columns([("dest", dest)]), ..good() };
    let int64s = values(Kind::Int64s(Int64s { values: vec![1] }), &[]);
    let cases = [
        (request("late_arival"), Code::NotFound, "but there is `late_arrival`"),
        (request("late_arrival@2"), Code::NotFound, "but there is `late_arrival@1`"),
        (request("Late Arrival"), Code::NotFound, "the registry lists all services"),
        (
            GetFeaturesRequest { features: vec!["delay".to_owned()], ..good() },
            Code::InvalidArgument,
            "the feature `delay` is unknown",
        ),
        (with(int64s), Code::InvalidArgument, "`dest` is a column of int64, where one of string is needed"),
        (with(Values::default()), Code::InvalidArgument, "`dest` has no values, where a string is needed"),
        (with(strings(&["BOS"], &[1])), Code::InvalidArgument, "names row 2 as null and has 1 rows"),
        (with(strings(&["BOS"; 6], &[])), Code::ResourceExhausted, "6 entities, more than the 5"),
        (
            GetFeaturesRequest { entities: HashMap::new(), ..good() },
            Code::InvalidArgument,
            "the join key `dest` is missing",
        ),
        (
            GetFeaturesRequest { at_us: Some(at(NOON).get() - 3_600_000_000), ..good() },
            Code::FailedPrecondition,
            "has what was available of arrivals@1 up to 2013-06-01T11:30:00Z",
        ),
        (GetFeaturesRequest { at_us: Some(i64::MIN), ..good() }, Code::InvalidArgument, "years 0001 to 9999"),
    ];
    for (request, code, part) in cases {
        let status = ask(&server, request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(part), "{part}: {status:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_batch_of_thousands_reads_each_entity_once_and_keeps_its_order() {
    let (_folder, store) = flights::store().await;
    let store = Watched::new(store, 1);
    let watch = Arc::clone(&store.watch);
    let server = start_with(store, Limits::default()).await;
    let codes = ["BOS", "LAX", "JFK"];
    let batch: Vec<&str> = (0..9_999).map(|row| codes[row % 3]).collect();
    let sent =
        GetFeaturesRequest { entities: columns([("dest", strings(&batch, &[]))]), ..request("late_arrival") };
    let response = ask(&server, sent).await.unwrap();
    assert_eq!(*watch.reads.lock().unwrap(), [[("arrivals@1".to_owned(), 3)]]);
    let statuses = statuses(&response.columns[0]);
    let expected = [Status::Present, Status::OutsideMaxAge, Status::NotFound];
    assert!(statuses.len() == 9_999 && statuses.chunks(3).all(|three| three == expected));
    server.stop().await;
}

#[tokio::test]
async fn a_request_of_too_many_bytes_is_refused() {
    let (_folder, store) = flights::store().await;
    let server = start_with(store, Limits { max_request_bytes: 1_000, ..Limits::default() }).await;
    let mut request = request("late_arrival");
    request.features = vec!["x".repeat(2_000)];
    assert_eq!(ask(&server, request).await.unwrap_err().code(), Code::ResourceExhausted);
    server.stop().await;
}

#[tokio::test]
async fn services_are_replaced_while_the_server_runs() {
    let (_folder, store) = flights::store().await;
    let catalog = Arc::new(Catalog::default());
    let server = crate::stop::start_catalog(Arc::clone(&catalog), store, Limits::default()).await;
    assert_eq!(ask(&server, request("late_arrival")).await.unwrap_err().code(), Code::NotFound);
    let mut second = flights::late_arrival();
    second.id.version = 2;
    let readers =
        [crate::served_flights(), Arc::new(Served::new(FeatureReader::new(Arc::new(second)).unwrap()))];
    let live = |version: u32| format!("late_arrival@{version}").parse().unwrap();
    for version in [2, 1] {
        catalog.replace(Services::new(readers.clone(), [live(version)]));
        let served = ask(&server, request("late_arrival")).await.unwrap().service;
        assert_eq!(served, format!("late_arrival@{version}"));
        assert_eq!(ask(&server, request("late_arrival@2")).await.unwrap().service, "late_arrival@2");
    }
    server.stop().await;
}

#[tokio::test]
async fn health_knows_the_server_and_its_service() {
    let server = start().await;
    let mut health = HealthClient::new(channel(&server).await);
    for service in ["", "twinstore.v1.FeatureStore", "feast.serving.ServingService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    let unknown = HealthCheckRequest { service: "other".to_owned() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);
    server.stop().await;
}

#[tokio::test]
async fn reflection_describes_the_service_in_both_versions() {
    use tonic_reflection::pb::{v1, v1alpha};

    let server = start().await;
    let channel = channel(&server).await;
    let ask = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(
        answer.contains("twinstore.v1.FeatureStore") && answer.contains("grpc.health.v1.Health"),
        "{answer}"
    );

    let symbol = "twinstore.v1.GetFeaturesRequest".to_owned();
    let ask = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            symbol,
        )),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let found =
        matches!(answer, v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_));
    assert!(found, "{answer:?}");
    server.stop().await;
}
