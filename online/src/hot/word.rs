//! What a bucket holds of one entry, in one word that is written and read as a whole: its fingerprint,
//! its shape, whether it was read lately, and its line.

/// 16 bits of fingerprint, 1 of use, 13 of shape, 34 of line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word(pub(super) u64);

const LINE_BITS: u32 = 34;
const SHAPE_BITS: u32 = 13;
const FINGERPRINT_AT: u32 = 48;
const SEEN: u64 = 1 << 47;

/// How many lines a word can name.
pub(super) const MAX_LINES: usize = 1 << LINE_BITS;
/// The shape of entries that say themselves what they are.
pub(super) const UNSHAPED: usize = 0;
/// The shape of a word that names no entry, but a line with eight more words.
const LINK: usize = (1 << SHAPE_BITS) - 1;
/// How many shapes there may be; the first is [`UNSHAPED`].
pub(super) const MAX_SHAPES: usize = LINK;

impl Word {
    pub(super) const EMPTY: Word = Word(0);

    pub(super) fn new(hash: u64, shape: usize, line: usize) -> Word {
        Word(fingerprint(hash) << FINGERPRINT_AT | (shape as u64) << LINE_BITS | line as u64)
    }

    pub(super) fn link(line: usize) -> Word {
        Word((LINK as u64) << LINE_BITS | line as u64)
    }

    #[inline(always)]
    pub(super) fn line(self) -> usize {
        (self.0 & (MAX_LINES as u64 - 1)) as usize
    }

    #[inline(always)]
    pub(super) fn shape(self) -> usize {
        (self.0 >> LINE_BITS) as usize & LINK
    }

    #[inline(always)]
    pub(super) fn is_link(self) -> bool {
        self.shape() == LINK
    }

    /// Whether it names an entry.
    pub(super) fn is_entry(self) -> bool {
        self != Word::EMPTY && !self.is_link()
    }

    /// Whether it may be the entry of a key with this hash.
    #[inline(always)]
    pub(super) fn matches(self, hash: u64) -> bool {
        self.0 >> FINGERPRINT_AT == fingerprint(hash)
    }

    pub(super) fn is_seen(self) -> bool {
        self.0 & SEEN != 0
    }

    pub(super) fn seen(self) -> Word {
        Word(self.0 | SEEN)
    }

    pub(super) fn unseen(self) -> Word {
        Word(self.0 & !SEEN)
    }
}

/// Never zero, so that no empty word and no link matches.
#[inline(always)]
pub(super) fn fingerprint(hash: u64) -> u64 {
    (hash >> FINGERPRINT_AT).max(1)
}
