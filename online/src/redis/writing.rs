//! Writing rows: what is there is read, whether the new row may replace it is decided here, and a script
//! writes it if what is there is still the same. Where it is not, the script gives what is there now, and
//! it is decided again.
//!
//! So 64-bit offsets are compared where they are exact, and by the code that every store uses.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use feature::{Micros, VersionId};
use futures::stream::{self, StreamExt, TryStreamExt};
use redis::{Cmd, Value, cmd};

use super::Inner;
use super::calls::{Request, command};
use super::filling::Missing;
use super::keys::{FORMAT, applied_text, slot};
use crate::decision::{Decision, decide};
use crate::error::OnlineError;
use crate::packed::{FLAG_FOLDED, FLAG_PENDING, RowIdentity, at, identity_bytes, micros_at};
use crate::store::{Outcome, RowWrite};

/// Rows that are compared and set in one call: it keeps everybody else waiting for about a millisecond.
pub(super) const ROWS_A_CALL: usize = 256;
/// Bytes of rows in one call, unless a single row has more.
const BYTES_A_CALL: usize = 1 << 20;
/// Calls of one write that are under way at a time.
pub(super) const CALLS_AT_ONCE: usize = 4;
/// How often a row is decided again at most, because it was changed meanwhile.
pub(super) const DECISIONS: usize = 16;

/// A row to be written, with what belongs to it.
struct Due<'a> {
    key: Vec<u8>,
    new: RowIdentity,
    bytes: &'a [u8],
    /// When it expires, in milliseconds since 1970; empty for never.
    expires: String,
    /// What is there, as last seen.
    current: Option<Vec<u8>>,
    outcome: Option<Outcome>,
}

impl Inner {
    pub(super) async fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        if rows.is_empty() && applied_at.is_none() {
            return Ok(Vec::new());
        }
        // Rows that are none are refused before anything is written.
        let mut news = Vec::with_capacity(rows.len());
        for row in rows {
            news.push(RowIdentity::of(view, row.bytes)?);
        }
        let name = view.to_string();
        self.begin(view, &name, applied_at).await?;
        let kept = self.kept(view);
        let due = rows.iter().zip(news).map(|(row, new)| Due {
            key: self.keys.row(&name, row.key),
            new,
            bytes: row.bytes,
            expires: kept.and_then(|kept| expires(row.bytes, kept.micros())).unwrap_or_default(),
            current: None,
            outcome: None,
        });
        let mut due: Vec<Due<'_>> = due.collect();
        let mut replaced = Vec::new();
        let mut rest = due.as_mut_slice();
        for count in counts(rows) {
            let (call, after) = rest.split_at_mut(count.min(rest.len()));
            rest = after;
            replaced.push(self.replace_some(view, &name, call));
        }
        stream::iter(replaced).buffer_unordered(CALLS_AT_ONCE).try_collect::<()>().await?;
        Ok(due.into_iter().map(|due| due.outcome.unwrap_or(Outcome::Unchanged)).collect())
    }

    /// Notes what has to be there before any row is: the format, that rows expire, the applied time.
    pub(super) async fn begin(
        &self,
        view: &VersionId,
        name: &str,
        applied_at: Option<Micros>,
    ) -> Result<(), OnlineError> {
        let mut requests = Vec::new();
        let noted = self.noted.load(Ordering::Relaxed);
        if !noted {
            let (key, mut command) = (self.keys.format(), cmd("SET"));
            command.arg(&key).arg(FORMAT).arg("NX");
            requests.push(self.request(&key, command));
        }
        if self.kept(view).is_some() {
            let (key, mut command) = (self.keys.stats(name), cmd("HSET"));
            command.arg(&key).arg("expires").arg(1);
            requests.push(self.request(&key, command));
        }
        if let Some(at) = applied_at {
            let (key, mut command) = (self.keys.applied(name), self.calls.scripts().raise());
            command.arg(1).arg(&key).arg(applied_text(at));
            requests.push(self.request(&key, command));
        }
        if !requests.is_empty() {
            self.calls.ask(&requests, self.calls.patience.write).await?;
            self.noted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn replace_some(
        &self,
        view: &VersionId,
        name: &str,
        due: &mut [Due<'_>],
    ) -> Result<(), OnlineError> {
        let cluster = self.calls.dialer().is_cluster();
        let keys: Vec<Vec<u8>> = due.iter().map(|due| due.key.clone()).collect();
        let wait = self.calls.patience.write;
        let current = match cluster {
            true => self.get_of_cluster(&keys, wait).await?,
            false => self.get_of_one(&keys, wait).await?,
        };
        for (due, current) in due.iter_mut().zip(current) {
            due.current = current;
        }
        if !cluster {
            let missing = due.iter_mut().filter(|due| due.current.is_none()).map(Due::missing).collect();
            self.fill(name, missing).await?;
        }
        for _ in 0..DECISIONS {
            let mut writable = Vec::new();
            for due in due.iter_mut().filter(|due| due.outcome.is_none()) {
                if let Some(expected) = due.decide(view)? {
                    writable.push((expected, due));
                }
            }
            if writable.is_empty() {
                return Ok(());
            }
            if cluster {
                self.write_to_cluster(name, writable).await?;
            } else {
                self.write_to_one(name, writable).await?;
            }
        }
        Err(OnlineError::Unavailable {
            location: self.calls.dialer().address().to_owned(),
            reason: "others wrote the same rows again and again".to_owned(),
        })
    }

    /// All rows in one call, which counts them too.
    async fn write_to_one(
        &self,
        name: &str,
        mut due: Vec<(Vec<u8>, &mut Due<'_>)>,
    ) -> Result<(), OnlineError> {
        let counts = self.keys.stats(name);
        let mut command = self.replace_call(&due, Some(&counts));
        add_rows(&mut command, &due);
        let answers = self.calls.ask(&[self.request(&counts, command)], self.calls.patience.write).await?;
        let Some(Value::Array(answers)) = answers.into_iter().next() else { return Err(self.damaged()) };
        for ((_, due), answer) in due.iter_mut().zip(answers) {
            due.note(answer).ok_or_else(|| self.damaged())?;
        }
        Ok(())
    }

    /// The rows of each slot in a call, all calls at once; the view's counts, which lie elsewhere, follow.
    async fn write_to_cluster(
        &self,
        name: &str,
        due: Vec<(Vec<u8>, &mut Due<'_>)>,
    ) -> Result<(), OnlineError> {
        let mut of_slot: HashMap<u16, Vec<(Vec<u8>, &mut Due<'_>)>> = HashMap::new();
        for (expected, due) in due {
            of_slot.entry(slot(&due.key)).or_default().push((expected, due));
        }
        let mut slots: Vec<Vec<(Vec<u8>, &mut Due<'_>)>> = of_slot.into_values().collect();
        let requests = slots.iter().map(|due| {
            let mut command = self.replace_call(due, None);
            add_rows(&mut command, due);
            let key = due.first().map(|(_, due)| due.key.as_slice()).unwrap_or_default();
            self.request(key, command)
        });
        let requests: Vec<Request> = requests.collect();
        let answers = self.calls.ask(&requests, self.calls.patience.write).await?;
        let (mut rows, mut bytes) = (0_i64, 0_i64);
        for (due, answers) in slots.iter_mut().zip(answers) {
            let Value::Array(answers) = answers else { return Err(self.damaged()) };
            for ((_, due), answer) in due.iter_mut().zip(answers) {
                if let Some(before) = due.note(answer).ok_or_else(|| self.damaged())? {
                    rows += i64::from(before < 0);
                    bytes +=
                        due.bytes.len() as i64 - if before < 0 { -(due.key.len() as i64) } else { before };
                }
            }
        }
        if (rows, bytes) == (0, 0) {
            return Ok(());
        }
        let key = self.keys.stats(name);
        let counts = [("rows", rows), ("bytes", bytes)].map(|(field, added)| {
            let mut command = cmd("HINCRBY");
            command.arg(&key).arg(field).arg(added);
            self.request(&key, command)
        });
        self.calls.ask(&counts, self.calls.patience.write).await.map(drop)
    }

    fn replace_call(&self, due: &[(Vec<u8>, &mut Due<'_>)], counts: Option<&[u8]>) -> Cmd {
        let mut command = self.calls.scripts().replace();
        command.arg(due.len() + usize::from(counts.is_some()));
        for (_, due) in due {
            command.arg(&due.key);
        }
        if let Some(counts) = counts {
            command.arg(counts);
        }
        command.arg(due.len());
        command
    }

    pub(super) async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        let unlinks = |keys: &[Vec<u8>]| -> Vec<Request> {
            keys.iter().map(|key| self.request(key, command("UNLINK", key))).collect()
        };
        let mut scan = self.scan(view).await?;
        while let Some(keys) = scan.next(self).await? {
            self.calls.ask(&unlinks(&keys), self.calls.patience.write).await?;
        }
        // Last: as long as rows are there, so is their applied time.
        let name = view.to_string();
        let records = [self.keys.stats(&name), self.keys.applied(&name)];
        self.calls.ask(&unlinks(&records), self.calls.patience.write).await.map(drop)
    }
}

impl Due<'_> {
    fn missing(&mut self) -> Missing<'_> {
        Missing {
            key: &self.key,
            bytes: self.bytes,
            expires: &self.expires,
            current: &mut self.current,
            outcome: &mut self.outcome,
        }
    }

    /// What has to be there still for the row to be written; `None` if its outcome is known.
    fn decide(&mut self, view: &VersionId) -> Result<Option<Vec<u8>>, OnlineError> {
        let Some(bytes) = &self.current else { return Ok(Some(Vec::new())) };
        match decide(view, &RowIdentity::of(view, bytes)?, &self.new)? {
            Decision::Write => {
                let expected = identity_bytes(bytes);
                let what = "its positions are not valid";
                expected.map(Some).ok_or_else(|| OnlineError::Damaged { view: view.clone(), what })
            }
            Decision::Unchanged => {
                self.outcome = Some(Outcome::Unchanged);
                Ok(None)
            }
            Decision::Refold => {
                self.outcome = self.current.take().map(|current| Outcome::Conflict { current });
                Ok(None)
            }
        }
    }

    /// Takes the script's answer; gives the length of the row before, negative for none, where it is
    /// written. None where the answer is none.
    fn note(&mut self, answer: Value) -> Option<Option<i64>> {
        match answer {
            Value::Int(before) => {
                self.outcome = Some(Outcome::Written);
                Some(Some(before))
            }
            Value::BulkString(current) => {
                self.current = Some(current);
                Some(None)
            }
            _ => None,
        }
    }
}

fn add_rows(command: &mut Cmd, due: &[(Vec<u8>, &mut Due<'_>)]) {
    for (expected, due) in due {
        command.arg(expected).arg(due.bytes).arg(&due.expires);
    }
}

/// How many rows each call has.
fn counts(rows: &[RowWrite<'_>]) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    for row in rows {
        if count > 0 && (count >= ROWS_A_CALL || bytes + row.bytes.len() > BYTES_A_CALL) {
            counts.push(count);
            (count, bytes) = (0, 0);
        }
        count += 1;
        bytes += row.bytes.len();
    }
    counts.push(count);
    counts
}

/// The first millisecond at which none of the rows folded is kept; none where rows wait, whose times are
/// not known here, or where no row was folded.
pub(super) fn expires(bytes: &[u8], kept: i64) -> Option<String> {
    let flags = bytes.get(at::FLAGS)?;
    if flags & FLAG_FOLDED == 0 || flags & FLAG_PENDING != 0 {
        return None;
    }
    let last = micros_at(bytes, at::EVENT_TIME)?.get().checked_add(kept)?;
    Some((last.div_euclid(1000) + 1).to_string())
}
