//! Some of the rows of a log, by their entities: those that came last with their positions, and a few of all files.

use std::collections::{HashMap, HashSet};

use feature::{EntityKey, Position};
use futures::StreamExt;

use crate::error::OfflineError;
use crate::log::columns::{POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::log::commit::Added;
use crate::log::keys::EncodedKeys;
use crate::log::rows::{Positions, corrupt};
use crate::log::scan;
use crate::log::table::DataFile;
use crate::log::view_log::Log;

impl Log {
    /// At most so many entities of the file that these commits added last, each with a position that it has in it.
    pub async fn newest_rows(
        &self,
        added: &Added,
        most: usize,
    ) -> Result<HashMap<EntityKey, Position>, OfflineError> {
        match added.files.last() {
            Some(newest) => self.rows_of_file(newest, most).await,
            None => Ok(HashMap::new()),
        }
    }

    /// At most so many entities of each of a few files, which lie as far apart as they can in the order of the snapshot.
    pub async fn some_entities(&self, files: usize, most: usize) -> Result<Vec<EntityKey>, OfflineError> {
        let all = self.table().files();
        let mut found = HashSet::new();
        for file in all.iter().rev().step_by(all.len().div_ceil(files.max(1)).max(1)) {
            found.extend(self.rows_of_file(file, most).await?.into_keys());
        }
        Ok(found.into_iter().collect())
    }

    async fn rows_of_file(
        &self,
        file: &DataFile,
        most: usize,
    ) -> Result<HashMap<EntityKey, Position>, OfflineError> {
        let mut found = HashMap::new();
        let view = self.view();
        let facts = [POSITION_KIND, POSITION_MAJOR, POSITION_MINOR];
        let columns: Vec<&str> =
            facts.into_iter().chain(view.keys.iter().map(|key| key.name.as_str())).collect();
        let mut batches = scan::stream(self.table(), std::slice::from_ref(file), &columns)?;
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
