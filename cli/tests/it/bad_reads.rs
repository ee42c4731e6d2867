//! Spines and reads that do not fit their service: each refused by row or name, with nothing written.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use crate::landings::{AFTER_THE_WEEK, write_parquet};
use crate::project::{Project, says};

const CSV: &str = "training-set --service late_arrival --spine s.csv --time t --out o.parquet";

#[test]
fn a_spine_that_does_not_fit_is_refused_by_column_and_row() {
    let project = Project::loaded();
    let cases: [(&str, &[&str]); 12] = [
        (
            "dest,tailnum,distance\nLAX,N1,1\n",
            &["s.csv: there is no time column `t`", "dest, tailnum, distance"],
        ),
        (
            "dest,distance,t\nLAX,1,2013-06-05T00:00:00Z\n",
            &["s.csv: the join key `tailnum`", "no column `tailnum`"],
        ),
        (
            "dest,tailnum,t\nLAX,N1,2013-06-05T00:00:00Z\n",
            &["s.csv: the request column `distance`", "no column"],
        ),
        (
            "dest,tailnum,distance,t\nLAX,N1,1,5\n",
            &["s.csv: row 1: `t`: `5` is not a time", "2013-06-01T12:00:00Z"],
        ),
        (
            "dest,tailnum,distance,t\nLAX,N1,1,2013-06-05T00:00:00Z\nLAX,N1,1,soon\n",
            &["s.csv: row 2: `t`: `soon` is not a time", "2013-06-01T12:00:00Z"],
        ),
        (
            "dest,tailnum,distance,t\nLAX,N1,1,2013-06-05T00:00:00Z\nLAX,N1,1,\n",
            &["s.csv: row 2: the time column `t` is null", "every label needs a time"],
        ),
        (
            "dest,tailnum,distance,t\nLAX,N1,1,2013-06-05T00:00:00Z\nLAX,N1,far,2013-06-05T00:00:00Z\n",
            &["s.csv: row 2: `distance`: `far` is not int32"],
        ),
        (
            "dest,tailnum,distance,t,dest_last_delay\nLAX,N1,1,2013-06-05T00:00:00Z,1\n",
            &["already has a column `dest_last_delay`", "a feature of late_arrival@1", "rename the column"],
        ),
        (
            "dest,tailnum,distance,t\nLAX,N1,1,2013-06-05T00:00:00Z\nLAX,N1\n",
            &["s.csv`", "row 2 has 2 fields, and the header has 4"],
        ),
        ("", &["s.csv`: it is empty", "its first line must name its columns"]),
        ("dest\nLAX\n", &["no time column `t`", "`tailnum`", "`distance`"]),
        (
            "dest,tailnum,distance,t\nLAX,N1,1,12013-06-05T00:00:00Z\n",
            &["s.csv: row 1: `t`", "is not a time"],
        ),
    ];
    for (spine, parts) in cases {
        project.write("s.csv", spine);
        says(&project.refused(CSV), parts);
    }
}

#[test]
fn the_same_holds_for_a_spine_of_parquet() {
    let project = Project::loaded();
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![AFTER_THE_WEEK * 1_000_000; 2]));
    let dest: ArrayRef = Arc::new(StringArray::from(vec!["LAX"; 2]));
    let tailnum: ArrayRef = Arc::new(StringArray::from(vec!["N1"; 2]));
    let distance: ArrayRef = Arc::new(Int32Array::from(vec![1; 2]));
    let long: ArrayRef = Arc::new(Int64Array::from(vec![1, 1 << 31]));
    let gap: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None]));
    let cases: [([&ArrayRef; 4], &[&str]); 5] = [
        (
            [&dest, &tailnum, &long, &time],
            &["row 2: the column `distance` is int32, and 2147483648 is not", "leave the row out"],
        ),
        ([&long, &tailnum, &distance, &time], &["the join key `dest`", "declared string", "holds int64"]),
        ([&dest, &tailnum, &distance, &long], &["the time column `t` is int64", "must be a timestamp"]),
        ([&dest, &tailnum, &distance, &dest], &["the time column `t` is string", "must be a timestamp"]),
        (
            [&dest, &tailnum, &distance, &gap],
            &["row 2: the time column `t` is null", "every label needs a time"],
        ),
    ];
    for (columns, parts) in cases {
        let columns = ["dest", "tailnum", "distance", "t"].into_iter().zip(columns.map(Arc::clone));
        let columns = columns.map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        write_parquet(&project.path("s.parquet"), &batch);
        says(&project.refused(&CSV.replace("s.csv", "s.parquet")), parts);
    }
}

#[test]
fn a_spine_or_result_that_cannot_be_a_file_is_refused() {
    let project = Project::loaded();
    let good = CSV.replace("s.csv", "data/departures.parquet").replace("time t", "time scheduled_departure");
    let whole = std::fs::read(project.path("data/departures.parquet")).unwrap();
    project.write("half.parquet", &whole[..whole.len() / 2]);
    let cases: [(String, &[&str]); 6] = [
        (good.replace("data/departures", "nowhere"), &["nowhere.parquet`", "No such file"]),
        (good.replace("data/departures.parquet", "data"), &["data`", ".csv or .arrow"]),
        (
            good.replace("data/departures", "half"),
            &["half.parquet`", "damaged or not whole", "copy it again"],
        ),
        (good.replace("o.parquet", "o.xls"), &["o.xls`", "name it .parquet, .csv"]),
        (good.replace("o.parquet", "no/o.parquet"), &["no/o.parquet`"]),
        (
            good.replace("late_arrival", "late_arival"),
            &["no service `late_arival`, did you mean `late_arrival`?"],
        ),
    ];
    for (command, parts) in cases {
        says(&project.refused(&command), parts);
    }
}

#[test]
fn a_training_set_of_a_view_without_history_names_the_backfill() {
    let project = Project::applied();
    let command =
        CSV.replace("s.csv", "data/departures.parquet").replace("time t", "time scheduled_departure");
    says(&project.refused(&command), &["has no history in the offline store", "run `twinstore backfill a"]);
}

#[test]
fn a_read_that_does_not_fit_its_service_is_refused_by_name() {
    let project = Project::loaded();
    let cases: [(&str, &[&str]); 9] = [
        ("dest=LAX tailnum=N338AA", &["late_arrival@1 needs `distance`", "add distance=VALUE", "int32"]),
        ("dest=LAX distance=1", &["late_arrival@1 needs `tailnum`: add tailnum=VALUE"]),
        ("", &["`dest`", "`tailnum`", "`distance`"]),
        (
            "dest=LAX tailnum=N1 distance=far",
            &["`distance` is \"far\"", "whole number from -2147483648 to 2147483647 (int32)"],
        ),
        ("dest=LAX tailnum=N1 distance=3000000000", &["`distance` is", "int32"]),
        (
            "dest=LAX tailnum=N1 distance=1 color=red",
            &["takes no `color`", "it takes dest, tailnum, distance"],
        ),
        ("dest tailnum=N1 distance=1", &["`dest` is no value: write it as name=value"]),
        ("dest=LAX dest=BOS tailnum=N1 distance=1", &["`dest` is given twice"]),
        ("dest=LAX tailnum=N1 distance=1 --at 2013-01-01T00:00:00Z", &["too early", "training-set"]),
    ];
    for (values, parts) in cases {
        says(&project.refused(&format!("get late_arrival {values}")), parts);
    }
    says(&project.refused("get late_arrival@2 dest=LAX"), &["no service `late_arrival@2`"]);
}
