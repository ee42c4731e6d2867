//! Quarantined batches: which there are, and what a person decides of them. The audit log has the decision before anything
//! is done, so that no row of a quarantined batch is loaded without an entry.

use feature::VersionId;
use materializer::{
    Decision, DecisionLock, MaterializerError, QuarantinedFile, Target, is_loaded_as_a_whole, quarantined,
};
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
    let (target, lock) = decidable(project, decide, BatchDecision::Release).await?;
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let materializer = project.materializer(store, std::slice::from_ref(&target), "quality").await?;
    materializer.check_release(&target, decide.batch).await?;
    record(project, &target, decide, BatchDecision::Release).await?;
    let released = load::release(project, &target.view.id.clone().into(), decide.batch, run).await;
    let why = match &released {
        Ok(loads) => loads.failed.first().map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = why {
        record_if_not_done(project, &target, decide, (BatchDecision::Release, &why)).await;
    }
    drop(lock);
    let mut loads = released?;
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
    let (target, _lock) = decidable(project, decide, BatchDecision::Drop).await?;
    let store = project.online().await?;
    let materializer = project.materializer(store, std::slice::from_ref(&target), "quality").await?;
    record(project, &target, decide, BatchDecision::Drop).await?;
    let dropped = materializer.drop_quarantined(&target.view, decide.batch).await;
    if let Err(error) = &dropped {
        record_if_not_done(project, &target, decide, (BatchDecision::Drop, &error.to_string())).await;
    }
    Ok(dropped?)
}

/// Records that a decision was not carried out, for this reason, if the log does not have it: another one was made on another
/// machine, or a load of the view does not end.
async fn record_if_not_done(
    project: &Project,
    target: &Target,
    decide: &DecideBatch,
    (decision, why): (BatchDecision, &str),
) {
    let recorded = async {
        let is_done = matches!(
            (state_of(project, target, decide.batch).await?, decision),
            (Some(Decision::Releasing | Decision::Released), BatchDecision::Release)
                | (Some(Decision::Dropped), BatchDecision::Drop)
        );
        if !is_done {
            let (registry, view) = (project.registry().await?, &target.view.id);
            registry.batch_not_decided(view, decide.batch, decision, why, project.now()).await?;
        }
        Ok::<(), ProjectError>(())
    };
    if let Err(error) = recorded.await {
        tracing::warn!("{}: whether the decision was carried out is not recorded: {error}", target.view.id);
    }
}

/// What the log says of a batch; `None` if it was never quarantined.
async fn state_of(project: &Project, target: &Target, batch: u32) -> Result<Option<Decision>, ProjectError> {
    let found = quarantined(&project.offline()?, &target.view).await?;
    Ok(found.iter().find(|file| file.batch.number == batch).map(|file| file.decision))
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

/// Whose batch it is, if the decision is still open, and the right to decide alone.
async fn decidable(
    project: &Project,
    decide: &DecideBatch,
    decision: BatchDecision,
) -> Result<(Target, DecisionLock), ProjectError> {
    let registered = project.registered().await?;
    let named = std::slice::from_ref(&decide.view);
    let target = targets_with(&registered, named, has_history)?.into_iter().next();
    let target = target.ok_or(ProjectError::NoHistory)?;
    let view = &target.view.id;
    let lock = DecisionLock::acquire(&project.offline()?.log(&target.view).await?).await?;
    let found = state_of(project, &target, decide.batch).await?;
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
    Ok((target, lock))
}
