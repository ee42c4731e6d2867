//! From SQL to a physical expression that never answers wrongly in silence: integers that overflow
//! fail, finite numbers never become infinities in a cast, times are microseconds throughout, and constants are computed
//! once.
//!
//! DataFusion's logical simplifier is not used: it may drop an operand that would have failed.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Schema, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Operator, TryCast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias};

use crate::physical::{SESSION, context, physical, value};
use crate::{comparison, durations, finite, floor, mixed_numbers, time_calls, zones};

/// A physical expression.
pub(crate) struct Compiled {
    pub(crate) physical: Arc<dyn PhysicalExpr>,
    /// Whether it computes integers beside singles, which earlier releases made singles, as doubles.
    pub(crate) has_mixed_numbers: bool,
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
    let expr = expr.transform_up(casts_in_micros)?.data;
    let expr = expr.transform_up(|expr| finite::cast(expr, &schema).map(Transformed::yes))?.data;
    let expr = expr.transform_up(|expr| lazily(expr, &context))?.data;
    let expr = expr.transform_up(constant)?.data;
    Ok(Compiled { physical: physical(&expr, &schema)?, has_mixed_numbers })
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

/// DataFusion's functions give times in seconds, milliseconds or nanoseconds; ours are microseconds,
/// towards minus infinity.
fn moments_in_micros(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let expr = time_calls::floored(expr, schema)?.data;
    match &expr {
        Expr::ScalarFunction(_) => match expr.get_type(schema) {
            Ok(ArrowType::Timestamp(unit, _)) if unit != MICROS => Ok(Transformed::yes(floor::micros(expr))),
            _ => Ok(Transformed::no(expr)),
        },
        _ => casts_in_micros(expr),
    }
}

fn casts_in_micros(expr: Expr) -> Result<Transformed<Expr>> {
    let micros = |to: &ArrowType| match to {
        ArrowType::Timestamp(TimeUnit::Nanosecond, zone) => Some(ArrowType::Timestamp(MICROS, zone.clone())),
        _ => None,
    };
    Ok(match expr {
        Expr::Cast(cast) => match micros(cast.field.data_type()) {
            Some(to) => Transformed::yes(Expr::Cast(Cast::new(cast.expr, to))),
            None => Transformed::no(Expr::Cast(cast)),
        },
        Expr::TryCast(cast) => match micros(cast.field.data_type()) {
            Some(to) => Transformed::yes(Expr::TryCast(TryCast::new(cast.expr, to))),
            None => Transformed::no(Expr::TryCast(cast)),
        },
        other => Transformed::no(other),
    })
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
