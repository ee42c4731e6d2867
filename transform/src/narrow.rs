//! Columns read as another type value by value, by the one rule for all encodings, [`Given`]: each number is the same
//! number there, or is refused. A decimal read as a float is the nearest one, as when it is read from text. Bytes that
//! are UTF-8 are a string.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType as ArrowType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use feature::{Given, Scalar, Value};

use crate::arrow_types::{array_of, arrow_type, checked_cast};

/// The array as the Arrow type of `to`. Fails where a value does not fit.
pub(crate) fn narrow(array: &ArrayRef, to: Scalar) -> Result<ArrayRef, ArrowError> {
    let found = array.data_type();
    if found.is_decimal() {
        let digits = checked_cast(array, &ArrowType::Utf8)?;
        let digits = digits.as_string::<i32>().iter();
        return fitting(digits.map(|digits| digits.map(Given::Decimal)), Given::written, to);
    }
    if *found == ArrowType::UInt64 {
        let integers = array.as_primitive::<UInt64Type>().iter();
        return fitting(integers.map(|value| Some(Given::Whole(value?.into()))), Given::exactly, to);
    }
    if found.is_integer() {
        let integers = checked_cast(array, &ArrowType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>().iter();
        return fitting(integers.map(|value| Some(Given::Whole(value?.into()))), Given::exactly, to);
    }
    if found.is_floating() && matches!(to, Scalar::Int32 | Scalar::Int64) {
        let floats = checked_cast(array, &ArrowType::Float64)?;
        let floats = floats.as_primitive::<Float64Type>().iter();
        return fitting(floats.map(|value| Some(Given::Double(value?))), Given::exactly, to);
    }
    if to == Scalar::String {
        // Not cast: that would look at all bytes of the array, of which this may be a slice.
        let bytes = checked_cast(array, &ArrowType::Binary)?;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| unfit("what is not UTF-8"));
        let texts = bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(text).transpose());
        return Ok(Arc::new(texts.collect::<Result<StringArray, _>>()?));
    }
    checked_cast(array, &arrow_type(to.into()))
}

/// The values that these are in another type, by this rule; the first that is none is refused.
fn fitting<'a>(
    values: impl Iterator<Item = Option<Given<'a>>>,
    rule: fn(Given<'a>, Scalar) -> Option<Value>,
    to: Scalar,
) -> Result<ArrayRef, ArrowError> {
    let value = |given: Option<Given<'a>>| match given {
        None => Ok(Value::Null),
        Some(given) => rule(given, to).ok_or_else(|| match given {
            Given::Whole(value) => unfit(value),
            Given::Double(value) => unfit(value),
            Given::Decimal(digits) => unfit(digits),
            other => unfit(format!("{other:?}")),
        }),
    };
    Ok(array_of(&values.map(value).collect::<Result<Vec<_>, _>>()?, to.into()))
}

fn unfit(value: impl std::fmt::Display) -> ArrowError {
    ArrowError::CastError(format!("{value} does not fit"))
}
