//! Readers of files of others, which a crafted file can make panic or ask for memory that it has no bytes for.

use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::{Block, root_as_footer};

use crate::opened_file::OpenedFile;

const NO_SENSE: &str = "its structure makes no sense";
/// What an Arrow file ends with: the length of its footer and a word.
const END_BYTES: usize = 10;
const MAGIC: &[u8] = b"ARROW1";

/// Runs a step of a reader; a panic of it is an error.
pub(super) fn guarded<T, E: ToString>(step: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(NO_SENSE.to_owned()),
    }
}

/// The batches of a reader up to its first error.
pub(super) struct Guarded<I>(Option<I>);

impl<I> Guarded<I> {
    pub(super) fn new(batches: I) -> Self {
        Self(Some(batches))
    }
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Iterator for Guarded<I> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batches = self.0.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| batches.next())) {
            Ok(next) => next,
            Err(_) => {
                // What a panic left of the reader is not used again.
                self.0 = None;
                Some(Err(ArrowError::ParseError(NO_SENSE.to_owned())))
            }
        }
    }
}

/// Refuses an Arrow file whose footer, or a block that it names, lies beyond its end: its reader takes memory for them first.
pub(super) fn check_arrow(file: &OpenedFile) -> Result<(), String> {
    let length = file.length();
    let read = |from: u64, bytes: u64| -> Option<Vec<u8>> {
        from.checked_add(bytes).filter(|end| *end <= length)?;
        let mut read = vec![0; usize::try_from(bytes).ok()?];
        let mut reader = file.reader(0);
        reader.seek(SeekFrom::Start(from)).and_then(|_| reader.read_exact(&mut read)).ok()?;
        Some(read)
    };
    // What is no Arrow file is named by its reader.
    let Some(end) = length.checked_sub(END_BYTES as u64) else { return Ok(()) };
    let Some(last) = read(end, END_BYTES as u64).filter(|last| last.ends_with(MAGIC)) else { return Ok(()) };
    let footer_bytes = last.first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    let beyond = || "its footer names what lies beyond its end".to_owned();
    let begin =
        u64::try_from(footer_bytes).ok().and_then(|bytes| end.checked_sub(bytes)).ok_or_else(beyond)?;
    let bytes = read(begin, end - begin).ok_or_else(beyond)?;
    let footer = root_as_footer(&bytes).map_err(|error| error.to_string())?;
    let is_there = |block: &Block| {
        let parts = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()];
        let parts = parts.map(|part| u64::try_from(part).ok());
        parts
            .into_iter()
            .try_fold(0, |end: u64, part| end.checked_add(part?))
            .is_some_and(|end| end <= length)
    };
    let blocks = footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten();
    if blocks.into_iter().all(is_there) { Ok(()) } else { Err(beyond()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int32Array;

    use super::*;
    use crate::write_file;

    #[test]
    fn a_reader_that_panics_ends_with_an_error() {
        let batch = || RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![1])) as _)]).unwrap();
        let mut left = 3;
        let batches = std::iter::from_fn(|| {
            left -= 1;
            assert!(left > 0, "out of luck");
            Some(Ok(batch()))
        });
        let read: Vec<_> = Guarded::new(batches).collect();
        assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(guarded(|| -> Result<(), String> { panic!("out of luck") }), Err(NO_SENSE.to_owned()));
    }

    #[test]
    fn an_arrow_file_whose_parts_lie_beyond_its_end_is_refused_before_memory_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spine.arrow");
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![1, 2])) as _)]).unwrap();
        write_file(&path, &batch).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let check = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            check_arrow(&OpenedFile::open(&path).unwrap())
        };
        assert_eq!(check(&whole), Ok(()));
        assert_eq!(check(b"no arrow"), Ok(()));
        let mut long_footer = whole.clone();
        let at = whole.len() - END_BYTES;
        long_footer[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
        assert!(check(&long_footer).unwrap_err().contains("beyond its end"));
        // The length of the only block's body, in the footer.
        let footer = root_as_footer(
            &whole[at - i32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) as usize..at],
        );
        let body = footer.unwrap().recordBatches().unwrap().get(0).bodyLength().to_le_bytes();
        let offset = (0..at - 8).rev().find(|offset| whole[*offset..*offset + 8] == body).unwrap();
        let mut long_body = whole.clone();
        long_body[offset..offset + 8].copy_from_slice(&(1_i64 << 50).to_le_bytes());
        assert!(check(&long_body).unwrap_err().contains("beyond its end"));
    }
}
