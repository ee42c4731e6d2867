//! A function of our own: a number of seconds as a float, where it names a time that `to_timestamp` can give.
//! DataFusion takes NaN as 1970 and numbers beyond its range as the ends of it.

use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType as ArrowType;
use datafusion::common::cast::as_float64_array;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::one_argument;

static CHECKED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(FloatSeconds { signature: Signature::any(1, Volatility::Immutable) }))
});

/// What an expression gives, as float64; rows fail where it is not the seconds of a time.
pub(crate) fn checked(expr: Expr) -> Expr {
    CHECKED.call(vec![expr])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FloatSeconds {
    signature: Signature,
}

impl ScalarUDFImpl for FloatSeconds {
    fn name(&self) -> &str {
        "float_seconds"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(ArrowType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        one_argument::apply(&args, check)
    }
}

fn check(array: &ArrayRef) -> Result<ArrayRef> {
    let array = cast(array, &ArrowType::Float64)?;
    let seconds = as_float64_array(&array)?;
    // The range of nanoseconds in 64 bits, which `to_timestamp` goes by.
    let is_time = |seconds: f64| (-(2_f64.powi(63))..2_f64.powi(63)).contains(&(seconds * 1e9));
    let other = seconds.iter().flatten().find(|seconds| !is_time(*seconds));
    match other {
        Some(seconds) => {
            exec_err!("the seconds since 1970 of no time of the years 1677 to 2262: {seconds}")
        }
        None => Ok(array),
    }
}
