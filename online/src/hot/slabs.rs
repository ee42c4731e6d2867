//! Where entries lie: lines in slabs of one kind each, freed and taken again without moving anything.
//! An emptied slab serves any kind; an entry larger than a slab takes whole ones in a row. Only the
//! writer looks in here.

use std::collections::{BTreeMap, HashMap};

use super::region::{LINE, Region};

/// Lines of a slab.
pub(super) const SLAB_LINES: usize = 1024;
/// Bytes of a slab.
pub(super) const SLAB_BYTES: usize = SLAB_LINES * LINE;
/// No line of a slab.
const NONE: u32 = u32::MAX;

/// What the slots of a slab are for: entries of so many lines and one shape.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kind {
    pub(super) lines: usize,
    pub(super) shape: usize,
}

impl Kind {
    /// The kind of the smallest slots that have so many bytes.
    pub(super) fn of(bytes: usize, shape: usize) -> Kind {
        let lines = bytes.div_ceil(LINE).max(1);
        // Eight sizes to each doubling: at most an eighth is wasted.
        let lines = match lines {
            ..=8 => lines,
            9..=SLAB_LINES => lines.next_multiple_of(lines.next_power_of_two() / 16).min(SLAB_LINES),
            _ => lines.next_multiple_of(SLAB_LINES),
        };
        Kind { lines, shape }
    }

    fn slabs(self) -> usize {
        self.lines.div_ceil(SLAB_LINES)
    }

    fn in_slab(self) -> usize {
        (SLAB_LINES / self.lines).max(1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Slab {
    /// None where it is free, or not the first of a large entry.
    kind: Option<Kind>,
    used: u32,
    /// The first of the freed slots; each names the next in its first bytes.
    freed: u32,
    /// Slots that were never taken begin here.
    fresh: u32,
    /// Whether it is among the slabs of its kind that have a free slot.
    listed: bool,
}

const FREE: Slab = Slab { kind: None, used: 0, freed: NONE, fresh: 0, listed: false };

/// The slabs of a region.
pub(super) struct Slabs {
    slabs: Vec<Slab>,
    most_slabs: usize,
    /// Free slabs in a row: the first of them, and how many.
    free: BTreeMap<usize, usize>,
    unfilled: HashMap<Kind, Vec<usize>>,
    in_use: usize,
}

impl Slabs {
    /// All of a region of so many lines. The first slab is never used: no entry lies at line 0.
    pub(super) fn new(lines: usize) -> Slabs {
        let most_slabs = lines / SLAB_LINES;
        Slabs { slabs: vec![FREE], most_slabs, free: BTreeMap::new(), unfilled: HashMap::new(), in_use: 0 }
    }

    /// Bytes of the slabs that are in use.
    pub(super) fn bytes(&self) -> usize {
        self.in_use * SLAB_BYTES
    }

    /// A free slot, where there is one, or where a new slab stays within so many bytes of slabs.
    pub(super) fn take(&mut self, kind: Kind, region: &Region, most_bytes: usize) -> Option<usize> {
        loop {
            let unfilled = self.unfilled.entry(kind).or_default();
            let Some(number) = unfilled.last().copied() else {
                self.begin_slab(kind, most_bytes)?;
                continue;
            };
            let slab = self.slabs.get_mut(number)?;
            let slot = match slab.freed {
                NONE => {
                    slab.fresh += 1;
                    slab.fresh - 1
                }
                freed => {
                    let line = number * SLAB_LINES + freed as usize * kind.lines;
                    // SAFETY: a freed slot is the writer's alone, and holds the number of the next.
                    slab.freed = unsafe { region.line(line).cast::<u32>().read() };
                    freed
                }
            };
            slab.used += 1;
            if slab.freed == NONE && slab.fresh as usize >= kind.in_slab() {
                slab.listed = false;
                unfilled.pop();
            }
            return Some(number * SLAB_LINES + slot as usize * kind.lines);
        }
    }

    /// Frees a slot that no reader can see any more.
    pub(super) fn give(&mut self, line: usize, kind: Kind, region: &Region) {
        let number = line / SLAB_LINES;
        let Some(slab) = self.slabs.get_mut(number) else { return };
        slab.used = slab.used.saturating_sub(1);
        if slab.used == 0 {
            if slab.listed
                && let Some(unfilled) = self.unfilled.get_mut(&kind)
            {
                unfilled.retain(|listed| *listed != number);
                if unfilled.is_empty() {
                    self.unfilled.remove(&kind);
                }
            }
            self.end_slab(number, kind);
            return;
        }
        // SAFETY: no reader sees the slot any more, so it is the writer's alone.
        unsafe { region.line(line).cast::<u32>().write(slab.freed) };
        slab.freed = ((line % SLAB_LINES) / kind.lines) as u32;
        if !slab.listed {
            slab.listed = true;
            self.unfilled.entry(kind).or_default().push(number);
        }
    }

    /// The kind of a slab, and the slots in it that were ever taken; none where it is not in use.
    pub(super) fn taken(&self, number: usize) -> Option<(Kind, impl Iterator<Item = usize> + use<>)> {
        let slab = self.slabs.get(number)?;
        let kind = slab.kind?;
        Some((kind, (0..slab.fresh as usize).map(move |slot| number * SLAB_LINES + slot * kind.lines)))
    }

    /// How many slabs were ever in use, with the one that never is.
    pub(super) fn slabs(&self) -> usize {
        self.slabs.len()
    }

    fn begin_slab(&mut self, kind: Kind, most_bytes: usize) -> Option<()> {
        let count = kind.slabs();
        if (self.in_use + count) * SLAB_BYTES > most_bytes {
            return None;
        }
        let first_fit =
            self.free.iter().find(|(_, free)| **free >= count).map(|(first, free)| (*first, *free));
        let number = match first_fit {
            Some((first, free)) => {
                self.free.remove(&first);
                if free > count {
                    self.free.insert(first + count, free - count);
                }
                first
            }
            None => {
                let first = self.slabs.len();
                if first + count > self.most_slabs {
                    return None;
                }
                self.slabs.resize(first + count, FREE);
                first
            }
        };
        self.in_use += count;
        *self.slabs.get_mut(number)? = Slab { kind: Some(kind), listed: true, ..FREE };
        self.unfilled.entry(kind).or_default().push(number);
        Some(())
    }

    fn end_slab(&mut self, number: usize, kind: Kind) {
        if let Some(slab) = self.slabs.get_mut(number) {
            *slab = FREE;
        }
        let mut count = kind.slabs();
        self.in_use -= count;
        if let Some(after) = self.free.remove(&(number + count)) {
            count += after;
        }
        match self.free.range_mut(..number).next_back() {
            Some((first, free)) if *first + *free == number => *free += count,
            _ => {
                self.free.insert(number, count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_never_overlap_and_empty_slabs_serve_any_kind(
            steps in prop::collection::vec((1_usize..200_000, any::<prop::sample::Index>(), any::<bool>()), 1..200),
        ) {
            let region = Region::reserve(40 * SLAB_LINES, false).unwrap();
            let mut slabs = Slabs::new(region.lines());
            let mut entries: Vec<(usize, Kind)> = Vec::new();
            for (bytes, which, take) in steps {
                let kind = Kind::of(bytes, 0);
                prop_assert!(kind.lines * LINE >= bytes);
                if take {
                    if let Some(line) = slabs.take(kind, &region, 40 * SLAB_BYTES) {
                        prop_assert!(line >= SLAB_LINES && line + kind.lines <= region.lines());
                        for (other, kind_there) in &entries {
                            prop_assert!(line + kind.lines <= *other || other + kind_there.lines <= line);
                        }
                        entries.push((line, kind));
                    }
                } else if !entries.is_empty() {
                    let (line, kind) = entries.swap_remove(which.index(entries.len()));
                    slabs.give(line, kind, &region);
                }
            }
            for (line, kind) in entries {
                slabs.give(line, kind, &region);
            }
            prop_assert_eq!(slabs.bytes(), 0);
            let all = Kind::of((slabs.slabs() - 1) * SLAB_BYTES, 0);
            prop_assert!(slabs.slabs() == 1 || slabs.take(all, &region, 40 * SLAB_BYTES).is_some());
        }
    }
}
