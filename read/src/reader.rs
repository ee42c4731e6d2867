//! One service compiled: its views with their layouts, its on-demand views, and what choices of its features need.

use std::sync::Arc;

use feature::{Computation, Field, ServicePlan, VersionId, View};
use online::Layout;
use transform::OnDemand;

use crate::error::{ReadError, ReadFailure};
use crate::scope::Known;
use crate::scope_cache::ScopeCache;

/// One version of a service, compiled: reads its features from an online store.
#[derive(Debug)]
pub struct FeatureReader {
    pub(crate) plan: Arc<ServicePlan>,
    /// The distinct views of the plan's lookups.
    pub(crate) views: Vec<(Arc<View>, Layout)>,
    pub(crate) on_demand: Vec<OnDemand>,
    pub(crate) scopes: ScopeCache,
}

impl FeatureReader {
    /// Compiles a service.
    pub fn new(plan: Arc<ServicePlan>) -> Result<Self, ReadError> {
        let mut views: Vec<(Arc<View>, Layout)> = Vec::new();
        let mut view_of = Vec::with_capacity(plan.lookups.len());
        for lookup in &plan.lookups {
            let index = views.iter().position(|(view, _)| view.id == lookup.view.id).unwrap_or(views.len());
            if index == views.len() {
                views.push((Arc::clone(&lookup.view), Layout::new(&lookup.view)));
            }
            view_of.push(index);
        }
        let on_demand: Vec<OnDemand> = plan
            .computations
            .iter()
            .map(|computation| compile(&plan, computation))
            .collect::<Result<_, _>>()?;
        let has_time =
            |lookup: &usize| plan.lookups.get(*lookup).is_some_and(|lookup| !lookup.view.is_static);
        let timed_by: Vec<Vec<usize>> = plan
            .outputs
            .iter()
            .map(|output| plan.lookups_of(output.origin).into_iter().filter(has_time).collect())
            .collect();
        let reads = on_demand.iter().map(OnDemand::reads).collect();
        let known = Known { plan: Arc::clone(&plan), view_of, timed_by, reads };
        Ok(Self { plan, views, on_demand, scopes: ScopeCache::new(known) })
    }

    /// The service's plan.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    /// The index of a feature among the outputs of the plan.
    pub fn output(&self, name: &str) -> Option<usize> {
        self.scopes.output(name)
    }
}

fn compile(plan: &ServicePlan, computation: &Computation) -> Result<OnDemand, ReadError> {
    let inputs: Vec<Field> = plan.inputs(computation).map(|(field, _)| field.clone()).collect();
    OnDemand::compile(&computation.view, &inputs).map_err(|error| not_evaluated(&computation.view.id, &error))
}

pub(crate) fn not_evaluated(view: &VersionId, why: &dyn std::fmt::Display) -> ReadError {
    ReadFailure::Evaluate { view: view.clone(), reason: why.to_string() }.into()
}
