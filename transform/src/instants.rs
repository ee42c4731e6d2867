//! A function of our own: the moment that a number of seconds, milliseconds, microseconds or nanoseconds since 1970
//! is. DataFusion cuts a float, which is hardly ever the decimal that was meant, takes NaN as 1970 and numbers beyond
//! its range as the ends of it. A number that is no time says which unit it looks like.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Float64Type, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use feature::Micros;

use crate::arrow_types::{UTC, arrow_type};
use crate::one_argument;

/// The unit of a number, and what is finer than it is to be cut to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Count {
    /// Seconds with a fraction, of the years that nanoseconds reach: `to_timestamp`.
    Fractions,
    /// Whole units.
    Whole(TimeUnit),
}

impl Count {
    /// The unit's name, and how many nanoseconds it has.
    fn unit(self) -> (&'static str, i128) {
        match self {
            Count::Fractions | Count::Whole(TimeUnit::Second) => ("seconds", 1_000_000_000),
            Count::Whole(TimeUnit::Millisecond) => ("milliseconds", 1_000_000),
            Count::Whole(TimeUnit::Microsecond) => ("microseconds", 1_000),
            Count::Whole(TimeUnit::Nanosecond) => ("nanoseconds", 1),
        }
    }
}

/// The moment that a number is.
pub(crate) fn moment(count: Count, number: Expr) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(Instant { count, signature }).call(vec![number])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Instant {
    count: Count,
    signature: Signature,
}

impl ScalarUDFImpl for Instant {
    fn name(&self) -> &str {
        "moment"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(arrow_type(feature::Scalar::Timestamp.into()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        one_argument::apply(&args, |array| self.moments(array))
    }
}

impl Instant {
    fn moments(&self, numbers: &ArrayRef) -> Result<ArrayRef> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let moments: TimestampMicrosecondArray = if numbers.data_type().is_floating() {
            let numbers = cast_with_options(numbers, &ArrowType::Float64, &options)?;
            let numbers = numbers.as_primitive::<Float64Type>().iter();
            numbers
                .map(|number| number.map(|number| self.of_float(number)).transpose())
                .collect::<Result<_>>()?
        } else {
            let numbers = cast_with_options(numbers, &ArrowType::Int64, &options)?;
            let numbers = numbers.as_primitive::<Int64Type>().iter();
            numbers
                .map(|number| number.map(|number| self.of_integer(number)).transpose())
                .collect::<Result<_>>()?
        };
        Ok(Arc::new(moments.with_timezone(UTC)))
    }

    fn of_integer(&self, number: i64) -> Result<i64> {
        let (_, nanos) = self.count.unit();
        let nanos = i128::from(number) * nanos;
        self.of_nanos(nanos).ok_or_else(|| self.no_time(&number, number as f64))
    }

    /// The float is rounded to a microsecond, or to the unit where that is finer, and cut to the unit after that.
    fn of_float(&self, number: f64) -> Result<i64> {
        let (_, nanos) = self.count.unit();
        let finest = nanos.min(1_000);
        let rounded = (number * (nanos / finest) as f64).round_ties_even();
        // No time has more, whatever the unit.
        let fits = rounded.abs() < 1e20;
        let moment = fits.then(|| self.of_nanos(rounded as i128 * finest)).flatten();
        moment.ok_or_else(|| self.no_time(&number, number))
    }

    /// The microseconds, cut to the unit, towards minus infinity; `None` if no row may have that time.
    fn of_nanos(&self, nanos: i128) -> Option<i64> {
        let (_, unit) = self.count.unit();
        let cut = match self.count {
            Count::Fractions => {
                i64::try_from(nanos).ok()?;
                nanos
            }
            Count::Whole(_) => nanos.div_euclid(unit) * unit,
        };
        let micros = i64::try_from(cut.div_euclid(1_000)).ok()?;
        Micros::new(micros).is_ok().then_some(micros)
    }

    fn no_time(&self, shown: &dyn std::fmt::Display, number: f64) -> DataFusionError {
        let (unit, _) = self.count.unit();
        let years = if self.count == Count::Fractions { "1677 to 2262" } else { "0001 to 9999" };
        let meant = self.likely(number);
        exec_datafusion_err!("the {unit} since 1970 of no time of the years {years}: {shown}{meant}")
    }

    /// The finer unit in which the number is a time of these decades.
    fn likely(&self, number: f64) -> String {
        // 1990 to 2099, in microseconds.
        const DECADES: std::ops::Range<f64> = 631_152_000e6..4_102_444_800e6;
        let (_, nanos) = self.count.unit();
        let finer = [(1_000_000, "millis"), (1_000, "micros"), (1, "nanos")];
        let found = finer.into_iter().filter(|(unit, _)| *unit < nanos).find_map(|(unit, name)| {
            let micros = number * unit as f64 / 1_000.0;
            let moment = DECADES.contains(&micros).then(|| Micros::new(micros as i64).ok()).flatten()?;
            Some(format!(", which to_timestamp_{name} reads as {moment}"))
        });
        found.unwrap_or_default()
    }
}
