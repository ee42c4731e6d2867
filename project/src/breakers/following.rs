//! What a process that answers reads knows of breakers: looked up again whenever the registry says that something changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use exposition::Page;
use feature::{Micros, Openings};
use registry::{BreakerRecord, Registry};
use server::Breakers;

use crate::error::ProjectError;

/// The breakers of all views as they were looked up last.
#[derive(Clone, Debug, Default)]
pub(crate) struct FollowedBreakers {
    /// What reads keep to.
    pub(crate) breakers: Breakers,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The number of the newest change; `None` before the first look.
    change: Option<i64>,
    records: Vec<BreakerRecord>,
}

impl FollowedBreakers {
    /// Takes on what the registry says, where something changed.
    pub(crate) async fn follow(&self, registry: &Registry) -> Result<(), ProjectError> {
        let change = Some(registry.breaker_changes().await?);
        if self.known().change == change {
            return Ok(());
        }
        let records = registry.breakers().await?;
        self.breakers.replace(Openings::new(records.iter().filter_map(BreakerRecord::opening)));
        *self.known() = Known { change, records };
        Ok(())
    }

    /// The breakers that are open, as Prometheus reads them.
    pub(crate) fn prometheus(&self, now: Micros) -> String {
        let mut page = Page::default();
        let known = self.known();
        let open: Vec<&BreakerRecord> = known.records.iter().filter(|one| one.is_open(now)).collect();
        let (name, since) = ("twinstore_breaker_open", "twinstore_breaker_good_until_seconds");
        if !open.is_empty() {
            page.family(name, "gauge", "1 for each view whose circuit breaker is open, or feature that it holds, by what is answered");
            for one in &open {
                let (view, rule) = (one.view.to_string(), one.rule.as_deref().unwrap_or("none"));
                let labels = [("view", view.as_str()), ("answers", one.answers.name()), ("rule", rule)];
                if one.features.is_empty() {
                    page.sample(name, &labels, 1.0);
                }
                for feature in &one.features {
                    let [view, answers, rule] = labels;
                    page.sample(name, &[view, ("feature", feature.as_str()), answers, rule], 1.0);
                }
            }
            page.family(
                since,
                "gauge",
                "The last good moment of an open breaker, the earliest of a view, in seconds since 1970",
            );
            let mut earliest: BTreeMap<String, Micros> = BTreeMap::new();
            for one in &open {
                let of_view = earliest.entry(one.view.to_string()).or_insert(one.good_until);
                *of_view = one.good_until.min(*of_view);
            }
            for (view, good_until) in &earliest {
                page.sample(since, &[("view", view)], good_until.get() as f64 / 1e6);
            }
        }
        page.into_text()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
