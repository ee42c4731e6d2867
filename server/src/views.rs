//! Reads of views that no service names. Each set of views is planned and compiled when it is first
//! requested, and kept as long as the bound allows.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use access::{Resource, ResourceKind, Tags};
use feature::{Name, ServicePlan, VersionId};
use read::FeatureReader;

use crate::error::ServeError;
use crate::freshness::WatchedReads;
use crate::notice::Notice;
use crate::request_fault::RequestFault;
use crate::served::Served;

/// How many sets of views are kept compiled. At one more, all are forgotten and compiled again when
/// they are requested.
const MOST_COMPILED: usize = 256;

/// The plan of a read of all features of these views, each view under its own join keys, each feature
/// under the name `view@version:feature`, and what its answers say of deprecated ones; the error says in a
/// sentence why the views cannot be read together.
type PlanOf = dyn Fn(&[VersionId]) -> Result<(ServicePlan, Option<Notice>), String> + Send + Sync;

/// What guards a view; the error says in a sentence why that is not known.
type TagsOf = dyn Fn(&VersionId) -> Result<Tags, String> + Send + Sync;

/// What counts the reads of a plan for freshness objectives.
type WatchedBy = dyn Fn(&ServicePlan) -> Arc<WatchedReads> + Send + Sync;

/// The views that can be read by name.
pub struct Views {
    ids: BTreeSet<VersionId>,
    plan_of: Box<PlanOf>,
    watched_by: Option<Box<WatchedBy>>,
    tags_of: Option<Box<TagsOf>>,
    compiled: RwLock<HashMap<Vec<VersionId>, Arc<Served>>>,
}

impl Views {
    /// These views, on-demand views included. `plan_of` gives the plan of a read of all features of
    /// some of them, each view under its own join keys, each feature under the name
    /// `view@version:feature`; its error says in a sentence why they cannot be read together.
    pub fn new(
        ids: impl IntoIterator<Item = VersionId>,
        plan_of: impl Fn(&[VersionId]) -> Result<(ServicePlan, Option<Notice>), String> + Send + Sync + 'static,
    ) -> Self {
        let (ids, plan_of) = (ids.into_iter().collect(), Box::new(plan_of));
        Self { ids, plan_of, watched_by: None, tags_of: None, compiled: RwLock::default() }
    }

    /// The same, whose reads are counted by what this gives for each plan.
    #[must_use]
    pub fn watched_by(
        self,
        watched_by: impl Fn(&ServicePlan) -> Arc<WatchedReads> + Send + Sync + 'static,
    ) -> Self {
        Self { watched_by: Some(Box::new(watched_by)), ..self }
    }

    /// The same, each guarded by the tags that this gives for it.
    #[must_use]
    pub fn guarded_by(
        self,
        tags_of: impl Fn(&VersionId) -> Result<Tags, String> + Send + Sync + 'static,
    ) -> Self {
        Self { tags_of: Some(Box::new(tags_of)), ..self }
    }

    /// What somebody has to be allowed to read of a view.
    pub(crate) fn resource(&self, view: &VersionId) -> Result<Resource, RequestFault> {
        let tags = self.tags_of.as_ref().map(|tags_of| tags_of(view)).transpose();
        let tags = tags.map_err(RequestFault::Apart)?.unwrap_or_default();
        Ok(Resource::new(ResourceKind::View, view.to_string()).tagged(tags))
    }

    /// A view by its name: this version, or the highest.
    pub(crate) fn find(&self, name: &str, version: Option<u32>) -> Result<&VersionId, RequestFault> {
        let unknown = || {
            let view = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
            RequestFault::unknown_view(&view, self.ids.iter().map(|id| id.name.as_str()))
        };
        let name: Name = name.parse().map_err(|_| unknown())?;
        let of = |version| VersionId { name: name.clone(), version };
        match version {
            Some(version) => self.ids.get(&of(version)),
            None => self.ids.range(of(0)..=of(u32::MAX)).next_back(),
        }
        .ok_or_else(unknown)
    }

    /// A reader of all features of these views.
    pub(crate) fn reader(&self, views: &BTreeSet<&VersionId>) -> Result<Arc<Served>, ServeError> {
        let views: Vec<VersionId> = views.iter().copied().cloned().collect();
        let compiled = self.compiled.read().unwrap_or_else(PoisonError::into_inner).get(&views).cloned();
        if let Some(reader) = compiled {
            return Ok(reader);
        }
        let (plan, notice) = (self.plan_of)(&views).map_err(RequestFault::Apart)?;
        let reader = Served::new(FeatureReader::new(Arc::new(plan))?).with_notice(notice);
        let resources: Result<Vec<Resource>, _> = views.iter().map(|view| self.resource(view)).collect();
        let mut reader = reader.guarded_by(resources?);
        if let Some(watched_by) = &self.watched_by {
            let watched = watched_by(reader.plan());
            reader = reader.watched_by(watched);
        }
        let reader = Arc::new(reader);
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= MOST_COMPILED {
            compiled.clear();
        }
        compiled.insert(views, Arc::clone(&reader));
        Ok(reader)
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").field("ids", &self.ids).finish_non_exhaustive()
    }
}
