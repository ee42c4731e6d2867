//! What a spine brings comes out as it went in: every Arrow type, through every format in and out.

use std::fs::File;
use std::sync::Arc;

use arrow::array::builder::{
    FixedSizeBinaryBuilder, Int32Builder, ListViewBuilder, MapBuilder, StringBuilder,
    StringDictionaryBuilder, StringRunBuilder,
};
use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::landings::write_parquet;
use crate::project::{Project, says};

/// What a file of some format holds of a column.
#[derive(Clone)]
enum Holds {
    /// The column as it was.
    Same,
    /// The same values as another type.
    As(DataType),
    /// Nothing: the column is refused by name.
    Refused,
}

use Holds::{As, Refused, Same};

/// A type: three rows of it, a null in the middle; what Parquet holds of it, and what CSV writes.
struct Case {
    name: &'static str,
    column: ArrayRef,
    parquet: Holds,
    csv: Option<[&'static str; 3]>,
}

fn case(
    name: &'static str,
    column: impl Array + 'static,
    parquet: Holds,
    csv: impl Into<Option<[&'static str; 3]>>,
) -> Case {
    assert_eq!(column.len(), 3, "{name}");
    Case { name, column: Arc::new(column), parquet, csv: csv.into() }
}

/// A primitive of three rows whose middle one is null.
fn ends<T: ArrowPrimitiveType>(first: T::Native, last: T::Native) -> PrimitiveArray<T> {
    PrimitiveArray::from_iter([Some(first), None, Some(last)])
}

fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("item", data_type, true))
}

fn numbers() -> Vec<Case> {
    vec![
        case("int8", ends::<Int8Type>(i8::MIN, 1), Same, ["-128", "", "1"]),
        case("int16", ends::<Int16Type>(i16::MIN, 1), Same, ["-32768", "", "1"]),
        case("int32", ends::<Int32Type>(i32::MIN, 1), Same, ["-2147483648", "", "1"]),
        case("int64", ends::<Int64Type>(i64::MIN, 1), Same, ["-9223372036854775808", "", "1"]),
        case("uint8", ends::<UInt8Type>(u8::MAX, 1), Same, ["255", "", "1"]),
        case("uint16", ends::<UInt16Type>(u16::MAX, 1), Same, ["65535", "", "1"]),
        case("uint32", ends::<UInt32Type>(u32::MAX, 1), Same, ["4294967295", "", "1"]),
        case("uint64", ends::<UInt64Type>(u64::MAX, 1), Same, ["18446744073709551615", "", "1"]),
        case("float32", ends::<Float32Type>(1.5, -0.0), Same, ["1.5", "", "-0.0"]),
        case("float64", ends::<Float64Type>(f64::NAN, f64::INFINITY), Same, ["NaN", "", "inf"]),
        case(
            "float16",
            Float16Array::from(vec![Some(Default::default()), None, Some(Default::default())]),
            Same,
            ["0", "", "0"],
        ),
        case("bool", BooleanArray::from(vec![Some(true), None, Some(false)]), Same, ["true", "", "false"]),
        case(
            "decimal32",
            ends::<Decimal32Type>(-12345, 7).with_precision_and_scale(9, 2).unwrap(),
            Same,
            ["-123.45", "", "0.07"],
        ),
        case(
            "decimal64",
            ends::<Decimal64Type>(-12345, 7).with_precision_and_scale(18, 3).unwrap(),
            Same,
            ["-12.345", "", "0.007"],
        ),
        case(
            "decimal128",
            ends::<Decimal128Type>(-12345, 7).with_precision_and_scale(38, 2).unwrap(),
            Same,
            ["-123.45", "", "0.07"],
        ),
        case(
            "decimal128_short",
            ends::<Decimal128Type>(-12345, 7).with_precision_and_scale(5, 2).unwrap(),
            Same,
            ["-123.45", "", "0.07"],
        ),
        case(
            "decimal256",
            ends::<Decimal256Type>(i256::from_i128(-12345), i256::from_i128(7))
                .with_precision_and_scale(76, 2)
                .unwrap(),
            Same,
            ["-123.45", "", "0.07"],
        ),
        case("null", NullArray::new(3), Same, ["", "", ""]),
    ]
}

fn times() -> Vec<Case> {
    let millisecond_of_day = DataType::Time32(TimeUnit::Millisecond);
    let milliseconds = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
    vec![
        case("date32", ends::<Date32Type>(-1, 15_000), Same, ["1969-12-31", "", "2011-01-26"]),
        case(
            "date64",
            ends::<Date64Type>(-86_400_000, 0),
            As(DataType::Date32),
            ["1969-12-31T00:00:00", "", "1970-01-01T00:00:00"],
        ),
        case(
            "timestamp_s",
            ends::<TimestampSecondType>(-1, 90).with_timezone("UTC"),
            As(milliseconds(Some("UTC"))),
            ["1969-12-31T23:59:59Z", "", "1970-01-01T00:01:30Z"],
        ),
        case(
            "timestamp_ms",
            ends::<TimestampMillisecondType>(-1, 90),
            Same,
            ["1969-12-31T23:59:59.999", "", "1970-01-01T00:00:00.090"],
        ),
        case(
            "timestamp_us",
            ends::<TimestampMicrosecondType>(-1, 0).with_timezone("+02:00"),
            Same,
            ["1970-01-01T01:59:59.999999+02:00", "", "1970-01-01T02:00:00+02:00"],
        ),
        case(
            "timestamp_ns",
            ends::<TimestampNanosecondType>(-1, 0),
            Same,
            ["1969-12-31T23:59:59.999999999", "", "1970-01-01T00:00:00"],
        ),
        case("time_s", ends::<Time32SecondType>(1, 2), As(millisecond_of_day), ["00:00:01", "", "00:00:02"]),
        case("time_ms", ends::<Time32MillisecondType>(1, 2), Same, ["00:00:00.001", "", "00:00:00.002"]),
        case(
            "time_us",
            ends::<Time64MicrosecondType>(1, 2),
            Same,
            ["00:00:00.000001", "", "00:00:00.000002"],
        ),
        case(
            "time_ns",
            ends::<Time64NanosecondType>(1, 2),
            Same,
            ["00:00:00.000000001", "", "00:00:00.000000002"],
        ),
        case("duration_s", ends::<DurationSecondType>(1, 2), Same, ["PT1S", "", "PT2S"]),
        case("duration_ms", ends::<DurationMillisecondType>(1, 2), Same, ["PT0.001S", "", "PT0.002S"]),
        case("duration_us", ends::<DurationMicrosecondType>(1, 2), Same, ["PT0.000001S", "", "PT0.000002S"]),
        case(
            "duration_ns",
            ends::<DurationNanosecondType>(1, 2),
            Same,
            ["PT0.000000001S", "", "PT0.000000002S"],
        ),
        case(
            "interval_ym",
            ends::<IntervalYearMonthType>(-14, 2),
            Same,
            ["-2 years 10 mons", "", "0 years 2 mons"],
        ),
        case(
            "interval_dt",
            ends::<IntervalDayTimeType>(IntervalDayTime::new(-1, 2_000), IntervalDayTime::new(0, 1)),
            Same,
            ["-1 days 2.000 secs", "", "0.001 secs"],
        ),
        case(
            "interval_mdn",
            ends::<IntervalMonthDayNanoType>(
                IntervalMonthDayNano::new(1, 2, 3),
                IntervalMonthDayNano::new(0, 1, 0),
            ),
            Refused,
            ["1 mons 2 days 0.000000003 secs", "", "1 days"],
        ),
    ]
}

fn texts() -> Vec<Case> {
    let texts = [Some("01234"), None, Some("")];
    let csv = ["01234", "", "\"\""];
    let bytes = [Some(b"\xff\x00".as_slice()), None, Some(b"")];
    let in_base64 = ["/wA=", "", "\"\""];
    let mut fixed = FixedSizeBinaryBuilder::new(2);
    fixed.append_value(b"\xff\x00").unwrap();
    fixed.append_null();
    fixed.append_value(b"ab").unwrap();
    let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
    texts.iter().for_each(|text| dictionary.append_option(*text));
    let mut runs = StringRunBuilder::<Int32Type>::new();
    texts.iter().for_each(|text| runs.append_option(*text));
    let of_numbers = DictionaryArray::new(
        Int32Array::from(vec![Some(1), None, Some(0)]),
        Arc::new(Int64Array::from(vec![7, 8])),
    );
    // A null among the values, not among the keys.
    let with_null = DictionaryArray::new(
        Int32Array::from(vec![0, 1, 0]),
        Arc::new(StringArray::from(vec![Some("a"), None])),
    );
    vec![
        case("utf8", StringArray::from_iter(texts), Same, csv),
        case("large_utf8", LargeStringArray::from_iter(texts), Same, csv),
        case("utf8_view", StringViewArray::from_iter(texts), Same, csv),
        case("binary", BinaryArray::from_iter(bytes), Same, in_base64),
        case("large_binary", LargeBinaryArray::from_iter(bytes), Same, in_base64),
        case("binary_view", BinaryViewArray::from_iter(bytes), Same, in_base64),
        case("fixed_size_binary", fixed.finish(), Same, ["/wA=", "", "YWI="]),
        case("dictionary", dictionary.finish(), Same, csv),
        case("dictionary_of_numbers", of_numbers, As(DataType::Int64), ["8", "", "7"]),
        case("dictionary_with_null", with_null, Same, ["a", "", "a"]),
        case("run_ends", runs.finish(), As(DataType::Utf8), csv),
    ]
}

fn nested() -> Vec<Case> {
    let lists =
        || ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let json = ["\"[1,null]\"", "", "[]"];
    let fixed = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        [Some(vec![Some(1.5), None]), None, Some(vec![Some(2.0), Some(3.0)])],
        2,
    );
    let mut views = ListViewBuilder::new(Int32Builder::new());
    views.append_value([Some(1), None]);
    views.append_null();
    views.append_value([]);
    let fields =
        Fields::from(vec![Field::new("a", DataType::Int64, true), Field::new("b c", DataType::Utf8, true)]);
    let valid = NullBuffer::from(vec![true, false, true]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None, None])),
        Arc::new(StringArray::from(vec![Some("x\"y"), None, Some("z")])),
    ];
    let structs = StructArray::new(fields, columns, Some(valid.clone()));
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(1);
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    maps.append(true).unwrap();
    let inner: ArrayRef = Arc::new(lists());
    let of_lists = ListArray::new(
        item(inner.data_type().clone()),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2, 3])),
        inner,
        Some(valid.clone()),
    );
    let mut words = StringDictionaryBuilder::<Int8Type>::new();
    ["u", "v", "u"].iter().for_each(|word| words.append_value(word));
    let words: ArrayRef = Arc::new(words.finish());
    let of_dictionaries = ListArray::new(
        item(words.data_type().clone()),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2, 3])),
        words,
        Some(valid.clone()),
    );
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, 90, 0]));
    let of_seconds = ListArray::new(
        item(seconds.data_type().clone()),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2, 3])),
        seconds,
        Some(valid),
    );
    let in_milliseconds = DataType::List(item(DataType::Timestamp(TimeUnit::Millisecond, None)));
    vec![
        case("list", lists(), Same, json),
        case("large_list", large, Same, json),
        case("fixed_size_list", fixed, Same, ["\"[1.5,null]\"", "", "\"[2.0,3.0]\""]),
        case("list_view", views.finish(), Same, json),
        case(
            "struct",
            structs,
            Same,
            [r#""{""a"":1,""b c"":""x\""y""}""#, "", r#""{""a"":null,""b c"":""z""}""#],
        ),
        case("map", maps.finish(), Same, [r#""{""k"":1}""#, "", "{}"]),
        case("list_of_lists", of_lists, Same, ["\"[[1,null],null]\"", "", "[[]]"]),
        case("list_of_dictionaries", of_dictionaries, Same, [r#""[""u"",""v""]""#, "", r#""[""u""]""#]),
        case(
            "list_of_seconds",
            of_seconds,
            As(in_milliseconds),
            [r#""[""1970-01-01T00:00:00"",""1970-01-01T00:01:30""]""#, "", r#""[""1970-01-01T00:00:00""]""#],
        ),
        case(
            "union",
            UnionArray::try_new(
                [(0, Arc::new(Field::new("i", DataType::Int64, true)))].into_iter().collect(),
                ScalarBuffer::from(vec![0_i8, 0, 0]),
                None,
                vec![Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))],
            )
            .unwrap(),
            Refused,
            None,
        ),
        case("empty_struct", StructArray::new_empty_fields(3, None), Refused, ["{}", "{}", "{}"]),
    ]
}

fn cases() -> Vec<Case> {
    [numbers(), times(), texts(), nested()].into_iter().flatten().collect()
}

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
fn check(made: &RecordBatch, given: &RecordBatch, holds: impl Fn(&str) -> Holds, how: &str) {
    for (field, column) in given.schema().fields().iter().zip(given.columns()) {
        let name = field.name();
        let kept = made.schema().field_with_name(name).unwrap().clone();
        let made = made.column_by_name(name).unwrap();
        match holds(name.as_str()) {
            Same => {
                assert_eq!(&kept, field.as_ref(), "{how}: {name}");
                assert_eq!(&plain(made), &plain(column), "{how}: {name}");
            }
            As(data_type) => {
                assert_eq!(kept, Field::clone(field).with_data_type(data_type.clone()), "{how}: {name}");
                assert_eq!(made, &arrow::compute::cast(column, &data_type).unwrap(), "{how}: {name}");
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
    let made = read(&project, "out.parquet");
    check(&made, &fits, in_parquet, "arrow to parquet");
    project.ok("training-set verify out.parquet");
    let again: Vec<usize> = (0..fits.num_columns()).collect();
    let again = made.project(&again).unwrap();
    write_parquet(&project.path("fits.parquet"), &again);
    for out in ["again.arrow", "again.parquet"] {
        project.ok(&command("fits.parquet", out));
        let held = |name: &str| if out == "again.arrow" { Same } else { in_parquet_again(&in_parquet(name)) };
        check(&read(&project, out), &again, held, &format!("parquet to {out}"));
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
        let place = cells[0].iter().position(|name| *name == case.name).unwrap();
        let found: Vec<&str> = cells[1..].iter().map(|line| line[place]).collect();
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

/// What Parquet holds of a column that came from Parquet.
fn in_parquet_again(holds: &Holds) -> Holds {
    match holds {
        Refused => Refused,
        _ => Same,
    }
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
    line.split(|letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
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
    let made = read(&project, "out.parquet");
    for (name, value) in
        [("zip", "01234"), ("e", "1e5"), ("flag", "true"), ("day", "2013-06-01"), ("empty", "")]
    {
        let column = made.column_by_name(name).unwrap().as_string::<i32>().clone();
        assert_eq!((column.is_valid(0), column.value(0)), (true, value), "{name}");
    }
    assert!(made.column_by_name("none").unwrap().is_null(0));
    assert_eq!(made.column_by_name("distance").unwrap().data_type(), &DataType::Int32);
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
    let made = read(&project, "out.arrow");
    assert_eq!(made.column_by_name("@0.0"), single("@0.0").column_by_name("@0.0"));
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
        let made = read(&project, out);
        let vectors = made.column_by_name("vec").unwrap().as_fixed_size_list().clone();
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
