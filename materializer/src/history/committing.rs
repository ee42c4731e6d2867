//! The commits of a load: each chunk of rows is one, made while the rows of the next are read, and the online store
//! follows the last.

use offline::{BatchPoint, Written};
use online::Mender;

use super::chunk::{Chunk, Encoding, HistoryLoad};
use super::load_report::LoadReport;
use super::loaded_files;
use super::mode::Mode;
use crate::blocking;
use crate::error::MaterializerError;
use crate::fold::again;
use crate::fold::online_first::OnlineFirst;
use crate::fold::prefix;
use crate::fold::sync;
use crate::markers::{self, LOAD_READS};
use crate::materializer::{Materializer, Target};
use crate::rows::accepted::Availability;
use crate::statistics::Scans;

impl<W: Mender> HistoryLoad<'_, W> {
    /// Writes what is left, brings the online store up to the log, and reports the outcome for all rows.
    pub(crate) async fn finish(mut self) -> Result<LoadReport, MaterializerError> {
        self.flush(true).await?;
        let Materializer { online, clock, .. } = self.materializer;
        self.committed.entities_written += match self.mode {
            Mode::Backfill(_) if self.turn.follows_unsettled() => {
                self.turn.end(&mut self.log, online, *clock).await?
            }
            Mode::Backfill(_) => {
                let written = sync::sync(&mut self.log, online, clock).await?;
                self.turn.settle(&mut self.log).await?;
                written
            }
            Mode::Materialize | Mode::Release(..) => self.turn.end(&mut self.log, online, *clock).await?,
        };
        if self.materializer.offline.check_forgotten(&self.forgotten, &self.log).is_err() {
            // What was folded may have been read before; whoever is not in the log any more is removed.
            let mut log = self.materializer.offline.log(&self.target.view).await?;
            sync::sync_and_take_back(&mut log, online, *clock).await?;
        }
        if !self.report.forgotten_keys.is_empty() {
            // A load that was overtaken by the forgetting, this one's first try or another, may have left them online.
            let keys = self.report.forgotten_keys.iter().cloned().collect();
            again::fold_again(&mut self.log, online, keys, *clock).await?;
        }
        prefix::note(&self.log, online).await?;
        self.statistics.keep(&self.materializer.offline, &self.log, Scans::Few).await;
        Ok(self.report)
    }

    /// Takes the turn, and with it the numbers of all files of the load: whatever happens to the load, what is
    /// written under them from here on is of these files.
    pub(crate) async fn take_turn(&mut self) -> Result<(), MaterializerError> {
        self.materializer.first_use.begin(&self.target.view).await?;
        let mut markers = self.numbered.clone();
        if !markers.is_empty() {
            let numbers = self.numbers_after.max(loaded_files::numbers(&self.log).await?);
            markers.push(loaded_files::numbers_given(numbers));
        }
        Ok(self.turn.take(&mut self.log, &markers).await?)
    }

    /// Ends the chunk. Rows that are put online first are committed; others are encoded while the next chunk is read, and
    /// committed when that is ended, or if this is the last.
    pub(super) async fn flush(&mut self, is_last: bool) -> Result<(), MaterializerError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        // Of this chunk alone: files of the next are begun before it is committed.
        (chunk.fingerprints, chunk.numbers) = (std::mem::take(&mut self.fingerprints), self.numbers);
        if is_last && chunk.rows == 0 {
            self.check_accepted(&chunk)?;
        }
        if self.mode.is_online_first() {
            return self.commit(chunk, None, is_last).await;
        }
        let before = match chunk.writer.take() {
            Some(writer) => {
                let written = tokio::spawn(writer.finish());
                self.encoding.replace(Encoding { chunk, written })
            }
            // Refused rows alone, or markers.
            None => {
                self.end_encoding().await?;
                return self.commit(chunk, None, is_last).await;
            }
        };
        if let Some(before) = before {
            self.commit_encoded(before).await?;
        }
        if is_last { self.end_encoding().await } else { Ok(()) }
    }

    /// Refuses a load that would be the view's first, and of which every row was refused: as long as no row was loaded, the
    /// definition and the files may be corrected. Rows that are released were decided on: those that fail are refused.
    fn check_accepted(&self, last: &Chunk) -> Result<(), MaterializerError> {
        let refused = self.report.refused_rows();
        let is_nothing = !matches!(self.mode, Mode::Release(..))
            && self.committed.rows == 0
            && self.encoding.is_none()
            && self.log.row_count() == 0;
        let Some(first) = last.dead_letters.first().filter(|_| is_nothing && refused > 0) else {
            return Ok(());
        };
        Err(MaterializerError::NothingAccepted {
            view: self.target.view.id.clone(),
            rows: refused,
            origin: first.origin.clone(),
            position: first.position,
            why: first.detail.clone(),
        })
    }

    /// Commits the rows of earlier files, for what is compared with the log.
    pub(super) async fn commit_earlier(&mut self) -> Result<(), MaterializerError> {
        if self.chunk.rows > 0 {
            self.flush(false).await?;
        }
        self.end_encoding().await
    }

    async fn end_encoding(&mut self) -> Result<(), MaterializerError> {
        match self.encoding.take() {
            Some(encoding) => self.commit_encoded(encoding).await,
            None => Ok(()),
        }
    }

    async fn commit_encoded(&mut self, mut encoding: Encoding) -> Result<(), MaterializerError> {
        let written = blocking::ended(&mut encoding.written).await??;
        let chunk = std::mem::take(&mut encoding.chunk);
        self.commit(chunk, Some(written), false).await
    }

    /// Commits a chunk: refused rows first, then the accepted ones.
    async fn commit(
        &mut self,
        mut chunk: Chunk,
        written: Option<Written>,
        is_last: bool,
    ) -> Result<(), MaterializerError> {
        let is_online_first = self.mode.is_online_first() && chunk.rows > 0;
        if !chunk.dead_letters.is_empty() || is_online_first {
            self.take_turn().await?;
        }
        // Once a commit, and never back: a file that resumes may have a smaller number than another.
        let numbers = chunk.numbers.max(loaded_files::numbers(&self.log).await?);
        chunk.markers.extend((numbers > 0).then(|| loaded_files::numbers_given(numbers)));
        if !chunk.dead_letters.is_empty() {
            let dead_letters = std::mem::take(&mut chunk.dead_letters);
            let now = (self.materializer.clock)();
            self.dead_letters.append(dead_letters, now, &chunk.dead_letter_markers).await?;
            BatchPoint::Refused.pass();
            chunk.markers.extend(markers::refused(&self.log).await?);
        }
        if chunk.rows == 0 && loaded_files::has_all(&self.log, &chunk.markers).await? {
            self.fingerprints.append(&mut chunk.fingerprints);
            return Ok(());
        }
        chunk.markers.append(&mut chunk.fingerprints);
        self.materializer.first_use.begin(&self.target.view).await?;
        self.materializer.offline.check_forgotten(&self.forgotten, &self.log)?;
        if is_online_first {
            return self.commit_online_first(&chunk, is_last).await;
        }
        // Rows that are put online after their commit: the next load sees that they may not be online.
        chunk.markers.extend(self.turn.marker().filter(|_| chunk.rows > 0));
        let rows = match written {
            Some(written) => written,
            None => self.log.rows_writer().await?.finish().await?,
        };
        self.log.commit(&rows, &chunk.markers, &LOAD_READS).await?;
        self.statistics.committed(&rows);
        if chunk.rows > 0 {
            self.turn.mark_taken();
        }
        self.committed.rows += chunk.rows as u64;
        self.committed.late += chunk.late;
        Ok(())
    }

    async fn commit_online_first(&mut self, chunk: &Chunk, is_last: bool) -> Result<(), MaterializerError> {
        let Target { view, source, .. } = self.target;
        let Materializer { online, clock, .. } = self.materializer;
        let now = clock();
        let batches = chunk
            .accepted
            .iter()
            .map(|accepted| Ok(accepted.log_batch(source, view, Availability::Measured(now))?.0))
            .collect::<Result<Vec<_>, MaterializerError>>()?;
        let first = OnlineFirst::write(&mut self.log, online, *clock, &batches).await?;
        BatchPoint::Online.pass();
        let stamp = clock();
        // Raised before the commit: a reader may be refused too early, never too late.
        online.replace(&view.id, &[], (!view.is_static).then_some(stamp)).await?;
        let rows = self.written(chunk, Availability::Measured(stamp)).await?;
        let settling = self.turn.settling().filter(|_| is_last);
        let written = first.commit(&mut self.log, &rows, &chunk.markers, settling).await?;
        self.statistics.committed(&rows);
        self.committed.entities_written += written;
        self.committed.rows += chunk.rows as u64;
        Ok(())
    }

    /// Writes the rows of a chunk, which became available then, into files that no commit names yet.
    async fn written(
        &mut self,
        chunk: &Chunk,
        availability: Availability,
    ) -> Result<Written, MaterializerError> {
        let Target { view, source, .. } = self.target;
        let mut writer = self.log.rows_writer().await?;
        let mut late_rows = 0;
        for accepted in chunk.accepted.iter().filter(|accepted| accepted.len() > 0) {
            let (batch, late) = accepted.log_batch(source, view, availability)?;
            self.statistics.count(view, &batch);
            writer.write(batch);
            late_rows += late;
        }
        let written = writer.finish().await?;
        self.committed.late += late_rows;
        Ok(written)
    }
}
