//! Which services and views are served, and which version of each service is live. Whoever knows the
//! definitions fills it, and may replace it while requests are answered.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use feature::{Canary, Name, ServiceRef, VersionId, excerpt, nearest};
use read::{RequestColumn, first_key};

use crate::error::ServeError;
use crate::push::PushSource;
use crate::request_fault::RequestFault;
use crate::served::Served;
use crate::views::Views;

/// Compiled services by their exact version, and the live version of each name.
#[derive(Debug, Default)]
pub struct Services {
    exact: BTreeMap<VersionId, Arc<Served>>,
    live: BTreeMap<Name, VersionId>,
    canaries: BTreeMap<Name, Canary>,
    retired: BTreeMap<VersionId, String>,
    views: Option<Views>,
    sources: BTreeMap<Name, Arc<PushSource>>,
}

impl Services {
    /// These services; a name means the version that is live.
    pub fn new(
        readers: impl IntoIterator<Item = Arc<Served>>,
        live: impl IntoIterator<Item = VersionId>,
    ) -> Self {
        Self {
            exact: readers.into_iter().map(|reader| (reader.plan().id.clone(), reader)).collect(),
            live: live.into_iter().map(|id| (id.name.clone(), id)).collect(),
            canaries: BTreeMap::new(),
            retired: BTreeMap::new(),
            views: None,
            sources: BTreeMap::new(),
        }
    }

    /// The same, where each of these answers its service's own name for some of the entities.
    #[must_use]
    pub fn with_canaries(self, canaries: impl IntoIterator<Item = Canary>) -> Self {
        let canaries = canaries.into_iter().map(|canary| (canary.version.name.clone(), canary));
        Self { canaries: canaries.collect(), ..self }
    }

    /// The same, where these versions of services are not answered any more: each with what is said of it.
    #[must_use]
    pub fn with_retired(self, retired: impl IntoIterator<Item = (VersionId, String)>) -> Self {
        Self { retired: retired.into_iter().collect(), ..self }
    }

    /// The version of a service that gives what a model was trained on, by its semantic hash.
    pub(crate) fn trained_on(&self, name: &Name, hash: &str) -> Option<&VersionId> {
        let same = |served: &&Arc<Served>| served.plan().id.name == *name && served.plan().hash == hash;
        self.exact.values().rev().find(same).map(|served| &served.plan().id)
    }

    /// The same, and beside them these views, each to be read by its own name.
    #[must_use]
    pub fn with_views(self, views: Views) -> Self {
        Self { views: Some(views), ..self }
    }

    /// The same, and beside them these sources, into which rows may be pushed.
    #[must_use]
    pub fn with_sources(self, sources: impl IntoIterator<Item = PushSource>) -> Self {
        let sources = sources.into_iter().map(|source| (source.name.clone(), Arc::new(source)));
        Self { sources: sources.collect(), ..self }
    }

    /// The source of this name.
    pub(crate) fn source(&self, name: &str) -> Result<Arc<PushSource>, ServeError> {
        const LONGEST_CHARS: usize = 80;
        let found = self.sources.values().find(|source| source.name.as_str() == name);
        found.cloned().ok_or_else(|| {
            let nearest = nearest(name, self.sources.keys().map(Name::as_str)).map(str::to_owned);
            RequestFault::UnknownSource { source_name: excerpt(name, LONGEST_CHARS).into_owned(), nearest }
                .into()
        })
    }

    /// The source that this view reads.
    pub(crate) fn source_of(&self, view: &VersionId) -> Option<Arc<PushSource>> {
        let reads = |source: &&Arc<PushSource>| source.views.iter().any(|other| other.id == *view);
        self.sources.values().find(reads).cloned()
    }

    /// The views that can be read by name.
    pub(crate) fn views(&self) -> Option<&Views> {
        self.views.as_ref()
    }

    /// Every service, in order.
    pub fn readers(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.exact.values()
    }

    /// A service by `name` or `name@version`.
    pub fn find(&self, text: &str) -> Result<Arc<Served>, ServeError> {
        let id = match text.parse() {
            Ok(ServiceRef::Live(name)) => self.live.get(&name).cloned(),
            Ok(ServiceRef::Exact(id)) => Some(id),
            Err(_) => None,
        };
        id.and_then(|id| self.exact.get(&id)).cloned().ok_or_else(|| self.unknown(text))
    }

    /// The version of a service that answers a request with these columns: by `name@version` that one; by `name` the
    /// live one, or its canary where that answers for the first entity of the request, by the first join key of the
    /// live version. So one request is answered by one version.
    pub(crate) fn answering<C: RequestColumn + Clone>(
        &self,
        text: &str,
        columns: &[(String, C)],
    ) -> Result<Arc<Served>, ServeError> {
        let live = self.find(text)?;
        let Some(canary) = self.canaries.get(text) else { return Ok(live) };
        let key = live.plan().keys.first().and_then(|key| {
            let (_, column) = columns.iter().find(|(name, _)| name == key.name.as_str())?;
            first_key(key, column.clone())
        });
        let answers = key.is_some_and(|key| canary.answers(&key));
        let chosen = if answers { self.exact.get(&canary.version) } else { None };
        Ok(chosen.cloned().unwrap_or(live))
    }

    /// One version of a service; none where there is no such version.
    pub fn exact(&self, id: &VersionId) -> Option<&Arc<Served>> {
        self.exact.get(id)
    }

    /// The exact versions, in order.
    pub fn ids(&self) -> impl Iterator<Item = &VersionId> {
        self.exact.keys()
    }

    fn unknown(&self, text: &str) -> ServeError {
        const LONGEST_CHARS: usize = 80;
        let retired = text.parse().ok().and_then(|id: VersionId| self.retired.get(&id));
        if let Some(how) = retired {
            return RequestFault::Retired { service: text.to_owned(), how: how.clone() }.into();
        }
        let name = text.split('@').next().unwrap_or(text);
        let versions = self.exact.keys().filter(|id| id.name.as_str() == name);
        let nearest = match versions.max() {
            Some(id) => Some(id.to_string()),
            None => nearest(name, self.live.keys().map(Name::as_str)).map(str::to_owned),
        };
        RequestFault::UnknownService { service: excerpt(text, LONGEST_CHARS).into_owned(), nearest }.into()
    }
}

/// The services that a server answers for at this moment.
#[derive(Debug, Default)]
pub struct Catalog {
    services: RwLock<Arc<Services>>,
}

impl Catalog {
    /// A catalog of these services.
    pub fn new(services: Services) -> Self {
        Self { services: RwLock::new(Arc::new(services)) }
    }

    /// The services at this moment; a request that has begun goes on with those that it found.
    pub fn services(&self) -> Arc<Services> {
        Arc::clone(&self.services.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces all services at once.
    pub fn replace(&self, services: Services) {
        *self.services.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(services);
    }
}
