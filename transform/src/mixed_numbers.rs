//! Integers beside singles are computed as doubles: DataFusion would make the integers singles, which have 24 bits for
//! them, so that 16777217 would be 16777216. A constant that a single holds exactly leaves a single what it is, as in
//! `minutes / 60`.

use arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, ExprSchemable, Operator};

use crate::comparison;

/// An expression that has integers beside singles, with both of them as doubles. To be applied from the leaves up.
// Not a part of the recursion's own frames, which are many where an expression is deep.
#[inline(never)]
pub(crate) fn as_doubles(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if computes(op) => {
            doubled(vec![*left, *right], schema).update_data(|sides| {
                let [left, right] = all_of(sides);
                Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
            })
        }
        Expr::Between(Between { expr, negated, low, high }) => doubled(vec![*expr, *low, *high], schema)
            .update_data(|all| {
                let [expr, low, high] = all_of(all);
                Expr::Between(Between::new(Box::new(expr), negated, Box::new(low), Box::new(high)))
            }),
        Expr::InList(InList { expr, list, negated }) => {
            doubled(std::iter::once(*expr).chain(list).collect(), schema).update_data(|mut all| {
                let list = all.split_off(1);
                let [expr] = all_of(all);
                Expr::InList(InList::new(Box::new(expr), list, negated))
            })
        }
        Expr::Case(case) => case_as_doubles(case, schema),
        Expr::ScalarFunction(mut call)
            if matches!(call.func.name(), "greatest" | "least" | "nullif" | "coalesce" | "nvl") =>
        {
            doubled(std::mem::take(&mut call.args), schema).update_data(|args| {
                call.args = args;
                Expr::ScalarFunction(call)
            })
        }
        Expr::ScalarFunction(mut call) if call.func.name() == "nvl2" && call.args.len() == 3 => {
            let given = call.args.split_off(1);
            doubled(given, schema).update_data(|given| {
                call.args.extend(given);
                Expr::ScalarFunction(call)
            })
        }
        other => Transformed::no(other),
    })
}

/// What a CASE gives in its branches has one type, and so has what it compares.
fn case_as_doubles(case: Case, schema: &DFSchema) -> Transformed<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let branches = when_then_expr.len();
    let (whens, thens): (Vec<Expr>, Vec<Expr>) =
        when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
    let has_operand = expr.is_some();
    let compared: Vec<Expr> = expr.into_iter().map(|operand| *operand).chain(whens).collect();
    // Conditions are no numbers.
    let mut compared = if has_operand { doubled(compared, schema) } else { Transformed::no(compared) };
    let given = doubled(thens.into_iter().chain(else_expr.map(|other| *other)).collect(), schema);
    let is_changed = compared.transformed || given.transformed;
    let whens = compared.data.split_off(usize::from(has_operand));
    let operand = compared.data.pop().map(Box::new);
    let mut thens = given.data;
    let other = thens.split_off(branches).pop().map(Box::new);
    let pairs = whens.into_iter().map(Box::new).zip(thens.into_iter().map(Box::new)).collect();
    Transformed::new_transformed(Expr::Case(Case::new(operand, pairs, other)), is_changed)
}

fn all_of<const N: usize>(all: Vec<Expr>) -> [Expr; N] {
    all.try_into().expect("invariant: as many operands come back as went in")
}

/// Whether an operator makes numbers of one type of its operands.
fn computes(op: Operator) -> bool {
    comparison::is_comparison(op)
        || matches!(
            op,
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo
        )
}

/// What is computed together, all numbers of it as doubles where it has integers beside singles.
fn doubled(operands: Vec<Expr>, schema: &DFSchema) -> Transformed<Vec<Expr>> {
    // What has no type yet is refused when types are resolved.
    let types: Vec<ArrowType> =
        operands.iter().map(|one| one.get_type(schema).unwrap_or(ArrowType::Null)).collect();
    let is_single = |found: &ArrowType| matches!(found, ArrowType::Float16 | ArrowType::Float32);
    let needs_double = |(one, found): (&Expr, &ArrowType)| is_wide(found) && !is_exact_single(one);
    if !types.iter().any(is_single) || !operands.iter().zip(&types).any(needs_double) {
        return Transformed::no(operands);
    }
    let double = |(one, found): (Expr, &ArrowType)| match is_single(found) || found.is_integer() {
        true => Expr::Cast(Cast::new(Box::new(one), ArrowType::Float64)),
        false => one,
    };
    Transformed::yes(operands.into_iter().zip(&types).map(double).collect())
}

/// Whether a type has integers that no single is.
fn is_wide(found: &ArrowType) -> bool {
    use ArrowType as A;
    matches!(found, A::Int32 | A::Int64 | A::UInt32 | A::UInt64)
}

/// Whether an expression is an integer that a single is, too.
fn is_exact_single(expr: &Expr) -> bool {
    let is_exact = |value: i128| (value as f32) as i128 == value;
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => is_exact((*value).into()),
        Expr::Literal(ScalarValue::Int32(Some(value)), _) => is_exact((*value).into()),
        Expr::Literal(ScalarValue::UInt64(Some(value)), _) => is_exact((*value).into()),
        Expr::Literal(value, _) => value.is_null(),
        Expr::Negative(value) => is_exact_single(value),
        _ => false,
    }
}
