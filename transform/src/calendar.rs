//! `date_trunc` and `date_bin` of all times that there are: DataFusion counts nanoseconds, which end in 1677 and 2262,
//! and gives a null for a bin that it cannot compute.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType as ArrowType, Field, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use feature::Micros;
use jiff::civil::{DateTime, date};
use jiff::{SignedDuration, Span};

use crate::arrow_types::UTC;
use crate::durations::interval_parts;
use crate::one_argument;
use crate::zone_offsets::{TABLES_END, ZoneOffsets, is_fixed};

/// After so many microseconds, 400 years, days have the same dates, and are the same days of a week.
const ERA: i64 = 146_097 * DAY;
const DAY: i64 = 86_400_000_000;
/// The times that DataFusion can count in nanoseconds, less a year on either side.
const COUNTED: std::ops::RangeInclusive<i64> = i64::MIN / 1_000 + 366 * DAY..=i64::MAX / 1_000 - 366 * DAY;
/// The era of 400 years into which others are moved: 1800 to 2199.
const FIRST_OF_ERA: i64 = -62_091 * DAY;

static BIN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(DateBin { signature: Signature::variadic_any(Volatility::Immutable) }))
});

/// The time of a row cut to a part of a date, as by `date_trunc`, whose arguments these are.
pub(crate) fn trunc(inner: Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
    ScalarUDF::from(DateTrunc { inner, signature: Signature::any(2, Volatility::Immutable) }).call(args)
}

/// The start of the bin of a row's time, as by `date_bin`: a stride, a time, and the start of some bin.
pub(crate) fn bin(args: Vec<Expr>) -> Expr {
    BIN.call(args)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        "date_trunc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        match types {
            [_, time @ ArrowType::Timestamp(..)] => Ok(time.clone()),
            _ => plan_err!("function 'date_trunc' takes a part of a date and a time"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [_, time] = args.args.as_slice() else {
            return exec_err!("date_trunc takes a part of a date and a time");
        };
        let given = match time {
            ColumnarValue::Array(times) => Arc::clone(times),
            ColumnarValue::Scalar(time) => time.to_array()?,
        };
        let ArrowType::Timestamp(_, zone) = given.data_type().clone() else {
            return exec_err!("date_trunc takes a time");
        };
        let utc = given.as_primitive::<TimestampMicrosecondType>();
        let is_fixed = is_fixed(zone.as_deref());
        let is_counted = |at: i64| COUNTED.contains(&at) && (is_fixed || at < TABLES_END);
        if utc.iter().flatten().all(is_counted) {
            return self.inner.invoke_with_args(args);
        }
        let offsets = ZoneOffsets::of(zone.as_deref().unwrap_or(UTC))?;
        // What clocks show at times that are not counted.
        let far = utc.iter().map(|at| at.filter(|at| !is_counted(*at)));
        let local = far.map(|at| at.map(|at| Ok(at + offsets.at(at)?)).transpose());
        let local: TimestampMicrosecondArray = local.collect::<Result<_>>()?;
        let eras = |at: i64| (at - FIRST_OF_ERA).div_euclid(ERA) * ERA;
        let only = |counted: bool, times: &TimestampMicrosecondArray, move_by: fn(i64, i64) -> i64| {
            let each = utc.iter().zip(times.iter()).map(|(at, time)| {
                at.filter(|at| is_counted(*at) == counted)?;
                time.map(|time| move_by(time, eras(time)))
            });
            each.collect::<TimestampMicrosecondArray>()
        };
        let near = only(true, utc, |at, _| at).with_timezone_opt(zone.clone());
        let near = self.truncated(&args, Arc::new(near))?;
        let far = self.truncated(&args, Arc::new(only(false, &local, |at, eras| at - eras)))?;
        let near = near.as_primitive::<TimestampMicrosecondType>().iter();
        let far = far.as_primitive::<TimestampMicrosecondType>().iter();
        let back = far.zip(local.iter()).zip(utc.iter()).map(|((far, local), utc)| {
            let moment = far.zip(local).zip(utc);
            moment.map(|((far, local), utc)| offsets.moment_of(far + eras(local), utc)).transpose()
        });
        let all = near.zip(back).map(|(near, far)| Ok(near.or(far?)));
        let all: TimestampMicrosecondArray = all.collect::<Result<_>>()?;
        let all: ArrayRef = Arc::new(all.with_timezone_opt(zone));
        match time {
            ColumnarValue::Scalar(_) => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&all, 0)?)),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(all)),
        }
    }
}

impl DateTrunc {
    /// What DataFusion gives for times that it can count.
    fn truncated(&self, args: &ScalarFunctionArgs, times: ArrayRef) -> Result<ArrayRef> {
        let [part, ..] = args.args.as_slice() else { return exec_err!("date_trunc takes a part of a date") };
        let rows = times.len();
        called(&self.inner, vec![part.clone(), ColumnarValue::Array(times)], args)?.into_array(rows)
    }
}

/// What a function of DataFusion gives whose last argument is an array of times.
fn called(
    function: &ScalarUDF,
    args: Vec<ColumnarValue>,
    like: &ScalarFunctionArgs,
) -> Result<ColumnarValue> {
    let field = |data_type: ArrowType| Arc::new(Field::new("time", data_type, true));
    let types: Vec<ArrowType> = args.iter().map(ColumnarValue::data_type).collect();
    let Some(ArrowType::Timestamp(unit, zone)) = types.last().cloned() else {
        return exec_err!("{} takes a time", function.name());
    };
    let number_rows = match args.last() {
        Some(ColumnarValue::Array(times)) => times.len(),
        _ => like.number_rows,
    };
    function.invoke_with_args(ScalarFunctionArgs {
        arg_fields: types.into_iter().map(field).collect(),
        args,
        number_rows,
        return_field: field(ArrowType::Timestamp(unit, zone)),
        config_options: Arc::clone(&like.config_options),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateBin {
    signature: Signature,
}

/// How long a bin is.
#[derive(Clone, Copy)]
enum Stride {
    Nanos(i128),
    Months(i64),
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        "date_bin"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        let is_time = |one: &ArrowType| matches!(one, ArrowType::Timestamp(TimeUnit::Microsecond, _));
        match types {
            [ArrowType::Interval(_) | ArrowType::Null, time, origin @ ..]
                if is_time(time) && origin.len() < 2 && origin.iter().all(is_time) =>
            {
                Ok(time.clone())
            }
            _ => plan_err!(
                "function 'date_bin' takes an interval, a time and the start of some bin, as in date_bin(INTERVAL '15 minutes', …)"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [stride, time, origin @ ..] = args.args.as_slice() else {
            return exec_err!("date_bin takes an interval and a time");
        };
        let ColumnarValue::Scalar(stride) = stride else {
            return exec_err!("the interval of date_bin is a constant");
        };
        let origin = match origin.first() {
            None => Some(0),
            Some(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(origin, _))) => *origin,
            Some(_) => return exec_err!("the start of a bin of date_bin is a constant"),
        };
        let (Some(stride), Some(origin)) = (stride_of(stride)?, origin) else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_type())?));
        };
        let only_time = ScalarFunctionArgs { args: vec![time.clone()], ..args };
        one_argument::apply(&only_time, |array| {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            let bins = times.iter().map(|at| at.map(|at| bin_of(stride, at, origin)).transpose());
            let bins: TimestampMicrosecondArray = bins.collect::<Result<_>>()?;
            let ArrowType::Timestamp(_, zone) = array.data_type() else {
                return exec_err!("date_bin takes a time");
            };
            Ok(Arc::new(bins.with_timezone_opt(zone.clone().or_else(|| Some(UTC.into())))))
        })
    }
}

/// How long bins are; `None` for null.
fn stride_of(interval: &ScalarValue) -> Result<Option<Stride>> {
    let Some((months, days, nanos)) = interval_parts(interval) else { return Ok(None) };
    match (months, i128::from(days) * i128::from(DAY) * 1_000 + i128::from(nanos)) {
        (0, nanos) if nanos > 0 => Ok(Some(Stride::Nanos(nanos))),
        (months, 0) if months > 0 => Ok(Some(Stride::Months(months.into()))),
        _ => exec_err!(
            "the interval of date_bin is longer than zero, and has months or days and times, not both"
        ),
    }
}

/// The start of the bin that a time is in, where some bin starts at `origin`.
fn bin_of(stride: Stride, at: i64, origin: i64) -> Result<i64> {
    let bin = match stride {
        Stride::Nanos(stride) => {
            let since = (i128::from(at) - i128::from(origin)) * 1_000;
            let start = i128::from(origin) * 1_000 + since.div_euclid(stride) * stride;
            i64::try_from(start.div_euclid(1_000)).ok()
        }
        Stride::Months(stride) => bin_of_months(stride, at, origin),
    };
    let bin = bin.filter(|bin| Micros::new(*bin).is_ok());
    bin.ok_or_else(|| exec_datafusion_err!("the bin of a time starts outside the years 0001 to 9999"))
}

fn bin_of_months(stride: i64, at: i64, origin: i64) -> Option<i64> {
    let (at, origin) = (date_time(at)?, date_time(origin)?);
    let months = |one: DateTime| i64::from(one.year()) * 12 + i64::from(one.month());
    let before = (months(at) - months(origin)).div_euclid(stride) * stride;
    let start = |months: i64| origin.checked_add(Span::new().try_months(months).ok()?).ok();
    let bin = start(before)?;
    // Later in its month than the time is.
    let bin = if bin > at { start(before - stride)? } else { bin };
    i64::try_from(bin.duration_since(EPOCH).as_micros()).ok()
}

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

fn date_time(micros: i64) -> Option<DateTime> {
    EPOCH.checked_add(SignedDuration::from_micros(micros)).ok()
}
