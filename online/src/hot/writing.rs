//! Writing the table: one writer at a time, whom readers neither hold up nor wait for. What a word named
//! waits until no reader can see it, and its slot is reused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};

use super::probe::{Bucket, WORDS};
use super::reading::bucket_of;
use super::region::LINE;
use super::slabs::Kind;
use super::table::{AtBound, HEAD, HotTable, shape};
use super::word::{MAX_SHAPES, UNSHAPED, Word};
use super::writer_state::{Waiting, WriterState};

/// Slots that wait for readers before they are looked at.
const WAITING: usize = 64;
/// How often a writer that may not let rows go yields to readers that hold up a slot.
const PATIENCE: usize = 10_000;
/// A bucket is added for each write once there are more rows than 11 for two buckets.
const ROWS: usize = 11;
const BUCKETS: usize = 2;
/// The kind of lines with further words of a bucket. No entry has this shape.
pub(super) const FURTHER: Kind = Kind { lines: 1, shape: MAX_SHAPES };

/// The right to write.
pub struct Writes<'t> {
    pub(super) table: &'t HotTable,
    pub(super) writing: MutexGuard<'t, WriterState>,
}

impl std::fmt::Debug for Writes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writes").finish_non_exhaustive()
    }
}

/// A row does not fit: the bound is reached, and nothing may be let go, or readers hold it up.
/// Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableFull {
    /// Bytes of the entry.
    pub bytes: usize,
}

impl HotTable {
    /// Begins to write, after whoever writes now. Readers are not held up, and see each write at once.
    pub fn write(&self) -> Writes<'_> {
        Writes { table: self, writing: self.writing.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl Writes<'_> {
    /// Puts a row instead of the one that the key has, if any.
    pub fn put(&mut self, view: u32, key: &[u8], row: &[u8]) -> Result<(), TableFull> {
        let shape = self.shape_of(view, key.len(), row.len());
        let head = if shape == UNSHAPED { HEAD } else { 0 };
        let kind = Kind::of(head + key.len() + row.len(), shape);
        let Some(line) = self.take(kind) else {
            self.leave_shape(shape);
            return Err(TableFull { bytes: head + key.len() + row.len() });
        };
        self.write_entry(line, shape, view, key, row);
        let hash = self.table.hash(view, key);
        let word = Word::new(hash, shape, line);
        // SAFETY: this is the writer.
        let found = unsafe { self.table.find(view, key, hash) };
        if let Some((slot, _)) = found {
            let old = Word(slot.swap(word.0, Ordering::AcqRel));
            self.retire_entry(old);
            return Ok(());
        }
        let number = bucket_of(hash, self.table.count.load(Ordering::Relaxed));
        if !self.add_word(number, word) && !self.replace_word(number, word) {
            self.give_back(line, kind);
            return Err(TableFull { bytes: LINE });
        }
        self.writing.entries += 1;
        self.table.entries.store(self.writing.entries as u64, Ordering::Relaxed);
        self.grow();
        Ok(())
    }

    /// Removes a key's row; whether there was one.
    pub fn remove(&mut self, view: u32, key: &[u8]) -> bool {
        let hash = self.table.hash(view, key);
        // SAFETY: this is the writer.
        let found = unsafe { self.table.find(view, key, hash) };
        let Some((slot, _)) = found else { return false };
        self.let_go(slot);
        true
    }

    /// Empties a word, which names an entry.
    pub(super) fn let_go(&mut self, slot: &AtomicU64) {
        let old = Word(slot.swap(Word::EMPTY.0, Ordering::AcqRel));
        self.retire_entry(old);
        self.writing.entries = self.writing.entries.saturating_sub(1);
        self.table.entries.store(self.writing.entries as u64, Ordering::Relaxed);
    }

    fn write_entry(&mut self, line: usize, shape: usize, view: u32, key: &[u8], row: &[u8]) {
        let mut at = self.table.lines.line(line);
        // SAFETY: the slot was just taken: no word names it, no reader sees it, and it has as many bytes
        // as its kind, which was made of these lengths.
        unsafe {
            if shape == UNSHAPED {
                at.cast::<[u32; 3]>().write([view, key.len() as u32, row.len() as u32]);
                at = at.add(HEAD);
            }
            std::ptr::copy_nonoverlapping(key.as_ptr(), at.as_ptr(), key.len());
            std::ptr::copy_nonoverlapping(row.as_ptr(), at.add(key.len()).as_ptr(), row.len());
        }
    }

    /// The shape of one entry more of these lengths, where it fits a line without saying what it is.
    fn shape_of(&mut self, view: u32, key: usize, row: usize) -> usize {
        if key + row > LINE {
            return UNSHAPED;
        }
        let packed = shape(view, key, row);
        let writing = &mut *self.writing;
        let number = match writing.shapes.get(&packed) {
            Some(number) => *number,
            None => {
                let number = writing.free_shapes.pop().unwrap_or(writing.shaped.len());
                let Some(there) = self.table.shapes.get(number) else { return UNSHAPED };
                there.store(packed, Ordering::Relaxed);
                writing.shaped.resize(writing.shaped.len().max(number + 1), 0);
                writing.shapes.insert(packed, number);
                number
            }
        };
        if let Some(entries) = writing.shaped.get_mut(number) {
            *entries += 1;
        }
        number
    }

    /// One entry of a shape is no more; the last one leaves its number to another shape.
    fn leave_shape(&mut self, number: usize) {
        let writing = &mut *self.writing;
        let Some(entries) = writing.shaped.get_mut(number).filter(|_| number != UNSHAPED) else { return };
        *entries -= 1;
        if *entries == 0
            && let Some(shape) = self.table.shapes.get(number)
        {
            writing.shapes.remove(&shape.load(Ordering::Relaxed));
            writing.free_shapes.push(number);
        }
    }

    /// A slot of this kind, if need be after others were let go.
    fn take(&mut self, kind: Kind) -> Option<usize> {
        if let Some(line) = self.take_free(kind) {
            return Some(line);
        }
        self.reclaim();
        if let Some(line) = self.take_free(kind) {
            return Some(line);
        }
        match self.table.options.at_bound {
            AtBound::Evict => self.take_by_evicting(kind),
            AtBound::Refuse => {
                for _ in 0..PATIENCE {
                    if self.writing.tagged.is_empty() {
                        return None;
                    }
                    std::thread::yield_now();
                    self.reclaim();
                    if let Some(line) = self.take_free(kind) {
                        return Some(line);
                    }
                }
                None
            }
        }
    }

    pub(super) fn take_free(&mut self, kind: Kind) -> Option<usize> {
        let buckets = self.table.count.load(Ordering::Relaxed) as usize * LINE;
        let most = self.table.options.max_bytes.saturating_sub(buckets);
        let line = self.writing.slabs.take(kind, &self.table.lines, most)?;
        self.note_bytes();
        Some(line)
    }

    fn give_back(&mut self, line: usize, kind: Kind) {
        self.writing.slabs.give(line, kind, &self.table.lines);
        self.leave_shape(kind.shape);
        self.note_bytes();
    }

    fn note_bytes(&self) {
        let buckets = self.table.count.load(Ordering::Relaxed) as usize * LINE;
        self.table.bytes.store((buckets + self.writing.slabs.bytes()) as u64, Ordering::Relaxed);
    }

    pub(super) fn kind_of(&self, word: Word) -> Kind {
        // SAFETY: this is the writer, and the word names an entry whose slot it has not given back.
        let entry = unsafe { self.table.entry(word) };
        let head = if word.shape() == UNSHAPED { HEAD } else { 0 };
        Kind::of(head + entry.key.len() + entry.row.len(), word.shape())
    }

    /// Notes that what a word named cannot be reached any more.
    fn retire_entry(&mut self, word: Word) {
        let kind = self.kind_of(word);
        self.retire(Waiting { line: word.line(), kind });
    }

    fn retire(&mut self, waiting: Waiting) {
        self.writing.open.push(waiting);
        if self.writing.open.len() >= WAITING {
            self.reclaim();
        }
    }

    /// Gives back the slots that no reader can see any more.
    pub(super) fn reclaim(&mut self) {
        if !self.writing.open.is_empty() {
            let open = std::mem::take(&mut self.writing.open);
            let tag = self.table.pins.tag();
            self.writing.tagged.push_back((tag, open));
        }
        if self.writing.tagged.is_empty() {
            return;
        }
        let oldest = self.table.pins.oldest();
        while let Some((_, waiting)) = self.writing.tagged.pop_front_if(|(tag, _)| *tag < oldest) {
            for Waiting { line, kind } in waiting {
                self.give_back(line, kind);
            }
        }
    }

    /// Adds a word to a bucket, to a further line of it, or to a new one; whether it fitted.
    fn add_word(&mut self, number: usize, word: Word) -> bool {
        // SAFETY: this is the writer.
        let free = unsafe { self.table.words(number) }.find(|slot| slot.load(Ordering::Relaxed) == 0);
        if let Some(slot) = free {
            slot.store(word.0, Ordering::Release);
            return true;
        }
        let Some(line) = self.take_free(FURTHER) else { return false };
        let mut bucket = self.table.bucket(number);
        loop {
            let [.., last] = &bucket.0;
            let old = Word(last.load(Ordering::Acquire));
            if !old.is_link() {
                self.write_further(line, &[old, word]);
                // A reader may be marking the old word as seen: that is lost, and no more.
                last.store(Word::link(line).0, Ordering::Release);
                return true;
            }
            // SAFETY: the link was just read by the writer.
            bucket = unsafe { self.table.linked(old) };
        }
    }

    /// Lets another row of a full bucket go, where that is allowed.
    fn replace_word(&mut self, number: usize, word: Word) -> bool {
        if self.table.options.at_bound == AtBound::Refuse {
            return false;
        }
        let loaded = |slot: &AtomicU64| Word(slot.load(Ordering::Relaxed));
        let entries = || {
            // SAFETY: this is the writer.
            unsafe { self.table.words(number) }.filter(|slot| loaded(slot).is_entry())
        };
        let Some(slot) = entries().find(|slot| !loaded(slot).is_seen()).or_else(|| entries().next()) else {
            return false;
        };
        self.let_go(slot);
        self.table.evictions.fetch_add(1, Ordering::Relaxed);
        slot.store(word.0, Ordering::Release);
        true
    }

    /// Makes a bucket of words of a line that no reader sees yet.
    fn write_further(&self, line: usize, words: &[Word]) {
        // SAFETY: the slot was just taken, a line is as large as a bucket, and zeros are one.
        unsafe { self.table.lines.line(line).cast::<[u64; WORDS]>().write([0; WORDS]) };
        // SAFETY: it was made just now; the word is as one that the writer read.
        let bucket: &Bucket = unsafe { self.table.linked(Word::link(line)) };
        for (slot, word) in bucket.0.iter().zip(words) {
            slot.store(word.0, Ordering::Relaxed);
        }
    }

    /// Adds a bucket where there are many rows, and goes on to add one for each new row until their
    /// number has doubled: so buckets are nearly always a power of two, and equally full.
    fn grow(&mut self) {
        let count = self.table.count.load(Ordering::Relaxed);
        if !count.is_power_of_two() || self.writing.entries * BUCKETS > count as usize * ROWS {
            self.add_bucket(count);
        }
    }

    fn add_bucket(&mut self, count: u64) {
        let to = count as usize;
        let fits = (to + 1) * LINE + self.writing.slabs.bytes() <= self.table.options.max_bytes;
        if to >= self.table.buckets.lines() || !fits {
            return;
        }
        let from = to - (1 << count.ilog2());
        let mut moving = Vec::new();
        // SAFETY: this is the writer.
        for slot in unsafe { self.table.words(from) } {
            let word = Word(slot.load(Ordering::Relaxed));
            if word.is_entry() {
                // SAFETY: this is the writer, and the word names an entry.
                let entry = unsafe { self.table.entry(word) };
                if bucket_of(self.table.hash(entry.view, entry.key), count + 1) == to {
                    moving.push((slot, word));
                }
            }
        }
        for (_, word) in &moving {
            if !self.add_word(to, *word) {
                self.empty_bucket(to);
                return;
            }
        }
        // From here on readers look for these keys in the new bucket, where they are; those that still
        // look in the old one may miss them, and look again.
        self.table.count.store(count + 1, Ordering::Release);
        for (slot, _) in moving {
            slot.store(Word::EMPTY.0, Ordering::Release);
        }
        self.take_back_further_words(from);
        self.note_bytes();
    }

    /// Undoes what was added to a bucket that no reader knows yet.
    fn empty_bucket(&mut self, number: usize) {
        let last = self.table.bucket(number).0.last().map(|slot| Word(slot.load(Ordering::Relaxed)));
        for slot in &self.table.bucket(number).0 {
            slot.store(Word::EMPTY.0, Ordering::Relaxed);
        }
        if let Some(link) = last.filter(|word| word.is_link()) {
            self.retire(Waiting { line: link.line(), kind: FURTHER });
        }
    }

    /// Where a bucket has free words for those of its further lines, takes them back.
    fn take_back_further_words(&mut self, number: usize) {
        let bucket = self.table.bucket(number);
        let [home @ .., last] = &bucket.0;
        let link = Word(last.load(Ordering::Acquire));
        if !link.is_link() {
            return;
        }
        let mut lines = vec![link];
        let mut words = Vec::new();
        let mut next = Some(link);
        while let Some(link) = next.take() {
            // SAFETY: the link was just read by the writer.
            for slot in &unsafe { self.table.linked(link) }.0 {
                let word = Word(slot.load(Ordering::Acquire));
                if word.is_link() {
                    lines.push(word);
                    next = Some(word);
                } else if word.is_entry() {
                    words.push(word);
                }
            }
        }
        let free: Vec<&AtomicU64> = home.iter().filter(|slot| slot.load(Ordering::Relaxed) == 0).collect();
        if words.len() > free.len() + 1 {
            return;
        }
        let instead_of_the_link = if words.len() > free.len() { words.pop() } else { None };
        for (slot, word) in free.into_iter().zip(&words) {
            slot.store(word.0, Ordering::Release);
        }
        // Readers look at this word first: those that find the link find the words behind it, and those
        // that do not find them here.
        last.store(instead_of_the_link.unwrap_or(Word::EMPTY).0, Ordering::Release);
        for link in lines {
            self.retire(Waiting { line: link.line(), kind: FURTHER });
        }
    }
}
