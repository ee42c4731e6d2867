//! What a value of Postgres is as a feature: each type as each that it may be declared as, to the bit, and what no declared
//! type can hold refuses its row and no other.

use serde_json::{Value, json};
use test_support::{PostgresServer, user_events};

use crate::project::{Project, says};

/// A project whose one row has each of these values: its type, the expression of Postgres, and the declared type.
fn of_values(server: &PostgresServer, values: &[(&str, &str)]) -> Project {
    let selected: Vec<String> =
        values.iter().enumerate().map(|(index, (sql, _))| format!("{sql} AS c{index}")).collect();
    let declared: Vec<String> =
        values.iter().enumerate().map(|(index, (_, declared))| format!("c{index}: \"{declared}\"")).collect();
    let features: Vec<String> =
        (0..values.len()).map(|index| format!("  f{index}: {{latest: c{index}}}\n")).collect();
    let source = format!(
        "schema:\n  user_id: int64\n  at: timestamp\n  {}\nevent_time: at\nbatch:\n  connection: {}\n  sql: |\n    select 1 \
         as user_id, timestamp '2013-06-01 12:00' as at, {}\n",
        declared.join("\n  "),
        server.url("postgres"),
        selected.join(", ")
    );
    let project = Project::empty();
    project.write(
        "features/all.yaml",
        user_events("user_id", &source, &format!("features:\n{}", features.concat())),
    );
    let plan = project.ok("plan");
    assert!(!plan.contains("of the query is"), "{plan}");
    project.ok("apply");
    project
}

/// What a value of Postgres is read as, as JSON.
const READ: [(&str, &str, &str); 40] = [
    ("true", "bool", "true"),
    ("false", "bool", "false"),
    ("null::boolean", "bool", "null"),
    ("(-32768)::smallint", "int32", "-32768"),
    ("2147483647", "int32", "2147483647"),
    ("9223372036854775807::bigint", "int64", "9223372036854775807"),
    ("7::bigint", "int32", "7"),
    ("3::smallint", "float32", "3.0"),
    ("9007199254740992::bigint", "float64", "9007199254740992.0"),
    ("0.1::real", "float32", "0.10000000149011612"),
    ("0.1::real", "float64", "0.10000000149011612"),
    ("0.1::float8", "float64", "0.1"),
    ("5e-324::float8", "float64", "5e-324"),
    ("1.7976931348623157e308::float8", "float64", "1.7976931348623157e308"),
    ("'-0'::float8", "float64", "-0.0"),
    ("'NaN'::float8", "float64", "\"NaN\""),
    ("'-Infinity'::real", "float32", "\"-Infinity\""),
    ("3::float8", "int64", "3"),
    ("1.10::numeric", "float64", "1.1"),
    ("16777217.0000::numeric", "int32", "16777217"),
    ("9223372036854775807.00::numeric", "int64", "9223372036854775807"),
    ("'NaN'::numeric", "float64", "\"NaN\""),
    ("'a, \"b\" é'::text", "string", "\"a, \\\"b\\\" é\""),
    ("''::text", "string", "\"\""),
    ("null::text", "string", "null"),
    ("E'tab\\t line\\n back\\\\N'::varchar", "string", "\"tab\\t line\\n back\\\\N\""),
    ("'ab'::char(4)", "string", "\"ab  \""),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "string", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
    ("'{\"b\": 1, \"a\": [2]}'::jsonb", "string", "\"{\\\"a\\\": [2], \\\"b\\\": 1}\""),
    ("'\\x00ff'::bytea", "bytes", "\"AP8=\""),
    ("''::bytea", "bytes", "\"\""),
    ("date '2013-06-01'", "timestamp", "\"2013-06-01T00:00:00Z\""),
    ("timestamp '2013-06-01 12:00:00.123456'", "timestamp", "\"2013-06-01T12:00:00.123456Z\""),
    ("timestamptz '2013-06-01 12:00:00+02'", "timestamp", "\"2013-06-01T10:00:00Z\""),
    ("timestamptz '0001-01-01 00:00+00'", "timestamp", "\"0001-01-01T00:00:00Z\""),
    ("array[1, -2]::smallint[]", "list<int64>", "[1, -2]"),
    ("array[0.5, 'Infinity']::real[]", "list<float32>[2]", "[0.5, \"Infinity\"]"),
    (
        "array['a', 'b,\"c\\\\', 'NULL', '']::text[]",
        "list<string>",
        "[\"a\", \"b,\\\"c\\\\\\\\\", \"NULL\", \"\"]",
    ),
    ("array[]::float8[]", "list<float64>", "[]"),
    ("array[true, false]", "list<bool>", "[true, false]"),
];

#[test]
fn each_type_of_postgres_is_read_to_the_bit() {
    let server = PostgresServer::start();
    let values: Vec<(&str, &str)> = READ.iter().map(|(sql, declared, _)| (*sql, *declared)).collect();
    let project = of_values(&server, &values);
    let loaded = project.json("backfill --all");
    assert_eq!(loaded["views"][0]["rows_loaded"], 1, "{}", project.ok("dead-letter list"));
    let features = &project.json("get svc user_id=1")["features"];
    for (index, (sql, declared, expected)) in READ.iter().enumerate() {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(features[format!("f{index}")]["value"], expected, "{sql} as {declared}");
    }
    assert_eq!(project.json("materialize")["extracts"][0]["rows_new"], 0);
}

#[test]
fn a_value_that_its_column_cannot_hold_refuses_its_row_and_no_other() {
    const BAD: [(&str, &str, &str); 13] = [
        ("2147483648::bigint", "int32", "2147483648"),
        ("3.5::numeric", "int64", "3.5"),
        ("'NaN'::numeric", "int64", "NaN"),
        ("0.5::float8", "int64", "0.5"),
        ("9223372036854775808::numeric", "int64", "9223372036854775808"),
        ("9007199254740993::bigint", "float64", "9007199254740993 (no float64 equals it)"),
        ("16777217", "float32", "16777217 (no float32 equals it)"),
        ("1e39::numeric", "float32", "float32"),
        ("'infinity'::timestamptz", "timestamp", "infinity"),
        ("'-infinity'::date", "timestamp", "-infinity"),
        ("timestamp '0044-03-15 12:00:00 BC'", "timestamp", "0044-03-15 12:00:00 BC"),
        ("timestamp '12013-06-01 12:00:00'", "timestamp", "12013-06-01 12:00:00"),
        ("array[array[1, 2], array[3, 4]]", "list<int64>", "{{1,2},{3,4}}"),
    ];
    let server = PostgresServer::start();
    let values: Vec<(&str, &str)> = BAD.iter().map(|(sql, declared, _)| (*sql, *declared)).collect();
    let project = of_values(&server, &values);
    // A row whose values are null is good.
    let nulls: Vec<String> =
        (0..BAD.len()).map(|index| format!("case user_id when 1 then c{index} end as c{index}")).collect();
    let text = project.read("features/all.yaml");
    let (before, sql) = text.split_once("    select 1 as user_id").unwrap();
    let (sql, after) = sql.split_once('\n').unwrap();
    let all = format!(
        "    select user_id, at, {} from (select n as user_id{sql} from generate_series(1, 2) n) q",
        nulls.join(", ")
    );
    project.write("features/all.yaml", format!("{before}{all}\n{after}"));
    project.ok("apply");
    let loaded = project.json("backfill --all");
    let view = &loaded["views"][0];
    assert_eq!((&view["rows_read"], &view["rows_loaded"]), (&json!(2), &json!(1)));
    let refused = project.ok("dead-letter list --format json");
    for (index, (_, declared, said)) in BAD.iter().enumerate() {
        says(&refused, &[&format!("`c{index}` is {declared}"), said]);
    }
    says(&refused, &["000001.csv.zst"]);
    // Its row is known, and is not extracted once more.
    assert_eq!(project.json("materialize")["extracts"][0]["rows_new"], 0);
}

#[test]
fn a_single_column_of_nulls_is_rows() {
    let server = PostgresServer::start();
    let project = Project::empty();
    let source = format!(
        "schema: {{user_id: int64}}\nbatch: {{sql: \"select nullif(n, 2) as user_id from generate_series(1, 3) n\", \
         connection: \"{}\"}}\n",
        server.url("postgres")
    );
    project
        .write("features/all.yaml", user_events("user_id", &source, "features: {seen: {latest: user_id}}\n"));
    project.ok("apply");
    let loaded = project.json("backfill --all");
    let view = &loaded["views"][0];
    assert_eq!(
        (&view["rows_read"], &view["rows_loaded"], &view["null_keys"]),
        (&json!(3), &json!(2), &json!(1))
    );
}
