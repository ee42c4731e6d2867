//! A function of our own: a cast to a float that fails, or with `try_cast` is null, where a finite number is beyond the
//! float's range. Arrow's cast gives an infinity there.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::{DataType as ArrowType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{DFSchema, Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use feature::{DataType, Scalar, limits};

use crate::one_argument;

/// A cast that can give an infinity as one that does not; any other expression as it is.
pub(crate) fn cast(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let (argument, to, is_try) = match &expr {
        Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
        Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
        _ => return Ok(expr),
    };
    if !can_overflow(&argument.get_type(schema)?, to) {
        return Ok(expr);
    }
    let signature = Signature::any(1, Volatility::Immutable);
    let cast = FiniteCast { to: to.clone(), is_try, signature };
    Ok(ScalarUDF::from(cast).call(vec![argument.as_ref().clone()]))
}

/// Whether a finite value of a type can be an infinity in the other.
fn can_overflow(from: &ArrowType, to: &ArrowType) -> bool {
    use ArrowType as A;
    match (from, to) {
        (
            A::List(from) | A::LargeList(from) | A::FixedSizeList(from, _),
            A::List(to) | A::LargeList(to) | A::FixedSizeList(to, _),
        ) => can_overflow(from.data_type(), to.data_type()),
        (A::Float64, A::Float32) => true,
        (A::Utf8 | A::LargeUtf8 | A::Utf8View, A::Float32 | A::Float64) => true,
        (from, A::Float32 | A::Float64) => from.is_decimal(),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FiniteCast {
    to: ArrowType,
    is_try: bool,
    signature: Signature,
}

impl ScalarUDFImpl for FiniteCast {
    fn name(&self) -> &str {
        "cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        one_argument::apply(&args, |array| self.cast(array))
    }
}

impl FiniteCast {
    fn cast(&self, from: &ArrayRef) -> Result<ArrayRef> {
        let options = CastOptions { safe: self.is_try, ..CastOptions::default() };
        // Arrow divides a double by a power of ten and rounds up to three times; a text is rounded once.
        let to = match from.data_type().is_decimal() {
            true => {
                cast_with_options(&cast_with_options(from, &ArrowType::Utf8, &options)?, &self.to, &options)?
            }
            false => cast_with_options(from, &self.to, &options)?,
        };
        let is_beyond = |row: usize| is_beyond(from, &to, row);
        match (0..to.len()).find(|row| is_beyond(*row)) {
            None => Ok(to),
            Some(_) if self.is_try => {
                let beyond: Vec<bool> = (0..to.len()).map(is_beyond).collect();
                Ok(nullif(&to, &BooleanArray::from(beyond))?)
            }
            Some(row) => {
                let shown = ArrayFormatter::try_new(from, &FormatOptions::default())?.value(row).to_string();
                exec_err!("{shown} is not {}", self.described())
            }
        }
    }

    /// The type and its largest number, as a message names them.
    fn described(&self) -> String {
        let item = match &self.to {
            ArrowType::List(item) | ArrowType::LargeList(item) | ArrowType::FixedSizeList(item, _) => {
                item.data_type()
            }
            scalar => scalar,
        };
        let scalar = if *item == ArrowType::Float32 { Scalar::Float32 } else { Scalar::Float64 };
        let kind = if *item == self.to { "" } else { "a list of " };
        format!("{kind}{}{}", DataType::Scalar(scalar), limits(scalar.into()))
    }
}

/// Whether a row was cast to an infinity, or a list with one, and was not one before.
fn is_beyond(from: &dyn Array, to: &dyn Array, row: usize) -> bool {
    if from.is_null(row) || to.is_null(row) {
        return false;
    }
    if let (Some(from), Some(to)) = (items(from, row), items(to, row)) {
        return (0..to.len()).any(|item| is_beyond(&from, &to, item));
    }
    let is_infinite = |array: &dyn Array| match array.data_type() {
        ArrowType::Float32 => array.as_primitive::<Float32Type>().value(row).is_infinite(),
        ArrowType::Float64 => array.as_primitive::<Float64Type>().value(row).is_infinite(),
        // A text without digits is the name of an infinity.
        ArrowType::Utf8 => !has_digit(array.as_string::<i32>().value(row)),
        ArrowType::LargeUtf8 => !has_digit(array.as_string::<i64>().value(row)),
        ArrowType::Utf8View => !has_digit(array.as_string_view().value(row)),
        _ => false,
    };
    is_infinite(to) && !is_infinite(from)
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// The items of a list.
fn items(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    Some(match array.data_type() {
        ArrowType::List(_) => array.as_list::<i32>().value(row),
        ArrowType::LargeList(_) => array.as_list::<i64>().value(row),
        ArrowType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        _ => return None,
    })
}
