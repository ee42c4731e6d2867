//! Columns read as another type value by value: each number is the same number there, or none. A decimal read as a
//! float is the nearest one, as when it is read from text; bytes that are UTF-8 are a string.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType as ArrowType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use feature::Scalar;

use crate::arrow_types::arrow_type;
use crate::widen::checked_cast;

/// The least whole number that a double does not tell from its neighbour above.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The array as the Arrow type of `to`. Fails where a value does not fit.
pub(crate) fn narrow(array: &ArrayRef, to: Scalar) -> Result<ArrayRef, ArrowError> {
    let target = arrow_type(to.into());
    let found = array.data_type();
    let is_to_float = matches!(to, Scalar::Float32 | Scalar::Float64);
    if found.is_decimal() {
        let texts = checked_cast(array, &ArrowType::Utf8)?;
        let texts = texts.as_string::<i32>();
        return match is_to_float {
            true => checked_cast(
                &texts
                    .iter()
                    .map(|text| text.map(|text| float(text, to)).transpose())
                    .collect::<Result<Float64Array, _>>()?,
                &target,
            ),
            false => checked_cast(
                &texts.iter().map(|text| text.map(integer).transpose()).collect::<Result<Int64Array, _>>()?,
                &target,
            ),
        };
    }
    if found.is_integer() {
        let integers = checked_cast(array, &ArrowType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>();
        let is_same = |value: i64| match to {
            Scalar::Float32 => value as f32 as i128 == i128::from(value),
            Scalar::Float64 => value as f64 as i128 == i128::from(value),
            _ => true,
        };
        return match integers.iter().flatten().find(|value| !is_same(*value)) {
            Some(value) => Err(unfit(value)),
            None => checked_cast(integers, &target),
        };
    }
    if found.is_floating() && !is_to_float {
        let floats = checked_cast(array, &ArrowType::Float64)?;
        let floats = floats.as_primitive::<Float64Type>();
        let is_whole = |value: f64| value.fract() == 0.0 && value.abs() < EXACT;
        return match floats.iter().flatten().find(|value| !is_whole(*value)) {
            Some(value) => Err(unfit(value)),
            None => checked_cast(floats, &target),
        };
    }
    if to == Scalar::String {
        // Not cast: that would look at all bytes of the array, of which this may be a slice.
        let bytes = checked_cast(array, &ArrowType::Binary)?;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| unfit("what is not UTF-8"));
        let texts = bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(text).transpose());
        return Ok(Arc::new(texts.collect::<Result<StringArray, _>>()?));
    }
    checked_cast(array, &target)
}

/// The nearest float of a decimal: none beyond its range.
fn float(decimal: &str, to: Scalar) -> Result<f64, ArrowError> {
    let float: f64 = decimal.parse().map_err(|_| unfit(decimal))?;
    let is_in_range = if to == Scalar::Float32 { (float as f32).is_finite() } else { float.is_finite() };
    if is_in_range { Ok(float) } else { Err(unfit(decimal)) }
}

/// A decimal without a part behind its point.
fn integer(decimal: &str) -> Result<i64, ArrowError> {
    let (whole, part) = decimal.split_once('.').unwrap_or((decimal, ""));
    match part.bytes().all(|digit| digit == b'0') {
        true => whole.parse().map_err(|_| unfit(decimal)),
        false => Err(unfit(decimal)),
    }
}

fn unfit(value: impl std::fmt::Display) -> ArrowError {
    ArrowError::CastError(format!("{value} does not fit"))
}
