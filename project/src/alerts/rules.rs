//! Rules for Prometheus. Which views and consumers burn their budgets is recorded; one alert for each source and severity
//! counts them and names what it reaches, and a consumer has an alert of its own only while no view that it reads has
//! one. So a source that stops is one alert.

use std::collections::BTreeMap;

use feature::{Name, Span, VersionId};
use monitor::{BurnRule, Severity};
use serde_json::{Value, json};

use super::watched::{Watched, WatchedConsumer, WatchedSource};

/// A kind of subject, as its metrics and rules are called.
#[derive(Clone, Copy)]
enum Subject {
    View,
    Service,
}

impl Subject {
    const fn name(self) -> &'static str {
        match self {
            Subject::View => "view",
            Subject::Service => "service",
        }
    }
}

/// All rules.
pub(super) fn rules(watched: &Watched, help: &str) -> Value {
    let views: Vec<(&VersionId, f64)> = watched
        .sources
        .iter()
        .flat_map(|source| source.views.iter().map(|view| (&view.id, view.target)))
        .collect();
    let consumers: Vec<(&VersionId, f64)> =
        watched.consumers.iter().map(|consumer| (&consumer.id, consumer.target)).collect();
    let mut freshness = Vec::new();
    for (subject, targets) in [(Subject::View, &views), (Subject::Service, &consumers)] {
        if !targets.is_empty() {
            freshness.extend(shares(subject));
            freshness.extend(burns(subject, targets));
        }
    }
    if !watched.features.is_empty() {
        freshness.extend(feature_rules(&watched.features, help));
    }
    for source in &watched.sources {
        freshness.extend(source_alerts(source, help));
    }
    for consumer in &watched.consumers {
        freshness.extend(consumer_alerts(consumer, help));
    }
    json!({"groups": [
        {"name": "twinstore-freshness", "rules": freshness},
        {"name": "twinstore-serving", "rules": serving(help)},
    ]})
}

fn share_name(subject: Subject, window: Span) -> String {
    format!("twinstore:freshness_{}_bad:ratio_rate{window}", subject.name())
}

fn burns_name(subject: Subject, severity: Severity) -> String {
    format!("twinstore:freshness_{}_burns:{}", subject.name(), severity.name())
}

/// The share of bad reads over each window.
fn shares(subject: Subject) -> Vec<Value> {
    let label = subject.name();
    let reads = format!("twinstore_freshness_{label}_reads_total");
    let share = |window: Span| {
        let rate = |outcome: &str| format!("sum by ({label}) (rate({reads}{{{outcome}}}[{window}]))");
        let expression = format!("{} / {}", rate("outcome=\"bad\""), rate("outcome=~\"good|bad\""));
        json!({"record": share_name(subject, window), "expr": expression})
    };
    BurnRule::windows().into_iter().map(share).collect()
}

/// Which of them burn their budgets, by severity: a sample for each.
fn burns(subject: Subject, targets: &[(&VersionId, f64)]) -> Vec<Value> {
    let mut by_target: BTreeMap<u64, Vec<&VersionId>> = BTreeMap::new();
    for (id, target) in targets {
        // Positive floats order as their bits do.
        by_target.entry(target.to_bits()).or_default().push(id);
    }
    let of_severity = |severity: Severity| {
        let mut alternatives = Vec::new();
        for (target, ids) in &by_target {
            let matched = one_of(subject, ids.iter().copied());
            for rule in BurnRule::ALL.iter().filter(|rule| rule.severity == severity) {
                let bound = rule.bad_share(f64::from_bits(*target));
                // What a float cannot hold exactly is no reason to wait for the next read.
                let bound = (bound * 1e9).floor() / 1e9;
                let over = |window| format!("{}{{{matched}}} >= {bound}", share_name(subject, window));
                alternatives.push(format!("({} and {})", over(rule.long), over(rule.short)));
            }
        }
        json!({"record": burns_name(subject, severity), "expr": alternatives.join(" or ")})
    };
    [Severity::Page, Severity::Ticket].into_iter().map(of_severity).collect()
}

/// What is recorded of features with an objective of their own, and one alert for each severity and view, while the view's own
/// budget does not burn.
fn feature_rules(features: &[(VersionId, Name, f64)], help: &str) -> Vec<Value> {
    let share_name = |window: Span| format!("twinstore:freshness_feature_bad:ratio_rate{window}");
    let share = |window: Span| {
        let reads = "twinstore_freshness_feature_reads_total";
        let rate = |outcome: &str| format!("sum by (view, feature) (rate({reads}{{{outcome}}}[{window}]))");
        let expression = format!("{} / {}", rate("outcome=\"bad\""), rate("outcome=~\"good|bad\""));
        json!({"record": share_name(window), "expr": expression})
    };
    let mut rules: Vec<Value> = BurnRule::windows().into_iter().map(share).collect();
    for severity in [Severity::Page, Severity::Ticket] {
        let of_feature = |(view, name, target): &(VersionId, Name, f64)| {
            let of_severity = BurnRule::ALL.iter().filter(|rule| rule.severity == severity);
            let over = |rule: &BurnRule| {
                let bound = (rule.bad_share(*target) * 1e9).floor() / 1e9;
                let over = |window| {
                    format!("{}{{view=\"{view}\",feature=\"{name}\"}} >= {bound}", share_name(window))
                };
                format!("({} and {})", over(rule.long), over(rule.short))
            };
            of_severity.map(over).collect::<Vec<String>>()
        };
        let alternatives: Vec<String> = features.iter().flat_map(of_feature).collect();
        let record = format!("twinstore:freshness_feature_burns:{}", severity.name());
        rules.push(json!({"record": record, "expr": alternatives.join(" or ")}));
    }
    let burning = |severity: Severity| {
        format!("count by (view) (twinstore:freshness_feature_burns:{})", severity.name())
    };
    let of_view = |severity| burns_name(Subject::View, severity);
    let alert = |severity: Severity, expression: String| {
        json!({
            "alert": "TwinstoreFeatureFreshness",
            "expr": expression,
            "labels": {"severity": severity.name()},
            "annotations": {
                "summary": "reads of {{ $value }} features of {{ $labels.view }} are staler than promised of them",
                "action": help,
            },
        })
    };
    let (page, ticket) = (burning(Severity::Page), burning(Severity::Ticket));
    let views = format!("({} or {})", of_view(Severity::Page), of_view(Severity::Ticket));
    rules.push(alert(Severity::Page, format!("{page} unless on(view) {views}")));
    rules.push(alert(Severity::Ticket, format!("{ticket} unless on(view) {page} unless on(view) {views}")));
    rules
}

/// A matcher for these, which have no sign in their names that a regular expression reads otherwise.
fn one_of<'a>(subject: Subject, ids: impl Iterator<Item = &'a VersionId>) -> String {
    let ids: Vec<String> = ids.map(ToString::to_string).collect();
    format!("{}=~\"{}\"", subject.name(), ids.join("|"))
}

/// One alert for each severity that the views of a source burn at; a page stands for the ticket.
fn source_alerts(source: &WatchedSource, help: &str) -> Vec<Value> {
    let matched = one_of(Subject::View, source.views.iter().map(|view| &view.id));
    let burning = |severity| format!("count({}{{{matched}}})", burns_name(Subject::View, severity));
    let summary = format!(
        "reads of {{{{ $value }}}} of {} views of the source {} are staler than promised",
        source.views.len(),
        source.name
    );
    let alert = |severity: Severity, expression: String| {
        json!({
            "alert": "TwinstoreFreshness",
            "expr": expression,
            "labels": {"severity": severity.name(), "source": source.name},
            "annotations": {
                "summary": summary,
                "description": format!("it reaches {}", source.reaches.join(", ")),
                "action": help,
            },
        })
    };
    let (page, ticket) = (burning(Severity::Page), burning(Severity::Ticket));
    vec![alert(Severity::Page, page.clone()), alert(Severity::Ticket, format!("{ticket} unless on() {page}"))]
}

/// The alerts of a consumer, while no view that it reads burns at any severity.
fn consumer_alerts(consumer: &WatchedConsumer, help: &str) -> Vec<Value> {
    let own = one_of(Subject::Service, std::iter::once(&consumer.id));
    let views = one_of(Subject::View, consumer.views.iter());
    let of_views = |severity| format!("{}{{{views}}}", burns_name(Subject::View, severity));
    let shared = format!("(count({} or {}))", of_views(Severity::Page), of_views(Severity::Ticket));
    let burning = |severity| format!("count({}{{{own}}})", burns_name(Subject::Service, severity));
    let alert = |severity: Severity, expression: String| {
        json!({
            "alert": "TwinstoreConsumerFreshness",
            "expr": expression,
            "labels": {"severity": severity.name(), "service": consumer.id.to_string(), "model": consumer.model},
            "annotations": {
                "summary": format!("reads of {} for {} are staler than its owner needs", consumer.id, consumer.model),
                "description": format!(
                    "no view of its own burns its budget; it belongs to {}",
                    consumer.owner.as_deref().unwrap_or("nobody")
                ),
                "action": help,
            },
        })
    };
    let (page, ticket) = (burning(Severity::Page), burning(Severity::Ticket));
    vec![
        alert(Severity::Page, format!("{page} unless on() {shared}")),
        alert(Severity::Ticket, format!("{ticket} unless on() {page} unless on() {shared}")),
    ]
}

/// What is wrong whatever the objectives.
fn serving(help: &str) -> Vec<Value> {
    let alert = |name: &str, expression: &str, after: &str, severity: Severity, summary: &str| {
        json!({
            "alert": name,
            "expr": expression,
            "for": after,
            "labels": {"severity": severity.name()},
            "annotations": {"summary": summary, "action": help},
        })
    };
    let (page, ticket) = (Severity::Page, Severity::Ticket);
    let missing = |window: &str| {
        let of = |outcome: &str| {
            format!("sum by (view) (rate(twinstore_freshness_view_reads_total{outcome}[{window}))")
        };
        format!("({} / {})", of("{outcome=\"missing\"}"), of(""))
    };
    let missing = format!("count({} >= {} + 0.05)", missing("5m]"), missing("1h] offset 5m"));
    vec![
        alert(
            "TwinstoreRowsMissing",
            &missing,
            "5m",
            ticket,
            "more reads of {{ $value }} views find no row than an hour ago: online rows may be lost",
        ),
        alert(
            "TwinstoreNotServed",
            "absent(twinstore_serve_store_up)",
            "2m",
            page,
            "no server is scraped: nobody answers reads, or nobody sees who does",
        ),
        alert(
            "TwinstoreStoreDown",
            "min(twinstore_serve_store_up) == 0",
            "1m",
            page,
            "the online store does not answer",
        ),
        alert(
            "TwinstoreDamagedRows",
            "sum(increase(twinstore_serve_damaged_rows_total[5m])) > 0",
            "0m",
            page,
            "requests are refused because online rows are damaged or lost",
        ),
        alert(
            "TwinstoreServedValuesDiffer",
            "sum by (view) (increase(twinstore_served_values_total{outcome=\"differs\"}[15m])) > 0",
            "0m",
            page,
            "values of {{ $labels.view }} are served that its log does not give",
        ),
        alert(
            "TwinstoreServedValuesUnexpected",
            "sum by (view, expectation) (increase(twinstore_served_expectations_total{outcome=\"unmet\"}[15m])) > 0",
            "0m",
            ticket,
            "values of {{ $labels.view }} are served that are not as it expects: {{ $labels.expectation }}",
        ),
        alert(
            "TwinstoreBreakerOpen",
            "max by (view, feature, answers, rule) (twinstore_breaker_open) > 0",
            "0m",
            ticket,
            "the circuit breaker of {{ $labels.view }} is open{{ with $labels.feature }} for {{ . }}{{ end }}: readers get \
             {{ $labels.answers }}",
        ),
        alert(
            "TwinstoreValuesChanged",
            "max by (view, column, change) (twinstore_value_changes) > 0",
            "0m",
            ticket,
            "values of {{ $labels.view }} are other than on the dates before: {{ $labels.column }} {{ $labels.change }}",
        ),
        alert(
            "TwinstoreRegistryDown",
            "min(twinstore_serve_registry_up) == 0",
            "5m",
            ticket,
            "a server answers by definitions that it cannot follow",
        ),
        alert(
            "TwinstoreTooManyBadRows",
            "max(twinstore_stream_too_many_bad) == 1",
            "5m",
            ticket,
            "more of a partition's newest rows are bad than is allowed",
        ),
    ]
}
