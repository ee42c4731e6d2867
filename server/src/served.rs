//! A compiled service as this server serves it: what is counted for it, and whether its first use is
//! recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::{Resource, ResourceKind};
use feature::ServicePlan;
use read::FeatureReader;

use crate::freshness::WatchedReads;
use crate::metrics::ServiceMetrics;
use crate::notice::Notice;

/// One version of a service that is served.
#[derive(Debug)]
pub struct Served {
    reader: Arc<FeatureReader>,
    /// What somebody has to be allowed to read.
    resources: Arc<[Resource]>,
    notice: Option<Arc<Notice>>,
    metrics: Arc<ServiceMetrics>,
    watched: Option<Arc<WatchedReads>>,
    /// Whether it is recorded that it is used.
    is_used: AtomicBool,
}

impl Served {
    /// Serves what this reads; nothing is counted yet.
    pub fn new(reader: FeatureReader) -> Self {
        let service = Resource::new(ResourceKind::Service, reader.plan().id.to_string());
        Self {
            resources: [service].into(),
            reader: Arc::new(reader),
            notice: None,
            metrics: Arc::default(),
            watched: None,
            is_used: AtomicBool::new(false),
        }
    }

    /// The same, counted as before, and with this notice in its answers.
    #[must_use]
    pub fn with_notice(&self, notice: Option<Notice>) -> Self {
        Self {
            reader: Arc::clone(&self.reader),
            resources: Arc::clone(&self.resources),
            notice: notice.map(Arc::new),
            metrics: Arc::clone(&self.metrics),
            watched: self.watched.clone(),
            is_used: AtomicBool::new(self.is_used()),
        }
    }

    /// The same, for whoever may read all of these.
    #[must_use]
    pub fn guarded_by(self, resources: impl IntoIterator<Item = Resource>) -> Self {
        Self { resources: resources.into_iter().collect(), ..self }
    }

    /// What somebody has to be allowed to read.
    pub(crate) fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The same, whose reads are counted for freshness objectives.
    #[must_use]
    pub fn watched_by(self, watched: Arc<WatchedReads>) -> Self {
        Self { watched: Some(watched), ..self }
    }

    /// What counts its reads for freshness objectives.
    pub(crate) fn watched(&self) -> Option<&WatchedReads> {
        self.watched.as_deref()
    }

    /// What its answers say beside their body.
    pub fn notice(&self) -> Option<&Arc<Notice>> {
        self.notice.as_ref()
    }

    /// The service's plan.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        self.reader.plan()
    }

    pub(crate) fn reader(&self) -> &FeatureReader {
        &self.reader
    }

    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_use(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// What is counted for the service.
    pub(crate) fn metrics(&self) -> &Arc<ServiceMetrics> {
        &self.metrics
    }
}
