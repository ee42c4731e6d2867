//! Every encoding of a moment by every way in is the moment that its author meant, or refuses its row and no other.
//! Cases are drawn; what a text or a number means is known from how it was written, and not from reading it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Date64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use feature::Micros;
use feature::oracle::Numbers;
use materializer::{PushLog, Pushed};
use proto::v1::values::Kind;
use proto::v1::{Int64s, PushRequest, Timestamps, Values};
use serde_json::{Value, json};
use test_support::{varint, zigzag};

use crate::landings::write_parquet;
use crate::moment_texts::{DAY, Encoding, SECOND, TEXTS, Written, floor, micros, texts, ticks, whole};
use crate::project::{Project, says};
use crate::pushed::{micros_now, over_grpc, with};
use crate::served::Server;
use crate::stored;

/// The ways in, each a source and a view of this name.
const WAYS: [(&str, &str); 8] = [
    ("csv", "batch: {path: data/csv}"),
    ("lines", "batch: {path: data/lines}"),
    ("parquet", "batch: {path: data/parquet}"),
    ("json_topic", "stream: {topic: json_topic, format: json}"),
    ("avro_topic", "stream: {topic: avro_topic, format: avro, schema: moment.avsc}"),
    ("text_topic", "stream: {topic: text_topic, format: protobuf, schema: moment.proto, message: m.Text}"),
    ("time_topic", "stream: {topic: time_topic, format: protobuf, schema: moment.proto, message: m.Time}"),
    ("pushed", "stream: {topic: pushed, format: json}"),
];

/// Types of Avro that a moment has there, and the nanoseconds of their ticks.
const AVRO: [(&str, i128); 8] = [
    (r#"{"type": "int", "logicalType": "date"}"#, 86_400_000_000_000),
    (r#"{"type": "long", "logicalType": "timestamp-millis"}"#, 1_000_000),
    (r#"{"type": "long", "logicalType": "timestamp-micros"}"#, 1_000),
    (r#"{"type": "long", "logicalType": "timestamp-nanos"}"#, 1),
    (r#"{"type": "long", "logicalType": "local-timestamp-millis"}"#, 1_000_000),
    (r#"{"type": "long", "logicalType": "local-timestamp-micros"}"#, 1_000),
    (r#"{"type": "long", "logicalType": "local-timestamp-nanos"}"#, 1),
    (r#""string""#, 0),
];

const PROTO: &str = r#"
syntax = "proto3";
package m;
import "google/protobuf/timestamp.proto";
message Text { int64 id = 1; google.protobuf.Timestamp at = 2; string moment = 3; }
message Time { int64 id = 1; google.protobuf.Timestamp at = 2; google.protobuf.Timestamp moment = 3; }
"#;

/// When all rows happened, in seconds since 1970.
const AT: i64 = 1_704_067_200;

fn definitions(ways: &[(&str, &str)]) -> String {
    let mut text = "kind: entity\nname: one\nkeys: {id: int64}\n".to_owned();
    for (way, origin) in ways {
        text += &format!(
            "---\nkind: source\nname: {way}\nschema: {{id: int64, at: timestamp, moment: timestamp}}\n\
             event_time: at\n{origin}\n---\nkind: feature_view\nname: {way}\nversion: 1\nentity: one\n\
             source: {way}\nfeatures: {{moment: {{latest: moment}}}}\n"
        );
    }
    text + "---\nkind: feature_service\nname: svc\nversion: 1\nfeatures: [{from: csv@1}]\n"
}

/// A record of Avro: its id, and a moment of the type at this branch of the union.
fn avro(id: i64, branch: usize, moment: &[u8]) -> Vec<u8> {
    [&zigzag(id), &zigzag(AT * SECOND), &zigzag(branch as i64), moment].concat()
}

fn timestamp(seconds: i64, nanos: i32) -> Vec<u8> {
    [&[0x08][..], &varint(seconds as u64), &[0x10], &varint(i64::from(nanos) as u64)].concat()
}

fn protobuf(id: i64, moment: &[u8]) -> Vec<u8> {
    let at = timestamp(AT, 0);
    let sized = |bytes: &[u8]| [varint(bytes.len() as u64), bytes.to_vec()].concat();
    [&[0x08][..], &varint(id as u64), &[0x12], &sized(&at), &[0x1a], &sized(moment)].concat()
}

fn append(project: &Project, topic: &str, values: Vec<Vec<u8>>) {
    let records: Vec<Pushed> =
        values.into_iter().map(|value| Pushed { key: None, value: Some(value) }).collect();
    let at = Micros::new(micros_now()).unwrap();
    let folder = project.path(&format!(".twinstore/topics/{topic}"));
    PushLog::open(&folder).unwrap().append(&records, at).unwrap();
}

/// The columns of a Parquet file with each type that holds moments, and what is to be read of each.
fn parquet_columns(draw: &mut Numbers, rows: usize) -> Vec<(ArrayRef, Vec<Option<i64>>)> {
    let mut columns: Vec<(ArrayRef, Vec<Option<i64>>)> = Vec::new();
    let mut drawn = |unit: i128| -> (Vec<i64>, Vec<Option<i64>>) {
        let ticks: Vec<i64> = (0..rows).map(|_| ticks(draw, unit)).collect();
        let means = ticks.iter().map(|tick| floor(i128::from(*tick) * unit)).collect();
        (ticks, means)
    };
    for zone in [None, Some("UTC"), Some("America/New_York")] {
        macro_rules! column {
            ($array:ident, $unit:expr) => {{
                let (ticks, means) = drawn($unit);
                columns.push((Arc::new($array::from(ticks).with_timezone_opt(zone)), means));
            }};
        }
        column!(TimestampMillisecondArray, 1_000_000);
        column!(TimestampMicrosecondArray, 1_000);
        column!(TimestampNanosecondArray, 1);
        column!(TimestampSecondArray, 1_000_000_000);
    }
    let (days, means) = drawn(86_400_000_000_000);
    let narrow: Vec<i32> =
        days.iter().map(|day| (*day).clamp(i32::MIN.into(), i32::MAX.into()) as i32).collect();
    let is_same = |(day, narrow): (&i64, &i32)| *day == i64::from(*narrow);
    let means = means.into_iter().zip(days.iter().zip(&narrow).map(is_same));
    let means = means.map(|(means, is_same)| means.filter(|_| is_same)).collect();
    columns.push((Arc::new(Date32Array::from(narrow)), means));
    let millis: Vec<i64> = (0..rows).map(|_| whole(micros(draw), DAY) / 1_000).collect();
    let means = millis.iter().map(|ms| Some(ms * 1_000)).collect();
    columns.push((Arc::new(Date64Array::from(millis)), means));
    columns
}

/// What is in a view's log, by id.
fn logged(project: &Project, way: &str) -> BTreeMap<i64, i64> {
    let rows = stored::rows(&project.path(&format!(".twinstore/offline/log/{way}/v1")));
    let of = |row: &stored::Row| {
        let moment: Micros = row["moment"].parse().unwrap_or_else(|error| panic!("{way}: {row:?}: {error}"));
        (row["id"].parse().unwrap(), moment.get())
    };
    rows.iter().map(of).collect()
}

/// Checks that exactly the rows that mean a moment are in the log with it, and each other one among the dead letters.
fn check(project: &Project, way: &str, means: &[Option<i64>], given: impl Fn(usize) -> String) {
    let found = logged(project, way);
    for (index, means) in means.iter().enumerate() {
        assert_eq!(found.get(&(index as i64 + 1)), means.as_ref(), "{way} {}", given(index));
    }
    let dead_letters = project.json(&format!("dead-letter list {way}@1 --limit 10000"));
    let dead_letters = dead_letters["dead_letters"].as_array().unwrap();
    let bad: Vec<usize> = (0..means.len()).filter(|index| means[*index].is_none()).collect();
    assert_eq!(dead_letters.len(), bad.len(), "{way}");
    for dead_letter in dead_letters {
        says(dead_letter["detail"].as_str().unwrap(), &["moment"]);
    }
}

/// The seed of the draws, which a failure prints.
fn seed() -> u64 {
    let named = std::env::var("TWINSTORE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = named.unwrap_or_else(|| micros_now() as u64);
    eprintln!("TWINSTORE_TEST_SEED={seed}");
    seed
}

#[test]
fn every_encoding_by_every_way_in_is_its_moment_or_refuses_its_row_alone() {
    const ROWS: usize = 90;
    let mut draw = Numbers::new(seed());
    let project = Project::sample();
    project.write("features/flights.yaml", definitions(&WAYS));
    project.write("moment.proto", PROTO);
    let union = AVRO.map(|(data_type, _)| data_type).join(", ");
    project.write(
        "moment.avsc",
        format!(
            r#"{{"type": "record", "name": "R", "fields": [{{"name": "id", "type": "long"}},
            {{"name": "at", "type": {{"type": "long", "logicalType": "timestamp-micros"}}}},
            {{"name": "moment", "type": [{union}]}}]}}"#
        ),
    );
    project.ok("apply");
    let at = Micros::new(AT * SECOND).unwrap().to_string();
    let texts = texts(&mut draw, ROWS);
    let means: Vec<Option<i64>> = texts.iter().map(|(_, means)| *means).collect();
    let numbered = || texts.iter().zip(1..).map(|((text, _), id)| (id, text.as_str()));
    let said = |index: usize| texts[index].0.clone();

    let csv: String = numbered().map(|(id, text)| format!("{id},{at},{text}\n")).collect();
    project.write("data/csv/a.csv", format!("id,at,moment\n{csv}"));
    let object = |(id, text): (i64, &str)| json!({"id": id, "at": at, "moment": text});
    let lines: String = numbered().map(object).map(|object| format!("{object}\n")).collect();
    project.write("data/lines/a.jsonl", lines);
    append(&project, "json_topic", numbered().map(object).map(|object| object.to_string().into()).collect());
    append(&project, "text_topic", numbered().map(|(id, text)| protobuf(id, text.as_bytes())).collect());

    let mut files = Vec::new();
    let columns = parquet_columns(&mut draw, ROWS / 10);
    for (number, (column, means)) in columns.into_iter().enumerate() {
        let first = files.len() as i64 + 1;
        let rows = column.len() as i64;
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows));
        let ats: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![AT * 1_000; column.len()]));
        let columns = [("id", ids), ("at", ats), ("moment", column.clone())];
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
        write_parquet(&project.path(&format!("data/parquet/{number:02}.parquet")), &batch.unwrap());
        let shown = |row: usize| format!("{} in row {}", column.data_type(), row + 1);
        files.extend(means.into_iter().enumerate().map(|(row, means)| (shown(row), means)));
    }

    let mut records = Vec::new();
    let mut of_avro = Vec::new();
    for id in 1..=ROWS as i64 {
        let (branch, (kind, unit)) = AVRO.iter().enumerate().nth(draw.below(8) as usize).unwrap();
        let (bytes, means) = if *unit == 0 {
            let (text, means) = &texts[id as usize - 1];
            ([zigzag(text.len() as i64), text.as_bytes().to_vec()].concat(), *means)
        } else {
            let tick = ticks(&mut draw, *unit);
            (zigzag(tick), floor(i128::from(tick) * unit))
        };
        records.push(avro(id, branch, &bytes));
        of_avro.push((format!("{kind} of {bytes:?}"), means));
    }
    append(&project, "avro_topic", records);

    let mut of_time = Vec::new();
    for _ in 0..ROWS {
        let seconds = ticks(&mut draw, 1_000_000_000);
        let nanos = [0, 1, 999_999_999, -1, 1_000_000_000][draw.below(5) as usize];
        let in_range = (0..1_000_000_000).contains(&nanos);
        let means = floor(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).filter(|_| in_range);
        of_time.push((seconds, nanos, means));
    }
    let records =
        of_time.iter().zip(1..).map(|((seconds, nanos, _), id)| protobuf(id, &timestamp(*seconds, *nanos)));
    append(&project, "time_topic", records.collect());

    project.ok("backfill csv@1 lines@1 parquet@1");
    project.ok("stream json_topic@1 text_topic@1 avro_topic@1 time_topic@1 --until-caught-up");
    for way in ["csv", "lines", "json_topic", "text_topic"] {
        check(&project, way, &means, said);
    }
    let of = |cases: &[(String, Option<i64>)]| cases.iter().map(|(_, means)| *means).collect::<Vec<_>>();
    check(&project, "parquet", &of(&files), |index| files[index].0.clone());
    check(&project, "avro_topic", &of(&of_avro), |index| of_avro[index].0.clone());
    let means_of_time: Vec<Option<i64>> = of_time.iter().map(|(_, _, means)| *means).collect();
    check(&project, "time_topic", &means_of_time, |index| format!("{:?}", of_time[index]));
    pushes(&project, &mut draw, &texts, &at);
}

/// Over HTTP and gRPC: what is refused is refused in the answer, by its index.
fn pushes(project: &Project, draw: &mut Numbers, texts: &[Written], at: &str) {
    let server = Server::start(project);
    let rows: Vec<Value> =
        texts.iter().zip(1..).map(|((text, _), id)| json!({"id": id, "at": at, "moment": text})).collect();
    let (status, answer) =
        server.post("/v1/push", &json!({"source": "pushed", "rows": rows, "wait": "online"}));
    assert_eq!(status, 200, "{answer}");
    let refused: Vec<u64> =
        answer["refused"].as_array().unwrap().iter().map(|row| row["index"].as_u64().unwrap()).collect();
    let bad: Vec<u64> = (0..).zip(texts).filter(|(_, (_, means))| means.is_none()).map(|(i, _)| i).collect();
    assert_eq!(refused, bad);

    let first = texts.len() as i64 + 1;
    let micros: Vec<i64> = (0..texts.len()).map(|_| ticks(draw, 1_000)).collect();
    let ids: Vec<i64> = (first..first + micros.len() as i64).collect();
    let column = |kind: Kind| Values { nulls: Vec::new(), kind: Some(kind) };
    let columns = [
        ("id", Kind::Int64s(Int64s { values: ids })),
        ("at", Kind::Timestamps(Timestamps { values_us: vec![AT * SECOND; micros.len()] })),
        ("moment", Kind::Timestamps(Timestamps { values_us: micros.clone() })),
    ];
    let columns = columns.into_iter().map(|(name, kind)| (name.to_owned(), column(kind))).collect();
    let answer = over_grpc(
        &server,
        PushRequest { source: "pushed".to_owned(), columns, wait: 1, ..PushRequest::default() },
    )
    .unwrap();
    let of_grpc: Vec<Option<i64>> = micros.iter().map(|micros| floor(i128::from(*micros) * 1_000)).collect();
    let bad: Vec<u32> = (0..).zip(&of_grpc).filter(|(_, means)| means.is_none()).map(|(i, _)| i).collect();
    assert_eq!(answer.refused.iter().map(|row| row.index).collect::<Vec<_>>(), bad);

    let found = logged(project, "pushed");
    let means: Vec<Option<i64>> = texts.iter().map(|(_, means)| *means).chain(of_grpc).collect();
    for (index, means) in means.iter().enumerate() {
        assert_eq!(found.get(&(index as i64 + 1)), means.as_ref(), "row {}", index + 1);
    }
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn labels_flags_and_definitions_read_moments_as_every_other_way_does() {
    let mut draw = Numbers::new(seed());
    let project = with(&definitions(&WAYS[..1]));
    project.write("data/csv/a.csv", "id,at,moment\n1,2013-06-01,2013-06-01\n");
    project.ok("backfill --all");
    let drawn: Vec<Written> = TEXTS.iter().map(|encoding| (encoding.write)(&mut draw)).collect();
    let good: Vec<&Written> = drawn.iter().filter(|(_, means)| means.is_some()).collect();
    let spine = |texts: &[&str]| {
        let lines: String = texts.iter().map(|text| format!("1,{text}\n")).collect();
        project.write("spine.csv", format!("id,t\n{lines}"));
        "training-set --service svc --spine spine.csv --time t --out out.parquet"
    };
    let texts: Vec<&str> = good.iter().map(|(text, _)| text.as_str()).collect();
    project.ok(spine(&texts));
    let labels = stored::parquet_rows(&project.path("out.parquet"));
    assert_eq!(labels.len(), good.len());
    for (label, (text, means)) in labels.iter().zip(&good) {
        assert_eq!(label["t"].parse::<Micros>().unwrap().get(), means.unwrap(), "{text}");
    }
    let defaults: String = drawn
        .iter()
        .enumerate()
        .map(|(n, (text, _))| format!("  d{n}: {{latest: moment, default: \"{text}\"}}\n"))
        .collect();
    project.write(
        "features/defaults.yaml",
        format!(
            "kind: feature_view\nname: defaults\nversion: 1\nentity: one\nsource: csv\nfeatures:\n{defaults}"
        ),
    );
    let refused = project.refused("plan");
    for (n, (text, means)) in drawn.iter().enumerate() {
        assert_eq!(refused.contains(&format!("`d{n}`")), means.is_none(), "{text}: {refused}");
        if means.is_none() {
            says(&project.refused(spine(&["2013-06-01T12:00:00Z", text])), &["row 2: `t`", text]);
            let flag = project.command("backfill csv@1 --from").arg(text).output().unwrap();
            assert_eq!(flag.status.code(), Some(2), "{text}");
        }
    }
}

#[test]
fn the_documentation_has_every_text_and_what_becomes_of_it() {
    let docs = std::fs::read_to_string("../docs/timestamps.md").unwrap();
    for Encoding { name, example, means, write } in &TEXTS {
        let line = format!("| {name} | `{example}` | {means} |");
        assert!(docs.contains(&line), "docs/timestamps.md has not the line\n{line}");
        let is_refused = means.starts_with("refused");
        assert_eq!(example.parse::<Micros>().is_err(), is_refused, "{example}");
        assert_eq!(write(&mut Numbers::new(1)).1.is_none(), is_refused, "{name}");
    }
}
