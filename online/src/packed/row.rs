//! Reading a packed row where it lies: latest values at fixed offsets, windows as a prefix of their
//! ring's slots, the tail only where rows wait in it.

use feature::{Answer, Contradiction, Micros, Position, Row, State, Times, Value};

use super::head::{check_head, check_sum};
use super::scan::{micros_at, u32_at, u64_at};
use super::{
    CHECKSUM, FLAG_FOLDED, FLAG_PENDING, LatestSlot, Layout, RingPlan, Tail, aligned, at, count_ones, is_set,
    merging,
};
use crate::answer::{self, Folded};
use crate::error::OnlineError;
use crate::hot::Probe;
use crate::positions::Positions;

/// A packed row where it lies. Nothing is copied to read a value of a fixed width. The checksum is
/// looked at before tiles are merged and before the tail is read; latest values are read without.
#[derive(Clone, Copy, Debug)]
pub struct PackedRow<'a> {
    layout: &'a Layout,
    bytes: &'a [u8],
    tail_at: usize,
    flags: u8,
}

impl<'a> PackedRow<'a> {
    /// The row of these bytes. Its header is checked; its tail and its checksum are not looked at yet.
    pub fn new(layout: &'a Layout, bytes: &'a [u8]) -> Result<Self, OnlineError> {
        let damaged = |what| layout.damaged(what);
        check_head(layout.view(), bytes)?;
        if u64_at(bytes, at::SCHEMA) != Some(layout.schema_id) {
            return Err(damaged("it is of another definition of the view"));
        }
        let tail_at = u32_at(bytes, at::TAIL).map_or(0, |tail| tail as usize);
        if tail_at < layout.slots_at || tail_at + CHECKSUM > bytes.len() {
            return Err(damaged("its tail lies outside"));
        }
        let flags = bytes.get(at::FLAGS).copied().unwrap_or_default();
        Ok(Self { layout, bytes, tail_at, flags })
    }

    /// All features of the view at a moment that is not before the view's applied time.
    pub fn answer(&self, at: Micros) -> Result<Answer, OnlineError> {
        answer::all(self, at)
    }

    /// These features, by their indices in the view, in this order.
    pub fn answer_some(&self, features: &[usize], at: Micros) -> Result<Answer, OnlineError> {
        answer::some(self, features, at)
    }

    /// The positions that the row has folded.
    pub fn positions(&self) -> Result<Positions, OnlineError> {
        let tail = self.tail_bytes().ok_or_else(|| self.layout.damaged("its tail lies outside"))?;
        Tail::read_positions(tail).ok_or_else(|| self.layout.damaged("its positions are none"))
    }

    /// Checks the whole row against its checksum.
    pub fn verify(&self) -> Result<(), OnlineError> {
        check_sum(self.bytes).ok_or_else(|| self.layout.damaged("its checksum does not match"))
    }

    pub(crate) fn tail(&self) -> Result<Tail, OnlineError> {
        self.verify()?;
        self.tail_bytes()
            .and_then(|bytes| Tail::read(self.is_folded(), &self.layout.columns, bytes))
            .ok_or_else(|| self.layout.damaged("its tail is none"))
    }

    /// The bitmap of a ring's tiles, the newest first.
    pub(crate) fn bitmap(&self, ring: &RingPlan) -> &'a [u8] {
        self.bytes.get(ring.bitmap_at..ring.bitmap_at + ring.bitmap_bytes()).unwrap_or_default()
    }

    /// The states of one component in the newest `count` of a ring's tiles that are not empty, the
    /// newest first.
    pub(crate) fn states(
        &self,
        ring: &'a RingPlan,
        part: usize,
        count: usize,
    ) -> impl Iterator<Item = Option<State>> + use<'a> {
        let (bytes, argument) = (self.bytes, ring.argument);
        let tiles = count_ones(self.bitmap(ring), ring.tiles);
        let slots = self.slots_of(ring, part, tiles);
        let spills = self.spills_of(ring, part, tiles);
        let plan = ring.components.get(part).copied();
        (0..count.min(tiles)).map(move |tile| {
            let plan = plan?;
            let start = slots? + tile * plan.width;
            let slot = bytes.get(start..start + plan.width)?;
            let spilled = spills.is_some_and(|bits| is_set(bits, tile));
            let state = if plan.in_slot && !spilled { slot } else { referred(bytes, slot)? };
            State::read(plan.component, argument, true, state)
        })
    }

    /// The same states as one, where all lie in their slots and a kernel merges them exactly.
    fn merged(&self, ring: &RingPlan, part: usize, count: usize) -> Option<State> {
        let plan = ring.components.get(part)?;
        let tiles = count_ones(self.bitmap(ring), ring.tiles);
        if count == 0 || !plan.in_slot || self.spills_of(ring, part, tiles).is_some() {
            return None;
        }
        let start = self.slots_of(ring, part, tiles)?;
        let slots = self.bytes.get(start..start + count.min(tiles) * plan.width)?;
        merging::merged(Probe::widest(), ring, part, slots)
    }

    /// Where the slots of a component begin in a ring of so many tiles that are not empty.
    fn slots_of(&self, ring: &RingPlan, part: usize, tiles: usize) -> Option<usize> {
        let before: usize =
            ring.components.iter().take(part).map(|before| aligned(tiles * before.width)).sum();
        u32_at(self.bytes, ring.entry_at).map(|slots| slots as usize + before)
    }

    /// The bitmap of a component's states that do not lie in their slots; none where the ring has none.
    fn spills_of(&self, ring: &RingPlan, part: usize, tiles: usize) -> Option<&'a [u8]> {
        match u32_at(self.bytes, ring.entry_at + 4) {
            Some(spills) if spills > 0 => self.bytes.get(spills as usize + part * tiles.div_ceil(8)..),
            _ => None,
        }
    }

    /// Whether rows wait, of which some may be visible.
    pub(crate) fn has_pending(&self) -> bool {
        self.flags & FLAG_PENDING != 0
    }

    /// The bytes of a latest value; none where it is null.
    #[inline]
    pub(crate) fn latest_bytes(
        &self,
        index: usize,
        slot: &LatestSlot,
    ) -> Result<Option<&'a [u8]>, OnlineError> {
        let bits = self.bytes.get(at::NULLS..).unwrap_or_default();
        if !is_set(bits, index) {
            return Ok(None);
        }
        let bytes = match slot.width {
            Some(width) => self.bytes.get(slot.at..slot.at + width),
            None => self.bytes.get(slot.at..).and_then(|reference| referred(self.bytes, reference)),
        };
        bytes.map(Some).ok_or_else(|| self.layout.damaged("a latest value is none of its type"))
    }

    fn is_folded(&self) -> bool {
        self.flags & FLAG_FOLDED != 0
    }

    fn tail_bytes(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.tail_at..self.bytes.len().saturating_sub(CHECKSUM))
    }
}

/// The bytes in the variable part that a reference names.
fn referred<'a>(bytes: &'a [u8], reference: &[u8]) -> Option<&'a [u8]> {
    let start = u32_at(reference, 0)? as usize;
    let length = u32_at(reference, 4)? as usize;
    bytes.get(start..start.checked_add(length)?)
}

impl Folded for PackedRow<'_> {
    type Error = OnlineError;

    fn layout(&self) -> &Layout {
        self.layout
    }

    fn times(&self) -> Result<Option<Times>, OnlineError> {
        if !self.is_folded() {
            return Ok(None);
        }
        let time = |offset| micros_at(self.bytes, offset);
        match (time(at::EVENT_TIME), time(at::AVAILABLE_AT)) {
            (Some(event_time), Some(available_at)) => Ok(Some(Times { event_time, available_at })),
            _ => Err(self.layout.damaged("its times are none")),
        }
    }

    fn latest_value(&self, index: usize, slot: &LatestSlot) -> Result<Value, OnlineError> {
        let Some(bytes) = self.latest_bytes(index, slot)? else { return Ok(Value::Null) };
        Value::read(slot.data_type, bytes)
            .ok_or_else(|| self.layout.damaged("a latest value is none of its type"))
    }

    /// Any bytes are a number, and a wrong one would not show: so tiles are merged only of a whole row.
    fn check(&self) -> Result<(), OnlineError> {
        self.verify()
    }

    fn finished(&self, value: Result<Value, Contradiction>) -> Result<Value, OnlineError> {
        value.map_err(|Contradiction| self.layout.damaged("its states are those of no rows"))
    }

    fn merge(&self, ring: usize, part: usize, tail: i64, into: &mut State) -> Result<(), OnlineError> {
        let (Some(ring), Some(times)) = (self.layout.rings.get(ring), self.times()?) else { return Ok(()) };
        // Bit i is the tile i hops before the latest row's.
        let reach = ring.tile(times.event_time) - tail + 1;
        let within = usize::try_from(reach).unwrap_or(0).min(ring.tiles);
        let count = count_ones(self.bitmap(ring), within);
        if let Some(state) = self.merged(ring, part, count) {
            into.merge(&state);
            return Ok(());
        }
        for state in self.states(ring, part, count) {
            into.merge(&state.ok_or_else(|| self.layout.damaged("a tile's state is none"))?);
        }
        Ok(())
    }

    fn with_pending<T>(
        &self,
        use_them: impl FnOnce(Option<Position>, &[Row]) -> T,
    ) -> Result<T, OnlineError> {
        if !self.has_pending() {
            return Ok(use_them(None, &[]));
        }
        let tail = self.tail()?;
        Ok(use_them(tail.latest, &tail.pending))
    }
}
