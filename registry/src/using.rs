//! What a read or a load uses: the versions whose first use is recorded, with the hashes that they are to have.

use std::collections::BTreeSet;

use feature::{ServicePlan, VersionId, View};

use crate::body::DefinitionId;
use crate::keys::Kind;

/// A version that is about to be used.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Using {
    /// Which.
    pub id: DefinitionId,
    /// The semantic hash of what is used. `None` if it does not matter what the version says by now.
    pub hash: Option<String>,
}

impl Using {
    /// A feature view that is written or read as it stands here.
    pub fn view(view: &View) -> Using {
        Using { id: DefinitionId::versioned(Kind::FeatureView, &view.id), hash: Some(view.hash.clone()) }
    }

    /// A feature view, whatever it says by now: rows are pushed for it.
    pub fn view_as_it_is(id: &VersionId) -> Using {
        Using { id: DefinitionId::versioned(Kind::FeatureView, id), hash: None }
    }

    /// A service and every view that it reads. A plan without a hash is of views alone.
    pub fn service(plan: &ServicePlan) -> Vec<Using> {
        let mut using: BTreeSet<Using> =
            plan.lookups.iter().map(|lookup| Using::view(&lookup.view)).collect();
        using.extend(plan.computations.iter().map(|computation| {
            let view = &computation.view;
            Using { id: DefinitionId::versioned(Kind::OnDemandView, &view.id), hash: Some(view.hash.clone()) }
        }));
        if !plan.hash.is_empty() {
            let id = DefinitionId::versioned(Kind::FeatureService, &plan.id);
            using.insert(Using { id, hash: Some(plan.hash.clone()) });
        }
        using.into_iter().collect()
    }
}
