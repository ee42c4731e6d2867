//! A compiled service as this server serves it: what is counted for it, and whether its first use is
//! recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use feature::ServicePlan;
use read::FeatureReader;

use crate::metrics::ServiceMetrics;

/// One version of a service that is served.
#[derive(Debug)]
pub struct Served {
    reader: FeatureReader,
    metrics: Arc<ServiceMetrics>,
    /// Whether it is recorded that it is used.
    is_used: AtomicBool,
}

impl Served {
    /// Serves what this reads; nothing is counted yet.
    pub fn new(reader: FeatureReader) -> Self {
        Self { reader, metrics: Arc::default(), is_used: AtomicBool::new(false) }
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
