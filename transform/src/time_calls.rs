//! Calls of functions of time, as functions of our own where DataFusion's differ from what is documented: numbers are
//! rounded to the microsecond, what is finer than a unit is cut towards minus infinity (DataFusion cuts towards 1970,
//! and so gives a later time for one before it), and parts and bins are of all times that a row may have.

use arrow::datatypes::{DataType as ArrowType, IntervalUnit, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};
use feature::Scalar;

use crate::arrow_types::arrow_type;
use crate::instants::{self, Count};
use crate::zone_offsets::is_utc;
use crate::{calendar, duration_parts, floor, functions};

/// A call of a function of time as what it stands for; any other expression as it is.
// Not a part of the recursion's own frames, which are many where an expression is deep.
#[inline(never)]
pub(crate) fn meant(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = expr else { return Ok(Transformed::no(expr)) };
    // What has no type yet is refused when types are resolved.
    let type_of =
        |arg: Option<&Expr>| arg.and_then(|arg| arg.get_type(schema).ok()).unwrap_or(ArrowType::Null);
    let ScalarFunction { func, mut args } = call;
    match (func.name(), args.len()) {
        ("date_trunc", 2) if is_time(&type_of(args.get(1))) => {
            let time = args.pop().into_iter().map(|time| in_micros(time, &type_of));
            let args = args.into_iter().chain(time).collect();
            Ok(Transformed::yes(calendar::trunc(func, args)))
        }
        ("date_bin", 2 | 3) if args.iter().skip(1).all(|arg| is_time(&type_of(Some(arg)))) => {
            let stride = args.remove(0);
            let stride = match type_of(Some(&stride)).is_string() {
                true => cast(stride, ArrowType::Interval(IntervalUnit::MonthDayNano)),
                false => stride,
            };
            let times = args.into_iter().map(|time| in_micros(time, &type_of));
            Ok(Transformed::yes(calendar::bin(std::iter::once(stride).chain(times).collect())))
        }
        ("date_part", 2) if matches!(type_of(args.get(1)), ArrowType::Duration(_)) => {
            let duration = args.remove(1);
            Ok(Transformed::yes(duration_parts::of(&args.remove(0), duration)?))
        }
        ("from_unixtime", 1) if type_of(args.first()).is_integer() => {
            Ok(Transformed::yes(instants::moment(Count::Whole(TimeUnit::Second), args.remove(0))))
        }
        ("from_unixtime", 2) if type_of(args.first()).is_integer() => {
            let seconds = args.remove(0);
            Ok(match &args[..] {
                [Expr::Literal(zone, _)] if zone.try_as_str().flatten().is_some() => {
                    let zone = zone.try_as_str().flatten().map(Into::into);
                    let moment = instants::moment(Count::Whole(TimeUnit::Second), seconds);
                    Transformed::yes(cast(moment, ArrowType::Timestamp(TimeUnit::Microsecond, zone)))
                }
                _ => {
                    args.insert(0, seconds);
                    Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))
                }
            })
        }
        (name, _) => match unit_of(name) {
            Some(unit) => {
                let found = type_of(args.first());
                read_as(unit, &found, ScalarFunction { func, args })
            }
            None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
        },
    }
}

/// `to_timestamp`, one of its like, or `to_unixtime`, of an argument of this type.
fn read_as(unit: TimeUnit, found: &ArrowType, call: ScalarFunction) -> Result<Transformed<Expr>> {
    let ScalarFunction { func, mut args } = call;
    let is_number = found.is_integer() || found.is_floating();
    if is_number && args.len() == 1 && func.name() != "to_unixtime" {
        let count = if func.name() == "to_timestamp" { Count::Fractions } else { Count::Whole(unit) };
        return Ok(Transformed::yes(instants::moment(count, args.remove(0))));
    }
    let Some(first) = args.first_mut() else {
        return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })));
    };
    match found {
        number if number.is_floating() || number.is_decimal() => {
            if func.name() != "to_timestamp"
                && let Some(floor) = functions::named("floor")
            {
                *first = floor.call(vec![std::mem::take(first)]);
            }
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, zone)
            if is_utc(zone.as_deref()) && unit >= TimeUnit::Microsecond =>
        {
            return Ok(Transformed::yes(std::mem::take(first)));
        }
        ArrowType::Timestamp(..) if unit < TimeUnit::Microsecond => {
            *first = floor::to(unit, std::mem::take(first));
        }
        text if text.is_string() && unit < TimeUnit::Nanosecond => {
            if let Some(nanos) = functions::named("to_timestamp_nanos") {
                args = vec![floor::to(unit, nanos.call(std::mem::take(&mut args)))];
            }
        }
        _ => return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
    }
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
}

/// Whether DataFusion takes values of a type as times where it needs one.
fn is_time(found: &ArrowType) -> bool {
    found.is_string() || matches!(found, ArrowType::Date32 | ArrowType::Date64 | ArrowType::Timestamp(..))
}

/// A time, or a text or date that is taken as one, in microseconds.
fn in_micros(time: Expr, type_of: &impl Fn(Option<&Expr>) -> ArrowType) -> Expr {
    match type_of(Some(&time)) {
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => time,
        _ => cast(time, arrow_type(Scalar::Timestamp.into())),
    }
}

fn cast(expr: Expr, to: ArrowType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}

/// The unit of what a function gives.
fn unit_of(function: &str) -> Option<TimeUnit> {
    Some(match function {
        "to_timestamp_seconds" | "to_unixtime" => TimeUnit::Second,
        "to_timestamp_millis" => TimeUnit::Millisecond,
        "to_timestamp_micros" => TimeUnit::Microsecond,
        "to_timestamp" | "to_timestamp_nanos" => TimeUnit::Nanosecond,
        _ => return None,
    })
}
