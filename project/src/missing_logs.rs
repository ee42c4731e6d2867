//! Logs that are not where the settings say, though views were loaded into them: a disk that is not mounted, or another
//! folder. Going on would empty the online store, or begin new logs without the rows of the old ones.

use feature::{VersionId, View};
use materializer::Target;
use online::{Reader, Store};
use registry::{DefinitionId, Kind, Registered};

use crate::error::ProjectError;
use crate::project::Project;

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
}

/// Whether the first use of a view was to load it.
fn was_loaded(registered: &Registered, view: &View) -> bool {
    registered
        .first_use(&DefinitionId::versioned(Kind::FeatureView, &view.id))
        .is_some_and(|first| LOADS.contains(&first.by.as_str()))
}
