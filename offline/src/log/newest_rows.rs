//! Some of the rows that came into a log last, by their entities and positions.

use std::collections::HashMap;

use feature::{EntityKey, Position};
use futures::StreamExt;

use crate::error::OfflineError;
use crate::log::columns::{POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::log::commit::Added;
use crate::log::keys::EncodedKeys;
use crate::log::rows::{Positions, corrupt};
use crate::log::scan;
use crate::log::view_log::Log;

impl Log {
    /// At most so many entities of the file that these commits added last, each with a position that it has in it.
    pub async fn newest_rows(
        &self,
        added: &Added,
        most: usize,
    ) -> Result<HashMap<EntityKey, Position>, OfflineError> {
        let mut found = HashMap::new();
        let Some(newest) = added.files.last() else { return Ok(found) };
        let view = self.view();
        let facts = [POSITION_KIND, POSITION_MAJOR, POSITION_MINOR];
        let columns: Vec<&str> =
            facts.into_iter().chain(view.keys.iter().map(|key| key.name.as_str())).collect();
        let mut batches = scan::stream(self.table(), std::slice::from_ref(newest), &columns)?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let (keys, positions) = (EncodedKeys::of(view, &batch)?, Positions::of(view, &batch)?);
            for row in 0..batch.num_rows() {
                if found.len() >= most {
                    return Ok(found);
                }
                let key = EntityKey::from_bytes(keys.key(row).into());
                let key = key.map_err(|error| corrupt(view, error.to_string()))?;
                found.entry(key).or_insert(positions.at(row)?);
            }
        }
        Ok(found)
    }
}
