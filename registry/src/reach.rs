//! Who reads what: the views and services that a change of a definition reaches.

use std::collections::{BTreeSet, HashMap};

use feature::{Name, Take, VersionId};
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
    /// Who answers for the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_owner: Option<String>,
}

/// What a definition reads, without any between them. Views of both kinds share their names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Read {
    Entity(Name),
    Source(Name),
    View(VersionId),
}

impl Read {
    /// How others read this definition; `None` if nothing can.
    fn of(id: &DefinitionId) -> Option<Read> {
        match id.kind {
            Kind::Entity => Some(Read::Entity(id.name.clone())),
            Kind::Source => Some(Read::Source(id.name.clone())),
            Kind::FeatureView | Kind::OnDemandView => id.version_id().map(Read::View),
            Kind::FeatureService => None,
        }
    }

    /// Everything that a definition reads.
    fn by(body: &Body) -> Vec<Read> {
        let taken = |takes: &[Take]| takes.iter().map(|take| Read::View(take.from.clone())).collect();
        match body {
            Body::Entity(_) | Body::Source { .. } => Vec::new(),
            Body::FeatureView(view) => {
                let source = view.source.name().cloned().map(Read::Source);
                let input = view.source.input().cloned().map(Read::View);
                [Read::Entity(view.entity.clone())].into_iter().chain(source).chain(input).collect()
            }
            Body::OnDemandView(view) => taken(&view.inputs),
            Body::FeatureService(service) => taken(&service.features),
        }
    }
}

/// Who reads what among some definitions, looked up once: what one of them reaches is found in the time of what it
/// reaches, and not of all.
pub(crate) struct Readers {
    /// The views and services, in order.
    all: Vec<(Reach, Option<Read>)>,
    /// For each definition that is read the indices of those that read it.
    of: HashMap<Read, Vec<usize>>,
}

impl Readers {
    pub fn new<'a>(bodies: impl Iterator<Item = &'a Body>) -> Readers {
        let mut found: Vec<(Reach, &Body)> = bodies
            .filter_map(|body| {
                let id = body.id();
                let consumer = match body {
                    Body::FeatureService(service) => service.consumer.as_ref(),
                    _ => None,
                };
                let reach = Reach {
                    kind: id.kind,
                    id: id.version_id()?,
                    consumer: consumer.map(|consumer| consumer.model.clone()),
                    consumer_owner: consumer.and_then(|consumer| consumer.owner.clone()),
                };
                Some((reach, body))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut of: HashMap<Read, Vec<usize>> = HashMap::new();
        for (index, (_, body)) in found.iter().enumerate() {
            Read::by(body).into_iter().for_each(|read| of.entry(read).or_default().push(index));
        }
        let all = found.into_iter().map(|(reach, body)| (reach, Read::of(&body.id()))).collect();
        Readers { all, of }
    }

    /// What reads a definition, directly or through others, by kind and name.
    pub fn reached_from(&self, of: &DefinitionId) -> Vec<Reach> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        let mut open: Vec<Read> = Read::of(of).into_iter().collect();
        while let Some(read) = open.pop() {
            for index in self.of.get(&read).into_iter().flatten() {
                if found.insert(*index) {
                    open.extend(self.all.get(*index).and_then(|(_, read)| read.clone()));
                }
            }
        }
        found.into_iter().filter_map(|index| Some(self.all.get(index)?.0.clone())).collect()
    }
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
