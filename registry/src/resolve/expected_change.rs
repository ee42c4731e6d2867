//! The changes that a new version declares: of which features, within which bounds, and why.

use std::collections::BTreeMap;

use feature::{Bound, ExpectedChange};

use crate::draft::Draft;
use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::{Entry, Node};

/// The keys of a declared change that are bounds.
const BOUNDS: [&str; 5] = ["psi", "ks", "mean", "nulls", "equal"];

/// The changes that a definition declares of its features, by their names.
pub(super) fn expected_changes<'a>(
    draft: &Draft,
    features: impl Iterator<Item = &'a str> + Clone,
    report: &mut Report<'_>,
) -> BTreeMap<String, ExpectedChange> {
    let entries = draft.root().get("expect_change").map(Node::entries).unwrap_or_default();
    let change = |entry: &Entry| {
        let what = format!("`expect_change` of {}", draft.context());
        if !features.clone().any(|name| name == entry.key) {
            let near = did_you_mean_or_list(&entry.key, features.clone());
            report.at(entry.at, format!("{what} names `{}`, which is no feature of it{near}", entry.key));
        }
        if !BOUNDS.iter().any(|bound| entry.value.get(bound).is_some()) && !entry.value.entries().is_empty() {
            let what = format!("{what} gives no bound for `{}`: add one of {}", entry.key, BOUNDS.join(", "));
            report.at(entry.at, what);
        }
        let bound = |key: &str| entry.value.parse(key).and_then(Bound::new);
        let change = ExpectedChange {
            reason: entry.value.string("reason")?,
            psi: bound("psi"),
            ks: bound("ks"),
            mean: bound("mean"),
            nulls: bound("nulls"),
            equal: bound("equal"),
        };
        Some((entry.key.clone(), change))
    };
    entries.iter().filter_map(change).collect()
}
