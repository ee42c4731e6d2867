//! Rows that are written as Feast's clients write them: what a Feast server answered is answered here, and a
//! read right after a write finds it.

use serde_json::{Value, json};

use crate::project::{Project, says};
use crate::pushed::with;
use crate::served::Server;
use crate::stored;

/// The columns of the captured requests.
const WEATHER: [&str; 9] =
    ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"];

fn weather() -> Project {
    let columns = WEATHER.map(|name| format!("{name}: float64")).join(", ");
    let features = WEATHER.map(|name| format!("{name}: {{latest: {name}}}")).join(", ");
    with(&format!(
        "
kind: entity
name: airport
keys: {{airport: string}}
---
kind: source
name: weather_push
schema: {{origin: string, observed_at: timestamp, {columns}}}
event_time: observed_at
stream: {{topic: weather, format: json}}
---
kind: feature_view
name: weather
version: 1
entity: airport
source: weather_push
keys: {{airport: origin}}
features: {{temp: {{latest: temp}}}}
---
kind: feature_view
name: weather
version: 2
entity: airport
source: weather_push
keys: {{airport: origin}}
features: {{{features}, observations: {{aggregate: count}}, warmth: {{latest: temp * 2}}}}
---
kind: feature_view
name: gusts
version: 1
entity: airport
source: weather_push
keys: {{airport: upper(origin)}}
features: {{gust: {{latest: wind_gust}}}}
---
kind: feature_service
name: weather
version: 1
features: [{{from: weather@2}}]
"
    ))
}

fn read(server: &Server, airport: &str, feature: &str) -> Value {
    let body = json!({"features": [feature], "entities": {"airport": [airport]}});
    let (status, answer) = server.post("/get-online-features", &body);
    assert_eq!(status, 200, "{answer}");
    answer["results"][1].clone()
}

/// The refusal that lies as JSON in a JSON string.
fn detail(answer: &str) -> Value {
    let text: String = serde_json::from_str(answer).unwrap();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

#[test]
fn what_a_feast_server_answered_to_writes_is_answered_here() {
    let project = weather();
    let server = Server::start(&project);
    let (mut same, mut mended) = (0, 0);
    for line in include_str!("feast_writes_0.67.jsonl").lines() {
        let pair: Value = serde_json::from_str(line).unwrap();
        let (status, answer) =
            server.send(pair["path"].as_str().unwrap(), &pair["request"].to_string()).unwrap();
        if pair["status"] == 500 {
            // Its client sends these again, so here they are the caller's to correct.
            assert!((400..500).contains(&status), "{line}\n{status} {answer}");
            mended += 1;
            continue;
        }
        assert_eq!(json!(status), pair["status"], "{line}\n{answer}");
        let expected = &pair["response"];
        match expected.as_str() {
            Some("") => assert_eq!(answer, ""),
            Some(refusal) => {
                assert_eq!(detail(&answer), serde_json::from_str::<Value>(refusal).unwrap(), "{line}")
            }
            None => assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), *expected, "{line}"),
        }
        same += 1;
    }
    assert_eq!((same, mended), (7, 2));
    // Three writes of JFK at one moment, and one of EWR that is older than all.
    let temp = read(&server, "JFK", "weather:temp");
    assert_eq!(
        (&temp["values"], &temp["event_timestamps"]),
        (&json!([41.5]), &json!(["2014-01-03T00:00:00Z"]))
    );
    assert_eq!(read(&server, "JFK", "weather:observations")["values"], json!([3]));
    assert_eq!(read(&server, "EWR", "weather:temp")["values"], json!([-99.0]));
    assert_eq!(read(&server, "EWR", "gusts:gust")["statuses"], json!(["NULL_VALUE"]));
    assert_eq!(stored::rows(&project.path(".twinstore/offline/log/weather/v2")).len(), 4);
    assert_eq!(server.terminate().0, Some(0));
}

/// A data frame as Feast's client sends it: its own names for times, and every feature.
fn frame(airport: &str, temp: Value) -> Value {
    let mut df = json!({"airport": [airport], "event_timestamp": ["2014-02-01T00:00:00"], "created": [null]});
    WEATHER.iter().for_each(|name| df[name] = json!([1.5]));
    df["temp"] = json!([temp]);
    df
}

#[test]
fn a_view_is_written_by_the_names_of_its_keys_and_features() {
    let server_of = weather();
    let server = Server::start(&server_of);
    for (view, temp) in [("weather", json!(7)), ("weather@v1", json!(8.5)), ("weather@2", Value::Null)] {
        let body = json!({"feature_view_name": view, "df": frame("JFK", temp.clone()), "allow_registry_cache": false});
        let (status, answer) = server.send("/write-to-online-store", &body.to_string()).unwrap();
        assert_eq!((status, answer.as_str()), (200, "null"));
        assert_eq!(read(&server, "JFK", "weather:temp")["values"], json!([temp.as_f64()]));
    }
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn what_cannot_be_written_is_refused_so_that_it_is_not_sent_again() {
    let project = weather();
    let server = Server::start(&project);
    let without = |name: &str| {
        let mut df = frame("JFK", json!(1));
        df.as_object_mut().unwrap().remove(name);
        df
    };
    let with = |name: &str, value: Value| {
        let mut df = frame("JFK", json!(1));
        df[name] = value;
        df
    };
    let write = |df: Value| ("/write-to-online-store", json!({"feature_view_name": "weather", "df": df}));
    let cases: [((&str, Value), u16, &[&str]); 11] = [
        (
            write(without("temp")),
            400,
            &["weather@1 reads `temp`", "weather@2 reads `temp`, which is missing"],
        ),
        (write(without("event_timestamp")), 400, &["`observed_at`, when a row happened, is missing"]),
        (write(without("airport")), 400, &["weather@2 reads `origin`", "gusts@1 reads `origin`"]),
        (write(with("observations", json!([1]))), 400, &["`observations` is computed", "`weather_push`"]),
        (write(with("warmth", json!([1]))), 400, &["`warmth` is computed"]),
        (write(with("origin", json!(["LGA"]))), 400, &["`origin`", "differ"]),
        (write(with("temp", json!(["hot"]))), 400, &["`temp` holds \"hot\"", "a number"]),
        (write(with("temp", json!([1, 2]))), 400, &["`temp` has 2 rows"]),
        (
            write(with("event_timestamp", json!([null]))),
            400,
            &["row 1", "`observed_at`, when it happened, is null"],
        ),
        (("/write-to-online-store", json!({})), 422, &["feature_view_name", "df", "Field required"]),
        (
            ("/push", json!({"push_source_name": "weather_push", "df": {}, "to": "moon"})),
            422,
            &["moon is not a supported push format"],
        ),
    ];
    for ((path, body), status, parts) in cases {
        let (given, answer) = server.send(path, &body.to_string()).unwrap();
        assert_eq!(given, status, "{body}: {answer}");
        says(&answer.replace("\\\\\\\"", "\""), parts);
    }
    assert!(!project.path(".twinstore/topics/weather/end").exists());
    assert_eq!(server.terminate().0, Some(0));
}
