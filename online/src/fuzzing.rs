//! What this crate reads of bytes that a store gives back, as a function of any bytes. It may not panic, and may not take
//! memory out of proportion to what it was given: the scenarios run it over seeds and their mutations, and a program under
//! `fuzz/` over what a fuzzer finds.

use std::sync::{Arc, LazyLock};

use feature::fuzzing::Target;
use feature::oracle::History;
use feature::{Micros, Value};

use crate::packed::{CHECKSUM, LAYOUT_VERSION, MAGIC, at};
use crate::{Columns, Layout, PackedRow, RowIdentity, RowState};

/// What is read here: its name, and the function, which says whether the bytes were what it reads.
pub const TARGETS: [Target; 1] = [("packed_row", packed_row)];

/// A view with a feature of every function over columns of every type.
static LAYOUT: LazyLock<Arc<Layout>> = LazyLock::new(|| Arc::new(Layout::new(&History::generate(0, 0).view)));

/// The rows of entities of that view as a store has them.
pub fn packed_rows() -> Vec<Vec<u8>> {
    let mut packed = Vec::new();
    for seed in 0..12 {
        let History { entities, moments, .. } = History::generate(seed, 30);
        let now = *moments.get(moments.len() / 2).unwrap_or(&Micros::MIN);
        for (_, rows) in entities {
            let mut state = RowState::new(&LAYOUT);
            for row in &rows {
                state.fold(row, now);
            }
            state.set_history(seed);
            let mut bytes = Vec::new();
            state.encode(&mut bytes).expect("invariant: the row of an entity with few rows is not too large");
            packed.push(bytes);
        }
    }
    packed
}

/// A packed row: as it is, and with a head and a checksum that fit, so that what lies behind them is read too.
pub fn packed_row(data: &[u8]) -> bool {
    let is_whole = read(data);
    read(&mended(data)) || is_whole
}

/// The same with the length, the definition and the checksum of a whole row.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut row = data.to_vec();
    row.resize(row.len().max(at::NULLS + CHECKSUM), 0);
    let length = (row.len() as u32).to_le_bytes();
    let mut put = |at: usize, bytes: &[u8]| {
        row.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = *new);
    };
    put(0, &MAGIC);
    put(at::VERSION, &[LAYOUT_VERSION]);
    put(at::LENGTH, &length);
    put(at::SCHEMA, &LAYOUT.schema_id.to_le_bytes());
    let covered = row.len() - CHECKSUM;
    row.truncate(covered);
    row.extend_from_slice(&crc32fast::hash(&row).to_le_bytes());
    row
}

/// Reads it in every way in which one is read; whether it is a row to its last byte.
fn read(bytes: &[u8]) -> bool {
    let layout = &*LAYOUT;
    let _ = RowIdentity::of(layout.view(), bytes);
    let Ok(row) = PackedRow::new(layout, bytes) else { return false };
    let moments = [Micros::MIN, Micros::MAX].into_iter().chain(Micros::new(1_370_088_000_000_000));
    let mut is_of_rows = true;
    for moment in moments {
        is_of_rows &= row.answer(moment).is_ok();
        let features: Vec<usize> = (0..layout.features()).rev().collect();
        let mut columns = Columns::new(layout, &features, 1);
        let _ = columns.push(&row, moment);
    }
    let _ = (row.positions(), row.verify());
    let Ok(mut state) = RowState::decode(layout, bytes) else { return false };
    let mut written = Vec::new();
    if state.encode(&mut written).is_ok() {
        assert!(RowState::decode(layout, &written).is_ok(), "a row is written that is not read");
    }
    // What waits becomes visible, and is folded into the tiles. States that contradict each other are refused above.
    if is_of_rows {
        let _ = state.answer(Micros::MAX);
    }
    let empty = feature::Row {
        event_time: Micros::MAX,
        available_at: Micros::MAX,
        position: feature::Position::Stream { partition: 0, offset: 0 },
        deleted: false,
        values: layout.columns.iter().map(|_| Value::Null).collect(),
    };
    let _ = state.apply(&empty, Micros::MAX);
    let _ = state.encode(&mut Vec::new());
    true
}
