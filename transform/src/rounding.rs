//! `round` and `trunc` of a finite float are finite: DataFusion multiplies by a power of ten, which may lie beyond the
//! range of the float.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Float32Type, Float64Type, Int64Type};
use datafusion::common::{DFSchema, Result, exec_datafusion_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Digits after the point beyond which no double has any.
const MOST_DIGITS: usize = 1_100;

/// A call of `round` or `trunc` of a float, whose types are resolved, that gives finite floats for finite ones; any
/// other expression as it is.
pub(crate) fn finite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let Expr::ScalarFunction(call) = &expr else { return Ok(expr) };
    let is_cut = match call.func.name() {
        "round" => false,
        "trunc" => true,
        _ => return Ok(expr),
    };
    let Some(ArrowType::Float32 | ArrowType::Float64) =
        call.args.first().map(|one| one.get_type(schema)).transpose()?
    else {
        return Ok(expr);
    };
    let signature = Signature::variadic_any(Volatility::Immutable);
    let rounding = FiniteRounding { inner: Arc::clone(&call.func), is_cut, signature };
    Ok(ScalarUDF::from(rounding).call(call.args.clone()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FiniteRounding {
    inner: Arc<ScalarUDF>,
    /// Whether digits are cut off, and not rounded.
    is_cut: bool,
    signature: Signature,
}

impl ScalarUDFImpl for FiniteRounding {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        match types {
            [float, ..] => Ok(float.clone()),
            [] => internal_err!("{} takes a number", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (given, rows) = (args.args.clone(), args.number_rows);
        let rounded = self.inner.invoke_with_args(args)?;
        let found = rounded.to_array(rows)?;
        if is_finite(&found) {
            return Ok(rounded);
        }
        // Without a number of decimals nothing is multiplied.
        let [float, decimals] = given.as_slice() else { return Ok(rounded) };
        let float = float.to_array(found.len())?;
        let decimals = cast(&decimals.to_array(found.len())?, &ArrowType::Int64)?;
        self.repaired(&found, &float, &decimals).map(ColumnarValue::Array)
    }
}

impl FiniteRounding {
    /// The values that were found, those that are not finite computed by their digits.
    fn repaired(&self, found: &ArrayRef, float: &ArrayRef, decimals: &ArrayRef) -> Result<ArrayRef> {
        let decimals = decimals.as_primitive::<Int64Type>();
        let is_single = *float.data_type() == ArrowType::Float32;
        macro_rules! each {
            ($kind:ident, $array:ident, $native:ty) => {{
                let (found, float) = (found.as_primitive::<$kind>(), float.as_primitive::<$kind>());
                let value = |row: usize| -> Result<Option<$native>> {
                    if found.is_null(row) {
                        return Ok(None);
                    }
                    let (found, float) = (found.value(row), float.value(row));
                    if found.is_finite() || !float.is_finite() {
                        return Ok(Some(if float.is_finite() { found } else { float }));
                    }
                    let digits = self.digits(float.into(), decimals.value(row), is_single);
                    let value = digits.and_then(|digits| digits.parse::<$native>().ok());
                    match value.filter(|value| value.is_finite()) {
                        Some(value) => Ok(Some(value)),
                        None => Err(exec_datafusion_err!(
                            "{} of {float} gives a number that is beyond the range of its type",
                            self.name()
                        )),
                    }
                };
                let values: $array = (0..found.len()).map(value).collect::<Result<_>>()?;
                Ok(Arc::new(values) as ArrayRef)
            }};
        }
        match is_single {
            true => each!(Float32Type, Float32Array, f32),
            false => each!(Float64Type, Float64Array, f64),
        }
    }

    /// The digits of a number with so many decimals; if less than none, with so many zeros before the point. `None` if
    /// they name a number beyond the range.
    fn digits(&self, float: f64, decimals: i64, is_single: bool) -> Option<String> {
        let Ok(decimals) = usize::try_from(decimals) else {
            // A power of ten that is more than twice the largest number leaves nothing of any.
            let largest_power = if is_single { 38 } else { 308 };
            let zero = if float.is_sign_negative() { "-0" } else { "0" };
            return (self.is_cut || decimals < -largest_power).then(|| zero.to_owned());
        };
        let decimals = decimals.min(MOST_DIGITS);
        if !self.is_cut {
            return Some(format!("{float:.decimals$}"));
        }
        let mut digits = format!("{float:.MOST_DIGITS$}");
        digits.truncate(digits.len() - (MOST_DIGITS - decimals));
        Some(digits)
    }
}

fn is_finite(floats: &ArrayRef) -> bool {
    match floats.data_type() {
        ArrowType::Float32 => floats.as_primitive::<Float32Type>().iter().flatten().all(f32::is_finite),
        ArrowType::Float64 => floats.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite),
        _ => true,
    }
}
