//! The table: from a view's number and an entity's key to a row's bytes, read by many threads that never
//! wait while one writes.
//!
//! A key's bucket is one cache line of eight words; a word names an entry's line, where its key and its
//! row lie. An entry is never changed once a word names it: a write makes a new one, exchanges the word,
//! and the old one's slot is written again when no reader can see it any more ([`super::pins`]). Buckets
//! are added one by one (linear hashing), so that no write does more than a little. `docs/decisions/0009`
//! says what else was weighed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;

use super::pins::Pins;
use super::probe::{Probe, WORDS};
use super::region::{LINE, Region};
use super::word::{MAX_LINES, MAX_SHAPES, Word};
use super::writer_state::WriterState;

/// Readers at one moment before a crowd is only counted.
const PINS: usize = 128;
/// Buckets of an empty table.
const LEAST_BUCKETS: usize = 64;
/// The smallest bound, in bytes.
pub(super) const LEAST_BYTES: usize = 1 << 20;
/// Bytes before the key of an entry without a shape: view, length of the key, length of the row.
pub(super) const HEAD: usize = 12;

/// What a table does with one row more than its bound allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtBound {
    /// Refuses it: the table is a store, and what it holds is kept.
    Refuse,
    /// Lets other rows go that were not read lately: the table is in front of a store.
    Evict,
}

/// How large a table may become, and how it works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableOptions {
    /// The most bytes of memory: entries, buckets, and slots that wait for readers. At least one MiB.
    pub max_bytes: usize,
    /// What happens there.
    pub at_bound: AtBound,
    /// Whether to ask for huge pages.
    pub huge_pages: bool,
    /// Which instructions look for keys; one that the processor lacks is replaced by the portable one.
    pub probe: Probe,
}

impl TableOptions {
    /// A table of at most so many bytes that lets rows go.
    pub fn evicting(max_bytes: usize) -> Self {
        Self { max_bytes, at_bound: AtBound::Evict, huge_pages: true, probe: Probe::widest() }
    }

    /// A table of at most so many bytes that keeps every row.
    pub fn keeping(max_bytes: usize) -> Self {
        Self { at_bound: AtBound::Refuse, ..Self::evicting(max_bytes) }
    }
}

/// How much a table holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableStats {
    /// Rows.
    pub entries: u64,
    /// Bytes of memory, of those that its bound counts.
    pub bytes: u64,
    /// Rows that were let go.
    pub evictions: u64,
    /// Buckets, of eight rows each.
    pub buckets: u64,
}

/// A table in memory. See the module.
pub struct HotTable {
    /// The buckets; those at and beyond `count` are zeros.
    pub(super) buckets: Region,
    /// How many buckets are in use.
    pub(super) count: AtomicU64,
    /// Entries, and further words of full buckets.
    pub(super) lines: Region,
    /// What entries of each shape have in common, as [`shape`] makes it.
    pub(super) shapes: Box<[AtomicU64]>,
    pub(super) pins: Pins<PINS>,
    pub(super) hasher: RandomState,
    pub(super) options: TableOptions,
    pub(super) writing: Mutex<WriterState>,
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) evictions: AtomicU64,
}

impl std::fmt::Debug for HotTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotTable").field("options", &self.options).field("stats", &self.stats()).finish()
    }
}

/// What an entry of a shape is: its view and how long its key and its row are.
pub(super) fn shape(view: u32, key: usize, row: usize) -> u64 {
    u64::from(view) << 16 | (key as u64) << 8 | row as u64
}

impl HotTable {
    /// An empty table; none where the system cannot reserve the address space of its bound. Memory is
    /// taken as it fills.
    pub fn new(options: TableOptions) -> Option<Self> {
        let max_bytes = options.max_bytes.max(LEAST_BYTES);
        let lines = (max_bytes / LINE).min(MAX_LINES);
        let buckets = (lines / 3).next_power_of_two().max(LEAST_BUCKETS);
        let probe = if options.probe.is_available() { options.probe } else { Probe::Portable };
        let table = Self {
            buckets: Region::reserve(buckets, options.huge_pages)?,
            count: AtomicU64::new(LEAST_BUCKETS as u64),
            // One slab more: the first is never used.
            lines: Region::reserve(lines + super::slabs::SLAB_LINES, options.huge_pages)?,
            shapes: (0..MAX_SHAPES).map(|_| AtomicU64::new(0)).collect(),
            pins: Pins::new(),
            hasher: RandomState::default(),
            options: TableOptions { max_bytes, probe, ..options },
            writing: Mutex::new(WriterState::new(lines + super::slabs::SLAB_LINES)),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new((LEAST_BUCKETS * LINE) as u64),
            evictions: AtomicU64::new(0),
        };
        Some(table)
    }

    /// How much it holds.
    pub fn stats(&self) -> TableStats {
        TableStats {
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            buckets: self.count.load(Ordering::Relaxed),
        }
    }

    /// All words of a bucket and its further lines.
    ///
    /// # Safety
    /// The caller is the writer.
    // SAFETY: the caller keeps what is said above.
    pub(super) unsafe fn words(&self, number: usize) -> impl Iterator<Item = &AtomicU64> {
        let mut next = Some(self.bucket(number));
        std::iter::from_fn(move || {
            let bucket = next?;
            let last = Word(bucket.0.last()?.load(Ordering::Acquire));
            // SAFETY: the link was just read by the writer.
            next = last.is_link().then(|| unsafe { self.linked(last) });
            Some(bucket.0.iter().take(if last.is_link() { WORDS - 1 } else { WORDS }))
        })
        .flatten()
    }
}
