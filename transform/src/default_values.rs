//! Law 3 on columns: what replaces null.

use arrow::array::{Array, ArrayRef, BooleanArray, Scalar};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::zip::zip;
use arrow::error::ArrowError;
use feature::{DataType, Value};

use crate::arrow_types::array_of;

/// One feature of an on-demand view for the rows of a batch.
#[derive(Clone, Debug)]
pub struct ComputedColumn {
    /// Its values as those who read it get them, the feature's default instead of null: an array of
    /// [`arrow_type`](crate::arrow_type) of its type.
    pub values: ArrayRef,
    /// Where the expression gave null, which the status tells.
    pub nulls: Option<NullBuffer>,
    /// Whether the feature has a default.
    pub has_default: bool,
}

impl ComputedColumn {
    /// What an expression gave, of a feature that may have a default.
    pub fn new(
        given: ArrayRef,
        default: Option<&Value>,
        data_type: DataType,
    ) -> Result<ComputedColumn, ArrowError> {
        let nulls = given.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let values = match (default, &nulls) {
            (Some(default), Some(nulls)) => {
                let is_null = BooleanArray::new(!nulls.inner(), None);
                with_default(&given, &is_null, default, data_type)?
            }
            _ => given,
        };
        Ok(ComputedColumn { values, nulls, has_default: default.is_some() })
    }

    /// The rows that have the default instead of null.
    pub fn filled(&self) -> BooleanArray {
        match &self.nulls {
            Some(nulls) if self.has_default => BooleanArray::new(!nulls.inner(), None),
            _ => BooleanArray::from(vec![false; self.values.len()]),
        }
    }
}

/// The array with a default in these rows: those in which the entity is known, its row alive and the value
/// null.
pub fn with_default(
    values: &ArrayRef,
    rows: &BooleanArray,
    default: &Value,
    data_type: DataType,
) -> Result<ArrayRef, ArrowError> {
    if rows.true_count() == 0 {
        return Ok(values.clone());
    }
    zip(rows, &Scalar::new(array_of([default], data_type)), values)
}
