//! What a registry held at one generation: every read that needs no database.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{
    Name, OnDemandView, Percent, Service, ServicePlan, ServiceRef, Source, VersionId, View, ViewSource,
};
use serde::Serialize;

use crate::body::{Body, DefinitionId};
use crate::catalog::{Catalog, Readable, service_plan, views_plan};
use crate::definition::Definition;
use crate::error::RegistryError;
use crate::first_use::{FirstUse, UNKNOWN};
use crate::keys::Kind;
use crate::lifecycle::{Deprecated, Deprecation, Retirement};
use crate::nearest::did_you_mean_or_list;
use crate::reach::{Reach, Readers};
use crate::rollout::Rollout;
use crate::using::Using;

/// All definitions of a registry at one generation. Reads are pure; a reader that follows the
/// registry compares generations and takes the next one.
#[derive(Clone, Debug, Default)]
pub struct Registered {
    generation: u64,
    definitions: BTreeMap<DefinitionId, Definition>,
    catalog: Catalog,
    rollouts: BTreeMap<Name, Rollout>,
    uses: BTreeMap<DefinitionId, FirstUse>,
    deprecations: BTreeMap<DefinitionId, Deprecation>,
    retirements: BTreeMap<DefinitionId, Retirement>,
}

/// One line of the list of what is defined.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Listed {
    /// What it defines.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// Its version; `None` for entities and sources.
    pub version: Option<u32>,
    /// Whether it is the live version of a service; `None` for what has no live version.
    pub live: Option<bool>,
    /// For how many of the entities it answers as a canary; `None` where it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Percent>,
    /// How many features it defines or gives; `None` for entities and sources.
    pub features: Option<usize>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// The semantic hash, in hexadecimal.
    pub hash: String,
    /// How often it was written again, from 1.
    pub revision: u32,
    /// The file that it was last read from.
    pub file: String,
    /// Until when it is to be used, and why no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Deprecation>,
    /// Since when it is not used any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retirement>,
}

impl Registered {
    pub(crate) fn new(
        generation: u64,
        definitions: Vec<Definition>,
        rollouts: BTreeMap<Name, Rollout>,
    ) -> Registered {
        let mut catalog = Catalog::default();
        for definition in &definitions {
            match &definition.body {
                Body::FeatureView(view) => catalog.insert_view(view.clone()),
                Body::OnDemandView(view) => catalog.insert_on_demand(view.clone()),
                Body::Entity(_) | Body::Source { .. } | Body::FeatureService(_) => {}
            }
        }
        let definitions = definitions.into_iter().map(|d| (d.id(), d)).collect();
        Registered { generation, definitions, catalog, rollouts, ..Registered::default() }
    }

    /// The same, with what is known of first uses.
    pub(crate) fn with_uses(self, uses: BTreeMap<DefinitionId, FirstUse>) -> Registered {
        Registered { uses, ..self }
    }

    /// The same, with what is known of deprecations and retirements. What is retired is not read any more.
    pub(crate) fn with_ends(
        mut self,
        deprecations: BTreeMap<DefinitionId, Deprecation>,
        retirements: BTreeMap<DefinitionId, Retirement>,
    ) -> Registered {
        let views = |id: &&DefinitionId| id.kind != Kind::FeatureService;
        for id in retirements.keys().filter(views).filter_map(DefinitionId::version_id) {
            self.catalog.remove(&id);
        }
        Registered { deprecations, retirements, ..self }
    }

    /// The same as if nothing had been retired: what retired versions were, and what they read.
    pub fn with_retired(&self) -> Registered {
        let definitions = self.definitions.values().cloned().collect();
        Registered::new(self.generation, definitions, self.rollouts.clone()).with_uses(self.uses.clone())
    }

    /// Until when a version is to be used; `None` if it is not deprecated.
    pub fn deprecation(&self, id: &DefinitionId) -> Option<&Deprecation> {
        self.deprecations.get(id).filter(|_| self.retirement(id).is_none())
    }

    /// The versions that are deprecated and not retired yet.
    pub(crate) fn deprecations(&self) -> impl Iterator<Item = (&DefinitionId, &Deprecation)> {
        self.deprecations.iter().filter(|(id, _)| self.retirement(id).is_none())
    }

    /// Since when a version is not used any more; `None` if it is in use.
    pub fn retirement(&self, id: &DefinitionId) -> Option<&Retirement> {
        self.retirements.get(id)
    }

    /// Every version that is not used any more.
    pub fn retirements(&self) -> impl Iterator<Item = (&DefinitionId, &Retirement)> {
        self.retirements.iter()
    }

    /// The deprecated versions among a service and what it reads.
    pub fn deprecated_of(&self, plan: &ServicePlan) -> Vec<Deprecated> {
        let reads = Using::service(plan).into_iter();
        let deprecated = reads.filter_map(|using| {
            let deprecation = self.deprecation(&using.id)?.clone();
            Some(Deprecated { version: using.id, deprecation })
        });
        deprecated.collect()
    }

    /// Refused where this is retired.
    pub(crate) fn in_use(&self, id: &DefinitionId) -> Result<(), RegistryError> {
        match self.retirement(id) {
            None => Ok(()),
            Some(retirement) => {
                let mut others: Vec<String> = self
                    .definitions
                    .keys()
                    .filter(|other| other.kind == id.kind && other.name == id.name)
                    .filter(|other| self.retirement(other).is_none())
                    .map(DefinitionId::reference)
                    .collect();
                others.truncate(8);
                let others = match others.as_slice() {
                    [] => String::new(),
                    others => format!(": there is {}", others.join(", ")),
                };
                Err(RegistryError::Retired { what: id.reference(), how: retirement.to_string(), others })
            }
        }
    }

    /// When a version was first used, and by what; `None` if it may still be edited or removed.
    pub fn first_use(&self, id: &DefinitionId) -> Option<&FirstUse> {
        self.uses.get(id)
    }

    pub(crate) fn is_used(&self, id: &DefinitionId) -> bool {
        self.uses.contains_key(id)
    }

    /// Whether a definition is registered, was never used, and is read by nothing.
    pub(crate) fn is_removable(&self, id: &DefinitionId) -> bool {
        self.definitions.contains_key(id) && !self.is_used(id) && self.dependents(id).is_empty()
    }

    /// The versions of which it is not known whether they were used.
    pub fn unknown_uses(&self) -> impl Iterator<Item = &DefinitionId> {
        self.uses.iter().filter(|(_, used)| used.by == UNKNOWN).map(|(id, _)| id)
    }

    /// How many applies changed the registry before.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether nothing is registered.
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// Every definition, by kind, name and version.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> + Clone {
        self.definitions.values()
    }

    /// The definition of this name; `None` if there is none.
    pub fn definition(&self, id: &DefinitionId) -> Option<&Definition> {
        self.definitions.get(id)
    }

    /// Every feature view, by name and version.
    pub fn views(&self) -> impl Iterator<Item = &Arc<View>> {
        self.catalog.all().filter_map(|(_, readable)| match readable {
            Readable::View(view) => Some(view),
            Readable::OnDemand(_) => None,
        })
    }

    /// Every on-demand view, by name and version.
    pub fn on_demand_views(&self) -> impl Iterator<Item = &Arc<OnDemandView>> {
        self.catalog.all().filter_map(|(_, readable)| match readable {
            Readable::View(_) => None,
            Readable::OnDemand(view) => Some(view),
        })
    }

    /// Every service, by name and version.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        let in_use = |service: &&Service| {
            !self.retirements.contains_key(&DefinitionId::versioned(Kind::FeatureService, &service.id))
        };
        let services = self.definitions.values().filter_map(|definition| match &definition.body {
            Body::FeatureService(service) => Some(service),
            _ => None,
        });
        services.filter(in_use)
    }

    /// A feature view.
    pub fn view(&self, id: &VersionId) -> Result<Arc<View>, RegistryError> {
        self.in_use(&DefinitionId::versioned(Kind::FeatureView, id))?;
        let found = self.views().find(|view| view.id == *id);
        found
            .cloned()
            .ok_or_else(|| unknown("feature view", &id.to_string(), self.views().map(|v| v.id.to_string())))
    }

    /// The feature view of this name, where it has one version.
    pub fn only_view(&self, name: &Name) -> Result<Arc<View>, RegistryError> {
        let named: Vec<&Arc<View>> = self.views().filter(|view| view.id.name == *name).collect();
        match named.as_slice() {
            [view] => Ok(Arc::clone(view)),
            [] => Err(unknown("feature view", name.as_str(), self.views().map(|v| v.id.name.to_string()))),
            several => Err(RegistryError::Several {
                name: name.to_string(),
                versions: several.iter().map(|view| view.id.to_string()).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// A source.
    pub fn source(&self, name: &Name) -> Result<&Source, RegistryError> {
        let sources = || {
            self.definitions.values().filter_map(|definition| match &definition.body {
                Body::Source { source, .. } => Some(source),
                _ => None,
            })
        };
        let found = sources().find(|source| source.name == *name);
        found.ok_or_else(|| unknown("source", name.as_str(), sources().map(|s| s.name.to_string())))
    }

    /// What a view reads: its source, or the rows of its input as one.
    pub fn source_of(&self, view: &View) -> Result<Cow<'_, Source>, RegistryError> {
        match &view.source {
            ViewSource::Named(name) => self.source(name).map(Cow::Borrowed),
            ViewSource::View { view } => Ok(Cow::Owned(self.any_view(view)?.as_source())),
        }
    }

    /// The view whose rows a derived view reads; `None` for a view of a source.
    pub fn input_of(&self, view: &View) -> Result<Option<Arc<View>>, RegistryError> {
        let input = view.source.input().map(|input| self.any_view(input)).transpose()?;
        Ok(input.cloned().map(Arc::new))
    }

    /// The source from which the rows of a view come, directly or through the inputs of derived views.
    pub fn first_source_of(&self, view: &View) -> Result<&Source, RegistryError> {
        match &view.source {
            ViewSource::Named(name) => self.source(name),
            ViewSource::View { view } => self.first_source_of(self.any_view(view)?),
        }
    }

    /// A feature view, also one that is retired, as the input of a derived view that is retired with it.
    fn any_view(&self, id: &VersionId) -> Result<&View, RegistryError> {
        match self.definition(&DefinitionId::versioned(Kind::FeatureView, id)).map(|found| &found.body) {
            Some(Body::FeatureView(view)) => Ok(view),
            _ => Err(unknown("feature view", &id.to_string(), self.views().map(|view| view.id.to_string()))),
        }
    }

    /// The version that a service's bare name means.
    pub fn live(&self, name: &Name) -> Option<u32> {
        Some(self.rollouts.get(name)?.live.version)
    }

    /// Which versions answer a service's own name.
    pub fn rollout(&self, name: &Name) -> Option<&Rollout> {
        self.rollouts.get(name)
    }

    /// A service: its live version, or exactly the version that is named.
    pub fn service(&self, reference: &ServiceRef) -> Result<&Service, RegistryError> {
        let (name, version) = match reference {
            ServiceRef::Exact(id) => {
                self.in_use(&DefinitionId::versioned(Kind::FeatureService, id))?;
                (&id.name, Some(id.version))
            }
            ServiceRef::Live(name) => (name, self.live(name)),
        };
        let found = self.services().find(|s| s.id.name == *name && Some(s.id.version) == version);
        found.ok_or_else(|| {
            let names = self.services().map(|service| match reference {
                ServiceRef::Exact(_) => service.id.to_string(),
                ServiceRef::Live(_) => service.id.name.to_string(),
            });
            unknown("service", &reference.to_string(), names)
        })
    }

    /// A service with everything that it reads: what is looked up, computed and given out.
    pub fn service_plan(&self, reference: &ServiceRef) -> Result<ServicePlan, RegistryError> {
        let service = self.service(reference)?;
        service_plan(service, &self.catalog).map_err(|reason| RegistryError::Damaged {
            what: format!("feature_service {}", service.id),
            reason,
        })
    }

    /// Every view that can be read, by name and version, on-demand views included.
    pub fn readable(&self) -> impl Iterator<Item = &VersionId> {
        self.catalog.ids()
    }

    /// A read that no service names: all features of these views, each view under its own join keys,
    /// each feature under the name `view@version:feature`. `id` is what the plan calls itself.
    pub fn views_plan(&self, id: VersionId, views: &[VersionId]) -> Result<ServicePlan, RegistryError> {
        views_plan(id, views, &self.catalog).map_err(RegistryError::Apart)
    }

    /// What is defined, by kind, name and version.
    pub fn list(&self) -> Vec<Listed> {
        self.definitions.values().map(|definition| self.listed(definition)).collect()
    }

    pub(crate) fn listed(&self, definition: &Definition) -> Listed {
        let DefinitionId { kind, name, version } = definition.id();
        let about = match &definition.body {
            Body::Entity(entity) => &entity.about,
            Body::Source { about, .. } => about,
            Body::FeatureView(view) => &view.about,
            Body::OnDemandView(view) => &view.about,
            Body::FeatureService(service) => &service.about,
        };
        let canary = self.rollout(&name).and_then(|rollout| rollout.canary.as_ref());
        let canary =
            canary.filter(|one| kind == Kind::FeatureService && Some(one.version.version) == version);
        Listed {
            kind,
            version,
            canary: canary.map(|canary| canary.percent),
            live: (kind == Kind::FeatureService).then(|| self.live(&name) == version),
            features: definition.body.features(|id| self.definition(id).map(|found| &found.body)),
            owner: about.owner.clone(),
            description: about.description.clone(),
            hash: definition.hash.clone(),
            revision: definition.revision,
            file: definition.file.to_string(),
            deprecated: self.deprecation(&definition.id()).cloned(),
            retired: self.retirement(&definition.id()).cloned(),
            name,
        }
    }

    /// The definitions that a name means: all versions of a bare name, or exactly `name@version`.
    pub(crate) fn named(&self, reference: &str) -> Result<Vec<&Definition>, RegistryError> {
        let is_meant = |id: &DefinitionId| id.name.as_str() == reference || id.reference() == reference;
        let found: Vec<&Definition> =
            self.definitions.iter().filter(|(id, _)| is_meant(id)).map(|(_, d)| d).collect();
        if found.is_empty() {
            let exact = reference.contains('@');
            let names =
                self.definitions.keys().map(|id| if exact { id.reference() } else { id.name.to_string() });
            return Err(unknown("definition", reference, names));
        }
        Ok(found)
    }

    /// The views and services that read a definition, directly or through others.
    pub fn dependents(&self, id: &DefinitionId) -> Vec<Reach> {
        let in_use = self.definitions.iter().filter(|(id, _)| self.retirement(id).is_none());
        Readers::new(in_use.map(|(_, definition)| &definition.body)).reached_from(id)
    }

    /// The feature views that a service or an on-demand view reads, directly or through others; none where
    /// it reads none.
    pub fn reads_of(&self, id: &DefinitionId) -> Option<Vec<DefinitionId>> {
        let version = id.version_id()?;
        let plan = match id.kind {
            Kind::FeatureService => self.service_plan(&ServiceRef::Exact(version)),
            Kind::OnDemandView => self.views_plan(version.clone(), &[version]),
            Kind::Entity | Kind::Source | Kind::FeatureView => return None,
        };
        let views = plan
            .ok()?
            .lookups
            .into_iter()
            .map(|lookup| DefinitionId::versioned(Kind::FeatureView, &lookup.view.id));
        Some(views.collect()).filter(|views: &Vec<_>| !views.is_empty())
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &DefinitionId> {
        self.definitions.keys()
    }
}

/// Names what is not there, and the nearest name that is.
pub(crate) fn unknown(kind: &'static str, name: &str, names: impl Iterator<Item = String>) -> RegistryError {
    let mut names: Vec<String> = names.collect();
    names.dedup();
    let name = name.to_owned();
    if names.is_empty() {
        return RegistryError::NoneRegistered { kind, name };
    }
    let hint = did_you_mean_or_list(&name, names.iter().map(String::as_str));
    RegistryError::Unknown { kind, name, hint }
}
