//! Every entity of a view folded from its log and written online.

use std::sync::Arc;

use feature::Micros;
use offline::Log;
use online::{Layout, Mender, Reader, Writer};

use super::entities::{Entities, Folded};
use super::fold_writer::FoldWriter;
use super::selection::Selection;
use super::writing::{self, Written};
use super::{passes, rebuild};
use crate::error::MaterializerError;

/// Writes every entity's fold of the log at its newest version. Returns how many were written.
pub(crate) async fn sync<W: Reader + Writer>(
    log: &mut Log,
    online: &W,
    clock: impl Fn() -> Micros,
) -> Result<u64, MaterializerError> {
    Ok(sync_all(log, online, clock).await?.0)
}

/// The same after a load that was interrupted: entities that the log does not have are removed. If there are any,
/// all rows are written again in place, and readers see no gap.
pub(crate) async fn sync_and_take_back<W: Mender>(
    log: &mut Log,
    online: &W,
    clock: fn() -> Micros,
) -> Result<u64, MaterializerError> {
    let (written, entities) = sync_all(log, online, clock).await?;
    let view = log.view().id.clone();
    if online.stats(&view).await?.rows <= entities {
        return Ok(written);
    }
    tracing::warn!(
        "{view}: an interrupted load left entities online that the log does not have; writing all rows again"
    );
    rebuild::rebuild(log, online, clock).await
}

/// Returns how many entities were written, and how many the log has.
async fn sync_all<W: Reader + Writer>(
    log: &mut Log,
    online: &W,
    clock: impl Fn() -> Micros,
) -> Result<(u64, u64), MaterializerError> {
    log.refresh().await?;
    let Some(version) = log.version() else { return Ok((0, 0)) };
    let view = log.view().clone();
    let (mut folded, mut all) = (0, Written::default());
    for range in passes::ranges(log, &Layout::new(&view)).await? {
        let mut entities = Entities::new(&view);
        entities.fold_log(log, clock(), Selection::Range(range)).await?;
        folded += entities.len() as u64;
        all.add(writing::write(&entities, &view.id, online, Folded::Committed(version), None).await?);
    }
    if all.conflicts.is_empty() {
        return Ok((all.count, folded));
    }
    let mut entities = Entities::new(&view);
    log.refresh().await?;
    let conflicts = Arc::new(all.conflicts);
    entities.fold_log(log, clock(), Selection::Keys(conflicts)).await?;
    let writer = FoldWriter { online, clock, reads: &[], of: Folded::Committed };
    let (written, _) = writer.write(&mut entities, log, None).await?;
    Ok((all.count + written, folded))
}
