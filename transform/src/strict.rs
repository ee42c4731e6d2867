//! From SQL to a physical expression that never answers wrongly in silence: integers that overflow
//! fail, finite numbers never become infinities in a cast, times are moments in microseconds throughout, and constants
//! are computed once.
//!
//! DataFusion's logical simplifier is not used: it may drop an operand that would have failed.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Schema, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{BinaryExpr as BinaryOperands, Cast, Expr, ExprSchemable, Operator, TryCast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias};

use crate::arrow_types::UTC;
use crate::physical::{SESSION, context, physical, value};
use crate::{
    by_zone, comparison, durations, finite, floor, mixed_numbers, never_works, rounding, time_calls, zeros,
    zone_offsets, zones,
};

/// A physical expression.
pub(crate) struct Compiled {
    pub(crate) physical: Arc<dyn PhysicalExpr>,
    /// Whether it computes integers beside singles, which earlier releases made singles, as doubles.
    pub(crate) has_mixed_numbers: bool,
    /// Why some call in it can give nothing whatever a row holds, for its constants.
    pub(crate) never_works: Option<String>,
}

/// The physical expression over batches of `schema`.
pub(crate) fn compile(sql: SqlExpr, schema: &Schema) -> Result<Compiled> {
    let schema = Arc::new(DFSchema::try_from(schema.clone())?);
    let context = context(&schema);
    let sql = ExprWithAlias { expr: sql, alias: None };
    let expr = SESSION.create_logical_expr_from_sql_expr(sql, &schema)?;
    comparison::check(&expr, &schema)?;
    zones::check(&expr)?;
    let expr = expr.transform_up(|expr| moments_in_micros(expr, &schema))?.data;
    let expr = expr.transform_up(|expr| durations::compared(expr, &schema))?.data;
    let doubled = expr.transform_up(|expr| mixed_numbers::as_doubles(expr, &schema))?;
    let (expr, has_mixed_numbers) = (doubled.data, doubled.transformed);
    let expr = ExprSimplifier::new(context.clone()).coerce(expr, &schema)?;
    comparison::check_casts(&expr, &schema)?;
    let expr = expr.transform_up(|expr| casts_to_moments(expr, &schema))?.data;
    let expr = expr.transform_up(|expr| by_zone::of_all_times(expr, &schema))?.data;
    let expr = expr.transform_up(|expr| zeros::equal(expr, &schema))?.data;
    let expr = expr.transform_up(|expr| rounding::finite(expr, &schema).map(Transformed::yes))?.data;
    let expr = expr.transform_up(|expr| finite::cast(expr, &schema).map(Transformed::yes))?.data;
    let expr = expr.transform_up(|expr| lazily(expr, &context))?.data;
    let expr = expr.transform_up(constant)?.data;
    let never_works = never_works::reason(&expr, &schema)?;
    Ok(Compiled { physical: physical(&expr, &schema)?, has_mixed_numbers, never_works })
}

/// Whether some part of the expression is computed only for the rows that reach it.
pub(crate) fn is_lazy(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let is_lazy = |expr: &Arc<dyn PhysicalExpr>| {
        let op = expr.downcast_ref::<BinaryExpr>().map(BinaryExpr::op);
        Ok(expr.is::<CaseExpr>() || matches!(op, Some(Operator::And | Operator::Or)))
    };
    expr.exists(is_lazy).unwrap_or(true)
}

const MICROS: TimeUnit = TimeUnit::Microsecond;

/// Every time in an expression is a moment: one that DataFusion's functions, casts and sums give without a zone, in
/// seconds, milliseconds or nanoseconds, is of UTC and in microseconds, towards minus infinity.
fn moments_in_micros(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let expr = time_calls::meant(expr, schema)?.data;
    let expr = moved_dates(expr, schema);
    match &expr {
        Expr::ScalarFunction(_) | Expr::BinaryExpr(_) => match expr.get_type(schema) {
            Ok(ArrowType::Timestamp(unit, zone)) if unit != MICROS || zone.is_none() => {
                Ok(Transformed::yes(floor::micros(expr)))
            }
            _ => Ok(Transformed::no(expr)),
        },
        _ => casts_to_moments(expr, schema),
    }
}

/// A date beside an interval is its midnight: DataFusion gives a date again, and drops the hours of the interval.
fn moved_dates(expr: Expr, schema: &DFSchema) -> Expr {
    let Expr::BinaryExpr(BinaryOperands { left, op: op @ (Operator::Plus | Operator::Minus), right }) = expr
    else {
        return expr;
    };
    let type_of = |one: &Expr| one.get_type(schema).unwrap_or(ArrowType::Null);
    let types = (type_of(&left), type_of(&right));
    let moment = |date: Box<Expr>| {
        let to = ArrowType::Timestamp(MICROS, Some(UTC.into()));
        Box::new(Expr::Cast(Cast::new(date, to)))
    };
    let (left, right) = match types {
        (ArrowType::Date32 | ArrowType::Date64, ArrowType::Interval(_)) => (moment(left), right),
        (ArrowType::Interval(_), ArrowType::Date32 | ArrowType::Date64) => (left, moment(right)),
        _ => (left, right),
    };
    Expr::BinaryExpr(BinaryOperands::new(left, op, right))
}

/// A cast to a time gives a moment. One to a time of another zone, as `AT TIME ZONE` is, changes how a clock shows it:
/// what has no zone is read as UTC first, and not as what a clock of that zone shows.
fn casts_to_moments(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (argument, to, is_try) = match &expr {
        Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
        Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
        _ => return Ok(Transformed::no(expr)),
    };
    let ArrowType::Timestamp(_, zone) = to else { return Ok(Transformed::no(expr)) };
    let cast = |one: Box<Expr>, zone: Arc<str>| {
        let to = ArrowType::Timestamp(MICROS, Some(zone));
        if is_try { Expr::TryCast(TryCast::new(one, to)) } else { Expr::Cast(Cast::new(one, to)) }
    };
    let utc = || Arc::from(UTC);
    Ok(Transformed::yes(match zone.clone().filter(|zone| !zone_offsets::is_utc(Some(zone))) {
        None => cast(argument.clone(), utc()),
        Some(zone) => match argument.get_type(schema) {
            Ok(ArrowType::Timestamp(_, Some(_))) => cast(argument.clone(), zone),
            _ => cast(Box::new(cast(argument.clone(), utc())), zone),
        },
    }))
}

/// `coalesce` and its like run only as the CASE that they stand for.
fn lazily(expr: Expr, context: &SimplifyContext) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarFunction(mut call) if matches!(call.func.name(), "coalesce" | "nvl" | "nvl2") => {
            match call.func.simplify(call.args, context)? {
                ExprSimplifyResult::Simplified(expr) => Ok(Transformed::yes(expr)),
                ExprSimplifyResult::Original(args) => {
                    call.args = args;
                    Ok(Transformed::no(Expr::ScalarFunction(call)))
                }
            }
        }
        other => Ok(Transformed::no(other)),
    }
}

/// What reads no column is computed here; where that fails it stays, to fail the rows that reach it.
fn constant(expr: Expr) -> Result<Transformed<Expr>> {
    if matches!(expr, Expr::Literal(..)) || !expr.column_refs().is_empty() {
        return Ok(Transformed::no(expr));
    }
    Ok(match value(&expr) {
        Ok(value) => Transformed::yes(Expr::Literal(value, None)),
        Err(_) => Transformed::no(expr),
    })
}
