//! What is stored, looked at without reading it whole: whether the files are there that the logs name, and whether a sample
//! of the online rows is as it was written.

use std::sync::Arc;
use std::time::Duration;

use feature::{HelpTopic, View, counted};
use monitor::{Area, Finding};
use offline::Log;
use online::{Layout, PackedRow, Read, Reader, Store};
use registry::Registered;
use tokio::time::timeout;

use super::failed::failed;
use crate::error::ProjectError;
use crate::project::Project;

/// How long the online rows of a view are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Files of a log whose entities are looked at online, and entities of each.
const FILES: usize = 4;
const ENTITIES: usize = 64;
/// Files of one log that are named.
const MOST_NAMED: usize = 1;

/// Files that the logs name and that are not there, or are shorter or longer than their commits say.
pub(super) async fn lacking_files(project: &Project, registered: &Registered) -> Vec<Finding> {
    // That the store cannot be opened is found by whoever looks at the disk.
    let Ok(offline) = project.offline() else { return Vec::new() };
    let mut findings = Vec::new();
    for view in registered.views() {
        let lacking = match offline.log(view).await {
            Ok(log) => log.lacking_files().await,
            Err(error) => Err(error),
        };
        match lacking {
            Ok(lacking) => {
                let more = match lacking.len().saturating_sub(MOST_NAMED) {
                    0 => String::new(),
                    more => {
                        format!("; and so is {} of the log of {}", counted(more as u64, "more file"), view.id)
                    }
                };
                let named = lacking.iter().take(MOST_NAMED);
                findings.extend(named.map(|damaged| Finding::wrong(Area::Disk, format!("{damaged}{more}"))));
            }
            Err(error) => findings.push(failed(Area::Disk, &error.into())),
        }
    }
    findings
}

/// Whether some of a view's online rows are as they were written: those of a few entities of its log.
pub(super) async fn damaged_rows(project: &Project, view: &Arc<View>, store: &Store) -> Option<Finding> {
    let offline = project.offline().ok()?;
    // What is amiss with the log is found by whoever looks at its files.
    let log = offline.log(view).await.ok()?;
    // A sample that takes too long is none.
    let read = timeout(PATIENCE, read_some(&log, store)).await.ok()?;
    match read {
        Ok(()) | Err(ProjectError::Offline(_)) => None,
        Err(error) => {
            let help = HelpTopic::Rebuild(view.id.clone());
            Some(Finding::wrong(Area::Store, error.to_string()).helped_by(Some(help)))
        }
    }
}

async fn read_some(log: &Log, store: &Store) -> Result<(), ProjectError> {
    let view = log.view();
    let (keys, layout) = (log.some_entities(FILES, ENTITIES).await?, Layout::new(view));
    for found in store.read(&[Read { view: &view.id, keys: &keys }]).await? {
        for row in found.rows().flatten() {
            PackedRow::new(&layout, row)?.verify()?;
        }
    }
    Ok(())
}
