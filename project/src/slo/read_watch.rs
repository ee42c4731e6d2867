//! What a server watches of its reads: for each view how far its pipeline is and how its reads were, for each consumer
//! with an objective how its reads were. Counts go on when definitions change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exposition::Page;
use feature::{Consumer, Micros, ServicePlan, VersionId, View};
use monitor::{Pipeline, ReadCounts, ReadOutcome, UpdateFrequency};
use registry::{Kind, Measured, Registered};
use server::{ReadCounter, WatchedConsumer, WatchedFeature, WatchedReads, WatchedView};

/// What reads are counted of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Subject {
    /// Whether it is a view or a service.
    pub(crate) kind: Kind,
    /// Which.
    pub(crate) id: VersionId,
    /// What is measured of it.
    pub(crate) measured: Measured,
}

impl Subject {
    /// A view, and what is measured of it.
    pub(crate) fn view(id: &VersionId, measured: Measured) -> Self {
        Self { kind: Kind::FeatureView, id: id.clone(), measured }
    }

    /// How fresh the reads of a service are.
    pub(crate) fn service(id: &VersionId) -> Self {
        Self { kind: Kind::FeatureService, id: id.clone(), measured: Measured::Reads }
    }
}

/// What is watched.
#[derive(Debug, Default)]
pub(crate) struct ReadWatch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    views: BTreeMap<VersionId, WatchedView>,
    consumers: BTreeMap<VersionId, Arc<ReadCounter>>,
    /// What `/metrics` says of views: their source, domain and target.
    labels: BTreeMap<VersionId, ViewLabels>,
}

/// A family: its name, its help, and a value for each view.
type Gauge = (&'static str, &'static str, Vec<(String, f64)>);

#[derive(Clone, Debug)]
struct ViewLabels {
    source: String,
    domain: String,
    target: Option<f64>,
}

impl ReadWatch {
    /// Takes on the views that are registered.
    pub(crate) fn follow(&self, registered: &Registered) {
        let mut watched = self.watched();
        let before = std::mem::take(&mut watched.views);
        watched.labels.clear();
        for view in registered.views().filter(|view| !view.is_static) {
            let known = before.get(&view.id);
            let one = WatchedView {
                within: view.freshness.and_then(|freshness| freshness.objective),
                is_critical: view.about.tags.get("critical").is_some_and(|critical| critical == "true"),
                pipeline: known.map(|known| known.pipeline.clone()).unwrap_or_default(),
                reads: known.map(|known| known.reads.clone()).unwrap_or_default(),
                features: watched_features(view, known),
            };
            let labels = ViewLabels {
                source: registered
                    .first_source_of(view)
                    .map_or_else(|_| String::new(), |s| s.name.to_string()),
                domain: view.about.tags.get("domain").cloned().unwrap_or_default(),
                target: view.freshness.map(|freshness| freshness.target),
            };
            watched.views.insert(view.id.clone(), one);
            watched.labels.insert(view.id.clone(), labels);
        }
        let services: Vec<&VersionId> = registered.services().map(|service| &service.id).collect();
        watched.consumers.retain(|id, _| services.contains(&id));
    }

    /// What counts the reads of a plan; `consumer` is the one that its service is for.
    pub(crate) fn of(&self, plan: &ServicePlan, consumer: Option<&Consumer>) -> Arc<WatchedReads> {
        let mut watched = self.watched();
        let consumer = consumer.and_then(|consumer| consumer.freshness).map(|freshness| WatchedConsumer {
            within: freshness.objective,
            reads: watched.consumers.entry(plan.id.clone()).or_default().clone(),
        });
        let has_own = consumer.as_ref().is_some_and(|consumer| consumer.within.is_some());
        let is_counted = |view: &&WatchedView| has_own || view.within.is_some() || !view.features.is_empty();
        let view = |id| watched.views.get(id).filter(is_counted).cloned();
        let views = plan.lookups.iter().map(|lookup| view(&lookup.view.id)).collect();
        Arc::new(WatchedReads::new(views, consumer))
    }

    /// How far the pipeline of a view is; `None` if that is not known.
    pub(crate) fn pipeline(&self, view: &VersionId) -> Option<Pipeline> {
        self.watched().views.get(view)?.pipeline.get()
    }

    /// Every view that is watched.
    pub(super) fn views(&self) -> Vec<(VersionId, WatchedView)> {
        self.watched().views.iter().map(|(id, view)| (id.clone(), view.clone())).collect()
    }

    /// What was counted so far of everything. What has no objective is not counted, and goes on once it has one again.
    pub(super) fn counts(&self) -> Vec<(Subject, ReadCounts)> {
        let watched = self.watched();
        let views =
            watched.views.iter().map(|(id, view)| (Subject::view(id, Measured::Reads), view.reads.counts()));
        let features = watched.views.iter().flat_map(|(id, view)| {
            let of = move |one: &WatchedFeature| {
                (Subject::view(id, Measured::Feature(one.name.clone())), one.reads.counts())
            };
            view.features.iter().map(of)
        });
        let consumers = watched.consumers.iter();
        let consumers = consumers.map(|(id, reads)| (Subject::service(id), reads.counts()));
        views.chain(features).chain(consumers).collect()
    }

    /// All of it at a moment, as Prometheus reads it.
    pub(crate) fn prometheus(&self, now: Micros) -> String {
        let watched = self.watched();
        let mut page = Page::default();
        let views: Vec<_> = watched.views.iter().filter(|(_, view)| view.within.is_some()).collect();
        let (reads, help) =
            ("twinstore_freshness_view_reads_total", "Reads of views, by how fresh they were");
        if !views.is_empty() {
            page.family(reads, "counter", help);
        }
        for (id, view) in &views {
            samples(&mut page, reads, ("view", id), view.reads.counts());
        }
        let (reads, help) = (
            "twinstore_freshness_service_reads_total",
            "Reads of services, by how fresh the stalest view was",
        );
        if !watched.consumers.is_empty() {
            page.family(reads, "counter", help);
        }
        for (id, counter) in &watched.consumers {
            samples(&mut page, reads, ("service", id), counter.counts());
        }
        watched.expose_features(&mut page);
        let objective = |(id, view): &(&VersionId, &WatchedView)| {
            Some((id.to_string(), view.within?.micros() as f64 / 1e6))
        };
        let target = |(id, _): &(&VersionId, &WatchedView)| {
            Some((id.to_string(), watched.labels.get(id)?.target? / 100.0))
        };
        let staleness = |(id, view): &(&VersionId, &WatchedView)| {
            Some((id.to_string(), view.pipeline.get()?.staleness_us(now) as f64 / 1e6))
        };
        let gauges: [Gauge; 3] = [
            (
                "twinstore_freshness_objective_seconds",
                "How stale a good read is at most",
                views.iter().filter_map(objective).collect(),
            ),
            (
                "twinstore_freshness_target_ratio",
                "The share of good reads that is promised",
                views.iter().filter_map(target).collect(),
            ),
            (
                "twinstore_freshness_staleness_seconds",
                "How old the newest event is that the pipeline has brought online",
                views.iter().filter_map(staleness).collect(),
            ),
        ];
        for (name, help, values) in gauges.iter().filter(|(_, _, values)| !values.is_empty()) {
            page.family(name, "gauge", help);
            values.iter().for_each(|(view, value)| page.sample(name, &[("view", view)], *value));
        }
        watched.expose_labels(&mut page, &views);
        page.into_text()
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The features of a view that have objectives of their own, with what was counted of them so far.
fn watched_features(view: &View, known: Option<&WatchedView>) -> Vec<WatchedFeature> {
    let known = known.map(|known| known.features.as_slice()).unwrap_or_default();
    let of = |(name, freshness): (&feature::Name, &feature::Freshness)| {
        Some(WatchedFeature {
            name: name.clone(),
            feature: view.feature(name.as_str())?,
            within: freshness.objective?,
            reads: known
                .iter()
                .find(|known| known.name == *name)
                .map(|known| known.reads.clone())
                .unwrap_or_default(),
        })
    };
    view.feature_freshness.iter().filter_map(of).collect()
}

impl Watched {
    /// The reads of features that have objectives of their own, and the objectives.
    fn expose_features(&self, page: &mut Page) {
        let views = self.views.iter().map(|(id, view)| (id.to_string(), view));
        let features: Vec<(String, &WatchedFeature)> = views
            .flat_map(|(id, view)| view.features.iter().map(move |feature| (id.clone(), feature)))
            .collect();
        if features.is_empty() {
            return;
        }
        let reads = "twinstore_freshness_feature_reads_total";
        page.family(
            reads,
            "counter",
            "Reads of features with an objective of their own, by how fresh they were",
        );
        for (view, feature) in &features {
            let counts = feature.reads.counts();
            for outcome in ReadOutcome::ALL {
                let labels = [
                    ("view", view.as_str()),
                    ("feature", feature.name.as_str()),
                    ("outcome", outcome.name()),
                ];
                page.sample(reads, &labels, counts.get(outcome) as f64);
            }
        }
        let objective = "twinstore_freshness_feature_objective_seconds";
        page.family(objective, "gauge", "How stale a good read of a feature is at most");
        for (view, feature) in &features {
            let labels = [("view", view.as_str()), ("feature", feature.name.as_str())];
            page.sample(objective, &labels, feature.within.micros() as f64 / 1e6);
        }
    }

    /// By what views are grouped, as a sample that is always 1.
    fn expose_labels(&self, page: &mut Page, views: &[(&VersionId, &WatchedView)]) {
        let info = "twinstore_freshness_view_info";
        let labelled = views.iter().filter_map(|(id, view)| {
            Some((id.to_string(), self.labels.get(id)?, UpdateFrequency::of(view.within)))
        });
        let labelled: Vec<_> = labelled.collect();
        if !labelled.is_empty() {
            page.family(
                info,
                "gauge",
                "The source, the domain and the update frequency of each view with an objective",
            );
        }
        for (view, labels, frequency) in labelled {
            let labels = [
                ("view", view.as_str()),
                ("source", &labels.source),
                ("domain", &labels.domain),
                ("frequency", frequency.name()),
            ];
            page.sample(info, &labels, 1.0);
        }
    }
}

/// The counts of one view or service.
fn samples(page: &mut Page, name: &str, (label, id): (&str, &VersionId), counts: ReadCounts) {
    let id = id.to_string();
    for outcome in ReadOutcome::ALL {
        page.sample(name, &[(label, &id), ("outcome", outcome.name())], counts.get(outcome) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_freshness_is_in_the_document() {
        let watch = ReadWatch::default();
        let id: VersionId = "clicks@1".parse().unwrap();
        let view = WatchedView {
            within: Some(feature::Span::MINUTE),
            is_critical: false,
            pipeline: Arc::default(),
            reads: Arc::default(),
            features: vec![WatchedFeature {
                name: "page".parse().unwrap(),
                feature: 0,
                within: feature::Span::SECOND,
                reads: Arc::default(),
            }],
        };
        let now = Micros::new(1_370_001_600_000_000).unwrap();
        view.pipeline.set(Some(Pipeline { newest: now, as_of: now }));
        let labels = ViewLabels { source: "clicks".to_owned(), domain: "web".to_owned(), target: Some(99.0) };
        watch.watched().views.insert(id.clone(), view);
        watch.watched().labels.insert(id.clone(), labels);
        watch.watched().consumers.insert(id, Arc::default());
        let page = watch.prometheus(now);
        let document = include_str!("../../../docs/metrics.md");
        let names: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert_eq!(names.len(), 8, "{page}");
        for name in names {
            assert!(document.contains(&format!("`{name}`")), "docs/metrics.md does not name {name}");
        }
        assert!(
            page.contains(
                "twinstore_freshness_view_info{view=\"clicks@1\",source=\"clicks\",domain=\"web\",frequency=\"minute\"} 1"
            )
        );
        assert!(page.contains("twinstore_freshness_target_ratio{view=\"clicks@1\"} 0.99"), "{page}");
    }
}
