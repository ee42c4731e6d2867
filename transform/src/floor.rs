//! Functions of our own: a time in another unit, towards minus infinity, where Arrow's cast goes towards 1970. A time
//! that no row may have fails its row: one that were moved to the farthest there is would give a wrong difference.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, TimestampMillisecondArray, TimestampSecondArray};
use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use feature::Micros;

use crate::arrow_types::UTC;
use crate::{one_argument, widen};

static MICROS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Floor::function(TimeUnit::Microsecond));
static MILLIS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Floor::function(TimeUnit::Millisecond));
static SECONDS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Floor::function(TimeUnit::Second));

/// The time that an expression gives, in UTC microseconds.
pub(crate) fn micros(expr: Expr) -> Expr {
    MICROS.call(vec![expr])
}

/// The time that an expression gives, in a unit no finer than microseconds.
pub(crate) fn to(unit: TimeUnit, expr: Expr) -> Expr {
    match unit {
        TimeUnit::Second => SECONDS.call(vec![expr]),
        TimeUnit::Millisecond => MILLIS.call(vec![expr]),
        TimeUnit::Microsecond | TimeUnit::Nanosecond => micros(expr),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Floor {
    unit: TimeUnit,
    signature: Signature,
}

impl Floor {
    fn function(unit: TimeUnit) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(Floor { unit, signature: Signature::any(1, Volatility::Immutable) }))
    }
}

impl ScalarUDFImpl for Floor {
    fn name(&self) -> &str {
        match self.unit {
            TimeUnit::Second => "whole_seconds",
            TimeUnit::Millisecond => "millis",
            TimeUnit::Microsecond | TimeUnit::Nanosecond => "micros",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        match types {
            // A time without a zone is one of UTC.
            [ArrowType::Timestamp(_, zone)] => {
                Ok(ArrowType::Timestamp(self.unit, zone.clone().or_else(|| Some(UTC.into()))))
            }
            _ => internal_err!("{} takes one time", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ArrowType::Timestamp(_, zone) = args.return_type().clone() else {
            return internal_err!("{} gives a time", self.name());
        };
        let floor = |array: &ArrayRef| -> Result<ArrayRef> {
            let micros = widen::moments(array);
            if let Some(error) = micros.iter().flatten().find_map(|at| Micros::new(at).err()) {
                return exec_err!("{error}");
            }
            Ok(match self.unit {
                TimeUnit::Second => {
                    let seconds: TimestampSecondArray = micros.unary(|at| at.div_euclid(1_000_000));
                    Arc::new(seconds.with_timezone_opt(zone.clone()))
                }
                TimeUnit::Millisecond => {
                    let millis: TimestampMillisecondArray = micros.unary(|at| at.div_euclid(1_000));
                    Arc::new(millis.with_timezone_opt(zone.clone()))
                }
                TimeUnit::Microsecond | TimeUnit::Nanosecond => {
                    Arc::new(micros.with_timezone_opt(zone.clone()))
                }
            })
        };
        one_argument::apply(&args, floor)
    }
}
