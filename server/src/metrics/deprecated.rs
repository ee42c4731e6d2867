//! What is counted of answers that deprecated versions gave.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use exposition::Page;
use feature::ServicePlan;

use crate::notice::Notice;

/// Answers that deprecated versions gave, by service and version: no more than there are registered.
#[derive(Debug, Default)]
pub(crate) struct DeprecatedCounts(Mutex<BTreeMap<(String, String), u64>>);

impl DeprecatedCounts {
    /// An answer of this service, or of views that none names, to which deprecated versions belong.
    pub fn answered(&self, plan: &ServicePlan, notice: &Notice) {
        let service = if plan.hash.is_empty() { "views".to_owned() } else { plan.id.to_string() };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for version in &notice.versions {
            *counts.entry((service.clone(), version.clone())).or_default() += 1;
        }
    }

    /// Writes all of it.
    pub fn expose(&self, page: &mut Page) {
        let answers = "twinstore_serve_deprecated_answers_total";
        page.family(
            answers,
            "counter",
            "Answers that a deprecated version belongs to, by service and version",
        );
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((service, version), count) in counts.iter() {
            page.sample(answers, &[("service", service), ("version", version)], *count as f64);
        }
    }
}
