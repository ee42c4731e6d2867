//! Every Arrow type as a column of three rows, and what Parquet and CSV hold of it.

use std::sync::Arc;

use arrow::array::builder::{
    FixedSizeBinaryBuilder, Int32Builder, ListViewBuilder, MapBuilder, StringBuilder,
    StringDictionaryBuilder, StringRunBuilder,
};
use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;

/// What a file of some format holds of a column.
#[derive(Clone)]
pub enum Holds {
    /// The column as it was.
    Same,
    /// The same values as another type.
    As(DataType),
    /// Nothing: the column is refused by name.
    Refused,
}

use Holds::{As, Refused, Same};

/// A type: three rows of it, a null in the middle; what Parquet holds of it, and what CSV writes.
pub struct Case {
    pub name: &'static str,
    pub column: ArrayRef,
    pub parquet: Holds,
    pub csv: Option<[&'static str; 3]>,
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
            "decimal_of_hundreds",
            ends::<Decimal128Type>(12, -7).with_precision_and_scale(10, -2).unwrap(),
            Refused,
            ["1200", "", "-700"],
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

pub fn cases() -> Vec<Case> {
    [numbers(), times(), texts(), nested()].into_iter().flatten().collect()
}
