//! The online rows of the last good moment of a view, which lie beside its own while its circuit breaker is open: written,
//! written again, and kept up with what is committed late.
//!
//! They are the fold that training has at a label while the breaker is open, so whatever changes that fold changes them: a
//! load of history brings rows that were visible at the moment, and a stream may commit one late. Up to which commit they
//! are folded is noted beside them. What retention dropped is the exception: of a log that lacks rows which the moment
//! needs there is no fold, labels are refused, and the rows stay what they were.

use std::sync::Arc;

use feature::{EntityKey, Micros, Opening, View};
use offline::Log;
use online::{Mender, Read};

use crate::error::MaterializerError;
use crate::fold::{as_of, prefix};
use crate::materializer::Materializer;

/// How often the rows of a last good moment are written at most because some were committed meanwhile.
const KEPT_TRIES: usize = 3;
/// How often a row is removed that another writer puts back meanwhile.
const REMOVE_TRIES: usize = 100;

impl<W: Mender> Materializer<W> {
    /// Writes the online rows of the last good moment of a view beside its rows, from its log, for an opening that is new: what
    /// is there under its number is dropped first. Where a row of that moment is committed meanwhile, or an entity is
    /// forgotten, it begins again; a load that commits such rows all the time is not waited for. Returns how many entities
    /// there were. Refused where the log is older than the online rows, or lacks rows that the moment needs.
    pub async fn keep_rows(&self, view: &Arc<View>, opening: &Opening) -> Result<u64, MaterializerError> {
        self.whole_log(view, opening.good_until).await?;
        self.online.drop_held(&opening.kept_rows()).await?;
        self.keep_rows_again(view, opening).await
    }

    /// The same for rows that are there: readers get the old ones or the new ones.
    pub async fn keep_rows_again(
        &self,
        view: &Arc<View>,
        opening: &Opening,
    ) -> Result<u64, MaterializerError> {
        let (under, at) = (opening.kept_rows(), opening.good_until);
        let mut tries = 0;
        loop {
            tries += 1;
            let forgotten = self.offline.forgotten()?;
            let log = self.whole_log(view, at).await?;
            let entities = as_of::write_as_of(&log, &self.online, &under, at).await?;
            if self.offline.check_forgotten(&forgotten, &log).is_err() {
                continue;
            }
            let newest = self.offline.log(view).await?;
            let is_late = match log.version() {
                Some(version) => as_of::has_added_as_of(&newest, version, at).await?,
                None => newest.version().is_some(),
            };
            if !is_late || tries >= KEPT_TRIES {
                // Of nobody there is nothing to keep up.
                if entities > 0 {
                    prefix::note_under(&log, &self.online, &under).await?;
                }
                return Ok(entities);
            }
        }
    }

    /// Writes the rows of a last good moment again where rows that were visible at it were committed since. Returns whether
    /// there were any. Rows that are lost stay so, and rows whose moment needs what retention dropped stay as they are.
    pub async fn keep_late_rows(
        &self,
        view: &Arc<View>,
        opening: &Opening,
    ) -> Result<bool, MaterializerError> {
        let (under, at) = (opening.kept_rows(), opening.good_until);
        if self.online.stats(&under).await?.applied_at.is_none() {
            return Ok(false);
        }
        let noted = self.online.folded_commit(&under).await?.map(|noted| noted.version);
        let log = match self.whole_log(view, at).await {
            Err(MaterializerError::GoodExpired { .. }) => return Ok(false),
            log => log?,
        };
        if noted.is_some() && log.version() <= noted {
            return Ok(false);
        }
        // Rows of an earlier release have no note.
        let is_late = match noted {
            Some(version) => as_of::has_added_as_of(&log, version, at).await?,
            None => true,
        };
        match is_late {
            true => drop(self.keep_rows_again(view, opening).await?),
            false => prefix::note_under(&log, &self.online, &under).await?,
        }
        Ok(is_late)
    }

    /// Removes the row of an entity from those of a last good moment. Returns whether there was one.
    pub async fn forget_kept(&self, opening: &Opening, key: &EntityKey) -> Result<bool, MaterializerError> {
        let under = opening.kept_rows();
        let mut was_there = false;
        for _ in 0..REMOVE_TRIES {
            let found = self.online.read(&[Read { view: &under, keys: std::slice::from_ref(key) }]).await?;
            let Some(row) = found.first().and_then(|found| found.row(0)).map(<[u8]>::to_vec) else {
                return Ok(was_there);
            };
            was_there = true;
            self.online.remove(&under, &[(key.clone(), row)]).await?;
        }
        Err(MaterializerError::OnlineConflict { view: opening.view.clone() })
    }

    /// The log, if it is not older than the online rows and has every row that a moment needs. Where the online rows are those
    /// of another log, the log is what is right.
    async fn whole_log(&self, view: &Arc<View>, at: Micros) -> Result<Log, MaterializerError> {
        // Read before the log is: a commit that is noted is there.
        let noted = self.online.folded_commit(&view.id).await?;
        let log = self.offline.log(view).await?;
        if let Some(noted) = noted {
            match prefix::check_log(&log, noted).await {
                Err(MaterializerError::OtherLog { .. }) => {}
                checked => checked?,
            }
        }
        match (log.expired_before().await?, log.labels_from().await?) {
            (Some(before), Some(from)) if at < from => {
                Err(MaterializerError::GoodExpired { view: view.id.clone(), good_until: at, before, from })
            }
            _ => Ok(log),
        }
    }
}
