//! Letting rows go that were not read lately: a hand goes round the buckets, takes the mark of use from
//! each row that has one, and the row from each that has none (CLOCK). A row begins without a mark, so
//! what is read once goes before what is read again.

use std::sync::atomic::Ordering;

use super::reading::bucket_of;
use super::region::LINE;
use super::slabs::Kind;
use super::table::{HEAD, shape};
use super::word::{MAX_SHAPES, UNSHAPED, Word};
use super::writing::{FURTHER, Writes};

/// Rows that are let go at once.
const ROWS: usize = 32;
/// Buckets that are looked at for them.
const BUCKETS: usize = 256;
/// How often, before a whole slab is emptied: the rows let go were of other kinds.
const ROUNDS: usize = 4;

impl Writes<'_> {
    /// A slot of this kind, after others were let go; none while readers hold up what was.
    pub(super) fn take_by_evicting(&mut self, kind: Kind) -> Option<usize> {
        if kind.lines * LINE > self.table.options.max_bytes / 2 {
            return None;
        }
        for _ in 0..ROUNDS {
            self.turn_hand();
            self.reclaim();
            if let Some(line) = self.take_free(kind) {
                return Some(line);
            }
        }
        for _ in 0..kind.lines.div_ceil(super::slabs::SLAB_LINES) {
            self.empty_next_slab();
        }
        self.reclaim();
        self.take_free(kind)
    }

    fn turn_hand(&mut self) {
        let count = self.table.count.load(Ordering::Relaxed) as usize;
        let mut evicted = 0;
        for _ in 0..BUCKETS.min(count) {
            let number = self.writing.hand % count;
            self.writing.hand = number + 1;
            // SAFETY: this is the writer.
            for slot in unsafe { self.table.words(number) } {
                let word = Word(slot.load(Ordering::Relaxed));
                if !word.is_entry() {
                    continue;
                }
                if word.is_seen() {
                    // Readers only set the mark, so nothing else can change here.
                    slot.fetch_and(word.unseen().0, Ordering::Relaxed);
                } else {
                    self.let_go(slot);
                    evicted += 1;
                }
            }
            if evicted >= ROWS {
                break;
            }
        }
        self.table.evictions.fetch_add(evicted as u64, Ordering::Relaxed);
    }

    /// Lets go of all rows of one slab, so that it can serve another kind.
    fn empty_next_slab(&mut self) {
        for _ in 0..self.writing.slabs.slabs() {
            let number = self.writing.slab_hand % self.writing.slabs.slabs();
            self.writing.slab_hand = number + 1;
            let Some((kind, lines)) = self.writing.slabs.taken(number) else { continue };
            if kind == FURTHER {
                continue;
            }
            let mut evicted = 0;
            for line in lines {
                evicted += u64::from(self.evict_line(line, kind));
            }
            self.table.evictions.fetch_add(evicted, Ordering::Relaxed);
            return;
        }
    }

    /// Lets go of the entry at a line, if there is one: the line may be free, and hold anything.
    fn evict_line(&mut self, line: usize, kind: Kind) -> bool {
        let at = self.table.lines.line(line);
        let (view, key, row, head) = if kind.shape == UNSHAPED {
            // SAFETY: the slot is in a slab that is in use; what is free in it is the writer's alone.
            let [view, key, row] = unsafe { at.cast::<[u32; 3]>().read() };
            (view, key as usize, row as usize, HEAD)
        } else {
            let shape = self.table.shapes.get(kind.shape).map_or(0, |shape| shape.load(Ordering::Relaxed));
            ((shape >> 16) as u32, (shape >> 8) as usize & 0xff, shape as usize & 0xff, 0)
        };
        if head + key > kind.lines * LINE || (kind.shape != UNSHAPED && shape(view, key, row) == 0) {
            return false;
        }
        // SAFETY: the bytes lie within the slot.
        let key = unsafe { std::slice::from_raw_parts(at.add(head).as_ptr(), key) };
        let number = bucket_of(self.table.hash(view, key), self.table.count.load(Ordering::Relaxed));
        // SAFETY: this is the writer.
        let slot = unsafe { self.table.words(number) }.find(|slot| {
            let word = Word(slot.load(Ordering::Relaxed));
            word.is_entry() && word.line() == line
        });
        let Some(slot) = slot else { return false };
        self.let_go(slot);
        true
    }
}

const _: () = assert!(FURTHER.shape == MAX_SHAPES);
