//! The online rows of a view written again from its log while others read and write them. Readers see the old row
//! or the new one: rows that are damaged or differ are overwritten, and rows of entities that the log does not
//! have are removed. Rows that a stream wrote and has not committed yet are waited for, and left alone if that
//! takes too long: the stream commits them. Existing rows need not be readable.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{EntityKey, Micros, View};
use offline::{BatchPoint, Log};
use online::{Entities as Known, Layout, Mender, Mending, Outcome, Read};

use super::ahead::{Ahead, Reached};
use super::entities::{Entities, Folded};
use super::passes;
use super::selection::Selection;
use super::writing::{Packed, Packing};
use crate::error::MaterializerError;

/// How long rows that a stream wrote and has not committed are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_millis(20);

/// Online rows that differ from the log's, by entity.
type Open = HashMap<EntityKey, Vec<u8>>;

struct Rebuild<'a, W> {
    online: &'a W,
    view: Arc<View>,
    layout: Arc<Layout>,
    known: Known,
}

/// Writes the fold of the whole log. Returns how many entities it has.
pub(crate) async fn rebuild<W: Mender>(
    log: &mut Log,
    online: &W,
    clock: fn() -> Micros,
) -> Result<u64, MaterializerError> {
    log.refresh().await?;
    let view = log.view().clone();
    // What readers could see stays visible, also if the clock is behind that now.
    let applied_at = online.stats(&view.id).await.ok().and_then(|stats| stats.applied_at);
    let now = move || applied_at.max(Some(clock())).unwrap_or_else(clock);
    let layout = Arc::new(Layout::new(&view));
    let mut rebuild = Rebuild { online, view, layout, known: Known::default() };
    let was_empty = online.is_empty(&rebuild.view.id).await?;
    let mut open = Open::new();
    for range in passes::ranges(log, &rebuild.layout).await? {
        let mut entities = Entities::new(&rebuild.view);
        entities.fold_log(log, now(), Selection::Range(range)).await?;
        entities.for_each_key(|key| rebuild.known.insert(key));
        open.extend(rebuild.mend(&entities, log.version(), None, &Open::new()).await?);
    }
    // The entities of open rows are kept: what is committed from here on is folded into them.
    let mut kept = Entities::new(&rebuild.view);
    if !open.is_empty() {
        let keys = Arc::new(open.keys().cloned().collect());
        kept.fold_log(log, now(), Selection::Keys(keys)).await?;
    }
    // What is there beside the rows written here, where there was none, was written and counted meanwhile.
    if !was_empty {
        open.extend(online.strays(&rebuild.view.id, &rebuild.known).await?);
    }
    let is_settled = rebuild.settle(log, kept, open, &now).await?;
    if !was_empty {
        online.recount(&rebuild.view.id).await?;
    }
    if applied_at.is_none() && !is_settled {
        // When rows that are not in the log were applied is not known any more: a reader may be refused too
        // early, never too late.
        online.replace(&rebuild.view.id, &[], Some(now())).await?;
    }
    Ok(rebuild.known.len() as u64)
}

impl<W: Mender> Rebuild<'_, W> {
    /// Goes on until no row is open, or those that are belong to a stream that makes no progress. `entities` are
    /// those of the open rows, as the log has them at its snapshot. Returns whether all are as the log has them.
    async fn settle(
        &mut self,
        log: &mut Log,
        mut entities: Entities,
        mut open: Open,
        now: impl Fn() -> Micros,
    ) -> Result<bool, MaterializerError> {
        let began = Instant::now();
        let mut is_settled = true;
        while !open.is_empty() {
            let added = log.advance(&[]).await?;
            let keys = Arc::new(open.keys().cloned().collect());
            entities.fold_added(log, &added, now(), Selection::Keys(keys)).await?;
            entities.for_each_key(|key| self.known.insert(key));
            let is_over = began.elapsed() >= PATIENCE;
            let mut over = Open::new();
            let mut waiting = Open::new();
            let mut reached = Reached::by(log, &self.layout);
            for (key, row) in open {
                match reached.ahead(&row).await? {
                    Ahead::OfHistory if is_over => over.insert(key, row),
                    Ahead::No => over.insert(key, row),
                    Ahead::OfStream | Ahead::OfHistory => waiting.insert(key, row),
                };
            }
            if is_over && !waiting.is_empty() {
                tracing::warn!(
                    "{}: the online rows of {} entities are ahead of the log: a stream wrote them and has not committed them yet; they are left to it",
                    self.view.id,
                    waiting.len()
                );
                waiting.clear();
                is_settled = false;
            }
            // Waiting rows may have been written again meanwhile: they are tried too.
            let due: HashSet<EntityKey> = over.keys().chain(waiting.keys()).cloned().collect();
            open = self.mend(&entities, log.version(), Some(Arc::new(due)), &over).await?;
            open.extend(self.remove(&entities, over, waiting).await?);
            entities.keep(|key| open.contains_key(key));
            if !open.is_empty() {
                tokio::time::sleep(REST).await;
            }
        }
        Ok(is_settled)
    }

    /// Writes the folds of all entities or only some. Returns those whose online rows have folded what these have not.
    async fn mend(
        &self,
        entities: &Entities,
        version: Option<u64>,
        only: Option<Arc<HashSet<EntityKey>>>,
        over: &Open,
    ) -> Result<Open, MaterializerError> {
        let mut open = Open::new();
        let Some(version) = version else { return Ok(open) };
        // Raised first: a reader may be refused too early, and never sees a row from its future.
        self.online.replace(&self.view.id, &[], entities.applied_at()).await?;
        let mut packing = Packing::begin(entities, Folded::Committed(version), only, None).await?;
        while let Some(packed) = packing.next().await? {
            let rows = packed.iter().flat_map(Packed::rows);
            let rows: Vec<Mending<'_>> = rows
                .map(|(key, bytes)| Mending { key, bytes, over: over.get(key).map(Vec::as_slice) })
                .collect();
            let outcomes = self.online.mend(&self.view.id, &rows, None).await?;
            BatchPoint::Rebuilding.pass();
            for (outcome, row) in outcomes.into_iter().zip(&rows) {
                if let Outcome::Conflict { current } = outcome {
                    open.insert(row.key.clone(), current);
                }
            }
        }
        Ok(open)
    }

    /// Removes contradicted rows of entities that the log does not have. Returns those that are still there.
    async fn remove(
        &self,
        entities: &Entities,
        over: Open,
        waiting: Open,
    ) -> Result<Open, MaterializerError> {
        let mut left: Open = waiting.into_iter().filter(|(key, _)| !entities.has(key)).collect();
        let gone: Vec<(EntityKey, Vec<u8>)> =
            over.into_iter().filter(|(key, _)| !entities.has(key)).collect();
        self.online.remove(&self.view.id, &gone).await?;
        let keys: Vec<EntityKey> = gone.into_iter().map(|(key, _)| key).chain(left.keys().cloned()).collect();
        let found = self.online.read(&[Read { view: &self.view.id, keys: &keys }]).await?;
        left.clear();
        for (key, row) in keys.into_iter().zip(found.iter().flat_map(|found| found.rows())) {
            left.extend(row.map(|row| (key, row.to_vec())));
        }
        Ok(left)
    }
}
