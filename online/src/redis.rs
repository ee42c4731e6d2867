//! Redis: packed rows in one server, behind Sentinels, or in a cluster.
//!
//! One read is one `MGET` and one round trip, whatever the number of views. A write compares and sets in
//! a script, many rows a call. How rows lie there is said in `keys.rs`, and why in
//! `docs/decisions/0011-redis.md`.
//!
//! A server that does not answer is [`OnlineError::Unavailable`], never an empty answer. One that answers
//! and is empty, as after a restart without its data, has no rows and no applied times, as if nothing had
//! been loaded: a sync from the log brings them back. Until then who only reads can have such a store refused.

mod address;
mod breaker;
mod calls;
mod failure;
mod filling;
mod follow;
mod keys;
mod mending;
mod reading;
mod script;
mod seen_before;
mod server;
#[cfg(test)]
mod tests;
mod topology;
mod writing;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use feature::{EntityKey, Micros, Span, VersionId};
use redis::{Cmd, Value, cmd};

use crate::error::OnlineError;
use crate::folded_commit::FoldedCommit;
use crate::mending::{Entities, Mender, Mending};
use crate::store::{Change, Followed, Outcome, PackedRows, Read, Reader, RowWrite, Stats, Writer};
pub use address::RedisUrl;
use calls::{Calls, Patience, Request, To, command};
use keys::{FORMAT, Keys};
use seen_before::SeenBefore;
use topology::Dialer;

/// The online store in Redis, of one project. Clones share its connections, which are created again when
/// they are lost. It needs Redis 6 or newer, with the commands of strings, hashes, keys and scripts, and
/// `INFO`, for the keys `tw:*`.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    calls: Calls,
    keys: Keys,
    /// Of views whose rows expire: how long after their events.
    kept: RwLock<HashMap<VersionId, Span>>,
    /// The format was noted in the servers.
    noted: AtomicBool,
    /// Whose the rows are, as a writer said.
    owner: RwLock<Option<String>>,
    /// What may not be gone where somebody only reads.
    seen: OnceLock<SeenBefore>,
}

impl Redis {
    /// Connects to the servers. Refused are those that would drop features when their memory gets full,
    /// that are too old, or whose keys a newer release wrote.
    pub async fn open(url: &RedisUrl, project: &str) -> Result<Self, OnlineError> {
        Self::open_with(url, project, Patience::default()).await
    }

    async fn open_with(url: &RedisUrl, project: &str, patience: Patience) -> Result<Self, OnlineError> {
        let dialer = Dialer::new(url.clone(), patience.connect)?;
        let keys = Keys::new(project).ok_or_else(|| OnlineError::Unusable {
            path: dialer.address().into(),
            reason: format!(
                "`{project}` cannot be part of a key: name the project with letters, digits, `_`, `-` and `.` only"
            ),
        })?;
        let calls = Calls::new(dialer, patience);
        let store = Self {
            inner: Arc::new(Inner {
                calls,
                keys,
                kept: RwLock::default(),
                noted: AtomicBool::new(false),
                owner: RwLock::default(),
                seen: OnceLock::new(),
            }),
        };
        store.inner.refuse_a_newer_format().await?;
        Ok(store)
    }

    /// What time it is by the clock of a server; none where the user may not ask.
    pub async fn moment(&self) -> Result<Option<Micros>, OnlineError> {
        match self.inner.one(&self.inner.keys.format(), cmd("TIME"), self.inner.calls.patience.read).await {
            Ok(answer) => Ok(seconds_and_micros(&answer).and_then(|micros| Micros::new(micros).ok())),
            Err(OnlineError::Unusable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whose rows the project's are, as their writer said; none where nobody said so.
    pub async fn owner(&self) -> Result<Option<String>, OnlineError> {
        let key = self.inner.keys.owner();
        match self.inner.one(&key, command("GET", &key), self.inner.calls.patience.read).await? {
            Value::Nil => Ok(None),
            Value::BulkString(text) => {
                let owner = String::from_utf8(text).map_err(|_| self.inner.damaged())?;
                self.inner.remember_owner(&owner);
                Ok(Some(owner))
            }
            _ => Err(self.inner.damaged()),
        }
    }

    /// From now on reads by this and its clones are refused where the servers have lost what they had: the note of whose
    /// the rows are, or the applied time of a view. `was_filled` says whether they had rows before, and `loaded` of which views
    /// they had some. Who writes finds by itself what is lost.
    pub fn refuse_when_emptied(&self, was_filled: bool, loaded: Vec<VersionId>) {
        self.inner.seen.get_or_init(|| SeenBefore::new(was_filled, loaded));
    }

    /// Says whose rows the project's are from now on.
    pub async fn set_owner(&self, owner: &str) -> Result<(), OnlineError> {
        let key = self.inner.keys.owner();
        let mut set = command("SET", &key);
        set.arg(owner);
        self.inner.one(&key, set, self.inner.calls.patience.write).await?;
        self.inner.remember_owner(owner);
        Ok(())
    }

    /// Bytes of memory that a row of a view takes with its key, by a sample of its rows; none without rows.
    pub async fn bytes_a_row(&self, view: &VersionId) -> Result<Option<f64>, OnlineError> {
        self.inner.bytes_a_row(view).await
    }

    /// From now on, rows of this view that are written expire once all rows folded in them are so much
    /// older than the servers' clocks: what `retention: {online: …}` says of the view. A packed row with
    /// rows that wait in it does not expire before it is written again.
    pub fn expire(&self, view: &VersionId, online: Span) {
        let mut kept = self.inner.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(view.clone(), online);
    }
}

/// What `TIME` answers: seconds since 1970, and microseconds.
fn seconds_and_micros(answer: &Value) -> Option<i64> {
    let (seconds, micros): (i64, i64) = redis::FromRedisValue::from_redis_value_ref(answer).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

impl Inner {
    fn request(&self, key: &[u8], command: Cmd) -> Request {
        // Where there is one server the slot is not looked at.
        let slot = if self.calls.dialer().is_cluster() { keys::slot(key) } else { 0 };
        Request { to: To::Slot(slot), command }
    }

    fn kept(&self, view: &VersionId) -> Option<Span> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(view).copied()
    }

    fn remember_owner(&self, owner: &str) {
        *self.owner.write().unwrap_or_else(PoisonError::into_inner) = Some(owner.to_owned());
    }

    /// The answer to one command about a key.
    async fn one(&self, key: &[u8], command: Cmd, patience: Duration) -> Result<Value, OnlineError> {
        let answers = self.calls.ask(&[self.request(key, command)], patience).await?;
        Ok(answers.into_iter().next().unwrap_or(Value::Nil))
    }

    async fn refuse_a_newer_format(&self) -> Result<(), OnlineError> {
        let key = self.keys.format();
        let get = command("GET", &key);
        let Value::BulkString(text) = self.one(&key, get, self.calls.patience.read).await? else {
            return Ok(());
        };
        match std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
            Some(found) if found > FORMAT => {
                let what = format!("the online store at {}", self.calls.dialer().address());
                Err(OnlineError::Newer { what, found, known: FORMAT })
            }
            _ => Ok(()),
        }
    }

    fn emptied(&self) -> OnlineError {
        OnlineError::Emptied { location: self.calls.dialer().address().to_owned() }
    }

    fn damaged(&self) -> OnlineError {
        OnlineError::Unusable {
            path: self.calls.dialer().address().into(),
            reason: "it holds something else under this project's keys: name another project, or remove them"
                .to_owned(),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({}, {})", self.inner.calls.dialer().address(), self.inner.keys.prefix())
    }
}

impl Reader for Redis {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        self.inner.read(reads).await
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        self.inner.stats(view).await
    }
}

impl Writer for Redis {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        self.inner.replace(view, rows, applied_at).await
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.inner.drop_view(view).await
    }
}

impl Mender for Redis {
    async fn mend(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        self.inner.mend(view, rows, applied_at).await
    }

    async fn is_empty(&self, view: &VersionId) -> Result<bool, OnlineError> {
        self.inner.is_empty(view).await
    }

    async fn strays(
        &self,
        view: &VersionId,
        known: &Entities,
    ) -> Result<Vec<(EntityKey, Vec<u8>)>, OnlineError> {
        self.inner.strays(view, known).await
    }

    async fn remove(&self, view: &VersionId, rows: &[(EntityKey, Vec<u8>)]) -> Result<u64, OnlineError> {
        self.inner.remove(view, rows).await
    }

    async fn versions(&self) -> Result<Vec<VersionId>, OnlineError> {
        self.inner.versions().await
    }

    async fn recount(&self, view: &VersionId) -> Result<(), OnlineError> {
        self.inner.recount(view).await
    }

    async fn folded_commit(&self, view: &VersionId) -> Result<Option<FoldedCommit>, OnlineError> {
        self.inner.folded_commit(view).await
    }

    async fn note_folded_commit(&self, view: &VersionId, commit: FoldedCommit) -> Result<(), OnlineError> {
        self.inner.note_folded_commit(view, commit).await
    }
}

impl Followed for Redis {
    async fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> OnlineError {
        self.inner.follow(tell).await
    }
}
