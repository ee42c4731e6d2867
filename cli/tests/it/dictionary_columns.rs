//! Parquet files with dictionary columns, as the categories of data frames are: read whatever codes their writer had
//! and whatever their values are, in sources and in spines.

use std::fs::File;
use std::sync::Arc;

use arrow::array::builder::StringDictionaryBuilder;
use arrow::array::{Array, ArrayRef, BooleanArray, Decimal128Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int8Type, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter, encode_arrow_schema};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::project::{Project, says};
use crate::stored;

const JANUARY: i64 = 1_704_067_200_000_000;
const FEBRUARY: i64 = 1_706_745_600_000_000;

/// A project with one view of the latest value of a column.
fn project_of(data_type: &str) -> Project {
    let project = Project::empty();
    project.write(
        "features/all.yaml",
        format!(
            "kind: entity\nname: user\nkeys: {{user_id: int64}}\n---\nkind: source\nname: events\n\
             schema: {{user_id: int64, ts: timestamp, x: {data_type}}}\nevent_time: ts\n\
             batch: {{path: data/events.parquet}}\n---\nkind: feature_view\nname: v\nversion: 1\nentity: user\n\
             source: events\nfeatures: {{x: {{latest: x}}}}\n---\nkind: feature_service\nname: svc\nversion: 1\n\
             features: [{{from: v@1}}]\n"
        ),
    );
    std::fs::create_dir_all(project.path("data")).unwrap();
    project.ok("apply");
    project
}

fn rows(ids: &[i64], at: i64, name: &str, column: ArrayRef) -> RecordBatch {
    let times = TimestampMicrosecondArray::from(vec![at; ids.len()]).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 3] =
        [("user_id", Arc::new(Int64Array::from(ids.to_vec()))), ("ts", Arc::new(times)), (name, column)];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Writes each batch as a row group.
fn write_groups(project: &Project, name: &str, batches: &[RecordBatch]) {
    let file = File::create(project.path(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batches[0].schema(), None).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// Three batches of 100 categories each, whose codes are of 8 bits.
fn categories(at: i64, name: &str) -> Vec<RecordBatch> {
    let ids: Vec<i64> = (0..100).collect();
    let batch = |batch: usize| {
        let mut words = StringDictionaryBuilder::<Int8Type>::new();
        (0..100).for_each(|row| words.append_value(format!("b{batch}v{row}")));
        rows(&ids, at, name, Arc::new(words.finish()))
    };
    (0..3).map(batch).collect()
}

#[test]
fn categories_of_all_row_groups_may_be_more_than_their_codes_can_number() {
    let project = project_of("string");
    write_groups(&project, "data/events.parquet", &categories(JANUARY, "x"));
    project.ok("backfill --all");
    says(&project.ok("get svc user_id=7"), &["b2v7"]);
    write_groups(&project, "spine.parquet", &categories(FEBRUARY, "word"));
    for out in ["out.parquet", "out.csv", "out.arrow"] {
        project.ok(&format!("training-set --service svc --spine spine.parquet --time ts --out {out}"));
        project.ok(&format!("training-set verify {out}"));
    }
    let written = stored::parquet_rows(&project.path("out.parquet"));
    let words: Vec<&str> = written.iter().map(|row| row["word"].as_str()).collect();
    let written: Vec<String> = (0..300).map(|row| format!("b{}v{}", row / 100, row % 100)).collect();
    assert_eq!(words, written);
}

/// Writes a file whose writer had a column in memory as a dictionary of its values.
fn write_as_dictionary(project: &Project, name: &str, batch: &RecordBatch) {
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let values = fields[2].data_type().clone();
    fields[2].set_data_type(DataType::Dictionary(Box::new(DataType::Int8), Box::new(values)));
    let schema = encode_arrow_schema(&Schema::new(fields));
    let described = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), schema);
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![described])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let file = File::create(project.path(name)).unwrap();
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn categories_of_any_type_are_read_as_their_values() {
    let decimals = Decimal128Array::from(vec![20, 30]).with_precision_and_scale(10, 1).unwrap();
    let numbers = || Arc::new(Int64Array::from(vec![2, 3])) as ArrayRef;
    let cases: [(&str, ArrayRef, [&str; 2]); 3] = [
        ("bool", Arc::new(BooleanArray::from(vec![true, false])), ["true", "false"]),
        ("int64", Arc::new(decimals), ["2", "3"]),
        ("int64", numbers(), ["2", "3"]),
    ];
    for (declared, column, values) in cases {
        let how = column.data_type().to_string();
        let project = project_of(declared);
        write_as_dictionary(&project, "data/events.parquet", &rows(&[1, 2], JANUARY, "x", column.clone()));
        project.ok("backfill --all");
        write_as_dictionary(&project, "spine.parquet", &rows(&[1, 2], FEBRUARY, "mark", column.clone()));
        for out in ["out.csv", "out.arrow", "out.parquet"] {
            project.ok(&format!("training-set --service svc --spine spine.parquet --time ts --out {out}"));
            project.ok(&format!("training-set verify {out}"));
        }
        let written = stored::parquet_rows(&project.path("out.parquet"));
        let found: Vec<&str> = written.iter().map(|row| row["x"].as_str()).collect();
        assert_eq!(found, values, "{how}");
        let marks: Vec<String> =
            (0..2).map(|row| arrow::util::display::array_value_to_string(&column, row).unwrap()).collect();
        assert_eq!(written.iter().map(|row| row["mark"].clone()).collect::<Vec<_>>(), marks, "{how}");
        // The same column beside those that a view reads.
        let project = project_of("int64");
        let both = rows(&[1, 2], JANUARY, "unused", column);
        let mut fields: Vec<Field> =
            both.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("x", DataType::Int64, true));
        let columns = both.columns().iter().cloned().chain([numbers()]).collect();
        let both = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        write_as_dictionary(&project, "data/events.parquet", &both);
        project.ok("backfill --all");
    }
}
