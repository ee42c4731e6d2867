//! What is defined: listed, shown, and removed where nothing reads it.

use access::Action;
use registry::{Definition, DefinitionId, FoundFeature, Kind, Listed, RegistryError, Removed, Shown};

use crate::error::ProjectError;
use crate::project::Project;

/// What a name means.
#[derive(Clone, PartialEq, Debug)]
pub enum Meaning {
    /// Definitions: all versions of a name, or exactly one.
    Definitions(Vec<Shown>),
    /// Features of this name, where no definition has it.
    Features(Vec<FoundFeature>),
}

/// A definition that was removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemovedDefinition {
    /// Which.
    pub removed: Removed,
    /// Whether its file is still there: where that still defines it, the next apply adds it again.
    pub has_file: bool,
}

pub(crate) async fn list(project: &Project) -> Result<Vec<Listed>, ProjectError> {
    Ok(project.registered().await?.list())
}

pub(crate) async fn show(project: &Project, name: &str) -> Result<Meaning, ProjectError> {
    let registry = project.registry().await?;
    match registry.show(name).await {
        Ok(shown) => Ok(Meaning::Definitions(shown)),
        Err(error @ (RegistryError::Unknown { .. } | RegistryError::NoneRegistered { .. })) => {
            match registry.registered().await?.features_named(name)? {
                found if found.is_empty() => Err(error.into()),
                found => Ok(Meaning::Features(found)),
            }
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn remove(
    project: &Project,
    name: &str,
    kind: Option<Kind>,
) -> Result<RemovedDefinition, ProjectError> {
    let registry = project.registry().await?;
    project.settle_uses(&registry).await?;
    let registered = registry.registered().await?;
    let ids = registered.definitions().map(Definition::id);
    let is_meant = |id: &DefinitionId| {
        (id.name.as_str() == name || id.reference() == name) && kind.is_none_or(|kind| kind == id.kind)
    };
    for id in ids.filter(is_meant) {
        project.permit_definition(Action::Apply, &id).await?;
    }
    let removed = registry.remove(name, kind, project.now()).await?;
    let has_file = project.folder.join(&removed.file).is_file();
    Ok(RemovedDefinition { removed, has_file })
}
