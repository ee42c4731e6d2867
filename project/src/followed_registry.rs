//! A registry that is followed: what it holds is read again once it has changed, and one that was replaced is opened again.

use registry::{Registered, Registry, RegistryError};

use crate::error::ProjectError;
use crate::project::Project;

/// A registry, and the generation that was taken on of it.
pub(crate) struct FollowedRegistry {
    registry: Registry,
    /// `None` if nothing was taken on yet.
    generation: Option<u64>,
}

impl FollowedRegistry {
    /// Follows a registry of which nothing was taken on yet.
    pub(crate) const fn new(registry: Registry) -> Self {
        Self { registry, generation: None }
    }

    /// What it holds, if that is not what was taken on.
    pub(crate) async fn changed(&mut self, project: &Project) -> Result<Option<Registered>, ProjectError> {
        match self.registry.generation().await {
            Err(error @ RegistryError::Gone { .. }) => {
                self.registry = project.registry_so_far().await?.ok_or(error)?;
            }
            generation => {
                if Some(generation?) == self.generation {
                    return Ok(None);
                }
            }
        }
        Ok(Some(self.registry.registered().await?))
    }

    /// Notes that this is taken on.
    pub(crate) fn takes_on(&mut self, registered: &Registered) {
        self.generation = Some(registered.generation());
    }

    /// The registry as it is open now.
    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }
}
