//! Who reads what: the views and services that a change of a definition reaches.

use std::collections::BTreeSet;

use feature::{Take, VersionId};
use serde::Serialize;

use crate::body::{Body, DefinitionId};
use crate::keys::Kind;

/// A view or a service that a change reaches.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Reach {
    /// What it is.
    pub kind: Kind,
    /// Which.
    pub id: VersionId,
    /// The model that reads the service.
    pub consumer: Option<String>,
}

/// What reads a definition among these, directly or through others, by kind and name.
pub(crate) fn reaches<'a>(bodies: impl Iterator<Item = &'a Body> + Clone, of: &DefinitionId) -> Vec<Reach> {
    let mut found: BTreeSet<Reach> = BTreeSet::new();
    let mut open = vec![of.clone()];
    while let Some(of) = open.pop() {
        for body in bodies.clone().filter(|body| reads(body, &of)) {
            let id = body.id();
            let Some(version) = id.version_id() else { continue };
            let consumer = match body {
                Body::FeatureService(service) => service.consumer.as_ref().map(|c| c.model.clone()),
                _ => None,
            };
            if found.insert(Reach { kind: id.kind, id: version, consumer }) {
                open.push(id);
            }
        }
    }
    found.into_iter().collect()
}

/// Whether a definition reads another, without any between them.
pub(crate) fn reads(body: &Body, of: &DefinitionId) -> bool {
    let takes = |takes: &[Take]| {
        let readable = matches!(of.kind, Kind::FeatureView | Kind::OnDemandView);
        readable && takes.iter().any(|take| Some(&take.from) == of.version_id().as_ref())
    };
    match body {
        Body::Entity(_) | Body::Source { .. } => false,
        Body::FeatureView(view) => {
            let reads_rows = view.source.input();
            (of.kind == Kind::Entity && view.entity == of.name)
                || (of.kind == Kind::Source && view.source.name() == Some(&of.name))
                || (of.kind == Kind::FeatureView
                    && reads_rows.is_some()
                    && reads_rows == of.version_id().as_ref())
        }
        Body::OnDemandView(view) => takes(&view.inputs),
        Body::FeatureService(service) => takes(&service.features),
    }
}
