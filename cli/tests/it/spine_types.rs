//! What a spine brings comes out as it went in: every Arrow type, through every format in and out.

use std::fs::File;
use std::sync::Arc;

use arrow::array::builder::StringDictionaryBuilder;
use arrow::array::*;
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::arrow_columns::Holds::{self, As, Refused, Same};
use crate::arrow_columns::{Case, cases};
use crate::landings::write_parquet;
use crate::project::{Project, says};

/// A spine of three labels of the sample's service with some columns.
fn spine<'a>(cases: impl Iterator<Item = &'a Case>) -> RecordBatch {
    let at = TimestampMicrosecondArray::from(vec![1_370_500_000_000_000; 3]).with_timezone("UTC");
    let mut columns: Vec<(Field, ArrayRef)> = vec![
        (Field::new("dest", DataType::Utf8, true), Arc::new(StringArray::from(vec!["LAX"; 3]))),
        (Field::new("tailnum", DataType::Utf8, true), Arc::new(StringArray::from(vec!["N338AA"; 3]))),
        (Field::new("distance", DataType::Int32, false), Arc::new(Int32Array::from(vec![2475; 3]))),
        (Field::new("t", at.data_type().clone(), false), Arc::new(at)),
    ];
    for case in cases {
        let field = Field::new(case.name, case.column.data_type().clone(), true);
        let marked = field.with_metadata([("unit".to_owned(), case.name.to_owned())].into());
        columns.push((marked, case.column.clone()));
    }
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn write_arrow(project: &Project, name: &str, batches: &[RecordBatch]) {
    let file = File::create(project.path(name)).unwrap();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(file, &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn read(project: &Project, name: &str) -> RecordBatch {
    let file = File::open(project.path(name)).unwrap();
    let (schema, batches): (SchemaRef, Vec<RecordBatch>) = match name.ends_with("parquet") {
        true => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            (reader.schema().clone(), reader.build().unwrap().collect::<Result<_, _>>().unwrap())
        }
        false => {
            let reader = arrow::ipc::reader::FileReader::try_new(file, None).unwrap();
            (reader.schema(), reader.collect::<Result<_, _>>().unwrap())
        }
    };
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn command(spine: &str, out: &str) -> String {
    format!("training-set --service late_arrival --spine {spine} --time t --out {out}")
}

/// Checks that a training set holds the columns of its spine, as what `holds` says.
fn check(written: &RecordBatch, given: &RecordBatch, holds: impl Fn(&str) -> Holds, how: &str) {
    for (field, column) in given.schema().fields().iter().zip(given.columns()) {
        let name = field.name();
        let kept = written.schema().field_with_name(name).unwrap().clone();
        let written = written.column_by_name(name).unwrap();
        match holds(name.as_str()) {
            Same => {
                assert_eq!(&kept, field.as_ref(), "{how}: {name}");
                assert_eq!(&plain(written), &plain(column), "{how}: {name}");
            }
            As(data_type) => {
                assert_eq!(kept, Field::clone(field).with_data_type(data_type.clone()), "{how}: {name}");
                assert_eq!(written, &arrow::compute::cast(column, &data_type).unwrap(), "{how}: {name}");
            }
            Refused => panic!("{how}: {name} is not refused"),
        }
    }
}

#[test]
fn every_arrow_type_of_a_spine_comes_out_of_every_format_as_it_went_in() {
    let project = Project::loaded();
    let cases = cases();
    let of = |name: &str| cases.iter().find(|case| case.name == name);
    let in_parquet = |name: &str| of(name).map_or(Same, |case| case.parquet.clone());

    // Arrow to Arrow keeps everything.
    let all = spine(cases.iter());
    write_arrow(&project, "all.arrow", std::slice::from_ref(&all));
    project.ok(&command("all.arrow", "out.arrow"));
    check(&read(&project, "out.arrow"), &all, |_| Same, "arrow to arrow");
    project.ok("training-set verify out.arrow");

    // Arrow to Parquet, and that again as a spine.
    let fits = spine(cases.iter().filter(|case| !matches!(case.parquet, Refused)));
    write_arrow(&project, "fits.arrow", std::slice::from_ref(&fits));
    project.ok(&format!("{} --explain", command("fits.arrow", "out.parquet")));
    let written = read(&project, "out.parquet");
    check(&written, &fits, in_parquet, "arrow to parquet");
    project.ok("training-set verify out.parquet");
    let again: Vec<usize> = (0..fits.num_columns()).collect();
    let again = written.project(&again).unwrap();
    write_parquet(&project.path("fits.parquet"), &again);
    for out in ["again.arrow", "again.parquet"] {
        project.ok(&command("fits.parquet", out));
        let read_back =
            |name: &str| read_from_parquet(again.schema().field_with_name(name).unwrap().data_type());
        check(&read(&project, out), &again, read_back, &format!("parquet to {out}"));
        project.ok(&format!("training-set verify {out}"));
    }

    // Arrow to CSV is text.
    let texts = spine(cases.iter().filter(|case| case.csv.is_some()));
    write_arrow(&project, "texts.arrow", std::slice::from_ref(&texts));
    project.ok(&command("texts.arrow", "out.csv"));
    let written = project.read("out.csv");
    let cells: Vec<Vec<&str>> = written.lines().map(fields_of).collect();
    let mut differ = Vec::new();
    for case in &cases {
        let Some(expected) = case.csv else { continue };
        let column = cells[0].iter().position(|name| *name == case.name).unwrap();
        let found: Vec<&str> = cells[1..].iter().map(|line| line[column]).collect();
        if found != expected {
            differ.push(format!("{}: {found:?}, not {expected:?}", case.name));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    project.ok("training-set verify out.csv");

    // What a format cannot hold is refused by name, each with all others of its kind.
    let refused = project.refused(&command("all.arrow", "no.parquet"));
    let named: Vec<&str> =
        cases.iter().filter(|case| matches!(case.parquet, Refused)).map(|case| case.name).collect();
    named.iter().for_each(|name| says(&refused, &["no.parquet", &format!("`{name}`")]));
    says(&project.refused(&command("all.arrow", "no.csv")), &["no.csv", "the column `union` is a union"]);
}

/// What is read of a column of Parquet: what it holds, where codes of dictionaries have at least 32 bits.
fn read_from_parquet(data_type: &DataType) -> Holds {
    let wide = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) => {
            Some(DataType::Dictionary(Box::new(DataType::Int32), values.clone()))
        }
        _ => None,
    };
    let read = match data_type {
        DataType::List(item) => wide(item.data_type())
            .map(|wide| DataType::List(Arc::new(Field::clone(item).with_data_type(wide)))),
        scalar => wide(scalar),
    };
    read.filter(|read| read != data_type).map_or(Same, As)
}

/// The values of a dictionary: how its keys are numbered, and whether a null is one, is not a value.
fn plain(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Dictionary(_, values) => arrow::compute::cast(column, values).unwrap(),
        _ => column.clone(),
    }
}

/// The fields of a line of CSV, with their quotes.
fn fields_of(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    })
    .collect()
}

#[test]
fn text_of_a_csv_spine_stays_text_unless_the_definitions_type_it() {
    let project = Project::loaded();
    let header = "zip,e,flag,day,empty,none,dest,tailnum,distance,t";
    let row = "01234,1e5,true,2013-06-01,\"\",,LAX,N338AA,2475,2013-06-05";
    project.write("s.csv", format!("{header}\n{row}\n"));
    project.ok(&command("s.csv", "out.csv"));
    let text = project.read("out.csv");
    let line = text.lines().nth(1).unwrap();
    assert!(
        line.starts_with("01234,1e5,true,2013-06-01,\"\",,LAX,N338AA,2475,2013-06-05T00:00:00,"),
        "{line}"
    );
    project.ok(&command("s.csv", "out.parquet"));
    let written = read(&project, "out.parquet");
    for (name, value) in
        [("zip", "01234"), ("e", "1e5"), ("flag", "true"), ("day", "2013-06-01"), ("empty", "")]
    {
        let column = written.column_by_name(name).unwrap().as_string::<i32>().clone();
        assert_eq!((column.is_valid(0), column.value(0)), (true, value), "{name}");
    }
    assert!(written.column_by_name("none").unwrap().is_null(0));
    assert_eq!(written.column_by_name("distance").unwrap().data_type(), &DataType::Int32);
    project.ok("training-set verify out.parquet");
}

#[test]
fn a_spine_without_rows_gives_a_training_set_without_rows() {
    let project = Project::loaded();
    let empty = spine([].iter()).slice(0, 0);
    write_arrow(&project, "s.arrow", std::slice::from_ref(&empty));
    write_parquet(&project.path("s.parquet"), &empty);
    project.write("s.csv", "dest,tailnum,distance,t\n");
    for from in ["csv", "arrow", "parquet"] {
        for to in ["csv", "arrow", "parquet"] {
            let out = format!("{from}.out.{to}");
            project.ok(&command(&format!("s.{from}"), &out));
            project.ok(&format!("training-set verify {out}"));
            match to {
                "csv" => says(&project.read(&out), &["dest,tailnum,distance,t,dest_last_delay,"]),
                _ => assert_eq!(read(&project, &out).num_rows(), 0, "{out}"),
            }
        }
    }
}

#[test]
fn dates_are_label_times_in_every_format() {
    let project = Project::loaded();
    let at = |time: ArrayRef| {
        let whole = spine([].iter());
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (field, column) in whole.schema().fields().iter().zip(whole.columns()) {
            columns.push((
                field.name().clone(),
                if field.name() == "t" { time.clone() } else { column.clone() },
            ));
        }
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
    };
    let day = 15_861; // 2013-06-05
    let days: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![day; 3])),
        Arc::new(Date64Array::from(vec![i64::from(day) * 86_400_000; 3])),
        Arc::new(DictionaryArray::<Int32Type>::new(
            Int32Array::from(vec![0; 3]),
            Arc::new(TimestampSecondArray::from(vec![i64::from(day) * 86_400])),
        )),
    ];
    let row = "LAX,N338AA,2475,2013-06-05\n".repeat(3);
    project.write("s.csv", format!("dest,tailnum,distance,t\n{row}"));
    project.ok(&command("s.csv", "expected.arrow"));
    let expected = read(&project, "expected.arrow");
    let features = |set: &RecordBatch| set.columns()[4..].to_vec();
    assert!(features(&expected)[0].is_valid(0));
    for time in days {
        let how = time.data_type().to_string();
        let spine = at(time);
        write_arrow(&project, "s.arrow", std::slice::from_ref(&spine));
        write_parquet(&project.path("s.parquet"), &spine);
        for from in ["s.arrow", "s.parquet"] {
            let done = project.run(&command(from, "out.arrow"));
            assert_eq!(done.stderr, "note: `t` has no time zone and was read as UTC\n", "{how} {from}");
            assert_eq!(features(&read(&project, "out.arrow")), features(&expected), "{how} {from}");
        }
    }
}

#[test]
fn two_columns_of_one_name_are_refused_by_name_in_every_format() {
    let project = Project::loaded();
    let whole = spine([].iter());
    let doubled = |name: &str| {
        let mut fields: Vec<FieldRef> = whole.schema().fields().iter().cloned().collect();
        let mut columns = whole.columns().to_vec();
        for value in [1, 2] {
            fields.push(Arc::new(Field::new(name, DataType::Int64, true)));
            columns.push(Arc::new(Int64Array::from(vec![value; 3])));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    };
    project.write("s.csv", "dest,tailnum,distance,t,label,label\nLAX,N1,1,2013-06-05,1,2\n");
    write_arrow(&project, "s.arrow", &[doubled("label")]);
    write_parquet(&project.path("s.parquet"), &doubled("label"));
    for from in ["s.csv", "s.arrow", "s.parquet"] {
        says(&project.refused(&command(from, "out.arrow")), &[from, "several columns named `label`"]);
    }
    let single = |name: &str| doubled(name).project(&[0, 1, 2, 3, 4]).unwrap();
    write_arrow(&project, "s.arrow", &[single("airport_arrivals__age_s")]);
    project.ok(&command("s.arrow", "out.arrow"));
    let refused = project.refused(&format!("{} --explain", command("s.arrow", "out2.arrow")));
    says(&refused, &["s.arrow", "`airport_arrivals__age_s`", "rename the column"]);
    write_arrow(&project, "s.arrow", &[single("dest_last_delay")]);
    says(&project.refused(&command("s.arrow", "out2.arrow")), &["s.arrow", "`dest_last_delay`"]);
    // A name that the join itself might use is as good as any other.
    write_arrow(&project, "s.arrow", &[single("@0.0")]);
    project.ok(&format!("{} --explain", command("s.arrow", "out.arrow")));
    let written = read(&project, "out.arrow");
    assert_eq!(written.column_by_name("@0.0"), single("@0.0").column_by_name("@0.0"));
}

/// A project with an embedding of 64 dimensions for two users.
fn embeddings() -> Project {
    let project = Project::empty();
    project.write(
        "features/all.yaml",
        "kind: entity\nname: user\nkeys: {user_id: int64}\n---\nkind: source\nname: events\n\
         schema: {user_id: int64, ts: timestamp, vec: 'list<float32>[64]'}\nevent_time: ts\n\
         batch: {path: data/events.parquet}\n---\nkind: feature_view\nname: v\nversion: 1\nentity: user\n\
         source: events\nfeatures:\n  vec: {latest: vec}\n---\nkind: feature_service\nname: svc\nversion: 1\n\
         features: [{from: v@1}]\n",
    );
    let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        [Some((0..64).map(|x| Some(x as f32 / 4.0)).collect::<Vec<_>>()), None],
        64,
    );
    write_parquet(&project.path("data/events.parquet"), &users(&[1, 2], 0, Some(("vec", Arc::new(vectors)))));
    project.ok("apply");
    project.ok("backfill --all");
    project
}

fn users(ids: &[i64], second: i64, more: Option<(&str, ArrayRef)>) -> RecordBatch {
    let at = TimestampMicrosecondArray::from(vec![second * 1_000_000; ids.len()]).with_timezone("UTC");
    let mut columns: Vec<(&str, ArrayRef)> =
        vec![("user_id", Arc::new(Int64Array::from(ids.to_vec()))), ("ts", Arc::new(at))];
    columns.extend(more);
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

#[test]
fn an_embedding_is_a_feature_of_training_sets_in_every_format() {
    let project = embeddings();
    write_parquet(&project.path("s.parquet"), &users(&[1, 2, 3], 10_000_000, None));
    let ask =
        |out: &str| format!("training-set --service svc --spine s.parquet --time ts --out {out} --explain");
    for out in ["t.parquet", "t.arrow", "t.csv"] {
        project.ok(&format!("{} --preview 2", ask(out)));
        project.ok(&format!("training-set verify {out}"));
    }
    for out in ["t.parquet", "t.arrow"] {
        let written = read(&project, out);
        let vectors = written.column_by_name("vec").unwrap().as_fixed_size_list().clone();
        assert_eq!(
            (vectors.value_length(), vectors.null_count(), vectors.is_valid(0)),
            (64, 2, true),
            "{out}"
        );
        let first = vectors.value(0);
        assert_eq!(first.as_primitive::<Float32Type>().value(63), 63.0 / 4.0);
    }
    says(&project.read("t.csv"), &["\"[0.0,0.25,0.5,"]);
}

#[test]
fn a_large_spine_in_parts_holds_the_same_as_a_small_one() {
    let project = embeddings();
    let ids: Vec<i64> = (0..20_000).map(|row| row % 3).collect();
    // Each batch has a dictionary of its own, as in files that were written bit by bit.
    let part = |from: usize| {
        let mut words = StringDictionaryBuilder::<Int8Type>::new();
        (from..from + 5_000)
            .for_each(|row| words.append_option((row % 5 > 0).then(|| format!("w{}", (row + from) % 7))));
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
            (from..from + 5_000).map(|row| (row % 4 > 0).then(|| vec![Some(row as i32); row % 3])),
        );
        let mut batch = users(&ids[from..from + 5_000], 10_000_000, Some(("word", Arc::new(words.finish()))));
        let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("list", lists.data_type().clone(), true)));
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(lists));
        batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        batch
    };
    let parts: Vec<RecordBatch> = [0, 5_000, 10_000, 15_000].map(part).to_vec();
    let whole = arrow::compute::concat_batches(&parts[0].schema(), &parts).unwrap();
    write_parquet(&project.path("s.parquet"), &whole);
    let ask = |out: &str| format!("training-set --service svc --spine s.parquet --time ts --out {out}");
    let text = |name: &str| {
        let set = read(&project, name);
        let plain = set.columns().iter().map(|column| match column.data_type() {
            DataType::Dictionary(_, values) => arrow::compute::cast(column, values).unwrap(),
            _ => column.clone(),
        });
        plain.collect::<Vec<_>>()
    };
    for format in ["arrow", "parquet"] {
        project.ok(&ask(&format!("whole.{format}")));
        // So little memory that each part has the fewest rows that a part may have.
        let done = project.run(&format!("-v {} --max-memory 1MB", ask(&format!("parts.{format}"))));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let parts = done.stderr.split("spine_parts=").nth(1).unwrap().split([',', ']']).next().unwrap();
        assert!(parts.trim().parse::<usize>().unwrap() > 1, "{parts}");
        assert_eq!(text(&format!("whole.{format}")), text(&format!("parts.{format}")), "{format}");
        project.ok(&format!("training-set verify parts.{format}"));
    }
}
