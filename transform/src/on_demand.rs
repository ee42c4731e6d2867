//! The features of an on-demand view from its inputs and what a request brings.

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;
use feature::{Computed, Field, OnDemandView};

use crate::error::{ExpressionError, TransformError};
use crate::expression::Expression;

/// An on-demand view's expressions, compiled.
#[derive(Clone, Debug)]
pub struct OnDemand {
    features: Vec<Expression>,
}

impl OnDemand {
    /// Compiles a view's expressions over its inputs, by their prefixed names, and request columns.
    pub fn compile(view: &OnDemandView, inputs: &[Field]) -> Result<Self, ExpressionError> {
        let compile = |feature: &Computed| {
            let what = format!("the feature `{}`", feature.name);
            let expression = Expression::compile(inputs, &feature.expression);
            expression.map_err(|error| error.within(&what))?.widened(feature.data_type, &what)
        };
        Ok(Self { features: view.features.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// One array for each of the view's features, for a batch that holds the inputs by name.
    /// A row on which an expression fails has null.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, TransformError> {
        self.features.iter().map(|feature| Ok(feature.evaluate(batch)?.values)).collect()
    }
}
