//! The online rows of a last good moment: every entity's fold of the rows that were visible at it, under an id that no view
//! has. Where they are written again, each is written over the one that is there, and rows of entities that the fold does
//! not have go last: readers find them all the time, old or new.

use std::collections::HashMap;

use feature::{EntityKey, Micros, VersionId};
use offline::{BatchPoint, Log};
use online::{Entities as Known, Layout, Mender, Mending, Outcome};

use super::entities::{Entities, Folded};
use super::passes;
use super::selection::{KeyRange, Selection};
use super::writing::{self, Packed, Packing};
use crate::error::MaterializerError;

/// How often rows are written over that another writer of the same moment changes meanwhile.
const TRIES: usize = 100;

/// Writes the rows of a moment under an id, whatever is there. Returns how many entities there are.
pub(crate) async fn write_as_of<W: Mender>(
    log: &Log,
    online: &W,
    under: &VersionId,
    at: Micros,
) -> Result<u64, MaterializerError> {
    let is_new = online.stats(under).await?.rows == 0;
    let mut known = Known::default();
    if let Some(version) = log.version() {
        for range in passes::ranges(log, &Layout::new(log.view())).await? {
            let mut entities = Entities::new(log.view());
            entities.fold_as_of(log, None, at, Selection::Range(range)).await?;
            entities.for_each_key(|key| known.insert(key));
            let folded = Folded::Committed(version);
            match is_new {
                true => writing::write_rows(&entities, under, online, folded, None).await.map(drop)?,
                false => write_over(&entities, under, online, folded).await?,
            }
        }
    }
    if !is_new {
        let strays = online.strays(under, &known).await?;
        online.remove(under, &strays).await?;
        online.recount(under).await?;
    }
    // Said last: whoever finds an applied time finds all rows. Of nobody there is nothing to find.
    if !known.is_empty() {
        online.replace(under, &[], Some(at)).await?;
    }
    Ok(known.len() as u64)
}

/// Writes rows over those that are there, whatever these have folded.
async fn write_over<W: Mender>(
    entities: &Entities,
    under: &VersionId,
    online: &W,
    folded: Folded,
) -> Result<(), MaterializerError> {
    let mut packing = Packing::begin(entities, folded, None, Some(BatchPoint::HalfOnline)).await?;
    while let Some(packed) = packing.next().await? {
        let mut over: HashMap<EntityKey, Vec<u8>> = HashMap::new();
        for tries in 0.. {
            let rows = packed.iter().flat_map(Packed::rows);
            let rows: Vec<Mending<'_>> = rows
                .filter(|(key, _)| tries == 0 || over.contains_key(*key))
                .map(|(key, bytes)| Mending { key, bytes, over: over.get(key).map(Vec::as_slice) })
                .collect();
            let outcomes = online.mend(under, &rows, None).await?;
            let conflicts = outcomes.into_iter().zip(&rows).filter_map(|(outcome, row)| match outcome {
                Outcome::Conflict { current } => Some((row.key.clone(), current)),
                Outcome::Written | Outcome::Unchanged => None,
            });
            let conflicts: HashMap<EntityKey, Vec<u8>> = conflicts.collect();
            drop(rows);
            over = conflicts;
            if over.is_empty() {
                break;
            }
            if tries >= TRIES {
                return Err(MaterializerError::OnlineConflict { view: under.clone() });
            }
        }
        if !packing.is_done() {
            BatchPoint::HalfOnline.pass();
        }
    }
    Ok(())
}

/// Whether rows were added to the log since a version that were visible at a moment: they were committed late. Where a vacuum
/// removed some of what was added, it is not known any more, and counts as such.
pub(crate) async fn has_added_as_of(log: &Log, version: u64, at: Micros) -> Result<bool, MaterializerError> {
    let added = log.added_since(version).await?;
    if added.is_empty() {
        return Ok(false);
    }
    if version < log.whole_from().await? && !log.has_files(&added).await? {
        return Ok(true);
    }
    let mut entities = Entities::new(log.view());
    entities.fold_as_of(log, Some(added), at, Selection::Range(KeyRange::default())).await?;
    Ok(entities.len() > 0)
}
