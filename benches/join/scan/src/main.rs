//! The floor of the point-in-time join: the time to decode the columns that it must read and to
//! write the result that it must write, with the same reader and writer and nothing in between.
//!
//! The result is read before the clock starts, so that what is written has the same values.

mod scan;

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow::array::RecordBatch;
use clap::Parser;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Scan the Parquet files of a folder and write a result; the times on stdout, as JSON
#[derive(Parser, Debug)]
struct Arguments {
    /// The folder of the files, in any depth
    folder: PathBuf,
    /// The columns to decode
    #[arg(long, value_delimiter = ',', required = true)]
    columns: Vec<String>,
    /// How many threads decode
    #[arg(long)]
    threads: usize,
    /// The result of a join
    #[arg(long)]
    result: PathBuf,
    /// The file to write the same result to
    #[arg(long)]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let result = ParquetRecordBatchReaderBuilder::try_new(File::open(&arguments.result)?)?
        .build()?
        .collect::<Result<Vec<RecordBatch>, _>>()?;
    let began = Instant::now();
    let rows = scan::rows_decoded(&arguments.folder, &arguments.columns, arguments.threads)?;
    let scanned = began.elapsed();
    write(&arguments.out, &result)?;
    let all = began.elapsed();
    println!(
        "{}",
        serde_json::json!({
            "seconds": all.as_secs_f64(),
            "scan_seconds": scanned.as_secs_f64(),
            "write_seconds": (all - scanned).as_secs_f64(),
            "rows": rows,
        })
    );
    Ok(())
}

/// Writes batches as `training-set` does: zstd at level 1, and down to the disk.
fn write(path: &Path, batches: &[RecordBatch]) -> Result<(), Box<dyn Error>> {
    let first = batches.first().ok_or("the result has no rows: join a spine that has some")?;
    let compression = Compression::ZSTD(ZstdLevel::try_new(1)?);
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_page_size_limit(128 * 1024)
        .build();
    let file = File::create(path)?;
    let mut writer = ArrowWriter::try_new(file.try_clone()?, first.schema(), Some(properties))?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.close()?;
    file.sync_all()?;
    Ok(())
}
