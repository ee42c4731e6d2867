//! What has to be looked up, computed and brought along for some of a service's features.

use std::collections::BTreeMap;

use feature::{Origin, ServicePlan};

/// The part of a service's plan that a choice of its features needs.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Scope {
    /// The chosen outputs, by their places in the plan, in its order.
    pub outputs: Vec<usize>,
    /// For each lookup that is needed, the features of its view that are needed, in order.
    pub lookups: BTreeMap<usize, Vec<usize>>,
    /// The computations that are needed, in the plan's order.
    pub computations: Vec<usize>,
    /// For each column of join keys whether it is needed.
    pub keys: Vec<bool>,
    /// For each request column whether it is needed.
    pub request: Vec<bool>,
}

impl Scope {
    /// What these outputs need, by their places in the plan.
    pub fn of(plan: &ServicePlan, mut outputs: Vec<usize>) -> Scope {
        outputs.sort_unstable();
        outputs.dedup();
        let mut scope = Scope {
            keys: vec![false; plan.keys.len()],
            request: vec![false; plan.request.len()],
            ..Scope::default()
        };
        let mut open: Vec<Origin> =
            outputs.iter().filter_map(|place| plan.outputs.get(*place)).map(|output| output.origin).collect();
        while let Some(origin) = open.pop() {
            match origin {
                Origin::Stored { lookup, feature } => scope.add_lookup(plan, lookup, feature),
                Origin::Computed { computation, .. } if !scope.computations.contains(&computation) => {
                    scope.computations.push(computation);
                    if let Some(computation) = plan.computations.get(computation) {
                        open.extend(computation.inputs.iter().map(|(_, origin)| *origin));
                        mark(&mut scope.request, &computation.request);
                    }
                }
                Origin::Computed { .. } => {}
            }
        }
        scope.computations.sort_unstable();
        scope.outputs = outputs;
        scope
    }

    fn add_lookup(&mut self, plan: &ServicePlan, lookup: usize, feature: usize) {
        let features = self.lookups.entry(lookup).or_default();
        if let Err(place) = features.binary_search(&feature) {
            features.insert(place, feature);
        }
        if let Some(lookup) = plan.lookups.get(lookup) {
            mark(&mut self.keys, &lookup.keys);
        }
    }
}

fn mark(needed: &mut [bool], places: &[usize]) {
    for place in places {
        if let Some(needed) = needed.get_mut(*place) {
            *needed = true;
        }
    }
}
