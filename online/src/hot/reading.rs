//! Reading the table: how a key leads to its bucket, a word of it to an entry, and that to a row; for one key, or for
//! many at once, with the cache misses of many keys under way together.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::pins::Pin;
#[cfg(target_arch = "x86_64")]
use super::probe::{Avx2, Avx512};
use super::probe::{Bucket, Matches, Portable, Probe, WORDS};
use super::table::{AtBound, HEAD, HotTable};
use super::word::{UNSHAPED, Word, fingerprint};

/// Keys of a group: so many buckets, and so many entries, are under way at once. More than a processor
/// has capacity for: so it always has the next to ask for.
const AHEAD: usize = 64;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// A reading of the table: what it finds stays as it is until it ends.
pub struct Reading<'t> {
    table: &'t HotTable,
    _pin: Pin<'t>,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

/// Keys whose buckets, or whose entries, were requested and are under way.
#[derive(Clone, Copy)]
struct Group {
    hashes: [u64; AHEAD],
    buckets: [usize; AHEAD],
    words: [Word; AHEAD],
    /// The indices of keys that no word of their bucket matches, but that has further lines.
    linked: [u8; AHEAD],
    links: usize,
}

impl Group {
    const NONE: Group = Group {
        hashes: [0; AHEAD],
        buckets: [0; AHEAD],
        words: [Word::EMPTY; AHEAD],
        linked: [0; AHEAD],
        links: 0,
    };
}

/// Keys of one view, by their indices.
trait Keys<'k> {
    fn count(&self) -> usize;
    /// The key at an index below the count.
    fn key(&self, index: usize) -> &'k [u8];
}

impl<'k, K: AsRef<[u8]>> Keys<'k> for &'k [K] {
    fn count(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn key(&self, index: usize) -> &'k [u8] {
        debug_assert!(index < self.len());
        // SAFETY: the index is below the count.
        unsafe { self.get_unchecked(index) }.as_ref()
    }
}

impl HotTable {
    /// Begins to read. What is found stays as it is until the reading ends, whatever is written
    /// meanwhile; so a reading should be short: nothing that it might see is overwritten before.
    pub fn read(&self) -> Reading<'_> {
        Reading::new(self)
    }

    #[inline(always)]
    pub(super) fn hash(&self, view: u32, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(view);
        match key.as_array::<8>() {
            Some(key) => hasher.write_u64(u64::from_le_bytes(*key)),
            None => hasher.write(key),
        }
        hasher.finish()
    }

    /// The bucket of this number.
    #[inline(always)]
    pub(super) fn bucket(&self, number: usize) -> &Bucket {
        // SAFETY: a line is aligned and as large as a bucket, any bytes are one, and lines of this region
        // are only ever used as buckets, through their atomics.
        unsafe { self.buckets.line(number).cast().as_ref() }
    }

    /// The further words that a link names.
    ///
    /// # Safety
    /// The link was read by a reader that is still pinned, or by the writer, from a bucket.
    #[inline(always)]
    // SAFETY: the caller keeps what is said above.
    pub(super) unsafe fn linked(&self, link: Word) -> &Bucket {
        // SAFETY: the writer made eight words of the line before it published the link, and does not
        // use it for anything else before readers that may have seen the link have left.
        unsafe { self.lines.line(link.line()).cast().as_ref() }
    }

    /// The entry that a word names.
    ///
    /// # Safety
    /// The word was read by a reader that is still pinned, or by the writer, from a bucket; it is an
    /// entry's; and the entry is not used once that reader has left.
    #[inline(always)]
    // SAFETY: the caller keeps what is said above.
    pub(super) unsafe fn entry(&self, word: Word) -> Entry<'_> {
        let at = self.lines.line(word.line());
        // SAFETY: the writer wrote the whole entry, with these lengths, before it published the word, and
        // writes there again only when readers that may have seen the word have left.
        unsafe {
            let (view, key, row, at) = match self.shapes.get(word.shape()) {
                Some(shape) if word.shape() != UNSHAPED => {
                    let shape = shape.load(Ordering::Relaxed);
                    ((shape >> 16) as u32, (shape >> 8) as usize & 0xff, shape as usize & 0xff, at)
                }
                _ => {
                    let [view, key, row] = at.cast::<[u32; 3]>().read();
                    (view, key as usize, row as usize, at.add(HEAD))
                }
            };
            Entry {
                view,
                key: std::slice::from_raw_parts(at.as_ptr(), key),
                row: std::slice::from_raw_parts(at.add(key).as_ptr(), row),
            }
        }
    }

    /// The row of a key, by every word of its bucket in an order that no write can slip through.
    ///
    /// # Safety
    /// The caller is pinned, or the writer, and does not use the row once it is not.
    // SAFETY: the caller keeps what is said above.
    pub(super) unsafe fn find(&self, view: u32, key: &[u8], hash: u64) -> Option<(&AtomicU64, Word)> {
        loop {
            let at = bucket_of(hash, self.count.load(Ordering::Acquire));
            let mut bucket = self.bucket(at);
            loop {
                // The last word first: when further words are taken back into the bucket, they are
                // there before the link to them is gone.
                let [words @ .., last] = &bucket.0;
                let [after, ..] = [last].map(|slot| Word(slot.load(Ordering::Acquire)));
                let found = std::iter::once((last, after))
                    .chain(words.iter().map(|slot| (slot, Word(slot.load(Ordering::Acquire)))))
                    .find(|(_, word)| {
                        // SAFETY: the word was just read, by whom the caller says.
                        word.matches(hash) && unsafe { self.is_entry_of(*word, view, key) }
                    });
                if found.is_some() {
                    return found;
                }
                if !after.is_link() {
                    break;
                }
                // SAFETY: the link was just read, by whom the caller says.
                bucket = unsafe { self.linked(after) };
            }
            // A bucket that was split meanwhile may have given the key away.
            if bucket_of(hash, self.count.load(Ordering::Acquire)) == at {
                return None;
            }
        }
    }

    /// Whether a word names the entry of this key.
    ///
    /// # Safety
    /// As for [`HotTable::entry`].
    #[inline(always)]
    // SAFETY: the caller keeps what is said above.
    pub(super) unsafe fn is_entry_of(&self, word: Word, view: u32, key: &[u8]) -> bool {
        if !word.is_entry() {
            return false;
        }
        // SAFETY: the caller says so.
        unsafe { self.entry(word) }.is_of(view, key)
    }
}

/// An entry that a word names.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) view: u32,
    pub(super) key: &'a [u8],
    pub(super) row: &'a [u8],
}

impl Entry<'_> {
    #[inline(always)]
    pub(super) fn is_of(&self, view: u32, key: &[u8]) -> bool {
        self.view == view && same(self.key, key)
    }
}

impl<'t> Reading<'t> {
    pub(super) fn new(table: &'t HotTable) -> Self {
        let near = THREAD.try_with(|thread| *thread).unwrap_or_default();
        Self { table, _pin: table.pins.enter(near) }
    }

    /// The row of one key.
    pub fn get(&self, view: u32, key: &[u8]) -> Option<&[u8]> {
        self.find(view, key, self.table.hash(view, key))
    }

    /// The rows of these keys, each reported with its index, in their order.
    pub fn each<'s, K: AsRef<[u8]>>(
        &'s self,
        view: u32,
        keys: &[K],
        found: impl FnMut(usize, Option<&'s [u8]>),
    ) {
        match self.table.options.probe {
            #[cfg(target_arch = "x86_64")]
            Probe::Avx512 => self.each_with::<Avx512>(view, keys, found),
            #[cfg(target_arch = "x86_64")]
            Probe::Avx2 => self.each_with::<Avx2>(view, keys, found),
            _ => self.each_with::<Portable>(view, keys, found),
        }
    }

    /// The rows of these keys, in their order, instead of what is in `rows`.
    pub fn rows<'s, K: AsRef<[u8]>>(&'s self, view: u32, keys: &[K], rows: &mut Vec<Option<&'s [u8]>>) {
        rows.clear();
        rows.reserve(keys.len());
        self.each(view, keys, |_, row| rows.push(row));
    }

    /// While a group's entries are looked at, the buckets of the next group are, and those of the group
    /// after it are prefetched: each line that a key needs was prefetched one group ago.
    #[inline(always)]
    fn each_with<'s, 'k, M: Matches>(
        &'s self,
        view: u32,
        keys: impl Keys<'k>,
        mut found: impl FnMut(usize, Option<&'s [u8]>),
    ) {
        let count = keys.count();
        let groups = count.div_ceil(AHEAD);
        let range = |group: usize| group * AHEAD..count.min((group + 1) * AHEAD);
        let mut turning = [Group::NONE; 3];
        for step in 0..groups + 2 {
            // The entries behind links have the time that the other groups take to arrive.
            if step >= 2 {
                self.follow_links::<M>(group_of(&mut turning, step - 2));
            }
            if step < groups {
                self.ask_for_buckets(view, &keys, range(step), group_of(&mut turning, step));
            }
            if step > 0 && step <= groups {
                self.match_words::<M>(group_of(&mut turning, step - 1), range(step - 1).len());
            }
            if step >= 2 {
                let group = group_of(&mut turning, step - 2);
                for (slot, at) in range(step - 2).enumerate() {
                    found(at, self.row_of(group, slot, view, keys.key(at)));
                }
            }
        }
    }

    #[inline(always)]
    fn ask_for_buckets<'k>(
        &self,
        view: u32,
        keys: &impl Keys<'k>,
        range: std::ops::Range<usize>,
        group: &mut Group,
    ) {
        let table = self.table;
        let buckets = table.count.load(Ordering::Relaxed);
        for ((hash, bucket), at) in group.hashes.iter_mut().zip(&mut group.buckets).zip(range) {
            *hash = table.hash(view, keys.key(at));
            *bucket = bucket_of(*hash, buckets);
            table.buckets.prefetch(*bucket);
        }
    }

    #[inline(always)]
    fn match_words<M: Matches>(&self, group: &mut Group, count: usize) {
        let table = self.table;
        group.links = 0;
        let hashes = group.hashes.iter().zip(&group.buckets).zip(&mut group.words);
        for (slot, ((hash, bucket), word)) in hashes.take(count).enumerate() {
            *word = match_word::<M>(table.bucket(*bucket), *hash);
            self.ask_for_entry(*word);
            if word.is_link()
                && let Some(linked) = group.linked.get_mut(group.links)
            {
                *linked = slot as u8;
                group.links += 1;
            }
        }
    }

    #[inline(always)]
    fn ask_for_entry(&self, word: Word) {
        self.table.lines.prefetch(word.line());
        if word.shape() == UNSHAPED {
            self.table.lines.prefetch(word.line() + 1);
        }
    }

    /// Looks for what was not in its bucket in the first of its further lines, which were prefetched.
    #[inline(always)]
    fn follow_links<M: Matches>(&self, group: &mut Group) {
        for slot in group.linked.iter().take(group.links) {
            let slot = usize::from(*slot);
            if let (Some(word), Some(hash)) = (group.words.get_mut(slot), group.hashes.get(slot)) {
                // SAFETY: the link was read by this reading, from a bucket.
                *word = match_word::<M>(unsafe { self.table.linked(*word) }, *hash);
                self.ask_for_entry(*word);
            }
        }
    }

    /// The row of the key that the group's word may name.
    #[inline(always)]
    fn row_of(&self, group: &Group, slot: usize, view: u32, key: &[u8]) -> Option<&[u8]> {
        let (Some(word), Some(hash)) = (group.words.get(slot).copied(), group.hashes.get(slot).copied())
        else {
            return None;
        };
        if word.matches(hash) {
            // SAFETY: a word that matches is an entry's, and this reading read it, from a bucket.
            let entry = unsafe { self.table.entry(word) };
            if entry.is_of(view, key) {
                if self.table.options.at_bound == AtBound::Evict && !word.is_seen() {
                    self.note_use_of(view, key, hash, word);
                }
                return Some(entry.row);
            }
        }
        self.find(view, key, hash)
    }

    #[cold]
    fn note_use_of(&self, view: u32, key: &[u8], hash: u64, word: Word) {
        // SAFETY: this reading is pinned.
        if let Some((slot, there)) = unsafe { self.table.find(view, key, hash) }
            && there == word
        {
            note_use(slot, word);
        }
    }

    #[cold]
    fn find(&self, view: u32, key: &[u8], hash: u64) -> Option<&[u8]> {
        // SAFETY: this reading is pinned, and the row is borrowed from it.
        let (slot, word) = unsafe { self.table.find(view, key, hash) }?;
        if self.table.options.at_bound == AtBound::Evict && !word.is_seen() {
            note_use(slot, word);
        }
        // SAFETY: the word was just read by this reading, and names an entry.
        Some(unsafe { self.table.entry(word) }.row)
    }
}

/// Where the word changed meanwhile, nothing is noted.
fn note_use(slot: &AtomicU64, word: Word) {
    let _ = slot.compare_exchange(word.0, word.seen().0, Ordering::Relaxed, Ordering::Relaxed);
}

/// The word of a bucket that may be the key's; without a match the last one, which may lead on.
#[inline(always)]
fn match_word<M: Matches>(bucket: &Bucket, hash: u64) -> Word {
    let matches = M::matches(bucket, fingerprint(hash)) | 1 << (WORDS - 1);
    // SAFETY: a bit below the number of words is set.
    Word(unsafe { bucket.0.get_unchecked(matches.trailing_zeros() as usize) }.load(Ordering::Acquire))
}

#[inline(always)]
fn group_of(turning: &mut [Group; 3], number: usize) -> &mut Group {
    let [a, b, c] = turning;
    match number % 3 {
        0 => a,
        1 => b,
        _ => c,
    }
}

/// The number of a hash's bucket among so many.
#[inline(always)]
pub(super) fn bucket_of(hash: u64, count: u64) -> usize {
    // The greatest power of two that is not above the count.
    let half = 1_u64 << (63 - (count | 1).leading_zeros());
    let number = hash & (2 * half - 1);
    (if number < count { number } else { number & (half - 1) }) as usize
}

/// Whether two keys are equal; most have eight bytes.
#[inline(always)]
fn same(a: &[u8], b: &[u8]) -> bool {
    match (a.as_array::<8>(), b.as_array::<8>()) {
        (Some(a), Some(b)) => u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b),
        _ => a == b,
    }
}
