//! What servers decided: refusals in the audit log, a kind of them once a minute with how many there were, and what was
//! allowed as counts by minute.

use feature::{Micros, Span};

use crate::audit::{AuditAction, Record};
use crate::error::RegistryError;
use crate::store::Registry;

/// How long counts are kept.
const KEPT: Span = Span::DAY.times(30);
/// Entries of refusals that one minute may add: what is beyond them is one entry more.
const MOST_DENIALS: usize = 20;

/// Refusals of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    /// Who, as in `token scoring`, or `nobody known`.
    pub subject: String,
    /// What they wanted to do, with what, and why they may not.
    pub detail: String,
    /// How often.
    pub count: u64,
}

impl Registry {
    /// Records what a server refused in a minute.
    pub async fn record_denials(&self, mut denials: Vec<Denial>, at: Micros) -> Result<(), RegistryError> {
        if denials.is_empty() {
            return Ok(());
        }
        denials.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.subject.cmp(&b.subject)));
        let beyond = denials.split_off(denials.len().min(MOST_DENIALS));
        let mut records: Vec<Record> = denials
            .into_iter()
            .map(|Denial { subject, detail, count }| {
                let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
                Record::about(AuditAction::Deny, subject).to(format!("denied {times}")).detail(detail)
            })
            .collect();
        if !beyond.is_empty() {
            let count: u64 = beyond.iter().map(|denial| denial.count).sum();
            let detail = format!("{} other kinds of refusals in the same minute", beyond.len());
            let others = Record::about(AuditAction::Deny, "others".to_owned());
            records.push(others.to(format!("denied {count} times")).detail(detail));
        }
        let failed = self.failed("record refusals");
        let mut transaction = self.begin_changing("record refusals").await?;
        self.record(&mut transaction, records, at, &failed).await?;
        self.commit(transaction, &failed).await
    }

    /// Adds what a server allowed in a minute: who, what, with what, and how often. Counts of old minutes go.
    pub async fn count_allowed(
        &self,
        minute: Micros,
        allowed: &[(String, &'static str, String, u64)],
    ) -> Result<(), RegistryError> {
        if allowed.is_empty() {
            return Ok(());
        }
        let failed = self.failed("count what was allowed");
        let mut transaction = self.begin_writing("count what was allowed").await?;
        let minute = feature::floor(minute.get(), Span::MINUTE);
        let insert = "INSERT INTO access_counts (minute, subject, action, resource, allowed)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (minute, subject, action, resource) DO UPDATE SET
            allowed = access_counts.allowed + excluded.allowed";
        for (subject, action, resource, count) in allowed {
            sqlx::query(insert)
                .bind(minute)
                .bind(subject)
                .bind(*action)
                .bind(resource)
                .bind(i64::try_from(*count).unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        sqlx::query("DELETE FROM access_counts WHERE minute < $1")
            .bind(minute.saturating_sub(KEPT.micros()))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// What was allowed since a time, from the begin of its minute on, over all minutes: who, what, with what, and how often.
    pub async fn allowed_since(
        &self,
        since: Micros,
    ) -> Result<Vec<(String, String, String, u64)>, RegistryError> {
        let query = "SELECT subject, action, resource, CAST(SUM(allowed) AS BIGINT) FROM access_counts WHERE minute >= $1
            GROUP BY subject, action, resource ORDER BY subject, action, resource";
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(query)
            .bind(feature::floor(since.get(), Span::MINUTE))
            .fetch_all(&self.pool().await?)
            .await
            .map_err(self.failed("be read"))?;
        let row = |(subject, action, resource, count): (String, String, String, i64)| {
            (subject, action, resource, u64::try_from(count).unwrap_or(0))
        };
        Ok(rows.into_iter().map(row).collect())
    }
}
