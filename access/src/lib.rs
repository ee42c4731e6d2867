//! Who may do what, and how much of it: identities, tokens, policies and quotas, as pure rules.
//!
//! A [`Policy`] says which roles there are, who has them and which tags are protected. [`Rules`] hold it together with the
//! tokens that are known, turn credentials into an [`Identity`], and [`Policy::decide`] whether it may do something
//! with a [`Resource`]. [`Buckets`] hold back a consumer that takes more than its share. Nothing here reads a file, a
//! socket or a clock: time and randomness are arguments.
//!
//! ```
//! use twinstore_access as access;
//! use access::{Action, Grant, Policy, Resource, ResourceKind, Role, Rules, Token, KnownToken, Credentials};
//! use feature::Micros;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let grant = Grant { services: vec!["late_*".parse()?], ..Grant::of([Action::ReadOnline]) };
//! let role = Role { name: "reader".parse()?, grants: vec![grant] };
//! let policy = Policy { roles: vec![role], ..Policy::default() };
//!
//! let token = Token::from_random([7; 40]);
//! let known = KnownToken::new("scoring".parse()?, &token, ["reader".parse()?]);
//! let rules = Rules::new(policy, [known]);
//!
//! let now = Micros::new(0)?;
//! let text = token.text();
//! let identity = rules.authenticate(&Credentials { bearer: Some(&text), certificate: &[] }, now)?;
//! let service = Resource::new(ResourceKind::Service, "late_arrival@1");
//! assert!(rules.policy().decide(&identity, Action::ReadOnline, &service).is_allowed());
//! assert!(!rules.policy().decide(&identity, Action::Write, &service).is_allowed());
//! # Ok(())
//! # }
//! ```

mod action;
mod consumer;
mod decision;
mod identity;
mod oidc;
mod pattern;
mod policy;
mod protected_tag;
mod quota;
mod resource;
mod rules;
mod token;

pub use action::Action;
pub use consumer::{Consumer, Priority, Rate, Share};
pub use decision::{Decision, Missing};
pub use identity::{Identity, Subject, SubjectKind};
pub use oidc::{Claims, Issuer, IssuerKeys, NotOfIssuer};
pub use pattern::{NotAPattern, Pattern};
pub use policy::{Grant, Member, Policy, Role};
pub use protected_tag::ProtectedTag;
pub use quota::{Bucket, Buckets};
pub use resource::{Resource, ResourceKind, Tags};
pub use rules::{Credentials, KnownToken, Rules, Unauthenticated};
pub use token::{NotAToken, NotATokenName, Token, TokenHash, TokenId, TokenName};
