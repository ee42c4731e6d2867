//! What each choice of a service's features needs, worked out when it is first requested, and kept as
//! long as the bound allows.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::scope::{Known, Scope};

/// How many choices are kept. At one more, all are forgotten and worked out again when they are requested
/// for.
const MOST_KEPT: usize = 256;

/// The scopes of one service.
#[derive(Debug)]
pub(crate) struct ScopeCache {
    known: Known,
    /// The indices of the plan's outputs, by name.
    outputs: HashMap<String, usize>,
    everything: Arc<Scope>,
    chosen: RwLock<HashMap<Vec<String>, Arc<Scope>>>,
}

impl ScopeCache {
    /// Those of a plan; that of all its features is there from the beginning.
    pub fn new(known: Known) -> Self {
        let outputs = known.plan.outputs.iter().enumerate();
        let outputs: HashMap<String, usize> =
            outputs.map(|(index, output)| (output.name.clone(), index)).collect();
        let everything = Arc::new(Scope::of(&known, (0..known.plan.outputs.len()).collect()));
        Self { known, outputs, everything, chosen: RwLock::default() }
    }

    /// The index of a feature among the outputs of the plan.
    pub fn output(&self, name: &str) -> Option<usize> {
        self.outputs.get(name).copied()
    }

    /// What these features need, by name, none for all; an error holds those that the service does not give.
    pub fn of(&self, features: &[String]) -> Result<Arc<Scope>, Vec<String>> {
        if features.is_empty() {
            return Ok(Arc::clone(&self.everything));
        }
        let kept = self.chosen.read().unwrap_or_else(PoisonError::into_inner).get(features).cloned();
        if let Some(scope) = kept {
            return Ok(scope);
        }
        let mut outputs = Vec::with_capacity(features.len());
        let mut unknown = Vec::new();
        for name in features {
            match self.output(name) {
                Some(index) => outputs.push(index),
                None => unknown.push(name.clone()),
            }
        }
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let scope = Arc::new(Scope::of(&self.known, outputs));
        // A longer choice names some twice, and is not kept.
        if features.len() > self.known.plan.outputs.len() {
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
