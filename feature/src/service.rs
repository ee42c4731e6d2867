//! A resolved feature service: what is looked up, computed and returned, and under which names. Training
//! sets and online reads follow the same plan, and resolve what an on-demand view reads only here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::{Name, VersionId};
use crate::value::{DataType, Field};
use crate::view::{About, Freshness, OnDemandView, Take, View};

/// One version of a feature service, as it is defined.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Service {
    /// Its name and version.
    pub id: VersionId,
    /// Which features it gives, in this order.
    pub features: Vec<Take>,
    /// The model that reads it.
    pub consumer: Option<Consumer>,
    /// Who answers for it, and what it is.
    pub about: About,
    /// The semantic hash of what it gives, in hexadecimal.
    pub hash: String,
}

/// Who reads a service.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Consumer {
    /// The model.
    pub model: String,
    /// Who answers for the model.
    pub owner: Option<String>,
    /// How fresh the model needs its features.
    pub freshness: Option<Freshness>,
}

/// A service with everything that it reads.
#[derive(Clone, PartialEq, Debug)]
pub struct ServicePlan {
    /// The service.
    pub id: VersionId,
    /// Its semantic hash, in hexadecimal.
    pub hash: String,
    /// The columns of the spine or the request that hold join keys, by their role.
    pub keys: Vec<Field>,
    /// The columns of the spine or the request that on-demand features read.
    pub request: Vec<Field>,
    /// The folds that are read: each view once for each role.
    pub lookups: Vec<Lookup>,
    /// The on-demand views, in an order in which each finds its inputs computed.
    pub computations: Vec<Computation>,
    /// The features that the service gives, in its order.
    pub outputs: Vec<Output>,
}

/// One view read in one role.
#[derive(Clone, PartialEq, Debug)]
pub struct Lookup {
    /// The view.
    pub view: Arc<View>,
    /// For each join key of the view, the index of its column in [`ServicePlan::keys`].
    pub keys: Vec<usize>,
}

/// One on-demand view computed in one set of roles.
#[derive(Clone, PartialEq, Debug)]
pub struct Computation {
    /// The on-demand view.
    pub view: Arc<OnDemandView>,
    /// What its expressions call each input, and where the input comes from.
    pub inputs: Vec<(Field, Origin)>,
    /// The request columns that its expressions read, as indices into [`ServicePlan::request`]. Expressions
    /// call them by the names that they have there.
    pub request: Vec<usize>,
}

/// What an expression of an on-demand view reads under one name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// A feature of another view.
    Feature(Origin),
    /// A request column, by its index in [`ServicePlan::request`].
    Request(usize),
}

/// What some outputs of a plan need, directly or through on-demand views.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    /// The features that are looked up: for each index into [`ServicePlan::lookups`] the indices of its view's
    /// features, ascending.
    pub lookups: BTreeMap<usize, Vec<usize>>,
    /// Indices into [`ServicePlan::computations`], ascending, so that each finds its inputs computed.
    pub computations: Vec<usize>,
}

/// Where one value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// A feature of a view.
    Stored {
        /// Which of [`ServicePlan::lookups`].
        lookup: usize,
        /// Which of its view's features.
        feature: usize,
    },
    /// A feature of an on-demand view.
    Computed {
        /// Which of [`ServicePlan::computations`].
        computation: usize,
        /// Which of its view's features.
        feature: usize,
    },
}

/// One feature that a service gives.
#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    /// Its name with its prefix, unlike any other of the service's.
    pub name: String,
    /// The type of its value.
    pub data_type: DataType,
    /// Where its value comes from.
    pub origin: Origin,
}

impl ServicePlan {
    /// The index of a feature among the outputs.
    pub fn output(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|output| output.name == name)
    }

    /// What the expressions of an on-demand view read: the values of its inputs by their prefixed names, then its
    /// request columns. Training sets and online reads both compile and evaluate it over exactly these columns.
    pub fn inputs<'a>(
        &'a self,
        computation: &'a Computation,
    ) -> impl Iterator<Item = (&'a Field, Input)> + 'a {
        let features = computation.inputs.iter().map(|(field, origin)| (field, Input::Feature(*origin)));
        let request = computation.request.iter().map(|index| {
            let field = self.request.get(*index);
            (
                field.expect("invariant: a computation reads request columns of its plan"),
                Input::Request(*index),
            )
        });
        features.chain(request)
    }

    /// What these outputs need, by their indices.
    pub fn needs(&self, outputs: impl IntoIterator<Item = usize>) -> Needs {
        let origins = outputs.into_iter().filter_map(|index| self.outputs.get(index));
        self.needs_of(origins.map(|output| output.origin).collect())
    }

    fn needs_of(&self, mut open: Vec<Origin>) -> Needs {
        let mut needs = Needs::default();
        while let Some(origin) = open.pop() {
            match origin {
                Origin::Stored { lookup, feature } => {
                    let features = needs.lookups.entry(lookup).or_default();
                    if let Err(index) = features.binary_search(&feature) {
                        features.insert(index, feature);
                    }
                }
                Origin::Computed { computation, .. } if !needs.computations.contains(&computation) => {
                    needs.computations.push(computation);
                    open.extend(self.computation(computation).inputs.iter().map(|(_, origin)| *origin));
                }
                Origin::Computed { .. } => {}
            }
        }
        needs.computations.sort_unstable();
        needs
    }

    /// The request columns that an output needs, directly or through on-demand views.
    pub fn request_of(&self, output: usize) -> Vec<&Field> {
        let needs = self.needs([output]);
        let columns = needs.computations.iter().flat_map(|index| &self.computation(*index).request);
        let columns: BTreeSet<usize> = columns.copied().collect();
        columns.into_iter().filter_map(|index| self.request.get(index)).collect()
    }

    /// The same plan with only these of its outputs, by their indices in their order, and what they need.
    pub fn giving(&self, outputs: &[usize]) -> ServicePlan {
        let needs = self.needs(outputs.iter().copied());
        let lookups: Vec<usize> = needs.lookups.keys().copied().collect();
        let computations = needs.computations;
        let at = |kept: &[usize], index: usize| {
            kept.binary_search(&index).expect("invariant: a plan keeps what its outputs need")
        };
        let origin = |origin: Origin| match origin {
            Origin::Stored { lookup, feature } => Origin::Stored { lookup: at(&lookups, lookup), feature },
            Origin::Computed { computation, feature } => {
                Origin::Computed { computation: at(&computations, computation), feature }
            }
        };
        let read = || lookups.iter().filter_map(|index| self.lookups.get(*index));
        let computed = || computations.iter().map(|index| self.computation(*index));
        let kept = |indices: BTreeSet<usize>| indices.into_iter().collect::<Vec<usize>>();
        let keys = kept(read().flat_map(|lookup| lookup.keys.iter().copied()).collect());
        let request = kept(computed().flat_map(|computation| computation.request.iter().copied()).collect());
        let moved =
            |kept: &[usize], indices: &[usize]| indices.iter().map(|index| at(kept, *index)).collect();
        let fields =
            |kept: &[usize], of: &[Field]| kept.iter().filter_map(|index| of.get(*index).cloned()).collect();
        let output = |index: &usize| {
            let output = self.outputs.get(*index)?;
            Some(Output { origin: origin(output.origin), ..output.clone() })
        };
        ServicePlan {
            id: self.id.clone(),
            hash: self.hash.clone(),
            keys: fields(&keys, &self.keys),
            request: fields(&request, &self.request),
            lookups: read()
                .map(|lookup| Lookup { view: lookup.view.clone(), keys: moved(&keys, &lookup.keys) })
                .collect(),
            computations: computed()
                .map(|computation| Computation {
                    view: computation.view.clone(),
                    inputs: computation
                        .inputs
                        .iter()
                        .map(|(field, from)| (field.clone(), origin(*from)))
                        .collect(),
                    request: moved(&request, &computation.request),
                })
                .collect(),
            outputs: outputs.iter().filter_map(output).collect(),
        }
    }

    fn computation(&self, index: usize) -> &Computation {
        self.computations.get(index).expect("invariant: an origin names a computation of its plan")
    }

    /// The lookups that a value reads, directly or through on-demand views: their oldest time is the time of the
    /// value (law 3).
    pub fn lookups_of(&self, origin: Origin) -> Vec<usize> {
        self.needs_of(vec![origin]).lookups.into_keys().collect()
    }

    /// The column of a join key or of the request, by its name.
    pub fn column(&self, name: &str) -> Option<&Field> {
        self.keys.iter().chain(&self.request).find(|field| field.name.as_str() == name)
    }
}

/// What a definition may be called by: the names of a service's live version or of an exact one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceRef {
    /// The version that is live.
    Live(Name),
    /// Exactly this version.
    Exact(VersionId),
}

impl std::str::FromStr for ServiceRef {
    type Err = crate::name::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('@') { text.parse().map(Self::Exact) } else { text.parse().map(Self::Live) }
    }
}

impl std::fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServiceRef::Live(name) => name.fmt(f),
            ServiceRef::Exact(id) => id.fmt(f),
        }
    }
}
