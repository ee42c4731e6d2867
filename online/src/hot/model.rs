//! A check of the scheme of [`super::pins`] in every order that the language's memory model allows: the
//! same file, compiled over the atomics of loom, between a reader and a writer that reuses a slot.

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[expect(clippy::duplicate_mod, reason = "the same file over other atomics is the point")]
#[path = "pins.rs"]
mod pins;

use atomics::{AtomicU64, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use pins::Pins;

/// Two slots and the word that names one of them.
struct World<const N: usize> {
    pins: Pins<N>,
    word: AtomicU64,
    slots: [UnsafeCell<u64>; 2],
}

impl<const N: usize> World<N> {
    fn new() -> Arc<Self> {
        let slots = [UnsafeCell::new(10), UnsafeCell::new(0)];
        Arc::new(World { pins: Pins::new(), word: AtomicU64::new(0), slots })
    }

    /// Reads what the word names; loom sees to it that nobody writes there meanwhile.
    fn read(&self) -> u64 {
        let _pin = self.pins.enter(0);
        let named = self.word.load(Ordering::Acquire);
        // SAFETY: that is what is checked: loom fails where a write may overlap.
        self.slots[named as usize].with(|value| unsafe { *value })
    }

    /// Writes a new value in the other slot, names it, and then reuses the old slot.
    fn replace_and_reuse(&self) {
        // SAFETY: no word names the slot yet.
        self.slots[1].with_mut(|value| unsafe { *value = 20 });
        self.word.swap(1, Ordering::AcqRel);
        let tag = self.pins.tag();
        if tag < self.pins.oldest() {
            // SAFETY: that is what is checked: loom fails where a read may overlap.
            self.slots[0].with_mut(|value| unsafe { *value = 99 });
        }
    }
}

#[test]
fn a_slot_is_reused_only_when_no_reader_can_see_it() {
    loom::model(|| {
        let world = World::<1>::new();
        let there = Arc::clone(&world);
        let reader = thread::spawn(move || assert!([10, 20].contains(&there.read())));
        world.replace_and_reuse();
        reader.join().unwrap();
    });
}

#[test]
fn readers_beyond_the_slots_are_respected_too() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let world = World::<1>::new();
        let readers = [0; 2].map(|_| {
            let there = Arc::clone(&world);
            thread::spawn(move || assert!([10, 20].contains(&there.read())))
        });
        world.replace_and_reuse();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}
