//! The format and the compression of a file, by its name, and its text without the compression.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use feature::BatchFormat;
use flate2::bufread::MultiGzDecoder;

/// Bytes that are read from a file at once.
const BUFFER_BYTES: usize = 1 << 17;

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

/// The text of a file, decompressed if its name says that it is compressed.
pub(crate) fn text(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = BufReader::with_capacity(BUFFER_BYTES, files::open(path)?);
    let name = path.to_string_lossy().to_lowercase();
    let plain: Box<dyn Read + Send> = if name.ends_with(".gz") {
        Box::new(MultiGzDecoder::new(file))
    } else if name.ends_with(".zst") {
        Box::new(zstd::Decoder::with_buffer(file)?)
    } else {
        return Ok(Box::new(file));
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, plain)))
}

/// Reads a compressed file to its end: most damage shows only there. Blocks.
pub(crate) fn check_compressed(path: &Path) -> io::Result<()> {
    let name = path.to_string_lossy().to_lowercase();
    if !name.ends_with(".gz") && !name.ends_with(".zst") {
        return Ok(());
    }
    let damaged = |why: &dyn std::fmt::Display| {
        let why = format!("it is no whole compressed file ({why}): write or copy it again");
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    if path.metadata()?.len() == 0 {
        return Err(damaged(&"it is empty"));
    }
    let read = text(path).and_then(|mut text| io::copy(&mut text, &mut io::sink()));
    read.map(drop).map_err(|error| damaged(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

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
