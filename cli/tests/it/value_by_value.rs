//! Files whose columns are of another type than declared: each value fits or makes its row a dead letter, and a
//! plan says so before anything is loaded.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int64Array, LargeStringArray, ListArray,
    RecordBatch, StringViewArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{Int32Type, Int64Type};
use test_support::user_events;

use crate::landings::write_parquet;
use crate::project::{Project, says};

fn events() -> String {
    let source = "schema: {user_id: int64, ts: timestamp, amount: int32, ratio: float64, note: string, tags: list<int64>}
event_time: ts
assumed_delay: 5m
batch: {path: data}
";
    let view = "features:
  amount: {latest: amount}
  ratio: {latest: ratio}
  note: {latest: note}
  tags: {latest: tags}
";
    user_events("user_id", source, view)
}

const TS: i64 = 1_704_067_200;

fn write(project: &Project, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    std::fs::create_dir_all(project.path("data")).unwrap();
    write_parquet(&project.path(name), &batch.unwrap());
}

#[test]
fn a_value_that_does_not_fit_refuses_its_row_and_no_other() {
    let project = Project::empty();
    project.write("features/all.yaml", events());
    let dictionary: DictionaryArray<Int32Type> = ["a", "b", "c", "d"].into_iter().collect();
    let ratio = Decimal128Array::from(vec![Some(150), None, Some(25), Some(1)]);
    let lists = |tags: [i64; 4]| {
        ListArray::from_iter_primitive::<Int64Type, _, _>(tags.map(|tag| Some(vec![Some(tag)])))
    };
    write(
        &project,
        "data/a.parquet",
        vec![
            ("user_id", Arc::new(Float64Array::from(vec![Some(1.0), Some(2.0), Some(3.5), None]))),
            ("ts", Arc::new(TimestampSecondArray::from(vec![TS; 4]).with_timezone("+02:00"))),
            ("amount", Arc::new(Float64Array::from(vec![Some(7.0), None, Some(1.0), Some(1.0)]))),
            ("ratio", Arc::new(ratio.with_precision_and_scale(9, 2).unwrap())),
            ("note", Arc::new(dictionary)),
            ("tags", Arc::new(lists([1, 2, 3, 4]))),
        ],
    );
    write(
        &project,
        "data/b.parquet",
        vec![
            ("user_id", Arc::new(UInt64Array::from(vec![4, u64::MAX, 5, 6]))),
            ("ts", Arc::new(TimestampNanosecondArray::from(vec![TS * 1_000_000_000; 4]))),
            ("amount", Arc::new(Int64Array::from(vec![1, 1, 3_000_000_000, 8]))),
            ("ratio", Arc::new(Int64Array::from(vec![1, 1, 1, i64::MAX]))),
            ("note", Arc::new(StringViewArray::from(vec!["e", "f", "g", "h"]))),
            ("tags", Arc::new(lists([1, 2, 3, 4]))),
        ],
    );
    let plan = project.ok("plan");
    says(
        &plan,
        &[
            "`data/a.parquet`, row 3: the column `user_id` is int64, and 3.5 is not",
            "`data/b.parquet`, row 2: the column `user_id` is int64, and 18446744073709551615 is not",
            "`data/b.parquet`, row 3: the column `amount` is int32, and 3000000000 is not",
            "`data/b.parquet`, row 4: the column `ratio` is float64, and 9223372036854775807 is not",
        ],
    );
    assert_eq!(project.json("plan")["misfits"].as_array().unwrap().len(), 4);
    project.ok("apply");
    let loaded = &project.json("backfill --all")["views"][0];
    assert_eq!((&loaded["rows_read"], &loaded["rows_loaded"]), (&8.into(), &3.into()), "{loaded}");
    says(
        &project.ok("dead-letter list"),
        &["a.parquet", "3.5", "b.parquet", "18446744073709551615", "9223372036854775807"],
    );
    let features = project.json("get svc user_id=1")["features"].clone();
    let values = ["amount", "ratio", "note", "tags"].map(|name| features[name]["value"].to_string());
    assert_eq!(values, ["7", "1.5", "\"a\"", "[1]"], "{features}");
}

#[test]
fn a_folder_that_does_not_fit_its_column_refuses_its_rows_and_no_others() {
    let definitions = events()
        .replace("amount: int32", "amount: int32, day: int32")
        .replace("features:\n  amount", "features:\n  day: {latest: day}\n  amount");
    for format in ["parquet", "csv"] {
        let project = Project::empty();
        project.write("features/all.yaml", &definitions);
        for (day, user) in [("1", 1), ("first", 2), ("__HIVE_DEFAULT_PARTITION__", 3)] {
            let file = format!("data/day={day}/a.{format}");
            let text = format!("user_id,ts,amount,ratio,note,tags\n{user},2024-01-01,1,1,x,[1]\n");
            project.write(&file, text);
            if format == "parquet" {
                let tags = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]);
                write(
                    &project,
                    &file,
                    vec![
                        ("user_id", Arc::new(Int64Array::from(vec![user]))),
                        ("ts", Arc::new(TimestampSecondArray::from(vec![TS]))),
                        ("amount", Arc::new(Int64Array::from(vec![1]))),
                        ("ratio", Arc::new(Int64Array::from(vec![1]))),
                        ("note", Arc::new(LargeStringArray::from(vec!["x"]))),
                        ("tags", Arc::new(tags)),
                    ],
                );
            }
        }
        says(&project.ok("plan"), &[&format!("day=first/a.{format}`, row 1: the column `day` is int32")]);
        project.ok("apply");
        let loaded = &project.json("backfill --all")["views"][0];
        assert_eq!((&loaded["rows_read"], &loaded["rows_loaded"]), (&3.into(), &2.into()), "{format}");
        says(&project.ok("dead-letter list"), &["day=first", "`day` is int32"]);
        let day = |user: u32| project.json(&format!("get svc user_id={user}"))["features"]["day"].clone();
        assert_eq!(day(1)["value"], 1, "{format}");
        assert_eq!(day(3)["status"], "NULL_VALUE", "{format}");
    }
}

#[test]
fn a_plan_names_everything_that_does_not_fit_in_the_heads_of_files() {
    let project = Project::empty();
    project.write(
        "features/all.yaml",
        events()
            .replace("ts: timestamp", "ts: string")
            .replace("event_time: ts", "event_time: {sql: \"cast(nullif(ts, '') as timestamp)\"}"),
    );
    says(&project.ok("plan"), &["note: features/all.yaml: source `events`: `data`: there is no such file"]);
    project
        .write("data/a.csv", "User_Id,ts,amount,ratio,note\n1,soon,x,1,\n2,\"\",y,1,\n3,2024-01-01,1,1,\n");
    let plan = project.ok("plan");
    says(
        &plan,
        &[
            "`data/a.csv`: the file has no column `user_id`, and a column `User_Id`",
            "`data/a.csv`: the file has no column `tags`",
            "`data/a.csv`, row 1: the column `amount` is int32, and \"x\" is not (a whole number from -2147483648 to 2147483647) (2 of its first 1000 rows",
        ],
    );
    // Of a line of JSON, too, all columns are named and not only the first.
    std::fs::remove_file(project.path("data/a.csv")).unwrap();
    project.write(
        "data/a.jsonl",
        "{\"user_id\": \"x\", \"ts\": \"2024-01-01\", \"amount\": 1.5, \"tags\": [\"a\"]}\n",
    );
    says(
        &project.ok("plan"),
        &[
            "`data/a.jsonl`, row 1: the column `user_id` is int64, and \"x\" is not",
            "`data/a.jsonl`, row 1: the column `amount` is int32, and 1.5 is not",
            "`data/a.jsonl`, row 1: the column `tags` is int64, and \"a\" is not",
        ],
    );
    std::fs::remove_file(project.path("data/a.jsonl")).unwrap();
    project.write("data/a.csv", "user_id,ts,amount,ratio,note,tags\n1,soon,1,1,,\n2,\"\",2,1,,\n");
    says(&project.ok("plan"), &["`data/a.csv`, row 1: the time `cast", "`data/a.csv`, row 2: "]);
    let misfit = &project.json("plan")["misfits"][0];
    assert_eq!((&misfit["source"], &misfit["row"]), (&"events".into(), &1.into()), "{misfit}");
    project.ok("apply");
}
