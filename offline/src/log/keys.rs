//! The keys of the entities of a batch of a log, encoded as [`EntityKey`] encodes them, all in one buffer.

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use feature::{DataType, EntityKey, Field, KeyError, Scalar, View};

use crate::error::OfflineError;
use crate::log::rows::{column, corrupt, moment};

/// The encoded keys of consecutive rows.
#[derive(Clone, Debug, Default)]
pub struct EncodedKeys {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

/// One join key of a batch.
enum KeyColumn {
    Bool(BooleanArray),
    Int32(Int32Array),
    Int64(Int64Array),
    String(StringArray),
    Bytes(BinaryArray),
    Timestamp(TimestampMicrosecondArray),
}

impl EncodedKeys {
    /// The keys of a batch of a view's log that has its join keys among its columns.
    pub fn of(view: &View, batch: &RecordBatch) -> Result<Self, OfflineError> {
        let columns =
            view.keys.iter().map(|key| KeyColumn::of(view, batch, key)).collect::<Result<Vec<_>, _>>()?;
        let rows = batch.num_rows();
        let mut keys = Self { bytes: Vec::with_capacity(8 * rows), ends: Vec::with_capacity(rows) };
        let mut start = 0;
        for row in 0..rows {
            columns.iter().for_each(|column| column.encode(row, &mut keys.bytes));
            let length = keys.bytes.len() - start;
            if length > EntityKey::MAX_BYTES {
                return Err(corrupt(view, KeyError::TooLong(length).to_string()));
            }
            start = keys.bytes.len();
            keys.ends.push(start);
        }
        Ok(keys)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key of a row.
    pub fn key(&self, row: usize) -> &[u8] {
        let start = match row.checked_sub(1) {
            None => Some(0),
            Some(before) => self.ends.get(before).copied(),
        };
        let key = start.zip(self.ends.get(row)).and_then(|(start, end)| self.bytes.get(start..*end));
        key.expect("invariant: each row of a batch has a key")
    }
}

impl KeyColumn {
    fn of(view: &View, batch: &RecordBatch, key: &Field) -> Result<Self, OfflineError> {
        let array = column(view, batch, &key.name)?;
        if array.null_count() > 0 {
            return Err(corrupt(view, KeyError::Null(key.name.to_string()).to_string()));
        }
        let array = array.as_ref();
        let found = match key.data_type {
            DataType::Scalar(Scalar::Bool) => array.as_boolean_opt().cloned().map(KeyColumn::Bool),
            DataType::Scalar(Scalar::Int32) => {
                array.as_primitive_opt::<Int32Type>().cloned().map(KeyColumn::Int32)
            }
            DataType::Scalar(Scalar::Int64) => {
                array.as_primitive_opt::<Int64Type>().cloned().map(KeyColumn::Int64)
            }
            DataType::Scalar(Scalar::String) => array.as_string_opt::<i32>().cloned().map(KeyColumn::String),
            DataType::Scalar(Scalar::Bytes) => array.as_binary_opt::<i32>().cloned().map(KeyColumn::Bytes),
            DataType::Scalar(Scalar::Timestamp) => {
                let times = array.as_primitive_opt::<TimestampMicrosecondType>().cloned();
                if let Some(times) = &times {
                    times.values().iter().try_for_each(|time| moment(view, *time).map(drop))?;
                }
                times.map(KeyColumn::Timestamp)
            }
            DataType::Scalar(Scalar::Float32 | Scalar::Float64) | DataType::List(..) => None,
        };
        found.ok_or_else(|| corrupt(view, format!("the join key `{}` is of another type", key.name)))
    }

    /// Appends the key of a row, as [`EntityKey::encode`] does.
    fn encode(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            KeyColumn::Bool(array) => out.push(u8::from(array.value(row))),
            KeyColumn::Int32(array) => out.extend_from_slice(&array.value(row).to_le_bytes()),
            KeyColumn::Int64(array) => out.extend_from_slice(&array.value(row).to_le_bytes()),
            KeyColumn::Timestamp(array) => out.extend_from_slice(&array.value(row).to_le_bytes()),
            KeyColumn::String(array) => encode_sized(array.value(row).as_bytes(), out),
            KeyColumn::Bytes(array) => encode_sized(array.value(row), out),
        }
    }
}

fn encode_sized(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field as ArrowField, Schema};
    use feature::{Micros, Value, oracle::History};

    use super::*;

    fn view_of(scalars: &[Scalar]) -> View {
        let mut view = History::generate(0, 0).view;
        let key = |(number, scalar): (usize, &Scalar)| Field {
            name: format!("k{number}").parse().unwrap(),
            data_type: (*scalar).into(),
        };
        view.keys = scalars.iter().enumerate().map(key).collect();
        view
    }

    fn batch(view: &View, rows: &[Vec<Value>]) -> RecordBatch {
        let columns = view.keys.iter().enumerate().map(|(index, key)| {
            let array = transform::array_of(rows.iter().map(|row| &row[index]), key.data_type);
            let field = ArrowField::new(key.name.as_str(), array.data_type().clone(), true);
            (field, array)
        });
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    #[test]
    fn keys_of_every_type_are_encoded_as_those_of_requests_are() {
        let types =
            [Scalar::Bool, Scalar::Int32, Scalar::Int64, Scalar::String, Scalar::Bytes, Scalar::Timestamp];
        let view = view_of(&types);
        let row = |number: i32| {
            vec![
                Value::Bool(number % 2 == 0),
                Value::Int32(-number),
                Value::Int64(i64::from(number) << 33),
                Value::String("é|".repeat(number as usize).into()),
                Value::Bytes(vec![0; number as usize].into()),
                Value::Timestamp(Micros::new(-i64::from(number)).unwrap()),
            ]
        };
        let rows: Vec<Vec<Value>> = (0..5).map(row).collect();
        let keys = EncodedKeys::of(&view, &batch(&view, &rows)).unwrap();
        assert_eq!(keys.len(), rows.len());
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(keys.key(index), EntityKey::encode(&view.keys, row).unwrap().as_bytes());
        }
    }

    #[test]
    fn a_null_and_a_key_that_is_too_long_are_refused_by_name() {
        let view = view_of(&[Scalar::String]);
        let refusal =
            |value: Value| EncodedKeys::of(&view, &batch(&view, &[vec![value]])).unwrap_err().to_string();
        assert!(refusal(Value::Null).contains("the join key `k0` is null"));
        assert!(refusal(Value::String("x".repeat(1021).into())).contains("1025 bytes"));
    }
}
