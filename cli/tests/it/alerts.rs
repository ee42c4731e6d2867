//! What `alerts` prints, read by those it is for: promtool runs the rules on series of reads, every metric of the dashboard
//! is one that a server exports, and OpenSLO comes back as it went out.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use test_support::visitors;

use crate::project::{Project, says};
use crate::pushed::with;

const CLICKS: &str = "\
schema: {visitor: int64, at: timestamp, page: string}
event_time: at
stream: {topic: clicks, format: json}
";

/// Two views of one source, one of another, and consumers of all of them.
const DEFINITIONS: &str = "---
kind: source
name: orders
schema: {visitor: int64, at: timestamp, price: float64}
event_time: at
stream: {topic: orders, format: json}
---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
freshness: {objective: 1m, target: 99.9}
breaker: {bad_share: 0.2}
expect:
  - {column: page, not_null: true, stage: served, name: page_is_known}
features:
  page: {latest: page, freshness: {objective: 10s, target: 99}}
---
kind: feature_view
name: pages
version: 2
entity: visitor
source: clicks
freshness: {objective: 5m, target: 99}
features:
  pages: {aggregate: count, freshness: {objective: 1m, target: 99}}
---
kind: feature_view
name: spending
version: 1
entity: visitor
source: orders
freshness: {objective: 1m, target: 99.9}
features:
  spent: {aggregate: sum(price)}
---
kind: feature_service
name: next_page
version: 1
consumer: {model: next-page, owner: web-team, freshness: {target: 99}}
features:
  - {from: visits@1}
  - {from: pages@2}
---
kind: feature_service
name: basket
version: 1
consumer: {model: basket-net, owner: shop-team, freshness: {objective: 10s, target: 99}}
features:
  - {from: spending@1}
";

fn promtool(project: &Project, arguments: &[&str]) -> String {
    let mut command = Command::new("promtool");
    let output = command.args(arguments).current_dir(project.path("")).output();
    let output = output.expect("promtool is not installed: run scripts/install-test-needs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

/// Ten reads a second of something, every ten seconds for eleven hours: good ones, and bad ones from the third hour to the
/// fourth where it is stale.
fn series(kind: &str, id: &str, is_stale: bool) -> String {
    let reads = |outcome: &str, values: &str| {
        format!(
            "    - series: 'twinstore_freshness_{kind}_reads_total{{{kind}=\"{id}\",outcome=\"{outcome}\"}}'\n      values: '{values}'\n"
        )
    };
    if is_stale {
        reads("good", "0+100x1080 108000+0x360 108000+100x2520")
            + &reads("bad", "0+0x1080 0+100x360 36000+0x2520")
    } else {
        reads("good", "0+100x3960") + &reads("bad", "0+0x3960")
    }
}

/// What promtool expects of one alert at a moment: none, or one with these labels and this reach.
fn expects(at: &str, alert: &str, expected: &str) -> String {
    format!("    - eval_time: {at}\n      alertname: {alert}\n      exp_alerts:{expected}\n")
}

/// A test of the rules on these series.
fn rule_test(series: &[String], expectations: &[String]) -> String {
    format!(
        "rule_files: [rules.yaml]\nevaluation_interval: 1m\ntests:\n- interval: 10s\n  input_series:\n{}    - series: 'twinstore_serve_store_up'\n      values: '1+0x3960'\n  alert_rule_test:\n{}",
        series.concat(),
        expectations.concat()
    )
}

#[test]
fn a_source_that_stops_is_one_alert_that_names_what_it_reaches_and_clears_when_it_is_mended() {
    let project = with(&(visitors(CLICKS) + DEFINITIONS));
    let rules = project.ok("alerts");
    project.write("rules.yaml", &rules);
    says(&promtool(&project, &["check", "rules", "rules.yaml"]), &["SUCCESS"]);
    // The source `clicks` stops for an hour, and with it both of its views and their consumer.
    let all = [
        series("view", "visits@1", true),
        series("view", "pages@2", true),
        series("view", "spending@1", false),
        series("service", "next_page@1", true),
        series("service", "basket@1", false),
    ];
    let action = "run `twinstore doctor`, which names the probable cause; `twinstore slo` shows the budgets";
    let one = format!(
        "\n        - exp_labels: {{severity: page, source: clicks}}\n          exp_annotations:\n            summary: reads of 2 of 2 views of the source clicks are staler than promised\n            description: it reaches pages@2, visits@1, next_page@1 (model next-page)\n            action: {action}"
    );
    let none = " []";
    let fresh = "TwinstoreFreshness";
    let expectations = [
        expects("2h59m", fresh, none),
        expects("3h20m", fresh, &one),
        expects("3h20m", "TwinstoreConsumerFreshness", none),
        expects("3h20m", "TwinstoreNotServed", none),
        expects("3h59m", fresh, &one),
        expects("10h10m", fresh, none),
        expects("10h10m", "TwinstoreConsumerFreshness", none),
    ];
    project.write("test.yaml", rule_test(&all, &expectations));
    says(&promtool(&project, &["test", "rules", "test.yaml"]), &["SUCCESS"]);
}

#[test]
fn a_feature_that_is_promised_fresher_than_its_view_has_an_alert_that_gives_way_to_the_views() {
    let project = with(&(visitors(CLICKS) + DEFINITIONS));
    project.write("rules.yaml", project.ok("alerts"));
    says(&promtool(&project, &["check", "rules", "rules.yaml"]), &["SUCCESS"]);
    let feature = |is_stale| {
        series("view", "visits@1", is_stale)
            .replace("freshness_view", "freshness_feature")
            .replace("visits@1\"", "visits@1\",feature=\"page\"")
    };
    let action = "run `twinstore doctor`, which names the probable cause; `twinstore slo` shows the budgets";
    let one = format!(
        "\n        - exp_labels: {{severity: page, source: clicks}}\n          exp_annotations:\n            summary: reads of 1 of 2 features of the source clicks that are promised fresher than their views are staler\n            description: it reaches pages@2, visits@1, next_page@1 (model next-page)\n            action: {action}"
    );
    let alert = "TwinstoreFeatureFreshness";
    let alone = [series("view", "visits@1", false), feature(true)];
    let expectations =
        [expects("2h59m", alert, " []"), expects("3h20m", alert, &one), expects("10h10m", alert, " []")];
    project.write("test.yaml", rule_test(&alone, &expectations));
    says(&promtool(&project, &["test", "rules", "test.yaml"]), &["SUCCESS"]);
    // Whichever view of the source burns: it is one alert.
    let with_view = [series("view", "pages@2", true), feature(true)];
    project.write("test.yaml", rule_test(&with_view, &[expects("3h20m", alert, " []")]));
    says(&promtool(&project, &["test", "rules", "test.yaml"]), &["SUCCESS"]);
}

#[test]
fn an_open_breaker_and_an_unexpected_served_value_are_tickets_that_name_what_they_are_about() {
    let project = with(&(visitors(CLICKS) + DEFINITIONS));
    project.write("rules.yaml", project.ok("alerts"));
    let breaker = |feature: &str| {
        format!(
            "    - series: 'twinstore_breaker_open{{view=\"visits@1\",{feature}answers=\"last_known_good\",rule=\"bad_share\"}}'\n      values: '_x60 1x60 _x3840'\n"
        )
    };
    let unmet = "    - series: 'twinstore_served_expectations_total{view=\"visits@1\",expectation=\"page_is_known\",outcome=\"unmet\"}'\n      values: '0x60 0+1x3 3x3896'\n";
    let action = "run `twinstore doctor`, which names the probable cause; `twinstore slo` shows the budgets";
    let opened = |label: &str, held: &str| {
        format!(
            "\n        - exp_labels: {{severity: ticket, view: visits@1, {label}answers: last_known_good, rule: bad_share}}\n          exp_annotations:\n            summary: 'the circuit breaker of visits@1 is open{held}: readers get last_known_good'\n            action: {action}"
        )
    };
    let unexpected = format!(
        "\n        - exp_labels: {{severity: ticket, view: visits@1, expectation: page_is_known}}\n          exp_annotations:\n            summary: 'values of visits@1 are served that are not as it expects: page_is_known'\n            action: {action}"
    );
    let (breaks, expected) = ("TwinstoreBreakerOpen", "TwinstoreServedValuesUnexpected");
    let expectations = [
        expects("5m", breaks, " []"),
        expects("15m", breaks, &opened("feature: page, ", " for page")),
        expects("40m", breaks, " []"),
        expects("5m", expected, " []"),
        expects("15m", expected, &unexpected),
        expects("1h", expected, " []"),
    ];
    project.write("test.yaml", rule_test(&[breaker("feature=\"page\","), unmet.to_owned()], &expectations));
    says(&promtool(&project, &["test", "rules", "test.yaml"]), &["SUCCESS"]);
    project.write("test.yaml", rule_test(&[breaker("")], &[expects("15m", breaks, &opened("", ""))]));
    says(&promtool(&project, &["test", "rules", "test.yaml"]), &["SUCCESS"]);
}

#[test]
fn a_consumer_that_needs_more_than_its_views_promise_has_an_alert_of_its_own_and_a_quiet_day_has_none() {
    let project = with(&(visitors(CLICKS) + DEFINITIONS));
    project.write("rules.yaml", project.ok("alerts"));
    let views = ["visits@1", "pages@2", "spending@1"].map(|view| series("view", view, false));
    let services = [series("service", "next_page@1", false), series("service", "basket@1", true)];
    let one = "\n        - exp_labels: {severity: page, service: basket@1, model: basket-net}\n          exp_annotations:\n            summary: reads of basket@1 for basket-net are staler than its owner needs\n            description: no view of its own burns its budget; it belongs to shop-team\n            action: run `twinstore doctor`, which names the probable cause; `twinstore slo` shows the budgets";
    let expectations =
        [expects("3h20m", "TwinstoreFreshness", " []"), expects("3h20m", "TwinstoreConsumerFreshness", one)];
    let all: Vec<String> = views.iter().chain(&services).cloned().collect();
    project.write("test.yaml", rule_test(&all, &expectations));
    says(&promtool(&project, &["test", "rules", "test.yaml"]), &["SUCCESS"]);

    let quiet = [series("service", "next_page@1", false), series("service", "basket@1", false)];
    let all: Vec<String> = views.iter().chain(&quiet).cloned().collect();
    let times = ["10m", "1h", "4h", "9h"];
    let quiet: Vec<String> = times
        .into_iter()
        .flat_map(|at| {
            ["TwinstoreFreshness", "TwinstoreConsumerFreshness"].map(|alert| expects(at, alert, " []"))
        })
        .collect();
    project.write("test.yaml", rule_test(&all, &quiet));
    says(&promtool(&project, &["test", "rules", "test.yaml"]), &["SUCCESS"]);
}

/// The metrics that a text names, histograms without the ends of their samples.
fn metrics_of(text: &str) -> BTreeSet<String> {
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    let words = text.split(|sign: char| !is_part(sign));
    let words = words.filter(|word| word.starts_with("twinstore_"));
    words.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

#[test]
fn every_metric_of_the_dashboard_and_of_the_rules_is_one_that_is_exported() {
    let project = with(&(visitors(CLICKS) + DEFINITIONS));
    let dashboard = project.ok("alerts --format grafana");
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed["panels"].as_array().unwrap().len() >= 10, "{dashboard}");
    let document = include_str!("../../../docs/metrics.md");
    let named = metrics_of(&(dashboard + &project.ok("alerts")));
    assert!(named.len() > 10, "{named:?}");
    for metric in named {
        assert!(document.contains(&format!("`{metric}`")), "docs/metrics.md does not name {metric}");
    }
}

#[test]
fn openslo_comes_back_as_it_went_out_and_a_difference_is_shown_as_the_line_to_write() {
    let project = with(&(visitors(CLICKS) + DEFINITIONS));
    let written = project.ok("alerts --format openslo");
    assert_eq!(written.matches("apiVersion: \"openslo/v1\"").count(), 7, "{written}");
    project.write("objectives.yaml", &written);
    let compared = project.json("slo --from-openslo objectives.yaml");
    let compared = compared.as_array().unwrap();
    assert_eq!(compared.len(), 7);
    for one in compared {
        assert_eq!(one["line"], one["registered"], "{one}");
    }
    let feature = compared.iter().find(|one| one["feature"] == "page").unwrap();
    assert_eq!(
        (&feature["id"], &feature["line"]),
        (&json!("visits@1"), &json!("freshness: {objective: 10s, target: 99}"))
    );
    project.write("objectives.yaml", written.replace("target: 0.999\n", "target: 0.995\n"));
    let said = project.ok("slo --from-openslo objectives.yaml");
    says(&said, &["visits@1", "differs", "freshness: {objective: 1m, target: 99.5}", "target: 99.9}"]);
    project.write("objectives.yaml", "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: x}\n");
    says(&project.refused("slo --from-openslo objectives.yaml"), &["document 1", "annotation"]);
    project.write("other.yaml", "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: x}\n");
    project.write("empty.yaml", "");
    for file in ["other.yaml", "empty.yaml"] {
        says(&project.refused(&format!("slo --from-openslo {file}")), &[file, "has no objective", "`SLO`"]);
    }
    project.write("broken.yaml", "a: [");
    says(&project.refused("slo --from-openslo broken.yaml"), &["broken.yaml: document 1: "]);
}
