//! What views expect of the values that are served: conditions over features, counted over the sample of what is served.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{ExpectationStage, Field, Value, VersionId, View};
use server::ServedRow;
use transform::Expression;

/// The expectations of served values, by view, compiled once for each revision of its definition.
#[derive(Default)]
pub(super) struct ServedExpectations(BTreeMap<VersionId, (Arc<View>, Vec<Compiled>)>);

struct Compiled {
    name: String,
    expression: Expression,
    /// The features that it reads, by their indices in the view.
    reads: Vec<(usize, Field)>,
}

impl ServedExpectations {
    /// Which expectations a served row meets, and which it does not. One that reads a feature that was not requested says
    /// nothing, and so does an entity that was never seen.
    pub(super) fn check(&mut self, row: &ServedRow) -> Vec<(String, bool)> {
        if row.answer.times.is_none() {
            return Vec::new();
        }
        let (view, checks) =
            self.0.entry(row.view.id.clone()).or_insert_with(|| (row.view.clone(), compiled(&row.view)));
        if !Arc::ptr_eq(view, &row.view) {
            (*view, *checks) = (row.view.clone(), compiled(&row.view));
        }
        checks.iter().filter_map(|one| Some((one.name.clone(), one.is_met(row)?))).collect()
    }
}

impl Compiled {
    /// `None` where it reads what was not served.
    fn is_met<'a>(&'a self, row: &'a ServedRow) -> Option<bool> {
        let served = |(feature, field): &'a (usize, Field)| {
            let index = row.features.iter().position(|served| served == feature)?;
            Some((field, vec![&row.answer.cells.get(index)?.value]))
        };
        let columns: Vec<(&Field, Vec<&Value>)> = self.reads.iter().map(served).collect::<Option<_>>()?;
        // Null passes, and so does what cannot be computed of these values.
        Some(self.expression.values(&columns).is_ok_and(|values| values.first() != Some(&Value::Bool(false))))
    }
}

/// Definitions that do not compile were never registered.
fn compiled(view: &View) -> Vec<Compiled> {
    let features = view.features.iter();
    let fields: Vec<Field> =
        features.map(|feature| Field { name: feature.name.clone(), data_type: feature.data_type }).collect();
    let of_served = view.expectations.iter().filter(|one| one.stage == ExpectationStage::Served);
    let compile = |one: &feature::Expectation| {
        let expression = Expression::compile(&fields, &one.condition).ok()?;
        let read = |name: &str| {
            let feature = view.feature(name)?;
            Some((feature, fields.get(feature)?.clone()))
        };
        let reads = expression.columns().iter().filter_map(|name| read(name.as_str())).collect();
        Some(Compiled { name: one.name.clone(), expression, reads })
    };
    of_served.filter_map(compile).collect()
}

#[cfg(test)]
mod tests {
    use feature::{Answer, Cell, Expectation, Feature, Fold, Micros, OnFailure, Scalar, Times};

    use super::*;

    fn view(condition: &str) -> Arc<View> {
        let feature = |name: &str| Feature {
            name: name.parse().unwrap(),
            data_type: Scalar::Int64.into(),
            fold: Fold::Latest { column: 0 },
            unit: None,
            description: None,
            default: None,
        };
        let expectation = Expectation {
            name: "n".to_owned(),
            condition: condition.to_owned(),
            on_failure: OnFailure::Warn,
            stage: ExpectationStage::Served,
        };
        let name = |name: &str| name.parse().unwrap();
        Arc::new(View {
            features: vec![feature("a"), feature("b")],
            expectations: vec![expectation],
            ..View::bare("v@1".parse().unwrap(), name("e"), Vec::new(), name("s"))
        })
    }

    fn row(view: &Arc<View>, features: &[usize], values: &[Value]) -> ServedRow {
        let at = Micros::new(1_370_001_600_000_000).unwrap();
        ServedRow {
            service: "s@1".parse().unwrap(),
            view: view.clone(),
            key: feature::EntityKey::from_bytes([1].as_slice().into()).unwrap(),
            at,
            positions: None,
            features: features.to_vec(),
            answer: Answer {
                cells: values.iter().cloned().map(Cell::of).collect(),
                times: Some(Times { event_time: at, available_at: at }),
            },
            opening: None,
        }
    }

    #[test]
    fn a_condition_is_met_unless_it_is_false_and_says_nothing_of_what_was_not_served() {
        let mut expected = ServedExpectations::default();
        let view = view("b / a < 3");
        let [two, six, zero] = [2, 6, 0].map(Value::Int64);
        let mut first = |features: &[usize], values: &[Value]| {
            expected.check(&row(&view, features, values)).into_iter().next()
        };
        let said = |met| Some(("n".to_owned(), met));
        assert_eq!(first(&[0, 1], &[two.clone(), two.clone()]), said(true));
        assert_eq!(first(&[1, 0], &[six.clone(), two.clone()]), said(false));
        assert_eq!(first(&[0, 1], &[two.clone(), Value::Null]), said(true));
        assert_eq!(
            first(&[0, 1], &[zero, two.clone()]),
            said(true),
            "a row that it fails on has no value: null"
        );
        assert_eq!(first(&[0], std::slice::from_ref(&two)), None);
        let mut never_seen = row(&view, &[0, 1], &[six, two]);
        never_seen.answer.times = None;
        assert_eq!(expected.check(&never_seen), []);
    }

    #[test]
    fn a_revised_definition_is_checked_from_its_first_row_on() {
        let mut expected = ServedExpectations::default();
        let values = [Value::Int64(1), Value::Int64(2)];
        assert_eq!(expected.check(&row(&view("a = b"), &[0, 1], &values)), [("n".to_owned(), false)]);
        assert_eq!(expected.check(&row(&view("a < b"), &[0, 1], &values)), [("n".to_owned(), true)]);
    }
}
