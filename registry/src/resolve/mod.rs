//! Turns drafts into definitions: each reference is followed, each expression compiled, each rule
//! of the definition format checked. Everything that is wrong is reported, and what rests on
//! something wrong is passed over in silence, so that one mistake gives one message.

pub(crate) mod default_value;
mod expectation;
mod expression;
mod features;
mod on_demand;
mod service;
mod source;
mod take;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use feature::{Name, Source, VersionId};

use crate::catalog::Catalog;
use crate::definition::{Body, Definition, DefinitionId, Entity};
use crate::draft::Draft;
use crate::keys::Kind;
use crate::nearest::did_you_mean_or_list;
use crate::places::Places;
use crate::problem::{Problem, Report};
use crate::registered::Registered;
use crate::yaml::Node;

/// Definitions that were resolved, with the places of their keys.
pub(crate) type Resolved = BTreeMap<DefinitionId, (Definition, Places)>;

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
        broken: BTreeSet::new(),
        is_complete,
    };
    let mut resolver = Resolver { known, problems, resolved: BTreeMap::new() };
    for kind in [Kind::Entity, Kind::Source, Kind::FeatureView] {
        drafts.iter().filter(|draft| draft.id.kind == kind).for_each(|draft| resolver.take(draft));
    }
    for draft in on_demand::in_order(drafts, &mut resolver) {
        resolver.take(draft);
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

/// What was resolved so far: what the next draft may refer to.
struct Known<'a> {
    registered: &'a Registered,
    /// The entities of the files; none for one that has a problem.
    entities: BTreeMap<Name, Option<Entity>>,
    /// The sources of the files; none for one that has a problem.
    sources: BTreeMap<Name, Option<Source>>,
    /// The views of the files, and the registered ones that have no file.
    catalog: Catalog,
    /// The views of the files that have a problem.
    broken: BTreeSet<VersionId>,
    is_complete: bool,
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
            (_, Some(Body::OnDemandView(view))) => self.known.catalog.insert_on_demand(view.clone()),
            (Kind::FeatureView | Kind::OnDemandView, _) => {
                self.known.broken.insert(draft.version_id());
            }
            (Kind::FeatureService, _) => {}
        }
        if let Some(definition) = definition {
            self.resolved.insert(draft.id.clone(), (definition, Places::of(draft.root())));
        }
    }
}

/// The definition that a key of a document refers to; none where it is missing, which is
/// reported, or has a problem of its own, which is not.
fn referred<'k, T>(
    root: &Node,
    key: &str,
    among: &'k BTreeMap<Name, Option<T>>,
    is_complete: bool,
    report: &mut Report<'_>,
) -> Option<&'k T> {
    let node = root.get(key)?;
    let name = node.text()?;
    match among.get(name) {
        Some(known) => known.as_ref(),
        None => {
            if is_complete && name.parse::<Name>().is_ok() {
                let near = did_you_mean_or_list(name, among.keys().map(Name::as_str));
                report.at(node.at, format!("unknown {key} `{name}`{near}"));
            }
            None
        }
    }
}
