//! Writing the packed row of a fold: the same bytes for the same rows, in whatever order they came.

use crate::error::OnlineError;
use crate::packed::{
    FLAG_FOLDED, FLAG_PENDING, LAYOUT_VERSION, MAGIC, MAX_ROW_BYTES, REFERENCE, RingPlan, aligned, at, set,
    write_tail,
};

use super::{Ring, RowState};

impl RowState {
    /// Appends the packed row.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), OnlineError> {
        let start = out.len();
        let written = self.write(start, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn write(&self, start: usize, out: &mut Vec<u8>) -> Result<(), OnlineError> {
        let layout = &self.layout;
        let filled = self.rings.iter().zip(&layout.rings);
        let slots: usize = filled.clone().map(|(ring, plan)| plan.slot_bytes(ring.tiles.len())).sum();
        self.check_size(layout.slots_at + slots)?;
        out.resize(start + layout.slots_at + slots, 0);
        let mut row = Writing { start, out };
        row.put(0, &MAGIC);
        row.put(at::VERSION, &[LAYOUT_VERSION]);
        let pending = if self.pending.is_empty() { 0 } else { FLAG_PENDING };
        let folded = if self.latest.is_some() { FLAG_FOLDED } else { 0 };
        row.put(at::FLAGS, &[folded | pending]);
        row.put(at::SCHEMA, &layout.schema_id.to_le_bytes());
        self.write_latest(&mut row);
        let mut slots_at = layout.slots_at;
        for (ring, plan) in filled {
            row.write_ring(ring, plan, slots_at, self.latest.as_ref().map(|latest| latest.times.event_time))
                .ok_or_else(|| layout.damaged("a value is not of its column's type"))?;
            slots_at += plan.slot_bytes(ring.tiles.len());
        }
        let tail_at = row.length() as u32;
        row.put(at::TAIL, &tail_at.to_le_bytes());
        write_tail(
            self.latest.as_ref().map(|latest| latest.position),
            &self.positions,
            &self.pending,
            row.out,
        );
        self.check_size(row.length() + crate::packed::CHECKSUM)?;
        let length = (row.length() + crate::packed::CHECKSUM) as u32;
        row.put(at::LENGTH, &length.to_le_bytes());
        let sum = out.get(start..).map_or(0, crc32fast::hash);
        out.extend_from_slice(&sum.to_le_bytes());
        Ok(())
    }

    fn check_size(&self, bytes: usize) -> Result<(), OnlineError> {
        if bytes > MAX_ROW_BYTES {
            return Err(OnlineError::TooLarge { view: self.layout.view().clone(), bytes });
        }
        Ok(())
    }

    fn write_latest(&self, row: &mut Writing<'_>) {
        let Some(latest) = &self.latest else { return };
        row.put(at::EVENT_TIME, &latest.times.event_time.get().to_le_bytes());
        row.put(at::AVAILABLE_AT, &latest.times.available_at.get().to_le_bytes());
        for (index, (slot, value)) in self.layout.latest.iter().zip(&latest.values).enumerate() {
            if value.is_null() {
                continue;
            }
            row.set(at::NULLS, index);
            let from = row.out.len();
            value.write(row.out);
            match slot.width {
                Some(width) => row.take_back(from, slot.at, width),
                None => row.refer(from, slot.at),
            }
        }
    }
}

/// A packed row that is being written: what lies at fixed offsets is there, as zeros; the variable part
/// grows behind it. Offsets count from the start of the row.
struct Writing<'a> {
    start: usize,
    out: &'a mut Vec<u8>,
}

impl Writing<'_> {
    fn length(&self) -> usize {
        self.out.len() - self.start
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let from = self.start + offset;
        if let Some(there) = self.out.get_mut(from..from + bytes.len()) {
            there.copy_from_slice(bytes);
        }
    }

    fn set(&mut self, bits_at: usize, bit: usize) {
        if let Some(bits) = self.out.get_mut(self.start + bits_at..) {
            set(bits, bit);
        }
    }

    /// Moves what was just appended, from `from` on, to a fixed offset.
    fn take_back(&mut self, from: usize, offset: usize, width: usize) {
        let to = self.start + offset;
        if let Some((there, appended)) = self.out.split_at_mut_checked(from)
            && let Some(slot) = there.get_mut(to..to + width)
            && slot.len() == appended.len()
        {
            slot.copy_from_slice(appended);
        }
        self.out.truncate(from);
    }

    /// Leaves what was just appended, from `from` on, in the variable part, and a reference to it at a
    /// fixed offset.
    fn refer(&mut self, from: usize, reference_at: usize) {
        let reference = [(from - self.start) as u32, (self.out.len() - from) as u32];
        let [offset, length] = reference.map(u32::to_le_bytes);
        self.put(reference_at, &offset);
        self.put(reference_at + 4, &length);
    }

    /// Writes a ring's bitmap, its slots and, where there are any, its spills; none where a state of a
    /// fixed width has another.
    fn write_ring(
        &mut self,
        ring: &Ring,
        plan: &RingPlan,
        slots_at: usize,
        latest: Option<feature::Micros>,
    ) -> Option<()> {
        if ring.tiles.is_empty() {
            return Some(());
        }
        let head = plan.tile(latest?);
        let tiles = ring.tiles.len();
        let spill_bytes = tiles.div_ceil(8);
        let mut spills = vec![0; plan.components.len() * spill_bytes];
        let mut spilled = false;
        self.put(plan.entry_at, &(slots_at as u32).to_le_bytes());
        for (index, tile) in ring.tiles.iter().rev().enumerate() {
            self.set(plan.bitmap_at, usize::try_from(head - tile.number).ok()?);
            let mut array_at = slots_at;
            for (part, state) in tile.states.iter().enumerate() {
                let component = plan.components.get(part)?;
                let slot_at = array_at + index * component.width;
                array_at += aligned(tiles * component.width);
                let from = self.out.len();
                state.write(self.out);
                if component.in_slot && self.out.len() - from == component.width {
                    self.take_back(from, slot_at, component.width);
                    continue;
                }
                if component.width < REFERENCE {
                    return None;
                }
                self.refer(from, slot_at);
                if component.in_slot {
                    set(spills.get_mut(part * spill_bytes..)?, index);
                    spilled = true;
                }
            }
        }
        if spilled {
            let spills_at = self.length() as u32;
            self.put(plan.entry_at + 4, &spills_at.to_le_bytes());
            self.out.extend_from_slice(&spills);
        }
        Some(())
    }
}
