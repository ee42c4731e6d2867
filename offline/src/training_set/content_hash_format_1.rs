//! How manifests of format 1 hash a column: lists row by row, and other nested types as their text, where
//! two different values may look alike. Kept so that training sets of then can still be verified.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use sha2::{Digest, Sha256};

use crate::training_set::hashing::{add_bytes, add_primitives};

/// Adds rows to the hashes of a column.
pub(crate) fn add(nulls: &mut Sha256, values: &mut Sha256, array: &ArrayRef) -> Result<(), ArrowError> {
    nulls.update((0..array.len()).map(|row| u8::from(array.is_null(row))).collect::<Vec<u8>>());
    add_values(values, array)
}

fn add_values(hash: &mut Sha256, array: &ArrayRef) -> Result<(), ArrowError> {
    match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean();
            let bytes: Vec<u8> = values.iter().map(|value| u8::from(value == Some(true))).collect();
            hash.update(bytes);
        }
        ty if ty.primitive_width().is_some() => add_primitives(hash, array),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            for text in cast(array, &DataType::LargeUtf8)?.as_string::<i64>().iter().flatten() {
                add_bytes(hash, text.as_bytes());
            }
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            for bytes in cast(array, &DataType::LargeBinary)?.as_binary::<i64>().iter().flatten() {
                add_bytes(hash, bytes);
            }
        }
        DataType::List(_) => {
            for item in array.as_list::<i32>().iter().flatten() {
                hash.update((item.len() as u64).to_le_bytes());
                let nulls: Vec<u8> = (0..item.len()).map(|row| u8::from(item.is_null(row))).collect();
                hash.update(nulls);
                add_values(hash, &item)?;
            }
        }
        // Whatever else a spine may hold, as text.
        _ => {
            for text in cast(array, &DataType::LargeUtf8)?.as_string::<i64>().iter().flatten() {
                add_bytes(hash, text.as_bytes());
            }
        }
    }
    Ok(())
}
