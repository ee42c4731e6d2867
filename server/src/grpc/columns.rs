//! Columns as gRPC packs them, as arrays. Columns of scalars are moved whole; only lists go item by
//! item.

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use feature::{DataType, Micros, Scalar, Value};
use proto::v1::values::Kind;
use proto::v1::{Lists, Values};
use read::{RequestColumn, json};

/// A column of a request as gRPC packs it.
pub(crate) struct PackedColumn(pub Values);

impl RequestColumn for PackedColumn {
    fn rows(&self) -> usize {
        match &self.0.kind {
            None => 0,
            Some(Kind::Bools(column)) => column.values.len(),
            Some(Kind::Int32s(column)) => column.values.len(),
            Some(Kind::Int64s(column)) => column.values.len(),
            Some(Kind::Float32s(column)) => column.values.len(),
            Some(Kind::Float64s(column)) => column.values.len(),
            Some(Kind::Strings(column)) => column.values.len(),
            Some(Kind::Bytes(column)) => column.values.len(),
            Some(Kind::Timestamps(column)) => column.values_us.len(),
            Some(Kind::Lists(column)) => column.lengths.len(),
        }
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        let rows = self.rows();
        let Some(kind) = self.0.kind else {
            return Err(format!("has no values, where {} is needed", json::needed(data_type)));
        };
        let nulls = null_buffer(&self.0.nulls, rows)?;
        match data_type {
            DataType::Scalar(scalar) => scalars(kind, scalar, nulls),
            DataType::List(item, length) => {
                let Kind::Lists(column) = kind else { return Err(misfit(&kind, data_type)) };
                lists(*column, item, length, nulls.as_ref(), data_type)
            }
        }
    }
}

fn scalars(kind: Kind, scalar: Scalar, nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
    Ok(match (kind, scalar) {
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
            let moments = column.values_us.iter().enumerate();
            let wrong = moments.filter_map(|(row, micros)| Some((row, Micros::new(*micros).err()?)));
            if let Some((row, error)) = wrong.min_by_key(|(row, _)| *row) {
                return Err(format!("holds no time: {error} (row {})", row + 1));
            }
            let array = TimestampMicrosecondArray::new(column.values_us.into(), nulls);
            Arc::new(array.with_timezone("UTC"))
        }
        (kind, scalar) => return Err(misfit(&kind, scalar.into())),
    })
}

fn lists(
    column: Lists,
    item: Scalar,
    length: Option<u32>,
    nulls: Option<&NullBuffer>,
    data_type: DataType,
) -> Result<ArrayRef, String> {
    let items = match column.items {
        Some(items) => PackedColumn(*items)
            .read(item.into())
            .map_err(|problem| format!("has lists whose column {problem}"))?,
        None => transform::array_of([], item.into()),
    };
    let mut start = 0_usize;
    let mut values = Vec::with_capacity(column.lengths.len());
    for (row, count) in column.lengths.iter().enumerate() {
        let end = start.saturating_add(*count as usize);
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        if end > items.len() {
            return Err(format!("names more list items than the {} it has (row {})", items.len(), row + 1));
        }
        if !is_null && length.is_some_and(|length| length != *count) {
            return Err(format!(
                "holds a list of {count}, where {} is needed (row {})",
                json::needed(data_type),
                row + 1
            ));
        }
        let list = || (start..end).map(|place| transform::value_at(&items, place, item.into())).collect();
        values.push(if is_null { Value::Null } else { Value::List(list()) });
        start = end;
    }
    if start == items.len() {
        Ok(transform::array_of(&values, data_type))
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
            None => return Err(format!("names row {row} as null and has {rows} rows")),
        }
    }
    Ok(Some(NullBuffer::from(present)))
}

/// The values, none where null.
fn present<T>(values: Vec<T>, nulls: Option<&NullBuffer>) -> impl Iterator<Item = Option<T>> {
    let is_null = move |row| nulls.is_some_and(|nulls| nulls.is_null(row));
    values.into_iter().enumerate().map(move |(row, value)| (!is_null(row)).then_some(value))
}
