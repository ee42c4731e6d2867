//! The circuit breaker of a view.

use feature::{Bound, Breaker, Feature, Name, OpenAnswer, Span};

use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::Node;

/// The shortest window: rows are in the log by then.
const SHORTEST_WINDOW: Span = Span::SECOND.times(10);

/// The breaker that a view names; `None` if it names none, or one that is not valid, which is reported.
pub(super) fn breaker(
    root: &Node,
    context: &str,
    (features, has_stream, is_static): (&[Feature], bool, bool),
    report: &mut Report<'_>,
) -> Option<Breaker> {
    let node = root.get("breaker")?;
    let bound = |key: &str| node.parse::<f64>(key).and_then(Bound::new);
    let answers = node.get("answers").and_then(Node::text).and_then(OpenAnswer::named);
    let breaker = Breaker {
        answers: answers.unwrap_or_default(),
        features: held(node, context, features, report),
        bad_share: bound("bad_share"),
        drift: bound("drift"),
        skew: bound("skew"),
        stale: node.parse("stale"),
        window: node.parse("window").unwrap_or(Breaker::WINDOW),
        min_rows: node.parse::<f64>("min_rows").map_or(Breaker::MIN_ROWS, |rows| rows as u64),
        close_after: node.parse("close_after").unwrap_or(Breaker::CLOSE_AFTER),
    };
    if ["bad_share", "drift", "skew", "stale"].iter().all(|rule| node.get(rule).is_none()) {
        let what = format!(
            "`breaker` of {context} never opens by itself: add `bad_share`, `drift`, `skew` or `stale`"
        );
        report.at(node.at, what);
    }
    if let Some(share) = node.get("bad_share").filter(|_| !has_stream) {
        let why = "the source has no `stream`: files are quarantined by `max_bad_share` of the view";
        report.at(
            share.at,
            format!("`bad_share` of the breaker of {context} counts rows of a stream, and {why}"),
        );
    }
    if let Some(stale) = node.get("stale").filter(|_| is_static) {
        let why = "rows of a source without an event time have no age: remove it";
        report.at(stale.at, format!("`stale` of the breaker of {context}: {why}"));
    }
    if let Some(window) = node.get("window").filter(|_| breaker.window < SHORTEST_WINDOW) {
        let what =
            format!("`window` of the breaker of {context} is {}: make it at least 10s", breaker.window);
        report.at(window.at, what);
    }
    if let Some(rows) =
        node.get("min_rows").filter(|rows| rows.text().is_none_or(|text| text.parse::<u64>().is_err()))
    {
        report.at(
            rows.at,
            format!("`min_rows` of the breaker of {context} is not a whole number: make it one"),
        );
    }
    Some(breaker)
}

/// The features that a breaker names, each once.
fn held(node: &Node, context: &str, features: &[Feature], report: &mut Report<'_>) -> Vec<Name> {
    let Some(list) = node.get("features") else { return Vec::new() };
    if list.items().is_empty() {
        let what =
            format!("`features` of the breaker of {context} is empty: name some, or remove it to hold all");
        report.at(list.at, what);
    }
    let mut held = Vec::new();
    for item in list.items() {
        let Some(name) = item.text() else { continue };
        match features.iter().find(|feature| feature.name.as_str() == name) {
            Some(feature) if !held.contains(&feature.name) => held.push(feature.name.clone()),
            Some(_) => {}
            None => {
                let near = did_you_mean_or_list(name, features.iter().map(|feature| feature.name.as_str()));
                let what =
                    format!("the breaker of {context} names `{name}`, which is no feature of it{near}");
                report.at(item.at, what);
            }
        }
    }
    held.sort_unstable();
    held
}
