//! How durations and intervals are compared: by their length in microseconds.
//!
//! The difference of two times is a duration, and `INTERVAL '1 day'` an interval of months, days and
//! nanoseconds. Arrow orders intervals part by part, so that 181 days, which are all nanoseconds, come
//! before one day. So whatever is compared becomes a duration first; an interval with months has no one
//! length, and no order among durations.

use arrow::datatypes::{DataType as ArrowType, IntervalMonthDayNanoType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, ExprSchemable, Operator, when};

use crate::{comparison, physical};

const DURATION: ArrowType = ArrowType::Duration(TimeUnit::Microsecond);
const DAY: i64 = 86_400_000_000;

/// An expression that compares, with its durations and intervals made durations. To be applied from
/// the leaves up.
// Not a part of the recursion's own frames, which are many where an expression is deep.
#[inline(never)]
pub(crate) fn compared(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if comparison::is_comparison(op) => {
            let (is_changed, [left, right]) = lengths([*left, *right], schema)?;
            let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
            Ok(marked(expr, is_changed))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let (is_changed, [expr, low, high]) = lengths([*expr, *low, *high], schema)?;
            let between = Between::new(Box::new(expr), negated, Box::new(low), Box::new(high));
            Ok(marked(Expr::Between(between), is_changed))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let all = std::iter::once(*expr).chain(list).collect();
            let (is_changed, all) = lengths_of(all, schema)?;
            let mut all = all.into_iter();
            let expr = Box::new(all.next().expect("invariant: as many operands come back as went in"));
            Ok(marked(Expr::InList(InList::new(expr, all.collect(), negated)), is_changed))
        }
        Expr::Case(Case { expr: Some(operand), when_then_expr, else_expr }) => {
            let (whens, thens): (Vec<_>, Vec<_>) = when_then_expr.into_iter().unzip();
            let all = std::iter::once(*operand).chain(whens.into_iter().map(|when| *when)).collect();
            let (is_changed, all) = lengths_of(all, schema)?;
            let mut all = all.into_iter();
            let operand =
                Some(Box::new(all.next().expect("invariant: as many operands come back as went in")));
            let branches = all.map(Box::new).zip(thens).collect();
            Ok(marked(Expr::Case(Case::new(operand, branches, else_expr)), is_changed))
        }
        Expr::ScalarFunction(mut call) if matches!(call.func.name(), "greatest" | "least" | "nullif") => {
            let (is_changed, args) = lengths_of(call.args, schema)?;
            call.args = args;
            Ok(marked(Expr::ScalarFunction(call), is_changed))
        }
        // One of these is given: intervals alone stay what they are, as they may be added to a time.
        Expr::ScalarFunction(mut call) if matches!(call.func.name(), "coalesce" | "nvl" | "nvl2") => {
            let first_given = usize::from(call.func.name() == "nvl2");
            let given = call.args.split_off(first_given.min(call.args.len()));
            if !given.iter().any(|one| is_duration(one, schema)) {
                call.args.extend(given);
                return Ok(Transformed::no(Expr::ScalarFunction(call)));
            }
            let (_, given) = lengths_of(given, schema)?;
            // DataFusion's own `nvl` and `nvl2` take no durations.
            Ok(Transformed::yes(match call.args.pop() {
                None => coalesce(given),
                Some(looked_at) => {
                    let [then, otherwise] = <[Expr; 2]>::try_from(given)
                        .map_err(|_| plan_datafusion_err!("nvl2 takes three arguments"))?;
                    when(looked_at.is_not_null(), then).otherwise(otherwise)?
                }
            }))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_duration(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(ArrowType::Duration(_)))
}

fn marked(expr: Expr, is_changed: bool) -> Transformed<Expr> {
    if is_changed { Transformed::yes(expr) } else { Transformed::no(expr) }
}

fn lengths<const N: usize>(operands: [Expr; N], schema: &DFSchema) -> Result<(bool, [Expr; N])> {
    let (is_changed, operands) = lengths_of(operands.into(), schema)?;
    match operands.try_into() {
        Ok(operands) => Ok((is_changed, operands)),
        Err(_) => plan_err!("a comparison has another number of operands"),
    }
}

/// What is compared with each other, as durations where any of it is a duration or an interval.
fn lengths_of(operands: Vec<Expr>, schema: &DFSchema) -> Result<(bool, Vec<Expr>)> {
    // What has no type yet is refused when types are resolved.
    let types: Vec<_> = operands.iter().map(|one| one.get_type(schema).unwrap_or(ArrowType::Null)).collect();
    if !types.iter().any(is_length) {
        return Ok((false, operands));
    }
    if let Some(other) = types.iter().find(|one| !is_length(one) && **one != ArrowType::Null) {
        return plan_err!(
            "a duration is compared with {other}: write the other side as an interval, as in INTERVAL '1 day'"
        );
    }
    Ok((true, operands.into_iter().map(|one| length(one, schema)).collect::<Result<_>>()?))
}

fn is_length(found: &ArrowType) -> bool {
    matches!(found, ArrowType::Duration(_) | ArrowType::Interval(_))
}

/// The duration that an expression is, or that its interval lasts.
fn length(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match expr.get_type(schema) {
        Ok(ArrowType::Duration(TimeUnit::Microsecond)) => Ok(expr),
        Ok(ArrowType::Duration(_)) => Ok(Expr::Cast(Cast::new(Box::new(expr), DURATION))),
        Ok(ArrowType::Interval(_)) if expr.column_refs().is_empty() => {
            let micros = micros(&physical::evaluated(&expr)?)?;
            Ok(Expr::Literal(ScalarValue::DurationMicrosecond(micros), None))
        }
        Ok(ArrowType::Interval(_)) => length_of_parts(expr, schema),
        _ => Ok(expr),
    }
}

/// The duration of an interval that is computed row by row: its parts must have a length each.
fn length_of_parts(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let boxed = |one: Box<Expr>| length(*one, schema).map(Box::new);
    Ok(match expr {
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            let branches = when_then_expr.into_iter().map(|(when, then)| Ok((when, boxed(then)?)));
            Expr::Case(Case::new(expr, branches.collect::<Result<_>>()?, else_expr.map(boxed).transpose()?))
        }
        Expr::ScalarFunction(mut call) if matches!(call.func.name(), "coalesce" | "nvl" | "nvl2") => {
            // The first argument of `nvl2` is only looked at, whether it is null.
            call.args = call.args.into_iter().map(|one| length(one, schema)).collect::<Result<_>>()?;
            Expr::ScalarFunction(call)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) => {
            Expr::BinaryExpr(BinaryExpr::new(boxed(left)?, op, boxed(right)?))
        }
        Expr::Negative(one) => {
            let zero = Expr::Literal(ScalarValue::DurationMicrosecond(Some(0)), None);
            Expr::BinaryExpr(BinaryExpr::new(Box::new(zero), Operator::Minus, boxed(one)?))
        }
        Expr::Cast(cast) if matches!(cast.expr.get_type(schema), Ok(ArrowType::Duration(_))) => {
            length(*cast.expr, schema)?
        }
        _ => {
            return plan_err!(
                "an interval that is read from a column has no length that is known here: compare times, or \
                 write the interval out, as in INTERVAL '1 day'"
            );
        }
    })
}

/// The months, days and nanoseconds of a constant interval; `None` for null.
pub(crate) fn interval_parts(interval: &ScalarValue) -> Option<(i32, i32, i64)> {
    match interval {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => {
            Some(IntervalMonthDayNanoType::to_parts(*interval))
        }
        ScalarValue::IntervalYearMonth(Some(months)) => Some((*months, 0, 0)),
        ScalarValue::IntervalDayTime(Some(interval)) => {
            Some((0, interval.days, i64::from(interval.milliseconds) * 1_000_000))
        }
        _ => None,
    }
}

/// How long a constant interval lasts.
fn micros(interval: &ScalarValue) -> Result<Option<i64>> {
    let Some((months, days, nanos)) = interval_parts(interval) else { return Ok(None) };
    if months != 0 {
        return plan_err!(
            "an interval with months or years has no one length: write it in days, or add it to a time and \
             compare times, as in `a > b + INTERVAL '1 month'`"
        );
    }
    if nanos % 1_000 != 0 {
        return plan_err!("an interval is compared that has parts of a microsecond, which no time has");
    }
    Ok(Some(i64::from(days) * DAY + nanos / 1_000))
}
