//! Small files of landings, in the schema of the sample's source.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;

/// One landing; the rest of its columns is always the same.
#[derive(Clone, Debug)]
pub struct Landing {
    pub id: i64,
    /// Seconds since 2013-06-08T00:00:00Z, which is after the sample's week.
    pub second: Option<i64>,
    pub tailnum: Option<&'static str>,
    pub dest: &'static str,
    pub delay: f32,
}

/// 2013-06-08T00:00:00Z in seconds since 1970.
pub const AFTER_THE_WEEK: i64 = 1_370_649_600;

/// A landing of the aircraft `N1` at `LAX`.
pub fn landing(id: i64, second: i64, delay: f32) -> Landing {
    Landing { id, second: Some(second), tailnum: Some("N1"), dest: "LAX", delay }
}

/// The rows as a batch.
pub fn batch(landings: &[Landing]) -> RecordBatch {
    let of = |second: i64| (AFTER_THE_WEEK + second) * 1_000_000;
    let times: TimestampMicrosecondArray = landings.iter().map(|l| l.second.map(of)).collect();
    let columns: [(&str, ArrayRef); 8] = [
        ("flight_id", Arc::new(Int64Array::from_iter_values(landings.iter().map(|l| l.id)))),
        ("landed_at", Arc::new(times.with_timezone("UTC"))),
        ("tailnum", Arc::new(landings.iter().map(|l| l.tailnum).collect::<StringArray>())),
        ("origin", Arc::new(StringArray::from(vec!["JFK"; landings.len()]))),
        ("dest", Arc::new(StringArray::from_iter_values(landings.iter().map(|l| l.dest)))),
        ("arr_delay", Arc::new(Float32Array::from_iter_values(landings.iter().map(|l| l.delay)))),
        ("air_time", Arc::new(Float32Array::from(vec![300.0; landings.len()]))),
        ("distance", Arc::new(Int32Array::from(vec![2475; landings.len()]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Writes a batch as a Parquet file. Gives its size in bytes.
pub fn write_parquet(path: &Path, batch: &RecordBatch) -> u64 {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    std::fs::metadata(path).unwrap().len()
}
