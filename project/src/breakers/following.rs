//! What a process that answers reads knows of breakers: looked up again whenever the registry says that something changed. A
//! server looks in a task of its own, as reads wait for it where the last look is too long ago.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exposition::Page;
use feature::{Micros, Openings};
use registry::{BreakerRecord, Registry, RegistryError};
use server::Breakers;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::background::Background;
use crate::error::ProjectError;
use crate::project::Project;

/// The time between two looks of a server.
const EVERY: Duration = Duration::from_millis(250);
/// How long a look of a server may take: then the registry counts as one that cannot be read.
const MOST: Duration = Duration::from_secs(2);

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

    /// Looks again and again, until it is stopped.
    pub(crate) fn begin(&self, project: &Project, registry: &Registry) -> Background<()> {
        let (breakers, project, registry) = (self.clone(), project.clone(), registry.clone());
        let what = "no server learns which circuit breakers are open";
        Background::begin(what, |stop| breakers.look_until(project, registry, stop))
    }

    async fn look_until(self, project: Project, mut registry: Registry, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let began = project.now();
            // Whoever follows the definitions says that the registry cannot be read.
            match timeout(MOST, self.look(&project, &mut registry)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!("circuit breakers cannot be looked up: {error}"),
                Err(_) => tracing::debug!("circuit breakers cannot be looked up within {MOST:?}"),
            }
            self.breakers.looked(began);
        }
    }

    /// Looks once. A registry that was replaced is opened again.
    async fn look(&self, project: &Project, registry: &mut Registry) -> Result<(), ProjectError> {
        if let Err(error @ RegistryError::Gone { .. }) = registry.generation().await {
            *registry = project.registry_so_far().await?.ok_or(error)?;
            // The numbers of its changes are its own.
            self.known().change = None;
        }
        self.follow(registry).await
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
