//! What is read: values, statuses and times, and what a server refuses.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use twinstore_client::{Advice, Client, Code, Column, Error, Status, Values};

use crate::served::{AT, Project, Server, at, connected, flights, patient};

fn status(column: &Column<'_>, row: usize) -> &'static str {
    match column.status(row).unwrap() {
        Status::Present => "PRESENT",
        Status::NullValue => "NULL_VALUE",
        Status::NotFound => "NOT_FOUND",
        Status::OutsideMaxAge => "OUTSIDE_MAX_AGE",
        Status::LastKnownGood => "LAST_KNOWN_GOOD",
        Status::BreakerOpen => "BREAKER_OPEN",
    }
}

fn value(column: &Column<'_>, row: usize) -> Json {
    match column.values() {
        Values::Float32s(rows) => json!(rows[row].map(f64::from)),
        Values::Float64s(rows) => json!(rows[row]),
        Values::Int64s(rows) => json!(rows[row]),
        Values::Strings(rows) => json!(rows[row]),
        other => panic!("{} has {other:?}", column.name()),
    }
}

#[tokio::test]
async fn an_answer_is_what_the_command_gives_for_each_entity() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let client = connected(&server.grpc).await;
    let features = flights(&client).read().await.unwrap();
    for (row, words) in
        ["dest=LAX tailnum=N338AA distance=2475", "dest=XXX tailnum=N0 distance=100"].into_iter().enumerate()
    {
        let expected = project.json(&format!("get late_arrival {words} --at {AT}"));
        assert_eq!(features.service(), expected["service"]);
        let expected = expected["features"].as_object().unwrap();
        assert_eq!(features.columns().len(), expected.len());
        for column in features.columns() {
            let expected = &expected[column.name()];
            let seconds = |moment: Option<SystemTime>| {
                moment.map(|moment| moment.duration_since(UNIX_EPOCH).unwrap().as_secs_f64())
            };
            assert_eq!(value(&column, row), expected["value"], "{} of {words}", column.name());
            assert_eq!(status(&column, row), expected["status"], "{} of {words}", column.name());
            let age_s = column.age(row).map(|age| age.as_secs_f64());
            assert_eq!(json!(age_s), expected["age_s"], "{} of {words}", column.name());
            let times = seconds(column.event_time(row)).zip(seconds(features.at().into()));
            assert_eq!(times.map(|(event, at)| at - event), age_s);
            assert_eq!(column.available_at(row).is_some(), expected["available_at"].is_string());
        }
    }
    assert_eq!(features.endpoint(), server.grpc);
    assert_eq!(features.cached_for(), None);
}

#[tokio::test]
async fn some_features_are_read_alone_and_wide_numbers_fit_narrow_columns() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let client = connected(&format!("grpc://{}", server.grpc)).await;
    let features = client
        .features("late_arrival@1")
        .only(["delay_per_100_miles", "dest_arrivals_1d"])
        .keys("dest", Some("LAX"))
        .keys("tailnum", None::<String>)
        .request("distance", 2475_i64)
        .at(at())
        .read()
        .await
        .unwrap();
    let names: Vec<&str> = features.columns().map(|column| column.name()).collect();
    assert_eq!(names, ["dest_arrivals_1d", "delay_per_100_miles"]);
    assert_eq!(features.column("dest_arrivals_1d").unwrap().get(0).unwrap(), Some(30_i64));
    let delay: Option<f64> = features.column("delay_per_100_miles").unwrap().get(0).unwrap();
    assert_eq!(delay, Some(-0.1292929292929293));
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_is_not_sent_again() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let client = connected(&server.grpc).await;
    let refused = |error: Error| match error {
        Error::Refused { code, message, .. } => (code, message),
        other => panic!("{other}"),
    };
    let (code, message) = refused(client.features("early").keys("dest", "LAX").read().await.unwrap_err());
    assert!(code == Code::NotFound && message.contains("`early`"), "{code}: {message}");
    let misfit = flights(&client).keys("airline", "AA").read().await.unwrap_err();
    assert_eq!(misfit.advice(), Advice::Correct);
    let (code, message) = refused(misfit);
    assert!(code == Code::InvalidArgument && message.contains("airline"), "{code}: {message}");
    let (code, _) = refused(flights(&client).trained_on("0".repeat(64)).read().await.unwrap_err());
    assert_eq!(code, Code::FailedPrecondition);
    // Each column once.
    let twice = flights(&client).keys("dest", "BOS").read().await.unwrap_err();
    assert_eq!(twice.advice(), Advice::Correct);
    assert_eq!((client.statistics().attempts, client.statistics().retries), (4, 0));
}

#[tokio::test]
async fn the_version_of_a_manifest_is_answered_and_demanded() {
    let project = Project::loaded();
    project.ok("training-set --service late_arrival --spine data/departures.parquet --time scheduled_departure --out t.csv");
    let manifest = std::fs::read_to_string(project.path("t.csv.manifest.json")).unwrap();
    let manifest: Json = serde_json::from_str(&manifest).unwrap();
    let hash = manifest["service_hash"].as_str().unwrap();
    let server = Server::start(&project);
    let client = connected(&server.grpc).await;
    let features = flights(&client).trained_on(hash).read().await.unwrap();
    assert_eq!(features.service(), "late_arrival@1");
}

#[tokio::test]
async fn where_no_server_is_the_error_names_the_last_one_and_says_to_try_again() {
    let nobody = test_support::free_port();
    let endpoints = [format!("127.0.0.1:{nobody}"), format!("localhost:{nobody}")];
    let error = Client::connect(endpoints.clone()).await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry);
    assert!(error.to_string().contains(&nobody.to_string()), "{error}");
    let client = patient(endpoints).connect_later().await.unwrap();
    let error = flights(&client).read().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    // Nothing of it came out of the budget.
    assert_eq!(client.statistics().over_budget, 0);
}

#[tokio::test]
async fn a_client_that_has_not_connected_yet_finds_the_one_server_of_many_that_is_there() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let nobody = (0..6).map(|_| format!("127.0.0.1:{}", test_support::free_port()));
    let client = patient(nobody.chain([server.grpc.clone()])).attempts(1).connect_later().await.unwrap();
    let features = flights(&client).read().await.unwrap();
    assert_eq!(features.endpoint(), server.grpc);
}
