//! Checksums of a Parquet file, in the file itself.
//!
//! They lie between the file's body (pages and their index) and its footer, where readers of Parquet do not look:
//! one of each block of the body, one of the footer, and one of these. So every byte of the file is covered, a part
//! of it can be checked without the rest, and they go where the file goes. docs/log-files.md says it byte by byte.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use crc32fast::Hasher;

/// Bytes of the body that one checksum covers: columns that are read alone are mostly a few of these.
pub(crate) const BLOCK_BYTES: u64 = 8192;
/// What stands right before the footer, with the version of this format at its end.
const MAGIC: [u8; 16] = *b"twinstore-sums-1";
/// Length of the body, length of a block, checksum of the footer, checksum of all these, magic.
const TRAILER_BYTES: u64 = 8 + 4 + 4 + 4 + 16;
/// What a Parquet file ends with, and the length of its footer before it.
const PARQUET: [u8; 4] = *b"PAR1";
const END_BYTES: u64 = 8;
/// How far from the end the magic is looked for where it is not before the footer.
const SEARCHED_BYTES: u64 = 4 << 20;
/// Read of a file at a time while it is summed.
const CHUNK_BYTES: u64 = 1 << 20;

/// The checksums of one file.
#[derive(Debug)]
pub(crate) struct BlockSums {
    /// Where the body ends and the checksums begin.
    body: u64,
    block: u64,
    sums: Vec<u8>,
    /// Where the footer begins, and what it is, up to the file's end.
    footer: (u64, Bytes),
}

/// Adds checksums to a Parquet file that was just written; gives its length then. The name is covered, so that the
/// contents of one file under the name of another are damage, too.
pub(crate) fn add(file: &File, name: &str) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let Some(footer) = footer_start(file, length)? else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no footer of Parquet"));
    };
    let end = read(file, footer..length)?;
    let mut added = trailed(name, sums_of(file, footer)?, footer, &end);
    added.extend(&end);
    let mut at = FileAt { file, at: footer };
    at.write_all(&added)?;
    Ok(at.at)
}

/// The Parquet file with these bytes in another length, with its checksums where it is to have some: zeros lie behind its
/// body. `None` where it is longer than that, or no number of zeros gives exactly that length.
pub(crate) fn of_length(parquet: &[u8], name: &str, length: u64, has_sums: bool) -> Option<Vec<u8>> {
    let size = parquet.last_chunk::<8>()?.first_chunk::<4>().copied().map(u32::from_le_bytes)?;
    let footer = parquet.len().checked_sub(END_BYTES as usize)?.checked_sub(size as usize)?;
    let (body, end) = parquet.split_at_checked(footer)?;
    let rest = length.checked_sub(end.len() as u64)?;
    if !has_sums {
        let padding = usize::try_from(rest.checked_sub(body.len() as u64)?).ok()?;
        return Some([body, &vec![0; padding], end].concat());
    }
    let rest = rest.checked_sub(TRAILER_BYTES)?;
    // Each block of the body takes four bytes more.
    let blocks = rest.div_ceil(BLOCK_BYTES + 4);
    let padded = rest.checked_sub(4 * blocks)?;
    if padded.div_ceil(BLOCK_BYTES) != blocks || padded < body.len() as u64 {
        return None;
    }
    let mut bytes = body.to_vec();
    bytes.resize(usize::try_from(padded).ok()?, 0);
    let sums: Vec<u8> =
        bytes.chunks(BLOCK_BYTES as usize).flat_map(|block| crc32fast::hash(block).to_le_bytes()).collect();
    bytes.extend(trailed(name, sums, padded, end));
    bytes.extend(end);
    Some(bytes)
}

/// Checksums of blocks with all that follows them before the footer.
fn trailed(name: &str, mut sums: Vec<u8>, body: u64, end: &[u8]) -> Vec<u8> {
    sums.extend(body.to_le_bytes());
    sums.extend((BLOCK_BYTES as u32).to_le_bytes());
    sums.extend(crc32fast::hash(end).to_le_bytes());
    sums.extend(own_sum(name, &sums).to_le_bytes());
    sums.extend(MAGIC);
    sums
}

/// What is wrong with a file, or the reading of it.
pub(crate) enum Unreadable {
    Damaged(String),
    Failed(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Unreadable::Damaged("it ends too soon".to_owned()),
            _ => Unreadable::Failed(error),
        }
    }
}

impl BlockSums {
    /// The checksums of a file of this length; `None` if it was written without.
    pub(crate) fn read(file: &File, name: &str, length: u64) -> Result<Option<Self>, Unreadable> {
        let damaged = |why: &str| Err(Unreadable::Damaged(why.to_owned()));
        if length == 0 {
            return damaged("it is empty");
        }
        let Some(footer) = footer_start(file, length)? else {
            return damaged("it does not end as a Parquet file does: it was cut, or is another file");
        };
        let Some(trailer) = footer.checked_sub(TRAILER_BYTES) else { return Ok(None) };
        let trailer = Trailer::of(&read(file, trailer..footer)?);
        let Some(trailer) = trailer.filter(|trailer| trailer.magic == MAGIC) else {
            return match is_elsewhere(file, trailer, length)? {
                true => damaged("its footer is not where it was"),
                false => Ok(None),
            };
        };
        if trailer.end() != Some(footer) {
            return damaged("its checksums do not match themselves");
        }
        let sums = read(file, trailer.body..footer)?;
        let covered = sums.len() - MAGIC.len() - size_of_val(&trailer.own);
        let covered = sums.get(..covered).map(|covered| own_sum(name, covered));
        if covered != Some(trailer.own) {
            return damaged("its checksums do not match themselves, or it has the name of another file");
        }
        let end = read_shared(file, footer..length)?;
        if crc32fast::hash(&end) != trailer.footer {
            return damaged("its footer does not match its checksum");
        }
        Ok(Some(Self { body: trailer.body, block: trailer.block.into(), sums, footer: (footer, end) }))
    }

    /// The blocks that a range of the file touches; nothing of what lies behind the body, which was checked.
    pub(crate) fn blocks_of(&self, range: &Range<u64>) -> Range<u64> {
        if range.start >= self.body {
            return range.start..range.start;
        }
        let start = range.start.min(self.body) / self.block * self.block;
        let end = range.end.min(self.body).div_ceil(self.block) * self.block;
        start..end.min(self.body)
    }

    /// Where the first of some whole blocks is that does not match its checksum; `None` if all do.
    pub(crate) fn mismatch(&self, start: u64, blocks: &[u8]) -> Option<u64> {
        let first = start / self.block;
        blocks.chunks(self.block as usize).zip(first..).find_map(|(block, number)| {
            let at = usize::try_from(number).ok()?.checked_mul(4)?;
            let stored = self.sums.get(at..at + 4);
            (stored != Some(&crc32fast::hash(block).to_le_bytes())).then(|| number * self.block)
        })
    }

    /// Bytes of the footer; `None` if a range has others, too.
    pub(crate) fn of_footer(&self, range: &Range<u64>) -> Option<Bytes> {
        let (at, footer) = &self.footer;
        let start = usize::try_from(range.start.checked_sub(*at)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(*at)?).ok()?;
        (start <= end && end <= footer.len()).then(|| footer.slice(start..end))
    }

    /// How long the part is that the blocks cover.
    pub(crate) fn body(&self) -> u64 {
        self.body
    }
}

/// Bytes of a file.
pub(crate) fn read(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

/// The same, shared.
pub(crate) fn read_shared(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    read(file, range).map(Bytes::from)
}

/// Where the footer begins, as the file's end says; `None` if it is not a Parquet file.
fn footer_start(file: &File, length: u64) -> io::Result<Option<u64>> {
    let Some(end) = length.checked_sub(END_BYTES) else { return Ok(None) };
    let mut bytes = [0; END_BYTES as usize];
    file.read_exact_at(&mut bytes, end)?;
    let [a, b, c, d, magic @ ..] = bytes;
    let footer = u32::from_le_bytes([a, b, c, d]);
    Ok(end.checked_sub(footer.into()).filter(|_| magic == PARQUET))
}

/// Whether the magic is in the file after all, at another offset or with a few bits of it flipped.
fn is_elsewhere(file: &File, trailer: Option<Trailer>, length: u64) -> io::Result<bool> {
    let same = trailer.map(|found| found.magic.iter().zip(MAGIC).filter(|(a, b)| *a == b).count());
    if same.is_some_and(|same| same > MAGIC.len() / 2) {
        return Ok(true);
    }
    let end = read(file, length.saturating_sub(SEARCHED_BYTES)..length)?;
    Ok(end.windows(MAGIC.len()).any(|bytes| bytes == MAGIC))
}

fn sums_of(file: &File, body: u64) -> io::Result<Vec<u8>> {
    let mut sums = Vec::new();
    let mut at = 0;
    while at < body {
        let end = body.min(at + CHUNK_BYTES);
        let bytes = read(file, at..end)?;
        for block in bytes.chunks(BLOCK_BYTES as usize) {
            sums.extend(crc32fast::hash(block).to_le_bytes());
        }
        at = end;
    }
    Ok(sums)
}

fn own_sum(name: &str, sums: &[u8]) -> u32 {
    let mut hash = Hasher::new();
    hash.update(name.as_bytes());
    hash.update(sums);
    hash.finalize()
}

/// What stands between the checksums of the blocks and the footer.
#[derive(Clone, Copy)]
struct Trailer {
    body: u64,
    block: u32,
    footer: u32,
    own: u32,
    magic: [u8; MAGIC.len()],
}

impl Trailer {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (body, bytes) = bytes.split_first_chunk()?;
        let (block, bytes) = bytes.split_first_chunk()?;
        let (footer, bytes) = bytes.split_first_chunk()?;
        let (own, magic) = bytes.split_first_chunk()?;
        Some(Self {
            body: u64::from_le_bytes(*body),
            block: u32::from_le_bytes(*block),
            footer: u32::from_le_bytes(*footer),
            own: u32::from_le_bytes(*own),
            magic: magic.try_into().ok()?,
        })
    }

    /// Where the trailer itself ends, by the length of the body.
    fn end(&self) -> Option<u64> {
        let blocks = self.body.checked_next_multiple_of(self.block.into())? / u64::from(self.block);
        self.body.checked_add(blocks.checked_mul(4)?)?.checked_add(TRAILER_BYTES)
    }
}

/// A file from some offset on.
struct FileAt<'a> {
    file: &'a File,
    at: u64,
}

impl Write for FileAt<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
