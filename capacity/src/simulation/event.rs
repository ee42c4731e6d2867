//! What happens next: events in the order of their times, and of two at one time the one that was added first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Arrive,
    Finish { server: usize, request: usize, life: u32 },
    GiveUp { request: usize },
    Fail,
    Detect,
    Return,
}

/// All that is to happen.
#[derive(Debug, Default)]
pub struct Events {
    heap: BinaryHeap<Due>,
    added: u64,
}

impl Events {
    pub fn add(&mut self, time: f64, event: Event) {
        self.added += 1;
        self.heap.push(Due { time, number: self.added, event });
    }

    pub fn next(&mut self) -> Option<(f64, Event)> {
        self.heap.pop().map(|due| (due.time, due.event))
    }
}

#[derive(Debug)]
struct Due {
    time: f64,
    number: u64,
    event: Event,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first: that is the earliest.
        other.time.total_cmp(&self.time).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}
