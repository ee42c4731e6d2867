//! Whether a version can be retired: what still needs it, and what is retired with it where that is overridden.

use crate::body::{Body, DefinitionId};
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::registered::Registered;

/// Something that still needs a version.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Holder {
    id: DefinitionId,
    /// As a refusal names it: with the model that reads it and its owner.
    shown: String,
    /// Whether a service's own name means it, for all entities or for some.
    answers: bool,
}

impl Registered {
    /// Every version that is retired with this one: itself, and, where that is overridden, all that reads it. Refused
    /// while something else needs it. A version that answers a service's own name is never retired: clients would be
    /// left without an answer, or with another version's.
    pub(super) fn retired_with(
        &self,
        id: &DefinitionId,
        overrides: bool,
    ) -> Result<Vec<DefinitionId>, RegistryError> {
        let refused = |why: String| RegistryError::NotRetired { what: id.to_string(), why };
        if !id.kind.is_versioned() {
            return Err(refused("it has no versions: remove it once nothing reads it".to_owned()));
        }
        let own = self.holder(id.clone());
        if own.answers {
            let shown = own.shown;
            return Err(refused(format!(
                "{shown} answers its service's own name: cut over to another version first"
            )));
        }
        if let Some(model) = self.model_left(id)
            && !overrides
        {
            return Err(refused(format!(
                "{model}: name the model as the consumer of the version that replaces it, or give a reason to override"
            )));
        }
        let readers = self.dependents(id).into_iter();
        let readers: Vec<Holder> =
            readers.map(|reach| self.holder(DefinitionId::versioned(reach.kind, &reach.id))).collect();
        let shown: Vec<&str> = readers.iter().map(|reader| reader.shown.as_str()).collect();
        let shown = shown.join(", ");
        if readers.iter().any(|reader| reader.answers) {
            return Err(refused(format!(
                "{shown} read it, and what answers a service's own name stays: cut over to a version that does not \
                 read it first"
            )));
        }
        if !readers.is_empty() && !overrides {
            return Err(refused(format!("{shown} read it: retire those first")));
        }
        Ok(std::iter::once(id.clone()).chain(readers.into_iter().map(|reader| reader.id)).collect())
    }

    /// That a model reads this version of a service by its own word, unless the live version names the model too.
    pub(super) fn model_left(&self, id: &DefinitionId) -> Option<String> {
        let consumer = |id: &DefinitionId| match self.definition(id).map(|definition| &definition.body) {
            Some(Body::FeatureService(service)) => service.consumer.as_ref(),
            _ => None,
        };
        let left = consumer(id)?;
        let live = self.rollout(&id.name).map(|rollout| &rollout.live)?;
        let live = DefinitionId::versioned(Kind::FeatureService, live);
        if consumer(&live).is_some_and(|consumer| consumer.model == left.model) {
            return None;
        }
        let owner = left.owner.as_ref().map(|owner| format!(" (owner {owner})")).unwrap_or_default();
        let (version, live) = (id.reference(), live.reference());
        Some(format!(
            "{version} is read by the model {}{owner}, which {live}, the live version, does not name",
            left.model
        ))
    }

    fn holder(&self, id: DefinitionId) -> Holder {
        let version = id.version_id();
        let rollout = self.rollout(&id.name).filter(|_| id.kind == Kind::FeatureService);
        let is_live = rollout.is_some_and(|rollout| Some(&rollout.live) == version.as_ref());
        let canary = rollout.and_then(|rollout| rollout.canary.as_ref());
        let canary = canary.filter(|canary| Some(&canary.version) == version.as_ref());
        let mut about: Vec<String> = Vec::new();
        if let Some(Body::FeatureService(service)) = self.definition(&id).map(|definition| &definition.body) {
            if let Some(consumer) = &service.consumer {
                about.push(format!("model {}", consumer.model));
            }
            let owner = service.consumer.as_ref().and_then(|consumer| consumer.owner.as_ref());
            about.extend(owner.or(service.about.owner.as_ref()).map(|owner| format!("owner {owner}")));
        }
        if is_live {
            about.push("live".to_owned());
        }
        about.extend(canary.map(|canary| format!("canary for {}", canary.percent)));
        let shown = match about.as_slice() {
            [] => id.reference(),
            about => format!("{} ({})", id.reference(), about.join(", ")),
        };
        Holder { id, shown, answers: is_live || canary.is_some() }
    }
}
