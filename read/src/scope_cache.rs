//! What each choice of a service's features needs, worked out when it is first requested, and kept as
//! long as the bound allows.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use feature::ServicePlan;

use crate::scope::{Known, Scope};

/// How many choices are kept. At one more, all are forgotten and worked out again when they are requested
/// for.
const MOST_KEPT: usize = 256;

/// The scopes of one service.
#[derive(Debug)]
pub(crate) struct ScopeCache {
    everything: Arc<Scope>,
    /// How many features the service has: a longer choice names some twice, and is not kept.
    outputs: usize,
    chosen: RwLock<HashMap<Vec<String>, Arc<Scope>>>,
}

impl ScopeCache {
    /// Those of a plan; that of all its features is there from the beginning.
    pub fn new(plan: &ServicePlan, view_of: &[usize], timed_by: &[Vec<usize>]) -> Self {
        let known = Known { plan, view_of, timed_by };
        let everything = Arc::new(Scope::of(&known, (0..plan.outputs.len()).collect()));
        Self { everything, outputs: plan.outputs.len(), chosen: RwLock::default() }
    }

    /// What these features need, by name, none for all; `make` works it out.
    pub fn of<E>(
        &self,
        features: &[String],
        make: impl FnOnce() -> Result<Scope, E>,
    ) -> Result<Arc<Scope>, E> {
        if features.is_empty() {
            return Ok(Arc::clone(&self.everything));
        }
        let kept = self.chosen.read().unwrap_or_else(PoisonError::into_inner).get(features).cloned();
        if let Some(scope) = kept {
            return Ok(scope);
        }
        let scope = Arc::new(make()?);
        if features.len() > self.outputs {
            return Ok(scope);
        }
        let mut chosen = self.chosen.write().unwrap_or_else(PoisonError::into_inner);
        if chosen.len() >= MOST_KEPT {
            chosen.clear();
        }
        chosen.insert(features.to_vec(), Arc::clone(&scope));
        Ok(scope)
    }
}
