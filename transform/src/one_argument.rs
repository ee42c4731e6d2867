//! What functions of our own share: each takes one argument, a column or a constant.

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

/// What such a function gives, by what it makes of a column.
pub(crate) fn apply(
    args: &ScalarFunctionArgs,
    function: impl FnOnce(&ArrayRef) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    match args.args.as_slice() {
        [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(function(array)?)),
        [ColumnarValue::Scalar(value)] => {
            let array = function(&value.to_array()?)?;
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
        }
        _ => internal_err!("the function takes one argument"),
    }
}
