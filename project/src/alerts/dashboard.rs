//! A dashboard for Grafana: freshness against objectives, error budgets, stages, and the parts below, for all views or those
//! of one source.

use serde_json::{Value, json};

/// The views of the chosen sources.
const CHOSEN: &str = "* on(view) group_left() twinstore_freshness_view_info{source=~\"$source\"}";

/// The dashboard of a project.
pub(super) fn dashboard(project: &str) -> Value {
    let reads = "twinstore_freshness_view_reads_total";
    let rate = |outcome: &str, window: &str| format!("sum by (view) (rate({reads}{{{outcome}}}[{window}]))");
    let share = |window: &str| {
        format!("{} / {}", rate("outcome=\"bad\"", window), rate("outcome=~\"good|bad\"", window))
    };
    let panels = [
        ("Staleness of pipelines", "s", vec![
            (format!("max by (view) (twinstore_freshness_staleness_seconds) {CHOSEN}"), "{{view}}"),
            (format!("max by (view) (twinstore_freshness_objective_seconds) {CHOSEN}"), "{{view}} objective"),
        ]),
        ("Stale reads over 5 minutes", "percentunit", vec![(format!("({}) {CHOSEN}", share("5m")), "{{view}}")]),
        ("Error budget left of 30 days", "percentunit", vec![(
            format!("(1 - ({}) / on(view) (1 - max by (view) (twinstore_freshness_target_ratio))) {CHOSEN}", share("30d")),
            "{{view}}",
        )]),
        ("Reads by outcome", "reqps", vec![(
            "sum by (outcome) (rate(twinstore_freshness_view_reads_total[5m]))".to_owned(),
            "{{outcome}}",
        )]),
        ("Stale reads of consumers over 5 minutes", "percentunit", vec![(
            "sum by (service) (rate(twinstore_freshness_service_reads_total{outcome=\"bad\"}[5m])) / sum by (service) (rate(twinstore_freshness_service_reads_total{outcome=~\"good|bad\"}[5m]))".to_owned(),
            "{{service}}",
        )]),
        ("Delay by stage, 99 in 100 rows", "s", vec![(
            "histogram_quantile(0.99, sum by (stage, le) (rate(twinstore_stream_seconds_bucket[5m])))".to_owned(),
            "{{stage}}",
        )]),
        ("Records that wait at the broker", "short", vec![(
            "sum by (view) (twinstore_stream_lag_records)".to_owned(),
            "{{view}}",
        )]),
        ("Refused rows", "short", vec![(
            "sum by (view, reason) (rate(twinstore_stream_refused_total[5m]))".to_owned(),
            "{{view}} {{reason}}",
        )]),
        ("Requests by code", "reqps", vec![(
            "sum by (code) (rate(twinstore_serve_requests_total[5m]))".to_owned(),
            "{{code}}",
        )]),
        ("Parts that answer", "short", vec![
            ("min(twinstore_serve_store_up)".to_owned(), "online store"),
            ("min(twinstore_serve_registry_up)".to_owned(), "registry"),
        ]),
    ];
    let panels: Vec<Value> = panels
        .into_iter()
        .enumerate()
        .map(|(index, (title, unit, queries))| panel(index, title, unit, &queries))
        .collect();
    json!({
        "title": format!("twinstore: {project}"),
        "uid": format!("twinstore-{project}"),
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            {
                "name": "source", "type": "query", "includeAll": true, "multi": true, "allValue": ".*",
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "query": "label_values(twinstore_freshness_view_info, source)",
                "current": {"text": "All", "value": "$__all"},
            },
        ]},
        "panels": panels,
    })
}

/// A panel, two beside each other.
fn panel(index: usize, title: &str, unit: &str, queries: &[(String, &str)]) -> Value {
    let targets: Vec<Value> = (b'A'..=b'Z')
        .zip(queries)
        .map(|(ref_id, (query, legend))| {
            json!({"refId": char::from(ref_id).to_string(), "expr": query, "legendFormat": legend})
        })
        .collect();
    json!({
        "id": index + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": index % 2 * 12, "y": index / 2 * 8, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    })
}
