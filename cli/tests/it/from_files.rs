//! `init --from`: files as strangers have them, from `init` to an online read, without an edit of what is written.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float64Array, ListBuilder, RecordBatch,
    TimestampNanosecondArray, UInt64Array, UInt64Builder,
};
use arrow::datatypes::Int32Type;
use serde_json::Value;

use crate::landings::write_parquet;
use crate::project::{Project, says};

/// Runs every command that `init` names but `serve`, and gives what the read answered.
fn run_next(project: &Project, reported: &str) -> Value {
    let next = reported.split_once("Next, in ").unwrap().1.split_once(":\n\n").unwrap().1;
    let lines: Vec<&str> = next.lines().filter_map(|line| line.trim().strip_prefix("twinstore ")).collect();
    assert_eq!((lines.len(), lines.last()), (6, Some(&"serve")), "{reported}");
    let (last, others) = lines[..5].split_last().unwrap();
    for words in others {
        let said = project.ok(&format!("--project made {words}"));
        assert!(!said.contains("note: "), "{words}: {said}");
    }
    project.json(&format!("--project made {last}"))["features"].clone()
}

fn values<const N: usize>(features: &Value, names: [&str; N]) -> [String; N] {
    names.map(|name| features[name]["value"].to_string())
}

#[test]
fn a_strangers_csv_folder_goes_to_an_online_read_without_being_rewritten() {
    let project = Project::empty();
    for (month, first) in [("01", 0), ("02", 30)] {
        let rows = (first..first + 30)
            .map(|row| format!("{},{},{}.5,DE\n", row % 7, 1_704_067_200_000_i64 + row * 3_600_000, row));
        let text = format!("UserId,EventTime,Amount,Country\n{}", rows.collect::<String>());
        project.write(&format!("data/2024-{month}.csv"), text);
    }
    let reported = project.ok("init made --from data");
    says(
        &reported,
        &["(2 files): entity `user` by `UserId`, event time from `EventTime` (epoch milliseconds)"],
    );
    let features = run_next(&project, &reported);
    assert_eq!(
        values(&features, ["amount", "country", "rows_7d", "mean_amount_7d"]),
        ["56.5", "\"DE\"", "9", "28.5"]
    );
    assert_eq!(project.json("--project made backfill --all")["views"][0]["rows_loaded"], 0);
}

#[test]
fn unsigned_integers_beyond_int64_are_left_out_by_name_also_in_lists() {
    let rows = 0..30_u64;
    let large = |row: u64| u64::MAX - row % 4;
    let mut lists = ListBuilder::new(UInt64Builder::new());
    rows.clone().for_each(|row| lists.append_value([Some(large(row))]));
    let columns: [(&str, ArrayRef); 5] = [
        ("user_id", Arc::new(UInt64Array::from_iter_values(rows.clone().map(|row| row % 4)))),
        (
            "ts",
            Arc::new(TimestampNanosecondArray::from_iter_values(
                rows.clone().map(|row| 1_704_067_200_000_000_000 + row as i64 * 3_600_000_000_000),
            )),
        ),
        ("x", Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| row as f64)))),
        ("hash", Arc::new(UInt64Array::from_iter_values(rows.clone().map(large)))),
        ("hashes", Arc::new(lists.finish())),
    ];
    let project = Project::empty();
    write_parquet(&project.path("events.parquet"), &RecordBatch::try_from_iter(columns).unwrap());
    let reported = project.ok("init made --from events.parquet");
    let written = fs::read_dir(project.path("made/features")).unwrap();
    let written: String = written.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    says(&written, &["hash", "hashes", "integers beyond int64"]);
    let features = run_next(&project, &reported);
    assert!(features.get("x").is_some() && features.get("hash").is_none(), "{features}");
}

#[test]
fn a_header_may_hold_anything() {
    let project = Project::empty();
    project.write(
        "zoo.csv",
        "\u{feff},User ID,select,order,2023 sales,Größe.cm,when,user id,名前,null,true,\"a,\"\"b\"\n\
         0,1,1.5,a,7,1.0,2024-01-01,x,y,4,5,6\n1,1,2.5,b,8,,2024-01-02 10:00:00+02,,z,4,5,6\n2,2,1,c,9,1,2024-01-03,x,y,4,5,6\n",
    );
    let features = run_next(&project, &project.ok("init made --from zoo.csv"));
    assert_eq!(
        values(&features, ["select", "order", "c_2023_sales", "grosse_cm", "user_id_2", "column_9"]),
        ["2.5", "\"b\"", "8", "null", "null", "\"z\""]
    );
    assert_eq!(values(&features, ["null", "true", "a_b", "rows_7d"]), ["4", "5", "6", "2"]);
    says(&project.read("made/features/features.yaml"), &["user_id: {type: int64, column: \"User ID\"}"]);
}

#[test]
fn every_encoding_of_a_time_is_read_as_the_moment_that_it_is() {
    let moment = 1_704_067_200_i64;
    for (times, how) in [
        ([moment.to_string(), (moment + 60).to_string()], "epoch seconds"),
        ([format!("{moment}.25"), format!("{}.0", moment + 60)], "epoch seconds"),
        ([format!("{moment}000"), format!("{}000", moment + 60)], "epoch milliseconds"),
        ([format!("{moment}000000"), format!("{}000000", moment + 60)], "epoch microseconds"),
        ([format!("{moment}000000000"), format!("{}000000000", moment + 60)], "epoch nanoseconds"),
        (["2024-01-01T00:00:00Z".to_owned(), "2024-01-01 00:01:00".to_owned()], "`ts`\n"),
        (["2023-12-31".to_owned(), "2024-01-01".to_owned()], "`ts`\n"),
        (["20231231".to_owned(), "20240101".to_owned()], "days as 20240131"),
        (["12/31/2023 23:59".to_owned(), "01/01/2024 00:01".to_owned()], "%m/%d/%Y %H:%M"),
        (["31.12.2023".to_owned(), "01.01.2024".to_owned()], "%d.%m.%Y"),
    ] {
        for file in ["in.csv", "in.jsonl"] {
            let project = Project::empty();
            let rows = times.iter().enumerate().map(|(row, time)| match file {
                "in.csv" => format!("7,{time},{row}\n"),
                _ => {
                    let is_number = time.parse::<f64>().is_ok();
                    let time = if is_number { time.clone() } else { format!("\"{time}\"") };
                    format!("{{\"user_id\": 7, \"ts\": {time}, \"n\": {row}}}\n")
                }
            });
            let header = if file == "in.csv" { "user_id,ts,n\n" } else { "" };
            project.write(file, format!("{header}{}", rows.collect::<String>()));
            let reported = project.ok(&format!("init made --from {file}"));
            says(&reported, &[how]);
            let features = run_next(&project, &reported);
            assert_eq!(values(&features, ["n"]), ["1"], "{times:?}");
            let at = features["n"]["event_time"].as_str().unwrap();
            assert!(at.starts_with("2024-01-01T00:0"), "{times:?}: {at}");
        }
    }
}

#[test]
fn texts_that_sound_like_times_are_read_or_named_with_one_that_is_not() {
    for (at, moment) in [
        ("3/15/25 9:10 PM", "2025-03-15T21:10:00Z"),
        ("15.03.25 09:10", "2025-03-15T09:10:00Z"),
        ("15/Mar/2025:10:11:12 +0200", "2025-03-15T08:11:12Z"),
        ("\"March 15, 2025\"", "2025-03-15T00:00:00Z"),
        ("\"Sat, 15 Mar 2025 10:11:12 +0000\"", "2025-03-15T10:11:12Z"),
    ] {
        let project = Project::empty();
        project.write("a.csv", format!("customer_id,created_at,balance\nC1,{at},99\n"));
        let reported = project.ok("init made --from a.csv");
        says(&reported, &["event time from `created_at`"]);
        project.ok("--project made apply");
        project.ok("--project made backfill --all");
        let read = project.json("--project made get customer_features customer_id=C1");
        assert_eq!(read["features"]["balance"]["event_time"], moment, "{at}: {read}");
    }
    let project = Project::empty();
    project.write("a.csv", "customer_id,created_at,balance\nC1,the 15th of March 25,99\n");
    says(
        &project.ok("init made --from a.csv"),
        &["a static source", "`created_at` sounds like the time of an event", "`the 15th of March 25`"],
    );
}

#[test]
fn fields_are_separated_by_what_separates_those_of_the_header() {
    for (name, separator) in [("visits.csv", ";"), ("visits.tsv", "\t"), ("visits.csv", "|")] {
        let project = Project::empty();
        let rows = "user_id;ts;note\n1;2024-01-01T00:00:00Z;a, b\n2;2024-01-02T00:00:00Z;\"c;d\"\n";
        project.write(name, rows.replace(';', separator));
        let reported = project.ok(&format!("init made --from {name}"));
        let features = run_next(&project, &reported);
        assert_eq!(values(&features, ["note"]), ["\"a, b\""], "{separator}");
        let spine = "user_id;ts\n2;2024-01-03T00:00:00Z\n".replace(';', separator);
        project.write("made/spine.csv", spine);
        project.ok(
            "--project made training-set --service user_features --spine spine.csv --time ts --out out.csv",
        );
        says(&project.read("made/out.csv"), &["user_id,ts,note,", &format!("c{separator}d")]);
    }
}

#[test]
fn columns_of_parquet_are_of_the_types_that_their_values_are() {
    let project = Project::empty();
    let cat: DictionaryArray<Int32Type> = ["a", "b", "a", "b"].into_iter().collect();
    let price = Decimal128Array::from(vec![Some(150), None, Some(25), Some(225)]);
    let times = TimestampNanosecondArray::from_iter_values((0..4).map(|day| day * 86_400_000_000_000));
    let columns: [(&str, ArrayRef); 4] = [
        ("customer_id", Arc::new(Float64Array::from(vec![Some(1.0), Some(2.0), None, Some(1.0)]))),
        ("Created At", Arc::new(times.with_timezone("America/New_York"))),
        ("price", Arc::new(price.with_precision_and_scale(9, 2).unwrap())),
        ("cat", Arc::new(cat)),
    ];
    let columns = columns.map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    write_parquet(&project.path("orders.parquet"), &batch);
    let reported = project.ok("init made --from orders.parquet");
    let features = run_next(&project, &reported);
    assert_eq!(values(&features, ["price", "cat", "mean_price_7d"]), ["2.25", "\"b\"", "1.875"]);
    says(
        &project.read("made/features/features.yaml"),
        &["customer_id: int64", "price: float64", "cat: string"],
    );
}

#[test]
fn several_sources_share_their_entity_and_folders_give_columns() {
    let project = Project::empty();
    project.write("in/users.csv", "user_id,name,signup\n1,ann,2024-01-01\n2,bob,2024-01-02\n");
    project.write("in/day=2024-02-01/o.csv", "user_id,amount,orderId\n1,2,10\n1,3,11\n2,4,12\n");
    project.write("in/day=2024-02-02/o.csv", "user_id,amount,orderId,note\n1,5,13,x\n");
    project.write("stores.csv", "store_id,city\ns 1,A\ns2,B\n");
    let reported = project.ok("init made --from in stores.csv");
    says(&reported, &["source `in`", "source `users`", "source `stores`", "static source"]);
    let text = project.read("made/features/features.yaml");
    assert_eq!(text.matches("kind: entity").count(), 2, "{text}");
    says(&text, &["note: {type: string, optional: true}", "event_time: day"]);
    project.ok("--project made apply");
    project.ok("--project made backfill --all");
    let read = "--project made get features user_id=1 store_id=s2";
    let features = project.json(read)["features"].clone();
    assert_eq!(
        values(&features, ["in_amount", "in_note", "users_name", "stores_city"]),
        ["5", "\"x\"", "\"ann\"", "\"B\""]
    );
}

#[test]
fn files_of_which_not_all_is_seen_are_read_now() {
    let project = Project::empty();
    let rows = (0..10_001).map(|row| format!("{row},{},{}\n", row % 5, 1_704_067_200 + row));
    project.write("big.csv", format!("Unnamed: 0,user_id,ts\n{}", rows.collect::<String>()));
    let reported = project.ok("init made --from big.csv");
    assert!(!reported.contains("--at"), "{reported}");
    assert_eq!(values(&run_next(&project, &reported), ["rows_7d"]), ["0"]);
    let text = project.read("made/features/features.yaml");
    says(&text, &["# Types are those of the first rows", "\"Unnamed: 0\" is not read"]);
}

#[test]
fn what_cannot_be_made_out_is_a_sentence_and_nothing_is_written() {
    let project = Project::empty();
    for (name, text, parts) in [
        ("a.csv", "x,y\n1.5,2.5\n", &["no column of", "--key"][..]),
        ("b.csv", "a;b;c\n1;2;3\n", &["no column of", "--key"]),
        ("c.csv", "1,2024-01-01,5\n2,2024-01-01,6\n", &["no header"]),
        ("d.csv", "user_id,x,x\n1,2,3\n", &["two columns `x`"]),
        ("e.csv", "user_id,x\n", &["no row"]),
        ("f.csv", "", &["is empty"]),
        ("g.json", "[{\"a\": 1}]", &["one JSON object on each line"]),
        ("h.json", "{\"a\": \n1}", &["no line of it is a JSON object"]),
        ("i.parquet", "no", &["no whole Parquet file"]),
        ("j.txt", "a,b\n1,2\n", &["its name does not say"]),
    ] {
        project.write(name, text);
        says(&project.refused(&format!("init made --from {name}")), &[&["error: ", name], parts].concat());
    }
    project.write("k.csv", "user_id,x\n1,2\n");
    says(
        &project.refused("init made --from k.csv --time when"),
        &["no file has a column `when`", "user_id, x"],
    );
    says(&project.refused("init made --from k.csv --time x"), &["`x` of", "cannot be read as times"]);
    says(&project.refused("init made --from nowhere k.csv"), &["`nowhere`", "no such file"]);
    project.ok("init made --from k.csv --key user_id");
    says(&project.refused("init made --from k.csv"), &["already has twinstore.toml", "name an empty folder"]);
}

#[test]
fn a_project_in_the_folder_of_its_files_does_not_read_what_it_wrote() {
    let project = Project::empty();
    project.write("a1.csv", "user_id,ts\n1,2024-01-01\n");
    project.write("a2.csv", "user_id,ts\n1,2024-01-02\n");
    project.ok("init . --from a1.csv a2.csv");
    project.ok("apply");
    let loaded = &project.json("backfill --all")["views"][0];
    assert_eq!((&loaded["files"], &loaded["rows_loaded"]), (&2.into(), &2.into()), "{loaded}");
}

#[test]
fn a_file_with_a_column_label_time_gets_labels_of_another_name() {
    let project = Project::empty();
    project.write("a.csv", "user_id,label_time,x\n1,2024-01-01T00:00:00Z,2\n2,2024-01-02T00:00:00Z,3\n");
    let reported = project.ok("init made --from a.csv");
    says(&reported, &["--time label_time_2 "]);
    let features = run_next(&project, &reported);
    assert_eq!(values(&features, ["x"]), ["2"], "{features}");
}

#[test]
fn integers_beyond_int64_in_json_are_left_out_by_name_and_never_become_floats() {
    let project = Project::empty();
    project.write(
        "a.jsonl",
        "{\"user\": 1, \"at\": \"2024-01-01T00:00:00Z\", \"big\": 18446744073709551615, \"huge\": 99999999999999999999, \"real\": 1e20}\n\
         {\"user\": 2, \"at\": \"2024-01-02T00:00:00Z\", \"big\": 1, \"huge\": 1, \"real\": 2.5}\n",
    );
    project.ok("init made --from a.jsonl");
    let written = project.read("made/features/features.yaml");
    says(&written, &["real: float64", "integers beyond int64"]);
    for column in ["big", "huge"] {
        assert!(!written.contains(&format!("{column}: float64")), "{written}");
    }
}
