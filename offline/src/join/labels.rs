//! The small side of the join: the spine's label times, sorted for each entity.
//!
//! Each different (entity, time) is one slot. Slots of an entity lie side by side in the order of
//! their times, so the labels that a row can affect are always one range of slots.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

/// The labels of a spine, by entity.
pub(crate) struct Labels {
    converter: RowConverter,
    entities: HashMap<Box<[u8]>, Range<u32>>,
    /// For each slot its label time, in microseconds.
    pub(crate) times: Vec<i64>,
    /// For each row of the spine its slot; none where its key has a null.
    pub(crate) slot_of_row: Vec<Option<u32>>,
    /// The last label time of all.
    pub(crate) latest: Option<i64>,
}

impl Labels {
    /// The labels of a spine whose key columns (in the view's order and types) and times these
    /// are.
    pub(crate) fn new(keys: &[ArrayRef], times: &[i64]) -> Result<Self, ArrowError> {
        let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let rows = converter.convert_columns(keys)?;
        let mut by_entity: HashMap<Box<[u8]>, Vec<(i64, u32)>> = HashMap::new();
        for (row, (key, time)) in rows.iter().zip(times).enumerate() {
            if keys.iter().any(|column| column.is_null(row)) {
                continue;
            }
            let label = (*time, row as u32);
            match by_entity.get_mut(key.as_ref()) {
                Some(labels) => labels.push(label),
                None => {
                    by_entity.insert(key.as_ref().into(), vec![label]);
                }
            }
        }
        let mut slots = Vec::with_capacity(times.len());
        let mut slot_of_row = vec![None; times.len()];
        let mut entities = HashMap::with_capacity(by_entity.len());
        for (key, mut labels) in by_entity {
            labels.sort_unstable();
            let start = slots.len() as u32;
            for (time, row) in labels {
                if slots.len() as u32 == start || slots.last() != Some(&time) {
                    slots.push(time);
                }
                if let Some(slot) = slot_of_row.get_mut(row as usize) {
                    *slot = Some(slots.len() as u32 - 1);
                }
            }
            entities.insert(key, start..slots.len() as u32);
        }
        let latest = times.iter().copied().max();
        Ok(Self { converter, entities, times: slots, slot_of_row, latest })
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The slots of every entity, in no order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.entities.values().map(|range| range.start as usize..range.end as usize)
    }

    /// The keys of a batch of the log, for [`Labels::slots_of`].
    pub(crate) fn keys(&self, keys: &[ArrayRef]) -> Result<Rows, ArrowError> {
        self.converter.convert_columns(keys)
    }

    /// The slots of the entity with this key; none where the spine does not have it.
    pub(crate) fn slots_of(&self, key: &[u8]) -> Option<Range<usize>> {
        self.entities.get(key).map(|range| range.start as usize..range.end as usize)
    }

    /// The first slot of the range whose label time is at or after `time`; its end where none is.
    pub(crate) fn first_at(&self, range: &Range<usize>, time: i64) -> usize {
        let times = self.times.get(range.clone()).unwrap_or_default();
        range.start + times.partition_point(|label| *label < time)
    }
}
