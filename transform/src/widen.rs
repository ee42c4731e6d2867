//! Which Arrow types stand for which of ours, which can become them without loss, and how.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Int64Array, ListArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow::error::ArrowError;
use feature::{DataType, Scalar};

use crate::arrow_types::{UTC, arrow_type, checked_cast, item_field};
use crate::narrow::narrow;

/// The narrowest of our types that holds the values of an Arrow type; `None` if there is none.
pub(crate) fn natural(found: &ArrowType) -> Option<DataType> {
    use ArrowType as A;
    let item = |field: &arrow::datatypes::FieldRef| natural(field.data_type())?.scalar();
    let scalar = match found {
        A::Boolean => Scalar::Bool,
        A::Int8 | A::Int16 | A::Int32 | A::UInt8 | A::UInt16 => Scalar::Int32,
        A::Int64 | A::UInt32 | A::UInt64 => Scalar::Int64,
        A::Float16 | A::Float32 => Scalar::Float32,
        A::Float64 => Scalar::Float64,
        A::Utf8 | A::LargeUtf8 | A::Utf8View => Scalar::String,
        A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) => Scalar::Bytes,
        A::Date32 | A::Date64 | A::Timestamp(..) => Scalar::Timestamp,
        A::Dictionary(_, values) => return natural(values),
        A::List(field) | A::LargeList(field) => return Some(DataType::List(item(field)?, None)),
        A::FixedSizeList(field, length) => {
            let length = u32::try_from(*length).ok().filter(|length| *length > 0)?;
            return Some(DataType::List(item(field)?, Some(length)));
        }
        _ => return None,
    };
    Some(scalar.into())
}

/// The type as which a column of a file would be declared: the narrowest that holds all of its values, of decimals
/// an integer where they have no digits after the point, else float64. `None` if there is none.
pub fn declarable(found: &ArrowType) -> Option<DataType> {
    use ArrowType as A;
    match found {
        A::Dictionary(_, values) => declarable(values),
        A::Decimal32(digits, 0) | A::Decimal64(digits, 0) | A::Decimal128(digits, 0) if *digits <= 18 => {
            Some(Scalar::Int64.into())
        }
        decimal if decimal.is_decimal() => Some(Scalar::Float64.into()),
        _ => natural(found),
    }
}

/// Whether some unsigned integer of a column, or of its lists, is beyond int64: no type of ours holds all of them.
pub fn is_beyond_int64(array: &dyn Array) -> bool {
    use ArrowType as A;
    match array.data_type() {
        A::UInt64 => {
            let integers = array.as_primitive::<UInt64Type>();
            integers.iter().flatten().any(|integer| i64::try_from(integer).is_err())
        }
        // The values of a dictionary may have some that no row has.
        A::Dictionary(_, values) if **values == A::UInt64 => {
            checked_cast(array, values).is_ok_and(|array| is_beyond_int64(&array))
        }
        A::List(field) | A::LargeList(field) | A::FixedSizeList(field, _)
            if *field.data_type() == A::UInt64 =>
        {
            let lists = checked_cast(array, &A::List(Arc::clone(field)));
            lists.is_ok_and(|lists| {
                lists.as_list::<i32>().iter().flatten().any(|items| is_beyond_int64(&items))
            })
        }
        _ => false,
    }
}

/// Whether a column of the Arrow type can be read as `to`. Each value is kept, or is refused on
/// its own: a list of another length than its type's.
pub(crate) fn is_lossless(found: &ArrowType, to: DataType) -> bool {
    use ArrowType as A;
    match (found, to) {
        (A::Null, _) => true,
        (A::Dictionary(_, values), _) => is_lossless(values, to),
        (A::UInt64, _) => false,
        (A::List(field) | A::LargeList(field) | A::FixedSizeList(field, _), DataType::List(item, length)) => {
            let is_length = match (found, length) {
                (A::FixedSizeList(_, n), Some(length)) => i64::from(*n) == i64::from(length),
                _ => true,
            };
            is_length && is_lossless(field.data_type(), item.into())
        }
        (_, DataType::Scalar(Scalar::Int64)) => {
            natural(found).is_some_and(|found| [Scalar::Int32.into(), Scalar::Int64.into()].contains(&found))
        }
        (A::Int8 | A::Int16 | A::UInt8 | A::UInt16, DataType::Scalar(Scalar::Float32)) => true,
        (_, DataType::Scalar(Scalar::Float64)) => {
            let exact = [Scalar::Int32.into(), Scalar::Float32.into(), Scalar::Float64.into()];
            *found == A::UInt32 || natural(found).is_some_and(|found| exact.contains(&found))
        }
        _ => natural(found) == Some(to),
    }
}

/// Whether values of the Arrow type may be read as `to`, each kept whole or refused by itself: besides what is
/// lossless, numbers of other types, and texts that their file calls bytes. A float is never read as a narrower
/// one: nearly all of its values would be refused.
pub(crate) fn may_fit(found: &ArrowType, to: DataType) -> bool {
    use ArrowType as A;
    let is_integer = found.is_integer();
    let is_decimal = found.is_decimal();
    match (found, to) {
        (A::Dictionary(_, values), _) => may_fit(values, to),
        (A::List(field) | A::LargeList(field), DataType::List(item, _)) => {
            may_fit(field.data_type(), item.into())
        }
        (A::FixedSizeList(field, length), DataType::List(item, to)) => {
            to.is_none_or(|to| i64::from(*length) == i64::from(to)) && may_fit(field.data_type(), item.into())
        }
        (_, DataType::Scalar(Scalar::Int32 | Scalar::Int64)) if is_integer || is_decimal => true,
        (A::Float16 | A::Float32 | A::Float64, DataType::Scalar(Scalar::Int32 | Scalar::Int64)) => true,
        (_, DataType::Scalar(Scalar::Float32 | Scalar::Float64)) if is_integer || is_decimal => true,
        (A::Binary | A::LargeBinary | A::BinaryView, DataType::Scalar(Scalar::String)) => true,
        _ => is_lossless(found, to),
    }
}

/// The array as [`arrow_type`]`(to)`. Fails where a value does not fit.
pub(crate) fn widen(array: &ArrayRef, to: DataType) -> Result<ArrayRef, ArrowError> {
    let target = arrow_type(to);
    if *array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), to) {
        (ArrowType::Dictionary(_, values), _) => widen(&checked_cast(array, values)?, to),
        (
            ArrowType::Date32 | ArrowType::Date64 | ArrowType::Timestamp(..),
            DataType::Scalar(Scalar::Timestamp),
        ) => Ok(Arc::new(moments(array))),
        (
            ArrowType::List(field) | ArrowType::LargeList(field) | ArrowType::FixedSizeList(field, _),
            DataType::List(item, length),
        ) => {
            let field = Arc::clone(field);
            list(array, &field, item, length)
        }
        (found, DataType::Scalar(scalar)) if !is_lossless(found, to) => narrow(array, scalar),
        _ => checked_cast(array, &target),
    }
}

/// Times of any unit in microseconds, towards minus infinity, as a later moment would leak. Those beyond
/// what 64 bits of microseconds hold become the farthest that they do hold, which lie outside the years
/// that a row may have, and are refused as such.
pub fn moments(array: &dyn Array) -> TimestampMicrosecondArray {
    const DAY: i64 = 86_400_000_000;
    let micros: TimestampMicrosecondArray = match array.data_type() {
        ArrowType::Date32 => {
            array.as_primitive::<Date32Type>().unary(|days| i64::from(days).saturating_mul(DAY))
        }
        ArrowType::Date64 => array.as_primitive::<Date64Type>().unary(|ms| ms.saturating_mul(1_000)),
        ArrowType::Timestamp(TimeUnit::Second, _) => {
            array.as_primitive::<TimestampSecondType>().unary(|s| s.saturating_mul(1_000_000))
        }
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            array.as_primitive::<TimestampMillisecondType>().unary(|ms| ms.saturating_mul(1_000))
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            let array = array.as_primitive::<TimestampNanosecondType>();
            array.unary(|ns| ns.div_euclid(1_000))
        }
        _ => array.as_primitive::<TimestampMicrosecondType>().clone(),
    };
    micros.with_timezone(UTC)
}

/// Widens the items and, where a length is required, refuses a list of another.
fn list(
    array: &ArrayRef,
    field: &arrow::datatypes::FieldRef,
    item: Scalar,
    length: Option<u32>,
) -> Result<ArrayRef, ArrowError> {
    let lists = checked_cast(array, &ArrowType::List(Arc::clone(field)))?;
    let lists = lists.as_list::<i32>();
    // A slice of an array keeps all items; those outside of it must not be looked at.
    let first = lists.offsets().first().copied().unwrap_or(0);
    let last = lists.offsets().last().copied().unwrap_or(0);
    let items = lists.values().slice(first as usize, (last - first) as usize);
    let items = widen(&items, item.into())?;
    let offsets = arrow::buffer::OffsetBuffer::new(lists.offsets().iter().map(|end| end - first).collect());
    let lists = ListArray::try_new(item_field(item), offsets, items, lists.nulls().cloned())?;
    let Some(length) = length else {
        return Ok(Arc::new(lists));
    };
    let wrong =
        (0..lists.len()).find(|row| lists.is_valid(*row) && lists.value_length(*row) as u32 != length);
    if let Some(row) = wrong {
        let found = lists.value_length(row);
        return Err(ArrowError::CastError(format!("a list has {found} items, not {length}")));
    }
    fixed(&lists, item, length)
}

/// Lists that all have one length, or are null.
fn fixed(lists: &ListArray, item: Scalar, length: u32) -> Result<ArrayRef, ArrowError> {
    // A null list has as many items as any other, all null.
    let indices = (0..lists.len()).flat_map(|row| {
        let first = i64::from(lists.value_offsets().get(row).copied().unwrap_or(0));
        let is_valid = lists.is_valid(row);
        (0..i64::from(length)).map(move |i| is_valid.then_some(first + i))
    });
    let indices = Int64Array::from_iter(indices);
    let items = arrow::compute::take(lists.values(), &indices, None)?;
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    Ok(Arc::new(FixedSizeListArray::try_new(item_field(item), length, items, lists.nulls().cloned())?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, ListBuilder, UInt64Array, UInt64Builder};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn an_integer_beyond_int64_is_seen_also_in_lists_and_dictionaries() {
        for (integer, is_beyond) in [(i64::MAX as u64, false), (i64::MAX as u64 + 1, true), (u64::MAX, true)]
        {
            let column = UInt64Array::from(vec![None, Some(1), Some(integer)]);
            assert_eq!(is_beyond_int64(&column), is_beyond, "{integer}");
            let keys = arrow::array::Int32Array::from(vec![0, 2]);
            let dictionary = DictionaryArray::<Int32Type>::new(keys, Arc::new(column.clone()));
            assert_eq!(is_beyond_int64(&dictionary), is_beyond, "{integer} in a dictionary");
            let unused = DictionaryArray::<Int32Type>::new(vec![0, 1].into(), Arc::new(column));
            assert!(!is_beyond_int64(&unused));
            let mut lists = ListBuilder::new(UInt64Builder::new());
            lists.append_value([Some(1), None, Some(integer)]);
            lists.append_null();
            assert_eq!(is_beyond_int64(&lists.finish()), is_beyond, "{integer} in a list");
        }
    }
}
