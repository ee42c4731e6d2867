//! The format and the compression of a file, by its name, and its text without the compression.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use feature::BatchFormat;
use flate2::bufread::MultiGzDecoder;

/// Bytes that are read from a file at once.
const BUFFER_BYTES: usize = 1 << 17;

/// Whatever it is compressed from, a file may come to so many bytes.
const ALWAYS_DECOMPRESSED_BYTES: u64 = 1 << 30;
/// One that comes to more may come to this many times its size: text does not come to so much, and what is made to fill
/// memory or disks, or to take time, comes to more.
const MOST_TIMES: u64 = 250;

/// The format that a file's name says, without the extension of a compression; `None` if it says none.
pub(crate) fn format_of(path: &Path) -> Option<BatchFormat> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let (plain, is_compressed) = match name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")) {
        Some(plain) => (plain, true),
        None => (name.as_str(), false),
    };
    let format = match plain.rsplit_once('.')?.1 {
        "parquet" | "parq" | "pq" => BatchFormat::Parquet,
        "csv" | "tsv" => BatchFormat::Csv,
        "json" | "jsonl" | "ndjson" => BatchFormat::Json,
        _ => return None,
    };
    // Parquet compresses its pages; a Parquet file in a gzip file is no Parquet file.
    (format != BatchFormat::Parquet || !is_compressed).then_some(format)
}

/// Whether a file's name says that tabs separate its fields.
pub(crate) fn is_of_tabs(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    plain.ends_with(".tsv")
}

/// The text of a file, decompressed if its name says that it is compressed. What begins as no text does is refused by what it
/// is.
pub(crate) fn text(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut text = decompressed(path)?;
    let why = match text.fill_buf()? {
        [0x1f, 0x8b, ..] => {
            "it is compressed with gzip, and its name does not say so: let its name end in .gz"
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            "it is compressed with zstd, and its name does not say so: let its name end in .zst"
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16 text: convert it to UTF-8",
        _ => return Ok(text),
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

/// Whether a file's name says that it is compressed.
pub(crate) fn is_compressed(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    name.ends_with(".gz") || name.ends_with(".zst")
}

/// What a file holds, without the compression that its name says.
pub(crate) fn decompressed(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = files::open(path)?;
    let stored_bytes = file.metadata()?.len();
    let file = BufReader::with_capacity(BUFFER_BYTES, file);
    let name = path.to_string_lossy().to_lowercase();
    let plain: Box<dyn Read + Send> = if name.ends_with(".gz") {
        Box::new(MultiGzDecoder::new(file))
    } else if name.ends_with(".zst") {
        Box::new(zstd::Decoder::with_buffer(file)?)
    } else {
        return Ok(Box::new(file));
    };
    let bounded = Decompressed { plain, stored_bytes, rest: most_bytes(stored_bytes) };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, bounded)))
}

/// How much a compressed file of this size may come to.
fn most_bytes(stored_bytes: u64) -> u64 {
    stored_bytes.saturating_mul(MOST_TIMES).max(ALWAYS_DECOMPRESSED_BYTES)
}

/// Whether a compressed file of this size is read to its end where it comes to so many bytes.
pub(crate) fn is_ordinary(stored_bytes: u64, plain_bytes: u64) -> bool {
    plain_bytes <= most_bytes(stored_bytes)
}

/// What a compressed file comes to, up to a bound.
struct Decompressed<R> {
    plain: R,
    stored_bytes: u64,
    /// How many more bytes it may come to.
    rest: u64,
}

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(into)?;
        let Some(rest) = self.rest.checked_sub(read as u64) else {
            let stored_bytes = self.stored_bytes;
            let why = format!(
                "its {stored_bytes} bytes come to more than 1 GiB and {MOST_TIMES} times as many when they are decompressed, \
                 as no ordinary file does: if they are meant, decompress it and name the plain file"
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        };
        self.rest = rest;
        Ok(read)
    }
}

/// Reads a compressed file to its end: most damage shows only there. Blocks.
pub(crate) fn check_compressed(path: &Path) -> io::Result<()> {
    if !is_compressed(path) {
        return Ok(());
    }
    let damaged = |why: &dyn std::fmt::Display| {
        let why = format!("it is no whole compressed file ({why}): write or copy it again");
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    if path.metadata()?.len() == 0 {
        return Err(damaged(&"it is empty"));
    }
    let read = decompressed(path).and_then(|mut text| io::copy(&mut text, &mut io::sink()));
    read.map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => error,
        _ => damaged(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decompressed_ends_at_its_bound() {
        let bounded = |rest| Decompressed { plain: &b"abcdef"[..], stored_bytes: 7, rest };
        assert_eq!(io::read_to_string(bounded(6)).unwrap(), "abcdef");
        let refused = io::read_to_string(bounded(5)).unwrap_err().to_string();
        assert!(refused.contains("its 7 bytes") && refused.contains("250 times"), "{refused}");
    }

    #[test]
    fn a_compressed_file_that_was_cut_or_flipped_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let rows: String = (0..20_000).map(|row| format!("{{\"n\": {row}}}\n")).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, rows.as_bytes()).unwrap();
        let zstd = zstd::encode_all(rows.as_bytes(), 1).unwrap();
        for (name, whole) in [("a.jsonl.gz", gzip.finish().unwrap()), ("a.jsonl.zst", zstd)] {
            let path = folder.path().join(name);
            std::fs::write(&path, &whole).unwrap();
            check_compressed(&path).unwrap();
            let mut wrong: Vec<Vec<u8>> =
                [0, 5, whole.len() / 2, whole.len() - 1].map(|length| whole[..length].to_vec()).into();
            if name.ends_with("gz") {
                let mut flipped = whole.clone();
                flipped[whole.len() / 2] ^= 1;
                wrong.push(flipped);
            }
            for bytes in wrong {
                std::fs::write(&path, bytes).unwrap();
                let refused = check_compressed(&path).unwrap_err().to_string();
                assert!(refused.contains("no whole compressed file"), "{refused}");
            }
        }
    }

    #[test]
    fn what_is_no_text_is_refused_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for (bytes, said) in [
            (&b"\x1f\x8b\x08\0"[..], "compressed with gzip, and its name"),
            (b"\x28\xb5\x2f\xfd\0", "compressed with zstd, and its name"),
            (b"\xff\xfea\0", "UTF-16"),
            (b"\xfe\xff\0a", "UTF-16"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let refused = text(&path).err().unwrap().to_string();
            assert!(refused.contains(said), "{refused}");
        }
        for right in [&b""[..], b"\xef\xbb\xbfa", b"a,b\n"] {
            std::fs::write(&path, right).unwrap();
            let mut read = Vec::new();
            text(&path).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, right);
        }
        for (name, tabs) in [("a.tsv", true), ("A.TSV.gz", true), ("a.csv", false), ("a.tsv.csv", false)] {
            assert_eq!(is_of_tabs(Path::new(name)), tabs, "{name}");
        }
    }

    #[test]
    fn a_name_says_the_format_whatever_its_case_and_compression() {
        for (name, format) in [
            ("a.parquet", Some(BatchFormat::Parquet)),
            ("b.PARQUET", Some(BatchFormat::Parquet)),
            ("c.parq", Some(BatchFormat::Parquet)),
            ("d.Csv.GZ", Some(BatchFormat::Csv)),
            ("d.tsv", Some(BatchFormat::Csv)),
            ("e.jsonl.zst", Some(BatchFormat::Json)),
            ("f.ndjson", Some(BatchFormat::Json)),
            ("g.parquet.gz", None),
            ("notes.txt", None),
            ("csv", None),
        ] {
            assert_eq!(format_of(Path::new(name)), format, "{name}");
        }
    }
}
