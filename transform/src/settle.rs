//! What a value must be before a row may hold it: every NaN the one quiet NaN, every moment within
//! the years 0001 to 9999.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, FixedSizeListArray, ListArray, PrimitiveArray,
};
use arrow::datatypes::{Float32Type, Float64Type, TimestampMicrosecondType};
use feature::{DataType, Micros, Scalar, TimeError};

use crate::arrow_types::item_field;

/// The array, of [`crate::arrow_type`]`(data_type)`, with its values settled; the first moment that
/// cannot be, in words.
pub fn settle(array: ArrayRef, data_type: DataType) -> Result<ArrayRef, String> {
    match data_type {
        DataType::Scalar(scalar) => settle_scalar(array, scalar),
        DataType::List(item @ (Scalar::Float32 | Scalar::Float64 | Scalar::Timestamp), length) => {
            settle_list(&array, item, length).unwrap_or(Ok(array))
        }
        DataType::List(..) => Ok(array),
    }
}

fn settle_scalar(array: ArrayRef, scalar: Scalar) -> Result<ArrayRef, String> {
    match scalar {
        Scalar::Float32 => Ok(quiet::<Float32Type>(
            array,
            |x| x.is_nan() && x.to_bits() != f32::NAN.to_bits(),
            |x| if x.is_nan() { f32::NAN } else { x },
        )),
        Scalar::Float64 => Ok(quiet::<Float64Type>(
            array,
            |x| x.is_nan() && x.to_bits() != f64::NAN.to_bits(),
            |x| if x.is_nan() { f64::NAN } else { x },
        )),
        Scalar::Timestamp => match outside_the_years(&array) {
            None => Ok(array),
            Some(error) => Err(error.to_string()),
        },
        _ => Ok(array),
    }
}

/// Why the first moment of an array, or of its lists, that no row may have is none.
pub(crate) fn outside_the_years(array: &ArrayRef) -> Option<TimeError> {
    // Of a list that is null the items are not looked at.
    let of_lists = |items: &dyn Fn(usize) -> ArrayRef| {
        (0..array.len()).filter(|row| array.is_valid(*row)).find_map(|row| outside_the_years(&items(row)))
    };
    if let Some(lists) = array.as_list_opt::<i32>() {
        return of_lists(&|row| lists.value(row));
    }
    if let Some(lists) = array.as_fixed_size_list_opt() {
        return of_lists(&|row| lists.value(row));
    }
    let moments = array.as_primitive_opt::<TimestampMicrosecondType>()?;
    moments.iter().flatten().find_map(|at| Micros::new(at).err())
}

fn quiet<T: ArrowPrimitiveType>(
    array: ArrayRef,
    is_noisy: impl Fn(T::Native) -> bool,
    quieten: impl Fn(T::Native) -> T::Native,
) -> ArrayRef {
    let quieter = array.as_primitive_opt::<T>().and_then(|floats| {
        let has_noise = floats.values().iter().any(|x| is_noisy(*x));
        has_noise.then(|| floats.unary::<_, T>(quieten))
    });
    match quieter {
        Some(quieter) => Arc::new(quieter) as Arc<PrimitiveArray<T>>,
        None => array,
    }
}

/// None where no item needed a change, or the array is no list.
fn settle_list(array: &ArrayRef, item: Scalar, length: Option<u32>) -> Option<Result<ArrayRef, String>> {
    let (first, items) = match length {
        None => {
            let lists = array.as_list_opt::<i32>()?;
            // A slice of an array keeps all items; those outside of it must not be looked at.
            let first = lists.offsets().first().copied()?;
            let last = lists.offsets().last().copied()?;
            (first, lists.values().slice(first as usize, (last - first) as usize))
        }
        Some(_) => (0, Arc::clone(array.as_fixed_size_list_opt()?.values())),
    };
    let settled = match settle_scalar(Arc::clone(&items), item) {
        Ok(settled) if Arc::ptr_eq(&settled, &items) => return None,
        Ok(settled) => settled,
        Err(reason) => return Some(Err(reason)),
    };
    let nulls = array.nulls().cloned();
    let lists: Result<ArrayRef, _> = match length {
        None => {
            let ends = array.as_list::<i32>().offsets().iter().map(|end| end - first).collect();
            let offsets = arrow::buffer::OffsetBuffer::new(ends);
            ListArray::try_new(item_field(item), offsets, settled, nulls)
                .map(|lists| Arc::new(lists) as ArrayRef)
        }
        Some(length) => {
            let length = i32::try_from(length).unwrap_or(i32::MAX);
            FixedSizeListArray::try_new(item_field(item), length, settled, nulls)
                .map(|lists| Arc::new(lists) as ArrayRef)
        }
    };
    Some(lists.map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, TimestampMicrosecondArray};
    use arrow::datatypes::Float64Type;

    use super::*;

    const NOISY: f64 = f64::from_bits(0xfff8_0000_0000_0001);

    #[test]
    fn every_nan_becomes_the_one_quiet_nan_also_inside_lists() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(NOISY), None, Some(-0.0)]));
        let settled = settle(floats, Scalar::Float64.into()).unwrap();
        let settled = settled.as_primitive::<Float64Type>();
        assert_eq!(settled.value(0).to_bits(), f64::NAN.to_bits());
        assert_eq!(settled.value(2).to_bits(), (-0.0_f64).to_bits());
        assert!(settled.is_null(1));

        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([
            Some(vec![Some(1.0)]),
            None,
            Some(vec![Some(NOISY), None]),
        ]);
        let lists: ArrayRef = Arc::new(lists.slice(1, 2));
        let settled = settle(lists, DataType::List(Scalar::Float64, None)).unwrap();
        let items = settled.as_list::<i32>().value(1);
        assert_eq!(items.as_primitive::<Float64Type>().value(0).to_bits(), f64::NAN.to_bits());
        assert!(settled.is_null(0) && items.is_null(1));
    }

    #[test]
    fn a_moment_after_the_year_9999_is_refused_and_a_null_is_not() {
        let moments = |at: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(at).with_timezone("UTC"))
        };
        let ends = moments(vec![None, Some(Micros::MIN.get()), Some(Micros::MAX.get())]);
        assert!(settle(ends, Scalar::Timestamp.into()).is_ok());
        let beyond = settle(moments(vec![Some(Micros::MAX.get() + 1)]), Scalar::Timestamp.into());
        assert!(beyond.unwrap_err().contains("outside the years 0001 to 9999"));
    }
}
