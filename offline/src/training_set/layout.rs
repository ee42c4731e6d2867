//! The columns of a training set, and what the join calls the columns that they come from.

use std::fmt::Display;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use feature::{Lookup, Needs, ServicePlan};

use crate::error::OfflineError;
use crate::log::columns::timestamp_type;
use crate::training_set::spine::Spine;

/// The features that are joined, those that outputs need directly or through on-demand views, and the names of the
/// join's columns.
#[derive(Debug)]
pub(crate) struct Layout {
    needs: Needs,
    /// How the names of joined columns begin: no column of the spine does.
    mark: String,
}

impl Layout {
    pub(crate) fn new(plan: &ServicePlan, spine: &Spine) -> Self {
        let mut mark = "@".to_owned();
        while spine.schema().fields().iter().any(|field| field.name().starts_with(&mark)) {
            mark.push('@');
        }
        Self { needs: plan.needs(0..plan.outputs.len()), mark }
    }

    /// What the join calls a feature, by its index in the lookup's view.
    pub(crate) fn feature(&self, lookup: usize, feature: usize) -> String {
        self.name(lookup, feature)
    }

    /// What the join calls the times of a lookup's latest row: event time and availability.
    pub(crate) fn times(&self, lookup: usize) -> (String, String) {
        (self.name(lookup, "event_time"), self.name(lookup, "available_at"))
    }

    fn name(&self, lookup: usize, what: impl Display) -> String {
        format!("{}{lookup}.{what}", self.mark)
    }

    /// The features of a lookup that are joined, with the names of their columns.
    pub(crate) fn features_of(&self, lookup: usize) -> Vec<(usize, String)> {
        let features = self.needs.lookups.get(&lookup).into_iter().flatten();
        features.map(|feature| (*feature, self.feature(lookup, *feature))).collect()
    }
}

/// The columns of a training set: the spine's, the features, and the times of each view if `explain`. Names those
/// that would be there twice; the names of features were compared with the spine's when that was opened.
pub(crate) fn schema(plan: &ServicePlan, spine: &Spine, explain: bool) -> Result<Schema, OfflineError> {
    let fields = fields(plan, spine, explain);
    let beside = spine.beside().iter().map(String::as_str);
    let repeated = transform::repeated_names(fields.iter().map(|field| field.name().as_str()).chain(beside));
    let is_of_spine =
        |name: &String| spine.schema().column_with_name(name).is_some() || spine.beside().contains(name);
    let problem = |name: &String| match is_of_spine(name) {
        true => format!(
            "{}: it has a column `{name}`, which `explain` adds for the times of a view: rename the column",
            spine.path().display()
        ),
        false => format!(
            "{}: `{name}` is a column that `explain` adds for the times of a view, and is also the name of another column: give the feature a prefix",
            plan.id
        ),
    };
    match repeated.is_empty() {
        true => Ok(Schema::new_with_metadata(fields, spine.schema().metadata().clone())),
        false => Err(OfflineError::Spine(repeated.iter().map(problem).collect())),
    }
}

fn fields(plan: &ServicePlan, spine: &Spine, explain: bool) -> Vec<FieldRef> {
    let mut fields: Vec<FieldRef> = spine.schema().fields().iter().cloned().collect();
    for output in &plan.outputs {
        fields.push(Arc::new(Field::new(&output.name, transform::arrow_type(output.data_type), true)));
    }
    for lookup in plan.lookups.iter().filter(|_| explain) {
        let name = explain_name(plan, lookup);
        fields.push(Arc::new(Field::new(format!("{name}__event_time"), timestamp_type(), true)));
        fields.push(Arc::new(Field::new(format!("{name}__available_at"), timestamp_type(), true)));
        fields.push(Arc::new(Field::new(format!("{name}__age_s"), DataType::Float64, true)));
    }
    fields
}

/// What the times of a lookup are called: its view, with its version if there are several of them, and with its role
/// if the view has several.
fn explain_name(plan: &ServicePlan, lookup: &Lookup) -> String {
    let several = plan.lookups.iter().filter(|other| other.view.id == lookup.view.id).count() > 1;
    let is_other_version =
        |other: &&Lookup| other.view.id.name == lookup.view.id.name && other.view.id != lookup.view.id;
    let view = match plan.lookups.iter().find(is_other_version) {
        Some(_) => format!("{}_v{}", lookup.view.id.name, lookup.view.id.version),
        None => lookup.view.id.name.to_string(),
    };
    let roles: Vec<_> =
        lookup.keys.iter().filter_map(|key| plan.keys.get(*key)).map(|key| key.name.as_str()).collect();
    match several {
        true => format!("{view}_by_{}", roles.join("_")),
        false => view,
    }
}
