//! The default of a feature replaces null in every answer of a live server, and the status stays.

use serde_json::{Value, json};

use crate::pushed::{now, with};
use crate::served::Server;

const DEFINITIONS: &str = "
kind: entity
name: user
keys: {user: int64}
---
kind: source
name: events
schema: {user: int64, at: timestamp, n: int64, x: float32, name: string, seen: timestamp}
event_time: at
stream: {topic: events, format: json}
---
kind: feature_view
name: v
version: 1
entity: user
source: events
features:
  n: {latest: n, default: 3e0}
  x: {latest: x, default: .inf}
  name: {latest: name, default: none}
  seen: {latest: seen, default: 2013-06-01}
  total: {aggregate: sum(n), window: 1h, default: -1}
---
kind: feature_service
name: svc
version: 1
features: [{from: v@1}]
";

#[test]
fn defaults_come_out_of_http_grpc_and_feasts_routes_of_a_live_server() {
    let project = with(DEFINITIONS);
    let server = Server::start(&project);
    let rows = json!([{"user": 1, "at": now()}]);
    let (status, answer) =
        server.post("/v1/push", &json!({"source": "events", "rows": rows, "wait": "online"}));
    assert_eq!(status, 200, "{answer}");
    let defaults = [
        ("n", json!(3)),
        ("x", json!("Infinity")),
        ("name", json!("none")),
        ("seen", json!("2013-06-01T00:00:00Z")),
        ("total", json!(-1)),
    ];
    let (_, http) = server.post("/v1/features", &json!({"service": "svc", "entities": {"user": [1, 2]}}));
    let grpc = project.json(&format!("get svc user=1 --grpc {}", server.grpc));
    let local = project.json("get svc user=1");
    let body = json!({"feature_service": "svc", "entities": {"user": [1, 2]}});
    let (_, feast) = server.post("/get-online-features", &body);
    for (index, (name, default)) in defaults.iter().enumerate() {
        let column = &http["columns"][name];
        assert_eq!(
            (&column["values"], &column["statuses"]),
            (&json!([default, null]), &json!(["NULL_VALUE", "NOT_FOUND"])),
            "{name}"
        );
        for read in [&grpc, &local] {
            let feature = &read["features"][name];
            assert_eq!((&feature["value"], &feature["status"]), (default, &json!("NULL_VALUE")), "{name}");
        }
        // A timestamp is whole seconds for Feast's clients.
        let default = if *name == "seen" { json!(1_370_044_800) } else { default.clone() };
        let vector: &Value = &feast["results"][index + 1];
        assert_eq!(vector["values"], json!([default, null]), "{name}: {feast}");
    }
    assert_eq!(server.terminate().0, Some(0));
}
