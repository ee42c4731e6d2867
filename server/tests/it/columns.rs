//! Columns of every type through the gRPC protocol, and those that contradict themselves.

use std::collections::HashMap;
use std::sync::Arc;

use feature::{Computation, Lookup, Micros, Origin, Output, Scalar, ServicePlan};
use proto::v1::column::Status;
use proto::v1::values::Kind;
use proto::v1::{
    Bools, ByteStrings, Float32s, Float64s, GetFeaturesRequest, Int32s, Int64s, Lists, Strings, Timestamps,
    Values,
};
use read::FeatureReader;
use tonic::Code;
use twinstore_server::{Catalog, Limits, Served, Services};

use crate::flights;
use crate::grpc::{ask, columns, statuses, strings, values};
use crate::stop::{Running, start_catalog};

/// A service whose request columns are of every type, and that gives them back.
fn echo() -> FeatureReader {
    let types =
        ["bool", "int32", "float32", "float64", "bytes", "timestamp", "list<int32>", "list<string>[2]"];
    let names = ["b", "i", "f", "d", "y", "t", "l", "s"];
    let request: Vec<_> = names
        .iter()
        .zip(types)
        .map(|(name, text)| flights::field(name, text.parse::<feature::DataType>().unwrap()))
        .collect();
    let below =
        ["f", "d"].map(|name| (format!("{name}_below"), format!("{name} < 0.0"), Scalar::Bool.into()));
    let back =
        request.iter().map(|field| (format!("{}_back", field.name), field.name.to_string(), field.data_type));
    let features = back.chain(below).map(|(name, expression, data_type)| feature::Computed {
        name: name.parse().unwrap(),
        expression,
        data_type,
        unit: None,
        description: None,
        default: None,
    });
    let view = feature::OnDemandView {
        id: "echo@1".parse().unwrap(),
        request: request.clone(),
        inputs: vec![],
        features: features.collect(),
        about: feature::About::default(),
        hash: String::new(),
    };
    let outputs = view.features.iter().enumerate().map(|(feature, computed)| Output {
        name: computed.name.to_string(),
        data_type: computed.data_type,
        origin: Origin::Computed { computation: 0, feature },
    });
    FeatureReader::new(Arc::new(ServicePlan {
        id: "echo@1".parse().unwrap(),
        hash: String::new(),
        keys: vec![],
        lookups: Vec::<Lookup>::new(),
        outputs: outputs.collect(),
        computations: vec![Computation {
            request: (0..request.len()).collect(),
            view: Arc::new(view),
            inputs: vec![],
        }],
        request,
    }))
    .unwrap()
}

fn every_type() -> [(&'static str, Values); 8] {
    let list = |lengths: &[u32], length, items| {
        Kind::Lists(Box::new(Lists { lengths: lengths.to_vec(), items: Some(Box::new(items)), length }))
    };
    let ints = values(Kind::Int32s(Int32s { values: vec![7, 0, 9] }), &[1]);
    let words = strings(&["x", "", "y", "z"], &[1]);
    [
        ("b", values(Kind::Bools(Bools { values: vec![true, false, false] }), &[1])),
        ("i", values(Kind::Int32s(Int32s { values: vec![i32::MIN, 0, 5] }), &[1])),
        ("f", values(Kind::Float32s(Float32s { values: vec![0.1, 0.0, f32::INFINITY] }), &[1])),
        ("d", values(Kind::Float64s(Float64s { values: vec![0.1, 0.0, -0.0] }), &[1])),
        ("y", values(Kind::Bytes(ByteStrings { values: vec![vec![0, 255], vec![], vec![]] }), &[1])),
        ("t", values(Kind::Timestamps(Timestamps { values_us: vec![Micros::MIN.get(), 0, -1] }), &[1])),
        ("l", values(list(&[2, 0, 1], 0, ints), &[1])),
        ("s", values(list(&[2, 0, 2], 2, words), &[1])),
    ]
}

async fn echo_server() -> Running {
    let (_folder, store) = flights::store().await;
    let echo = Arc::new(Served::new(echo()));
    let live = echo.plan().id.clone();
    let catalog = Arc::new(Catalog::new(Services::new([echo], [live])));
    start_catalog(catalog, store, Limits::default()).await
}

#[tokio::test]
async fn columns_of_every_type_come_back_as_they_went() {
    let server = echo_server().await;
    let request = GetFeaturesRequest {
        service: "echo".to_owned(),
        request: columns(every_type()),
        ..Default::default()
    };
    let response = ask(&server, request).await.unwrap();
    for (name, given) in every_type() {
        let column = response.columns.iter().find(|column| column.name == format!("{name}_back")).unwrap();
        assert_eq!(column.values, Some(given), "{name}");
        assert_eq!(statuses(column), [Status::Present, Status::NullValue, Status::Present], "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_nan_of_a_request_becomes_the_one_quiet_nan() {
    let server = echo_server().await;
    let odd32 = f32::from_bits(0xffc0_0001);
    let odd64 = f64::from_bits(0xfff8_0000_0000_0001);
    let mut request = columns(every_type());
    request.extend(columns([
        ("f", values(Kind::Float32s(Float32s { values: vec![odd32; 3] }), &[])),
        ("d", values(Kind::Float64s(Float64s { values: vec![odd64; 3] }), &[])),
    ]));
    let features = vec!["f_below".to_owned(), "d_below".to_owned()];
    let request = GetFeaturesRequest { service: "echo".to_owned(), features, request, ..Default::default() };
    // Comparisons see the sign of a NaN; that of a row of the store is never set.
    let above = Kind::Bools(Bools { values: vec![false; 3] });
    for column in ask(&server, request).await.unwrap().columns {
        assert_eq!(column.values, Some(values(above.clone(), &[])), "{}", column.name);
    }
    server.stop().await;
}

#[tokio::test]
async fn columns_that_contradict_themselves_are_refused() {
    let server = echo_server().await;
    let list = |lengths: &[u32]| {
        let items = Some(Box::new(strings(&["x", "y", "z"], &[])));
        values(Kind::Lists(Box::new(Lists { lengths: lengths.to_vec(), items, length: 0 })), &[])
    };
    let cases = [
        ("s", list(&[2, 3]), "names more list items than the 3 it has (row 2)"),
        ("s", list(&[3, 0]), "holds a list of 3, where a list of 2 string values is needed (row 1)"),
        ("s", list(&[2]), "has 3 list items, of which its lengths name only 2"),
        ("l", list(&[1, 2]), "has lists whose column is a column of string, where one of int32 is needed"),
        ("i", list(&[1, 2]), "is a column of lists, where one of int32 is needed"),
        (
            "t",
            values(Kind::Timestamps(Timestamps { values_us: vec![0, i64::MAX] }), &[]),
            "holds no time: 9223372036854775807 microseconds since 1970 lies outside the years 0001 to 9999 (row 2)",
        ),
    ];
    for (name, given, part) in cases {
        let request = GetFeaturesRequest {
            service: "echo".to_owned(),
            features: vec![format!("{name}_back")],
            request: columns([(name, given)]),
            ..Default::default()
        };
        let status = ask(&server, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(part), "{part}: {status:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_number_of_another_width_is_read_where_it_is_in_range() {
    let server = echo_server().await;
    let read = async |name: &str, given| {
        let mut request = columns(every_type());
        request.extend(columns([(name, given)]));
        let features = vec![format!("{name}_back")];
        let request =
            GetFeaturesRequest { service: "echo".to_owned(), features, request, ..Default::default() };
        Ok::<_, tonic::Status>(ask(&server, request).await?.columns.swap_remove(0).values)
    };
    let int64s = |numbers: &[i64]| values(Kind::Int64s(Int64s { values: numbers.to_vec() }), &[]);
    let back = read("i", int64s(&[7, -1, 0])).await.unwrap();
    assert_eq!(back, Some(values(Kind::Int32s(Int32s { values: vec![7, -1, 0] }), &[])));
    let float32s = values(Kind::Float32s(Float32s { values: vec![0.5; 3] }), &[]);
    let back = read("d", float32s).await.unwrap();
    assert_eq!(back, Some(values(Kind::Float64s(Float64s { values: vec![0.5; 3] }), &[])));
    let back = read("d", int64s(&[3; 3])).await.unwrap();
    assert_eq!(back, Some(values(Kind::Float64s(Float64s { values: vec![3.0; 3] }), &[])));
    let float64s = |numbers: &[f64]| values(Kind::Float64s(Float64s { values: numbers.to_vec() }), &[]);
    let back = read("i", float64s(&[7.0, -1.0, 0.0])).await.unwrap();
    assert_eq!(back, Some(values(Kind::Int32s(Int32s { values: vec![7, -1, 0] }), &[])));
    for (name, given, part) in [
        ("i", float64s(&[0.0, 0.5, 0.0]), "holds 0.5, where a whole number"),
        ("i", float64s(&[0.0, f64::NAN, 0.0]), "holds NaN, where a whole number"),
        ("f", float64s(&[0.5; 3]), "is a column of float64, where one of float32 is needed"),
        ("i", int64s(&[0, 1 << 31, 0]), "holds 2147483648, where a whole number"),
        ("d", int64s(&[(1 << 53) + 1; 3]), "holds 9007199254740993, where a number"),
        ("b", int64s(&[1; 3]), "is a column of int64, where one of bool is needed"),
    ] {
        let status = read(name, given).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(part), "{part}: {status:?}");
    }
    server.stop().await;
}

/// A request with this column, and as many nulls of every other one.
fn beside(rows: u32, name: &str, given: Values) -> HashMap<String, Values> {
    let none = match rows {
        0 => values(Kind::Float64s(Float64s::default()), &[]),
        _ => Values { nulls: (0..rows).collect(), kind: None },
    };
    let mut request: HashMap<_, _> =
        every_type().into_iter().map(|(other, _)| (other.to_owned(), none.clone())).collect();
    request.insert(name.to_owned(), given);
    request
}

#[tokio::test]
async fn a_column_without_a_value_needs_no_type() {
    let server = echo_server().await;
    let read = async |name: &str, rows: u32, given: Values| {
        let (features, request) = (vec![format!("{name}_back")], beside(rows, name, given));
        let request =
            GetFeaturesRequest { service: "echo".to_owned(), features, request, ..Default::default() };
        statuses(&ask(&server, request).await.unwrap().columns[0])
    };
    // Of no row at all, in each type that a caller may guess.
    let empty = |kind: Kind| values(kind, &[]);
    for none in [empty(Kind::Float64s(Float64s::default())), strings(&[], &[])] {
        for name in ["b", "i", "f", "d", "y", "t", "l", "s"] {
            assert!(read(name, 0, none.clone()).await.is_empty(), "{name}");
        }
    }
    // Of nulls alone, without a type or with another one.
    for nulls in [Values { nulls: vec![0, 1], kind: None }, strings(&["", ""], &[0, 1])] {
        for name in ["b", "i", "f", "d", "y", "t", "l", "s"] {
            assert_eq!(read(name, 2, nulls.clone()).await, [Status::NullValue; 2], "{name}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn json_is_read_as_the_type_that_is_needed() {
    let server = echo_server().await;
    let read = async |name: &str, texts: &[&str]| {
        let rows = u32::try_from(texts.len()).unwrap();
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        let given = values(Kind::Json(Strings { values: texts }), &[]);
        let (features, request) = (vec![format!("{name}_back")], beside(rows, name, given));
        let request =
            GetFeaturesRequest { service: "echo".to_owned(), features, request, ..Default::default() };
        Ok::<_, tonic::Status>(ask(&server, request).await?.columns.swap_remove(0).values)
    };
    let floats = Kind::Float32s(Float32s { values: vec![0.1, 0.0, f32::INFINITY] });
    let back = read("f", &["0.1", "null", "\"Infinity\""]).await.unwrap();
    assert_eq!(back, Some(values(floats, &[1])));
    let items = strings(&["x", "", "y", "z"], &[1]);
    let lists = Lists { lengths: vec![2, 2], items: Some(Box::new(items)), length: 2 };
    let back = read("s", &["[\"x\", null]", "[\"y\", \"z\"]"]).await.unwrap();
    assert_eq!(back, Some(values(Kind::Lists(Box::new(lists)), &[])));
    for (name, texts, part) in [
        ("i", ["1", "1.5"], "holds 1.5, where a whole number"),
        ("d", ["1", "1e400"], "holds 1e400, where a number"),
        ("s", ["[\"x\"]", "null"], "holds a list of 1, where a list of 2 string values is needed (row 1)"),
        ("l", ["[1]", "[\"x\"]"], "holds \"x\", where a whole number"),
    ] {
        let status = read(name, &texts).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(part), "{part}: {status:?}");
    }
    server.stop().await;
}
