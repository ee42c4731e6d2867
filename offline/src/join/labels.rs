//! The small side of the join: the spine's label times, sorted for each entity.
//!
//! Each different (entity, time) is one slot. Slots of an entity lie side by side in the order of
//! their times, so the labels that a row can affect are always one range of slots.
//!
//! An entity is known by its key columns, in any batch. One integer key is looked up in a table of its own, by its distance
//! from the least one where keys lie close together, and by its hash where they do not; any other key is encoded as arrow's
//! comparable rows first. A dictionary of a file's keys is looked up once for all of its rows.

use std::hash::BuildHasher;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of an entity that the spine does not have.
pub(crate) const NO_ENTITY: u32 = u32::MAX;

/// A table of close keys has at most so many slots for each row of the spine.
const KEYS_A_ROW: usize = 4;

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

/// The entities of a spine, numbered in the order in which they are met.
#[derive(Debug)]
pub(crate) struct Entities {
    keys: Keys,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
enum Keys {
    /// One key of up to 64 bits whose values lie close together: the index of each, from the least on.
    Close { least: i64, indices: Vec<u32>, entities: usize },
    /// One key of up to 64 bits.
    Int { table: HashTable<(i64, u32)> },
    /// Anything else, as rows of bytes behind one another.
    Bytes { converter: RowConverter, table: HashTable<u32>, bytes: Vec<u8>, ends: Vec<usize> },
}

/// The dictionary that was looked up last, and the indices of its entries.
#[derive(Debug, Default)]
pub(crate) struct DictionaryCache {
    values: Option<ArrayRef>,
    indices: Vec<u32>,
}

impl Entities {
    /// The entities of these key columns, and for each row the index of its own; [`NO_ENTITY`] where
    /// a key is null.
    pub(crate) fn new(columns: &[ArrayRef]) -> Result<(Self, Vec<u32>), ArrowError> {
        let hasher = DefaultHashBuilder::default();
        let rows = columns.first().map_or(0, |column| column.len());
        let mut of_row = vec![NO_ENTITY; rows];
        let keys = match as_ints(columns)? {
            Some(ints) if let Some(close) = close(ints.as_primitive(), &mut of_row) => close,
            Some(ints) => {
                let mut table: HashTable<(i64, u32)> = HashTable::new();
                let ints = ints.as_primitive::<Int64Type>();
                for (row, index) in of_row.iter_mut().enumerate().filter(|(row, _)| ints.is_valid(*row)) {
                    let key = ints.value(row);
                    let next = table.len() as u32;
                    let entry =
                        table.entry(hasher.hash_one(key), |(k, _)| *k == key, |(k, _)| hasher.hash_one(*k));
                    *index = entry.or_insert((key, next)).get().1;
                }
                Keys::Int { table }
            }
            None => {
                let fields =
                    columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
                let converter = RowConverter::new(fields)?;
                let encoded = converter.convert_columns(columns)?;
                let (mut table, mut bytes, mut ends) = (HashTable::new(), Vec::new(), Vec::new());
                for (row, (key, index)) in encoded.iter().zip(&mut of_row).enumerate() {
                    if columns.iter().any(|column| column.is_null(row)) {
                        continue;
                    }
                    let key = key.as_ref();
                    let hash = hasher.hash_one(key);
                    let next = ends.len() as u32;
                    match table.find(hash, |index| entry(&bytes, &ends, *index) == key) {
                        Some(found) => *index = *found,
                        None => {
                            bytes.extend_from_slice(key);
                            ends.push(bytes.len());
                            let rehash = |index: &u32| hasher.hash_one(entry(&bytes, &ends, *index));
                            table.insert_unique(hash, next, rehash);
                            *index = next;
                        }
                    }
                }
                Keys::Bytes { converter, table, bytes, ends }
            }
        };
        Ok((Self { keys, hasher }, of_row))
    }

    /// How many entities there are.
    pub(crate) fn len(&self) -> usize {
        match &self.keys {
            Keys::Close { entities, .. } => *entities,
            Keys::Int { table } => table.len(),
            Keys::Bytes { ends, .. } => ends.len(),
        }
    }

    /// For each row of these key columns the index of its entity; [`NO_ENTITY`] where the spine
    /// does not have it. A single key may come as a dictionary.
    pub(crate) fn indices(
        &self,
        columns: &[ArrayRef],
        cache: &mut DictionaryCache,
        indices: &mut Vec<u32>,
    ) -> Result<(), ArrowError> {
        indices.clear();
        if let [column] = columns
            && let DataType::Dictionary(_, _) = column.data_type()
        {
            let dictionary = column.as_dictionary::<Int32Type>();
            if !cache
                .values
                .as_ref()
                .is_some_and(|known| std::ptr::addr_eq(known.as_ref(), dictionary.values().as_ref()))
            {
                let mut of_values = Vec::new();
                self.plain_indices(std::slice::from_ref(dictionary.values()), &mut of_values)?;
                *cache = DictionaryCache { values: Some(dictionary.values().clone()), indices: of_values };
            }
            let keys = dictionary.keys();
            indices.extend(keys.iter().map(|key| {
                key.and_then(|key| cache.indices.get(key as usize)).copied().unwrap_or(NO_ENTITY)
            }));
            return Ok(());
        }
        self.plain_indices(columns, indices)
    }

    fn plain_indices(&self, columns: &[ArrayRef], indices: &mut Vec<u32>) -> Result<(), ArrowError> {
        match &self.keys {
            Keys::Close { least, indices: of_keys, .. } => extend_with(indices, columns, |key| {
                let index = usize::try_from(key.wrapping_sub(*least)).ok().and_then(|n| of_keys.get(n));
                index.copied().unwrap_or(NO_ENTITY)
            }),
            Keys::Int { table } => extend_with(indices, columns, |key| {
                let found = table.find(self.hasher.hash_one(key), |(k, _)| *k == key);
                found.map_or(NO_ENTITY, |(_, index)| *index)
            }),
            Keys::Bytes { converter, table, bytes, ends } => {
                let encoded = converter.convert_columns(columns)?;
                indices.extend(encoded.iter().map(|key| {
                    let key = key.as_ref();
                    let found =
                        table.find(self.hasher.hash_one(key), |index| entry(bytes, ends, *index) == key);
                    found.copied().unwrap_or(NO_ENTITY)
                }));
                Ok(())
            }
        }
    }
}

/// Adds the index of each row's single key of up to 64 bits.
fn extend_with(
    indices: &mut Vec<u32>,
    columns: &[ArrayRef],
    index_of: impl Fn(i64) -> u32,
) -> Result<(), ArrowError> {
    let Some(ints) = as_ints(columns)? else { return Ok(()) };
    let ints = ints.as_primitive::<Int64Type>();
    match ints.nulls() {
        None => indices.extend(ints.values().iter().map(|key| index_of(*key))),
        Some(_) => indices.extend(ints.iter().map(|key| key.map_or(NO_ENTITY, &index_of))),
    }
    Ok(())
}

/// Numbers the entities by a table with a slot for every whole number between the least and the
/// greatest key, where it would not be much larger than a table of hashes.
fn close(ints: &Int64Array, of_row: &mut [u32]) -> Option<Keys> {
    let (least, greatest) = (min(ints)?, max(ints)?);
    let range = usize::try_from(greatest.checked_sub(least)?).ok()?.checked_add(1)?;
    if range > (KEYS_A_ROW * ints.len()).max(65_536) {
        return None;
    }
    let mut indices = vec![NO_ENTITY; range];
    let mut entities = 0;
    for (row, of_row) in of_row.iter_mut().enumerate().filter(|(row, _)| ints.is_valid(*row)) {
        let index = indices.get_mut(usize::try_from(ints.value(row).checked_sub(least)?).ok()?)?;
        if *index == NO_ENTITY {
            *index = entities;
            entities += 1;
        }
        *of_row = *index;
    }
    Some(Keys::Close { least, indices, entities: entities as usize })
}

fn entry<'a>(bytes: &'a [u8], ends: &[usize], index: u32) -> &'a [u8] {
    let index = index as usize;
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(index).and_then(|end| bytes.get(start..*end)).unwrap_or_default()
}

/// A single key of a type that fits 64 bits, as int64.
fn as_ints(columns: &[ArrayRef]) -> Result<Option<ArrayRef>, ArrowError> {
    match columns {
        [column] => match column.data_type() {
            DataType::Int64 => Ok(Some(column.clone())),
            DataType::Int32 | DataType::Timestamp(..) => cast(column, &DataType::Int64).map(Some),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}
