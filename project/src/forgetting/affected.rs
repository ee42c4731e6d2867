//! The views that hold an entity, and those whose rows were made of its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{VersionId, View};
use registry::Registered;

use super::subject::Subject;
use crate::error::ProjectError;

/// The views that the entity is in, each after those that read its rows.
pub(super) struct Affected {
    /// Views of the entity.
    pub(super) own: Vec<Arc<View>>,
    /// Views of other entities whose rows are made of its rows, with the views from which they come.
    pub(super) derived: Vec<(Arc<View>, Inputs)>,
}

/// The views whose rows a view reads, directly and through others.
pub(super) type Inputs = Vec<Arc<View>>;

impl Affected {
    pub(super) fn find(registered: &Registered, subject: &Subject) -> Result<Self, ProjectError> {
        let mut by_depth: BTreeMap<(usize, VersionId), (Arc<View>, Inputs)> = BTreeMap::new();
        for view in registered.views() {
            let (mut inputs, mut input) = (Vec::new(), registered.input_of(view)?);
            while let Some(view) = input {
                input = registered.input_of(&view)?;
                inputs.push(view);
            }
            by_depth.insert((usize::MAX - inputs.len(), view.id.clone()), (view.clone(), inputs));
        }
        let is_own = |view: &Arc<View>| view.entity == subject.entity;
        let (own, others): (Vec<_>, Vec<_>) = by_depth.into_values().partition(|(view, _)| is_own(view));
        let derived = others.into_iter().filter_map(|(view, inputs)| {
            let from: Inputs = inputs.into_iter().filter(is_own).collect();
            (!from.is_empty()).then_some((view, from))
        });
        Ok(Self { derived: derived.collect(), own: own.into_iter().map(|(view, _)| view).collect() })
    }

    pub(super) fn views(&self) -> impl Iterator<Item = &Arc<View>> {
        self.derived.iter().map(|(view, _)| view).chain(&self.own)
    }
}
