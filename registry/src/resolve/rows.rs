//! Which rows a feature view reads: those of a source, or those of another view.

use std::borrow::Cow;
use std::sync::Arc;

use feature::{Source, VersionId, View, ViewSource};

use crate::catalog::Readable;
use crate::draft::Draft;
use crate::problem::{Mark, Report};
use crate::yaml::{Content, Node};

use super::known::{Known, referred};
use super::take::readable;

/// The rows that a view reads.
pub(super) struct Rows<'k> {
    /// Their columns and times.
    pub(super) source: Cow<'k, Source>,
    /// What the view calls them.
    pub(super) named: ViewSource,
    /// The view whose rows they are, of a derived view.
    pub(super) input: Option<Arc<View>>,
}

/// The view whose rows a draft reads, with where it names it; none where it reads a source.
pub(super) fn reads(draft: &Draft) -> Vec<(VersionId, Mark)> {
    let node = draft.root().get("source").and_then(|source| source.get("view"));
    node.and_then(|node| Some((node.text()?.parse().ok()?, node.at))).into_iter().collect()
}

/// The rows that a view reads; `None` where there are none such, which is reported, or where what it names has a
/// problem of its own, which is not.
pub(super) fn rows<'k>(
    root: &Node,
    context: &str,
    known: &'k Known<'_>,
    report: &mut Report<'_>,
) -> Option<Rows<'k>> {
    let node = root.get("source")?;
    if !matches!(node.content, Content::Map(_)) {
        let source = referred(root, "source", &known.sources, known.is_complete, report)?;
        let named = ViewSource::Named(source.name.clone());
        return Some(Rows { source: Cow::Borrowed(source), named, input: None });
    }
    let at = node.get("view")?.at;
    let id: VersionId = node.parse("view")?;
    let readable = if known.on_demand.contains(&id) { None } else { Some(readable(at, &id, known, report)?) };
    let Some(Readable::View(input)) = readable else {
        let why = "which is an on-demand view and has no rows: name a feature view";
        report.at(at, format!("{context} reads {id}, {why}"));
        return None;
    };
    if input.is_static {
        let why = "whose rows have no event time, so it is not known at which moments its features changed: read a \
                   view of a source that has an `event_time`";
        report.at(at, format!("{context} reads {id}, {why}"));
        return None;
    }
    let keys = input.keys.iter().map(|key| &key.name);
    let mut columns = keys.chain(input.features.iter().map(|feature| &feature.name));
    if let Some(taken) = columns.find(|name| View::row_times().contains(*name)) {
        let why = format!(
            "which is what a time of its rows is called: rename it in the next version of {}",
            id.name
        );
        report.at(at, format!("{context} reads {id}, which has a column `{taken}`, {why}"));
        return None;
    }
    let named = ViewSource::View { view: id };
    Some(Rows { source: Cow::Owned(input.as_source()), named, input: Some(Arc::clone(input)) })
}
