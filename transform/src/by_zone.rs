//! What the clocks of a time zone show, of all times that there are. DataFusion's functions and casts go by tables that
//! end with 2099, and a text cannot hold the seconds of an old offset: such times are given to them with the offset
//! of their own that is meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, interleave};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::format::DEFAULT_CAST_OPTIONS;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use crate::zone_offsets::{ZoneOffsets, fixed_zone, is_fixed, is_in_tables};

/// Functions of which clocks decide what they give. `date_trunc` has its own law.
const BY_CLOCKS: [&str; 4] = ["date_part", "to_char", "to_date", "to_local_time"];

/// A call or a cast that depends on what clocks of a zone show, of all times; any other expression as it is.
// Not a part of the recursion's own frames, which are many where an expression is deep.
#[inline(never)]
pub(crate) fn of_all_times(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_shown = |one: &Expr| {
        let found = one.get_type(schema).ok();
        let zone = match &found {
            Some(ArrowType::Timestamp(TimeUnit::Microsecond, zone)) => zone.as_deref(),
            _ => return false,
        };
        !is_fixed(zone)
    };
    let (shown, argument) = match &expr {
        Expr::ScalarFunction(call) if BY_CLOCKS.contains(&call.func.name()) => {
            let Some(argument) = call.args.iter().position(is_shown) else {
                return Ok(Transformed::no(expr));
            };
            (Shown::Call(Arc::clone(&call.func)), argument)
        }
        Expr::Cast(cast) if is_clock(cast.field.data_type()) && is_shown(&cast.expr) => {
            (Shown::Cast { to: cast.field.data_type().clone(), is_try: false }, 0)
        }
        Expr::TryCast(cast) if is_clock(cast.field.data_type()) && is_shown(&cast.expr) => {
            (Shown::Cast { to: cast.field.data_type().clone(), is_try: true }, 0)
        }
        _ => return Ok(Transformed::no(expr)),
    };
    let args = match expr {
        Expr::ScalarFunction(call) => call.args,
        Expr::Cast(cast) => vec![*cast.expr],
        Expr::TryCast(cast) => vec![*cast.expr],
        _ => return internal_err!("only a call or a cast shows a time"),
    };
    let signature = Signature::any(args.len(), Volatility::Immutable);
    Ok(Transformed::yes(ScalarUDF::from(ByZone { shown, argument, signature }).call(args)))
}

/// Whether a time as this type is what clocks show, and not only which moment it is.
fn is_clock(to: &ArrowType) -> bool {
    use ArrowType as A;
    to.is_string() || matches!(to, A::Date32 | A::Date64 | A::Time32(_) | A::Time64(_))
}

/// What is made of a time.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Shown {
    Call(Arc<ScalarUDF>),
    Cast { to: ArrowType, is_try: bool },
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ByZone {
    shown: Shown,
    /// Which argument is the time.
    argument: usize,
    signature: Signature,
}

impl ScalarUDFImpl for ByZone {
    fn name(&self) -> &str {
        match &self.shown {
            Shown::Call(function) => function.name(),
            Shown::Cast { .. } => "shown",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[ArrowType]) -> Result<ArrowType> {
        match &self.shown {
            Shown::Call(function) => function.return_type(types),
            Shown::Cast { to, .. } => Ok(to.clone()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match &self.shown {
            Shown::Call(function) => function.return_field_from_args(args),
            Shown::Cast { to, .. } => Ok(Arc::new(Field::new(self.name(), to.clone(), true))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(time) = args.args.get(self.argument).cloned() else {
            return internal_err!("{} takes a time", self.name());
        };
        let ArrowType::Timestamp(TimeUnit::Microsecond, Some(zone)) = time.data_type() else {
            return exec_err!("{} takes a time of a zone", self.name());
        };
        let times = match &time {
            ColumnarValue::Array(times) => Arc::clone(times),
            ColumnarValue::Scalar(value) => value.to_array()?,
        };
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let in_text = matches!(&self.shown, Shown::Cast { to, .. } if to.is_string());
        if times.iter().flatten().all(|at| is_in_tables(at, in_text)) {
            return self.given(time, args);
        }
        let offsets = ZoneOffsets::of(&zone)?;
        let shown_with = times.iter().map(|at| match at {
            Some(at) => offsets.shown_with(at, in_text),
            None => Ok(None),
        });
        let shown_with: Vec<Option<i64>> = shown_with.collect::<Result<_>>()?;
        if shown_with.iter().all(Option::is_none) {
            return self.given(time, args);
        }
        // For each offset what is given of the times that have it, and of no other.
        let mut given: BTreeMap<Option<i64>, ArrayRef> = BTreeMap::new();
        for offset in &shown_with {
            if given.contains_key(offset) {
                continue;
            }
            let own = times.iter().zip(&shown_with).map(|(at, found)| at.filter(|_| found == offset));
            let own: TimestampMicrosecondArray = own.collect();
            let own = own.with_timezone(offset.map_or_else(|| Arc::clone(&zone), |of| fixed_zone(of).into()));
            let own = match &time {
                ColumnarValue::Array(_) => ColumnarValue::Array(Arc::new(own)),
                ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&own, 0)?),
            };
            let own = self.given(own, args.clone())?;
            if matches!(time, ColumnarValue::Scalar(_)) {
                return Ok(own);
            }
            given.insert(*offset, own.into_array(times.len())?);
        }
        let indices: BTreeMap<Option<i64>, usize> =
            given.keys().enumerate().map(|(index, offset)| (*offset, index)).collect();
        let arrays: Vec<&dyn Array> = given.values().map(AsRef::as_ref).collect();
        let rows = shown_with.iter().enumerate();
        let rows: Vec<(usize, usize)> =
            rows.filter_map(|(row, offset)| Some((*indices.get(offset)?, row))).collect();
        Ok(ColumnarValue::Array(interleave(&arrays, &rows)?))
    }
}

impl ByZone {
    /// What DataFusion gives of these times.
    fn given(&self, times: ColumnarValue, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &self.shown {
            Shown::Cast { to, is_try } => {
                let options = CastOptions { safe: *is_try, ..DEFAULT_CAST_OPTIONS };
                times.cast_to(to, Some(&options))
            }
            Shown::Call(function) => {
                let field = Arc::new(Field::new("time", times.data_type(), true));
                let own = args.args.get_mut(self.argument).zip(args.arg_fields.get_mut(self.argument));
                let Some((argument, of)) = own else {
                    return internal_err!("{} takes a time", self.name());
                };
                (*argument, *of) = (times, field);
                function.invoke_with_args(args)
            }
        }
    }
}
