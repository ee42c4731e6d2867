//! A view's storage freed of files that no kept version needs.
//!
//! Who reads which rows commits have added gets it done first: statistics count all rows, and every online row becomes the
//! fold of the newest version, so that it can be folded again for a comparison. A derived view takes its rows when it is
//! loaded, and the files of those are kept.

use std::sync::Arc;

use feature::{Micros, View};
use offline::{KeptVersions, OfflineError, ReadLock, Vacuumed};
use online::Mender;
use serde::Serialize;

use crate::error::MaterializerError;
use crate::fold::rebuild;
use crate::history::versions_to_derive_from;
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::materializer::Materializer;
use crate::statistics::count_statistics;

/// How often it is begun again because others commit meanwhile.
const TRIES: usize = 20;

/// Which versions of a view's log are kept.
#[derive(Debug)]
pub struct Vacuum {
    /// What keeps readers away that last, taken before it was decided what is kept; none while there are some, and nothing
    /// is removed then.
    pub readers: Option<ReadLock>,
    /// Those that were current at this moment or later. It is no later than when the lock was taken: who reads without one
    /// began after that.
    pub current_since: Micros,
    /// Those that training sets were built from.
    pub training_sets: Vec<u64>,
    /// The views that are derived from it.
    pub derived: Vec<Arc<View>>,
    /// Whether anything is removed, and not only counted.
    pub removes: bool,
}

/// What was removed of a view, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VacuumedOfView {
    /// Of its log.
    pub log: Vacuumed,
    /// Of its statistics.
    pub statistics: Vacuumed,
    /// Whether somebody reads its log for long, so that nothing was removed.
    pub is_read: bool,
}

impl<W: Mender> Materializer<W> {
    /// Removes the files of a view's log that nobody needs any more. Readers and writers go on. Interrupted anywhere, it
    /// goes on when it is repeated.
    pub async fn vacuum(
        &self,
        view: &Arc<View>,
        vacuum: &Vacuum,
    ) -> Result<VacuumedOfView, MaterializerError> {
        for _ in 1..TRIES {
            match self.try_vacuum(view, vacuum).await {
                Err(MaterializerError::Offline(error @ OfflineError::Conflict { .. })) => {
                    tracing::debug!("{}: {error}", view.id);
                }
                done => return done,
            }
        }
        self.try_vacuum(view, vacuum).await
    }

    async fn try_vacuum(
        &self,
        view: &Arc<View>,
        vacuum: &Vacuum,
    ) -> Result<VacuumedOfView, MaterializerError> {
        let mut log = self.offline.log(view).await?;
        if log.version().is_none() {
            return Ok(VacuumedOfView::default());
        }
        let _lock = LoadLock::acquire(&log).await?;
        log.refresh().await?;
        let kept = self.kept(vacuum).await?;
        let going = log.vacuumable(&kept).await?;
        let mut statistics = self.offline.statistics(&view.id).await?;
        let going_too = statistics.vacuumable(vacuum.current_since).await?;
        let is_read = vacuum.removes && vacuum.readers.is_none();
        if !vacuum.removes || is_read {
            let (log, statistics) = (going.summary(), going_too.summary());
            return Ok(VacuumedOfView { log, statistics, is_read });
        }
        if going.has_files() {
            count_statistics(&self.offline, view, None).await?;
            let turn = LoadTurn::begin(&mut log).await?;
            rebuild::rebuild(&mut log, &self.online, self.clock).await?;
            turn.settle(&mut log).await?;
        }
        let log = log.vacuum(&going).await?;
        let statistics = statistics.vacuum(&going_too).await?;
        Ok(VacuumedOfView { log, statistics, is_read })
    }

    async fn kept(&self, vacuum: &Vacuum) -> Result<KeptVersions, MaterializerError> {
        let mut kept = KeptVersions {
            current_since: vacuum.current_since,
            versions: vacuum.training_sets.iter().copied().collect(),
            rows_after: None,
        };
        for derived in &vacuum.derived {
            for version in versions_to_derive_from(&self.offline.log(derived).await?).await? {
                kept.versions.insert(version);
                kept.rows_after = Some(kept.rows_after.map_or(version, |after| after.min(version)));
            }
        }
        Ok(kept)
    }
}
