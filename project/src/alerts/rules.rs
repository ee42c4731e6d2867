//! Rules for Prometheus. Which views and consumers burn their budgets is recorded; one alert for each source and severity
//! counts them and names what it reaches, and a consumer has an alert of its own only while no view that it reads has
//! one. So a source that stops is one alert.

use std::collections::{BTreeMap, BTreeSet};

use feature::{Span, VersionId};
use monitor::{BurnRule, Severity};
use serde_json::{Value, json};

use super::watched::{Watched, WatchedConsumer, WatchedFeature, WatchedSource};

/// A kind of subject, as its metrics and rules are called.
#[derive(Clone, Copy)]
enum Subject {
    View,
    Service,
    Feature,
}

impl Subject {
    const fn name(self) -> &'static str {
        match self {
            Subject::View => "view",
            Subject::Service => "service",
            Subject::Feature => "feature",
        }
    }

    /// The labels that tell its subjects apart.
    const fn labels(self) -> &'static str {
        match self {
            Subject::View => "view",
            Subject::Service => "service",
            Subject::Feature => "view, feature",
        }
    }
}

/// All rules.
pub(super) fn rules(watched: &Watched, help: &str) -> Value {
    let views = watched.sources.iter().flat_map(|source| &source.views);
    let consumers = &watched.consumers;
    let features = watched.sources.iter().flat_map(|source| &source.features);
    let all = [
        (Subject::View, by_target(Subject::View, views.map(|view| (&view.id, view.target)))),
        (Subject::Service, by_target(Subject::Service, consumers.iter().map(|one| (&one.id, one.target)))),
        (Subject::Feature, features_by_target(features)),
    ];
    let mut freshness = Vec::new();
    for (subject, matched) in all.iter().filter(|(_, matched)| !matched.is_empty()) {
        freshness.extend(shares(*subject));
        freshness.extend(burns(*subject, matched));
    }
    for source in &watched.sources {
        freshness.extend(source_alerts(source, help));
        freshness.extend(feature_alerts(source, help));
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
    let labels = subject.labels();
    let reads = format!("twinstore_freshness_{}_reads_total", subject.name());
    let share = |window: Span| {
        let rate = |outcome: &str| format!("sum by ({labels}) (rate({reads}{{{outcome}}}[{window}]))");
        let expression = format!("{} / {}", rate("outcome=\"bad\""), rate("outcome=~\"good|bad\""));
        json!({"record": share_name(subject, window), "expr": expression})
    };
    BurnRule::windows().into_iter().map(share).collect()
}

/// A matcher for the views or services of each target.
fn by_target<'a>(
    subject: Subject,
    targets: impl Iterator<Item = (&'a VersionId, f64)>,
) -> Vec<(String, f64)> {
    let mut by_target: BTreeMap<u64, Vec<&VersionId>> = BTreeMap::new();
    for (id, target) in targets {
        // Positive floats order as their bits do.
        by_target.entry(target.to_bits()).or_default().push(id);
    }
    let matched = by_target.into_iter();
    matched.map(|(target, ids)| (one_of(subject, ids.into_iter()), f64::from_bits(target))).collect()
}

/// A matcher for the features of each view and target.
fn features_by_target<'a>(features: impl Iterator<Item = &'a WatchedFeature>) -> Vec<(String, f64)> {
    let mut by_target: BTreeMap<(&VersionId, u64), Vec<&str>> = BTreeMap::new();
    for feature in features {
        by_target.entry((&feature.view, feature.target.to_bits())).or_default().push(feature.name.as_str());
    }
    let matched = by_target.into_iter();
    matched
        .map(|((view, target), names)| {
            (format!("view=\"{view}\",feature=~\"{}\"", names.join("|")), f64::from_bits(target))
        })
        .collect()
}

/// Which of them burn their budgets, by severity: a sample for each.
fn burns(subject: Subject, matched: &[(String, f64)]) -> Vec<Value> {
    let of_severity = |severity: Severity| {
        let mut alternatives = Vec::new();
        for (matched, target) in matched {
            for rule in BurnRule::ALL.iter().filter(|rule| rule.severity == severity) {
                // What a float cannot hold exactly is no reason to wait for the next read.
                let bound = (rule.bad_share(*target) * 1e9).floor() / 1e9;
                let over = |window| format!("{}{{{matched}}} >= {bound}", share_name(subject, window));
                alternatives.push(format!("({} and {})", over(rule.long), over(rule.short)));
            }
        }
        json!({"record": burns_name(subject, severity), "expr": alternatives.join(" or ")})
    };
    [Severity::Page, Severity::Ticket].into_iter().map(of_severity).collect()
}

/// A matcher for these, which have no sign in their names that a regular expression reads otherwise.
fn one_of<'a>(subject: Subject, ids: impl Iterator<Item = &'a VersionId>) -> String {
    let ids: Vec<String> = ids.map(ToString::to_string).collect();
    format!("{}=~\"{}\"", subject.name(), ids.join("|"))
}

/// Those of a subject that burn at a severity, or at any.
fn burning(subject: Subject, matched: &str, severity: Severity) -> String {
    format!("{}{{{matched}}}", burns_name(subject, severity))
}

fn burning_at_all(subject: Subject, matched: &str) -> String {
    let of = |severity| burning(subject, matched, severity);
    format!("{} or {}", of(Severity::Page), of(Severity::Ticket))
}

/// One alert for each severity that the views of a source burn at; a page stands for the ticket.
fn source_alerts(source: &WatchedSource, help: &str) -> Vec<Value> {
    if source.views.is_empty() {
        return Vec::new();
    }
    let matched = one_of(Subject::View, source.views.iter().map(|view| &view.id));
    let summary = format!(
        "reads of {{{{ $value }}}} of {} views of the source {} are staler than promised",
        source.views.len(),
        source.name
    );
    let counted = |severity| format!("count({})", burning(Subject::View, &matched, severity));
    let (page, ticket) = (counted(Severity::Page), counted(Severity::Ticket));
    let alert = SourceAlert { source, name: "TwinstoreFreshness", summary, help };
    vec![alert.at(Severity::Page, &page), alert.at(Severity::Ticket, &format!("{ticket} unless on() {page}"))]
}

/// One alert for each severity that features of a source burn objectives of their own at, while no view of the source
/// burns: a source that stops is one alert.
fn feature_alerts(source: &WatchedSource, help: &str) -> Vec<Value> {
    if source.features.is_empty() {
        return Vec::new();
    }
    let matched: BTreeSet<&VersionId> = source.features.iter().map(|feature| &feature.view).collect();
    let matched = one_of(Subject::View, matched.into_iter());
    let views = one_of(Subject::View, source.views.iter().map(|view| &view.id));
    let shared = match source.views.is_empty() {
        true => String::new(),
        false => format!(" unless on() (count({}))", burning_at_all(Subject::View, &views)),
    };
    let summary = format!(
        "reads of {{{{ $value }}}} of {} features of the source {} that are promised fresher than their views are staler",
        source.features.len(),
        source.name
    );
    let counted = |severity| format!("count({})", burning(Subject::Feature, &matched, severity));
    let (page, ticket) = (counted(Severity::Page), counted(Severity::Ticket));
    let alert = SourceAlert { source, name: "TwinstoreFeatureFreshness", summary, help };
    vec![
        alert.at(Severity::Page, &format!("{page}{shared}")),
        alert.at(Severity::Ticket, &format!("{ticket} unless on() {page}{shared}")),
    ]
}

/// An alert of a source, at any severity.
struct SourceAlert<'a> {
    source: &'a WatchedSource,
    name: &'static str,
    summary: String,
    help: &'a str,
}

impl SourceAlert<'_> {
    fn at(&self, severity: Severity, expression: &str) -> Value {
        json!({
            "alert": self.name,
            "expr": expression,
            "labels": {"severity": severity.name(), "source": self.source.name},
            "annotations": {
                "summary": self.summary,
                "description": format!("it reaches {}", self.source.reaches.join(", ")),
                "action": self.help,
            },
        })
    }
}

/// The alerts of a consumer, while no view that it reads burns at any severity, and no feature of such a view.
fn consumer_alerts(consumer: &WatchedConsumer, help: &str) -> Vec<Value> {
    let own = one_of(Subject::Service, std::iter::once(&consumer.id));
    let views = one_of(Subject::View, consumer.views.iter());
    let shared = [Subject::View, Subject::Feature].map(|subject| burning_at_all(subject, &views));
    let shared = format!("(count({}))", shared.join(" or "));
    let counted = |severity| format!("count({})", burning(Subject::Service, &own, severity));
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
    let (page, ticket) = (counted(Severity::Page), counted(Severity::Ticket));
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
