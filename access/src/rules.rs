//! From credentials to an identity: the policy and the tokens that are known, at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use feature::{Micros, Name};
use thiserror::Error;

use crate::identity::{Identity, Subject, SubjectKind};
use crate::oidc::{Issuer, IssuerKeys, NotOfIssuer};
use crate::policy::Policy;
use crate::token::{Token, TokenHash, TokenId, TokenName};

/// A token as it is kept.
#[derive(Clone, Debug)]
pub struct KnownToken {
    /// Which.
    pub id: TokenId,
    /// Who has it: the subject `token NAME`.
    pub name: TokenName,
    /// What is kept of its secret.
    pub hash: TokenHash,
    /// Roles that it has beside those that the policy gives to its name.
    pub roles: Vec<Name>,
    /// From when on it is refused.
    pub expires_at: Option<Micros>,
    /// Since when it is refused.
    pub revoked_at: Option<Micros>,
}

impl KnownToken {
    /// A token that neither expires nor is revoked.
    pub fn new(name: TokenName, token: &Token, roles: impl IntoIterator<Item = Name>) -> Self {
        Self {
            id: token.id(),
            name,
            hash: token.hash(),
            roles: roles.into_iter().collect(),
            expires_at: None,
            revoked_at: None,
        }
    }
}

/// How somebody shows who they are.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// What follows `Bearer` in a request.
    pub bearer: Option<&'a str>,
    /// The names of the certificate of the connection; none where it has none.
    pub certificate: &'a [String],
}

/// Why it is not known who somebody is.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Unauthenticated {
    /// Nothing was shown.
    #[error("the request says not who sends it")]
    Missing,
    /// What was shown is not known here.
    #[error("the token is not known")]
    Unknown,
    /// It is no token of the issuer that counts.
    #[error(transparent)]
    NotOfIssuer(#[from] NotOfIssuer),
    /// The token has expired.
    #[error("the token expired at {at}")]
    Expired {
        /// When.
        at: Micros,
    },
    /// The token was revoked.
    #[error("the token was revoked at {at}")]
    Revoked {
        /// When.
        at: Micros,
    },
}

impl Unauthenticated {
    /// The kind of it, for counts.
    pub const fn kind(&self) -> &'static str {
        match self {
            Unauthenticated::Missing => "missing",
            Unauthenticated::Unknown => "unknown",
            Unauthenticated::NotOfIssuer(why) => why.kind(),
            Unauthenticated::Expired { .. } => "expired",
            Unauthenticated::Revoked { .. } => "revoked",
        }
    }
}

/// A policy and the tokens that are known, as they are at one moment.
#[derive(Debug)]
pub struct Rules {
    policy: Policy,
    tokens: HashMap<TokenId, (KnownToken, Arc<Identity>)>,
    issuer: Option<(Issuer, Arc<IssuerKeys>)>,
}

impl Rules {
    /// These.
    pub fn new(policy: Policy, tokens: impl IntoIterator<Item = KnownToken>) -> Self {
        let with_identity = |token: KnownToken| {
            let subject = Subject::new(SubjectKind::Token, token.name.as_str());
            let identity = policy.identity(subject, token.roles.iter().cloned());
            (token.id, (token, Arc::new(identity)))
        };
        let tokens = tokens.into_iter().map(with_identity).collect();
        Self { policy, tokens, issuer: None }
    }

    /// The same, and the tokens of this issuer.
    #[must_use]
    pub fn with_issuer(self, issuer: Issuer, keys: Arc<IssuerKeys>) -> Self {
        Self { issuer: Some((issuer, keys)), ..self }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Who shows these credentials. A bearer token counts before a certificate.
    pub fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        now: Micros,
    ) -> Result<Arc<Identity>, Unauthenticated> {
        match credentials.bearer {
            Some(bearer) => self.of_token(bearer, now),
            None => self.of_certificate(credentials.certificate),
        }
    }

    fn of_token(&self, bearer: &str, now: Micros) -> Result<Arc<Identity>, Unauthenticated> {
        if let Some((issuer, keys)) = self.issuer.as_ref().filter(|_| !Token::has_prefix(bearer)) {
            let claims = keys.check(bearer, issuer, now)?;
            return Ok(Arc::new(self.policy.claimed(&claims)));
        }
        let token: Token = bearer.parse().map_err(|_| Unauthenticated::Unknown)?;
        let (known, identity) = self.tokens.get(&token.id()).ok_or(Unauthenticated::Unknown)?;
        if !known.hash.is_of(&token) {
            return Err(Unauthenticated::Unknown);
        }
        // Who has the secret may learn why it is refused.
        if let Some(at) = known.revoked_at {
            return Err(Unauthenticated::Revoked { at });
        }
        match known.expires_at {
            Some(at) if at <= now => Err(Unauthenticated::Expired { at }),
            _ => Ok(Arc::clone(identity)),
        }
    }

    /// By the first name of a certificate that the policy knows; else by its first.
    fn of_certificate(&self, names: &[String]) -> Result<Arc<Identity>, Unauthenticated> {
        let subject = |name: &String| Subject::new(SubjectKind::Certificate, name.as_str());
        let is_member = |name: &&String| self.policy.member(&subject(name)).is_some();
        let name = names.iter().find(is_member).or_else(|| names.first()).ok_or(Unauthenticated::Missing)?;
        Ok(Arc::new(self.policy.identity(subject(name), [])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Member;

    fn at(micros: i64) -> Micros {
        Micros::new(micros).unwrap()
    }

    fn shown(token: &Token, known: KnownToken, now: i64) -> Result<Arc<Identity>, Unauthenticated> {
        let rules = Rules::new(Policy::default(), [known]);
        rules.authenticate(&Credentials { bearer: Some(&token.text()), certificate: &[] }, at(now))
    }

    #[test]
    fn a_token_counts_until_it_expires_or_is_revoked() {
        let token = Token::from_random([9; 40]);
        let known = || KnownToken::new("scoring".parse().unwrap(), &token, []);
        assert_eq!(shown(&token, known(), 5).unwrap().subject.to_string(), "token scoring");
        let expiring = || KnownToken { expires_at: Some(at(5)), ..known() };
        assert!(shown(&token, expiring(), 4).is_ok());
        assert_eq!(shown(&token, expiring(), 5), Err(Unauthenticated::Expired { at: at(5) }));
        let revoked = KnownToken { revoked_at: Some(at(3)), ..known() };
        assert_eq!(shown(&token, revoked, 2), Err(Unauthenticated::Revoked { at: at(3) }));
    }

    #[test]
    fn a_token_of_another_secret_or_project_is_unknown() {
        let (token, other) = (Token::from_random([9; 40]), Token::from_random([8; 40]));
        let known = || KnownToken::new("scoring".parse().unwrap(), &token, []);
        assert_eq!(shown(&other, known(), 0), Err(Unauthenticated::Unknown));
        // The id alone is no secret, and says nothing of a token that was revoked.
        let same_id = KnownToken { hash: other.hash(), revoked_at: Some(at(0)), ..known() };
        assert_eq!(shown(&token, same_id, 0), Err(Unauthenticated::Unknown));
    }

    #[test]
    fn a_certificate_counts_by_a_name_that_the_policy_knows() {
        let subject = Subject::new(SubjectKind::Certificate, "b.example");
        let member = Member { subject, roles: vec!["reader".parse().unwrap()], consumer: None };
        let rules = Rules::new(Policy { members: vec![member], ..Policy::default() }, []);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let of = |certificate: &[String]| {
            let identity = rules.authenticate(&Credentials { bearer: None, certificate }, at(0))?;
            Ok::<_, Unauthenticated>((identity.subject.name.clone(), identity.roles.len()))
        };
        assert_eq!(of(&names(&["a.example", "b.example"])), Ok(("b.example".to_owned(), 1)));
        assert_eq!(of(&names(&["a.example"])), Ok(("a.example".to_owned(), 0)));
        assert_eq!(of(&[]), Err(Unauthenticated::Missing));
    }
}
