//! Reading a packed row back into a fold; the whole row is checked.

use std::sync::Arc;

use feature::State;

use super::{Latest, Ring, RowState, Tile};
use crate::answer::Folded;
use crate::error::OnlineError;
use crate::packed::{Layout, PackedRow, RingPlan, is_set};

impl RowState {
    /// The fold that a packed row holds.
    pub fn decode(layout: &Arc<Layout>, bytes: &[u8]) -> Result<Self, OnlineError> {
        let row = PackedRow::new(layout, bytes)?;
        let tail = row.tail()?;
        let mut state = Self::new(layout);
        state.positions = tail.positions;
        state.pending = tail.pending;
        if let (Some(times), Some(position)) = (row.times()?, tail.latest) {
            let values: Result<_, OnlineError> =
                layout.latest.iter().enumerate().map(|(index, slot)| row.latest_value(index, slot)).collect();
            state.latest = Some(Latest { times, position, values: values? });
            for (ring, plan) in state.rings.iter_mut().zip(&layout.rings) {
                *ring = unpack_ring(&row, plan, plan.tile(times.event_time))
                    .ok_or_else(|| layout.damaged("a tile's state is none"))?;
            }
        }
        Ok(state)
    }
}

fn unpack_ring(row: &PackedRow<'_>, plan: &RingPlan, head: i64) -> Option<Ring> {
    let bitmap = row.bitmap(plan);
    let newest_first = (0..plan.tiles).filter(|bit| is_set(bitmap, *bit));
    let mut ring = Ring::default();
    for bit in newest_first {
        ring.tiles.push_front(Tile { number: head - bit as i64, states: Vec::new() });
    }
    for (part, _) in plan.components.iter().enumerate() {
        let states = row.states(plan, part, plan.tiles);
        for (tile, state) in ring.tiles.iter_mut().rev().zip(states) {
            let state: State = state?;
            tile.states.push(state);
        }
    }
    Some(ring)
}
