//! The rows that were refused, and another try for those of streams.

use feature::VersionId;
use materializer::{ReplayReport, unsettled};
use offline::DeadLetter;

use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{ViewName, targets_with};

/// Which refused rows.
#[derive(Clone, Debug)]
pub struct DeadLetterChoice {
    /// Of these views; where none is named, of all.
    pub views: Vec<ViewName>,
    /// How many refused rows are looked at, for each view.
    pub limit: usize,
}

/// A row that was refused, and not loaded since.
#[derive(Clone, PartialEq, Debug)]
pub struct RefusedRow {
    /// The view that refused it.
    pub view: VersionId,
    /// The row, where it came from, and why.
    pub dead_letter: DeadLetter,
}

pub(crate) async fn list(
    project: &Project,
    choice: &DeadLetterChoice,
) -> Result<Vec<RefusedRow>, ProjectError> {
    let store = project.offline()?;
    let mut found = Vec::new();
    for target in targets_with(&project.registered().await?, &choice.views, |_| true)? {
        let newest = store.dead_letters(&target.view.id).await?.read(choice.limit).await?;
        let log = store.log(&target.view).await?;
        let open = unsettled(&log, newest).await?;
        found.extend(
            open.into_iter().map(|dead_letter| RefusedRow { view: target.view.id.clone(), dead_letter }),
        );
    }
    Ok(found)
}

/// Tries the refused rows of streams once more; where no view is named, of all whose source has a stream.
pub(crate) async fn replay(
    project: &Project,
    choice: &DeadLetterChoice,
) -> Result<Vec<ReplayReport>, ProjectError> {
    let registered = project.registered().await?;
    let targets = targets_with(&registered, &choice.views, |source| source.stream.is_some())?;
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let materializer = project.materializer(store, &targets, "dead-letter replay").await?;
    let mut reports = Vec::new();
    for target in targets {
        reports.push(materializer.replay_refused(&target, choice.limit).await?);
    }
    Ok(reports)
}
