//! Operations that read no source: online rows written again from the log, compaction of the log, and the removal of
//! all that is stored of a view.

use std::sync::Arc;

use feature::View;
use offline::{BatchPoint, OfflineStore, Optimized};
use online::{Mender, Writer};

use crate::blocking;
use crate::error::MaterializerError;
use crate::fold::{prefix, rebuild, sync};
use crate::history::{is_offline_first, refuse_beside};
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::materializer::Materializer;

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
    /// commit starts over. Refused where nothing of the view is to be online yet. Returns how many entities the log has.
    pub async fn rebuild(&self, view: &Arc<View>) -> Result<u64, MaterializerError> {
        let _lock = LoadLock::acquire(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        if is_offline_first(&log).await? {
            refuse_beside(&log, true).await?;
        }
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
