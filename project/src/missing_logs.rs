//! Logs that are not where the settings say, though views were loaded into them: a disk that is not mounted, or another
//! folder. Going on would empty the online store, or begin new logs without the rows of the old ones. And logs that are
//! not those which the online rows were folded from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feature::{HelpTopic, VersionId, View};
use materializer::{MaterializerError, MigrationState, Target};
use offline::OfflineError;
use online::{Reader, Store};
use registry::{DefinitionId, Kind, Registered};
use tokio::time::timeout;

use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{empty_by_source, target};

/// How long a read waits for logs that it does not need.
const PATIENCE: Duration = Duration::from_secs(1);

/// A view whose online rows are not the fold of a prefix of its log: one of the two was restored from a copy, or is
/// another's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtherLog {
    /// The view.
    pub view: VersionId,
    /// What is so, in a sentence.
    pub said: String,
    /// What helps.
    pub help: Option<HelpTopic>,
}

/// What uses a view first by writing its log.
const LOADS: [&str; 3] = ["backfill", "materialize", "stream"];

impl Project {
    /// Refuses to go on where the folder of all logs is gone.
    pub(crate) async fn check_logs(&self) -> Result<(), ProjectError> {
        if self.offline()?.is_there().await? {
            return Ok(());
        }
        self.check_logs_of_registered(&self.registered_so_far().await?).await
    }

    /// The same, for who has read what is registered.
    pub(crate) async fn check_logs_of_registered(&self, registered: &Registered) -> Result<(), ProjectError> {
        if self.offline()?.is_there().await? {
            return Ok(());
        }
        let loaded = registered.views().filter(|view| was_loaded(registered, view));
        let views: Vec<VersionId> = loaded.map(|view| view.id.clone()).collect();
        let folder = self.offline()?.named()?;
        if views.is_empty() { Ok(()) } else { Err(ProjectError::LogsAreGone { folder, views }) }
    }

    /// Whether the log of any registered view has rows. One that cannot be read is said by whoever reads it.
    pub(crate) async fn has_rows(&self, registered: &Registered) -> bool {
        let Ok(offline) = self.offline() else { return false };
        for view in registered.views() {
            if offline.log(view).await.is_ok_and(|log| log.row_count() > 0) {
                return true;
            }
        }
        false
    }

    /// Those of these views that have rows in their logs, which were written online with them. Of a backfill by dates rows
    /// are in the log before any is online. A log that does not answer soon is left out.
    pub(crate) async fn loaded(&self, views: &[Arc<View>]) -> Vec<VersionId> {
        let mut loaded = Vec::new();
        let Ok(offline) = self.offline() else { return loaded };
        let look = async {
            for view in views {
                let Ok(log) = offline.log(view).await else { continue };
                let backfill = MigrationState::of(&log).await.unwrap_or_default();
                if log.row_count() > 0 && !backfill.is_some_and(|backfill| backfill.is_under_way()) {
                    loaded.push(view.id.clone());
                }
            }
        };
        // What is left out is missed once it was read.
        drop(timeout(PATIENCE, look).await);
        loaded
    }

    /// The views whose online rows are not the fold of a prefix of their logs, and why: one of the two was restored from a
    /// copy, or is another's. What cannot be read is said by whoever reads it.
    pub(crate) async fn other_prefixes(
        &self,
        views: &[Arc<View>],
        online: &Store,
    ) -> BTreeMap<VersionId, MaterializerError> {
        let mut found = BTreeMap::new();
        let Ok(offline) = self.offline() else { return found };
        for view in views {
            let checked = materializer::check_prefix(&offline, online, view).await;
            if let Some(error) = checked.err().filter(MaterializerError::is_of_other_prefix) {
                found.insert(view.id.clone(), error);
            }
        }
        found
    }

    /// The same for who answers reads and needs no log for them: it is said, where the logs answer soon.
    pub(crate) async fn other_logs(&self, views: &[Arc<View>], online: &Store) -> Vec<OtherLog> {
        let others = timeout(PATIENCE, self.other_prefixes(views, online)).await.unwrap_or_default();
        let other = |(view, error): (VersionId, MaterializerError)| {
            let said = error.to_string();
            OtherLog { view, said, help: ProjectError::from(error).help() }
        };
        others.into_iter().map(other).collect()
    }

    /// That the registry is gone, or another is there in which nothing is registered, though views have logs, if so: it alone
    /// knows what was used, what circuit breakers answered, and who did what.
    pub(crate) async fn registry_is_gone(&self) -> Result<Option<ProjectError>, ProjectError> {
        let offline = self.offline()?;
        if offline.is_in_bucket() || !self.registered_so_far().await?.is_empty() {
            return Ok(None);
        }
        let tables = offline.tables_beside(&[])?.len();
        let (registry, folder) =
            (feature::redacted(&self.settings.registry.url).into_owned(), offline.named()?);
        Ok((tables > 0).then_some(ProjectError::RegistryIsGone { registry, tables, folder }))
    }

    /// Refuses to begin a registry beside logs of views: it would know nothing of what was done, and what breakers answered. One
    /// of which everything was removed is there.
    pub(crate) async fn check_registry_is_there(&self) -> Result<(), ProjectError> {
        match self.registry_is_gone().await? {
            Some(ProjectError::RegistryIsGone { registry, tables, folder })
                if self.registered_so_far().await?.generation() == 0 =>
            {
                Err(ProjectError::RegistryWouldBeNew { registry, tables, folder })
            }
            _ => Ok(()),
        }
    }

    /// Makes the folder of all logs before the first use of a version is recorded: from then on it is there, or gone.
    pub(crate) async fn make_folder_of_logs(
        &self,
        targets: &[Target],
        online: &Store,
    ) -> Result<(), ProjectError> {
        let offline = self.offline()?;
        if offline.is_there().await? {
            return Ok(());
        }
        self.check_logs().await?;
        self.check_logs_of(targets, online).await?;
        Ok(offline.make().await?)
    }

    /// Refuses to go on where one of these views has rows online and no log.
    pub(crate) async fn check_logs_of(&self, targets: &[Target], online: &Store) -> Result<(), ProjectError> {
        let offline = self.offline()?;
        for Target { view, .. } in targets {
            // What cannot be read is said by whoever reads it.
            let rows = online.stats(&view.id).await.map_or(0, |stats| stats.rows);
            if rows > 0 && offline.log(view).await?.version().is_none() {
                let folder = offline.named()?;
                return Err(ProjectError::LogIsGone { view: view.id.clone(), rows, folder });
            }
        }
        Ok(())
    }

    /// An error of reading logs. A view that has online rows and no log has lost it; one without either was never loaded.
    pub(crate) async fn without_log(&self, registered: &Registered, error: ProjectError) -> ProjectError {
        let ProjectError::Offline(OfflineError::NoLog { view }) = &error else {
            return empty_by_source(registered, error);
        };
        let found = registered.view(view).map_err(ProjectError::from);
        if !self.online_folder_is_missing()
            && let Ok(target) = found.and_then(|view| target(registered, view))
            && let Ok(online) = self.online().await
            && let Err(gone) = self.check_logs_of(&[target], &online).await
        {
            return gone;
        }
        empty_by_source(registered, error)
    }
}

/// Every registered view.
pub(crate) fn all_views(registered: &Registered) -> Vec<Arc<View>> {
    registered.views().cloned().collect()
}

/// Whether the first use of a view was to load it.
fn was_loaded(registered: &Registered, view: &View) -> bool {
    registered
        .first_use(&DefinitionId::versioned(Kind::FeatureView, &view.id))
        .is_some_and(|first| LOADS.contains(&first.by.as_str()))
}
