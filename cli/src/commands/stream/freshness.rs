//! What streams counted of their rows' ways, carried into the registry once a minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feature::VersionId;
use materializer::{Stage, Watch};
use registry::{Freshness, Registry};

use crate::clock;
use crate::failure::Failure;

/// How often it is carried over. A process that is killed loses what it counted since.
pub const EVERY: Duration = Duration::from_secs(60);

/// Rows by stage and by the edge of their bucket, in microseconds; those beyond the last have none.
type Counted = BTreeMap<(Stage, Option<i64>), u64>;

/// What was carried over already, by view.
pub struct Carried {
    registry: Registry,
    watched: Vec<(VersionId, Arc<Watch>, Counted)>,
}

impl Carried {
    /// Nothing was yet.
    pub fn new(registry: Registry, watched: Vec<(VersionId, Arc<Watch>)>) -> Self {
        let watched = watched.into_iter().map(|(view, watch)| (view, watch, BTreeMap::new())).collect();
        Self { registry, watched }
    }

    /// Adds what was counted since the last time to the minute that it is now.
    pub async fn carry(&mut self) -> Result<(), Failure> {
        let now = clock::now();
        let mut counted = Vec::new();
        let mut totals = Vec::with_capacity(self.watched.len());
        for (view, watch, before) in &self.watched {
            let total: Counted =
                watch.counted().into_iter().map(|(stage, edge, rows)| ((stage, edge), rows)).collect();
            for ((stage, edge), rows) in &total {
                let rows = rows.saturating_sub(before.get(&(*stage, *edge)).copied().unwrap_or(0));
                if rows > 0 {
                    let stage = stage.name().to_owned();
                    counted.push(Freshness { view: view.clone(), minute: now, stage, edge_us: *edge, rows });
                }
            }
            totals.push(total);
        }
        self.registry.add_freshness(&counted, now).await?;
        self.watched.iter_mut().zip(totals).for_each(|((.., before), total)| *before = total);
        Ok(())
    }
}
