//! Which version of a service answers its own name: the live one, a canary beside it for a share of the entities, and
//! the versions that were live before, to which a rollback returns. The rules are pure; `rollout/moving.rs` keeps what
//! they decide, in one transaction with its entry in the audit log.

mod kept;
mod moving;

use feature::{Canary, Percent, VersionId};
use serde::Serialize;

use crate::audit::Reason;
use crate::error::RegistryError;

pub(crate) use kept::{of_all, put_before};

/// How many versions that were live before are kept.
const MOST_BEFORE: usize = 16;

/// Which versions answer a service's own name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rollout {
    /// The live version.
    pub live: VersionId,
    /// Answers for some of the entities instead of it.
    pub canary: Option<Canary>,
    /// The versions that were live before, the latest last.
    pub before: Vec<VersionId>,
}

/// What a cutover is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cutover {
    /// The version that is to answer.
    pub to: VersionId,
    /// For how many of the entities: all of them make it live, none of them end it as a canary.
    pub percent: Percent,
    /// Why.
    pub reason: Option<Reason>,
    /// Gates that failed and were overridden.
    pub overridden: Option<Overridden>,
}

/// Gates that failed, and why they do not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overridden {
    /// Why.
    pub reason: Reason,
    /// What they said, a sentence each.
    pub gates: Vec<String>,
}

/// What a cutover or a rollback did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Moved {
    /// How the service was answered before.
    pub before: Rollout,
    /// How it is answered since.
    pub after: Rollout,
    /// The generation of the registry after it.
    pub generation: u64,
}

impl Moved {
    /// Whether anything changed.
    pub fn is_change(&self) -> bool {
        self.before != self.after
    }
}

impl Rollout {
    /// A service that was never cut over.
    pub(crate) fn of(live: VersionId) -> Rollout {
        Rollout { live, canary: None, before: Vec::new() }
    }

    /// How it is answered after a cutover to this version for this share.
    pub(crate) fn cut_over(&self, to: &VersionId, percent: Percent) -> Result<Rollout, RegistryError> {
        let refused = |why: String| RegistryError::NotMoved { to: to.clone(), why };
        if percent == Percent::ALL {
            let mut next = Rollout { canary: None, ..self.clone() };
            if self.live != *to {
                next.before.push(std::mem::replace(&mut next.live, to.clone()));
                let surplus = next.before.len().saturating_sub(MOST_BEFORE);
                next.before.drain(..surplus);
            }
            return Ok(next);
        }
        match &self.canary {
            Some(canary) if canary.version != *to => {
                return Err(refused(format!("{} is its canary: end that first", canary.version)));
            }
            None if percent == Percent::NONE => {
                return Err(refused("it is not a canary, so there is none to end".to_owned()));
            }
            _ => {}
        }
        if self.live == *to {
            return Err(refused(format!("it is live: name the version that is to answer for {percent}")));
        }
        let canary = Canary { version: to.clone(), percent };
        Ok(Rollout { canary: (percent != Percent::NONE).then_some(canary), ..self.clone() })
    }

    /// How it is answered after a rollback: without its canary, or, where it has none, as before the last cutover.
    pub(crate) fn rolled_back(&self) -> Result<Rollout, RegistryError> {
        let mut next = self.clone();
        if next.canary.take().is_some() {
            return Ok(next);
        }
        match next.before.pop() {
            Some(live) => Ok(Rollout { live, ..next }),
            None => Err(RegistryError::NoVersionBefore { live: self.live.clone(), others: Vec::new() }),
        }
    }

    /// The same where a version is no longer there to be returned to.
    pub(crate) fn without(&self, version: &VersionId) -> Rollout {
        let mut next = self.clone();
        next.before.retain(|before| before != version);
        // A version is no return from itself.
        next.before.dedup();
        while next.before.last() == Some(&next.live) {
            next.before.pop();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> VersionId {
        text.parse().unwrap()
    }

    fn percent(percent: u8) -> Percent {
        percent.try_into().unwrap()
    }

    fn one() -> Rollout {
        Rollout::of(id("s@1"))
    }

    #[test]
    fn a_cutover_and_its_rollback_leave_everything_as_it_was() {
        let two = one().cut_over(&id("s@2"), Percent::ALL).unwrap();
        assert_eq!((two.live.clone(), two.before.clone()), (id("s@2"), vec![id("s@1")]));
        assert_eq!(two.rolled_back().unwrap(), one());
        let three = two.cut_over(&id("s@3"), Percent::ALL).unwrap();
        assert_eq!(three.rolled_back().unwrap(), two);
        assert_eq!(three.cut_over(&id("s@3"), Percent::ALL).unwrap(), three);
        let error = one().rolled_back().unwrap_err().to_string();
        assert!(error.contains("s@1 is live, and there is no cutover left to take back"), "{error}");
    }

    #[test]
    fn what_was_live_before_a_version_that_is_gone_is_returned_to_unless_it_is_live() {
        let back =
            one().cut_over(&id("s@2"), Percent::ALL).unwrap().cut_over(&id("s@1"), Percent::ALL).unwrap();
        assert_eq!(back.without(&id("s@2")), one());
        let three = back.cut_over(&id("s@3"), Percent::ALL).unwrap().without(&id("s@2"));
        assert_eq!(three.rolled_back().unwrap(), one());
    }

    #[test]
    fn a_canary_grows_ends_and_becomes_live() {
        let some = one().cut_over(&id("s@2"), percent(10)).unwrap();
        let more = some.cut_over(&id("s@2"), percent(50)).unwrap();
        assert_eq!((more.live.clone(), more.canary.as_ref().unwrap().percent), (id("s@1"), percent(50)));
        assert_eq!(more.cut_over(&id("s@2"), Percent::NONE).unwrap(), one());
        assert_eq!(more.rolled_back().unwrap(), one());
        let all = more.cut_over(&id("s@2"), Percent::ALL).unwrap();
        assert_eq!((all.live, all.canary, all.before), (id("s@2"), None, vec![id("s@1")]));
        // The live version made live again ends the canary.
        assert_eq!(more.cut_over(&id("s@1"), Percent::ALL).unwrap(), one());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let some = one().cut_over(&id("s@2"), percent(10)).unwrap();
        for (from, to, share, why) in [
            (&one(), "s@1", 10, "it is live"),
            (&one(), "s@2", 0, "it is not a canary"),
            (&some, "s@3", 10, "s@2 is its canary: end that first"),
            (&some, "s@3", 0, "s@2 is its canary"),
        ] {
            let error = from.cut_over(&id(to), percent(share)).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(to), "{error}");
        }
    }

    #[test]
    fn the_versions_before_are_bounded_and_forget_what_is_gone() {
        let mut rollout = one();
        for version in 2..40 {
            rollout = rollout.cut_over(&id(&format!("s@{version}")), Percent::ALL).unwrap();
        }
        assert_eq!(rollout.before.len(), MOST_BEFORE);
        assert_eq!(rollout.before.last(), Some(&id("s@38")));
        assert_eq!(rollout.without(&id("s@38")).rolled_back().unwrap().live, id("s@37"));
    }
}
