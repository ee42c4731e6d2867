//! What a file of a view's history must satisfy as a whole, and where that makes sense.

use feature::{BatchCheck, Bound, OnFailure, Source};

use crate::problem::Report;
use crate::yaml::Node;

/// How rows of a view come in.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    /// Its source has files.
    has_files: bool,
    is_derived: bool,
    is_static: bool,
}

impl Ways {
    pub(super) fn of(source: &Source, is_derived: bool) -> Self {
        Self { has_files: source.batch.is_some(), is_derived, is_static: source.event_time.is_none() }
    }

    /// Whether a check of a batch quarantines it; `None` if it cannot be what it says, which is reported.
    pub(super) fn of_batch(
        self,
        node: &Node,
        on_failure: Option<OnFailure>,
        what: &str,
        report: &mut Report<'_>,
    ) -> Option<bool> {
        let at = node.get("on_failure").or_else(|| node.get("severity")).map_or(node.at, |node| node.at);
        match on_failure.unwrap_or(OnFailure::Quarantine) {
            OnFailure::Reject => {
                let why = "concerns a file as a whole, of which no single row is at fault";
                report.at(at, format!("{what} {why}: make `on_failure` `quarantine` or `warn`"));
                None
            }
            on_failure => {
                self.check_quarantine(node, what, report).then_some(on_failure == OnFailure::Quarantine)
            }
        }
    }

    /// Reports a quarantine where there are no files that could be set aside.
    pub(super) fn check_quarantine(self, node: &Node, what: &str, report: &mut Report<'_>) -> bool {
        let why = match self {
            Ways { is_derived: true, .. } => {
                "the view is derived, and its rows were checked when its input took them: put it there"
            }
            Ways { is_static: true, .. } if node.get("unique").and_then(Node::text) == Some("log") => {
                "the source has no event time, so each of its loads has the entities of the one before: make it `unique: true`"
            }
            Ways { has_files: false, .. } => {
                "the source has no `batch`, and rows of a stream are refused one by one: use `reject` or `warn` on rows"
            }
            Ways { .. } => return true,
        };
        report.at(node.at, format!("{what} checks or quarantines files of history, but {why}"));
        false
    }
}

/// The check of a batch that an expectation is; `None` if it concerns rows, or is not valid, which is reported.
pub(super) fn check(node: &Node, what: &str, report: &mut Report<'_>) -> Option<BatchCheck> {
    if let Some(unique) = node.get("unique") {
        let in_log = unique.text() == Some("log");
        return Some(if in_log { BatchCheck::UniqueInLog } else { BatchCheck::Unique });
    }
    if node.get("newest_within").is_some() {
        return node.parse("newest_within").map(BatchCheck::NewestWithin);
    }
    let rows = node.get("rows")?;
    match (rows.get("least"), rows.get("of_last_week")) {
        (Some(least), None) => {
            let number = least.text().and_then(|text| text.parse().ok());
            if number.is_none() {
                report.at(least.at, format!("`least` of {what} is not a whole number: make it one"));
            }
            number.map(|least| BatchCheck::Rows { least })
        }
        (None, Some(_)) => {
            let least: Option<f64> = rows.parse("of_last_week");
            least.and_then(Bound::new).map(|least| BatchCheck::OfLastWeek { least })
        }
        _ => {
            report.at(rows.at, format!("`rows` of {what} needs either `least` or `of_last_week`"));
            None
        }
    }
}

/// The share of failing rows beyond which a file is quarantined, if the view names one.
pub(super) fn max_bad_share(
    root: &Node,
    context: &str,
    quarantines: bool,
    report: &mut Report<'_>,
) -> Option<Bound> {
    let node = root.get("max_bad_share")?;
    if !quarantines {
        let why = "no expectation with `on_failure: quarantine` that rows can fail";
        report.at(node.at, format!("{context} has `max_bad_share` and {why}: remove it, or add one"));
        return None;
    }
    root.parse("max_bad_share").and_then(Bound::new)
}
