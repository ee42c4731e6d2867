//! `date_part` of a duration: how many whole units it lasts, towards zero, and as `epoch` its seconds with their
//! fraction. DataFusion drops the fraction, and counts in 32 bits before it says so.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, Int64Array};
use arrow::datatypes::{DataType as ArrowType, DurationMicrosecondType, Float64Type, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::one_argument;

const DURATION: ArrowType = ArrowType::Duration(TimeUnit::Microsecond);

/// The parts that a duration has, by the names that other times have for them, and the microseconds of one.
const UNITS: [(&str, &[&str], i64); 7] = [
    ("week", &["week", "weeks", "w"], 604_800_000_000),
    ("day", &["day", "days", "d"], 86_400_000_000),
    ("hour", &["hour", "hours", "hr", "hrs", "h"], 3_600_000_000),
    ("minute", &["minute", "minutes", "min", "mins", "m"], 60_000_000),
    ("second", &["second", "seconds", "sec", "secs", "s"], 1_000_000),
    ("millisecond", &["millisecond", "milliseconds", "msec", "msecs", "msecond", "mseconds", "ms"], 1_000),
    ("microsecond", &["microsecond", "microseconds", "usec", "usecs", "usecond", "useconds", "us"], 1),
];
const NANOSECONDS: [&str; 3] = ["nanosecond", "nanoseconds", "ns"];

/// The part of a duration that a constant names.
pub(crate) fn of(part: &Expr, duration: Expr) -> Result<Expr> {
    let named = match part {
        Expr::Literal(part, _) => part.try_as_str().flatten(),
        _ => None,
    };
    let Some(named) = named else {
        return plan_err!("the part of a duration is a constant, as in date_part('epoch', …)");
    };
    let wanted = named.trim_matches(['\'', '"']).to_lowercase();
    let part = match wanted.as_str() {
        "epoch" => Part::Epoch,
        name if NANOSECONDS.contains(&name) => Part::Nanoseconds,
        name => match UNITS.iter().find(|(_, names, _)| names.contains(&name)) {
            Some((name, _, micros)) => Part::Whole { name, micros: *micros },
            None => {
                return plan_err!(
                    "a duration has no part '{named}': take epoch, its seconds, or week, day, hour, minute, second, millisecond, microsecond or nanosecond, of which it counts the whole ones"
                );
            }
        },
    };
    let duration = Expr::Cast(Cast::new(Box::new(duration), DURATION));
    let signature = Signature::any(1, Volatility::Immutable);
    Ok(ScalarUDF::from(DurationPart { part, signature }).call(vec![duration]))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// Its seconds, with their fraction.
    Epoch,
    /// How many whole units it lasts.
    Whole { name: &'static str, micros: i64 },
    /// Its nanoseconds, which do not fit 32 bits.
    Nanoseconds,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DurationPart {
    part: Part,
    signature: Signature,
}

impl ScalarUDFImpl for DurationPart {
    fn name(&self) -> &str {
        "date_part"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(match self.part {
            Part::Epoch => ArrowType::Float64,
            Part::Whole { .. } => ArrowType::Int32,
            Part::Nanoseconds => ArrowType::Int64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        one_argument::apply(&args, |array| self.of(array))
    }
}

impl DurationPart {
    fn of(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let micros = array.as_primitive::<DurationMicrosecondType>();
        Ok(match self.part {
            Part::Epoch => Arc::new(micros.unary::<_, Float64Type>(|micros| {
                // Of as many microseconds as a double has one division is the nearest double.
                micros as f64 / 1e6
            }) as Float64Array),
            Part::Whole { name, micros: unit } => {
                let whole =
                    |lasts: i64| i32::try_from(lasts / unit).map_err(|_| too_many(lasts / unit, name, "32"));
                let values: Int32Array =
                    micros.iter().map(|lasts| lasts.map(whole).transpose()).collect::<Result<_>>()?;
                Arc::new(values)
            }
            Part::Nanoseconds => {
                let nanos =
                    |lasts: i64| lasts.checked_mul(1_000).ok_or_else(|| too_many(lasts, "microsecond", "64"));
                let values: Int64Array =
                    micros.iter().map(|lasts| lasts.map(nanos).transpose()).collect::<Result<_>>()?;
                Arc::new(values)
            }
        })
    }
}

fn too_many(count: i64, unit: &str, bits: &str) -> datafusion::error::DataFusionError {
    exec_datafusion_err!(
        "a duration of {count} {unit}s does not fit {bits} bits: take its seconds, as in date_part('epoch', …)"
    )
}
