//! The rows that were refused, and another try for those of streams.

use feature::VersionId;
use materializer::{ReplayReport, check_dead_letters, unsettled};
use offline::DeadLetter;

use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{ViewName, has_stream, targets_with};

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
    let (store, registered) = (project.offline()?, project.registered().await?);
    project.check_logs_of_registered(&registered).await?;
    let mut found = Vec::new();
    for target in targets_with(&registered, &choice.views, |_| true)? {
        let (log, dead_letters) =
            (store.log(&target.view).await?, store.dead_letters(&target.view.id).await?);
        check_dead_letters(&log, &dead_letters).await?;
        let newest = dead_letters.read(choice.limit).await?;
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
    let targets = targets_with(&registered, &choice.views, has_stream)?;
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let materializer = project.materializer(store, &targets, "dead-letter replay").await?;
    let mut reports = Vec::new();
    for target in targets {
        reports.push(materializer.replay_refused(&target, choice.limit).await?);
    }
    Ok(reports)
}
