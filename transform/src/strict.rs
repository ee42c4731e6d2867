//! From SQL to a physical expression that never answers wrongly in silence: integers that overflow
//! fail, times are microseconds throughout, and constants are computed once.
//!
//! DataFusion's logical simplifier is passed by: it may drop an operand that would have failed.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatchOptions;
use arrow::datatypes::{DataType as ArrowType, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::execution::context::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions::core::planner::CoreFunctionPlanner;
use datafusion::functions::datetime::planner::DatetimeFunctionPlanner;
use datafusion::functions::unicode::planner::UnicodeFunctionPlanner;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Cast, ColumnarValue, Expr, ExprSchemable, Operator, TryCast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, Literal, NegativeExpr};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias};

use crate::{comparison, durations, floor, functions, zones};

/// Holds the allowed functions and nothing else: no table, no aggregate, no window function.
static SESSION: LazyLock<SessionState> = LazyLock::new(|| {
    let mut options = ConfigOptions::new();
    options.sql_parser.map_string_types_to_utf8view = false;
    SessionStateBuilder::new()
        .with_config(SessionConfig::from(options))
        .with_scalar_functions(functions::allowed())
        .with_expr_planners(vec![
            Arc::new(CoreFunctionPlanner::default()),
            Arc::new(DatetimeFunctionPlanner),
            Arc::new(UnicodeFunctionPlanner),
        ])
        .build()
});

/// The physical expression over batches of `schema`.
pub(crate) fn compile(sql: SqlExpr, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = Arc::new(DFSchema::try_from(schema.clone())?);
    let context = context(&schema);
    let sql = ExprWithAlias { expr: sql, alias: None };
    let expr = SESSION.create_logical_expr_from_sql_expr(sql, &schema)?;
    comparison::check(&expr, &schema)?;
    zones::check(&expr)?;
    let expr = expr.transform_up(|expr| moments_in_micros(expr, &schema))?.data;
    let expr = expr.transform_up(|expr| durations::compared(expr, &schema))?.data;
    let expr = ExprSimplifier::new(context.clone()).coerce(expr, &schema)?;
    let expr = expr.transform_up(casts_in_micros)?.data;
    let expr = expr.transform_up(|expr| lazily(expr, &context))?.data;
    let expr = expr.transform_up(constant)?.data;
    physical(&expr, &schema)
}

fn context(schema: &Arc<DFSchema>) -> SimplifyContext {
    let builder = SimplifyContext::builder().with_schema(Arc::clone(schema));
    builder.with_config_options(Arc::clone(SESSION.config_options())).build()
}

/// The value of an expression that reads no column.
pub(crate) fn evaluated(expr: &Expr) -> Result<ScalarValue> {
    let schema = Arc::new(DFSchema::empty());
    let expr = ExprSimplifier::new(context(&schema)).coerce(expr.clone(), &schema)?;
    value(&expr)
}

/// Whether some part of the expression is computed only for the rows that reach it.
pub(crate) fn is_lazy(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let is_lazy = |expr: &Arc<dyn PhysicalExpr>| {
        let op = expr.downcast_ref::<BinaryExpr>().map(BinaryExpr::op);
        Ok(expr.is::<CaseExpr>() || matches!(op, Some(Operator::And | Operator::Or)))
    };
    expr.exists(is_lazy).unwrap_or(true)
}

fn physical(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    let expr = create_physical_expr(expr, schema, SESSION.execution_props(), &Default::default())?;
    Ok(expr.transform_up(|expr| checked(expr, schema.as_arrow()))?.data)
}

const MICROS: TimeUnit = TimeUnit::Microsecond;

/// DataFusion's functions give times in seconds, milliseconds or nanoseconds; ours are microseconds,
/// towards minus infinity.
fn moments_in_micros(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
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

fn value(expr: &Expr) -> Result<ScalarValue> {
    let constant = physical(expr, &DFSchema::empty())?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
    match constant.evaluate(&row)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
    }
}

/// Sums, differences, products and negations fail where DataFusion would wrap around.
fn checked(expr: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return Ok(match binary.op() {
            Operator::Plus | Operator::Minus | Operator::Multiply => {
                Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true)))
            }
            _ => Transformed::no(expr),
        });
    }
    if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
        let data_type = negative.arg().data_type(schema)?;
        if data_type.is_integer() {
            let zero = Arc::new(Literal::new(ScalarValue::new_zero(&data_type)?));
            let difference = BinaryExpr::new(zero, Operator::Minus, Arc::clone(negative.arg()));
            return Ok(Transformed::yes(Arc::new(difference.with_fail_on_overflow(true))));
        }
    }
    Ok(Transformed::no(expr))
}
