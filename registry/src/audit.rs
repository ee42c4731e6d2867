//! The audit log as it lies in the registry: an entry is written in the transaction of the change that it records, and
//! the number and hash of the last one are kept in the registry's own row, so that a removed end shows too.

mod chain;
mod reason;
mod record;

use feature::Micros;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

pub use chain::{AuditEntry, BackInTime};
pub use reason::{NotAReason, Reason};
pub use record::AuditAction;
pub(crate) use record::Record;

use crate::error::RegistryError;
use crate::stored::{damaged, number};
use chain::Head;

/// The audit log as it was read, checked from its first entry to its last.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct AuditLog {
    /// The entries, oldest first.
    pub entries: Vec<AuditEntry>,
    /// Everything that is not as it was written, a sentence each.
    pub damaged: Vec<String>,
    /// Entries before which the clock of their writers went back.
    pub back_in_time: Vec<BackInTime>,
}

impl AuditLog {
    /// The entries about this, by name or `name@version`, of any kind. Checks are of the whole log all the same.
    pub fn about<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a AuditEntry> {
        self.entries.iter().filter(move |entry| entry.is_about(name))
    }
}

impl AuditLog {
    /// Of these rows of `audit`, in the order of their numbers, of which the last is to be this one.
    fn of(rows: &[AnyRow], head: &Head) -> AuditLog {
        let (mut entries, mut damaged) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match entry(row) {
                Ok(entry) => entries.push(entry),
                Err(error) => damaged.push(error.to_string()),
            }
        }
        damaged.extend(chain::check(&entries, head));
        let back_in_time = chain::back_in_time(&entries);
        AuditLog { entries, damaged, back_in_time }
    }
}

/// The whole log, checked.
pub(crate) async fn read(transaction: &mut Transaction<'_, Any>) -> Result<AuditLog, sqlx::Error> {
    let head = head(transaction).await?;
    let rows = sqlx::query("SELECT * FROM audit ORDER BY entry").fetch_all(&mut **transaction).await?;
    Ok(AuditLog::of(&rows, &head))
}

/// Adds what was done to the log. Gives whether its end is what was written; where it is not, nothing is added.
pub(crate) async fn append(
    transaction: &mut Transaction<'_, Any>,
    records: Vec<Record>,
    actor: &str,
    at: Micros,
) -> Result<bool, sqlx::Error> {
    let mut head = head(transaction).await?;
    let last = "SELECT entry, hash FROM audit ORDER BY entry DESC LIMIT 1";
    let last: Option<(i64, String)> = sqlx::query_as(last).fetch_optional(&mut **transaction).await?;
    if !head.is_of(last.as_ref().map(|(number, hash)| (*number, hash.as_str()))) {
        return Ok(false);
    }
    for record in records {
        let entry = head.next(record, actor, at);
        insert(transaction, &entry).await?;
        head = Head::of(&entry);
    }
    sqlx::query("UPDATE registry SET audit_entries = $1, audit_hash = $2 WHERE id = 1")
        .bind(head.number)
        .bind(&head.hash)
        .execute(&mut **transaction)
        .await?;
    Ok(true)
}

async fn head(transaction: &mut Transaction<'_, Any>) -> Result<Head, sqlx::Error> {
    let (number, hash) = sqlx::query_as("SELECT audit_entries, audit_hash FROM registry WHERE id = 1")
        .fetch_one(&mut **transaction)
        .await?;
    Ok(Head { number, hash })
}

async fn insert(transaction: &mut Transaction<'_, Any>, entry: &AuditEntry) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO audit
            (entry, format, at, actor, action, subject, from_state, to_state, reason, detail, hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    sqlx::query(insert)
        .bind(entry.number)
        .bind(i64::from(entry.format))
        .bind(entry.at.get())
        .bind(&entry.actor)
        .bind(entry.action.name())
        .bind(&entry.subject)
        .bind(&entry.from)
        .bind(&entry.to)
        .bind(&entry.reason)
        .bind(&entry.detail)
        .bind(&entry.hash)
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

/// Entries from rows of `audit`, in their order.
pub(crate) fn entries(rows: &[AnyRow]) -> Result<Vec<AuditEntry>, RegistryError> {
    rows.iter().map(entry).collect()
}

/// An entry from a row of `audit`.
fn entry(row: &AnyRow) -> Result<AuditEntry, RegistryError> {
    let number_of: i64 = number(row, "entry")?;
    let what = format!("entry {number_of} of the audit log");
    let unreadable = |error: &dyn std::fmt::Display| damaged(&what, error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| unreadable(&error));
    let optional =
        |column: &str| row.try_get::<Option<String>, _>(column).map_err(|error| unreadable(&error));
    let action = text("action")?;
    Ok(AuditEntry {
        number: number_of,
        format: number(row, "format")?,
        at: Micros::new(number(row, "at")?).map_err(|error| unreadable(&error))?,
        actor: text("actor")?,
        action: AuditAction::named(&action)
            .ok_or_else(|| unreadable(&format!("`{action}` is not an action")))?,
        subject: text("subject")?,
        from: optional("from_state")?,
        to: optional("to_state")?,
        reason: optional("reason")?,
        detail: optional("detail")?,
        hash: text("hash")?,
    })
}
