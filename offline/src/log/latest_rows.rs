//! The rows of a log that say why an entity's features were what they were at a moment: the latest that were visible.

use std::collections::{BTreeSet, HashMap};

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use feature::{AsOf, EntityKey, Micros, Row, Value};
use futures::TryStreamExt;

use crate::blocking::blocking_future;
use crate::error::OfflineError;
use crate::log::rows::{column, corrupt, row_columns, rows};
use crate::log::view_log::Log;

impl Log {
    /// For each entity and moment its latest visible rows, at most so many, the latest first. The log is read once.
    pub async fn latest_rows(
        &self,
        wanted: Vec<(EntityKey, Micros)>,
        most: usize,
    ) -> Result<Vec<Vec<Row>>, OfflineError> {
        let log = self.clone();
        blocking_future(move || async move { log.read_latest_rows(&wanted, most).await }).await
    }

    async fn read_latest_rows(
        &self,
        wanted: &[(EntityKey, Micros)],
        most: usize,
    ) -> Result<Vec<Vec<Row>>, OfflineError> {
        let view = self.view().clone();
        let mut by_entity: HashMap<&EntityKey, BTreeSet<usize>> = HashMap::new();
        for (index, (key, _)) in wanted.iter().enumerate() {
            by_entity.entry(key).or_default().insert(index);
        }
        let mut found: Vec<Vec<Row>> = vec![Vec::new(); wanted.len()];
        if wanted.is_empty() {
            return Ok(found);
        }
        let mut stream = self.scan(&row_columns(&view))?;
        while let Some(batch) = stream.try_next().await.map_err(OfflineError::from)? {
            let arrays: Vec<_> = view
                .keys
                .iter()
                .map(|key| Ok((column(&view, &batch, &key.name)?, key.data_type)))
                .collect::<Result<_, OfflineError>>()?;
            let is_wanted = (0..batch.num_rows()).map(|row| {
                let values: Vec<Value> =
                    arrays.iter().map(|(array, ty)| transform::value_at(array.as_ref(), row, *ty)).collect();
                let key = EntityKey::encode(&view.keys, &values);
                Ok(Some(by_entity.contains_key(&key.map_err(|error| corrupt(&view, error.to_string()))?)))
            });
            let is_wanted: BooleanArray = is_wanted.collect::<Result<_, OfflineError>>()?;
            for (key, row) in rows(&view, &filter_record_batch(&batch, &is_wanted)?)? {
                for index in by_entity.get(&key).into_iter().flatten() {
                    let at = wanted.get(*index).map(|(_, at)| *at);
                    if let Some(latest) = found.get_mut(*index)
                        && at.is_some_and(|at| row.visible_at(AsOf::Available) <= at)
                    {
                        insert(latest, row.clone(), most);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Keeps a row among the latest, the latest first.
fn insert(latest: &mut Vec<Row>, row: Row, most: usize) {
    let index = latest.partition_point(|kept| kept.recency() > row.recency());
    if index < most {
        latest.insert(index, row);
        latest.truncate(most);
    }
}
