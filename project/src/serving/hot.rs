//! The hot tier in front of the online store: how large it is, who follows the store for it, what its
//! views allow while the store is out of reach, and what it counts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exposition::{Sample, SampleKind};
use feature::{Micros, View};
use online::{HotTier, Store, TableOptions, TierOptions, TierStats};
use registry::Registered;

use crate::error::ProjectError;
use crate::project::Clock;
use crate::settings::ServeSettings;

/// Before a store that could not be followed is followed again: at first, and at last.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The tier that the settings ask for; the store itself where they ask for none.
pub(super) enum Read {
    /// Rows are read from the store.
    Direct(Store),
    /// Rows are read through the tier.
    Hot(Arc<HotTier<Store>>),
}

/// How the store is read.
pub(super) fn before(store: Store, settings: &ServeSettings, clock: Clock) -> Result<Read, ProjectError> {
    if settings.hot_bytes == 0 {
        return Ok(Read::Direct(store));
    }
    let options = TierOptions {
        table: TableOptions::evicting(settings.hot_bytes),
        longest_outage: settings.longest_outage,
    };
    let tier =
        HotTier::new(store, options, clock).ok_or(ProjectError::HotMemory { bytes: settings.hot_bytes })?;
    Ok(Read::Hot(Arc::new(tier)))
}

/// Follows the store for as long as it is polled. Where it cannot be followed, that is said once, and
/// tried again.
pub(super) async fn follow(tier: &HotTier<Store>) -> Infallible {
    let mut pause = PAUSE;
    let mut said = String::new();
    loop {
        let began = Instant::now();
        let sentence = tier.follow().await.to_string();
        if began.elapsed() > LONGEST_PAUSE {
            pause = PAUSE;
            said.clear();
        }
        if sentence != said {
            tracing::warn!("changes of the online store cannot be followed: {sentence}");
            said = sentence;
        }
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// While the store is out of reach, rows are answered for as long as the freshness objective of their view
/// allows them to be behind, and never beyond its ttl.
pub(super) fn allow(tier: &HotTier<Store>, registered: &Registered) {
    let outage = |view: &Arc<View>| {
        let objective = view.freshness.and_then(|freshness| freshness.objective);
        Some((view.id.clone(), objective.into_iter().chain(view.ttl).min()?))
    };
    tier.allow(registered.views().filter_map(outage));
}

/// What the tier counts.
pub(super) fn samples(counts: &TierStats, now: Micros) -> Vec<Sample> {
    use SampleKind::{Counter, Gauge};
    let sample = |name, kind, value, help| Sample { name, help, kind, value };
    let behind = counts.lost_since.map_or(0, |since| now.since(since).max(0));
    vec![
        sample(
            "twinstore_tier_hits_total",
            Counter,
            counts.hits as f64,
            "Keys whose row, or whose absence, was in memory",
        ),
        sample(
            "twinstore_tier_misses_total",
            Counter,
            counts.misses as f64,
            "Keys that were read from the online store",
        ),
        sample(
            "twinstore_tier_evictions_total",
            Counter,
            counts.evictions as f64,
            "Rows that were evicted for others",
        ),
        sample(
            "twinstore_tier_outages_total",
            Counter,
            counts.outages as f64,
            "Reads that were answered from memory because the online store did not answer",
        ),
        sample(
            "twinstore_tier_entries",
            Gauge,
            counts.entries as f64,
            "Rows in memory, and keys known to have none",
        ),
        sample("twinstore_tier_bytes", Gauge, counts.bytes as f64, "Memory that they take"),
        sample(
            "twinstore_tier_followed",
            Gauge,
            f64::from(u8::from(counts.is_followed)),
            "1 while the online store tells of its changes, else 0",
        ),
        sample(
            "twinstore_tier_behind_seconds",
            Gauge,
            behind as f64 / 1e6,
            "How long the online store has not vouched for what is in memory",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_in_the_document() {
        let document = include_str!("../../../docs/metrics.md");
        for sample in samples(&TierStats::default(), Micros::MAX) {
            assert!(document.contains(&format!("`{}`", sample.name)), "docs/metrics.md: {}", sample.name);
        }
    }
}
