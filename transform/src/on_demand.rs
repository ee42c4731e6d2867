//! The features of an on-demand view from its inputs and what a request brings.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use feature::{Computed, DataType, Field, Name, OnDemandView, Value};

use crate::arrow_types::arrow_schema;
use crate::default_values::ComputedColumn;
use crate::error::{ExpressionError, TransformError};
use crate::expression::Expression;

/// An on-demand view's expressions, compiled, with the columns that they read.
#[derive(Clone, Debug)]
pub struct OnDemand {
    schema: SchemaRef,
    features: Vec<Compiled>,
}

#[derive(Clone, Debug)]
struct Compiled {
    expression: Expression,
    data_type: DataType,
    default: Option<Value>,
}

impl OnDemand {
    /// Compiles a view's expressions over the columns that [`feature::ServicePlan::inputs`] gives for it.
    pub fn compile(view: &OnDemandView, inputs: &[Field]) -> Result<Self, ExpressionError> {
        let compile = |feature: &Computed| {
            let what = format!("the feature `{}`", feature.name);
            let expression = Expression::compile(inputs, &feature.expression);
            let expression = expression.map_err(|error| error.within(&what))?;
            let (data_type, default) = (feature.data_type, feature.default.clone());
            Ok(Compiled { expression: expression.widened(data_type, &what)?, data_type, default })
        };
        let features = view.features.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { schema: arrow_schema(inputs), features })
    }

    /// For each of the view's features which of its inputs its expression reads, by their indices.
    pub fn reads(&self) -> Vec<Vec<usize>> {
        let read = |column: &Name| self.schema.index_of(column.as_str()).ok();
        self.features
            .iter()
            .map(|feature| feature.expression.columns().iter().filter_map(read).collect())
            .collect()
    }

    /// One column for each of the view's features, for `rows` rows of its inputs in the order in which it was
    /// compiled over them. A row on which an expression fails has null, or the feature's default.
    pub fn evaluate(
        &self,
        inputs: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<Vec<ComputedColumn>, TransformError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), inputs, &options)?;
        let column = |feature: &Compiled| {
            let given = feature.expression.evaluate(&batch)?.values;
            Ok(ComputedColumn::new(given, feature.default.as_ref(), feature.data_type)?)
        };
        self.features.iter().map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Float64Array, Int32Array};
    use feature::About;

    use super::*;
    use crate::value_at;

    fn view(expression: &str) -> OnDemandView {
        let feature = Computed {
            name: "delay_per_100_miles".parse().unwrap(),
            expression: expression.to_owned(),
            data_type: "float64".parse().unwrap(),
            unit: None,
            description: None,
            default: None,
        };
        OnDemandView {
            id: "route@1".parse().unwrap(),
            request: Vec::new(),
            inputs: Vec::new(),
            features: vec![feature],
            about: About::default(),
            hash: String::new(),
        }
    }

    fn inputs() -> [Field; 2] {
        let field = |name: &str, data_type: &str| Field {
            name: name.parse().unwrap(),
            data_type: data_type.parse().unwrap(),
        };
        [field("dest_mean_delay_1d", "float64"), field("distance", "int32")]
    }

    #[test]
    fn a_row_on_which_an_expression_fails_has_null_and_the_others_have_their_value() {
        let view = view("dest_mean_delay_1d / (200 / distance)");
        let delays: ArrayRef = Arc::new(Float64Array::from(vec![Some(4.0), Some(4.0), None]));
        let distances: ArrayRef = Arc::new(Int32Array::from(vec![0, 100, 100]));
        let compiled = OnDemand::compile(&view, &inputs()).unwrap();
        let features = compiled.evaluate(vec![delays, distances], 3).unwrap();
        let values: Vec<Value> =
            (0..3).map(|row| value_at(&features[0].values, row, view.features[0].data_type)).collect();
        assert_eq!(values, [Value::Null, Value::Float64(2.0), Value::Null]);
        assert_eq!(features[0].values.null_count(), 2);
    }

    #[test]
    fn a_default_replaces_null_and_where_it_does_is_still_known() {
        let mut view = view("dest_mean_delay_1d / (200 / distance)");
        view.features[0].default = Some(Value::Float64(-1.0));
        let delays: ArrayRef = Arc::new(Float64Array::from(vec![Some(4.0), Some(4.0), None]));
        let distances: ArrayRef = Arc::new(Int32Array::from(vec![0, 100, 100]));
        let compiled = OnDemand::compile(&view, &inputs()).unwrap();
        let features = compiled.evaluate(vec![delays, distances], 3).unwrap();
        let values: Vec<Value> =
            (0..3).map(|row| value_at(&features[0].values, row, view.features[0].data_type)).collect();
        assert_eq!(values, [-1.0, 2.0, -1.0].map(Value::Float64));
        let nulls = features[0].nulls.as_ref().unwrap();
        assert_eq!([0, 1, 2].map(|row| nulls.is_null(row)), [true, false, true]);
    }

    #[test]
    fn an_expression_reads_the_inputs_that_it_names() {
        for (expression, reads) in
            [("distance + 1", vec![1]), ("dest_mean_delay_1d / distance", vec![0, 1]), ("1 + 1", vec![])]
        {
            let mut view = view(expression);
            view.features[0].data_type =
                if expression.contains("mean") { "float64" } else { "int64" }.parse().unwrap();
            assert_eq!(OnDemand::compile(&view, &inputs()).unwrap().reads(), [reads], "{expression}");
        }
    }

    #[test]
    fn an_expression_that_is_refused_is_named() {
        let error = OnDemand::compile(&view("distanc * 2"), &inputs()).unwrap_err().to_string();
        assert_eq!(
            error,
            "the feature `delay_per_100_miles`: unknown column `distanc`, did you mean `distance`?"
        );
    }
}
