//! Calls of `to_timestamp` and its like: what is finer than the unit that they give is cut towards minus infinity, where
//! DataFusion cuts towards 1970 and so gives a later time for one before it. A time that needs no conversion gets none,
//! so that it may lie beyond the range of nanoseconds.

use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::{float_seconds, floor, functions};

/// A call whose argument is cut first; any other expression as it is.
pub(crate) fn floored(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = expr else { return Ok(Transformed::no(expr)) };
    let Some(unit) = unit_of(call.func.name()) else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    let ScalarFunction { func, mut args } = call;
    let Some(first) = args.first_mut() else {
        return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })));
    };
    // What has no type yet is refused when types are resolved.
    let found = first.get_type(schema).unwrap_or(ArrowType::Null);
    match &found {
        ArrowType::Float32 | ArrowType::Float64 if func.name() == "to_timestamp" => {
            *first = float_seconds::checked(std::mem::take(first));
        }
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

/// Whether a clock of this zone shows UTC.
fn is_utc(zone: Option<&str>) -> bool {
    matches!(zone, None | Some("UTC" | "+00:00" | "Z"))
}
