//! Answers that are used again. An entry is one whole answer, so that what it gives is of one version and one moment. It is
//! never given once it is older than the cache allows or than the reader allows, counted from when it was requested.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::answer::Answer;

/// Bytes that an entry takes beside its key and its answer.
const ENTRY_BYTES: usize = 256;

/// The bounds of a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheBounds {
    /// How long an answer is given, from when it was requested. A cutover, a new value and a permission that was taken back are
    /// seen so much later at most.
    pub max_age: Duration,
    /// Bytes of all entries. Those that were not used for longest make way.
    pub max_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Cache {
    bounds: CacheBounds,
    entries: Mutex<Entries>,
}

#[derive(Default, Debug)]
struct Entries {
    by_request: HashMap<Bytes, Entry>,
    /// The requests in the order in which they were used.
    by_use: BTreeMap<u64, Bytes>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Answer>,
    requested: Instant,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub fn new(bounds: CacheBounds) -> Self {
        Self { bounds, entries: Mutex::default() }
    }

    /// The answer to a request that was requested at most so long ago, and how long ago that was.
    pub fn get(
        &self,
        request: &Bytes,
        now: Instant,
        at_most: Option<Duration>,
    ) -> Option<(Arc<Answer>, Duration)> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(entries.by_request.get(request)?.requested);
        if age > self.bounds.max_age {
            entries.remove(request);
            return None;
        }
        if at_most.is_some_and(|at_most| age > at_most) {
            return None;
        }
        Some((entries.used(request)?, age))
    }

    /// Keeps an answer that came as so many bytes to a request that was sent then.
    pub fn put(&self, request: Bytes, answer: Arc<Answer>, requested: Instant, bytes: usize) {
        let bytes = bytes + request.len() + ENTRY_BYTES;
        if bytes > self.bounds.max_bytes {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two that were on their way at once the newer one stays.
        if entries.by_request.get(&request).is_some_and(|entry| entry.requested > requested) {
            return;
        }
        entries.remove(&request);
        while entries.bytes + bytes > self.bounds.max_bytes {
            let Some((_, oldest)) = entries.by_use.first_key_value() else { break };
            let oldest = oldest.clone();
            entries.remove(&oldest);
        }
        entries.uses += 1;
        let used = entries.uses;
        entries.bytes += bytes;
        entries.by_use.insert(used, request.clone());
        entries.by_request.insert(request, Entry { answer, requested, bytes, used });
    }
}

impl Entries {
    fn used(&mut self, request: &Bytes) -> Option<Arc<Answer>> {
        let entry = self.by_request.get_mut(request)?;
        self.uses += 1;
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.by_use.insert(self.uses, key);
        }
        entry.used = self.uses;
        Some(Arc::clone(&entry.answer))
    }

    fn remove(&mut self, request: &Bytes) {
        if let Some(entry) = self.by_request.remove(request) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answer::tests::{answer, message};

    const MAX_AGE: Duration = Duration::from_millis(50);
    const MAX_BYTES: usize = 5 * (ENTRY_BYTES + 100);

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        Put { key: u8, requested_before: u64, bytes: usize },
        Get { key: u8, at_most: Option<u64> },
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..30_u64).prop_map(Step::Wait),
            (0..8_u8, 0..20_u64, 0..2_000_usize).prop_map(|(key, requested_before, bytes)| Step::Put {
                key,
                requested_before,
                bytes
            }),
            (0..8_u8, prop::option::of(0..60_u64)).prop_map(|(key, at_most)| Step::Get { key, at_most }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_older_than_either_bound_and_nothing_grows_beyond_its_own(
            steps in prop::collection::vec(any_step(), 1..80)
        ) {
            let cache = Cache::new(CacheBounds { max_age: MAX_AGE, max_bytes: MAX_BYTES });
            let answer = Arc::new(answer(message(), false).unwrap());
            let began = Instant::now() + Duration::from_secs(1);
            let mut now = began;
            for step in steps {
                match step {
                    Step::Wait(ms) => now += Duration::from_millis(ms),
                    Step::Put { key, requested_before, bytes } => {
                        let requested = now - Duration::from_millis(requested_before);
                        cache.put(Bytes::copy_from_slice(&[key]), answer.clone(), requested, bytes);
                    }
                    Step::Get { key, at_most } => {
                        let at_most = at_most.map(Duration::from_millis);
                        if let Some((_, age)) = cache.get(&Bytes::copy_from_slice(&[key]), now, at_most) {
                            prop_assert!(age <= MAX_AGE && at_most.is_none_or(|at_most| age <= at_most));
                        }
                    }
                }
                let entries = cache.entries.lock().unwrap();
                prop_assert!(entries.bytes <= MAX_BYTES);
                prop_assert_eq!(entries.bytes, entries.by_request.values().map(|entry| entry.bytes).sum::<usize>());
                prop_assert_eq!(entries.by_use.len(), entries.by_request.len());
            }
        }
    }

    #[test]
    fn what_was_used_last_stays_and_an_older_answer_never_replaces_a_newer_one() {
        let cache = Cache::new(CacheBounds { max_age: MAX_AGE, max_bytes: 2 * (ENTRY_BYTES + 11) });
        let now = Instant::now();
        let put = |key: &'static [u8], at: Instant| {
            cache.put(Bytes::from_static(key), Arc::new(answer(message(), false).unwrap()), at, 10);
        };
        let age = |key: &'static [u8], at| cache.get(&Bytes::from_static(key), at, None).map(|(_, age)| age);
        put(b"a", now);
        put(b"b", now);
        assert_eq!(age(b"a", now), Some(Duration::ZERO));
        put(b"c", now);
        assert_eq!(
            [age(b"a", now), age(b"b", now), age(b"c", now)],
            [Some(Duration::ZERO), None, Some(Duration::ZERO)]
        );
        put(b"a", now - Duration::from_millis(10));
        assert_eq!(age(b"a", now), Some(Duration::ZERO));
        assert_eq!(age(b"a", now + MAX_AGE), Some(MAX_AGE));
        assert_eq!(age(b"a", now + MAX_AGE + Duration::from_nanos(1)), None);
    }
}
