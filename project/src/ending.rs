//! Deprecate and retire: the end of a version, and of what it took in both stores. A retirement is recorded first, so that
//! nothing uses the version any more; then its storage is freed, which goes on when the command is repeated.

use std::sync::Arc;

use access::Action;
use feature::{Micros, VersionId, View};
use materializer::leave_topic as leave_topic_of;
use offline::BatchPoint;
use registry::{Body, DefinitionId, Deprecation, Kind, Reason, Registered};

use crate::breakers;
use crate::error::ProjectError;
use crate::project::Project;

/// What to retire.
#[derive(Clone, Debug)]
pub struct Retire {
    /// The version of a view or of a service.
    pub version: VersionId,
    /// What it is, where a name and version mean several things.
    pub kind: Option<Kind>,
    /// Why.
    pub reason: Option<Reason>,
    /// Why what reads it, and answers no service's own name, is retired with it.
    pub overriding: Option<Reason>,
}

/// What was retired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetiredVersions {
    /// The version that was named.
    pub version: DefinitionId,
    /// Every version that was retired, the named one first; none where it was retired before.
    pub retired: Vec<DefinitionId>,
    /// Views whose log, dead letters and online rows were freed, those of earlier retirements that were interrupted too.
    pub freed: Vec<VersionId>,
}

/// Until when a version is to be used, and what to use instead.
#[derive(Clone, Debug)]
pub struct Sunset {
    /// When it is to be retired.
    pub at: Micros,
    /// Why.
    pub reason: Reason,
}

pub(crate) async fn deprecate(
    project: &Project,
    version: &VersionId,
    kind: Option<Kind>,
    sunset: Option<&Sunset>,
) -> Result<DefinitionId, ProjectError> {
    let id = meant(&project.registered().await?, version, kind)?;
    project.permit_definition(Action::Apply, &id).await?;
    let now = project.now();
    if let Some(at) = sunset.map(|sunset| sunset.at).filter(|at| *at <= now) {
        return Err(ProjectError::SunsetPast { version: version.clone(), at, now });
    }
    let deprecation =
        sunset.map(|Sunset { at, reason }| Deprecation { since: now, sunset: *at, reason: reason.clone() });
    project.registry().await?.deprecate(&id, deprecation.as_ref(), now).await?;
    Ok(id)
}

pub(crate) async fn retire(project: &Project, retire: &Retire) -> Result<RetiredVersions, ProjectError> {
    let version = meant(&project.registered().await?, &retire.version, retire.kind)?;
    project.permit_definition(Action::Apply, &version).await?;
    let registry = project.registry().await?;
    let (reason, overriding) = (retire.reason.as_ref(), retire.overriding.as_ref());
    let retired = registry.retire(&version, reason, overriding, project.now()).await?.versions;
    BatchPoint::Retired.pass();
    let registered = registry.registered().await?;
    let mut unfreed = registry.unfreed().await?;
    // What a process wrote that ended in the middle of it is freed when the command is repeated.
    if let Some(Body::FeatureView(view)) = registered.definition(&version).map(|found| &found.body)
        && !unfreed.contains(&view.id)
        && has_log(project, view).await?
    {
        unfreed.push(view.id.clone());
    }
    if unfreed.is_empty() {
        return Ok(RetiredVersions { version, retired, freed: Vec::new() });
    }
    let materializer = project.materializer(project.online().await?, &[], "retire").await?;
    for view in &unfreed {
        let id = DefinitionId::versioned(Kind::FeatureView, view);
        if let Some(Body::FeatureView(stored)) = registered.definition(&id).map(|found| &found.body) {
            breakers::end_of_view(project, &registry, &materializer.online, view).await?;
            materializer.free(&Arc::new(stored.clone())).await?;
            leave_topic(project, &registered, stored)?;
        }
        registry.freed(view, project.now()).await?;
    }
    Ok(RetiredVersions { version, retired, freed: unfreed })
}

/// What a topic on disk keeps until a view has read it is kept for the others alone from now on.
fn leave_topic(project: &Project, registered: &Registered, view: &View) -> Result<(), ProjectError> {
    let Some(topic) = registered.first_source_of(view)?.stream.as_ref().map(|stream| &stream.topic) else {
        return Ok(());
    };
    let Some(folder) = project.topic_on_disk(topic)? else { return Ok(()) };
    Ok(leave_topic_of(&folder, &project.group_on_disk(&view.id))?)
}

/// Whether something is left of a view's log. One that was removed in part cannot be opened.
async fn has_log(project: &Project, view: &View) -> Result<bool, ProjectError> {
    let log = project.offline()?.log(&Arc::new(view.clone())).await;
    Ok(log.map_or(true, |log| log.version().is_some()))
}

/// The definition of this name and version.
fn meant(
    registered: &Registered,
    version: &VersionId,
    kind: Option<Kind>,
) -> Result<DefinitionId, ProjectError> {
    let kinds =
        Kind::ALL.into_iter().filter(|one| one.is_versioned() && kind.is_none_or(|kind| kind == *one));
    let ids = kinds.map(|kind| DefinitionId::versioned(kind, version));
    let found: Vec<DefinitionId> = ids.filter(|id| registered.definition(id).is_some()).collect();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            let mut versions: Vec<String> = registered
                .definitions()
                .map(|definition| definition.id())
                .filter(|id| id.name == version.name && id.version.is_some())
                .map(|id| id.reference())
                .collect();
            versions.dedup();
            Err(ProjectError::NoSuchVersion { version: version.clone(), versions })
        }
        several => Err(ProjectError::SeveralKinds {
            version: version.clone(),
            kinds: several.iter().map(|id| id.kind.name().to_owned()).collect(),
        }),
    }
}
