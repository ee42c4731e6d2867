//! Resolves drafts kind by kind, so that each finds what it refers to.

use std::collections::{BTreeMap, BTreeSet};

use feature::VersionId;

use crate::body::{Body, DefinitionId};
use crate::definition::Definition;
use crate::draft::Draft;
use crate::key_positions::KeyPositions;
use crate::keys::Kind;
use crate::problem::{Problem, Report};
use crate::registered::Registered;
use crate::resolve::known::Known;
use crate::resolve::order::{self, Reading};
use crate::resolve::{on_demand, rows, service, source, view};

/// Definitions that were resolved, with the positions of their keys.
pub(crate) type Resolved = BTreeMap<DefinitionId, (Definition, KeyPositions)>;

/// How views read others of their kind; an on-demand view also reads feature views, which come first.
const READINGS: [Reading; 2] = [
    Reading { kind: Kind::FeatureView, called: "derived views", of: rows::reads },
    Reading { kind: Kind::OnDemandView, called: "on-demand views", of: on_demand::reads },
];

/// Resolves drafts against each other and against what is registered. `is_complete` is false
/// where a file could not be read to its end: what is missing may stand there.
pub(crate) fn resolve(
    drafts: &[Draft],
    registered: &Registered,
    is_complete: bool,
    problems: &mut Vec<Problem>,
) -> Resolved {
    let mut catalog = registered.catalog().clone();
    let views: BTreeSet<VersionId> = drafts.iter().filter(|d| is_view(d)).map(Draft::version_id).collect();
    views.iter().for_each(|id| catalog.remove(id));
    let known = Known {
        registered,
        entities: BTreeMap::new(),
        sources: BTreeMap::new(),
        catalog,
        on_demand: drafts.iter().filter(|d| d.id.kind == Kind::OnDemandView).map(Draft::version_id).collect(),
        broken: BTreeSet::new(),
        is_complete,
    };
    let mut resolver = Resolver { known, problems, resolved: BTreeMap::new() };
    for kind in [Kind::Entity, Kind::Source] {
        drafts.iter().filter(|draft| draft.id.kind == kind).for_each(|draft| resolver.take(draft));
    }
    for reading in READINGS {
        let (in_order, broken) = order::in_order(drafts, &reading, resolver.problems);
        broken.into_iter().for_each(|draft| resolver.keep(draft, None));
        in_order.into_iter().for_each(|draft| resolver.take(draft));
    }
    drafts
        .iter()
        .filter(|draft| draft.id.kind == Kind::FeatureService)
        .for_each(|draft| resolver.take(draft));
    resolver.resolved
}

fn is_view(draft: &Draft) -> bool {
    matches!(draft.id.kind, Kind::FeatureView | Kind::OnDemandView)
}

struct Resolver<'a, 'b> {
    known: Known<'a>,
    problems: &'b mut Vec<Problem>,
    resolved: Resolved,
}

impl Resolver<'_, '_> {
    fn take(&mut self, draft: &Draft) {
        let mut report = Report::new(&draft.document.file, self.problems);
        let definition = match draft.id.kind {
            Kind::Entity => source::entity(draft, &mut report),
            Kind::Source => source::source(draft, &mut report),
            Kind::FeatureView => view::view(draft, &self.known, &mut report),
            Kind::OnDemandView => on_demand::on_demand(draft, &self.known, &mut report),
            Kind::FeatureService => service::service(draft, &self.known, &mut report),
        };
        let definition = definition.filter(|_| draft.is_sound && !report.has_problems());
        self.keep(draft, definition);
    }

    fn keep(&mut self, draft: &Draft, definition: Option<Definition>) {
        let name = draft.id.name.clone();
        match (draft.id.kind, definition.as_ref().map(|definition| &definition.body)) {
            (Kind::Entity, Some(Body::Entity(entity))) => {
                self.known.entities.insert(name, Some(entity.clone()));
            }
            (Kind::Entity, _) => {
                self.known.entities.insert(name, None);
            }
            (Kind::Source, Some(Body::Source { source, .. })) => {
                self.known.sources.insert(name, Some(source.clone()));
            }
            (Kind::Source, _) => {
                self.known.sources.insert(name, None);
            }
            (_, Some(Body::FeatureView(view))) => self.known.catalog.insert_view(view.clone()),
            (_, Some(Body::OnDemandView(view))) => self.known.catalog.insert_resolved(view.clone()),
            (Kind::FeatureView | Kind::OnDemandView, _) => {
                self.known.broken.insert(draft.version_id());
            }
            (Kind::FeatureService, _) => {}
        }
        if let Some(definition) = definition {
            self.resolved.insert(draft.id.clone(), (definition, KeyPositions::of(draft.root())));
        }
    }
}
