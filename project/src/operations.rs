//! What a user does with a project, a method each. Each hands it to the module of that idea.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use feature::{Name, ServicePlan, ServiceRef};
use materializer::ReplayReport;
use registry::{AuditLog, Kind, Listed, Moved, Reason};

use crate::dead_letters::{DeadLetterChoice, RefusedRow};
use crate::definitions::{Meaning, RemovedDefinition};
use crate::error::ProjectError;

use crate::load::{Backfill, Loads, Materialize};
use crate::parity::{CompareVersions, ParityReport};
use crate::plan::{AppliedPlan, PlannedChanges};
use crate::project::Project;
use crate::pushing::Pushed;
use crate::read_features::{Get, ReadFeatures};
use crate::rollout::{CutOver, CutOverDone};
use crate::run::Run;
use crate::serving::Serve;
use crate::streaming::{FollowStreams, StreamOutcome};
use crate::targets::ViewName;
use crate::training_set::{BuildTrainingSet, BuiltTrainingSet, TrainingSetCheck};
use crate::upkeep::{OptimizedView, RebuiltView};
use crate::verify::Verified;
use crate::{
    audit, dead_letters, definitions, get, load, parity, plan, pushing, rollout, serving, streaming,
    training_set, upkeep, verify,
};

impl Project {
    /// What `apply` would change.
    pub async fn plan(&self) -> Result<PlannedChanges, ProjectError> {
        plan::plan(self).await
    }

    /// Registers the definitions of the folder, in one transaction.
    pub async fn apply(&self) -> Result<AppliedPlan, ProjectError> {
        plan::apply(self).await
    }

    /// Loads history into the logs, then syncs the online store. Files that were loaded before are passed over.
    pub async fn backfill(&self, backfill: &Backfill, run: &Run) -> Result<Loads, ProjectError> {
        run.until_cancelled(load::backfill(self, backfill, run)).await
    }

    /// Loads the batch rows that are new since the last load into both stores.
    pub async fn materialize(&self, materialize: &Materialize, run: &Run) -> Result<Loads, ProjectError> {
        run.until_cancelled(load::materialize(self, materialize, run)).await
    }

    /// What a service reads and gives.
    pub async fn service(&self, service: &ServiceRef) -> Result<Arc<ServicePlan>, ProjectError> {
        Ok(Arc::new(self.registered().await?.service_plan(service)?))
    }

    /// Reads the features of one entity online.
    pub async fn get(&self, get: &Get) -> Result<ReadFeatures, ProjectError> {
        get::get(self, get).await
    }

    /// Everything that is defined.
    pub async fn definitions(&self) -> Result<Vec<Listed>, ProjectError> {
        definitions::list(self).await
    }

    /// What a name means: definitions by `name` or `name@version`, or features of this name.
    pub async fn definition(&self, name: &str) -> Result<Meaning, ProjectError> {
        definitions::show(self, name).await
    }

    /// Removes a definition that nothing reads: an entity, a source, or a version that was never used.
    pub async fn remove(&self, name: &str, kind: Option<Kind>) -> Result<RemovedDefinition, ProjectError> {
        definitions::remove(self, name, kind).await
    }

    /// Makes a version answer its service's own name, for all of its entities or for some, once its gates pass or are
    /// overridden.
    pub async fn cut_over(&self, cutover: &CutOver) -> Result<CutOverDone, ProjectError> {
        rollout::cut_over(self, cutover).await
    }

    /// Ends a service's canary, or, where it has none, makes the version live that was live before.
    pub async fn roll_back(&self, service: &Name, reason: Option<&Reason>) -> Result<Moved, ProjectError> {
        rollout::roll_back(self, service, reason).await
    }

    /// Who changed what is registered, when and why, oldest first; with what of it is not as it was written.
    pub async fn audit(&self) -> Result<AuditLog, ProjectError> {
        audit::audit(self).await
    }

    /// The rows that were refused and not loaded since.
    pub async fn dead_letters(&self, choice: &DeadLetterChoice) -> Result<Vec<RefusedRow>, ProjectError> {
        dead_letters::list(self, choice).await
    }

    /// Tries the refused rows of streams once more, after what made them bad is mended.
    pub async fn replay_dead_letters(
        &self,
        choice: &DeadLetterChoice,
        run: &Run,
    ) -> Result<Vec<ReplayReport>, ProjectError> {
        run.until_cancelled(dead_letters::replay(self, choice)).await
    }

    /// Compacts the logs of these views; where none is named, of all whose source has history.
    pub async fn optimize(&self, views: &[ViewName], run: &Run) -> Result<Vec<OptimizedView>, ProjectError> {
        run.until_cancelled(upkeep::optimize(self, views)).await
    }

    /// Writes the online rows of these views again from their logs, while others read and write; of all where none is
    /// named.
    pub async fn rebuild(&self, views: &[ViewName], run: &Run) -> Result<Vec<RebuiltView>, ProjectError> {
        run.until_cancelled(upkeep::rebuild(self, views, run)).await
    }

    /// Reads every page and every row of the online store on disk. Gives how many rows are damaged.
    pub async fn verify_online(&self) -> Result<u64, ProjectError> {
        upkeep::verify_online(self).await
    }

    /// Builds a training set: the point-in-time join of a spine with the features of a service, and its manifest.
    pub async fn training_set(
        &self,
        build: &BuildTrainingSet,
        run: &Run,
    ) -> Result<BuiltTrainingSet, ProjectError> {
        run.until_cancelled(training_set::build(self, build, run)).await
    }

    /// Makes a training set again from its manifest, and says where it is not equal.
    pub async fn verify_training_set(
        &self,
        file: &Path,
        run: &Run,
    ) -> Result<TrainingSetCheck, ProjectError> {
        run.until_cancelled(training_set::verify(self, file)).await
    }

    /// Compares two versions of a view or of a service at the same entities and moments, and keeps the report.
    pub async fn parity(&self, compare: &CompareVersions, run: &Run) -> Result<ParityReport, ProjectError> {
        run.until_cancelled(parity::compare(self, compare, run)).await
    }

    /// Checks what is stored, and says all that is damaged in it; where `deep`, every file is read.
    pub async fn verify(&self, deep: bool, run: &Run) -> Result<Verified, ProjectError> {
        run.until_cancelled(verify::verify(self, deep)).await
    }

    /// Pushes rows into the stream of a source, a JSON object on each line. All that are taken are durable once it
    /// returns.
    pub async fn push(&self, source: &Name, lines: impl BufRead, run: &Run) -> Result<Pushed, ProjectError> {
        run.until_cancelled(pushing::push(self, source, lines)).await
    }

    /// Follows streams into both stores, until all of them end or the run is cancelled; then what was read is
    /// committed first.
    pub async fn stream(&self, options: &FollowStreams, run: &Run) -> Result<StreamOutcome, ProjectError> {
        streaming::stream(self, options, run).await
    }

    /// Serves features over gRPC and HTTP until the run is cancelled; then what is in flight is finished first.
    pub async fn serve(&self, options: &Serve, run: &Run) -> Result<(), ProjectError> {
        serving::serve(self, options, run).await
    }
}
