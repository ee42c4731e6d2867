//! The landings of the example, in the order in which they happened.

use std::error::Error;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use feature::Micros;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// One landing.
#[derive(Clone, Debug)]
pub struct Landing {
    pub flight_id: Option<i64>,
    /// In UTC microseconds.
    pub landed_at: i64,
    pub tailnum: Option<String>,
    pub carrier: Option<String>,
    pub origin: Option<String>,
    pub dest: Option<String>,
    pub dep_delay: Option<f64>,
    pub arr_delay: Option<f64>,
    pub air_time: Option<f64>,
    pub distance: Option<i64>,
}

/// The landings within a range of times.
pub fn read(path: &Path, within: Range<Micros>) -> Result<Vec<Landing>, Box<dyn Error>> {
    let mut landings = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()? {
        let batch = batch?;
        let columns = Columns::of(&batch)?;
        let all = (0..batch.num_rows()).filter_map(|row| columns.landing(row));
        landings.extend(
            all.filter(|landing| (within.start.get()..within.end.get()).contains(&landing.landed_at)),
        );
    }
    landings.sort_by_key(|landing| (landing.landed_at, landing.flight_id));
    Ok(landings)
}

struct Columns {
    integers: [ArrayRef; 3],
    floats: [ArrayRef; 3],
    texts: [ArrayRef; 4],
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self, Box<dyn Error>> {
        let column = |name: &str, data_type: &DataType| -> Result<ArrayRef, Box<dyn Error>> {
            let found = batch.column_by_name(name).ok_or_else(|| format!("there is no column `{name}`"))?;
            Ok(cast(found, data_type)?)
        };
        let integer = |name: &str| column(name, &DataType::Int64);
        let float = |name: &str| column(name, &DataType::Float64);
        let text = |name: &str| column(name, &DataType::Utf8);
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let landed_at = cast(&column("landed_at", &utc)?, &DataType::Int64)?;
        Ok(Self {
            integers: [landed_at, integer("flight_id")?, integer("distance")?],
            floats: [float("dep_delay")?, float("arr_delay")?, float("air_time")?],
            texts: [text("tailnum")?, text("carrier")?, text("origin")?, text("dest")?],
        })
    }

    /// None where it is not known when it happened.
    fn landing(&self, row: usize) -> Option<Landing> {
        let integer =
            |column: &ArrayRef| column.is_valid(row).then(|| column.as_primitive::<Int64Type>().value(row));
        let float =
            |column: &ArrayRef| column.is_valid(row).then(|| column.as_primitive::<Float64Type>().value(row));
        let text =
            |column: &ArrayRef| column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned());
        let [landed_at, flight_id, distance] = &self.integers;
        let [dep_delay, arr_delay, air_time] = &self.floats;
        let [tailnum, carrier, origin, dest] = &self.texts;
        Some(Landing {
            flight_id: integer(flight_id),
            landed_at: integer(landed_at)?,
            tailnum: text(tailnum),
            carrier: text(carrier),
            origin: text(origin),
            dest: text(dest),
            dep_delay: float(dep_delay),
            arr_delay: float(arr_delay),
            air_time: float(air_time),
            distance: integer(distance),
        })
    }
}
