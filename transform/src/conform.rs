//! A file's batches in the declared schema. A column none of whose values can fit is refused by name; any other is read
//! value by value, and a row with one that does not fit is refused by itself.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Int64Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use feature::{DataType, Field, Scalar};
use thiserror::Error;

use crate::arrow_types::{arrow_schema, arrow_type};
use crate::error::{hint, nearest, plain};
use crate::isolate;
use crate::settle::outside_the_years;
use crate::widen::{may_fit, natural, widen};

/// A column of a file that is not what the source declares.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// The file has no such column.
    #[error("the file has no column `{column}`{}", hint(.nearest))]
    Missing {
        /// Which one.
        column: String,
        /// The file's column whose name is nearest, where one is near.
        nearest: Option<String>,
    },
    /// The file has two columns of this name.
    #[error("the file has two columns `{column}`: rename one of them")]
    Twice {
        /// Which ones.
        column: String,
    },
    /// No value of the file's type is one of the declared type.
    #[error("the column `{column}` is declared {declared}, and the file holds {}", named(.found))]
    Type {
        /// Which one.
        column: String,
        /// The declared type.
        declared: DataType,
        /// The file's type.
        found: ArrowType,
    },
}

/// A batch of a file that cannot be conformed.
#[derive(Debug, Error)]
pub enum ConformError {
    /// The batch is not of the file that was checked.
    #[error("the batch has no column `{0}`, which its file's schema has")]
    MissingColumn(String),
    /// A value that the declared type cannot hold.
    #[error("row {row} of the batch: the column `{column}` cannot be read as {declared}: {reason}")]
    Value {
        /// The row of the batch, from 0.
        row: usize,
        /// Which column.
        column: String,
        /// The declared type.
        declared: DataType,
        /// Why.
        reason: String,
    },
    /// Arrow could not assemble the batch.
    #[error("a batch could not be assembled: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// A value of a file that its column's declared type cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The row of the batch, from 0.
    pub row: usize,
    /// The column's index among the declared ones.
    pub column: usize,
    /// What is wrong, naming the column, its type and the value.
    pub what: String,
}

/// Characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 40;

/// An Arrow type by our name for it, where that says the same.
fn named(found: &ArrowType) -> String {
    match natural(found) {
        Some(ours) if arrow_type(ours) == *found => ours.to_string(),
        _ => found.to_string().to_lowercase(),
    }
}

/// How the batches of one file become batches of the declared schema.
#[derive(Clone, Debug)]
pub struct Conform {
    declared: Vec<Field>,
    schema: SchemaRef,
    projection: Vec<usize>,
}

impl Conform {
    /// Checks a file's schema against the declared columns; names every column that is missing or whose values cannot
    /// fit. Those that may fit pass: whole floats for integers, say.
    pub fn value_by_value(declared: &[Field], file: &Schema) -> Result<Self, Vec<Mismatch>> {
        let mut projection = Vec::with_capacity(declared.len());
        let mut mismatches = Vec::new();
        for field in declared {
            let column = field.name.to_string();
            if file.fields().iter().filter(|found| *found.name() == column).count() > 1 {
                mismatches.push(Mismatch::Twice { column });
                continue;
            }
            match file.column_with_name(&column) {
                None => {
                    let nearest = nearest(&column, file.fields().iter().map(|field| field.name().as_str()));
                    mismatches.push(Mismatch::Missing { column, nearest });
                }
                Some((index, found)) if may_fit(found.data_type(), field.data_type) => {
                    projection.push(index);
                }
                Some((_, found)) => {
                    let found = found.data_type().clone();
                    mismatches.push(Mismatch::Type { column, declared: field.data_type, found });
                }
            }
        }
        if mismatches.is_empty() {
            Ok(Self { declared: declared.to_vec(), schema: arrow_schema(declared), projection })
        } else {
            Err(mismatches)
        }
    }

    /// For each declared column its index in the file's schema.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// The declared columns.
    pub fn declared(&self) -> &[Field] {
        &self.declared
    }

    /// The schema of the batches that it gives.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batch in the declared schema, null where a value does not fit, and those values, by row. Its columns are
    /// found by name, so it may be a projection of the file, in any order.
    pub fn by_row(&self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<Unfit>), ConformError> {
        let mut columns = Vec::with_capacity(self.declared.len());
        let mut unfit = Vec::new();
        for (column, field) in self.declared.iter().enumerate() {
            let found = found(batch, field)?;
            let (values, failures) = conform(found, field)?;
            columns.push(values);
            for (row, reason) in failures {
                let what = unfit_value(found, row, field, &reason);
                unfit.push(Unfit { row, column, what });
            }
        }
        unfit.sort_by_key(|unfit| (unfit.row, unfit.column));
        Ok((self.batch(batch, columns)?, unfit))
    }

    fn batch(&self, batch: &RecordBatch, columns: Vec<ArrayRef>) -> Result<RecordBatch, ConformError> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// A column in its declared type. The first value that does not fit is an error.
pub fn conformed(found: &ArrayRef, field: &Field) -> Result<ArrayRef, ConformError> {
    let (values, failures) = conform(found, field)?;
    match failures.into_iter().next() {
        None => Ok(values),
        Some((row, reason)) => Err(ConformError::Value {
            row,
            column: field.name.to_string(),
            declared: field.data_type,
            reason,
        }),
    }
}

fn found<'a>(batch: &'a RecordBatch, field: &Field) -> Result<&'a ArrayRef, ConformError> {
    let found = batch.column_by_name(field.name.as_str());
    found.ok_or_else(|| ConformError::MissingColumn(field.name.to_string()))
}

/// The values in the declared type, null where one does not fit, and the rows where.
fn conform(
    found: &ArrayRef,
    field: &Field,
) -> Result<(ArrayRef, Vec<(usize, String)>), arrow::error::ArrowError> {
    let holds_times = field.data_type.of() == Scalar::Timestamp;
    let attempt = |first, length| {
        let found = found.slice(first, length);
        let values = widen(&found, field.data_type).map_err(|error| plain(&error.into()))?;
        match holds_times && outside_the_years(&values).is_some() {
            true => Err(far(&found)),
            false => Ok(values),
        }
    };
    isolate::rows(found.len(), &arrow_type(field.data_type), attempt)
}

/// That a time is one that no row may have. Few of them can be written as dates.
fn far(found: &ArrayRef) -> String {
    let unit = match found.data_type() {
        ArrowType::Date32 => "days",
        ArrowType::Timestamp(TimeUnit::Second, _) => "seconds",
        ArrowType::Date64 | ArrowType::Timestamp(TimeUnit::Millisecond, _) => "milliseconds",
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => "microseconds",
        _ => return "it lies outside the years 0001 to 9999".to_owned(),
    };
    let count = cast(found, &ArrowType::Int64).ok();
    let count =
        count.as_ref().and_then(|count| count.as_primitive_opt::<Int64Type>()?.iter().flatten().next());
    match count {
        Some(count) => format!("{count} {unit} since 1970 lies outside the years 0001 to 9999"),
        None => "it lies outside the years 0001 to 9999".to_owned(),
    }
}

/// That a value is not of its column's type, and why where the value alone does not say it.
fn unfit_value(found: &ArrayRef, row: usize, field: &Field, reason: &str) -> String {
    if field.data_type == Scalar::Timestamp.into() {
        return format!("the column `{}` is {}, and {reason}", field.name, field.data_type);
    }
    let options = FormatOptions::default();
    let shown = ArrayFormatter::try_new(found, &options).map(|shown| shown.value(row).to_string());
    let shown = shown.unwrap_or_else(|_| "its value".to_owned());
    let shown: String = shown.chars().take(SHOWN_CHARACTERS).collect();
    let is_list = matches!(field.data_type, DataType::List(..));
    let why = if is_list { format!(": {reason}") } else { String::new() };
    format!("the column `{}` is {}, and {shown} is not{why}", field.name, field.data_type)
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array, AsArray, Date32Array, Date64Array, DictionaryArray, Float32Array, Float64Array, Int8Array,
        Int16Array, LargeStringArray, ListArray, NullArray, TimestampMicrosecondArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt32Array, UInt64Array,
    };
    use arrow::datatypes::{Float32Type, Int32Type, TimestampMicrosecondType};
    use feature::Value;

    use super::*;
    use crate::value_at;

    fn field(name: &str, data_type: &str) -> Field {
        Field { name: name.parse().unwrap(), data_type: data_type.parse().unwrap() }
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap()
    }

    /// The first value of a file's column, read as a declared type.
    fn read(array: impl Array + 'static, declared: &str) -> Result<Value, String> {
        let batch = batch(vec![("x", Arc::new(array))]);
        let declared = [field("x", declared)];
        Conform::value_by_value(&declared, batch.schema_ref()).map_err(|all| all[0].to_string())?;
        let conformed = conformed(batch.column(0), &declared[0]).map_err(|error| error.to_string())?;
        Ok(value_at(&conformed, 0, declared[0].data_type))
    }

    fn moment(text: &str) -> Result<Value, String> {
        Ok(Value::Timestamp(text.parse().unwrap()))
    }

    #[test]
    fn a_narrower_column_is_widened() {
        assert_eq!(read(Int8Array::from(vec![-1]), "int32"), Ok(Value::Int32(-1)));
        assert_eq!(read(UInt32Array::from(vec![u32::MAX]), "int64"), Ok(Value::Int64(u32::MAX.into())));
        assert_eq!(read(Float32Array::from(vec![0.1]), "float64"), Ok(Value::Float64(f64::from(0.1_f32))));
        assert_eq!(read(LargeStringArray::from(vec!["a"]), "string"), Ok(Value::String("a".into())));
        let dictionary: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
        assert_eq!(read(dictionary, "string"), Ok(Value::String("a".into())));
        assert_eq!(read(NullArray::new(1), "bool"), Ok(Value::Null));
    }

    #[test]
    fn every_kind_of_time_becomes_utc_microseconds() {
        assert_eq!(read(Date32Array::from(vec![-1]), "timestamp"), moment("1969-12-31T00:00:00Z"));
        let seconds = TimestampSecondArray::from(vec![90]).with_timezone("America/New_York");
        assert_eq!(read(seconds, "timestamp"), moment("1970-01-01T00:01:30Z"));
        assert_eq!(
            read(TimestampNanosecondArray::from(vec![-1_000]), "timestamp"),
            moment("1969-12-31T23:59:59.999999Z")
        );
        // Far beyond what microseconds hold: no moment at all, and not another one.
        let far = read(TimestampSecondArray::from(vec![i64::MAX]), "timestamp").unwrap_err();
        assert!(
            far.contains("9223372036854775807 seconds since 1970 lies outside the years 0001 to 9999"),
            "{far}"
        );
    }

    #[test]
    fn a_time_outside_the_years_of_a_row_is_refused_by_its_row_in_every_unit() {
        let (first, last) = (-62_135_596_800_i64, 253_402_300_799_i64);
        let around = |ticks: i64| vec![first * ticks, first * ticks - 1, last * ticks, (last + 1) * ticks];
        let days = |seconds: i64| i32::try_from(seconds.div_euclid(86_400)).unwrap();
        let days = vec![days(first), days(first) - 1, days(last), days(last) + 1];
        let of_days = days.iter().map(|day| i64::from(*day) * 86_400_000).collect::<Vec<_>>();
        let columns: [(ArrayRef, &str); 6] = [
            (Arc::new(TimestampSecondArray::from(around(1))), "-62135596801 seconds"),
            (Arc::new(TimestampMillisecondArray::from(around(1_000))), "-62135596800001 milliseconds"),
            (Arc::new(TimestampMicrosecondArray::from(around(1_000_000))), "-62135596800000001 microseconds"),
            (
                Arc::new(TimestampMicrosecondArray::from(around(1_000_000)).with_timezone("UTC")),
                "-62135596800000001 microseconds",
            ),
            (Arc::new(Date32Array::from(days)), "-719163 days"),
            (Arc::new(Date64Array::from(of_days)), "-62135683200000 milliseconds"),
        ];
        for (column, second) in columns {
            let of = column.data_type().clone();
            let (values, unfit) = by_row(column, "timestamp");
            let refused: Vec<bool> = values.iter().map(Value::is_null).collect();
            assert_eq!(refused, [false, true, false, true], "{of}: {unfit:?}");
            let why =
                format!("1: the column `x` is timestamp, and {second} since 1970 lies outside the years");
            assert!(unfit.len() == 2 && unfit[0].starts_with(&why), "{of}: {unfit:?}");
        }
        let lists = ListArray::from_iter_primitive::<TimestampMicrosecondType, _, _>([
            Some(vec![Some(0), Some((last + 1) * 1_000_000)]),
            Some(vec![Some(0), None]),
            None,
        ]);
        let (values, unfit) = by_row(lists, "list<timestamp>");
        assert!(values[0].is_null() && !values[1].is_null() && unfit.len() == 1, "{values:?} {unfit:?}");
    }

    #[test]
    fn a_moment_between_two_microseconds_is_cut_towards_minus_infinity() {
        let nanoseconds = |at| read(TimestampNanosecondArray::from(vec![at]), "timestamp");
        assert_eq!(nanoseconds(2_001), moment("1970-01-01T00:00:00.000002Z"));
        assert_eq!(nanoseconds(-1), moment("1969-12-31T23:59:59.999999Z"));
        assert_eq!(nanoseconds(i64::MIN), moment("1677-09-21T00:12:43.145224Z"));
    }

    #[test]
    fn two_columns_of_one_name_are_refused_by_name() {
        let x = || arrow::datatypes::Field::new("x", ArrowType::Int32, true);
        let mismatches =
            Conform::value_by_value(&[field("x", "int32")], &Schema::new(vec![x(), x()])).unwrap_err();
        assert_eq!(mismatches[0].to_string(), "the file has two columns `x`: rename one of them");
    }

    #[test]
    fn what_cannot_fit_is_refused_naming_both_types() {
        let error = read(Float64Array::from(vec![1.0]), "float32").unwrap_err();
        assert_eq!(error, "the column `x` is declared float32, and the file holds float64");
        let error = read(UInt64Array::from(vec![1]), "bool").unwrap_err();
        assert_eq!(error, "the column `x` is declared bool, and the file holds uint64");
        for (declared, array) in [
            ("bool", Arc::new(Int8Array::from(vec![1])) as ArrayRef),
            ("string", Arc::new(Int8Array::from(vec![1]))),
            ("timestamp", Arc::new(LargeStringArray::from(vec!["2013-01-01"]))),
        ] {
            let file = batch(vec![("x", array)]);
            assert!(
                Conform::value_by_value(&[field("x", declared)], file.schema_ref()).is_err(),
                "{declared}"
            );
        }
    }

    /// The values of a file's column read value by value, and what is said of those that do not fit.
    fn by_row(array: impl Array + 'static, declared: &str) -> (Vec<Value>, Vec<String>) {
        let rows = array.len();
        let batch = batch(vec![("x", Arc::new(array))]);
        let declared = [field("x", declared)];
        let conform = Conform::value_by_value(&declared, batch.schema_ref()).unwrap();
        let (conformed, unfit) = conform.by_row(&batch).unwrap();
        let values = (0..rows).map(|row| value_at(conformed.column(0), row, declared[0].data_type)).collect();
        (values, unfit.into_iter().map(|unfit| format!("{}: {}", unfit.row, unfit.what)).collect())
    }

    #[test]
    fn whole_floats_are_integers_and_others_are_refused_by_row() {
        let floats = Float64Array::from(vec![
            Some(1.0),
            None,
            Some(1.5),
            Some(-0.0),
            Some(f64::NAN),
            Some(3e9),
            Some(1e300),
        ]);
        let (values, unfit) = by_row(floats.clone(), "int64");
        assert_eq!(values[..2], [Value::Int64(1), Value::Null]);
        assert_eq!((&values[3], &values[5]), (&Value::Int64(0), &Value::Int64(3_000_000_000)));
        assert_eq!(
            unfit[..2],
            ["2: the column `x` is int64, and 1.5 is not", "4: the column `x` is int64, and NaN is not"]
        );
        assert_eq!(unfit.len(), 3, "{unfit:?}");
        assert_eq!(by_row(floats, "int32").1.len(), 4);
    }

    #[test]
    fn numbers_of_every_type_fit_value_by_value() {
        use arrow::array::{Decimal128Array, Decimal256Array, Int64Array};
        let decimals = Decimal128Array::from(vec![Some(1_230), None, Some(-200)]);
        let decimals = decimals.with_precision_and_scale(20, 2).unwrap();
        let (values, unfit) = by_row(decimals.clone(), "int32");
        assert_eq!((&values[2], unfit.len()), (&Value::Int32(-2), 1));
        assert_eq!(by_row(decimals, "float64").0[0], Value::Float64(12.3));
        let wide = Decimal256Array::from(vec![arrow::datatypes::i256::from_i128(i128::MAX)]);
        let wide = wide.with_precision_and_scale(76, 0).unwrap();
        assert_eq!(by_row(wide, "int64").1.len(), 1);
        for (values, unfit) in [
            by_row(UInt64Array::from(vec![7, u64::MAX]), "int64"),
            by_row(Int64Array::from(vec![7, 3_000_000_000]), "int32"),
            by_row(UInt32Array::from(vec![7, u32::MAX]), "int32"),
            by_row(Int64Array::from(vec![7, (1 << 53) + 1]), "float64"),
            by_row(Int64Array::from(vec![7, (1 << 24) + 1]), "float32"),
            by_row(Int64Array::from(vec![7, i64::MAX]), "float64"),
            by_row(UInt64Array::from(vec![1 << 63, u64::MAX]), "float64"),
        ] {
            assert!(!values[0].is_null() && values[1].is_null() && unfit.len() == 1, "{values:?} {unfit:?}");
        }
        let bytes = arrow::array::BinaryArray::from(vec![b"a".as_slice(), b"\xff"]);
        let (values, unfit) = by_row(bytes, "string");
        assert_eq!((&values[0], unfit.len()), (&Value::String("a".into()), 1));
    }

    #[test]
    fn every_column_that_differs_is_named_at_once() {
        let file = batch(vec![
            ("arr_dealy", Arc::new(Int16Array::from(vec![1]))),
            ("dest", Arc::new(Int16Array::from(vec![1]))),
        ]);
        let mismatches = Conform::value_by_value(
            &[field("arr_delay", "int32"), field("dest", "string")],
            file.schema_ref(),
        );
        let text: Vec<String> = mismatches.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(text[0], "the file has no column `arr_delay`, did you mean `arr_dealy`?");
        assert_eq!(text[1], "the column `dest` is declared string, and the file holds int16");
    }

    #[test]
    fn columns_are_found_by_name_whatever_their_order() {
        let file = batch(vec![
            ("other", Arc::new(Int8Array::from(vec![0]))),
            ("b", Arc::new(Int8Array::from(vec![2]))),
            ("a", Arc::new(Int8Array::from(vec![1]))),
        ]);
        let conform =
            Conform::value_by_value(&[field("a", "int32"), field("b", "int32")], file.schema_ref()).unwrap();
        assert_eq!(conform.projection(), [2, 1]);
        for batch in [file.clone(), file.project(&[1, 2]).unwrap()] {
            let (conformed, unfit) = conform.by_row(&batch).unwrap();
            assert_eq!(unfit, []);
            let values: Vec<i32> =
                (0..2).map(|i| conformed.column(i).as_primitive::<Int32Type>().value(0)).collect();
            assert_eq!(values, [1, 2]);
        }
    }

    #[test]
    fn a_list_of_another_length_than_declared_is_refused_with_its_row() {
        let lists = |lengths: &[usize]| {
            let rows = lengths.iter().map(|n| (*n > 0).then(|| vec![Some(1.5_f32); *n]));
            ListArray::from_iter_primitive::<Float32Type, _, _>(rows)
        };
        let error = read(lists(&[2, 0, 3]), "list<float32>[2]").unwrap_err();
        assert!(error.contains("row 2") && error.contains("3 items, not 2"), "{error}");
        let value = read(lists(&[2, 0]), "list<float64>[2]").unwrap();
        assert_eq!(value, Value::List([Value::Float64(1.5), Value::Float64(1.5)].into()));
        // Also from the middle of an array, after a null.
        let value = read(lists(&[2, 0, 2]).slice(2, 1), "list<float32>[2]").unwrap();
        assert_eq!(value, Value::List([Value::Float32(1.5), Value::Float32(1.5)].into()));
    }
}
