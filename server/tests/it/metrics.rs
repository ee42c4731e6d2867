//! What a server tells about itself.

use exposition::{Sample, SampleKind};
use serde_json::json;
use twinstore_server::{Catalog, Limits, Services, Serving};

use crate::flights;
use crate::http::{send, send_with, shows};
use crate::stop::{start, start_serving};

#[tokio::test]
async fn requests_are_counted_by_service_protocol_and_code_and_timed_by_stage() {
    let server = start().await;
    let http = server.addresses.http;
    let ask = async |service: &str| {
        let body = json!({"service": service, "features": ["dest_last_delay"], "entities": {"dest": ["BOS", "LAX"]}});
        send(http, "POST", "/v1/features", &body.to_string()).await.0
    };
    assert_eq!((ask("late_arrival").await, ask("late_arrival@1").await), (200, 200));
    assert_eq!(ask("nothing").await, 404);
    let lines = [
        r#"twinstore_serve_requests_total{service="late_arrival@1",protocol="http",code="OK"} 2"#,
        r#"twinstore_serve_requests_total{service="unknown",protocol="http",code="NOT_FOUND"} 1"#,
        r#"twinstore_serve_request_seconds_count{service="late_arrival@1"} 2"#,
        r#"twinstore_serve_request_entities_bucket{protocol="http",le="1"} 0"#,
        r#"twinstore_serve_request_entities_bucket{protocol="http",le="2"} 2"#,
        r#"twinstore_serve_request_entities_sum{protocol="http"} 4"#,
        r#"twinstore_serve_stage_seconds_count{protocol="http",stage="probe"} 2"#,
        r#"twinstore_serve_stage_seconds_count{protocol="http",stage="merge"} 2"#,
        r#"twinstore_serve_stage_seconds_count{protocol="http",stage="encode"} 2"#,
        "twinstore_serve_store_up 1",
        "# TYPE twinstore_serve_stage_seconds histogram",
    ];
    for line in lines {
        assert!(shows(&server, line).await, "{line} is not in\n{}", page(http).await);
    }
    server.stop().await;
}

#[tokio::test]
async fn whoever_wires_the_server_adds_values_of_its_own() {
    let (_folder, store) = flights::store().await;
    let catalog = Catalog::new(Services::new([crate::served_flights()], []));
    let hits = || {
        let (name, help) = ("twinstore_tier_hits_total", "Keys that the tier held");
        vec![Sample { name, help, kind: SampleKind::Counter, value: 12.0 }]
    };
    let serving = Serving::new(catalog.into(), store, flights::noon, Limits::default()).with_samples(hits);
    let server = start_serving(serving).await;
    assert!(shows(&server, "twinstore_tier_hits_total 12").await);
    assert!(shows(&server, "# HELP twinstore_tier_hits_total Keys that the tier held.").await);
    server.stop().await;
}

#[test]
fn every_metric_is_in_its_document() {
    let document = include_str!("../../../docs/metrics.md");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let page = runtime.block_on(async {
        let server = start().await;
        let page = page(server.addresses.http).await;
        server.stop().await;
        page
    });
    let names: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 5, "{page}");
    for name in names {
        assert!(document.contains(&format!("`{name}`")), "docs/metrics.md does not name {name}");
    }
}

async fn page(http: std::net::SocketAddr) -> String {
    send_with(http, "GET", "/metrics", "", "").await.1
}
