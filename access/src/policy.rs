//! Which roles there are, what each grants, who has them, and which tags are protected. Nothing is allowed that no grant
//! allows.

use std::collections::BTreeSet;

use feature::Name;

use crate::action::Action;
use crate::consumer::{Consumer, Share};
use crate::decision::{Decision, Missing};
use crate::identity::{Identity, Subject, SubjectKind};
use crate::oidc::Claims;
use crate::pattern::Pattern;
use crate::protected_tag::ProtectedTag;
use crate::resource::{Resource, ResourceKind};

/// Who may do what, as a project's policy file says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// Tags that need a grant of their own.
    pub protected: Vec<ProtectedTag>,
    /// The roles.
    pub roles: Vec<Role>,
    /// Who has which.
    pub members: Vec<Member>,
    /// Who may take how much.
    pub consumers: Vec<Consumer>,
}

/// A set of grants with a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Role {
    /// What it is called.
    pub name: Name,
    /// What it allows.
    pub grants: Vec<Grant>,
}

/// Actions on resources.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grant {
    /// What is allowed.
    pub actions: BTreeSet<Action>,
    /// With which services.
    pub services: Vec<Pattern>,
    /// With which views.
    pub views: Vec<Pattern>,
    /// With which sources.
    pub sources: Vec<Pattern>,
    /// Protected tags that these may have.
    pub tags: Vec<ProtectedTag>,
}

/// Who has roles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who.
    pub subject: Subject,
    /// Their roles.
    pub roles: Vec<Name>,
    /// The consumer whose share they take from; without one a share of their own.
    pub consumer: Option<Name>,
}

impl Grant {
    /// Of these actions, with no resource yet.
    pub fn of(actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: actions.into_iter().collect(), ..Self::default() }
    }

    /// The pattern by which it covers an action on a resource; `Some(None)` for the project as a whole.
    fn covers(&self, action: Action, resource: &Resource) -> Option<Option<&Pattern>> {
        if !self.actions.contains(&action) {
            return None;
        }
        let patterns = match resource.kind {
            ResourceKind::Project => return Some(None),
            ResourceKind::Service => &self.services,
            ResourceKind::View => &self.views,
            ResourceKind::Source => &self.sources,
        };
        patterns.iter().find(|pattern| pattern.matches(&resource.name)).map(Some)
    }
}

impl Policy {
    /// The role of this name.
    pub fn role(&self, name: &Name) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == *name)
    }

    /// What the policy says of somebody.
    pub fn member(&self, subject: &Subject) -> Option<&Member> {
        self.members.iter().find(|member| member.subject == *subject)
    }

    fn consumer(&self, name: &str) -> Option<&Consumer> {
        self.consumers.iter().find(|consumer| consumer.name.as_str() == name)
    }

    /// Somebody whom an issuer knows, with the roles of everything that it says of them.
    pub(crate) fn claimed(&self, claims: &Claims) -> Identity {
        let is_theirs =
            |member: &&Member| member.subject.kind == SubjectKind::Claim && claims.hold(&member.subject.name);
        let by_claim: Vec<&Member> = self.members.iter().filter(is_theirs).collect();
        let roles = by_claim.iter().flat_map(|member| member.roles.iter().cloned());
        let subject = Subject::new(SubjectKind::Oidc, claims.subject.as_str());
        let has_consumer = self.member(&subject).is_some_and(|member| member.consumer.is_some());
        let identity = self.identity(subject, roles);
        let named = by_claim.iter().find_map(|member| self.consumer(member.consumer.as_ref()?.as_str()));
        match named.filter(|_| !has_consumer) {
            Some(consumer) => {
                Identity { consumer: consumer.name.as_str().into(), share: consumer.share, ..identity }
            }
            None => identity,
        }
    }

    /// Somebody who has shown who they are, with the roles that they have beside those of the policy.
    pub fn identity(&self, subject: Subject, more_roles: impl IntoIterator<Item = Name>) -> Identity {
        /// What everybody has who belongs to no consumer.
        const DEFAULT: &str = "default";
        let member = self.member(&subject);
        let mut roles: BTreeSet<Name> = more_roles.into_iter().collect();
        roles.extend(member.iter().flat_map(|member| member.roles.iter().cloned()));
        let label: std::sync::Arc<str> = subject.to_string().into();
        let named = member.and_then(|member| self.consumer(member.consumer.as_ref()?.as_str()));
        let (consumer, share) = match named {
            Some(consumer) => (consumer.name.as_str().into(), consumer.share),
            None => {
                let share = self.consumer(DEFAULT).map_or_else(Share::default, |consumer| consumer.share);
                (label.clone(), share)
            }
        };
        Identity { subject, label, roles, consumer, share }
    }

    /// Whether somebody may do something with a resource. A protected tag of the resource has to be named by a grant that
    /// covers the action and the resource too; which of several such grants names it does not matter.
    pub fn decide(&self, identity: &Identity, action: Action, resource: &Resource) -> Decision {
        let theirs = self.roles.iter().filter(|role| identity.roles.contains(&role.name));
        let covering: Vec<(&Role, &Grant, Option<&Pattern>)> = theirs
            .flat_map(|role| role.grants.iter().map(move |grant| (role, grant)))
            .filter_map(|(role, grant)| Some((role, grant, grant.covers(action, resource)?)))
            .collect();
        let Some((role, _, by)) = covering.first() else {
            return Decision::Denied(Missing::of_roles(&identity.roles));
        };
        let is_named = |tag: &ProtectedTag| covering.iter().any(|(_, grant, _)| grant.tags.contains(tag));
        let missing =
            |tag: &&ProtectedTag| action.shows_values() && tag.is_in(&resource.tags) && !is_named(tag);
        let tags: Vec<ProtectedTag> = self.protected.iter().filter(missing).cloned().collect();
        match tags.is_empty() {
            true => Decision::Allowed { role: role.name.clone(), by: by.cloned() },
            false => Decision::Denied(Missing::Tags { tags }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn role(name: &str, grants: Vec<Grant>) -> Role {
        Role { name: name.parse().unwrap(), grants }
    }

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn policy() -> Policy {
        let reads = || Grant::of([Action::ReadOnline]);
        let pii: ProtectedTag = "pii".parse().unwrap();
        let reader = Grant { services: patterns(&["late_*"]), views: patterns(&["airport_*"]), ..reads() };
        let of_pii = Grant { services: patterns(&["late_arrival"]), tags: vec![pii.clone()], ..reads() };
        Policy {
            protected: vec![pii, "class=secret".parse().unwrap()],
            roles: vec![
                role("reader", vec![reader]),
                role("pii_reader", vec![of_pii]),
                role("watcher", vec![Grant::of([Action::Describe])]),
            ],
            members: vec![Member {
                subject: Subject::new(SubjectKind::Token, "scoring"),
                roles: vec![name("reader")],
                consumer: Some(name("models")),
            }],
            consumers: vec![Consumer { name: name("models"), share: Share::default() }],
        }
    }

    fn with_roles(roles: &[&str]) -> Identity {
        policy().identity(Subject::new(SubjectKind::User, "ann"), roles.iter().map(|role| name(role)))
    }

    fn service(tags: &[(&str, &str)]) -> Resource {
        let tags = tags.iter().map(|(label, text)| ((*label).to_owned(), (*text).to_owned()));
        Resource::new(ResourceKind::Service, "late_arrival@1").tagged(tags.collect())
    }

    fn decided(roles: &[&str], action: Action, resource: &Resource) -> Decision {
        policy().decide(&with_roles(roles), action, resource)
    }

    #[test]
    fn nothing_is_allowed_without_a_grant_of_the_action_and_the_resource() {
        let late = service(&[]);
        assert_eq!(decided(&[], Action::ReadOnline, &late), Decision::Denied(Missing::Role));
        assert!(decided(&["reader"], Action::ReadOnline, &late).is_allowed());
        assert!(!decided(&["reader"], Action::ReadOffline, &late).is_allowed());
        let other = Resource::new(ResourceKind::Service, "fares@1");
        let missing = Missing::Grant { roles: vec![name("reader")] };
        assert_eq!(decided(&["reader"], Action::ReadOnline, &other), Decision::Denied(missing));
        // A pattern of services means no view of that name.
        let view = Resource::new(ResourceKind::View, "late_arrival@1");
        assert!(!decided(&["reader"], Action::ReadOnline, &view).is_allowed());
        // A role that the policy does not know allows nothing.
        assert!(!decided(&["root"], Action::ReadOnline, &late).is_allowed());
        assert!(decided(&["watcher"], Action::Describe, &Resource::project()).is_allowed());
        assert!(!decided(&["reader"], Action::Describe, &Resource::project()).is_allowed());
    }

    #[test]
    fn a_protected_tag_needs_a_grant_of_its_own_whatever_its_text() {
        let personal = service(&[("pii", "false"), ("domain", "operations")]);
        let missing = Missing::Tags { tags: vec!["pii".parse().unwrap()] };
        assert_eq!(decided(&["reader"], Action::ReadOnline, &personal), Decision::Denied(missing));
        assert!(decided(&["reader", "pii_reader"], Action::ReadOnline, &personal).is_allowed());
        // The grant of the tag is for one service, and the other one stays protected.
        let other = Resource { name: "late_departure@1".to_owned(), ..personal };
        assert!(!decided(&["reader", "pii_reader"], Action::ReadOnline, &other).is_allowed());
        let secret = service(&[("class", "secret")]);
        assert!(!decided(&["reader", "pii_reader"], Action::ReadOnline, &secret).is_allowed());
        assert!(decided(&["reader"], Action::ReadOnline, &service(&[("class", "open")])).is_allowed());
    }

    #[test]
    fn members_have_the_roles_and_the_consumer_that_the_policy_names() {
        let scoring = policy().identity(Subject::new(SubjectKind::Token, "scoring"), []);
        assert_eq!((scoring.roles, &*scoring.consumer), ([name("reader")].into(), "models"));
        // The same name shown in another way is somebody else.
        let other = policy().identity(Subject::new(SubjectKind::Oidc, "scoring"), []);
        assert_eq!((other.roles.len(), &*other.consumer), (0, "oidc scoring"));
    }
}
