//! A view's rows in Redis written again from the log: what is there is read and decided on here, and a
//! script writes where it is still there, byte for byte, as it may be damaged.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::PoisonError;

use feature::{EntityKey, Micros, VersionId};
use futures::stream::{self, StreamExt, TryStreamExt};
use redis::{Value, cmd};

use super::Inner;
use super::calls::{Request, command};
use super::filling::Missing;
use super::keys::KeyOwner;
use super::writing::{CALLS_AT_ONCE, DECISIONS, ROWS_A_CALL, expires};
use crate::decision::{Decision, decide_mending};
use crate::error::OnlineError;
use crate::folded_commit::FoldedCommit;
use crate::mending::{Entities, Mending};
use crate::packed::RowIdentity;
use crate::store::{Outcome, Stats};

/// In a view's hash: the commit of its log up to which its rows are folded.
const FOLDED: &str = "folded";

/// How often rows are counted again because somebody wrote meanwhile.
const COUNTS: usize = 3;

/// A row to be written, with what is known of it.
struct Due<'a> {
    key: Vec<u8>,
    row: &'a Mending<'a>,
    new: RowIdentity,
    /// When it expires, in milliseconds since 1970; empty for never.
    expires: String,
    current: Option<Vec<u8>>,
    outcome: Option<Outcome>,
}

/// How much a view has more than before.
#[derive(Clone, Copy, Default)]
struct Grown {
    rows: i64,
    bytes: i64,
}

impl Inner {
    pub(super) async fn mend(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        let name = view.to_string();
        let kept = self.kept(view);
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let (key, new) = (self.keys.row(&name, row.key), RowIdentity::of(view, row.bytes)?);
            let expires = kept.and_then(|kept| expires(row.bytes, kept.micros())).unwrap_or_default();
            due.push(Due { key, row, new, expires, current: None, outcome: None });
        }
        self.begin(view, &name, applied_at).await?;
        let calls: Vec<_> =
            due.chunks_mut(ROWS_A_CALL).map(|call| self.mend_some(view, &name, call)).collect();
        stream::iter(calls).buffer_unordered(CALLS_AT_ONCE).try_collect::<()>().await?;
        Ok(due.into_iter().map(|due| due.outcome.unwrap_or(Outcome::Unchanged)).collect())
    }

    async fn mend_some(&self, view: &VersionId, name: &str, due: &mut [Due<'_>]) -> Result<(), OnlineError> {
        let keys: Vec<Vec<u8>> = due.iter().map(|due| due.key.clone()).collect();
        let current = self.current_rows(&keys).await?;
        for (due, current) in due.iter_mut().zip(current) {
            due.current = current;
        }
        if !self.calls.dialer().is_cluster() {
            let missing = due.iter_mut().filter(|due| due.current.is_none()).map(Due::missing).collect();
            self.fill(name, missing).await?;
        }
        let mut grown = Grown::default();
        for _ in 0..DECISIONS {
            let mut writable: Vec<&mut Due<'_>> = Vec::new();
            for due in due.iter_mut().filter(|due| due.outcome.is_none()) {
                due.decide(view);
                if due.outcome.is_none() {
                    writable.push(due);
                }
            }
            if writable.is_empty() {
                return self.grow(name, grown).await;
            }
            let requests: Vec<Request> = writable
                .iter()
                .map(|due| {
                    let mut command = self.calls.scripts().mend();
                    let current = due.current.as_deref().unwrap_or_default();
                    command.arg(1).arg(&due.key).arg(current).arg(due.row.bytes).arg(&due.expires);
                    self.request(&due.key, command)
                })
                .collect();
            let answers = self.calls.ask(&requests, self.calls.patience.write).await?;
            for (due, answer) in writable.into_iter().zip(answers) {
                grown.add(due.note(answer).ok_or_else(|| self.damaged())?);
            }
        }
        // Whoever writes a row all the time has it.
        for due in due.iter_mut().filter(|due| due.outcome.is_none()) {
            due.outcome = Some(Outcome::Conflict { current: due.current.take().unwrap_or_default() });
        }
        self.grow(name, grown).await
    }

    async fn current_rows(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, OnlineError> {
        match self.calls.dialer().is_cluster() {
            true => self.get_of_cluster(keys, self.calls.patience.write).await,
            false => self.get_of_one(keys, self.calls.patience.write).await,
        }
    }

    async fn grow(&self, name: &str, grown: Grown) -> Result<(), OnlineError> {
        let key = self.keys.stats(name);
        let fields = [("rows", grown.rows), ("bytes", grown.bytes)];
        let counts: Vec<Request> = fields
            .into_iter()
            .filter(|(_, added)| *added != 0)
            .map(|(field, added)| {
                let mut command = cmd("HINCRBY");
                command.arg(&key).arg(field).arg(added);
                self.request(&key, command)
            })
            .collect();
        if counts.is_empty() {
            return Ok(());
        }
        self.calls.ask(&counts, self.calls.patience.write).await.map(drop)
    }

    /// Looks at keys until one of the view's rows is found.
    pub(super) async fn is_empty(&self, view: &VersionId) -> Result<bool, OnlineError> {
        let mut scan = self.scan(view).await?;
        while let Some(keys) = scan.next(self).await? {
            if !keys.is_empty() {
                return Ok(false);
            }
        }
        // Counts are wrong only where all rows were lost.
        let counted = self.stats(view).await?;
        if (counted.rows, counted.bytes) != (0, 0) {
            self.recount(view).await?;
        }
        Ok(true)
    }

    pub(super) async fn strays(
        &self,
        view: &VersionId,
        known: &Entities,
    ) -> Result<Vec<(EntityKey, Vec<u8>)>, OnlineError> {
        let mut found = HashMap::new();
        let mut scan = self.scan(view).await?;
        while let Some(keys) = scan.next(self).await? {
            let strays: Vec<(Vec<u8>, EntityKey)> = keys
                .into_iter()
                .filter_map(|key| match self.keys.owner_of(&key) {
                    Some(KeyOwner::Row(_, entity)) if !known.contains(&entity) => Some((key, entity)),
                    _ => None,
                })
                .collect();
            if strays.is_empty() {
                continue;
            }
            let keys: Vec<Vec<u8>> = strays.iter().map(|(key, _)| key.clone()).collect();
            let current = self.current_rows(&keys).await?;
            found.extend(
                strays.into_iter().zip(current).filter_map(|((_, key), current)| Some((key, current?))),
            );
        }
        Ok(found.into_iter().collect())
    }

    pub(super) async fn remove(
        &self,
        view: &VersionId,
        rows: &[(EntityKey, Vec<u8>)],
    ) -> Result<u64, OnlineError> {
        let name = view.to_string();
        let mut removed = 0;
        for rows in rows.chunks(ROWS_A_CALL) {
            let keys: Vec<Vec<u8>> = rows.iter().map(|(key, _)| self.keys.row(&name, key)).collect();
            let requests = keys.iter().zip(rows).map(|(key, (_, bytes))| {
                let mut command = self.calls.scripts().remove();
                command.arg(1).arg(key).arg(bytes);
                self.request(key, command)
            });
            let requests: Vec<Request> = requests.collect();
            let answers = self.calls.ask(&requests, self.calls.patience.write).await?;
            let mut grown = Grown::default();
            for ((key, (_, bytes)), answer) in keys.iter().zip(rows).zip(answers) {
                if answer == Value::Int(1) {
                    grown.rows -= 1;
                    grown.bytes -= (key.len() + bytes.len()) as i64;
                }
            }
            removed += grown.rows.unsigned_abs();
            self.grow(&name, grown).await?;
        }
        Ok(removed)
    }

    /// Looks at every key of the project: rows may be there of which nothing is noted.
    pub(super) async fn versions(&self) -> Result<Vec<VersionId>, OnlineError> {
        let mut versions = BTreeSet::new();
        let mut scan = self.scan_all().await?;
        while let Some(keys) = scan.next(self).await? {
            versions.extend(keys.iter().filter_map(|key| self.keys.version_of(key)));
        }
        Ok(versions.into_iter().collect())
    }

    pub(super) async fn folded_commit(&self, view: &VersionId) -> Result<Option<FoldedCommit>, OnlineError> {
        let key = self.keys.stats(&view.to_string());
        let mut get = cmd("HGET");
        get.arg(&key).arg(FOLDED);
        let answers = self.calls.ask(&[self.request(&key, get)], self.calls.patience.read).await?;
        match answers.into_iter().next() {
            Some(Value::BulkString(text)) => {
                Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()))
            }
            Some(Value::Nil) | None => Ok(None),
            Some(_) => Err(self.damaged()),
        }
    }

    pub(super) async fn note_folded_commit(
        &self,
        view: &VersionId,
        commit: FoldedCommit,
    ) -> Result<(), OnlineError> {
        let key = self.keys.stats(&view.to_string());
        let mut set = cmd("HSET");
        set.arg(&key).arg(FOLDED).arg(commit.text());
        let mut requests = vec![self.request(&key, set)];
        requests.extend(self.owner_again().filter(|_| view.version <= VersionId::MOST_VERSIONS));
        self.calls.ask(&requests, self.calls.patience.write).await.map(drop)
    }

    /// Says again whose the rows are, where that was lost with them: by a writer that said so, once a view of it is whole.
    fn owner_again(&self) -> Option<Request> {
        let owner = self.owner.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (key, mut set) = (self.keys.owner(), cmd("SET"));
        set.arg(&key).arg(owner).arg("NX");
        Some(self.request(&key, set))
    }

    /// The counts are moved by what they are wrong by, where nobody wrote while the rows were counted.
    pub(super) async fn recount(&self, view: &VersionId) -> Result<(), OnlineError> {
        let name = view.to_string();
        for _ in 0..COUNTS {
            let before = self.stats(view).await?;
            let (mut keys_seen, mut bytes) = (HashSet::new(), 0_i64);
            let mut scan = self.scan(view).await?;
            while let Some(mut keys) = scan.next(self).await? {
                keys.retain(|key| keys_seen.insert(key.clone()));
                let lengths: Vec<Request> =
                    keys.iter().map(|key| self.request(key, command("STRLEN", key))).collect();
                let lengths = self.calls.ask(&lengths, self.calls.patience.read).await?;
                for (key, length) in keys.iter().zip(lengths) {
                    match length {
                        Value::Int(length @ 1..) => bytes += length + key.len() as i64,
                        _ => drop(keys_seen.remove(key)),
                    }
                }
            }
            let after = self.stats(view).await?;
            let counts = |stats: Stats| (stats.rows, stats.bytes);
            if counts(before) == counts(after) {
                let rows = keys_seen.len() as i64 - after.rows as i64;
                return self.grow(&name, Grown { rows, bytes: bytes - after.bytes as i64 }).await;
            }
        }
        Ok(())
    }
}

impl Grown {
    fn add(&mut self, other: Grown) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

impl Due<'_> {
    fn missing(&mut self) -> Missing<'_> {
        Missing {
            key: &self.key,
            bytes: self.row.bytes,
            expires: &self.expires,
            current: &mut self.current,
            outcome: &mut self.outcome,
        }
    }

    fn decide(&mut self, view: &VersionId) {
        let Some(current) = &self.current else { return };
        match decide_mending(view, current, &self.new, self.row) {
            Decision::Write => {}
            Decision::Unchanged => self.outcome = Some(Outcome::Unchanged),
            Decision::Refold => {
                self.outcome = self.current.take().map(|current| Outcome::Conflict { current })
            }
        }
    }

    /// Takes the script's answer; none where it is none.
    fn note(&mut self, answer: Value) -> Option<Grown> {
        match answer {
            Value::Int(before) => {
                self.outcome = Some(Outcome::Written);
                let length = self.row.bytes.len() as i64;
                Some(match before {
                    ..0 => Grown { rows: 1, bytes: length + self.key.len() as i64 },
                    before => Grown { rows: 0, bytes: length - before },
                })
            }
            Value::BulkString(current) => {
                self.current = Some(current);
                Some(Grown::default())
            }
            _ => None,
        }
    }
}
