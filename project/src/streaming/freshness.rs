//! What streams counted of their rows' ways, carried into the registry once a minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feature::VersionId;
use materializer::{LatencyStage, StreamMetrics};
use registry::{Freshness, Registry};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use crate::error::ProjectError;
use crate::project::Clock;

/// How often it is carried over. A process that is killed loses what it counted since.
const EVERY: Duration = Duration::from_secs(60);

/// Rows by stage and by the edge of their bucket, in microseconds; those beyond the last have none.
type Counted = BTreeMap<(LatencyStage, Option<i64>), u64>;

/// What is carried from the board into the registry, and what was already.
pub(super) struct Carrying {
    registry: Registry,
    board: Arc<Board>,
    clock: Clock,
    /// A view whose stream began again has two counts for a while.
    carried: Vec<(VersionId, Arc<StreamMetrics>, Counted)>,
}

impl Carrying {
    /// Nothing was yet.
    pub(super) fn new(registry: Registry, board: Arc<Board>, clock: Clock) -> Self {
        Self { registry, board, clock, carried: Vec::new() }
    }

    /// Carries over once a minute, and once more when it is told to stop. The streams go on where that fails: it is
    /// tried again, with what came since.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = stop.cancelled() => true,
            };
            if let Err(error) = self.carry().await {
                tracing::warn!("how fresh the views are was not kept: {error}");
            }
            if is_last {
                return;
            }
        }
    }

    /// Adds what was counted since the last time to the minute that it is now.
    async fn carry(&mut self) -> Result<(), ProjectError> {
        let watched = self.board.watched();
        for (view, watch) in &watched {
            if !self.carried.iter().any(|(_, known, _)| Arc::ptr_eq(known, watch)) {
                self.carried.push((view.clone(), watch.clone(), Counted::new()));
            }
        }
        let now = (self.clock)();
        let mut counted = Vec::new();
        let mut totals = Vec::with_capacity(self.carried.len());
        for (view, watch, before) in &self.carried {
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
        self.carried.iter_mut().zip(totals).for_each(|((.., before), total)| *before = total);
        // A stream that was replaced counts no more.
        self.carried.retain(|(_, known, _)| watched.iter().any(|(_, watch)| Arc::ptr_eq(known, watch)));
        Ok(())
    }
}
