//! The circuit breaker of a view.

use feature::{Bound, Breaker, OpenAnswer, Span};

use crate::problem::Report;
use crate::yaml::Node;

/// The shortest window: rows are in the log by then.
const SHORTEST_WINDOW: Span = Span::SECOND.times(10);

/// The breaker that a view names; `None` if it names none, or one that is not valid, which is reported.
pub(super) fn breaker(
    root: &Node,
    context: &str,
    has_stream: bool,
    report: &mut Report<'_>,
) -> Option<Breaker> {
    let node = root.get("breaker")?;
    let bound = |key: &str| node.parse::<f64>(key).and_then(Bound::new);
    let answers = node.get("answers").and_then(Node::text).and_then(OpenAnswer::named);
    let breaker = Breaker {
        answers: answers.unwrap_or_default(),
        bad_share: bound("bad_share"),
        drift: bound("drift"),
        skew: bound("skew"),
        window: node.parse("window").unwrap_or(Breaker::WINDOW),
        min_rows: node.parse::<f64>("min_rows").map_or(Breaker::MIN_ROWS, |rows| rows as u64),
        close_after: node.parse("close_after").unwrap_or(Breaker::CLOSE_AFTER),
    };
    if ["bad_share", "drift", "skew"].iter().all(|rule| node.get(rule).is_none()) {
        let what =
            format!("`breaker` of {context} never opens by itself: add `bad_share`, `drift` or `skew`");
        report.at(node.at, what);
    }
    if let Some(share) = node.get("bad_share").filter(|_| !has_stream) {
        let why = "the source has no `stream`: files are quarantined by `max_bad_share` of the view";
        report.at(
            share.at,
            format!("`bad_share` of the breaker of {context} counts rows of a stream, and {why}"),
        );
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
