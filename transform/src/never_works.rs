//! Calls that give nothing whatever a row holds, for their constants: `to_char(at, '%Q')`, `split_part(a, ',', 0)`.
//! They are found by trying: the call runs on values that nobody would single out, and fails on each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

use crate::arrow_types::UTC;
use crate::error::plain;
use crate::{functions, physical};

/// Functions that read texts by formats.
const READ_BY_FORMAT: [&str; 7] = [
    "to_date",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
];

/// How many values of each type a call is tried on.
const TRIALS: usize = 5;
/// 2013-06-01T12:34:56Z.
const MOMENT: i64 = 1_370_090_096_000_000;

/// Why the first such call of an expression, whose types are resolved and whose constants are computed, gives nothing.
pub(crate) fn reason(expr: &Expr, schema: &DFSchema) -> Result<Option<String>> {
    let mut found = None;
    expr.apply(|expr| {
        found = match expr {
            Expr::ScalarFunction(call) if has_constant(&call.args) => of_call(call, schema),
            Expr::BinaryExpr(binary) if is_regex(binary.op) && is_constant(&binary.right) => {
                let pattern = |_| {
                    let text = Box::new(Expr::Literal(ScalarValue::from(""), None));
                    Some(Expr::BinaryExpr(BinaryExpr::new(text, binary.op, binary.right.clone())))
                };
                always_fails(pattern)
            }
            _ => None,
        };
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether some of what a call is given is a constant, and not all of it.
fn has_constant(args: &[Expr]) -> bool {
    args.iter().any(is_constant) && !args.iter().all(is_constant)
}

fn is_constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

fn is_regex(op: Operator) -> bool {
    use Operator as O;
    matches!(op, O::RegexMatch | O::RegexIMatch | O::RegexNotMatch | O::RegexNotIMatch)
}

fn of_call(call: &ScalarFunction, schema: &DFSchema) -> Option<String> {
    let types: Vec<ArrowType> =
        call.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<_>>().ok()?;
    match call.args.as_slice() {
        [text, formats @ ..] if READ_BY_FORMAT.contains(&call.func.name()) && !is_constant(text) => {
            // What is read of a text without a format depends on the text.
            types.first()?.is_string().then(|| formats.iter().find_map(|format| unreadable(call, format)))?
        }
        args => always_fails(|trial| {
            let arg = |(arg, of): (&Expr, &ArrowType)| match is_constant(arg) {
                true => Some(arg.clone()),
                false => Some(Expr::Literal(sample(of, trial)?, None)),
            };
            let args: Option<Vec<Expr>> = args.iter().zip(&types).map(arg).collect();
            Some(call.func.call(args?))
        })
        .map(|reason| of_format(call, reason)),
    }
}

/// What Arrow says of a format is one word.
fn of_format(call: &ScalarFunction, reason: String) -> String {
    match call.args.as_slice() {
        [_, Expr::Literal(format, _)] if call.func.name() == "to_char" => {
            format!("the format '{}' has a specifier that times do not have", shown(format))
        }
        _ => reason,
    }
}

/// Why a format reads no text, not even one that was written by it.
fn unreadable(call: &ScalarFunction, format: &Expr) -> Option<String> {
    let Expr::Literal(value, _) = format else { return None };
    // A zone is written as an offset, and read as a name.
    let named = ScalarValue::from(value.try_as_str().flatten()?.replace("%Z", "UTC"));
    let moment = ScalarValue::TimestampMicrosecond(Some(MOMENT), Some(UTC.into()));
    let write =
        functions::named("to_char")?.call(vec![Expr::Literal(moment, None), Expr::Literal(named, None)]);
    let is_readable = attempt(&write)
        .is_ok_and(|text| attempt(&call.func.call(vec![Expr::Literal(text, None), format.clone()])).is_ok());
    let why = || {
        format!(
            "no text can be read by the format '{}': it names the year, month and day, or the seconds since 1970",
            shown(value)
        )
    };
    (!is_readable).then(why)
}

fn shown(format: &ScalarValue) -> &str {
    format.try_as_str().flatten().unwrap_or_default()
}

/// Why an expression fails on every trial; `None` if one gives something, or there is nothing to try it on.
fn always_fails(trial: impl Fn(usize) -> Option<Expr>) -> Option<String> {
    let mut first = None;
    for index in 0..TRIALS {
        match attempt(&trial(index)?) {
            Ok(_) => return None,
            Err(reason) => first = first.or(Some(reason)),
        }
    }
    first
}

/// The value of an expression without columns. A kernel that panics is one that fails.
fn attempt(expr: &Expr) -> std::result::Result<ScalarValue, String> {
    match catch_unwind(AssertUnwindSafe(|| physical::evaluated(expr))) {
        Ok(value) => value.map_err(|error| plain(&error)),
        Err(_) => Err("it cannot be computed".to_owned()),
    }
}

/// A value of a type for one of the trials; `None` of a type that is not tried.
fn sample(of: &ArrowType, trial: usize) -> Option<ScalarValue> {
    const NUMBERS: [i8; TRIALS] = [1, 0, 2, 7, 100];
    const TEXTS: [&str; TRIALS] = ["", "a", "1", "2013-06-01", "2013-06-01T12:34:56Z"];
    let number = *NUMBERS.get(trial)?;
    let text = *TEXTS.get(trial)?;
    Some(match of {
        ArrowType::Boolean => ScalarValue::Boolean(Some(trial.is_multiple_of(2))),
        ArrowType::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
        ArrowType::Binary => ScalarValue::Binary(Some(text.as_bytes().to_vec())),
        ArrowType::Date32 => ScalarValue::Date32(Some(15_857)),
        ArrowType::Timestamp(TimeUnit::Microsecond, zone) => {
            ScalarValue::TimestampMicrosecond(Some(MOMENT), zone.clone())
        }
        ArrowType::Duration(TimeUnit::Microsecond) => ScalarValue::DurationMicrosecond(Some(90_000_000)),
        number_type if number_type.is_numeric() => {
            ScalarValue::Int8(Some(number)).cast_to(number_type).ok()?
        }
        _ => return None,
    })
}
