//! How far the pipeline of each view is: of streams by partition, said every few seconds by the process that follows it,
//! of loads once they are done.

use feature::{Micros, VersionId};

use crate::error::RegistryError;
use crate::store::Registry;
use crate::stored::{damaged, number};

/// The partition that stands for loads in the table.
const LOADS: i64 = -1;

/// How far one partition of a view's stream is, or its loads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The view.
    pub view: VersionId,
    /// Which partition; `None` for loads.
    pub partition: Option<u32>,
    /// The newest event time that is in both stores; kept where it is greater already.
    pub newest: Option<Micros>,
    /// When the newest record was received; kept where it is greater already.
    pub received_at: Option<Micros>,
    /// Records that are not in the log yet.
    pub lag: u64,
    /// When this was so.
    pub updated_at: Micros,
    /// The stage that fails again and again, and why.
    pub stuck: Option<(String, String)>,
}

impl Registry {
    /// Notes how far views are.
    pub async fn note_progress(&self, progress: &[Progress]) -> Result<(), RegistryError> {
        if progress.is_empty() {
            return Ok(());
        }
        let failed = self.failed("keep how far views are");
        let mut transaction = self.begin_writing("keep how far views are").await?;
        for one in progress {
            let (stage, why) = one.stuck.clone().unzip();
            let note = "INSERT INTO progress
                (name, version, part, newest, received_at, lag, updated_at, stuck_stage, stuck_why)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                ON CONFLICT (name, version, part) DO UPDATE SET
                newest = CASE WHEN excluded.newest > progress.newest OR progress.newest IS NULL
                    THEN excluded.newest ELSE progress.newest END,
                received_at = CASE WHEN excluded.received_at > progress.received_at OR progress.received_at IS NULL
                    THEN excluded.received_at ELSE progress.received_at END,
                lag = excluded.lag,
                updated_at = excluded.updated_at,
                stuck_stage = excluded.stuck_stage,
                stuck_why = excluded.stuck_why";
            sqlx::query(note)
                .bind(one.view.name.as_str())
                .bind(i64::from(one.view.version))
                .bind(one.partition.map_or(LOADS, i64::from))
                .bind(one.newest.map(Micros::get))
                .bind(one.received_at.map(Micros::get))
                .bind(i64::try_from(one.lag).unwrap_or(i64::MAX))
                .bind(one.updated_at.get())
                .bind(stage)
                .bind(why)
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// How far every view is, by view and partition.
    pub async fn progress(&self) -> Result<Vec<Progress>, RegistryError> {
        let rows = sqlx::query("SELECT * FROM progress ORDER BY name, version, part")
            .fetch_all(&self.pool().await?)
            .await;
        let rows = rows.map_err(self.failed("be read"))?;
        let read: Result<_, _> = rows.iter().map(read).collect();
        read.map_err(|error| self.in_database(error))
    }
}

fn read(row: &sqlx::any::AnyRow) -> Result<Progress, RegistryError> {
    use sqlx::Row;
    let what = |error: &dyn std::fmt::Display| damaged("progress", error);
    let text = |column: &str| row.try_get::<Option<String>, _>(column).map_err(|error| what(&error));
    let moment = |column: &str| {
        let micros: Option<i64> = row.try_get(column).map_err(|error| what(&error))?;
        micros.map(|micros| Micros::new(micros).map_err(|error| what(&error))).transpose()
    };
    let name = text("name")?.ok_or_else(|| what(&"it has no name"))?.parse().map_err(|error| what(&error))?;
    let part: i64 = number(row, "part")?;
    Ok(Progress {
        view: VersionId { name, version: number(row, "version")? },
        partition: if part == LOADS { None } else { Some(number(row, "part")?) },
        newest: moment("newest")?,
        received_at: moment("received_at")?,
        lag: number(row, "lag")?,
        updated_at: moment("updated_at")?.ok_or_else(|| what(&"it has no time"))?,
        stuck: text("stuck_stage")?.zip(text("stuck_why")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Home, on_both};

    async fn a_process_that_begins_again_does_not_take_back_how_far_the_view_is(home: &Home) {
        let registry = Registry::open(&home.url()).await.unwrap();
        let at = |seconds: i64| Micros::new(1_370_001_600_000_000 + seconds * 1_000_000).unwrap();
        let before = Progress {
            view: "clicks@2".parse().unwrap(),
            partition: Some(3),
            newest: Some(at(5)),
            received_at: Some(at(6)),
            lag: 7,
            updated_at: at(8),
            stuck: Some(("commit".to_owned(), "the disk is full".to_owned())),
        };
        let loads = Progress { partition: None, stuck: None, ..before.clone() };
        registry.note_progress(&[before.clone(), loads.clone()]).await.unwrap();
        assert_eq!(registry.progress().await.unwrap(), [loads.clone(), before.clone()]);
        let again = Progress {
            newest: None,
            received_at: None,
            lag: 0,
            updated_at: at(9),
            stuck: None,
            ..before.clone()
        };
        registry.note_progress(std::slice::from_ref(&again)).await.unwrap();
        let kept = Progress { newest: Some(at(5)), received_at: Some(at(6)), ..again };
        assert_eq!(registry.progress().await.unwrap(), [loads, kept]);
    }

    on_both!(a_process_that_begins_again_does_not_take_back_how_far_the_view_is);
}
