//! A function of our own: a time of another unit in microseconds, towards minus infinity, where Arrow's
//! cast goes towards 1970.

use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::{one_argument, widen};

static MICROS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(Micros { signature: Signature::any(1, Volatility::Immutable) }))
});

/// The time that an expression gives, in UTC microseconds.
pub(crate) fn micros(expr: Expr) -> Expr {
    MICROS.call(vec![expr])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Micros {
    signature: Signature,
}

impl ScalarUDFImpl for Micros {
    fn name(&self) -> &str {
        "micros"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        match types {
            [ArrowType::Timestamp(_, zone)] => Ok(ArrowType::Timestamp(TimeUnit::Microsecond, zone.clone())),
            _ => internal_err!("micros takes one time"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ArrowType::Timestamp(_, zone) = args.return_type().clone() else {
            return internal_err!("micros gives a time");
        };
        let micros = |array: &ArrayRef| -> Result<ArrayRef> {
            let micros = widen::moments(array);
            Ok(Arc::new(micros.with_timezone_opt(zone.clone())))
        };
        one_argument::apply(&args, micros)
    }
}
