//! Columns as gRPC packs them, as arrays. Columns of scalars are moved whole; only lists go item by
//! item.

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use feature::{DataType, Micros, Scalar, Value};
use proto::v1::values::Kind;
use proto::v1::{Lists, Values};
use read::{Given, RequestColumn, json};

/// A column of a request as gRPC packs it.
#[derive(Clone)]
pub(crate) struct PackedColumn(pub Values);

impl RequestColumn for PackedColumn {
    fn rows(&self) -> usize {
        self.0.kind.as_ref().map_or(0, rows_of)
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        let rows = self.rows();
        let Some(kind) = self.0.kind else {
            return Err(format!("has no values, where {} is needed", json::needed(data_type)));
        };
        let nulls = null_buffer(&self.0.nulls, rows)?;
        match data_type {
            DataType::Scalar(scalar) => {
                let Given { array, misfits } = scalars(kind, scalar, nulls)?;
                match misfits.into_iter().next() {
                    None => Ok(array),
                    Some((row, misfit)) => Err(format!("{misfit} (row {})", row + 1)),
                }
            }
            DataType::List(item, length) => {
                let Kind::Lists(column) = kind else { return Err(misfit(&kind, data_type)) };
                lists(*column, item, length, nulls.as_ref(), data_type)
            }
        }
    }

    fn read_rows(self, data_type: DataType) -> Result<Given, String> {
        let Values { kind, nulls } = self.0;
        match (kind, data_type) {
            (Some(kind @ Kind::Timestamps(_)), DataType::Scalar(scalar)) => {
                let nulls = null_buffer(&nulls, rows_of(&kind))?;
                scalars(kind, scalar, nulls)
            }
            (kind, _) => {
                let array = PackedColumn(Values { kind, nulls }).read(data_type)?;
                Ok(Given { array, misfits: Vec::new() })
            }
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
        (kind, scalar) => number(kind, scalar, nulls)?,
    };
    Ok(Given { array, misfits: Vec::new() })
}

/// Numbers of another width than the declared one, value by value: a language with one kind of integers sends the wide
/// one.
fn number(kind: Kind, scalar: Scalar, nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
    let refused = misfit(&kind, scalar.into());
    let rows = rows_of(&kind);
    // A column without a value has no type of its own.
    if nulls.as_ref().is_some_and(|nulls| nulls.null_count() == rows) {
        return Ok(new_null_array(&transform::arrow_type(scalar.into()), rows));
    }
    let is_number = matches!(scalar, Scalar::Int32 | Scalar::Int64 | Scalar::Float32 | Scalar::Float64);
    let array: ArrayRef = match kind {
        Kind::Int32s(column) => Arc::new(PrimitiveArray::<Int32Type>::new(column.values.into(), nulls)),
        Kind::Int64s(column) => Arc::new(PrimitiveArray::<Int64Type>::new(column.values.into(), nulls)),
        Kind::Float32s(column) => Arc::new(PrimitiveArray::<Float32Type>::new(column.values.into(), nulls)),
        _ => return Err(refused),
    };
    if is_number { array.read(scalar.into()) } else { Err(refused) }
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
    }
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
        let list = || (start..end).map(|index| transform::value_at(&items, index, item.into())).collect();
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
