//! Rows that were not there when they were looked up, as in a first load: one command writes them all, where nobody
//! else has written one of them meanwhile. On one server, or the one behind Sentinels.

use std::collections::HashSet;

use redis::Value;

use super::Inner;
use crate::error::OnlineError;
use crate::store::Outcome;

/// A row to be written, and what is known of it then.
pub(super) struct Missing<'a> {
    pub(super) key: &'a [u8],
    pub(super) bytes: &'a [u8],
    /// When it expires, in milliseconds since 1970; empty for never.
    pub(super) expires: &'a str,
    pub(super) current: &'a mut Option<Vec<u8>>,
    pub(super) outcome: &'a mut Option<Outcome>,
}

impl Inner {
    /// Writes these rows of a view and counts them. A row that another wrote meanwhile is left alone and is `current`
    /// then; of two rows with one key only the first is written.
    pub(super) async fn fill(&self, name: &str, mut rows: Vec<Missing<'_>>) -> Result<(), OnlineError> {
        let mut keys = HashSet::with_capacity(rows.len());
        rows.retain(|row| keys.insert(row.key));
        drop(keys);
        if rows.is_empty() {
            return Ok(());
        }
        let counts = self.keys.stats(name);
        let mut command = self.calls.scripts().fill();
        command.arg(rows.len() + 1);
        for row in &rows {
            command.arg(row.key);
        }
        command.arg(&counts).arg(rows.len());
        for row in &rows {
            command.arg(row.bytes).arg(row.expires);
        }
        let mut answers =
            self.calls.ask(&[self.request(&counts, command)], self.calls.patience.write).await?;
        match answers.pop() {
            Some(Value::Int(_)) => {
                for row in &mut rows {
                    *row.outcome = Some(Outcome::Written);
                }
            }
            Some(Value::Array(answers)) if answers.len() == rows.len() => {
                for (row, answer) in rows.iter_mut().zip(answers) {
                    match answer {
                        Value::Int(_) => *row.outcome = Some(Outcome::Written),
                        Value::BulkString(current) => *row.current = Some(current),
                        _ => return Err(self.damaged()),
                    }
                }
            }
            _ => return Err(self.damaged()),
        }
        Ok(())
    }
}
