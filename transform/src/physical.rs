//! Logical expressions made physical and constants evaluated, over the allowed functions: sums, differences and
//! products fail where DataFusion would wrap around.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatchOptions;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::execution::context::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions::core::planner::CoreFunctionPlanner;
use datafusion::functions::datetime::planner::DatetimeFunctionPlanner;
use datafusion::functions::unicode::planner::UnicodeFunctionPlanner;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{ColumnarValue, Expr, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal, NegativeExpr};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::prelude::SessionConfig;

use crate::functions;

/// Holds the allowed functions and nothing else: no table, no aggregate, no window function.
pub(crate) static SESSION: LazyLock<SessionState> = LazyLock::new(|| {
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

pub(crate) fn context(schema: &Arc<DFSchema>) -> SimplifyContext {
    let builder = SimplifyContext::builder().with_schema(Arc::clone(schema));
    builder.with_config_options(Arc::clone(SESSION.config_options())).build()
}

/// The value of an expression that reads no column.
pub(crate) fn evaluated(expr: &Expr) -> Result<ScalarValue> {
    let schema = Arc::new(DFSchema::empty());
    let expr = ExprSimplifier::new(context(&schema)).coerce(expr.clone(), &schema)?;
    value(&expr)
}

pub(crate) fn physical(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    let expr = create_physical_expr(expr, schema, SESSION.execution_props(), &Default::default())?;
    Ok(expr.transform_up(|expr| checked(expr, schema.as_arrow()))?.data)
}

pub(crate) fn value(expr: &Expr) -> Result<ScalarValue> {
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
