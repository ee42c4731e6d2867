//! Floats are equal wherever they are compared for equality as they are by `=`: -0.0 is 0, and a NaN is a NaN. `IN`,
//! `CASE x WHEN` and `nullif` of DataFusion look at their bits.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::cmp;
use arrow::compute::nullif;
use arrow::datatypes::{DataType as ArrowType, Float32Type, Float64Type};
use datafusion::common::tree_node::Transformed;
use datafusion::common::utils::{normalize_float_zero, take_function_args};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    Case, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::one_argument;

static COMPARED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(Compared { signature: Signature::any(1, Volatility::Immutable) }))
});
static NULLIF: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(FloatNullif { signature: Signature::any(2, Volatility::Immutable) }))
});

/// An expression that looks for equal floats, whose types are resolved, so that equal ones are found.
// Not a part of the recursion's own frames, which are many where an expression is deep.
#[inline(never)]
pub(crate) fn equal(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_float = |one: &Expr| is_float(one, schema);
    Ok(match expr {
        Expr::InList(InList { expr, list, negated }) if is_float(&expr) => {
            let list = list.into_iter().map(compared).collect();
            Transformed::yes(Expr::InList(InList::new(Box::new(compared(*expr)), list, negated)))
        }
        Expr::Case(Case { expr: Some(operand), when_then_expr, else_expr }) if is_float(&operand) => {
            let whens = when_then_expr.into_iter().map(|(when, then)| (Box::new(compared(*when)), then));
            Transformed::yes(Expr::Case(Case::new(
                Some(Box::new(compared(*operand))),
                whens.collect(),
                else_expr,
            )))
        }
        Expr::ScalarFunction(call)
            if call.func.name() == "nullif" && call.args.len() == 2 && call.args.iter().all(is_float) =>
        {
            Transformed::yes(NULLIF.call(call.args))
        }
        other => Transformed::no(other),
    })
}

fn is_float(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(ArrowType::Float32 | ArrowType::Float64))
}

fn compared(expr: Expr) -> Expr {
    COMPARED.call(vec![expr])
}

/// Floats with one zero and one NaN.
fn with_one_zero(floats: &ArrayRef) -> ArrayRef {
    let floats = normalize_float_zero(floats);
    match floats.data_type() {
        ArrowType::Float32 => {
            let floats = floats.as_primitive::<Float32Type>();
            Arc::new(floats.unary::<_, Float32Type>(|x| if x.is_nan() { f32::NAN } else { x }))
        }
        ArrowType::Float64 => {
            let floats = floats.as_primitive::<Float64Type>();
            Arc::new(floats.unary::<_, Float64Type>(|x| if x.is_nan() { f64::NAN } else { x }))
        }
        _ => floats,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Compared {
    signature: Signature,
}

impl ScalarUDFImpl for Compared {
    fn name(&self) -> &str {
        "compared"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        match types {
            [one] => Ok(one.clone()),
            _ => internal_err!("the function takes one argument"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        one_argument::apply(&args, |array| Ok(with_one_zero(array)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FloatNullif {
    signature: Signature,
}

impl ScalarUDFImpl for FloatNullif {
    fn name(&self) -> &str {
        "nullif"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        match types {
            [first, _] => Ok(first.clone()),
            _ => internal_err!("nullif takes two arguments"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [first, second] = take_function_args(self.name(), arrays)?;
        let equal = cmp::eq(&with_one_zero(&first), &with_one_zero(&second))?;
        // What is compared with null is not equal to it.
        let equal = match equal.nulls() {
            Some(nulls) => BooleanArray::new(equal.values() & nulls.inner(), None),
            None => equal,
        };
        Ok(ColumnarValue::Array(nullif(&first, &equal)?))
    }
}
