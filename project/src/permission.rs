//! Who may do what with a project: its policy file, the tokens of its registry, what commands ask of them, and how a server
//! follows both.

mod commands;
mod following;
mod issuer_keys;
mod tls_files;

use std::io::ErrorKind;

use access::{Action, Decision, Missing, Policy, Resource, ResourceKind, Subject, SubjectKind};
use feature::ServiceRef;
use registry::{DefinitionId, Denial, Kind, Problems, Registered, read_policy};

pub use commands::{
    CheckAccess, CheckedAccess, CreateToken, CreatedToken, NamedResource, NotAResource, NotASubject,
};
pub(crate) use commands::{allowed, check, create, expire, revoke, tokens};
pub(crate) use following::Following;
pub(crate) use tls_files::FollowedTls;

use crate::error::ProjectError;
use crate::project::Project;

/// Where the policy lies that need not be there.
const DEFAULT_POLICY: &str = "access.yaml";

impl Project {
    /// The policy of the project; `None` where there is none, and everybody may do everything.
    pub(crate) fn policy(&self) -> Result<Option<Policy>, ProjectError> {
        let shown = &self.settings.access.policy;
        let path = self.folder.join(shown);
        let is_optional = shown == DEFAULT_POLICY;
        if is_optional && path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(None);
        }
        read_policy(&path, shown).map(Some).map_err(ProjectError::Policy)
    }

    /// Refuses a command whose user may not do this by the policy; without a policy everybody may. The refusal is recorded.
    pub(crate) async fn permit(&self, action: Action, resource: &Resource) -> Result<(), ProjectError> {
        let Some(policy) = self.policy()? else { return Ok(()) };
        let subject = Subject::new(SubjectKind::User, self.settings.actor.as_str());
        let identity = policy.identity(subject, []);
        let Decision::Denied(missing) = policy.decide(&identity, action, resource) else { return Ok(()) };
        self.denied(&identity.label, action, resource, missing).await
    }

    async fn denied(
        &self,
        subject: &str,
        action: Action,
        resource: &Resource,
        missing: Missing,
    ) -> Result<(), ProjectError> {
        let (subject, resource) = (subject.to_owned(), resource.to_string());
        if let Some(registry) = self.registry_so_far().await? {
            let detail = format!("{action} {resource}: {missing}");
            let denial = Denial { subject: subject.clone(), detail, count: 1 };
            registry.record_denials(vec![denial], self.now()).await?;
        }
        Err(ProjectError::Denied {
            subject,
            action,
            resource,
            missing,
            policy: self.settings.access.policy.clone(),
        })
    }

    /// The same for a definition. An entity is of the project as a whole.
    pub(crate) async fn permit_definition(
        &self,
        action: Action,
        id: &DefinitionId,
    ) -> Result<(), ProjectError> {
        let kind = match id.kind {
            Kind::Entity => return self.permit(action, &Resource::project()).await,
            Kind::Source => ResourceKind::Source,
            Kind::FeatureView | Kind::OnDemandView => ResourceKind::View,
            Kind::FeatureService => ResourceKind::Service,
        };
        self.permit(action, &Resource::new(kind, id.reference())).await
    }

    /// The same for a service, whose tags are those of all that it reads.
    pub(crate) async fn permit_service(
        &self,
        action: Action,
        registered: &Registered,
        service: &ServiceRef,
    ) -> Result<(), ProjectError> {
        let plan = registered.service_plan(service)?;
        let resource = Resource::new(ResourceKind::Service, plan.id.to_string());
        self.permit(action, &resource.tagged(registered.tags_of_service(&plan))).await
    }
}

/// What is wrong with a policy, in one line for a log.
fn in_one_line(problems: &Problems) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
