//! What rows hold, as a hash that does not depend on how they are cut into batches or encoded in a
//! file: for each column SHA-256 over which rows are null and over the values of those that are not.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hash of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnHash {
    /// The column.
    pub name: String,
    /// Its type and content, in hexadecimal.
    pub sha256: String,
}

/// A hash on its way: batches go in in the order of their rows.
pub struct ContentHash {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    name: String,
    nulls: Sha256,
    values: Sha256,
}

impl ContentHash {
    /// Of no rows yet, with these columns.
    pub fn new(schema: &Schema) -> Self {
        let column = |field: &arrow::datatypes::FieldRef| {
            let mut values = Sha256::new();
            // Text and large text hold the same.
            values.update(format!("{}\0", plain_type(field.data_type())));
            Column { name: field.name().clone(), nulls: Sha256::new(), values }
        };
        Self { columns: schema.fields().iter().map(column).collect(), rows: 0 }
    }

    /// Adds rows.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.rows += batch.num_rows();
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            let nulls: Vec<u8> = (0..array.len()).map(|row| u8::from(array.is_null(row))).collect();
            column.nulls.update(nulls);
            add_values(&mut column.values, array)?;
        }
        Ok(())
    }

    /// The hash of each column, and the count of rows.
    pub fn finish(self) -> (Vec<ColumnHash>, usize) {
        let rows = self.rows as u64;
        let columns = self.columns.into_iter().map(|column| {
            let mut whole = Sha256::new();
            whole.update(rows.to_le_bytes());
            whole.update(column.nulls.finalize());
            whole.update(column.values.finalize());
            ColumnHash { name: column.name, sha256: hex(&whole.finalize()) }
        });
        (columns.collect(), self.rows)
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn plain_type(data_type: &DataType) -> String {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => "Utf8".to_owned(),
        DataType::LargeBinary | DataType::BinaryView => "Binary".to_owned(),
        other => other.to_string(),
    }
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

fn add_bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// The values of fixed width, zeros where they are null.
fn add_primitives(hash: &mut Sha256, array: &ArrayRef) {
    let data = array.to_data();
    let width = array.data_type().primitive_width().unwrap_or(0);
    let Some(bytes) = data.buffers().first() else { return };
    let start = data.offset() * width;
    let values = bytes.as_slice().get(start..start + data.len() * width).unwrap_or_default();
    if data.null_count() == 0 {
        hash.update(values);
        return;
    }
    let mut zeroed = values.to_vec();
    for (row, value) in
        zeroed.chunks_exact_mut(width.max(1)).enumerate().filter(|(row, _)| data.is_null(*row))
    {
        debug_assert!(row < data.len());
        value.fill(0);
    }
    hash.update(zeroed);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    fn hashed(batches: &[RecordBatch]) -> Vec<ColumnHash> {
        let mut hash = ContentHash::new(&batches[0].schema());
        batches.iter().for_each(|batch| hash.add(batch).unwrap());
        hash.finish().0
    }

    fn batch(numbers: Vec<Option<f64>>, texts: Vec<&str>) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("x", DataType::Float64, true),
            Field::new("s", DataType::Utf8, true),
        ]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(numbers)), Arc::new(StringArray::from(texts))];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn the_hash_does_not_depend_on_batches_and_names_the_column_that_differs() {
        let whole = batch(vec![Some(1.0), None, Some(-0.0)], vec!["a", "b", "c"]);
        let expected = hashed(std::slice::from_ref(&whole));
        assert_eq!(hashed(&[whole.slice(0, 1), whole.slice(1, 2)]), expected);
        let other = hashed(&[batch(vec![Some(1.0), None, Some(0.0)], vec!["a", "b", "c"])]);
        assert_ne!(other[0], expected[0], "minus zero is not zero");
        assert_eq!(other[1], expected[1]);
        let shifted = hashed(&[batch(vec![Some(1.0), None, Some(-0.0)], vec!["ab", "", "c"])]);
        assert_ne!(shifted[1], expected[1]);
    }
}
