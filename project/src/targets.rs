//! Which views a command is for: those that are named, or all whose source is of a kind.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use feature::{Name, NameError, ServicePlan, ServiceRef, VersionId, View};
use materializer::{Input, Target};
use offline::OfflineError;
use registry::{Registered, RegistryError};

use crate::error::ProjectError;

/// A view as a user names it: the version may be left out where there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ViewName {
    /// `view@version`
    Exact(VersionId),
    /// `view`
    Only(Name),
}

impl FromStr for ViewName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('@') { text.parse().map(Self::Exact) } else { text.parse().map(Self::Only) }
    }
}

impl From<VersionId> for ViewName {
    fn from(id: VersionId) -> Self {
        Self::Exact(id)
    }
}

/// The named views with what they read; where none is named, all that have history.
pub(crate) fn targets(registered: &Registered, named: &[ViewName]) -> Result<Vec<Target>, ProjectError> {
    targets_with(registered, named, has_history)
}

/// Whether a view has rows that are loaded: those of a batch source, or of its input.
pub(crate) fn has_history(target: &Target) -> bool {
    target.source.batch.is_some() || target.input.is_some()
}

/// Whether a view has rows that are followed.
pub(crate) fn has_stream(target: &Target) -> bool {
    target.source.stream.is_some()
}

/// An error of reading logs; if a view has no row yet, by where its rows come from: one without history cannot be
/// backfilled.
pub(crate) fn empty_by_source(registered: &Registered, error: ProjectError) -> ProjectError {
    let (ProjectError::Offline(OfflineError::NoLog { view }) | ProjectError::NoRowsToDraw { view }) = &error
    else {
        return error;
    };
    let registered_view = registered.view(view).map_err(ProjectError::from);
    match registered_view.and_then(|view| target(registered, view)) {
        Ok(target) if !has_history(&target) => ProjectError::NotStreamed { view: view.clone() },
        _ => error,
    }
}

/// The view that a user names.
pub(crate) fn named_view(registered: &Registered, name: &ViewName) -> Result<Arc<View>, RegistryError> {
    match name {
        ViewName::Exact(id) => registered.view(id),
        ViewName::Only(name) => registered.only_view(name),
    }
}

/// Every view that a service reads, once.
pub(crate) fn views_read(plan: &ServicePlan) -> Vec<Arc<View>> {
    let mut seen = HashSet::new();
    let views = plan.lookups.iter().map(|lookup| &lookup.view);
    views.filter(|view| seen.insert(&view.id)).cloned().collect()
}

/// The views of a service of this name, or else the view of this name; all where none is named.
pub(crate) fn views_of(registered: &Registered, of: Option<&str>) -> Result<Vec<Arc<View>>, ProjectError> {
    let Some(name) = of else { return Ok(registered.views().cloned().collect()) };
    let bare = name.split('@').next();
    if registered.services().all(|service| Some(service.id.name.as_str()) != bare) {
        return Ok(vec![named_view(registered, &name.parse()?)?]);
    }
    let plan = registered.service_plan(&name.parse::<ServiceRef>()?)?;
    let mut views: Vec<Arc<View>> = plan.lookups.iter().map(|lookup| lookup.view.clone()).collect();
    views.sort_by(|a, b| a.id.cmp(&b.id));
    views.dedup_by(|a, b| a.id == b.id);
    Ok(views)
}

/// The views whose rows are made of those of a view, directly.
pub(crate) fn derived_from(
    registered: &Registered,
    view: &VersionId,
) -> Result<Vec<Arc<View>>, ProjectError> {
    let mut derived = Vec::new();
    for other in registered.views() {
        if registered.input_of(other)?.is_some_and(|input| input.id == *view) {
            derived.push(other.clone());
        }
    }
    Ok(derived)
}

/// A view with what it reads.
pub(crate) fn target(registered: &Registered, view: Arc<View>) -> Result<Target, ProjectError> {
    let source = Arc::new(registered.source_of(&view)?.into_owned());
    let input = match registered.input_of(&view)? {
        Some(input) => {
            let has_history = input.is_derived() || registered.source_of(&input)?.batch.is_some();
            Some(Input { view: input, has_history })
        }
        None => None,
    };
    Ok(Target { view, source, input })
}

/// The named views with what they read; where none is named, all that are as it says.
pub(crate) fn targets_with(
    registered: &Registered,
    named: &[ViewName],
    is_meant: impl Fn(&Target) -> bool,
) -> Result<Vec<Target>, ProjectError> {
    let views = match named {
        [] => registered.views().cloned().collect(),
        named => named.iter().map(|name| named_view(registered, name)).collect::<Result<Vec<_>, _>>()?,
    };
    let mut targets = Vec::new();
    for view in views {
        let target = target(registered, view)?;
        if !named.is_empty() || is_meant(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}
