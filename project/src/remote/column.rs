//! The columns of a request to a server, whose types are not known here: Arrow data goes in the type that holds it, and
//! what a script has as objects in the type of its first value, or as JSON where that would decide too much.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef};
use feature::{DataType, Scalar, Value};
use proto::v1::{self, Strings, values::Kind};
use read::RequestColumn;
use read::json::AsJson;

use super::packed::{nulls, pack};
use crate::error::ProjectError;
use crate::server_error::ServerError;

/// A column of a request.
#[derive(Clone, Debug)]
pub enum RemoteColumn {
    /// Arrow data.
    Array(ArrayRef),
    /// Objects, each in the widest type of its kind.
    Values(Vec<Value>),
}

impl RemoteColumn {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        match self {
            Self::Array(array) => array.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// So many rows from one on, as many as there are.
    fn slice(&self, from: usize, rows: usize) -> Self {
        let from = from.min(self.rows());
        let rows = rows.min(self.rows() - from);
        match self {
            Self::Array(array) => Self::Array(array.slice(from, rows)),
            Self::Values(values) => Self::Values(values.iter().skip(from).take(rows).cloned().collect()),
        }
    }

    fn packed(self) -> Result<v1::Values, String> {
        match self {
            Self::Array(array) => {
                let data_type = transform::declarable(array.data_type()).unwrap_or(Scalar::String.into());
                Ok(packed_array(&array.read(data_type)?, data_type))
            }
            Self::Values(values) => packed_objects(values),
        }
    }
}

/// So many rows of columns from one on, by the names of the columns.
pub(super) fn packed_rows(
    columns: &[(String, RemoteColumn)],
    from: usize,
    rows: usize,
) -> Result<HashMap<String, v1::Values>, ProjectError> {
    let mut packed = HashMap::with_capacity(columns.len());
    for (name, column) in columns {
        let values = column.slice(from, rows).packed();
        let values = values.map_err(|why| ServerError::MisfitColumn { column: name.clone(), why })?;
        packed.insert(name.clone(), values);
    }
    Ok(packed)
}

fn packed_array(array: &ArrayRef, data_type: DataType) -> v1::Values {
    let values = (0..array.len()).map(|row| transform::value_at(array, row, data_type));
    pack(&values.collect::<Vec<_>>(), data_type)
}

/// Objects: lists, and floats that are decimals to whoever wrote them, as JSON.
fn packed_objects(values: Vec<Value>) -> Result<v1::Values, String> {
    let is_list = values.iter().any(|value| matches!(value, Value::List(_)));
    let is_float = values.iter().any(|value| matches!(value, Value::Float64(_)));
    let is_decimal = |value: &Value| match value {
        Value::Null | Value::Int64(_) => true,
        // JSON has a text for others, which would be a value of a text column.
        Value::Float64(x) => x.is_finite(),
        _ => false,
    };
    if is_list || is_float && values.iter().all(is_decimal) {
        return in_json(&values);
    }
    let scalar = match values.iter().find(|value| !value.is_null()) {
        Some(Value::Bool(_)) => Scalar::Bool,
        Some(Value::Int64(_)) if !is_float => Scalar::Int64,
        Some(Value::Int64(_) | Value::Float64(_)) => Scalar::Float64,
        Some(Value::Bytes(_)) => Scalar::Bytes,
        Some(Value::Timestamp(_)) => Scalar::Timestamp,
        _ => Scalar::String,
    };
    let array = match scalar {
        // JSON has texts for what is none, such as bytes and times.
        Scalar::String => values.read(scalar.into())?,
        _ => {
            let json = values.iter().map(|value| serde_json::to_value(AsJson(value)));
            json.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?.read(scalar.into())?
        }
    };
    Ok(packed_array(&array, scalar.into()))
}

/// Values of any type as JSON.
pub(super) fn in_json(values: &[Value]) -> Result<v1::Values, String> {
    let texts = values.iter().map(|value| serde_json::to_string(&AsJson(value)));
    let texts = texts.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok(v1::Values { nulls: nulls(values), kind: Some(Kind::Json(Strings { values: texts })) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::UInt64Array;

    use super::*;

    fn packed(values: &[Value]) -> Result<Kind, String> {
        Ok(RemoteColumn::Values(values.to_vec()).packed()?.kind.unwrap())
    }

    #[test]
    fn objects_of_one_type_go_in_it_and_decimals_and_lists_as_json() {
        let text = |text: &str| Value::String(text.into());
        assert!(matches!(packed(&[Value::Null, text("a")]), Ok(Kind::Strings(_))));
        assert!(matches!(packed(&[Value::Int64(7)]), Ok(Kind::Int64s(_))));
        // Not as the text that JSON has for it, which a column of texts would take.
        assert!(matches!(packed(&[Value::Float64(f64::NAN)]), Ok(Kind::Float64s(_))));
        assert!(
            packed(&[text("a"), Value::Float64(f64::NAN)])
                .unwrap_err()
                .contains("a string is needed (row 2)")
        );
        let json = |values: &[Value]| match packed(values) {
            Ok(Kind::Json(texts)) => texts.values,
            other => panic!("{other:?}"),
        };
        assert_eq!(json(&[Value::Int64(1), Value::Float64(0.1), Value::Null]), ["1", "0.1", "null"]);
        assert_eq!(json(&[Value::List([Value::Int64(1), Value::Null].into())]), ["[1,null]"]);
    }

    #[test]
    fn arrow_data_that_no_type_holds_is_named_by_its_column() {
        let array = RemoteColumn::Array(Arc::new(UInt64Array::from(vec![1, u64::MAX])));
        let error = packed_rows(&[("id".to_owned(), array)], 0, 2).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("the column `id` holds 18446744073709551615, where"), "{said}");
        assert_eq!(error.advice(), feature::Advice::Correct);
    }
}
