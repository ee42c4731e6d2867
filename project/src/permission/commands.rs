//! What is done with tokens by command, and why somebody may do something or may not.

use std::str::FromStr;

use access::{
    Action, Decision, KnownToken, Policy, Resource, ResourceKind, Subject, SubjectKind, Token, TokenName,
};
use feature::{Micros, Name, ServiceRef, Span, VersionId};
use registry::{KeptToken, Registered, RegistryError};
use thiserror::Error;

use crate::error::ProjectError;
use crate::project::Project;

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct CreateToken {
    /// What it is called: the subject `token NAME` of the policy.
    pub name: TokenName,
    /// Roles that it has beside those that the policy gives to its name.
    pub roles: Vec<Name>,
    /// How long it counts.
    pub expires_in: Option<Span>,
}

/// A token that was created.
#[derive(Clone, Debug)]
pub struct CreatedToken {
    /// The token with its secret, which nobody can show again.
    pub text: String,
    /// What is kept of it.
    pub kept: KnownToken,
    /// Whether the policy gives it nothing: neither it nor its name has a role, or there is no policy.
    pub is_without_role: bool,
}

/// Whether somebody may do something.
#[derive(Clone, Debug)]
pub struct CheckAccess {
    /// Who.
    pub subject: Subject,
    /// What.
    pub action: Action,
    /// With what.
    pub resource: NamedResource,
}

/// What an action is done with, as it is written: `service NAME[@V]`, `view NAME@V`, `source NAME` or `project`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamedResource {
    /// The project as a whole.
    Project,
    /// A service.
    Service(ServiceRef),
    /// A view.
    View(VersionId),
    /// A source.
    Source(Name),
}

/// What a check came to.
#[derive(Clone, Debug)]
pub struct CheckedAccess {
    /// The roles of the one who was checked.
    pub roles: Vec<Name>,
    /// What is read with it, and what guards it.
    pub resource: Resource,
    /// What the policy says.
    pub decision: Decision,
}

/// Text that names nobody.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{0}` is no subject: write it as token:NAME, certificate:NAME, oidc:SUB or user:NAME")]
pub struct NotASubject(String);

/// Text that names nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "`{0}` is no resource: write it as service:NAME, service:NAME@V, view:NAME@V, source:NAME or project"
)]
pub struct NotAResource(String);

impl CheckAccess {
    /// Who a text names, as in `token:scoring`.
    pub fn subject(text: &str) -> Result<Subject, NotASubject> {
        let wrong = || NotASubject(feature::excerpt(text, 80).into_owned());
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        let kind = SubjectKind::ALL.into_iter().find(|other| other.name() == kind).ok_or_else(wrong)?;
        if name.is_empty() { Err(wrong()) } else { Ok(Subject::new(kind, name)) }
    }
}

impl FromStr for NamedResource {
    type Err = NotAResource;

    fn from_str(text: &str) -> Result<Self, NotAResource> {
        let wrong = || NotAResource(feature::excerpt(text, 80).into_owned());
        if text == ResourceKind::Project.name() {
            return Ok(Self::Project);
        }
        match text.split_once(':') {
            Some(("service", name)) => name.parse().map(Self::Service).map_err(|_| wrong()),
            Some(("view", name)) => name.parse().map(Self::View).map_err(|_| wrong()),
            Some(("source", name)) => name.parse().map(Self::Source).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// Creates a token of these random bytes.
pub(crate) async fn create(
    project: &Project,
    create: &CreateToken,
    random: [u8; Token::RANDOM_BYTES],
) -> Result<CreatedToken, ProjectError> {
    project.permit(Action::Administer, &Resource::project()).await?;
    let policy = project.policy()?;
    for role in &create.roles {
        let known: Vec<&Name> =
            policy.iter().flat_map(|policy| policy.roles.iter().map(|role| &role.name)).collect();
        if !known.contains(&role) {
            let known = known.into_iter().map(Name::to_string).collect();
            let policy = project.settings.access.policy.clone();
            return Err(ProjectError::NoSuchRole { role: role.clone(), known, policy });
        }
    }
    let now = project.now();
    let token = Token::from_random(random);
    let kept = KnownToken {
        expires_at: create.expires_in.map(|span| now.saturating_add(span)),
        ..KnownToken::new(create.name.clone(), &token, create.roles.iter().cloned())
    };
    project.registry().await?.create_token(&kept, now).await?;
    let of_policy = |policy: &Policy| {
        let subject = Subject::new(SubjectKind::Token, create.name.as_str());
        policy.member(&subject).is_some_and(|member| !member.roles.is_empty())
    };
    let is_without_role = create.roles.is_empty() && !policy.as_ref().is_some_and(of_policy);
    Ok(CreatedToken { text: token.text(), kept, is_without_role })
}

/// All tokens.
pub(crate) async fn tokens(project: &Project) -> Result<Vec<KeptToken>, ProjectError> {
    project.permit(Action::Administer, &Resource::project()).await?;
    match project.registry_so_far().await? {
        None => Ok(Vec::new()),
        Some(registry) => Ok(registry.tokens().await?),
    }
}

/// Refuses tokens from now on, by id or by name.
pub(crate) async fn revoke(project: &Project, which: &str) -> Result<Vec<KeptToken>, ProjectError> {
    project.permit(Action::Administer, &Resource::project()).await?;
    let registry = project.registry_so_far().await?.ok_or_else(|| no_token(which))?;
    Ok(registry.revoke_tokens(which, project.now()).await?)
}

/// Refuses tokens after a while, by id or by name.
pub(crate) async fn expire(
    project: &Project,
    which: &str,
    after: Span,
) -> Result<Vec<KeptToken>, ProjectError> {
    project.permit(Action::Administer, &Resource::project()).await?;
    let registry = project.registry_so_far().await?.ok_or_else(|| no_token(which))?;
    let now = project.now();
    Ok(registry.expire_tokens(which, now.saturating_add(after), now).await?)
}

fn no_token(which: &str) -> ProjectError {
    RegistryError::NoneRegistered { kind: "token", name: which.to_owned() }.into()
}

/// Whether somebody may do something, and why.
pub(crate) async fn check(project: &Project, check: &CheckAccess) -> Result<CheckedAccess, ProjectError> {
    let policy = project.policy()?;
    let policy =
        policy.ok_or_else(|| ProjectError::NoPolicy { policy: project.settings.access.policy.clone() })?;
    let mut roles = Vec::new();
    if check.subject.kind == SubjectKind::Token
        && let Some(registry) = project.registry_so_far().await?
    {
        let tokens = registry.tokens().await?;
        let is_theirs = |kept: &&KeptToken| {
            kept.token.name.as_str() == check.subject.name && kept.token.revoked_at.is_none()
        };
        roles.extend(tokens.iter().filter(is_theirs).flat_map(|kept| kept.token.roles.iter().cloned()));
    }
    let identity = policy.identity(check.subject.clone(), roles);
    let resource = resource(&check.resource, &project.registered_so_far().await?)?;
    let decision = policy.decide(&identity, check.action, &resource);
    Ok(CheckedAccess { roles: identity.roles.into_iter().collect(), resource, decision })
}

/// A resource with what guards it.
fn resource(named: &NamedResource, registered: &Registered) -> Result<Resource, ProjectError> {
    Ok(match named {
        NamedResource::Project => Resource::project(),
        NamedResource::Service(service) => {
            let plan = registered.service_plan(service)?;
            let tags = registered.tags_of_service(&plan);
            Resource::new(ResourceKind::Service, plan.id.to_string()).tagged(tags)
        }
        NamedResource::View(view) => {
            let tags = registered.tags_of_view(view)?;
            Resource::new(ResourceKind::View, view.to_string()).tagged(tags)
        }
        NamedResource::Source(source) => {
            let source = &registered.source(source)?.name;
            Resource::new(ResourceKind::Source, source.as_str()).tagged(registered.tags_of_source(source))
        }
    })
}

/// What servers allowed in the last while: who, what, with what, and how often.
pub(crate) async fn allowed(
    project: &Project,
    last: Span,
) -> Result<Vec<(String, String, String, u64)>, ProjectError> {
    project.permit(Action::Administer, &Resource::project()).await?;
    let since = Micros::new(project.now().get().saturating_sub(last.micros())).unwrap_or(Micros::MIN);
    match project.registry_so_far().await? {
        None => Ok(Vec::new()),
        Some(registry) => Ok(registry.allowed_since(since).await?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_resources_are_read_as_they_are_written() {
        let subject = CheckAccess::subject("certificate:spiffe://a/b").unwrap();
        assert_eq!((subject.kind, subject.name.as_str()), (SubjectKind::Certificate, "spiffe://a/b"));
        for wrong in ["scoring", "token:", "group:a"] {
            assert!(CheckAccess::subject(wrong).is_err(), "{wrong}");
        }
        assert_eq!("project".parse(), Ok(NamedResource::Project));
        assert_eq!("view:a@1".parse(), Ok(NamedResource::View("a@1".parse().unwrap())));
        for wrong in ["view:a", "a", "service:", "source:a@1"] {
            assert!(wrong.parse::<NamedResource>().is_err(), "{wrong}");
        }
    }
}
