//! Quarantined batches: which there are, and what a person decides of them. The audit log has the decision before anything
//! is done, so that no row of a quarantined batch is loaded without an entry.

use feature::VersionId;
use materializer::{Decision, MaterializerError, QuarantinedFile, Target, is_loaded_as_a_whole, quarantined};
use registry::{BatchDecision, Reason};

use crate::clock;
use crate::error::ProjectError;
use crate::load::{self, Loads, Materialize};
use crate::project::Project;
use crate::run::Run;
use crate::targets::{ViewName, derived_from, has_history, targets_with};

/// A quarantined batch, and what is decided of it.
#[derive(Clone, Debug)]
pub struct DecideBatch {
    /// The view.
    pub view: ViewName,
    /// The number of the batch.
    pub batch: u32,
    /// Why, for the audit log.
    pub reason: Option<Reason>,
}

/// A quarantined batch of a view.
#[derive(Clone, Debug)]
pub struct QuarantinedOfView {
    /// The view.
    pub view: VersionId,
    /// The batch, and what was decided of it.
    pub file: QuarantinedFile,
}

pub(crate) async fn list(
    project: &Project,
    views: &[ViewName],
) -> Result<Vec<QuarantinedOfView>, ProjectError> {
    let (store, registered) = (project.offline()?, project.registered().await?);
    project.check_logs_of_registered(&registered).await?;
    let mut found = Vec::new();
    for target in targets_with(&registered, views, has_history)? {
        let files = quarantined(&store, &target.view).await?;
        found.extend(files.into_iter().map(|file| QuarantinedOfView { view: target.view.id.clone(), file }));
    }
    Ok(found)
}

pub(crate) async fn release(
    project: &Project,
    decide: &DecideBatch,
    run: &Run,
) -> Result<Loads, ProjectError> {
    let target = decidable(project, decide, BatchDecision::Release).await?;
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let materializer = project.materializer(store, std::slice::from_ref(&target), "quality").await?;
    materializer.check_release(&target, decide.batch).await?;
    record(project, &target, decide, BatchDecision::Release).await?;
    let mut loads = load::release(project, &target.view.id.clone().into(), decide.batch, run).await?;
    let derived = loaded_and_derived(project, &target.view.id).await?;
    if loads.failed.is_empty() && !derived.is_empty() {
        let Loads { loaded, failed, extracts, took } =
            load::materialize(project, &Materialize { views: derived }, run).await?;
        loads.loaded.extend(loaded);
        loads.failed.extend(failed);
        loads.extracts.extend(extracts);
        loads.took += took;
    }
    Ok(loads)
}

/// The views that are derived from a view, directly or through others, and were loaded before: they lack what is released.
async fn loaded_and_derived(project: &Project, view: &VersionId) -> Result<Vec<ViewName>, ProjectError> {
    let (registered, store) = (project.registered().await?, project.offline()?);
    let (mut open, mut derived) = (vec![view.clone()], Vec::new());
    while let Some(input) = open.pop() {
        for found in derived_from(&registered, &input)? {
            if is_loaded_as_a_whole(&store.log(&found).await?).await? {
                derived.push(found.id.clone().into());
                open.push(found.id.clone());
            }
        }
    }
    Ok(derived)
}

pub(crate) async fn drop_batch(project: &Project, decide: &DecideBatch) -> Result<(), ProjectError> {
    let target = decidable(project, decide, BatchDecision::Drop).await?;
    let store = project.online().await?;
    let materializer = project.materializer(store, std::slice::from_ref(&target), "quality").await?;
    record(project, &target, decide, BatchDecision::Drop).await?;
    Ok(materializer.drop_quarantined(&target.view, decide.batch).await?)
}

/// Records a decision that is about to be carried out.
async fn record(
    project: &Project,
    target: &Target,
    decide: &DecideBatch,
    decision: BatchDecision,
) -> Result<(), ProjectError> {
    let (registry, view, reason) = (project.registry().await?, &target.view.id, decide.reason.as_ref());
    Ok(registry.batch_decided(view, decide.batch, decision, reason, project.now()).await?)
}

/// Whose batch it is, if the decision is still open.
async fn decidable(
    project: &Project,
    decide: &DecideBatch,
    decision: BatchDecision,
) -> Result<Target, ProjectError> {
    let registered = project.registered().await?;
    let named = std::slice::from_ref(&decide.view);
    let target = targets_with(&registered, named, has_history)?.into_iter().next();
    let target = target.ok_or(ProjectError::NoHistory)?;
    let view = &target.view.id;
    let found = quarantined(&project.offline()?, &target.view).await?;
    let found = found.iter().find(|file| file.batch.number == decide.batch).map(|file| file.decision);
    let is_open = match (found, decision) {
        (Some(Decision::Waiting), _) => true,
        // The command is repeated.
        (Some(Decision::Releasing | Decision::Released), BatchDecision::Release) => true,
        (Some(Decision::Dropped), BatchDecision::Drop) => true,
        // Of an interrupted release only one that loaded no row can be dropped, which the log decides.
        (Some(Decision::Releasing), BatchDecision::Drop) => true,
        _ => false,
    };
    if !is_open {
        let decision = found.map(Decision::name);
        let error = MaterializerError::NotQuarantined { view: view.clone(), batch: decide.batch, decision };
        return Err(error.into());
    }
    Ok(target)
}
