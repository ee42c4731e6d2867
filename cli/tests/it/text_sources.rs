//! Sources in CSV and JSON lines, as strangers write them: capitals in the header, times in epoch milliseconds,
//! folders that give a column. One row that is wrong is refused by itself.

use test_support::user_events;

use crate::project::{Project, says};

fn events() -> String {
    let source = r#"schema:
  user_id: {type: int64, column: userId}
  ts: int64
  amount: {type: float32, column: Amount}
  note: string
  country: string
  extra: {type: string, optional: true}
event_time: {sql: "to_timestamp_millis(ts)"}
batch: {path: data}
"#;
    let view = "features:
  amount: {latest: amount}
  note: {latest: note}
  country: {latest: country}
  extra: {latest: extra}
";
    user_events("user_id", source, view)
}

const CSV: &str = "userId,ts,Amount,note\n1,1704067200000,2.5,\"a, \"\"b\"\"\"\n2,1704153600000,,\"\"\n\
                   3,xx,1,z\n4,1704153600000,1e50,y\n";
const JSON: &str = r#"{"userId": 1, "ts": 1704067200000, "Amount": 2.5, "note": "a, \"b\""}
{"userId": 2, "ts": 1704153600000, "note": ""}
{"userId": 3, "ts": "xx", "Amount": 1, "note": "z"}
{"userId": 4, "ts": 1704153600000, "Amount": 1e50, "note": "y"}
"#;

#[test]
fn text_of_a_stranger_is_loaded_and_read_as_it_lies() {
    for (file, text) in [("data/country=DE/a.csv", CSV), ("data/country=DE/a.jsonl", JSON)] {
        let project = Project::empty();
        project.write("features/all.yaml", events());
        project.write(file, text);
        project.write("data/readme.txt", "no data");
        project.ok("apply");
        let loaded = &project.json("backfill --all")["views"][0];
        assert_eq!((&loaded["rows_read"], &loaded["rows_loaded"]), (&4.into(), &2.into()), "{file}");
        assert_eq!(loaded["files_unread"][0], "readme.txt");
        let values = |user: u32| {
            let features = project.json(&format!("get svc user_id={user}"))["features"].clone();
            ["amount", "note", "country", "extra"].map(|name| features[name]["value"].to_string())
        };
        assert_eq!(values(1), ["2.5", r#""a, \"b\"""#, r#""DE""#, "null"], "{file}");
        assert_eq!(values(2), ["null", r#""""#, r#""DE""#, "null"], "{file}");
        says(&project.ok("dead-letter list"), &["row 3", "`ts`", "row 4", "`amount`", "float32"]);
        assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 0, "{file}");
    }
}

/// A source of CSV with a column `x` and its view.
fn numbers() -> String {
    let source = "schema: {user_id: int64, ts: timestamp, x: string}\nevent_time: ts\nbatch: {path: data}\n";
    user_events("user_id", source, "features:\n  x: {latest: x}\n")
}

#[test]
fn a_column_that_no_row_has_is_said_by_plan_and_by_the_load() {
    let definitions = numbers().replace("x: string", "x: {type: string, optional: true}");
    for (name, text, optional) in [
        ("a.jsonl", "{\"user_id\": 1, \"ts\": \"2024-01-01\", \"X\": \"a\"}\n", false),
        ("b.jsonl", "{\"user_id\": 1, \"ts\": \"2024-01-01\", \"X\": \"a\"}\n", true),
        ("c.csv", "user_id,ts,X\n1,2024-01-01,a\n", true),
    ] {
        let project = Project::empty();
        project.write("features/all.yaml", if optional { definitions.clone() } else { numbers() });
        project.write(&format!("data/{name}"), text);
        let said = ["column `x`", "a column `X`", "x: {type: string, column: \"X\"}"];
        says(&project.ok("plan"), &said);
        project.ok("apply");
        says(&project.ok("backfill --all"), &said);
    }
    let project = Project::empty();
    project.write("features/all.yaml", numbers());
    project.write("data/a.jsonl", "{\"user_id\": 1, \"ts\": \"2024-01-01\"}\n");
    says(&project.ok("plan"), &["none of its first rows has a column `x`", "`optional`"]);
    project.write("features/all.yaml", &definitions);
    assert!(!project.ok("plan").contains("has a column"));
}

#[test]
fn what_is_no_text_of_its_name_is_refused_by_what_it_is() {
    let rows = "user_id,ts,x\n1,2024-01-01,a\n";
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(rows.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, Vec<u8>, &str); 3] = [
        ("a.csv", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "compressed with gzip, and its name does not say so"),
        ("a.csv", utf16, "it is UTF-16 text"),
        ("a.json", b"{\n \"user_id\": 1\n}\n".to_vec(), "write one JSON object on each line"),
    ];
    for (name, bytes, said) in cases {
        let project = Project::empty();
        project.write("features/all.yaml", numbers());
        project.write(&format!("data/{name}"), bytes);
        says(&project.ok("plan"), &[name, said]);
        project.ok("apply");
        says(&project.refused("backfill --all"), &[name, said]);
    }
}

#[test]
fn tabs_separate_a_file_whose_name_says_so_and_a_format_that_is_named_reads_other_names() {
    let project = Project::empty();
    let priced = "x: {type: string, column: \"price, EUR\"}";
    project.write("features/all.yaml", numbers().replace("x: string", priced));
    project.write("data/a.tsv", "user_id\tts\tprice, EUR\n1\t2024-01-01\t5\n");
    project.ok("apply");
    project.ok("backfill --all");
    assert_eq!(project.json("get svc user_id=1")["features"]["x"]["value"], "5");
    for path in ["data/x.txt", "data/*.txt", "data"] {
        let project = Project::empty();
        let batch = format!("batch: {{path: '{path}', format: csv}}");
        project.write("features/all.yaml", numbers().replace("batch: {path: data}", &batch));
        project.write("data/x.txt", "user_id,ts,x\n1,2024-01-01,a\n");
        project.ok("apply");
        assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 1, "{path}");
    }
}

#[test]
fn no_delay_at_all_may_be_said() {
    let project = Project::empty();
    project.write("data/a.csv", "user_id,ts,x\n1,2024-01-01,a\n");
    project.write("features/all.yaml", numbers());
    says(&project.ok("plan"), &["no `assumed_delay`"]);
    for delay in ["0s", "0h"] {
        let said =
            numbers().replace("event_time: ts\n", &format!("event_time: ts\nassumed_delay: {delay}\n"));
        project.write("features/all.yaml", said);
        assert!(!project.ok("plan").contains("assumed_delay"), "{delay}");
    }
    let ttl = numbers().replace("features:\n", "ttl: 0s\nfeatures:\n");
    project.write("features/all.yaml", ttl);
    says(&project.refused("plan"), &["`0s` is not a duration"]);
}

#[test]
fn a_row_may_be_allowed_no_lateness_at_all() {
    for (lateness, late) in [("0s", 1), ("3m", 0)] {
        let project = Project::empty();
        // Its rows are available two minutes after they happened.
        project.write("data/a.csv", "user_id,ts,x\n1,2024-01-01,a\n");
        let times = format!("event_time: ts\nassumed_delay: 2m\nallowed_lateness: {lateness}\n");
        project.write("features/all.yaml", numbers().replace("event_time: ts\n", &times));
        assert!(!project.ok("plan").contains("refused"), "{lateness}");
        project.ok("apply");
        assert_eq!(project.json("backfill --all")["views"][0]["late"], late, "{lateness}");
    }
}

#[test]
fn a_folder_that_gives_a_column_of_another_case_is_named_with_how_it_is_declared() {
    for (name, text) in
        [("a.csv", "user_id,ts\n1,2024-01-01\n"), ("a.jsonl", "{\"user_id\": 1, \"ts\": \"2024-01-01\"}\n")]
    {
        let project = Project::empty();
        project.write("features/all.yaml", numbers());
        project.write(&format!("data/X=a/{name}"), text);
        let declared = "x: {type: string, column: \"X\"}";
        let said = project.ok("plan");
        says(&said, &["a folder of it gives a column `X`", declared]);
        project.write("features/all.yaml", numbers().replace("x: string", declared));
        assert!(!project.ok("plan").contains("a folder of it"), "{name}");
        project.ok("apply");
        assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 1, "{name}");
    }
}

#[test]
fn a_quote_that_takes_later_rows_into_its_field_refuses_the_file_before_any_of_its_rows() {
    let project = Project::empty();
    project.write("features/all.yaml", numbers());
    let good: String = (1..9_000).map(|user| format!("{user},2024-01-01,a\n")).collect();
    let cases = [
        ("9000,2024-01-01,\"b\n9001,2024-01-01,c\n", "that is never closed"),
        ("9000,2024-01-01,\"b", "that is never closed"),
        ("9000,2024-01-01,\"b\n9001,2024-01-01,\"c\"\n", "closes in the middle of a field of a later line"),
    ];
    project.ok("apply");
    for (rows, why) in cases {
        project.write("data/a.csv", format!("user_id,ts,x\n{good}{rows}"));
        says(&project.refused("backfill --all"), &["data/a.csv`: row 9000: a quote opens here", why]);
    }
    project.write("data/a.csv", format!("user_id,ts,x\n1,2024-01-01,\"b\n{good}"));
    says(&project.ok("plan"), &["`data/a.csv`: row 1: a quote opens here that is never closed"]);
    project.write("data/a.csv", format!("user_id,ts,x\n{good}9000,2024-01-01,\"b\nc\"\n"));
    assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 9_000);
    assert_eq!(project.json("get svc user_id=9000")["features"]["x"]["value"], "b\nc");
}

#[test]
fn a_column_that_is_called_as_a_keyword_of_sql_needs_no_quotes_where_only_a_column_stands() {
    for word in ["user", "interval", "current_date", "localtime", "not", "true"] {
        let project = Project::empty();
        let define = |latest: &str| {
            let named = numbers().replace(
                "{user_id: int64, ts: timestamp, x: string}",
                "{user_id: int64, ts: timestamp, WORD: float64}",
            );
            let named = named.replace(
                "  x: {latest: x}",
                &format!("  x: {{latest: '{latest}'}}\n  sum: {{aggregate: 'sum(WORD)'}}"),
            );
            let expect = "source: events\nexpect: [{column: WORD, between: [0, 10]}]\nfeatures:";
            project.write(
                "features/all.yaml",
                named.replace("source: events\nfeatures:", expect).replace("WORD", word),
            );
        };
        define("WORD + 1 > 2 AND WORD");
        let refused = project.refused("plan");
        says(&refused, &[&format!("`{word}` is a keyword of SQL: write it in quotes, \"{word}\"")]);
        define("WORD");
        project.write("data/a.csv", format!("user_id,ts,{word}\n1,2024-01-01,2.5\n2,2024-01-01,11\n"));
        assert!(!project.ok("plan").contains("data/a.csv"));
        project.ok("apply");
        assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 1);
        let read = project.json("get svc user_id=1");
        let values = ["x", "sum"].map(|name| read["features"][name]["value"].clone());
        assert_eq!(values, [2.5, 2.5], "{word}");
    }
}

/// What `plan` says of a file of the source of [`numbers`], whose columns are declared so.
fn planned(schema: &str, file: &str, text: &str) -> String {
    let project = Project::empty();
    let declared = "schema: {user_id: int64, ts: timestamp, x: string}";
    project.write(
        "features/all.yaml",
        numbers().replace(declared, schema).replace("path: data", &format!("path: data/{file}")),
    );
    project.write(&format!("data/{file}"), text);
    project.ok("plan")
}

const SCHEMA: &str = "schema: {user_id: int64, ts: timestamp, x: string}";

#[test]
fn a_file_whose_lines_end_in_cr_alone_is_refused_as_one() {
    let said = planned(SCHEMA, "a.csv", "user_id,ts,x\r1,2024-01-01,a\r2,2024-01-02,b\r");
    says(&said, &["data/a.csv`", "its lines end in CR alone", "LF"]);
    assert!(!said.contains("no column"), "{said}");
}

#[test]
fn a_text_without_an_extension_is_not_called_a_parquet_file() {
    let said = planned(SCHEMA, "rows", "user_id,ts,x\n1,2024-01-01,a\n");
    says(&said, &["data/rows`", "its name does not say how it is encoded", "`format: csv`"]);
    assert!(!said.contains("no whole Parquet file"), "{said}");
}

#[test]
fn a_column_of_another_case_is_advised_only_where_it_helps() {
    let said = planned(SCHEMA, "a.csv", "User_ID,ts,x\n1,2024-01-01,a\n");
    says(&said, &["`user_id: {type: int64, column: \"User_ID\"}`"]);
    // The definition's own name, which is not that in the file.
    let named = "schema: {user_id: {type: int64, column: userId}, ts: timestamp, x: string}";
    let said = planned(named, "a.csv", "userid,ts,x\n1,2024-01-01,a\n");
    says(&said, &["no column `userId`", "`user_id: {type: int64, column: \"userid\"}`"]);
    // A column that is another one's already.
    let both = "schema: {user_id: {type: int64, column: X}, ts: timestamp, x: string}";
    let said = planned(both, "a.csv", "id,ts,x\n1,2024-01-01,a\n");
    says(&said, &["no column `X`; it has id, ts, x"]);
    assert!(!said.contains("name it in the schema"), "{said}");
}

#[test]
fn of_a_large_integer_with_a_point_it_is_said_how_it_has_to_be_written() {
    for (file, text) in [
        ("a.csv", "user_id,ts,x\n1,2024-01-01,9007199254740993.0\n"),
        ("a.jsonl", "{\"user_id\": 1, \"ts\": \"2024-01-01\", \"x\": 9007199254740993.0}\n"),
    ] {
        let said = planned("schema: {user_id: int64, ts: timestamp, x: int64}", file, text);
        says(&said, &["the column `x` is int64", "beyond 2^53 without a point and an exponent"]);
    }
}
