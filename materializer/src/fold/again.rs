//! The online rows of some entities written again after rows of them were taken out of the log: what is there is removed,
//! however much it has folded, and what the log still has is folded again.

use std::collections::HashSet;
use std::sync::Arc;

use feature::{EntityKey, Micros};
use offline::Log;
use online::{Mender, Read};

use super::entities::{Entities, Folded};
use super::fold_writer::FoldWriter;
use super::selection::Selection;
use crate::error::MaterializerError;

/// How often a row is removed that another writer puts back meanwhile.
const TRIES: usize = 100;

/// Removes the online rows of these entities, then writes those that the newest log has. Returns how many were removed.
pub(crate) async fn fold_again<W: Mender>(
    log: &mut Log,
    online: &W,
    keys: HashSet<EntityKey>,
    clock: fn() -> Micros,
) -> Result<u64, MaterializerError> {
    let view = log.view().clone();
    let wanted: Vec<EntityKey> = keys.iter().cloned().collect();
    let mut removed = 0;
    for _ in 0..TRIES {
        let found = online.read(&[Read { view: &view.id, keys: &wanted }]).await?;
        let rows = found.iter().flat_map(|found| found.rows());
        let there: Vec<(EntityKey, Vec<u8>)> =
            wanted.iter().zip(rows).filter_map(|(key, row)| Some((key.clone(), row?.to_vec()))).collect();
        if there.is_empty() {
            fold_present(log, online, keys, clock).await?;
            return Ok(removed);
        }
        removed += online.remove(&view.id, &there).await?;
    }
    Err(MaterializerError::OnlineConflict { view: view.id.clone() })
}

/// Writes the online rows of those of these entities of which the newest log has rows. Returns how many these are.
pub(crate) async fn fold_present<W: Mender>(
    log: &mut Log,
    online: &W,
    keys: HashSet<EntityKey>,
    clock: fn() -> Micros,
) -> Result<u64, MaterializerError> {
    if keys.is_empty() {
        return Ok(0);
    }
    log.refresh().await?;
    let mut entities = Entities::new(log.view());
    entities.fold_log(log, clock(), Selection::Keys(Arc::new(keys))).await?;
    if entities.len() > 0 {
        let writer = FoldWriter { online, clock, reads: &[], of: Folded::Committed };
        writer.write(&mut entities, log, None).await?;
    }
    Ok(entities.len() as u64)
}
