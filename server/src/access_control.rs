//! The one place where a server asks who somebody is, whether they may, and whether they have taken their share. What it
//! answers is counted, so that whoever wires the server can write it down.

mod counts;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use access::{
    Action, Buckets, Credentials, Decision, Identity, Missing, NotOfIssuer, Rate, Resource, Rules,
    Unauthenticated,
};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use feature::Micros;
use tokio::time::Instant;

use self::counts::Counts;
pub use self::counts::{AllowedCount, Decided, DeniedCount};
use crate::access_fault::AccessFault;

/// Whom the counts name where it is not known who somebody is.
const NOBODY: &str = "nobody known";
/// The longest bearer token that is looked at, in bytes.
const LONGEST_BEARER: usize = 16 << 10;

/// Access to a server: the rules at this moment, which may be replaced while requests are answered, and what everybody
/// has taken.
#[derive(Debug)]
pub struct AccessControl {
    rules: RwLock<Arc<Rules>>,
    clock: fn() -> Micros,
    began: Instant,
    requests: Buckets,
    keys: Buckets,
    counts: Counts,
    /// A token named a key of the issuer that is not known.
    misses_key: AtomicBool,
}

/// The names of the certificate of a connection; none where it has none.
pub(crate) type CertificateNames = Arc<[String]>;

impl AccessControl {
    /// Access by these rules; `clock` says what now is.
    pub fn new(rules: Rules, clock: fn() -> Micros) -> Self {
        Self {
            rules: RwLock::new(Arc::new(rules)),
            clock,
            began: Instant::now(),
            requests: Buckets::default(),
            keys: Buckets::default(),
            counts: Counts::default(),
            misses_key: AtomicBool::new(false),
        }
    }

    /// Goes on by other rules. What everybody has taken stays.
    pub fn replace(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// The rules at this moment.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a token named a key of the issuer that is not known, since this was last called.
    pub fn misses_key(&self) -> bool {
        self.misses_key.swap(false, Ordering::Relaxed)
    }

    /// What was decided since this was last called.
    pub fn take_decided(&self) -> Decided {
        self.counts.take()
    }

    /// Who sends a request with these headers over a connection with this certificate. A browser, which cannot send a
    /// token otherwise, may send it as a password where it reads.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: &[String],
        takes_password: bool,
    ) -> Result<Arc<Identity>, AccessFault> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|shown| shown.to_str().ok());
        let shown = shown.filter(|shown| shown.len() <= LONGEST_BEARER);
        let bearer = match shown.and_then(|shown| shown.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
            Some((scheme, login)) if takes_password && scheme.eq_ignore_ascii_case("basic") => {
                password(login)
            }
            // Something that cannot be read is no reason to look at the certificate instead.
            _ => headers.contains_key(header::AUTHORIZATION).then(String::new),
        };
        let credentials = Credentials { bearer: bearer.as_deref(), certificate };
        let known = self.rules().authenticate(&credentials, (self.clock)());
        known.map_err(|error| {
            if error == Unauthenticated::NotOfIssuer(NotOfIssuer::UnknownKey) {
                self.misses_key.store(true, Ordering::Relaxed);
            }
            self.counts.denied(NOBODY, error.kind());
            error.into()
        })
    }

    /// Refuses somebody who may not do something. Nobody, who did not pass the gate, may do nothing.
    pub(crate) fn permit(
        &self,
        caller: Option<&Identity>,
        action: Action,
        resource: &Resource,
    ) -> Result<(), AccessFault> {
        let caller = caller.ok_or(Unauthenticated::Missing)?;
        match self.rules().policy().decide(caller, action, resource) {
            Decision::Allowed { .. } => {
                self.counts.allowed(&caller.label, action, &resource.to_string());
                Ok(())
            }
            Decision::Denied(missing) => Err(self.denied(caller, action, resource.to_string(), missing)),
        }
    }

    /// Whether a tag that the policy protects is on this.
    pub(crate) fn protects(&self, resource: &Resource) -> bool {
        self.rules().policy().protected.iter().any(|tag| tag.is_in(&resource.tags))
    }

    /// Whether somebody may look at what there is.
    pub(crate) fn describes(&self, caller: Option<&Identity>) -> bool {
        caller.is_some_and(|caller| {
            self.rules().policy().decide(caller, Action::Describe, &Resource::project()).is_allowed()
        })
    }

    /// Refuses somebody as if there were something that is not there.
    pub(crate) fn denied(
        &self,
        caller: &Identity,
        action: Action,
        resource: String,
        missing: Missing,
    ) -> AccessFault {
        self.counts.denied(&caller.label, &format!("{action} {resource}: {missing}"));
        AccessFault::Denied { subject: caller.label.to_string(), action, resource, missing }
    }

    /// Takes a request from the share of whoever sends it.
    pub(crate) fn takes_request(&self, caller: &Identity) -> Result<(), AccessFault> {
        self.take(&self.requests, caller, caller.share.requests, 1, "requests")
    }

    /// Takes so many keys from the share of whoever asks for them.
    pub(crate) fn takes_keys(&self, caller: &Identity, count: usize) -> Result<(), AccessFault> {
        self.take(&self.keys, caller, caller.share.keys, count, "keys")
    }

    fn take(
        &self,
        buckets: &Buckets,
        caller: &Identity,
        rate: Option<Rate>,
        count: usize,
        what: &'static str,
    ) -> Result<(), AccessFault> {
        let Some(rate) = rate else { return Ok(()) };
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        buckets.take(&caller.consumer, rate, count as u64, now).map_err(|wait| {
            let consumer = caller.consumer.to_string();
            self.counts.refused_share(&consumer, what);
            AccessFault::OverQuota { consumer, what, per_second: rate.per_second, wait }
        })
    }
}

/// The password of a login, whoever it is for: tokens say that themselves.
fn password(login: &str) -> Option<String> {
    let login = String::from_utf8(STANDARD.decode(login.trim()).ok()?).ok()?;
    login.split_once(':').map(|(_, password)| password.to_owned())
}
