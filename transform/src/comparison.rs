//! Conversions that DataFusion makes and nobody means: a text is never compared with a number, nor given instead of
//! one, as `'10' < 9` is true or false by which of them becomes the other, a number is no time without its unit, and a
//! condition is a bool.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

/// Functions whose arguments all get one type.
const ONE_TYPE: [&str; 6] = ["nullif", "greatest", "least", "coalesce", "nvl", "nvl2"];

/// Refuses an expression with such a conversion anywhere in it.
pub(crate) fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    check_casts(expr, schema)?;
    expr.apply(|expr| {
        match expr {
            Expr::BinaryExpr(binary) if is_comparison(binary.op) => {
                pair(&binary.left, &binary.right, schema)?;
            }
            Expr::Between(between) => {
                pair(&between.expr, &between.low, schema)?;
                pair(&between.expr, &between.high, schema)?;
            }
            Expr::InList(list) => {
                list.list.iter().try_for_each(|item| pair(&list.expr, item, schema))?;
            }
            Expr::Case(case) => {
                case.when_then_expr.iter().try_for_each(|(when, _)| match &case.expr {
                    Some(operand) => pair(operand, when, schema),
                    None => condition(when, schema),
                })?;
                let given = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
                alike("CASE", given.map(AsRef::as_ref), schema)?;
            }
            // The first of `nvl2` only decides which of the others is given, and yet all three get one type.
            Expr::ScalarFunction(call) if ONE_TYPE.contains(&call.func.name()) => {
                alike(call.func.name(), call.args.iter(), schema)?;
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Refuses a cast of a number to a time anywhere in an expression, also one that resolved types have put there.
/// DataFusion takes an integer as seconds and a float as microseconds.
pub(crate) fn check_casts(expr: &Expr, schema: &DFSchema) -> Result<()> {
    expr.apply(|expr| {
        let (argument, to) = match expr {
            Expr::Cast(cast) => (&cast.expr, cast.field.data_type()),
            Expr::TryCast(cast) => (&cast.expr, cast.field.data_type()),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        // What has no type yet is refused when types are resolved.
        match argument.get_type(schema) {
            Ok(found)
                if matches!(to, DataType::Timestamp(..))
                    && (found.is_numeric() || found == DataType::Boolean) =>
            {
                plan_err!(
                    "{found} is cast to a timestamp, and has no unit: write to_timestamp_seconds(…), \
                     to_timestamp_millis(…), to_timestamp_micros(…) or to_timestamp_nanos(…)"
                )
            }
            _ => Ok(TreeNodeRecursion::Continue),
        }
    })?;
    Ok(())
}

/// Whether an operator compares its operands.
pub(crate) fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn pair(left: &Expr, right: &Expr, schema: &DFSchema) -> Result<()> {
    // What has no type yet is refused when types are resolved.
    let (Ok(a), Ok(b)) = (left.get_type(schema), right.get_type(schema)) else {
        return Ok(());
    };
    if a.is_string() && b.is_numeric() || a.is_numeric() && b.is_string() {
        return plan_err!("a comparison of {a} with {b}, add a cast to one of them");
    }
    Ok(())
}

/// Refuses texts beside numbers among what one of is given or compared.
fn alike<'a>(name: &str, operands: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> Result<()> {
    let types: Vec<DataType> = operands.filter_map(|one| one.get_type(schema).ok()).collect();
    let text = types.iter().find(|found| found.is_string());
    let number = types.iter().find(|found| found.is_numeric());
    match text.zip(number) {
        Some((text, number)) => {
            plan_err!("{name} has {text} beside {number}, add a cast to one of them")
        }
        None => Ok(()),
    }
}

fn condition(when: &Expr, schema: &DFSchema) -> Result<()> {
    match when.get_type(schema) {
        Ok(found) if !matches!(found, DataType::Boolean | DataType::Null) => {
            plan_err!("a CASE without an operand takes a condition after WHEN, not {found}")
        }
        _ => Ok(()),
    }
}
