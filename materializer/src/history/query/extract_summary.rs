//! What an extract says of its rows at its end: how many there are, and of each column of moments the newest. So a load
//! knows which extracts it need not read, before it reads any.
//!
//! It is a frame that programs which decompress the file pass over (RFC 8878, skippable frames), and is covered by the
//! hash of the file like everything else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use feature::{DataType, Micros};
use serde::{Deserialize, Serialize};

/// The format of the frame.
const FORMAT: u32 = 1;
/// How a frame begins that decompression passes over.
const MAGIC: [u8; 4] = 0x184D_2A5E_u32.to_le_bytes();
/// The magic number and the length behind it.
const HEAD_BYTES: usize = 8;
/// The length at the end, from where the frame is found.
const TAIL_BYTES: usize = 4;
/// No frame is longer: a table of Postgres has 1,600 columns.
const MOST_BYTES: u64 = 1 << 20;

/// What an extract says of its rows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct ExtractSummary {
    format: u32,
    /// How many rows it has.
    pub(super) rows: u64,
    /// Each column of moments, by its name.
    pub(super) moments: BTreeMap<String, Moments>,
    /// The type that each column was declared as, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) types: BTreeMap<String, DataType>,
}

/// What a column of moments holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Moments {
    /// The newest one; `None` if it has none.
    pub(super) newest: Option<Micros>,
    /// Rows that have no moment of the years 0001 to 9999 there.
    pub(super) without: u64,
}

impl Moments {
    /// Adds a row.
    pub(super) fn add(&mut self, moment: Option<Micros>) {
        self.newest = self.newest.max(moment);
        self.without += u64::from(moment.is_none());
    }
}

impl Default for ExtractSummary {
    fn default() -> Self {
        Self { format: FORMAT, rows: 0, moments: BTreeMap::new(), types: BTreeMap::new() }
    }
}

impl ExtractSummary {
    /// Of an extract without a row, whose columns have these types.
    pub(super) fn of_types(types: BTreeMap<String, DataType>) -> Self {
        Self { types, ..Self::default() }
    }

    /// The frame, which ends the file.
    pub(super) fn frame(&self) -> io::Result<Vec<u8>> {
        let text = serde_json::to_vec(self)?;
        let too_long = || io::Error::new(io::ErrorKind::InvalidData, "its columns have too long names");
        let length = u32::try_from(text.len() + TAIL_BYTES).map_err(|_| too_long())?;
        if u64::from(length) > MOST_BYTES {
            return Err(too_long());
        }
        Ok([MAGIC.as_slice(), &length.to_le_bytes(), &text, &length.to_le_bytes()].concat())
    }

    /// The summary of an extract. Blocks.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let damaged = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "it does not end as an extract does: restore it from a copy",
            )
        };
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut tail = [0; TAIL_BYTES];
        file.seek(SeekFrom::Start(bytes.checked_sub(TAIL_BYTES as u64).ok_or_else(damaged)?))?;
        file.read_exact(&mut tail)?;
        let length = u64::from(u32::from_le_bytes(tail));
        let whole = length + HEAD_BYTES as u64;
        let begin = bytes.checked_sub(whole).filter(|_| length <= MOST_BYTES).ok_or_else(damaged)?;
        file.seek(SeekFrom::Start(begin))?;
        let mut frame = Vec::new();
        file.take(whole).read_to_end(&mut frame)?;
        let text = frame.strip_prefix(MAGIC.as_slice()).and_then(|rest| rest.strip_prefix(tail.as_slice()));
        let text = text.and_then(|rest| rest.strip_suffix(tail.as_slice())).ok_or_else(damaged)?;
        let summary: Self = serde_json::from_slice(text).map_err(|_| damaged())?;
        if summary.format != FORMAT {
            let what = format!(
                "it is an extract of format {}, and this version reads {FORMAT}: use a newer version",
                summary.format
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn summary() -> ExtractSummary {
        let mut at = Moments::default();
        at.add(Some("2013-06-01T12:00:00Z".parse().unwrap()));
        at.add(None);
        ExtractSummary { rows: 2, moments: [("at".to_owned(), at)].into(), ..ExtractSummary::default() }
    }

    #[test]
    fn a_summary_is_found_at_the_end_and_passed_over_by_what_decompresses_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("000001.csv.zst");
        let rows = zstd::encode_all(&b"at\n1\n"[..], 3).unwrap();
        let frame = summary().frame().unwrap();
        let text = r#"{"format":1,"rows":2,"moments":{"at":{"newest":1370088000000000,"without":1}}}"#;
        assert_eq!(&frame[8..frame.len() - 4], text.as_bytes(), "an older version reads this");
        fs::write(&path, [rows.clone(), frame.clone()].concat()).unwrap();
        assert_eq!(ExtractSummary::read(&path).unwrap(), summary());
        assert_eq!(zstd::decode_all(&*fs::read(&path).unwrap()).unwrap(), b"at\n1\n");
        let cut = [&rows[..], &frame[..frame.len() - 1]].concat();
        for damaged in [&rows[..], &[], &frame[1..], &cut] {
            fs::write(&path, damaged).unwrap();
            assert!(ExtractSummary::read(&path).unwrap_err().to_string().contains("restore it"));
        }
        let newer = ExtractSummary { format: 2, ..summary() };
        fs::write(&path, newer.frame().unwrap()).unwrap();
        assert!(ExtractSummary::read(&path).unwrap_err().to_string().contains("format 2"));
    }
}
