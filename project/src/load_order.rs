//! In which order views are loaded: each after those of them whose rows it reads, directly or through others.

use std::collections::BTreeSet;

use feature::VersionId;
use materializer::Target;
use registry::Registered;

use crate::error::ProjectError;

/// The views that are not loaded yet.
pub(crate) struct LoadOrder {
    waiting: Vec<Waiting>,
    /// The views of the load that are not done.
    open: BTreeSet<VersionId>,
}

struct Waiting {
    /// Its index among the requested views.
    index: usize,
    target: Target,
    /// The views whose rows it reads, directly or through others.
    inputs: Vec<VersionId>,
}

impl LoadOrder {
    /// All of these views, in their order where no rows are read of each other.
    pub(crate) fn new(registered: &Registered, targets: Vec<Target>) -> Result<Self, ProjectError> {
        let open = targets.iter().map(|target| target.view.id.clone()).collect();
        let mut waiting = Vec::with_capacity(targets.len());
        for (index, target) in targets.into_iter().enumerate() {
            let mut inputs = Vec::new();
            let mut input = target.input.as_ref().map(|input| input.view.clone());
            while let Some(view) = input {
                inputs.push(view.id.clone());
                input = registered.input_of(&view)?;
            }
            waiting.push(Waiting { index, target, inputs });
        }
        Ok(Self { waiting, open })
    }

    /// The next view whose inputs are loaded, with its index; `None` while there is none.
    pub(crate) fn next(&mut self) -> Option<(usize, Target)> {
        let is_due = |waiting: &Waiting| !waiting.inputs.iter().any(|input| self.open.contains(input));
        let due = self.waiting.iter().position(is_due)?;
        let Waiting { index, target, .. } = self.waiting.remove(due);
        Some((index, target))
    }

    /// Notes that a view is loaded.
    pub(crate) fn is_loaded(&mut self, view: &VersionId) {
        self.open.remove(view);
    }

    /// Notes that the load of a view failed. Gives the views that are not loaded because of it, each with it.
    pub(crate) fn has_failed(&mut self, view: &VersionId) -> Vec<(VersionId, VersionId)> {
        self.open.remove(view);
        let left_out: Vec<Waiting> =
            self.waiting.extract_if(.., |waiting| waiting.inputs.contains(view)).collect();
        self.open.retain(|open| left_out.iter().all(|waiting| waiting.target.view.id != *open));
        left_out.into_iter().map(|waiting| (waiting.target.view.id.clone(), view.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use feature::{View, ViewSource};
    use materializer::Input;

    use super::*;

    fn id(text: &str) -> VersionId {
        text.parse().unwrap()
    }

    /// Views of one source, or of the view whose name is given.
    fn order(views: &[(&str, &[&str])]) -> LoadOrder {
        let view = |name: &str| {
            let view = View::bare(id(name), id(name).name, Vec::new(), id("rows@1").name);
            Arc::new(View { source: ViewSource::Named(id("rows@1").name), ..view })
        };
        let waiting = views.iter().enumerate().map(|(index, (name, inputs))| {
            let source = Arc::new(view("rows@1").as_source());
            let input = inputs.first().map(|input| Input { view: view(input), has_history: true });
            let inputs = inputs.iter().map(|input| id(input)).collect();
            Waiting { index, target: Target { view: view(name), source, input }, inputs }
        });
        LoadOrder { waiting: waiting.collect(), open: views.iter().map(|(name, _)| id(name)).collect() }
    }

    #[test]
    fn a_derived_view_waits_for_its_inputs_and_for_nothing_else() {
        let mut order =
            order(&[("c@1", &["b@1", "a@1"]), ("b@1", &["a@1"]), ("a@1", &[]), ("d@1", &["x@1"])]);
        let mut next = || order.next().map(|(index, target)| (index, target.view.id.to_string()));
        // The input of `d` is not loaded by this load.
        assert_eq!(
            [next(), next(), next()],
            [Some((2, "a@1".to_owned())), Some((3, "d@1".to_owned())), None]
        );
        order.is_loaded(&id("a@1"));
        assert_eq!(order.next().map(|(index, _)| index), Some(1));
        assert!(order.next().is_none());
        order.is_loaded(&id("b@1"));
        assert_eq!(order.next().map(|(index, _)| index), Some(0));
    }

    #[test]
    fn what_is_derived_from_a_view_that_failed_is_left_out_and_named() {
        let mut order = order(&[("a@1", &[]), ("b@1", &["a@1"]), ("c@1", &["b@1", "a@1"]), ("d@1", &[])]);
        assert_eq!(order.next().map(|(index, _)| index), Some(0));
        let left_out = order.has_failed(&id("a@1"));
        assert_eq!(left_out, [(id("b@1"), id("a@1")), (id("c@1"), id("a@1"))]);
        assert_eq!(order.next().map(|(index, _)| index), Some(3));
        assert!(order.next().is_none());
    }
}
