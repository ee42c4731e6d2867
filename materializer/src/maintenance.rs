//! Operations that read no source: online rows written again from the log, compaction of the log, and the removal of
//! all that is stored of a view.

use std::sync::Arc;

use feature::{Opening, View};
use offline::{BatchPoint, OfflineStore, Optimized};
use online::{Mender, Writer};

use crate::blocking;
use crate::error::MaterializerError;
use crate::fold::{prefix, rebuild, sync};
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::materializer::Materializer;

/// How often the rows of a last good moment are written at most because some were committed meanwhile.
const KEPT_TRIES: usize = 3;

/// Removes what is stored of a view, its online rows first.
pub(crate) async fn remove<W: Writer>(
    offline: &OfflineStore,
    online: &W,
    view: &Arc<View>,
) -> Result<(), MaterializerError> {
    online.drop_view(&view.id).await?;
    BatchPoint::OnlineFreed.pass();
    let (offline, id) = (offline.clone(), view.id.clone());
    blocking::run(move || offline.remove(&id)).await??;
    BatchPoint::LogFreed.pass();
    Ok(())
}

impl<W: Mender> Materializer<W> {
    /// Writes every online row of the view again from its whole log, while others read and write: readers see the
    /// old row or the new one. It takes a turn, as loads do: a load whose rows are online ahead of their
    /// commit starts over. Returns how many entities the log has.
    pub async fn rebuild(&self, view: &Arc<View>) -> Result<u64, MaterializerError> {
        let _lock = LoadLock::acquire(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        let turn = match log.version() {
            Some(_) => Some(LoadTurn::begin(&mut log).await?),
            None => None,
        };
        let entities = loop {
            let forgotten = self.offline.forgotten()?;
            let entities = rebuild::rebuild(&mut log, &self.online, self.clock).await?;
            if self.offline.check_forgotten(&forgotten, &log).is_ok() {
                break entities;
            }
            // What was folded may have been read before; whoever is not in the log any more is removed.
            log = self.offline.log(view).await?;
        };
        if let Some(turn) = turn {
            turn.settle(&mut log).await?;
        }
        prefix::note(&log, &self.online).await?;
        Ok(entities)
    }

    /// Writes the online rows of the last good moment of a view beside its rows, from its log; those that were there are
    /// dropped first. Where a row of that moment is committed meanwhile, or an entity is forgotten, it begins again; a load
    /// that commits such rows all the time is not waited for. Returns how many entities there were.
    pub async fn keep_rows(&self, view: &Arc<View>, opening: &Opening) -> Result<u64, MaterializerError> {
        let (under, at) = (opening.kept_rows(), opening.good_until);
        let mut tries = 0;
        loop {
            tries += 1;
            let forgotten = self.offline.forgotten()?;
            let log = self.offline.log(view).await?;
            self.online.drop_view(&under).await?;
            let entities = sync::write_as_of(&log, &self.online, &under, at).await?;
            if self.offline.check_forgotten(&forgotten, &log).is_err() {
                continue;
            }
            let newest = self.offline.log(view).await?;
            let is_late = match log.version() {
                Some(version) => sync::has_added_as_of(&newest, version, at).await?,
                None => newest.version().is_some(),
            };
            if !is_late || tries >= KEPT_TRIES {
                return Ok(entities);
            }
        }
    }

    /// Removes all that is stored of a view version that is not used any more: online rows first, then dead letters
    /// and log. A load that is running is waited for. Interrupted anywhere, it goes on when it is repeated.
    pub async fn free(&self, view: &Arc<View>) -> Result<(), MaterializerError> {
        // A log that was removed in part cannot be opened, and nothing loads it.
        let _lock = match self.offline.log(view).await {
            Ok(log) => Some(LoadLock::acquire_to_remove(&log).await?),
            Err(_) => None,
        };
        remove(&self.offline, &self.online, view).await
    }

    /// Folds the view's whole log into the online store. Returns how many entities were written.
    pub async fn sync(&self, view: &Arc<View>) -> Result<u64, MaterializerError> {
        let mut log = self.offline.log(view).await?;
        let written = sync::sync(&mut log, &self.online, self.clock).await?;
        prefix::note(&log, &self.online).await?;
        Ok(written)
    }

    /// Compacts the view's log if it has more files than this. Readers and writers go on.
    pub async fn compact(
        &self,
        view: &Arc<View>,
        files: usize,
    ) -> Result<Option<Optimized>, MaterializerError> {
        let mut log = self.offline.log(view).await?;
        let live = log.snapshot()?.map_or(0, |snapshot| snapshot.files.len());
        Ok(if live > files { Some(log.optimize().await?) } else { None })
    }
}
