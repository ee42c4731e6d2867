//! Reading rows, their views' applied times, and how much there is.
//!
//! A view's applied time has to be at least that of the rows read with it. A writer raises it before it
//! writes them, so it is read with the rows or after them, never before: on one server in the same
//! `MGET`, which nothing can come between; of a larger batch in the last of them; in a cluster, where
//! it lies on another server, in a round trip of its own once the rows are there.

use std::collections::HashMap;
use std::time::Duration;

use feature::VersionId;
use redis::{Value, cmd};

use super::Inner;
use super::address::Node;
use super::calls::{Request, To, command};
use super::keys::{KeyOwner, applied_at, slot};
use crate::error::OnlineError;
use crate::store::{PackedRows, Read, Stats};

/// Keys in one `MGET`: it keeps everybody else waiting for less than a millisecond.
const KEYS_A_COMMAND: usize = 1024;
/// Commands in one pipeline; a larger batch is read in several, one after the other.
const COMMANDS_A_PIPELINE: usize = 16;
/// In a cluster commands are smaller.
const COMMANDS_A_CLUSTER_PIPELINE: usize = 4096;
/// How many keys one step of a scan looks at.
const SCANNED_KEYS: usize = 1000;

impl Inner {
    pub(super) async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        let views: Vec<String> = reads.iter().map(|read| read.view.to_string()).collect();
        let mut keys = Vec::with_capacity(reads.iter().map(|read| read.keys.len() + 1).sum());
        for (read, view) in reads.iter().zip(&views) {
            keys.extend(read.keys.iter().map(|key| self.keys.row(view, key)));
        }
        let rows = keys.len();
        keys.extend(views.iter().map(|view| self.keys.applied(view)));
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // Read with the applied times, behind the rows: what is lost in between is noticed.
        let seen = self.seen.get();
        keys.extend(seen.map(|_| self.keys.owner()));
        let wait = self.calls.patience.read;
        let (rows, mut applied) = if self.calls.dialer().is_cluster() {
            let applied = keys.split_off(rows);
            (self.get_of_cluster(&keys, wait).await?, self.get_of_cluster(&applied, wait).await?)
        } else {
            let mut values = self.get_of_one(&keys, wait).await?;
            let applied = values.split_off(rows);
            (values, applied)
        };
        if let Some(seen) = seen
            && seen.has_lost_owner(applied.pop().flatten().is_some())
        {
            return Err(self.emptied());
        }
        let mut rows = rows.into_iter();
        let found = reads.iter().zip(applied).map(|(read, applied)| {
            let applied = match applied {
                Some(text) => Some(applied_at(&text).ok_or_else(|| self.damaged())?),
                None => None,
            };
            if seen.is_some_and(|seen| seen.has_lost_applied(read.view, applied.is_some())) {
                return Err(OnlineError::LostRows { view: read.view.clone() });
            }
            let mut found = PackedRows::new(applied, read.keys.len());
            for row in rows.by_ref().take(read.keys.len()) {
                found.push(row.as_deref());
            }
            Ok(found)
        });
        found.collect()
    }

    /// What lies under these keys, with as few commands as may be; the last keys are read last.
    pub(super) async fn get_of_one(
        &self,
        keys: &[Vec<u8>],
        wait: Duration,
    ) -> Result<Vec<Option<Vec<u8>>>, OnlineError> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_A_COMMAND * COMMANDS_A_PIPELINE) {
            let requests: Vec<Request> = keys
                .chunks(KEYS_A_COMMAND)
                .map(|keys| {
                    let mut command = cmd("MGET");
                    command.arg(keys);
                    Request { to: To::Slot(0), command }
                })
                .collect();
            for answer in self.calls.ask(&requests, wait).await? {
                found.extend(self.strings(answer)?);
            }
        }
        if found.len() != keys.len() {
            return Err(self.damaged());
        }
        Ok(found)
    }

    /// The same in a cluster: one command for each slot, all servers at once.
    pub(super) async fn get_of_cluster(
        &self,
        keys: &[Vec<u8>],
        wait: Duration,
    ) -> Result<Vec<Option<Vec<u8>>>, OnlineError> {
        let mut slots: Vec<(u16, Vec<usize>)> = Vec::new();
        let mut group_of_slot: HashMap<u16, usize> = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            let slot = slot(key);
            let at = *group_of_slot.entry(slot).or_insert(slots.len());
            match slots.get_mut(at) {
                Some((_, indices)) => indices.push(index),
                None => slots.push((slot, vec![index])),
            }
        }
        let mut found = vec![None; keys.len()];
        for slots in slots.chunks(COMMANDS_A_CLUSTER_PIPELINE) {
            let requests: Vec<Request> = slots
                .iter()
                .map(|(slot, indices)| {
                    let mut command = cmd("MGET");
                    for key in indices.iter().filter_map(|index| keys.get(*index)) {
                        command.arg(key);
                    }
                    Request { to: To::Slot(*slot), command }
                })
                .collect();
            let answers = self.calls.ask(&requests, wait).await?;
            for ((_, indices), answer) in slots.iter().zip(answers) {
                for (index, value) in indices.iter().zip(self.strings(answer)?) {
                    if let Some(found) = found.get_mut(*index) {
                        *found = value;
                    }
                }
            }
        }
        Ok(found)
    }

    fn strings(&self, answer: Value) -> Result<Vec<Option<Vec<u8>>>, OnlineError> {
        let Value::Array(values) = answer else { return Err(self.damaged()) };
        let string = |value| match value {
            Value::BulkString(bytes) => Ok(Some(bytes)),
            Value::Nil => Ok(None),
            _ => Err(self.damaged()),
        };
        values.into_iter().map(string).collect()
    }

    /// By the counts that writers keep; of a view whose rows expire, which no writer sees, by looking at
    /// each of them.
    pub(super) async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        let name = view.to_string();
        let (counts, applied) = (self.keys.stats(&name), self.keys.applied(&name));
        let (mut get_counts, mut get_applied) = (cmd("HMGET"), cmd("MGET"));
        get_counts.arg(&counts).arg(&["rows", "bytes", "expires"]);
        get_applied.arg(&applied);
        let requests = [self.request(&counts, get_counts), self.request(&applied, get_applied)];
        let mut answers = self.calls.ask(&requests, self.calls.patience.read).await?.into_iter();
        let counts = self.strings(answers.next().unwrap_or_default())?;
        let applied = self.strings(answers.next().unwrap_or_default())?;
        let number = |index: usize| {
            let text = counts.get(index)?.as_deref()?;
            std::str::from_utf8(text).ok()?.parse::<u64>().ok()
        };
        let applied_at = match applied.into_iter().next().flatten() {
            Some(text) => Some(applied_at(&text).ok_or_else(|| self.damaged())?),
            None => None,
        };
        let (mut rows, mut bytes) = (number(0).unwrap_or(0), number(1).unwrap_or(0));
        if number(2).is_some() {
            (rows, bytes) = (0, 0);
            let mut scan = self.scan(view).await?;
            while let Some(keys) = scan.next(self).await? {
                let lengths: Vec<Request> =
                    keys.iter().map(|key| self.request(key, command("STRLEN", key))).collect();
                let lengths = self.calls.ask(&lengths, self.calls.patience.read).await?;
                for (key, length) in keys.iter().zip(lengths) {
                    if let Value::Int(length @ 1..) = length {
                        rows += 1;
                        bytes += length as u64 + key.len() as u64;
                    }
                }
            }
        }
        Ok(Stats { rows, bytes, applied_at })
    }

    /// Bytes of memory that a row of a view takes with its key, by a sample of its rows; none without rows.
    pub(super) async fn bytes_a_row(&self, view: &VersionId) -> Result<Option<f64>, OnlineError> {
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        let mut scan = self.scan(view).await?;
        while rows < SAMPLED_ROWS
            && let Some(keys) = scan.next(self).await?
        {
            let of_key = |key: &Vec<u8>| {
                let mut command = cmd("MEMORY");
                command.arg("USAGE").arg(key);
                self.request(key, command)
            };
            let requests: Vec<Request> = keys.iter().map(of_key).collect();
            for answer in self.calls.ask(&requests, self.calls.patience.read).await? {
                if let Value::Int(taken @ 1..) = answer {
                    rows += 1;
                    bytes += taken as u64;
                }
            }
        }
        Ok((rows > 0).then(|| bytes as f64 / rows as f64))
    }

    /// Begins to look for the keys of a view's rows.
    pub(super) async fn scan(&self, view: &VersionId) -> Result<Scan, OnlineError> {
        self.begin_scan(self.keys.rows_pattern(&view.to_string()), Some(view.clone())).await
    }

    /// Begins to look for all keys of the project.
    pub(super) async fn scan_all(&self) -> Result<Scan, OnlineError> {
        self.begin_scan(format!("{}*", self.keys.prefix()), None).await
    }

    async fn begin_scan(&self, pattern: String, view: Option<VersionId>) -> Result<Scan, OnlineError> {
        Ok(Scan { view, pattern, nodes: self.calls.nodes().await?, cursor: START.to_vec() })
    }
}

/// Rows whose memory is sampled, at least, where there are as many.
const SAMPLED_ROWS: u64 = 1000;

/// The cursor with which a scan of a server begins and ends.
const START: &[u8] = b"0";

/// A search for the keys of a view's rows, or for all of the project, which looks at every key of the servers.
pub(super) struct Scan {
    /// `None` for all keys.
    view: Option<VersionId>,
    pattern: String,
    /// The last one is being looked at.
    nodes: Vec<Node>,
    cursor: Vec<u8>,
}

impl Scan {
    /// Some more keys, which may be none; nothing when all were given. A key may be given twice.
    pub(super) async fn next(&mut self, inner: &Inner) -> Result<Option<Vec<Vec<u8>>>, OnlineError> {
        let Some(node) = self.nodes.last() else { return Ok(None) };
        let mut command = cmd("SCAN");
        command.arg(&self.cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(SCANNED_KEYS);
        let requests = [Request { to: To::Node(node.clone()), command }];
        let mut answers = inner.calls.ask(&requests, inner.calls.patience.write).await?;
        let Some(Value::Array(parts)) = answers.pop() else { return Err(inner.damaged()) };
        let Ok([Value::BulkString(next), keys]) = <[Value; 2]>::try_from(parts) else {
            return Err(inner.damaged());
        };
        if next == START {
            self.nodes.pop();
        }
        self.cursor = next;
        let mut keys: Vec<Vec<u8>> = inner.strings(keys)?.into_iter().flatten().collect();
        if let Some(of) = &self.view {
            keys.retain(
                |key| matches!(inner.keys.owner_of(key), Some(KeyOwner::Row(view, _)) if view == *of),
            );
        }
        Ok(Some(keys))
    }
}
