//! Columns as gRPC packs them, as arrays. Columns of scalars are moved whole; only lists go item by
//! item.

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::concat;
use feature::{DataType, Micros, Scalar, Value, excerpt};
use proto::v1::values::Kind;
use proto::v1::{Lists, Values};
use read::{Given, RequestColumn, json};
use serde_json::Value as Json;

/// A column of a request as gRPC packs it.
#[derive(Clone)]
pub(crate) struct PackedColumn(pub Values);

impl RequestColumn for PackedColumn {
    fn rows(&self) -> usize {
        // A column without a value needs no type.
        self.0.kind.as_ref().map_or(self.0.nulls.len(), rows_of)
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        let Given { array, misfits } = self.read_rows(data_type)?;
        match misfits.into_iter().next() {
            None => Ok(array),
            Some((row, misfit)) => Err(format!("{misfit} (row {})", row + 1)),
        }
    }

    fn read_rows(self, data_type: DataType) -> Result<Given, String> {
        let rows = self.rows();
        let Values { kind, nulls } = self.0;
        let nothing = || format!("has no values, where {} is needed", json::needed(data_type));
        if kind.is_none() && nulls.is_empty() {
            return Err(nothing());
        }
        let nulls = null_buffer(&nulls, rows)?;
        let is_all_null = nulls.as_ref().map_or(0, NullBuffer::null_count) == rows;
        match (kind, data_type) {
            (Some(Kind::Lists(column)), DataType::List(item, length)) => {
                lists(*column, item, length, nulls.as_ref(), data_type)
            }
            // Without a value it has no type of its own.
            _ if is_all_null => Ok(Given::of(new_null_array(&transform::arrow_type(data_type), rows))),
            (Some(Kind::Json(column)), _) => Ok(json_values(column.values, nulls.as_ref(), data_type)),
            (Some(kind), DataType::Scalar(scalar)) => scalars(kind, scalar, nulls),
            (Some(kind), _) => Err(misfit(&kind, data_type)),
            (None, _) => Err(nothing()),
        }
    }
}

fn scalars(kind: Kind, scalar: Scalar, nulls: Option<NullBuffer>) -> Result<Given, String> {
    let array: ArrayRef = match (kind, scalar) {
        (Kind::Bools(column), Scalar::Bool) => {
            Arc::new(BooleanArray::new(BooleanBuffer::from(column.values), nulls))
        }
        (Kind::Int32s(column), Scalar::Int32) => {
            Arc::new(PrimitiveArray::<Int32Type>::new(column.values.into(), nulls))
        }
        (Kind::Int64s(column), Scalar::Int64) => {
            Arc::new(PrimitiveArray::<Int64Type>::new(column.values.into(), nulls))
        }
        (Kind::Float32s(mut column), Scalar::Float32) => {
            column.values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = f32::NAN);
            Arc::new(PrimitiveArray::<Float32Type>::new(column.values.into(), nulls))
        }
        (Kind::Float64s(mut column), Scalar::Float64) => {
            column.values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = f64::NAN);
            Arc::new(PrimitiveArray::<Float64Type>::new(column.values.into(), nulls))
        }
        (Kind::Strings(column), Scalar::String) => {
            Arc::new(StringArray::from_iter(present(column.values, nulls.as_ref())))
        }
        (Kind::Bytes(column), Scalar::Bytes) => {
            Arc::new(BinaryArray::from_iter(present(column.values, nulls.as_ref())))
        }
        (Kind::Timestamps(column), Scalar::Timestamp) => {
            return Ok(moments(column.values_us, nulls));
        }
        (kind, scalar) => return converted(kind, scalar, nulls),
    };
    Ok(Given::of(array))
}

/// What is declared otherwise, value by value: numbers of another width, as a language with one kind of numbers sends the
/// widest, and texts of what JSON has texts for.
fn converted(kind: Kind, scalar: Scalar, nulls: Option<NullBuffer>) -> Result<Given, String> {
    let refused = misfit(&kind, scalar.into());
    let is_number = matches!(scalar, Scalar::Int32 | Scalar::Int64 | Scalar::Float32 | Scalar::Float64);
    let array: ArrayRef = match kind {
        Kind::Strings(column) if !matches!(scalar, Scalar::Bool | Scalar::Int32 | Scalar::Int64) => {
            let texts = present(column.values, nulls.as_ref());
            let texts = texts.map(|text| Ok(text.map_or(Json::Null, Json::String)));
            return Ok(json_rows(texts, scalar.into()));
        }
        Kind::Int32s(column) => Arc::new(PrimitiveArray::<Int32Type>::new(column.values.into(), nulls)),
        Kind::Int64s(column) => Arc::new(PrimitiveArray::<Int64Type>::new(column.values.into(), nulls)),
        Kind::Float32s(column) => Arc::new(PrimitiveArray::<Float32Type>::new(column.values.into(), nulls)),
        // A double is no single.
        Kind::Float64s(column) if scalar != Scalar::Float32 => {
            Arc::new(PrimitiveArray::<Float64Type>::new(column.values.into(), nulls))
        }
        _ => return Err(refused),
    };
    if !is_number {
        return Err(refused);
    }
    match Arc::clone(&array).read(scalar.into()) {
        Ok(array) => Ok(Given::of(array)),
        Err(_) => row_by_row(&array, scalar.into()),
    }
}

/// A column some of whose values are not of the type, each row read by itself.
fn row_by_row(array: &ArrayRef, data_type: DataType) -> Result<Given, String> {
    let null = new_null_array(&transform::arrow_type(data_type), 1);
    let mut misfits = Vec::new();
    let mut rows = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        rows.push(array.slice(row, 1).read(data_type).unwrap_or_else(|problem| {
            misfits.push((row, problem.trim_end_matches(" (row 1)").to_owned()));
            Arc::clone(&null)
        }));
    }
    let rows: Vec<&dyn Array> = rows.iter().map(|row| &**row).collect();
    let array = concat(&rows).map_err(|error| error.to_string())?;
    Ok(Given { array, misfits })
}

/// JSON values of any type, a text each.
fn json_values(texts: Vec<String>, nulls: Option<&NullBuffer>, data_type: DataType) -> Given {
    const SHOWN_CHARS: usize = 40;
    let parsed = |text: Option<String>| match text {
        None => Ok(Json::Null),
        // A number that no double holds is JSON, and no value.
        Some(text) => serde_json::from_str(&text).map_err(|_| excerpt(&text, SHOWN_CHARS).into_owned()),
    };
    json_rows(present(texts, nulls).map(parsed), data_type)
}

/// JSON values, or what stands there instead.
fn json_rows(rows: impl Iterator<Item = Result<Json, String>>, data_type: DataType) -> Given {
    let mut misfits = Vec::new();
    let mut values = Vec::new();
    for (row, json) in rows.enumerate() {
        let read = json
            .map_err(|shown| format!("{shown}, where {} is needed", json::needed(data_type)))
            .and_then(|json| json::from_json(&json, data_type));
        values.push(read.map(Value::canonical).unwrap_or_else(|problem| {
            misfits.push((row, format!("holds {problem}")));
            Value::Null
        }));
    }
    Given { array: transform::array_of(&values, data_type), misfits }
}

/// Times; one that a row cannot have is null, and named. Nothing replaces a null.
fn moments(micros: Vec<i64>, nulls: Option<NullBuffer>) -> Given {
    let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let wrong = |(row, micros): (usize, &i64)| {
        let error = Micros::new(*micros).err().filter(|_| !is_null(row))?;
        Some((row, format!("holds no time: {error}")))
    };
    let misfits: Vec<(usize, String)> = micros.iter().enumerate().filter_map(wrong).collect();
    let nulls = match misfits.is_empty() {
        true => nulls,
        false => {
            let mut present: Vec<bool> = (0..micros.len()).map(|row| !is_null(row)).collect();
            for (row, _) in &misfits {
                if let Some(present) = present.get_mut(*row) {
                    *present = false;
                }
            }
            Some(NullBuffer::from(present))
        }
    };
    let array = TimestampMicrosecondArray::new(micros.into(), nulls);
    Given { array: Arc::new(array.with_timezone("UTC")), misfits }
}

fn rows_of(kind: &Kind) -> usize {
    match kind {
        Kind::Bools(column) => column.values.len(),
        Kind::Int32s(column) => column.values.len(),
        Kind::Int64s(column) => column.values.len(),
        Kind::Float32s(column) => column.values.len(),
        Kind::Float64s(column) => column.values.len(),
        Kind::Strings(column) => column.values.len(),
        Kind::Bytes(column) => column.values.len(),
        Kind::Timestamps(column) => column.values_us.len(),
        Kind::Lists(column) => column.lengths.len(),
        Kind::Json(column) => column.values.len(),
    }
}

fn lists(
    column: Lists,
    item: Scalar,
    length: Option<u32>,
    nulls: Option<&NullBuffer>,
    data_type: DataType,
) -> Result<Given, String> {
    let Given { array: items, misfits: wrong_items } = match column.items {
        Some(items) => PackedColumn(*items)
            .read_rows(item.into())
            .map_err(|problem| format!("has lists whose column {problem}"))?,
        None => Given::of(transform::array_of([], item.into())),
    };
    let mut wrong_items = wrong_items.into_iter().peekable();
    let mut misfits = Vec::new();
    let mut start = 0_usize;
    let mut values = Vec::with_capacity(column.lengths.len());
    for (row, count) in column.lengths.iter().enumerate() {
        let end = start.saturating_add(*count as usize);
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        if end > items.len() {
            return Err(format!("names more list items than the {} it has (row {})", items.len(), row + 1));
        }
        let mut wrong = None;
        while let Some((_, problem)) = wrong_items.next_if(|(index, _)| *index < end) {
            wrong.get_or_insert(problem);
        }
        if length.is_some_and(|length| length != *count) {
            let needed = json::needed(data_type);
            wrong = Some(format!("holds a list of {count}, where {needed} is needed"));
        }
        let list = || (start..end).map(|index| transform::value_at(&items, index, item.into())).collect();
        values.push(if is_null || wrong.is_some() { Value::Null } else { Value::List(list()) });
        misfits.extend(wrong.filter(|_| !is_null).map(|problem| (row, problem)));
        start = end;
    }
    if start == items.len() {
        Ok(Given { array: transform::array_of(&values, data_type), misfits })
    } else {
        Err(format!("has {} list items, of which its lengths name only {start}", items.len()))
    }
}

fn misfit(kind: &Kind, data_type: DataType) -> String {
    let given = match kind {
        Kind::Bools(_) => "bool",
        Kind::Int32s(_) => "int32",
        Kind::Int64s(_) => "int64",
        Kind::Float32s(_) => "float32",
        Kind::Float64s(_) => "float64",
        Kind::Strings(_) => "string",
        Kind::Bytes(_) => "bytes",
        Kind::Timestamps(_) => "timestamp",
        Kind::Lists(_) => "lists",
        Kind::Json(_) => "JSON",
    };
    format!("is a column of {given}, where one of {data_type} is needed")
}

fn null_buffer(nulls: &[u32], rows: usize) -> Result<Option<NullBuffer>, String> {
    if nulls.is_empty() {
        return Ok(None);
    }
    let mut present = vec![true; rows];
    for row in nulls {
        match present.get_mut(*row as usize) {
            Some(present) => *present = false,
            None => return Err(format!("names row {} as null and has {rows} rows", u64::from(*row) + 1)),
        }
    }
    Ok(Some(NullBuffer::from(present)))
}

/// The values, none where null.
fn present<T>(values: Vec<T>, nulls: Option<&NullBuffer>) -> impl Iterator<Item = Option<T>> {
    let is_null = move |row| nulls.is_some_and(|nulls| nulls.is_null(row));
    values.into_iter().enumerate().map(move |(row, value)| (!is_null(row)).then_some(value))
}
