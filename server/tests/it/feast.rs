//! The protocols of a Feast server, over real sockets. `feast_0.67.jsonl` holds requests with the answers
//! that `feast serve` 0.67 (Redis, a year of flights and weather) gave to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{Field, Lookup, Micros, Origin, Output, Row, Scalar, ServicePlan, Value, VersionId, View};
use online::Embedded;
use proto::feast::serving::serving_service_client::ServingServiceClient;
use proto::feast::serving::{
    FeatureList, FieldStatus, GetFeastServingInfoRequest, GetOnlineFeaturesRequest,
    get_online_features_request,
};
use proto::feast::types::value::Val;
use proto::feast::types::{RepeatedValue, Value as FeastValue};
use read::FeatureReader;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tonic::Code;
use twinstore_server::{Catalog, Limits, Served, Services, Views};

use crate::flights::{at, column, feature, fill, row, text, view};
use crate::grpc::channel;
use crate::http::send;
use crate::stop::{Running, start_catalog};

const WEATHER: [&str; 9] =
    ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"];

fn latest(id: &str, key: &str, columns: &[(&str, Scalar)]) -> View {
    let features = columns.iter().enumerate().map(|(index, (name, scalar))| {
        feature(name, (*scalar).into(), feature::Fold::Latest { column: index })
    });
    let features = features.collect();
    view(id, key, columns.iter().map(|(name, scalar)| column(name, (*scalar).into())).collect(), features)
}

fn weather(version: u32) -> View {
    latest(&format!("weather@{version}"), "origin", &WEATHER.map(|name| (name, Scalar::Float64)))
}

fn last(id: &str, key: &str) -> View {
    let float = Scalar::Float32;
    let columns =
        [("flight_id", Scalar::Int64), ("dep_delay", float), ("arr_delay", float), ("air_time", float)];
    latest(id, key, &columns)
}

fn views() -> Vec<Arc<View>> {
    [weather(1), weather(2), last("tail_last@1", "tailnum"), last("dest_last@1", "dest")].map(Arc::new).into()
}

/// A read of whole views, each under its own join keys.
fn plan_of(id: &str, views: &[Arc<View>], name: impl Fn(&View, &str) -> String) -> ServicePlan {
    let mut keys: Vec<Field> = Vec::new();
    let mut lookups = Vec::new();
    let mut outputs = Vec::new();
    for (lookup, view) in views.iter().enumerate() {
        let key = &view.keys[0];
        let index = keys.iter().position(|known| known.name == key.name).unwrap_or(keys.len());
        if index == keys.len() {
            keys.push(key.clone());
        }
        lookups.push(Lookup { view: Arc::clone(view), keys: vec![index] });
        outputs.extend(view.features.iter().enumerate().map(|(feature, of)| Output {
            name: name(view, of.name.as_str()),
            data_type: of.data_type,
            origin: Origin::Stored { lookup, feature },
        }));
    }
    ServicePlan {
        id: id.parse().unwrap(),
        hash: String::new(),
        keys,
        request: Vec::new(),
        lookups,
        computations: Vec::new(),
        outputs,
    }
}

fn catalog() -> Catalog {
    let all = views();
    // `flight_v1` was made without aliases, so that of two features of one name only the full names differ.
    let of_service: Vec<Arc<View>> = [0, 2, 3].map(|index| Arc::clone(&all[index])).into();
    let flight = plan_of("flight_v1@1", &of_service, |view, name| match view.id.name.as_str() {
        "dest_last" => format!("dest_{name}"),
        _ => name.to_owned(),
    });
    let live: VersionId = flight.id.clone();
    let reader = Arc::new(Served::new(FeatureReader::new(Arc::new(flight)).unwrap()));
    let ids: Vec<VersionId> = all.iter().map(|view| view.id.clone()).collect();
    let by_name = Views::new(ids, move |ids| {
        let chosen: Vec<Arc<View>> = all.iter().filter(|view| ids.contains(&view.id)).cloned().collect();
        Ok((plan_of("views@1", &chosen, |view, name| format!("{}:{name}", view.id)), None))
    });
    Catalog::new(Services::new([reader], [live]).with_views(by_name))
}

fn float64s(values: [Option<f64>; 9]) -> Vec<Value> {
    values.map(|value| value.map_or(Value::Null, Value::Float64)).into()
}

async fn store() -> (TempDir, Embedded) {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let now: Micros = at("2014-01-02T00:00:00Z");
    let one = |key: &str, time: &str, values: Vec<Value>| -> (Vec<Value>, Vec<Row>) {
        (vec![text(key)], vec![row(0, at(time), values)])
    };
    let night = "2013-12-30T23:00:00Z";
    let jfk = [
        Some(30.02),
        Some(10.04),
        Some(42.66),
        Some(340.0),
        Some(18.41248),
        None,
        Some(0.0),
        Some(1020.9),
        Some(10.0),
    ];
    let cold = [Some(28.94), None, None, None, None, None, None, None, None];
    let rows = || -> BTreeMap<_, _> {
        [
            one("JFK", night, float64s(jfk)),
            one("LGA", night, float64s(cold)),
            one("EWR", night, float64s(cold)),
        ]
        .into()
    };
    // The first version holds other values, so that a read shows which one it is of.
    let first = BTreeMap::from([one("JFK", night, float64s([Some(-1.0); 9]))]);
    fill(&store, &weather(1), &rows(), now).await;
    fill(&store, &weather(2), &first, now).await;
    let flight = |id, delays: [f32; 3]| {
        let [departure, arrival, air] = delays.map(Value::Float32);
        vec![Value::Int64(id), departure, arrival, air]
    };
    let tail = one("N14228", "2013-12-29T04:26:00Z", flight(106_302, [16.0, 5.0, 229.0]));
    fill(&store, &last("tail_last@1", "tailnum"), &BTreeMap::from([tail]), now).await;
    let iah = one("IAH", "2014-01-01T03:47:00Z", flight(108_909, [45.0, 34.0, 218.0]));
    let mia = one("MIA", "2014-01-01T04:16:00Z", flight(1, [0.0, -24.0, 0.0]));
    fill(&store, &last("dest_last@1", "dest"), &BTreeMap::from([iah, mia]), now).await;
    (folder, store)
}

async fn start() -> (TempDir, Running) {
    let (folder, store) = store().await;
    (folder, start_catalog(Arc::new(catalog()), store, Limits::default()).await)
}

async fn ask(server: &Running, body: &Json) -> (u16, Json) {
    send(server.addresses.http, "POST", "/get-online-features", &body.to_string()).await
}

/// Columns of an answer by name: values, statuses and times of every entity.
fn columns(answer: &Json) -> BTreeMap<String, Json> {
    let names = answer["metadata"]["feature_names"].as_array().unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(names.len(), results.len(), "{answer}");
    names
        .iter()
        .zip(results)
        .map(|(name, column)| (name.as_str().unwrap().to_owned(), column.clone()))
        .collect()
}

/// What Feast calls PRESENT for every row, as it is called here.
fn with_right_statuses(name: &str, column: &Json) -> Json {
    let is_key = ["origin", "tailnum", "dest"].contains(&name);
    let rows =
        column["values"].as_array().unwrap().iter().zip(column["event_timestamps"].as_array().unwrap());
    let status = |(value, time): (&Json, &Json)| match (value.is_null(), time.as_str()) {
        _ if is_key => "PRESENT",
        (true, Some("1970-01-01T00:00:00Z")) => "NOT_FOUND",
        (true, _) => "NULL_VALUE",
        (false, _) => "PRESENT",
    };
    let mut column = column.clone();
    column["statuses"] = rows.map(status).collect();
    column
}

/// The refusal that lies as JSON in a JSON string.
fn detail(answer: &Json) -> Json {
    serde_json::from_str(answer.as_str().unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

#[tokio::test]
async fn what_feast_answered_is_answered_here_with_the_right_statuses() {
    let (_folder, server) = start().await;
    let mut compared = 0;
    for line in include_str!("feast_0.67.jsonl").lines() {
        let mut pair: Json = serde_json::from_str(line).unwrap();
        // The highest version holds other values here.
        if let Some(features) = pair["request"]["features"].as_array_mut() {
            let exact =
                |feature: &Json| Json::from(feature.as_str().unwrap().replace("weather:", "weather@1:"));
            *features = features.iter().map(exact).collect();
        }
        let (status, answer) = ask(&server, &pair["request"]).await;
        if pair["status"] != 200 {
            continue;
        }
        assert_eq!(status, 200, "{line}\n{answer}");
        let rename = |name: &str| {
            let name = name.replace("dest_last__", "dest_last__dest_");
            if pair["request"]["features"].is_array() {
                name.replace("dest_last__dest_", "dest_last__").replace("weather__", "weather@1__")
            } else {
                name
            }
        };
        let expected: BTreeMap<String, Json> = columns(&pair["response"])
            .into_iter()
            .map(|(name, column)| (rename(&name), with_right_statuses(&name, &column)))
            .collect();
        assert_eq!(columns(&answer), expected, "{line}");
        compared += 1;
    }
    assert_eq!(compared, 5);
    server.stop().await;
}

#[tokio::test]
async fn columns_come_in_the_order_of_the_request_keys_first() {
    let (_folder, server) = start().await;
    let body = json!({
        "entities": {"tailnum": ["N14228"], "origin": ["JFK"]},
        "features": ["weather@1:visib", "tail_last:arr_delay", "weather@1:temp", "weather@1:visib"],
        "include_feature_view_version_metadata": true,
    });
    let (status, answer) = ask(&server, &body).await;
    assert_eq!(status, 200, "{answer}");
    let names = json!(["tailnum", "origin", "visib", "arr_delay", "temp"]);
    assert_eq!(answer["metadata"]["feature_names"], names);
    let views = json!([{"name": "weather", "version": 1}, {"name": "tail_last", "version": 1}]);
    assert_eq!(answer["metadata"]["feature_view_metadata"], views);
    assert_eq!(answer["results"][2]["values"], json!([10.0]));
    server.stop().await;
}

#[tokio::test]
async fn a_bare_view_is_its_highest_version_and_a_service_its_live_one() {
    let (_folder, server) = start().await;
    let read = async |features: Json| {
        let body = json!({"entities": {"origin": ["JFK", "LGA"]}, "features": features});
        let (status, answer) = ask(&server, &body).await;
        assert_eq!(status, 200, "{answer}");
        (answer["results"][1]["values"].clone(), answer["results"][1]["statuses"].clone())
    };
    let second = (json!([-1.0, null]), json!(["PRESENT", "NOT_FOUND"]));
    assert_eq!(read(json!(["weather:temp"])).await, second);
    assert_eq!(read(json!(["weather@2:temp"])).await, second);
    assert_eq!(read(json!(["weather@v1:temp"])).await.0, json!([30.02, 28.94]));
    let both = json!({
        "entities": {"origin": ["JFK"]},
        "features": ["weather@1:temp", "weather@2:temp"],
        "full_feature_names": true,
    });
    let (_, answer) = ask(&server, &both).await;
    assert_eq!(answer["metadata"]["feature_names"], json!(["origin", "weather@1__temp", "weather@2__temp"]));
    let keys = json!({"origin": ["JFK"], "tailnum": ["N14228"], "dest": ["IAH"]});
    for service in ["flight_v1", "flight_v1@1"] {
        let (status, answer) = ask(&server, &json!({"entities": keys, "feature_service": service})).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["results"].as_array().unwrap().len(), 3 + 17);
    }
    server.stop().await;
}

#[tokio::test]
async fn refusals_have_the_shape_that_feasts_client_raises_and_are_never_sent_again() {
    let (_folder, server) = start().await;
    let origin = json!({"origin": ["JFK"]});
    let both = json!({"tailnum": ["N14228"], "dest": ["IAH"]});
    let uneven = json!({"origin": ["JFK", "EWR"], "tailnum": ["N14228"]});
    let of = |features: &[&str], entities: &Json| json!({"features": features, "entities": entities});
    let cases = [
        (of(&["wether:temp"], &origin), 404, "FeatureViewNotFoundException", "but there is `weather`"),
        (of(&["weather@9:temp"], &origin), 404, "FeatureViewVersionNotFound", "no view `weather@9`"),
        (
            json!({"feature_service": "nosuch", "entities": origin}),
            404,
            "FeatureServiceNotFoundException",
            "no service `nosuch`",
        ),
        (of(&["weather:tmp"], &origin), 404, "FeastObjectNotFoundException", "but it has `temp`"),
        (of(&["temp"], &origin), 400, "FeastError", "write it as `view:feature`"),
        (
            of(&["tail_last:arr_delay", "dest_last:arr_delay"], &both),
            400,
            "FeatureNameCollisionError",
            "full_feature_names",
        ),
        (of(&["weather:temp"], &json!({"dest": ["JFK"]})), 400, "FeastError", "`origin` is missing"),
        (
            of(&["weather:temp", "tail_last:arr_delay"], &uneven),
            400,
            "FeastError",
            "each entity takes one row of every column",
        ),
        (of(&["weather:temp"], &json!({"origin": [true]})), 400, "FeastError", "holds true"),
        (of(&[], &origin), 400, "FeastError", "neither `features` nor"),
    ];
    for (body, status, class, part) in cases {
        let (given, answer) = ask(&server, &body).await;
        let detail = detail(&answer);
        assert_eq!(
            (given, &detail["class"], &detail["module"]),
            (status, &json!(class), &json!("feast.errors"))
        );
        assert!(detail["message"].as_str().unwrap().contains(part), "{part}: {detail}");
    }
    let (status, answer) = ask(&server, &json!({"features": ["weather:temp"]})).await;
    let missing = json!({"type": "missing", "loc": ["body", "entities"], "msg": "Field required",
                         "input": {"features": ["weather:temp"]}});
    assert_eq!((status, answer), (422, json!({"detail": [missing]})));
    let http = server.addresses.http;
    let (status, answer) = send(http, "POST", "/get-online-features", "{").await;
    assert_eq!((status, &answer["detail"][0]["type"]), (422, &json!("json_invalid")));
    let (status, answer) = ask(&server, &json!({"entities": {"origin": "JFK"}})).await;
    assert_eq!((status, &answer["detail"][0]["type"]), (422, &json!("value_error")));
    for path in ["/materialize?async=true", "/materialize-incremental"] {
        let (status, answer) = send(http, "POST", path, "{}").await;
        assert_eq!((status, &detail(&answer)["class"]), (501, &json!("FeastError")), "{path}");
    }
    server.stop().await;
}

fn strings(texts: &[&str]) -> RepeatedValue {
    let value = |text: &&str| FeastValue { val: Some(Val::StringVal((*text).to_owned())) };
    RepeatedValue { val: texts.iter().map(value).collect() }
}

fn request(features: &[&str], entities: RepeatedValue) -> GetOnlineFeaturesRequest {
    let val = features.iter().map(|text| (*text).to_owned()).collect();
    GetOnlineFeaturesRequest {
        kind: Some(get_online_features_request::Kind::Features(FeatureList { val })),
        entities: [("origin".to_owned(), entities)].into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_grpc_service_gives_the_same() {
    let (_folder, server) = start().await;
    let mut client = ServingServiceClient::new(channel(&server).await);
    let info = client.get_feast_serving_info(GetFeastServingInfoRequest {}).await.unwrap().into_inner();
    assert!(info.version.starts_with("twinstore "), "{info:?}");
    let sent = request(&["weather@1:temp", "weather@1:wind_gust"], strings(&["JFK", "ZZZ"]));
    let answer = client.get_online_features(sent).await.unwrap().into_inner();
    let names = answer.metadata.unwrap().feature_names.unwrap().val;
    assert_eq!(names, ["origin", "temp", "wind_gust"]);
    let [origin, temp, gust] = answer.results.as_slice() else { panic!("{:?}", answer.results) };
    assert_eq!(origin.values, strings(&["JFK", "ZZZ"]).val);
    assert_eq!(temp.values[0].val, Some(Val::DoubleVal(30.02)));
    assert_eq!(temp.values[1].val, None);
    assert_eq!(temp.statuses().collect::<Vec<_>>(), [FieldStatus::Present, FieldStatus::NotFound]);
    assert_eq!(gust.statuses().collect::<Vec<_>>(), [FieldStatus::NullValue, FieldStatus::NotFound]);
    assert_eq!(temp.event_timestamps[0].seconds, 1_388_444_400);
    assert_eq!((temp.event_timestamps[1].seconds, origin.event_timestamps[0].seconds), (0, 0));
    let refusals = [
        (request(&["nosuch:temp"], strings(&["JFK"])), Code::NotFound, "no view `nosuch`"),
        (request(&["weather:temp"], RepeatedValue::default()), Code::Ok, ""),
        (GetOnlineFeaturesRequest::default(), Code::InvalidArgument, "neither `features` nor"),
    ];
    for (request, code, part) in refusals {
        let status = client.get_online_features(request).await.map(|_| ()).err();
        let (given, message) =
            status.as_ref().map_or((Code::Ok, ""), |status| (status.code(), status.message()));
        assert_eq!(given, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
    server.stop().await;
}
