//! Tokens as the registry keeps them: the hash of each secret, never the secret. Every change is recorded in the audit log,
//! and moves a number that servers look at.

use access::{KnownToken, TokenId, TokenName};
use feature::{Micros, Name, Span};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use crate::audit::{AuditAction, Record};
use crate::digest::Part;
use crate::error::RegistryError;
use crate::registered::unknown;
use crate::store::Registry;
use crate::stored::{damaged, number};

/// How many tokens there may be.
pub const MOST_TOKENS: usize = 10_000;

/// How long a token is kept that is refused: what happened to it is in the audit log for good.
const KEPT_AFTER: Span = Span::DAY.times(90);

/// A token as it is kept, and who created it.
#[derive(Clone, Debug)]
pub struct KeptToken {
    /// The token, without its secret.
    pub token: KnownToken,
    /// When it was created.
    pub created_at: Micros,
    /// By whom.
    pub created_by: String,
}

/// What the audit log calls a token.
fn subject(token: &KnownToken) -> String {
    format!("token {}@{}", token.name, token.id)
}

impl Registry {
    /// How many times tokens changed. A reader that follows them reads them again when it moves.
    pub async fn access_generation(&self) -> Result<u64, RegistryError> {
        self.database().look()?;
        let row = sqlx::query("SELECT access_generation FROM registry WHERE id = 1");
        let row = self.soon(row.fetch_one(&self.pool().await?)).await.map_err(self.failed("be read"))?;
        number(&row, "access_generation").map_err(|error| self.in_database(error))
    }

    /// All tokens, the oldest first.
    pub async fn tokens(&self) -> Result<Vec<KeptToken>, RegistryError> {
        let mut transaction = self.begin_reading().await?;
        self.check(&mut transaction, Part::Registered).await?;
        all(&mut transaction, self.failed("be read")).await.map_err(|error| self.in_database(error))
    }

    /// Keeps a new token. Tokens that are refused for long are forgotten.
    pub async fn create_token(&self, token: &KnownToken, at: Micros) -> Result<(), RegistryError> {
        let failed = self.failed("keep a token");
        let mut transaction = self.begin_changing("keep a token").await?;
        let before = Micros::new(at.get().saturating_sub(KEPT_AFTER.micros())).unwrap_or(Micros::MIN);
        sqlx::query("DELETE FROM tokens WHERE revoked_at < $1 OR expires_at < $1")
            .bind(before.get())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        let tokens = all(&mut transaction, &failed).await.map_err(|error| self.in_database(error))?;
        if tokens.len() >= MOST_TOKENS {
            return Err(RegistryError::TooManyTokens { limit: MOST_TOKENS });
        }
        let insert = "INSERT INTO tokens
                (id, name, hash, roles, created_at, created_by, expires_at, revoked_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)";
        let roles: Vec<&str> = token.roles.iter().map(Name::as_str).collect();
        sqlx::query(insert)
            .bind(token.id.to_string())
            .bind(token.name.as_str())
            .bind(token.hash.to_string())
            .bind(serde_json::Value::from(roles.clone()).to_string())
            .bind(at.get())
            .bind(self.actor())
            .bind(token.expires_at.map(Micros::get))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        let until = token.expires_at.map_or_else(|| "valid".to_owned(), |at| format!("valid until {at}"));
        let record = Record::about(AuditAction::TokenCreate, subject(token)).to(until);
        let record = match roles.is_empty() {
            true => record,
            false => record.detail(format!("roles {}", roles.join(", "))),
        };
        self.tokens_changed(transaction, vec![record], at).await
    }

    /// Refuses tokens from now on: the one of this id, or all of this name. Gives those that counted until now.
    pub async fn revoke_tokens(&self, which: &str, at: Micros) -> Result<Vec<KeptToken>, RegistryError> {
        let failed = self.failed("revoke tokens");
        let mut transaction = self.begin_changing("revoke tokens").await?;
        let mut meant = self.meant(&mut transaction, which).await?;
        meant.retain(|kept| kept.token.revoked_at.is_none());
        for kept in &mut meant {
            kept.token.revoked_at = Some(at);
            sqlx::query("UPDATE tokens SET revoked_at = $1 WHERE id = $2")
                .bind(at.get())
                .bind(kept.token.id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        let records = meant.iter().map(|kept| {
            Record::about(AuditAction::TokenRevoke, subject(&kept.token)).from("valid").to("revoked")
        });
        self.tokens_changed(transaction, records.collect(), at).await?;
        Ok(meant)
    }

    /// Refuses tokens from a time on: the one of this id, or all of this name that are not revoked. Gives those.
    pub async fn expire_tokens(
        &self,
        which: &str,
        expires_at: Micros,
        at: Micros,
    ) -> Result<Vec<KeptToken>, RegistryError> {
        let failed = self.failed("let tokens expire");
        let mut transaction = self.begin_changing("let tokens expire").await?;
        let mut meant = self.meant(&mut transaction, which).await?;
        meant.retain(|kept| kept.token.revoked_at.is_none());
        let mut records = Vec::new();
        for kept in &mut meant {
            let record = Record::about(AuditAction::TokenExpire, subject(&kept.token));
            let until = |time: Micros| format!("valid until {time}");
            let before = kept.token.expires_at.map_or_else(|| "valid".to_owned(), until);
            records.push(record.from(before).to(until(expires_at)));
            kept.token.expires_at = Some(expires_at);
            sqlx::query("UPDATE tokens SET expires_at = $1 WHERE id = $2")
                .bind(expires_at.get())
                .bind(kept.token.id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        self.tokens_changed(transaction, records, at).await?;
        Ok(meant)
    }

    /// The tokens that a text means; refused where there is none.
    async fn meant(
        &self,
        transaction: &mut Transaction<'static, Any>,
        which: &str,
    ) -> Result<Vec<KeptToken>, RegistryError> {
        let tokens =
            all(transaction, self.failed("be read")).await.map_err(|error| self.in_database(error))?;
        let id: Option<TokenId> = which.parse().ok();
        let is_meant = |kept: &&KeptToken| Some(kept.token.id) == id || kept.token.name.as_str() == which;
        let meant: Vec<KeptToken> = tokens.iter().filter(is_meant).cloned().collect();
        match meant.is_empty() {
            true => Err(unknown("token", which, tokens.iter().map(|kept| kept.token.name.to_string()))),
            false => Ok(meant),
        }
    }

    async fn tokens_changed(
        &self,
        mut transaction: Transaction<'static, Any>,
        records: Vec<Record>,
        at: Micros,
    ) -> Result<(), RegistryError> {
        if records.is_empty() {
            return Ok(());
        }
        let failed = self.failed("keep tokens");
        self.record(&mut transaction, records, at, &failed).await?;
        sqlx::query("UPDATE registry SET access_generation = access_generation + 1 WHERE id = 1")
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        self.commit(transaction, &failed).await
    }
}

async fn all(
    transaction: &mut Transaction<'_, Any>,
    failed: impl Fn(sqlx::Error) -> RegistryError,
) -> Result<Vec<KeptToken>, RegistryError> {
    let rows = sqlx::query("SELECT * FROM tokens ORDER BY created_at, id");
    rows.fetch_all(&mut **transaction).await.map_err(failed)?.iter().map(kept).collect()
}

fn kept(row: &AnyRow) -> Result<KeptToken, RegistryError> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| damaged("token", &error));
    let moment = |column: &str| {
        let micros: Option<i64> = row.try_get(column).map_err(|error| damaged("token", &error))?;
        micros.map(Micros::new).transpose().map_err(|error| damaged("token", &error))
    };
    let roles: Vec<Name> =
        serde_json::from_str(&text("roles")?).map_err(|error| damaged("roles of a token", &error))?;
    let name: TokenName = text("name")?.parse().map_err(|error| damaged("name of a token", &error))?;
    let token = KnownToken {
        id: text("id")?.parse().map_err(|error| damaged("id of a token", &error))?,
        name,
        hash: text("hash")?.parse().map_err(|error| damaged("hash of a token", &error))?,
        roles,
        expires_at: moment("expires_at")?,
        revoked_at: moment("revoked_at")?,
    };
    let created_at = moment("created_at")?.ok_or_else(|| damaged("token", &"it has no time"))?;
    Ok(KeptToken { token, created_at, created_by: text("created_by")? })
}
