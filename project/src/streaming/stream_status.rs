//! How streams are going, for those who ask meanwhile: what each counts, why one stopped, and which do not get all of
//! their rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exposition::Page;
use feature::VersionId;
use materializer::{StreamMetrics, expose_streams};
use monitor::BadShare;

/// How the streams are going.
#[derive(Debug, Default)]
pub(crate) struct StreamStatus {
    entries: Mutex<BTreeMap<VersionId, Entry>>,
    /// Rows that views refused before they were taken into a topic, which so never has them.
    refused_pushes: Mutex<BTreeMap<VersionId, u64>>,
}

#[derive(Debug)]
struct Entry {
    watch: Arc<StreamMetrics>,
    /// Why it stopped.
    failure: Option<String>,
}

impl StreamStatus {
    /// Why a view's stream stopped; none where it goes on, or is not followed here.
    pub(crate) fn failure(&self, view: &VersionId) -> Option<String> {
        self.entries().get(view)?.failure.clone()
    }

    /// The views that do not get all of their rows, each with the reason.
    pub(crate) fn degraded(&self) -> Vec<(VersionId, String)> {
        let degraded = |(view, entry): (&VersionId, &Entry)| {
            let bad = || {
                let report = entry.watch.report()?;
                let shares = report.partitions.iter();
                let (_, share) = shares.filter_map(|(p, at)| Some((*p, at.too_many_bad?))).next()?;
                Some(format!(
                    "{} of its newest {} rows are bad, and among its dead letters",
                    share.bad, share.rows
                ))
            };
            Some((view.clone(), entry.failure.clone().or_else(bad)?))
        };
        self.entries().iter().filter_map(degraded).collect()
    }

    /// What the streams count, in the text format of Prometheus.
    pub(crate) fn prometheus(&self) -> String {
        let mut page = Page::default();
        expose_streams(&self.watched(), &mut page);
        page.into_text()
    }

    /// What counts for each view just now.
    pub(crate) fn watched(&self) -> Vec<(VersionId, Arc<StreamMetrics>)> {
        self.entries().iter().map(|(view, entry)| (view.clone(), entry.watch.clone())).collect()
    }

    /// Counts a row that a view refused before it was taken into the topic.
    pub(crate) fn refuses_push(&self, view: &VersionId) {
        let mut refused = self.refused_pushes.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(view.clone()).or_default() += 1;
    }

    /// The rows of a view's stream that were refused for what is wrong with them, and all that were taken or refused;
    /// `None` if it is not followed here.
    pub(crate) fn refused(&self, view: &VersionId) -> Option<BadShare> {
        let report = self.watch(view)?.report();
        let refused = report.iter().flat_map(|report| &report.refused);
        let of_stream: u64 = refused.filter(|(reason, _)| is_fault(reason)).map(|(_, rows)| rows).sum();
        let pushes = self.refused_pushes.lock().unwrap_or_else(PoisonError::into_inner);
        let bad = of_stream + pushes.get(view).copied().unwrap_or_default();
        Some(BadShare { bad, rows: bad + report.map_or(0, |report| report.rows_loaded) })
    }

    pub(crate) fn watch(&self, view: &VersionId) -> Option<Arc<StreamMetrics>> {
        Some(self.entries().get(view)?.watch.clone())
    }

    pub(super) fn begins(&self, view: VersionId, watch: Arc<StreamMetrics>) {
        self.entries().insert(view, Entry { watch, failure: None });
    }

    /// A view that is not followed any more, because it is no longer there to be followed.
    pub(super) fn forget(&self, view: &VersionId) {
        self.entries().remove(view);
    }

    pub(super) fn failed(&self, view: &VersionId, why: String) {
        if let Some(entry) = self.entries().get_mut(view) {
            entry.failure = Some(why);
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<VersionId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a row that is refused for this reason is wrong. One that happened before its stream starts is history's.
pub(crate) fn is_fault(reason: &str) -> bool {
    !["before_stream", "null_key", "forgotten"].contains(&reason)
}
