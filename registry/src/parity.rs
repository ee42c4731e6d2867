//! Reports that compare two versions, as they are kept: by which definitions and logs, whether they passed, and whether
//! they still say something of what is registered and loaded now. Of two versions the newest report is kept.

use std::fmt;

use feature::{Micros, VersionId, hexadecimal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::registered::Registered;
use crate::store::Registry;
use crate::stored::{damaged, number};

/// At fewer rows a comparison says too little for one version to replace the other: as many as the distributions of a
/// date are compared from.
const LEAST_ROWS: u64 = 500;

/// A report that was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptParity {
    /// What kind of definitions were compared.
    pub kind: Kind,
    /// The old version.
    pub old: VersionId,
    /// The new version.
    pub new: VersionId,
    /// When they were compared.
    pub at: Micros,
    /// Whether no feature was outside its bounds.
    pub passed: bool,
    /// The semantic hash of the old version, in hexadecimal.
    pub old_hash: String,
    /// The semantic hash of the new version, in hexadecimal.
    pub new_hash: String,
    /// The declared changes by which it checked, as [`crate::SideBySide::expected_text`].
    pub expected: String,
    /// The logs that it read.
    pub logs: Vec<LogRead>,
    /// The report, as JSON.
    pub report: String,
}

/// A log that a report read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogRead {
    /// The view.
    pub view: VersionId,
    /// The version of its log.
    pub version: u64,
    /// How many rows the log had then.
    pub rows: u64,
}

/// What a kept report says of what is registered and loaded now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParityStanding {
    /// The two versions were never compared.
    Missing,
    /// They were, and something of it has changed since.
    Stale(Vec<StaleParity>),
    /// A feature was outside its bounds.
    Failed,
    /// No feature was outside its bounds, at too few rows to say anything.
    TooFew {
        /// At how many they were compared.
        rows: u64,
        /// How many are needed.
        needed: u64,
    },
    /// No feature was outside its bounds.
    Passed,
}

/// What changed since a report was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StaleParity {
    /// A definition computes something else.
    Definition(VersionId),
    /// Other changes are declared.
    Declared(VersionId),
    /// A log has rows that were loaded since.
    Log(VersionId),
}

impl fmt::Display for StaleParity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StaleParity::Definition(id) => write!(f, "{id} was edited since"),
            StaleParity::Declared(id) => write!(f, "{id} declares other changes since"),
            StaleParity::Log(view) => write!(f, "{view} was loaded since"),
        }
    }
}

impl Registered {
    /// What a kept report of two versions says now. `loads` has for each view how many rows its log has after its newest
    /// load; views that it does not name are not looked at, as those that a stream writes all the time.
    pub fn parity_standing(
        &self,
        kept: Option<&KeptParity>,
        loads: &[(VersionId, u64)],
    ) -> Result<ParityStanding, RegistryError> {
        let Some(kept) = kept else { return Ok(ParityStanding::Missing) };
        let now = self.side_by_side(&kept.old, &kept.new)?;
        let mut stale = Vec::new();
        for (id, then, now) in
            [(&kept.old, &kept.old_hash, &now.old_hash), (&kept.new, &kept.new_hash, &now.new_hash)]
        {
            stale.extend((then != now).then(|| StaleParity::Definition(id.clone())));
        }
        if kept.expected != now.expected_text() {
            stale.push(StaleParity::Declared(kept.new.clone()));
        }
        for read in &kept.logs {
            let loaded = loads.iter().find(|(view, _)| *view == read.view);
            let is_newer = loaded.is_some_and(|(_, rows)| *rows > read.rows);
            stale.extend(is_newer.then(|| StaleParity::Log(read.view.clone())));
        }
        let report = kept.read_report();
        // Of a log with fewer rows, all are enough.
        let drawn = report.moments.drawn_from.first();
        let rows_of =
            |view: &VersionId| kept.logs.iter().find(|read| read.view == *view).map(|read| read.rows);
        let logged = drawn.and_then(rows_of).or_else(|| kept.logs.iter().map(|read| read.rows).max());
        let needed = logged.map_or(LEAST_ROWS, |rows| rows.min(LEAST_ROWS));
        let rows = report.rows.unwrap_or(needed);
        Ok(match (stale.is_empty(), kept.passed) {
            (false, _) => ParityStanding::Stale(stale),
            (true, true) if rows < needed => ParityStanding::TooFew { rows, needed },
            (true, true) => ParityStanding::Passed,
            (true, false) => ParityStanding::Failed,
        })
    }
}

/// How a report was made.
#[derive(Default, Deserialize)]
struct ReadReport {
    /// At how many rows the versions were compared.
    rows: Option<u64>,
    #[serde(default)]
    moments: ReadMoments,
}

/// Where the moments of a report come from.
#[derive(Default, Deserialize)]
struct ReadMoments {
    /// The views from whose logs they were drawn; the first gave a moment for each of its rows, if there were enough.
    #[serde(default)]
    drawn_from: Vec<VersionId>,
}

impl KeptParity {
    /// What the report says of how it was made; nothing where it does not say it.
    fn read_report(&self) -> ReadReport {
        serde_json::from_str(&self.report).unwrap_or_default()
    }

    /// The checksum of everything that is kept: a damaged file must not turn one verdict into the other.
    fn digest(&self, logs: &str) -> String {
        let mut hash = Sha256::new();
        let (old, new) = (self.old.to_string(), self.new.to_string());
        let (at, passed) = (self.at.get().to_string(), self.passed.to_string());
        for part in [
            self.kind.name(),
            &old,
            &new,
            &at,
            &passed,
            &self.old_hash,
            &self.new_hash,
            &self.expected,
            logs,
            &self.report,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hexadecimal(&hash.finalize())
    }
}

impl Registry {
    /// Keeps a report, instead of an older one of the same two versions.
    pub async fn keep_parity(&self, parity: &KeptParity) -> Result<(), RegistryError> {
        let failed = self.failed("keep the report");
        let logs = serde_json::to_string(&parity.logs).expect("invariant: names and numbers are JSON");
        let mut transaction = self.begin_writing("keep the report").await?;
        let keep = "INSERT INTO parities
                (kind, old_name, old_version, new_name, new_version, compared_at, passed, old_hash, new_hash,
                 expected, logs, report, digest)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            ON CONFLICT (kind, old_name, old_version, new_name, new_version) DO UPDATE SET
                compared_at = excluded.compared_at, passed = excluded.passed, old_hash = excluded.old_hash,
                new_hash = excluded.new_hash, expected = excluded.expected, logs = excluded.logs,
                report = excluded.report, digest = excluded.digest";
        sqlx::query(keep)
            .bind(parity.kind.name())
            .bind(parity.old.name.as_str())
            .bind(i64::from(parity.old.version))
            .bind(parity.new.name.as_str())
            .bind(i64::from(parity.new.version))
            .bind(parity.at.get())
            .bind(i64::from(parity.passed))
            .bind(&parity.old_hash)
            .bind(&parity.new_hash)
            .bind(&parity.expected)
            .bind(&logs)
            .bind(&parity.report)
            .bind(parity.digest(&logs))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// Reads every report; refused where one is not what was written.
    pub(crate) async fn check_parities(&self) -> Result<(), RegistryError> {
        self.parities().await.map(|_| ())
    }

    /// Every report, the newest of each two versions. Refused where one is damaged.
    pub async fn parities(&self) -> Result<Vec<KeptParity>, RegistryError> {
        let rows = sqlx::query("SELECT * FROM parities").fetch_all(&self.pool().await?).await;
        let rows = rows.map_err(self.failed("be read"))?;
        let read = |row: &AnyRow| {
            let (kind, old, new) = versions(row)?;
            kept(row, kind, old, new)
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.in_database(error))
    }

    /// The newest report of two versions; `None` if they were never compared. Refused where it is damaged.
    pub async fn parity(
        &self,
        old: &DefinitionId,
        new: &DefinitionId,
    ) -> Result<Option<KeptParity>, RegistryError> {
        let (Some(old_id), Some(new_id)) = (old.version_id(), new.version_id()) else { return Ok(None) };
        let find =
            "SELECT compared_at, passed, old_hash, new_hash, expected, logs, report, digest FROM parities
            WHERE kind = $1 AND old_name = $2 AND old_version = $3 AND new_name = $4 AND new_version = $5";
        let row = sqlx::query(find)
            .bind(new.kind.name())
            .bind(old_id.name.as_str())
            .bind(i64::from(old_id.version))
            .bind(new_id.name.as_str())
            .bind(i64::from(new_id.version))
            .fetch_optional(&self.pool().await?)
            .await
            .map_err(self.failed("be read"))?;
        let kept = row.map(|row| kept(&row, new.kind, old_id, new_id)).transpose();
        kept.map_err(|error| self.in_database(error))
    }
}

/// Which two versions a row is of.
fn versions(row: &AnyRow) -> Result<(Kind, VersionId, VersionId), RegistryError> {
    let unreadable = |error: &dyn fmt::Display| damaged("report", error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| unreadable(&error));
    let kind = text("kind")?;
    let kind = Kind::named(&kind).ok_or_else(|| unreadable(&format!("`{kind}` is not a kind")))?;
    let version = |name: &str, version: &str| {
        let name = text(name)?.parse().map_err(|error| unreadable(&error))?;
        Ok::<_, RegistryError>(VersionId { name, version: number(row, version)? })
    };
    Ok((kind, version("old_name", "old_version")?, version("new_name", "new_version")?))
}

fn kept(row: &AnyRow, kind: Kind, old: VersionId, new: VersionId) -> Result<KeptParity, RegistryError> {
    let what = format!("report of {old} and {new}");
    let unreadable = |error: &dyn fmt::Display| damaged(&what, error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| unreadable(&error));
    let logs = text("logs")?;
    let passed: u8 = number(row, "passed")?;
    let kept = KeptParity {
        kind,
        old,
        new,
        at: Micros::new(number(row, "compared_at")?).map_err(|error| unreadable(&error))?,
        passed: passed == 1,
        old_hash: text("old_hash")?,
        new_hash: text("new_hash")?,
        expected: text("expected")?,
        logs: serde_json::from_str(&logs).map_err(|error| unreadable(&error))?,
        report: text("report")?,
    };
    if text("digest")? != kept.digest(&logs) {
        return Err(unreadable(&"it is not what was written: compare the two versions again"));
    }
    Ok(kept)
}
