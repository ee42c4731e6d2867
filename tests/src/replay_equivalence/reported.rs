//! What the online side said of one label, and what it has to equal.

use feature::{AsOf, Micros, Origin, ServicePlan, Status, Times, Value, oracle};
use read::{FeatureCell, Features};

use super::Logs;
use crate::label::Label;
use crate::project::Trained;

/// One online answer, and what is needed to draw it again.
pub(super) struct Reported<'a> {
    pub(super) seed: u64,
    pub(super) label: &'a Label,
    pub(super) plan: &'a ServicePlan,
    pub(super) online: &'a Features,
}

impl Reported<'_> {
    /// Compares every value, and the times of every view, with a row of the training set.
    pub(super) fn is_the_training_sets(&self, set: &Trained, row: usize) {
        let offline = |name: &str, data_type| set.value(name, row, data_type);
        for (name, output, cell) in self.cells() {
            self.equal(name, "value", &cell.value, &offline(name, self.plan.outputs[output].data_type));
            let Origin::Stored { lookup, .. } = self.plan.outputs[output].origin else { continue };
            let view = &self.plan.lookups[lookup].view.id.name;
            let time = |of: fn(Times) -> Micros| cell.times.map_or(Value::Null, |t| Value::Timestamp(of(t)));
            let timestamp = feature::Scalar::Timestamp.into();
            let happened = offline(&format!("{view}__event_time"), timestamp);
            self.equal(name, "event time", &time(|t| t.event_time), &happened);
            let available = offline(&format!("{view}__available_at"), timestamp);
            self.equal(name, "available at", &time(|t| t.available_at), &available);
            let age = cell.age_s.map_or(Value::Null, Value::Float64);
            self.equal(
                name,
                "age",
                &age,
                &offline(&format!("{view}__age_s"), feature::Scalar::Float64.into()),
            );
        }
    }

    /// Compares every stored value, its status and its times with the oracle, which is shown all rows.
    pub(super) fn is_the_oracles(&self, logs: &Logs) {
        let answers: Vec<_> = self
            .plan
            .lookups
            .iter()
            .map(|lookup| {
                let rows = self.label.entity(lookup).and_then(|entity| logs[&lookup.view.id].get(&entity));
                let rows = rows.map(Vec::as_slice).unwrap_or_default();
                oracle::answer(&lookup.view, rows, self.label.at, AsOf::Available)
            })
            .collect();
        for (name, output, cell) in self.cells() {
            match self.plan.outputs[output].origin {
                Origin::Stored { lookup, feature } => {
                    let times = answers[lookup].times.filter(|_| !self.plan.lookups[lookup].view.is_static);
                    self.equal(name, "value", &cell.value, &answers[lookup].cells[feature].value);
                    self.equal(name, "status", &cell.status, &answers[lookup].cells[feature].status);
                    self.equal(name, "times", &cell.times, &times);
                }
                Origin::Computed { .. } => {
                    let oldest = self.plan.lookups_of(self.plan.outputs[output].origin).into_iter();
                    let oldest = oldest.filter_map(|lookup| answers[lookup].times);
                    let oldest = oldest.min_by_key(|times| (times.event_time, times.available_at));
                    self.equal(name, "status", &cell.status, &Status::of(&cell.value));
                    self.equal(name, "times", &cell.times, &oldest);
                }
            }
        }
    }

    /// The name and index of each output, and what was said of it.
    fn cells(&self) -> impl Iterator<Item = (&str, usize, FeatureCell)> {
        let outputs = self.plan.outputs.iter().zip(&self.online.columns).enumerate();
        outputs.map(|(index, (output, column))| {
            assert_eq!(output.name, column.name);
            (output.name.as_str(), index, self.online.cell(column, 0).unwrap())
        })
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&self, feature: &str, what: &str, online: &T, expected: &T) {
        assert!(
            online == expected,
            "SEED={}: the {what} of {feature} for {}: online {online:?}, expected {expected:?}",
            self.seed,
            self.label,
        );
    }
}
