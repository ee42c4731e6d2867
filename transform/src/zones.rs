//! Time zones in an expression exist: one that does not is refused before any row is read.

use arrow::array::timezone::Tz;
use arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::Expr;

/// Refuses an expression with a time zone that nobody knows anywhere in it.
pub(crate) fn check(expr: &Expr) -> Result<()> {
    expr.apply(|expr| {
        if let Expr::ScalarFunction(call) = expr
            && call.name() == "from_unixtime"
            && let Some(Expr::Literal(zone, _)) = call.args.get(1)
            && let Some(Some(zone)) = zone.try_as_str()
        {
            known(zone)?;
        }
        let to = match expr {
            Expr::Cast(cast) => cast.field.data_type(),
            Expr::TryCast(cast) => cast.field.data_type(),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        if let ArrowType::Timestamp(_, Some(zone)) = to {
            known(zone)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn known(zone: &str) -> Result<()> {
    match zone.parse::<Tz>() {
        Ok(_) => Ok(()),
        Err(_) => plan_err!(
            "the time zone `{zone}` is unknown: write the name of one, as in 'America/New_York', or an \
             offset, as in '+02:00'"
        ),
    }
}
