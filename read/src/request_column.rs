//! One column of a request, in whatever form it arrived, read as the type that the service needs.

use arrow::array::ArrayRef;
use feature::{DataType, Value};

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
        Ok(Given { array: self.read(data_type)?, misfits: Vec::new() })
    }
}

/// A column, and what of it is no value.
pub struct Given {
    /// Null in the rows that hold none.
    pub array: ArrayRef,
    /// These rows, from 0, with what they hold and what is needed.
    pub misfits: Vec<(usize, String)>,
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

/// The values as an array, every NaN the one quiet NaN, as in the rows of the store.
fn array(values: Vec<Value>, data_type: DataType) -> ArrayRef {
    let values: Vec<Value> = values.into_iter().map(Value::canonical).collect();
    transform::array_of(&values, data_type)
}
