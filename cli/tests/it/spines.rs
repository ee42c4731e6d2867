//! Training sets in every format: the same values, the spine as it was, the features behind it.

use std::fs::File;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::project::{Project, TRAINING, says};

const FEATURES: [&str; 6] = [
    "dest_last_delay",
    "dest_arrivals_1d",
    "dest_mean_delay_1d",
    "aircraft_last_delay",
    "aircraft_last_dest",
    "delay_per_100_miles",
];

#[test]
fn every_format_of_spine_and_result_holds_the_same_values() {
    let project = Project::loaded();
    let formats = ["parquet", "csv", "arrow"];
    let mut first = None;
    // A result's spine columns make a spine of that format.
    for from in formats {
        project.ok(&format!("{TRAINING} set.{from}"));
        without_features(&project, from);
        for to in formats {
            let command = TRAINING.replace("data/departures.parquet", &format!("spine.{from}"));
            project.ok(&format!("{command} out.{to}"));
            let cells = cells(&read(&project, &format!("out.{to}")));
            let expected = first.get_or_insert_with(|| cells.clone());
            assert_eq!(*expected, cells, "{from} to {to}");
        }
    }
}

#[test]
fn rows_columns_and_duplicates_stay_as_they_are_in_the_spine() {
    let project = Project::loaded();
    let rows = [
        "b,LAX,N338AA,2475,2013-06-05T00:00:00Z",
        "a,LAX,N338AA,2475,2013-06-02T12:00:00Z",
        "b,LAX,N338AA,2475,2013-06-05T00:00:00Z",
        ",,N338AA,2475,2013-06-05T00:00:00Z",
        "d,LAX,,2475,2013-06-05T00:00:00Z",
        "e,LAX,N338AA,,2013-06-05T00:00:00Z",
        "f,LAX,N338AA,2475,1999-01-01T00:00:00Z",
    ];
    project.write("s.csv", format!("note,dest,tailnum,distance,t\n{}\n", rows.join("\n")));
    let command = "training-set --service late_arrival --spine s.csv --time t --out out.csv";
    project.ok(command);
    let text = project.read("out.csv");
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), format!("note,dest,tailnum,distance,t,{}", FEATURES.join(",")));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), rows.len());
    lines.iter().zip(rows).for_each(|(line, row)| assert!(line.starts_with(row), "{line}"));
    assert_eq!(lines[0], lines[2]);
    assert_ne!(lines[0], lines[1]);
    let features = |row: usize| lines[row].strip_prefix(rows[row]).unwrap();
    assert!(features(3).starts_with(",,,,"), "a null key: {}", lines[3]);
    assert!(features(4).split(',').skip(4).take(2).all(str::is_empty), "a null key: {}", lines[4]);
    assert!(features(5).ends_with(','), "a null request column: {}", lines[5]);
    assert_eq!(features(6), ",,,,,,", "before all rows");
}

#[test]
fn a_time_without_a_zone_is_utc_and_that_is_said_once() {
    let project = Project::loaded();
    let command = "training-set --service late_arrival --spine s.csv --time t --out out.csv";
    let row = |time: &str| format!("dest,tailnum,distance,t\nLAX,N338AA,1,{time}\nLAX,N338AA,1,{time}\n");
    project.write("s.csv", row("2013-06-05T00:00:00"));
    let done = project.run(command);
    assert_eq!(done.stderr, "note: `t` has no time zone and was read as UTC\n");
    let naive = project.read("out.csv");
    project.write("s.csv", row("2013-06-05T02:00:00+02:00"));
    let done = project.run(command);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(project.read("out.csv").replace("00Z", "00"), naive);
}

#[test]
fn explain_adds_the_times_of_each_view_and_nothing_else() {
    let project = Project::loaded();
    project.ok(&format!("{TRAINING} plain.parquet"));
    project.ok(&format!("{TRAINING} explained.parquet --explain"));
    let [plain, explained] = ["plain.parquet", "explained.parquet"].map(|name| read(&project, name));
    assert_eq!(
        cells(&plain),
        cells(&explained.project(&(0..plain.num_columns()).collect::<Vec<_>>()).unwrap())
    );
    let schema = explained.schema();
    let added: Vec<_> = schema.fields().iter().skip(plain.num_columns()).map(|field| field.name()).collect();
    let expected = ["airport_arrivals", "aircraft_last_flight"]
        .map(|view| ["event_time", "available_at", "age_s"].map(|what| format!("{view}__{what}")));
    assert_eq!(added, expected.iter().flatten().collect::<Vec<_>>());
    let texts = cells(&explained);
    let at = |row: &[String], name: &str| row[schema.index_of(name).unwrap()].clone();
    let mut seen = 0;
    for row in texts.iter().filter(|row| !at(row, "airport_arrivals__age_s").is_empty()) {
        assert!(at(row, "airport_arrivals__age_s").parse::<f64>().unwrap() >= 120.0, "visible from 2m on");
        assert!(at(row, "airport_arrivals__available_at") <= at(row, "scheduled_departure"), "{row:?}");
        assert!(at(row, "airport_arrivals__event_time") < at(row, "airport_arrivals__available_at"));
        seen += 1;
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn a_join_by_event_time_sees_more_and_is_warned_of() {
    let project = Project::loaded();
    let available = project.training_set();
    let warned = project.ok(&format!("{TRAINING} training.csv --as-of event"));
    says(&warned, &["warning: --as-of event shows rows that nobody could have read yet"]);
    let event = project.read("training.csv");
    assert_eq!(available.lines().count(), event.lines().count());
    let differ = available.lines().zip(event.lines()).filter(|(a, b)| a != b).count();
    assert!((1..100).contains(&differ), "{differ}");
}

fn read(project: &Project, name: &str) -> RecordBatch {
    let file = || File::open(project.path(name)).unwrap();
    let batches: Vec<RecordBatch> = match name.rsplit_once('.').unwrap().1 {
        "parquet" => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(file()).unwrap().build().unwrap();
            reader.collect::<Result<_, _>>().unwrap()
        }
        "arrow" => {
            let reader = arrow::ipc::reader::FileReader::try_new(file(), None).unwrap();
            reader.collect::<Result<_, _>>().unwrap()
        }
        _ => {
            let format = arrow::csv::reader::Format::default().with_header(true);
            let (schema, _) = format.infer_schema(file(), None).unwrap();
            let reader = arrow::csv::ReaderBuilder::new(schema.into()).with_header(true).build(file());
            reader.unwrap().collect::<Result<_, _>>().unwrap()
        }
    };
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// Every value as text, times without their zone and numbers as the shortest that mean the same,
/// as CSV keeps no types.
fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default();
    let columns =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap());
    let columns: Vec<_> = columns.collect();
    let text = |cell: String| match cell.parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => cell.trim_end_matches('Z').to_owned(),
    };
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| text(column.value(row).to_string())).collect())
        .collect()
}

/// Writes `set.EXT` without its features as `spine.EXT`.
fn without_features(project: &Project, extension: &str) {
    let set = read(project, &format!("set.{extension}"));
    let kept: Vec<usize> = (0..set.num_columns() - FEATURES.len()).collect();
    let spine = set.project(&kept).unwrap();
    let file = || File::create(project.path(&format!("spine.{extension}"))).unwrap();
    match extension {
        "parquet" => {
            crate::landings::write_parquet(&project.path("spine.parquet"), &spine);
        }
        "csv" => arrow::csv::Writer::new(file()).write(&spine).unwrap(),
        _ => {
            let mut writer = arrow::ipc::writer::FileWriter::try_new(file(), &spine.schema()).unwrap();
            writer.write(&spine).unwrap();
            writer.finish().unwrap();
        }
    }
}

#[test]
fn labels_outside_the_days_of_a_log_are_counted() {
    let project = Project::loaded();
    let times = ["1999-01-01", "2013-05-31T23:59:59Z", "2013-06-03", "2026-01-01", "2026-01-02"];
    let rows: String = times.iter().map(|time| format!("LAX,N338AA,2475,{time}\n")).collect();
    project.write("s.csv", format!("dest,tailnum,distance,t\n{rows}"));
    let command = "training-set --service late_arrival --spine s.csv --time t --out out.csv";
    let outside = project.json(command)["outside_log"].clone();
    let arrivals = outside.as_array().unwrap().iter().find(|range| range["view"] == "airport_arrivals@1");
    let arrivals = arrivals.unwrap_or_else(|| panic!("{outside}"));
    assert_eq!((&arrivals["before"], &arrivals["after"]), (&2.into(), &2.into()), "{outside}");
    says(
        &project.ok(command),
        &[
            "labels outside the log of airport_arrivals@1: 2 of 5 before its first day, 2013-06-0",
            "2 behind its last",
        ],
    );
}

#[test]
fn more_threads_than_a_join_takes_are_refused_and_more_jobs_than_files_are_idle() {
    let project = Project::loaded();
    project.write("s.csv", "dest,tailnum,distance,t\nLAX,N1,1,2013-06-08T01:00:00Z\n");
    let build = "training-set --service late_arrival --spine s.csv --time t --out o.csv --threads";
    for threads in [1_025, usize::MAX] {
        let said = ["up to 1024 threads", &format!("{threads} are given")];
        says(&project.refused(&format!("{build} {threads}")), &said);
    }
    project.ok(&format!("{build} 1024"));
    let project = Project::sample();
    project.ok("apply");
    project.ok(&format!("backfill start airport_arrivals --jobs {}", usize::MAX));
}
