//! One column of a request, in whatever form it arrived, read as the type that the service needs.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{Field as ArrowField, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use feature::{DataType, Field, NameError, Scalar, Value, excerpt};
use transform::{Conform, ConformError};

use crate::json;

/// A column that a request brought.
pub trait RequestColumn {
    /// How many rows it has.
    fn rows(&self) -> usize;

    /// The column as an array of [`transform::arrow_type`]`(data_type)`. An error says what it
    /// holds and what is needed, as in `holds 12, where a string is needed (row 3)`; rows are numbered from 1.
    fn read(self, data_type: DataType) -> Result<ArrayRef, String>;

    /// The same for rows that fail alone: null where a value of the column's kind is not one of its type, with
    /// the rows that are, from 0, and what they hold.
    fn read_rows(self, data_type: DataType) -> Result<Given, String>
    where
        Self: Sized,
    {
        Ok(Given::of(self.read(data_type)?))
    }
}

/// A column, and what of it is no value.
pub struct Given {
    /// Null in the rows that hold none.
    pub array: ArrayRef,
    /// These rows, from 0, with what they hold and what is needed.
    pub misfits: Vec<(usize, String)>,
}

impl Given {
    /// A column all of whose values are of the type.
    pub fn of(array: ArrayRef) -> Self {
        Self { array, misfits: Vec::new() }
    }
}

/// Values as they are, for callers in the same process.
impl RequestColumn for Vec<Value> {
    fn rows(&self) -> usize {
        self.len()
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        match self.iter().position(|value| !value.is_of(data_type)) {
            Some(row) => Err(format!(
                "holds {}, where {} is needed (row {})",
                self.get(row).unwrap_or(&Value::Null),
                json::needed(data_type),
                row + 1
            )),
            None => Ok(array(self, data_type)),
        }
    }
}

/// A list of JSON values.
impl RequestColumn for Vec<serde_json::Value> {
    fn rows(&self) -> usize {
        self.len()
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        let read = |(row, json)| {
            json::from_json(json, data_type).map_err(|misfit| format!("holds {misfit} (row {})", row + 1))
        };
        let values: Result<Vec<Value>, String> = self.iter().enumerate().map(read).collect();
        Ok(array(values?, data_type))
    }
}

/// An Arrow column, read as the type that the service needs wherever each of its values has that type.
impl RequestColumn for ArrayRef {
    fn rows(&self) -> usize {
        self.len()
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        const COLUMN: &str = "value";
        const SHOWN_CHARS: usize = 40;
        let needed = || json::needed(data_type);
        let field = Field { name: COLUMN.parse().map_err(|error: NameError| error.to_string())?, data_type };
        let file = Schema::new(vec![ArrowField::new(COLUMN, self.data_type().clone(), true)]);
        if Conform::value_by_value(std::slice::from_ref(&field), &file).is_err() {
            return Err(format!("is a column of {}, where {} is needed", self.data_type(), needed()));
        }
        let conformed = transform::conformed(&self, &field).map_err(|error| match error {
            // Few of the times that no row may have can be written as dates.
            ConformError::Value { row, reason, .. } if data_type == Scalar::Timestamp.into() => {
                format!("holds no time: {reason} (row {})", row + 1)
            }
            ConformError::Value { row, .. } => {
                let options = FormatOptions::default();
                let shown = ArrayFormatter::try_new(&self, &options).map(|all| all.value(row).to_string());
                let shown = shown.unwrap_or_else(|_| "what is no value".to_owned());
                format!(
                    "holds {}, where {} is needed (row {})",
                    excerpt(&shown, SHOWN_CHARS),
                    needed(),
                    row + 1
                )
            }
            error => error.to_string(),
        });
        conformed.and_then(|array| transform::settle(array, data_type))
    }
}

/// The values as an array, every NaN the one quiet NaN, as in the rows of the store.
fn array(values: Vec<Value>, data_type: DataType) -> ArrayRef {
    let values: Vec<Value> = values.into_iter().map(Value::canonical).collect();
    transform::array_of(&values, data_type)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, LargeStringArray, StringArray};

    use super::*;

    fn read(array: impl Array + 'static, data_type: &str) -> Result<Vec<Value>, String> {
        let data_type: DataType = data_type.parse().unwrap();
        let array: ArrayRef = Arc::new(array);
        let read = array.read(data_type)?;
        Ok((0..read.len()).map(|row| transform::value_at(&read, row, data_type)).collect())
    }

    #[test]
    fn an_arrow_column_is_read_as_the_type_that_is_needed_or_its_first_misfit_is_named() {
        assert_eq!(
            read(Int64Array::from(vec![Some(7), None]), "int32"),
            Ok(vec![Value::Int32(7), Value::Null])
        );
        assert_eq!(read(Float64Array::from(vec![7.0]), "int64"), Ok(vec![Value::Int64(7)]));
        assert_eq!(read(LargeStringArray::from(vec!["a"]), "string"), Ok(vec![Value::String("a".into())]));
        let misfit = read(Int64Array::from(vec![1, i64::MAX]), "int32").unwrap_err();
        assert!(misfit.starts_with("holds 9223372036854775807, where a whole number from"), "{misfit}");
        assert!(misfit.ends_with("(row 2)"), "{misfit}");
        let misfit = read(StringArray::from(vec!["a"]), "int32").unwrap_err();
        assert!(misfit.starts_with("is a column of Utf8, where"), "{misfit}");
    }
}
