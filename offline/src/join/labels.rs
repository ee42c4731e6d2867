//! The small side of the join: the spine's label times, sorted for each entity.
//!
//! Each different (entity, time) is one slot. Slots of an entity lie side by side in the order of
//! their times, so the labels that a row can affect are always one range of slots.

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::error::ArrowError;

use crate::join::entities::{Entities, NO_ENTITY};

/// The slot of a row whose key has a null.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// The labels of a spine, by entity.
#[derive(Debug)]
pub(crate) struct Labels {
    /// The spine's entities and their indices.
    pub(crate) entities: Entities,
    /// Where each entity's slots begin; one more than there are entities.
    starts: Vec<u32>,
    /// For each slot its label time, in microseconds.
    pub(crate) times: Vec<i64>,
    /// For each row of the spine its slot; [`NO_SLOT`] where its key has a null.
    pub(crate) slot_of_row: Vec<u32>,
}

impl Labels {
    /// The labels of a spine whose key columns (in the view's order and types) and times these are.
    pub(crate) fn new(keys: &[ArrayRef], times: &[i64]) -> Result<Self, ArrowError> {
        let (entities, of_row) = Entities::new(keys)?;
        let mut starts = vec![0_u32; entities.len() + 1];
        for entity in of_row.iter().filter(|entity| **entity != NO_ENTITY) {
            if let Some(count) = starts.get_mut(*entity as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        // Rows by entity, then by time; then each different time becomes a slot.
        let mut rows: Vec<(i64, u32)> = vec![(0, 0); total as usize];
        let mut next = starts.clone();
        for (row, (entity, time)) in
            of_row.iter().zip(times).enumerate().filter(|(_, (e, _))| **e != NO_ENTITY)
        {
            if let Some(index) = next.get_mut(*entity as usize) {
                if let Some(label) = rows.get_mut(*index as usize) {
                    *label = (*time, row as u32);
                }
                *index += 1;
            }
        }
        let mut slots = Vec::with_capacity(rows.len());
        let mut slot_of_row = vec![NO_SLOT; times.len()];
        let mut begins = 0;
        for entity in 0..entities.len() {
            let ends = starts.get(entity + 1).copied().unwrap_or(begins);
            let labels = rows.get_mut(begins as usize..ends as usize).unwrap_or_default();
            labels.sort_unstable();
            let first = slots.len();
            for (time, row) in labels {
                if slots.len() == first || slots.last() != Some(time) {
                    slots.push(*time);
                }
                if let Some(slot) = slot_of_row.get_mut(*row as usize) {
                    *slot = slots.len() as u32 - 1;
                }
            }
            if let Some(start) = starts.get_mut(entity) {
                *start = first as u32;
            }
            begins = ends;
        }
        if let Some(end) = starts.last_mut() {
            *end = slots.len() as u32;
        }
        Ok(Self { entities, starts, times: slots, slot_of_row })
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The slots of every entity, by its index.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.starts.windows(2).filter_map(|pair| match pair {
            [start, end] => Some(*start as usize..*end as usize),
            _ => None,
        })
    }

    /// The slots of the entity at this index; empty for [`NO_ENTITY`].
    pub(crate) fn slots_of(&self, entity: u32) -> Range<usize> {
        match self.starts.get(entity as usize..).and_then(|rest| rest.first_chunk::<2>()) {
            Some([start, end]) => *start as usize..*end as usize,
            None => 0..0,
        }
    }

    /// Reads some times of these ranges of slots, so that they are near when one is searched.
    pub(crate) fn touch<'a>(&self, ranges: impl Iterator<Item = &'a Range<usize>>) -> i64 {
        let time = |slot: usize| self.times.get(slot).copied().unwrap_or_default();
        ranges.fold(0, |all, range| {
            all ^ time(range.start)
                ^ time(range.start.midpoint(range.end))
                ^ time(range.end.saturating_sub(1))
        })
    }

    /// The first slot of the range whose label time is at or after `time`; its end where none is.
    pub(crate) fn first_at(&self, range: &Range<usize>, time: i64) -> usize {
        let times = self.times.get(range.clone()).unwrap_or_default();
        range.start + times.partition_point(|label| *label < time)
    }
}
