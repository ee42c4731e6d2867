//! What was decided, counted until it is written down. There is a bound on how many kinds of decisions are distinguished, so
//! nobody can fill the memory with them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use access::Action;

/// How many kinds of decisions are distinguished, of each of the three counts. The rest counts as others.
const MOST_KINDS: usize = 1_000;
const OTHERS: &str = "others";

/// What was allowed, so many times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AllowedCount {
    /// Who.
    pub subject: String,
    /// What.
    pub action: Action,
    /// With what.
    pub resource: String,
    /// How often.
    pub count: u64,
}

/// What was refused, so many times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeniedCount {
    /// Who.
    pub subject: String,
    /// What, with what, and why.
    pub detail: String,
    /// How often.
    pub count: u64,
}

/// What was decided in a while.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decided {
    /// What was allowed.
    pub allowed: Vec<AllowedCount>,
    /// What was refused; where it was not known who somebody was, why.
    pub denied: Vec<DeniedCount>,
}

#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Kinds>);

#[derive(Debug, Default)]
struct Kinds {
    /// By subject, then by action and resource.
    allowed: HashMap<String, HashMap<Action, HashMap<String, u64>>>,
    allowed_kinds: usize,
    /// By subject, then by the rest.
    denied: HashMap<String, HashMap<String, u64>>,
    denied_kinds: usize,
}

impl Counts {
    fn kinds(&self) -> MutexGuard<'_, Kinds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn allowed(&self, subject: &str, action: Action, resource: &str) {
        let mut kinds = self.kinds();
        let known = kinds.allowed.get_mut(subject).and_then(|of| of.get_mut(&action)?.get_mut(resource));
        if let Some(count) = known {
            *count += 1;
            return;
        }
        let (subject, resource) =
            if kinds.allowed_kinds < MOST_KINDS { (subject, resource) } else { (OTHERS, OTHERS) };
        kinds.allowed_kinds += 1;
        let of_subject = kinds.allowed.entry(subject.to_owned()).or_default();
        *of_subject.entry(action).or_default().entry(resource.to_owned()).or_default() += 1;
    }

    pub fn denied(&self, subject: &str, detail: &str) {
        let mut kinds = self.kinds();
        if let Some(count) = kinds.denied.get_mut(subject).and_then(|of| of.get_mut(detail)) {
            *count += 1;
            return;
        }
        let (subject, detail) =
            if kinds.denied_kinds < MOST_KINDS { (subject, detail) } else { (OTHERS, OTHERS) };
        kinds.denied_kinds += 1;
        *kinds.denied.entry(subject.to_owned()).or_default().entry(detail.to_owned()).or_default() += 1;
    }

    pub fn refused_share(&self, consumer: &str, what: &str) {
        self.denied(consumer, &format!("its share of {what} is taken"));
    }

    pub fn take(&self) -> Decided {
        let Kinds { allowed, denied, .. } = std::mem::take(&mut *self.kinds());
        let mut decided = Decided::default();
        for (subject, actions) in allowed {
            for (action, resources) in actions {
                let counts = resources.into_iter().map(|(resource, count)| AllowedCount {
                    subject: subject.clone(),
                    action,
                    resource,
                    count,
                });
                decided.allowed.extend(counts);
            }
        }
        for (subject, details) in denied {
            let count = |(detail, count)| DeniedCount { subject: subject.clone(), detail, count };
            decided.denied.extend(details.into_iter().map(count));
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_is_counted_however_many_kinds_there_are() {
        let counts = Counts::default();
        for index in 0..3 * MOST_KINDS {
            counts.allowed("token a", Action::ReadOnline, &format!("service s{index}@1"));
            counts.denied(&format!("oidc {index}"), "read_online");
            counts.denied("token b", "write");
        }
        let decided = counts.take();
        assert!(decided.allowed.len() <= MOST_KINDS + 1 && decided.denied.len() <= MOST_KINDS + 1);
        let sum: u64 = decided.allowed.iter().map(|count| count.count).sum();
        assert_eq!(sum, 3 * MOST_KINDS as u64);
        let of_b: Vec<u64> = decided
            .denied
            .iter()
            .filter(|count| count.subject == "token b")
            .map(|count| count.count)
            .collect();
        assert_eq!(of_b, [3 * MOST_KINDS as u64]);
        assert_eq!(decided.denied.iter().map(|count| count.count).sum::<u64>(), 6 * MOST_KINDS as u64);
        assert_eq!(counts.take(), Decided::default());
    }
}
