//! When a slot may be written again: once no reader can still be looking at what lay there. Readers
//! announce themselves by an epoch and never wait; a writer asks which epochs are still read in.
//!
//! A reader takes a free slot and leaves the epoch of that moment in it; where all are taken it is
//! counted in a crowd, and nothing is reused while there is one. A writer first makes a slot
//! unreachable, then takes its epoch as the slot's *tag* and opens the next. A reader that entered
//! with a later epoch than the tag cannot have found the slot. The fences make one of two things true
//! of every reader and every slot: either the reader finds it unreachable, or the writer finds the
//! reader.

use super::atomics::{AtomicU64, Ordering, fence};

/// Slots for readers that are reading at one moment, and the epoch.
pub(super) struct Pins<const N: usize> {
    epoch: AtomicU64,
    slots: [Slot; N],
    crowd: AtomicU64,
}

/// The epoch that its reader entered with; 0 where it is free. A line of its own, and the line that
/// the processor fetches with it.
#[repr(align(128))]
struct Slot(AtomicU64);

/// A reader that is reading.
pub(super) struct Pin<'a>(&'a AtomicU64, bool);

impl<const N: usize> Pins<N> {
    pub(super) fn new() -> Self {
        Self {
            epoch: AtomicU64::new(1),
            slots: std::array::from_fn(|_| Slot(AtomicU64::new(0))),
            crowd: AtomicU64::new(0),
        }
    }

    /// Begins to read; `near` is any number that differs between threads.
    pub(super) fn enter(&self, near: usize) -> Pin<'_> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        let (before, from) = self.slots.split_at(near % N.max(1));
        for Slot(slot) in from.iter().chain(before) {
            if slot.load(Ordering::Relaxed) == 0
                && slot.compare_exchange(0, epoch, Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                fence(Ordering::SeqCst);
                return Pin(slot, false);
            }
        }
        self.crowd.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Pin(&self.crowd, true)
    }

    /// The tag of slots that were just made unreachable.
    pub(super) fn tag(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.epoch.fetch_add(1, Ordering::SeqCst)
    }

    /// Slots of an earlier tag than this may be written again.
    pub(super) fn oldest(&self) -> u64 {
        fence(Ordering::SeqCst);
        if self.crowd.load(Ordering::SeqCst) > 0 {
            return 0;
        }
        let entered = self.slots.iter().map(|slot| slot.0.load(Ordering::SeqCst));
        entered.filter(|epoch| *epoch > 0).min().unwrap_or(u64::MAX)
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        match self {
            Pin(slot, false) => slot.store(0, Ordering::Release),
            Pin(crowd, true) => {
                crowd.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}
