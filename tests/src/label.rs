//! One question to training and serving: an entity in every role, what a request
//! brings, and the moment.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use feature::{DataType, EntityKey, Lookup, Micros, Scalar, ServicePlan, Value};
use read::{FeatureReader, FeatureRequest, ValidatedRequest};

/// The spine's column of moments.
pub(crate) const LABEL_TIME: &str = "label_time";

/// A row of a spine, or one entity of a request.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// One for each of the plan's join keys.
    pub(crate) keys: Vec<Value>,
    /// One for each of the plan's request columns.
    pub(crate) request: Vec<Value>,
    pub(crate) at: Micros,
}

impl Label {
    /// The entity that a lookup reads; none where its key has a null.
    pub(crate) fn entity(&self, lookup: &Lookup) -> Option<EntityKey> {
        let values: Vec<Value> = lookup.keys.iter().map(|key| self.keys[*key].clone()).collect();
        EntityKey::encode(&lookup.view.keys, &values).ok()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(Value::to_string).collect();
        write!(f, "({}) at {}", keys.join(", "), self.at)
    }
}

/// The spine of these labels.
pub(crate) fn spine(plan: &ServicePlan, labels: &[Label]) -> RecordBatch {
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for (index, field) in plan.keys.iter().enumerate() {
        columns.push((field.name.as_str(), array(labels, field.data_type, |label| &label.keys[index])));
    }
    for (index, field) in plan.request.iter().enumerate() {
        columns.push((field.name.as_str(), array(labels, field.data_type, |label| &label.request[index])));
    }
    let moments: Vec<Value> = labels.iter().map(|label| Value::Timestamp(label.at)).collect();
    columns.push((LABEL_TIME, transform::array_of(&moments, Scalar::Timestamp.into())));
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn array<'a>(labels: &'a [Label], data_type: DataType, of: impl Fn(&'a Label) -> &'a Value) -> ArrayRef {
    let values: Vec<Value> = labels.iter().map(|label| of(label).clone()).collect();
    transform::array_of(&values, data_type)
}

/// The request for the entities of these labels, at one moment.
pub(crate) fn validated_request(reader: &FeatureReader, labels: &[Label]) -> ValidatedRequest {
    let plan = reader.plan();
    let column =
        |of: &dyn Fn(&Label) -> &Value| -> Vec<Value> { labels.iter().map(|l| of(l).clone()).collect() };
    let entities = plan.keys.iter().enumerate();
    let request = plan.request.iter().enumerate();
    let requested = FeatureRequest {
        features: Vec::new(),
        entities: entities.map(|(n, field)| (field.name.to_string(), column(&|l| &l.keys[n]))).collect(),
        request: request.map(|(n, field)| (field.name.to_string(), column(&|l| &l.request[n]))).collect(),
    };
    reader.validate(requested, 10_000).unwrap()
}
