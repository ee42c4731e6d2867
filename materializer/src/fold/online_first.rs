//! Rows that are written online before they are committed: those of a materialize, and replayed dead letters. Their
//! entities are folded from the log and from these rows, and kept up with what streams commit meanwhile. After the
//! commit they are written once more if anything came in between, so that no other fold of the log undoes them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::Micros;
use offline::{Log, Marker, Written};
use online::{Reader, Writer};

use super::entities::{self, Entities, Folded};
use super::fold_writer::FoldWriter;
use super::selection::Selection;
use crate::error::MaterializerError;
use crate::markers::LOAD_READS;

/// Rows that are online, and not in the log yet.
pub(crate) struct OnlineFirst<'a, W> {
    online: &'a W,
    clock: fn() -> Micros,
    entities: Entities,
    /// Whether all were folded from one version, at which the log still stands.
    is_of_one_version: bool,
    /// Entities that were written.
    pub(crate) written: u64,
}

impl<'a, W: Reader + Writer> OnlineFirst<'a, W> {
    /// Writes the entities of these rows as the log will have them once the rows are committed. A conflict if another
    /// load took the turn.
    pub(crate) async fn write(
        log: &mut Log,
        online: &'a W,
        clock: fn() -> Micros,
        batches: &[RecordBatch],
    ) -> Result<Self, MaterializerError> {
        let view = log.view().clone();
        let keys = Arc::new(entities::keys(&view, batches)?);
        let mut entities = Entities::new(&view);
        let now = clock();
        entities.fold_log(log, now, Selection::Keys(keys.clone())).await?;
        entities.fold_batches(batches, now, Selection::Keys(keys)).await?;
        let writer = FoldWriter { online, clock, reads: &LOAD_READS, of: Folded::Ahead };
        let (written, is_of_one_version) = writer.write(&mut entities, log, None).await?;
        Ok(Self { online, clock, entities, is_of_one_version, written })
    }

    /// Commits the rows. The turn is settled in the same commit if that is the version after the one folded;
    /// else what came in between is folded too and written, and the caller settles it. Returns how many entities
    /// were written.
    pub(crate) async fn commit(
        mut self,
        log: &mut Log,
        rows: &Written,
        markers: &[Marker],
        settling: Option<Marker>,
    ) -> Result<u64, MaterializerError> {
        if self.is_of_one_version {
            let all: Vec<Marker> = markers.iter().cloned().chain(settling).collect();
            if log.commit_next(rows, &all).await?.is_some() {
                return Ok(self.written);
            }
        }
        let committed = log.commit(rows, markers, &LOAD_READS).await?;
        self.entities.follow(log, &committed.between, (self.clock)()).await?;
        let writer = FoldWriter { online: self.online, clock: self.clock, reads: &[], of: Folded::Committed };
        writer.write(&mut self.entities, log, None).await?;
        Ok(self.written)
    }
}
