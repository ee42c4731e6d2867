//! The files of a topic that hold one offset: `end`, and one for each group. The offset is followed by a
//! checksum; a file of eight bytes is of the time before there was one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often a file is read again that may just be written.
const ATTEMPTS: u32 = 5;

/// What such a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// There is no file, or an empty one.
    None,
    /// This offset.
    Is(u64),
    /// Its bytes do not match their checksum.
    Damaged,
}

pub(super) fn read(path: &Path) -> io::Result<Number> {
    let mut found = Number::None;
    for _ in 0..ATTEMPTS {
        found = match fs::read(path) {
            Ok(bytes) => parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Number::None,
            Err(error) => return Err(error),
        };
        if found != Number::Damaged {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(found)
}

pub(super) fn write(file: &File, number: u64) -> io::Result<()> {
    let number = number.to_le_bytes();
    let sum = crc32fast::hash(&number).to_le_bytes();
    let bytes = [&number[..], &sum[..]].concat();
    file.write_all_at(&bytes, 0)?;
    // Damage may have left a longer file, whose rest would belong to the checksum.
    if file.metadata()?.len() > bytes.len() as u64 { file.set_len(bytes.len() as u64) } else { Ok(()) }
}

fn parse(bytes: &[u8]) -> Number {
    let Some((number, sum)) = bytes.split_first_chunk::<8>() else {
        return if bytes.is_empty() { Number::None } else { Number::Damaged };
    };
    match sum.is_empty() || *sum == crc32fast::hash(number).to_le_bytes() {
        true => Number::Is(u64::from_le_bytes(*number)),
        false => Number::Damaged,
    }
}
