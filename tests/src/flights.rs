//! The example of flights over some days: its own definitions, and the rows of those days.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use feature::oracle::Numbers;
use feature::{Micros, Value};
use offline::write_file;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::project::Project;

/// Three weeks with a blizzard in them: New York's airports were closed on the 8th and the 9th.
pub(crate) const DAYS: (&str, &str) = ("2013-02-01T00:00:00Z", "2013-02-22T00:00:00Z");

/// A service that gives every feature of every view.
pub(crate) const EVERYTHING: &str = "
kind: feature_service
name: everything
version: 1
features:
  - {from: airport_arrivals@1, on: {airport: dest}, prefix: dest_}
  - {from: origin_outcomes@1, on: {airport: origin}, prefix: origin_}
  - {from: airport_weather@1, on: {airport: origin}, prefix: weather_}
  - {from: aircraft_last_flight@1, prefix: aircraft_}
  - {from: airframe@1, prefix: airframe_}
  - {from: route@1}
";

/// Each source's file, and the column of its times.
const SOURCES: [(&str, Option<&str>); 3] =
    [("landings", Some("landed_at")), ("weather", Some("observed_at")), ("planes", None)];

/// Later than all rows.
fn clock() -> Micros {
    "2014-01-02T00:00:00Z".parse().unwrap()
}

pub(crate) fn days() -> Range<Micros> {
    DAYS.0.parse().unwrap()..DAYS.1.parse().unwrap()
}

/// The project of the flights of [`DAYS`], with more definitions beside its own.
pub(crate) async fn project(more: &str) -> Project {
    let mut project = Project::empty(clock);
    std::fs::create_dir(project.path().join("data")).unwrap();
    for (source, time) in SOURCES {
        let batch = rows(source, time, &days());
        write_file(&project.path().join(format!("data/{source}.parquet")), &batch).unwrap();
    }
    let mut files = vec![("features/more.yaml".to_owned(), more.to_owned())];
    for entry in std::fs::read_dir(example().join("features")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("features/{}", path.file_name().unwrap().display());
        files.push((name, std::fs::read_to_string(&path).unwrap()));
    }
    project.apply(&files).await;
    project
}

/// The flights that were about to leave in these days.
pub(crate) fn departures(days: &Range<Micros>) -> RecordBatch {
    rows("departures", Some("scheduled_departure"), days)
}

/// The flights that landed in these days.
pub(crate) fn landings(days: &Range<Micros>) -> RecordBatch {
    rows("landings", Some("landed_at"), days)
}

/// The values that a key has in the departures.
pub(crate) fn known_keys(column: &str) -> Vec<Value> {
    let departures = departures(&days());
    let column = cast(departures.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    let strings = column.as_string::<i32>().iter().flatten().map(|text| Value::String(text.into()));
    let mut values: Vec<Value> = strings.collect();
    values.sort();
    values.dedup();
    values
}

/// What a request may bring as a distance.
pub(crate) fn any_distance(numbers: &mut Numbers) -> Value {
    match numbers.below(30) {
        0 => Value::Null,
        1 => Value::Int32(0),
        miles => Value::Int32(miles as i32 * 97),
    }
}

/// A known key, or now and then one that nobody knows, or none.
pub(crate) fn any_key(numbers: &mut Numbers, known: &[Value]) -> Value {
    match numbers.below(40) {
        0 => Value::Null,
        1 => Value::String("nowhere".into()),
        _ => known[numbers.below(known.len() as u64) as usize].clone(),
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights")
}

/// The rows of one file of the example, those whose time lies within the days.
fn rows(name: &str, time: Option<&str>, days: &Range<Micros>) -> RecordBatch {
    let file = File::open(example().join(format!("data/{name}.parquet"))).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().collect::<Result<_, _>>().unwrap();
    let batch = concat_batches(&schema, &batches).unwrap();
    let Some(time) = time else { return batch };
    let times = micros(&batch, time);
    let within: BooleanArray =
        times.iter().map(|at| Some(days.start.get() <= *at && *at < days.end.get())).collect();
    filter_record_batch(&batch, &within).unwrap()
}

/// A column of times, in microseconds.
pub(crate) fn micros(batch: &RecordBatch, time: &str) -> Vec<i64> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let times = cast(batch.column_by_name(time).unwrap(), &utc);
    cast(&times.unwrap(), &DataType::Int64).unwrap().as_primitive::<Int64Type>().values().to_vec()
}
