//! What a user does with a project, a method each. Each delegates to the module of that idea. Their futures are boxed
//! here, so that they are compiled in this crate and not once more in each program that awaits them.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use access::Token;
use feature::{EventDate, Name, ServicePlan, ServiceRef, Span, VersionId};
use materializer::{ColumnDay, ReplayReport};
use registry::{AuditLog, BreakerRecord, DefinitionId, KeptToken, Kind, Listed, Moved, Reason, RunRecord};

use crate::alerts::{AlertFormat, ComparedObjective};
use crate::breakers::{CloseBreaker, OpenBreaker, OpenedBreaker};
use crate::dead_letters::{DeadLetterChoice, RefusedRow};
use crate::definitions::{Meaning, RemovedDefinition};
use crate::doctor::Examination;
use crate::ending::{Retire, RetiredVersions, Sunset};
use crate::error::ProjectError;
use crate::exploring::{SearchResult, ViewLog};
use crate::forgetting::{Forget, ForgetReport};

use crate::lineage::LineageReport;
use crate::load::{Backfill, Loads, Materialize};
use crate::migration::{BackfillOutcome, BackfillStatus, StartBackfill};
use crate::overview::{Observer, Overview};
use crate::parity::{CompareVersions, ParityReport};
use crate::permission::{CheckAccess, CheckedAccess, CreateToken, CreatedToken};
use crate::plan::{AppliedPlan, PlannedChanges};
use crate::project::Project;
use crate::pushing::Pushed;
use crate::quality::{DriftReport, MeasureDrift, ShowStatistics, SourceContract};
use crate::quarantine::{DecideBatch, QuarantinedOfView};
use crate::read_features::{Get, ReadFeatures};
use crate::rollout::{CutOver, CutOverDone};
use crate::run::{Run, Work};
use crate::served::{self, ValuesReport, VerifyValues};
use crate::serving::{OnlineReads, Serve};
use crate::slo::SloReport;
use crate::streaming::{FollowStreams, StreamOutcome};
use crate::targets::ViewName;
use crate::training_set::{BuildTrainingSet, BuiltTrainingSet, JoinRows, JoinedRows, TrainingSetCheck};
use crate::upkeep::{
    EstimateCost, Expire, ExpiredView, OptimizedView, RebuiltView, Vacuum, VacuumedView, ViewCost,
};
use crate::verify::Verified;
use crate::{
    alerts, audit, breakers, dead_letters, definitions, doctor, ending, exploring, forgetting, get, lineage,
    load, migration, overview, parity, permission, plan, pushing, quality, quarantine, rollout, serving, slo,
    streaming, training_set, upkeep, verify,
};

impl Project {
    /// What `apply` would change.
    pub fn plan(&self) -> Work<'_, PlannedChanges> {
        Box::pin(plan::plan(self))
    }

    /// Registers the definitions of the folder, in one transaction.
    pub fn apply(&self) -> Work<'_, AppliedPlan> {
        Box::pin(plan::apply(self, false))
    }

    /// The same, also where the logs of views are there and the registry that knew them is gone: what it had beside the
    /// definitions begins again.
    pub fn apply_in_new_registry(&self) -> Work<'_, AppliedPlan> {
        Box::pin(plan::apply(self, true))
    }

    /// Loads history into the logs, then syncs the online store. Files that were loaded before are passed over.
    pub fn backfill<'a>(&'a self, backfill: &'a Backfill, run: &'a Run) -> Work<'a, Loads> {
        Box::pin(run.until_cancelled(load::backfill(self, backfill, run)))
    }

    /// Loads the history of a view date by date, each date checked before it is committed, and then all of it online.
    pub fn start_backfill<'a>(&'a self, start: &'a StartBackfill, run: &'a Run) -> Work<'a, BackfillOutcome> {
        Box::pin(migration::start(self, start, run))
    }

    /// Goes on with a backfill by dates that stopped, and tries the dates again that have failed. The columns of
    /// `accepted` dates are not checked.
    pub fn resume_backfill<'a>(
        &'a self,
        view: &'a ViewName,
        accepted: &'a [EventDate],
        run: &'a Run,
    ) -> Work<'a, BackfillOutcome> {
        Box::pin(migration::resume(self, view, accepted, run))
    }

    /// Asks a backfill by dates to pause, and waits until it has.
    pub fn pause_backfill<'a>(&'a self, view: &'a ViewName) -> Work<'a, BackfillStatus> {
        Box::pin(migration::pause(self, view))
    }

    /// Ends a backfill by dates for good. What is loaded stays in the log.
    pub fn cancel_backfill<'a>(&'a self, view: &'a ViewName) -> Work<'a, BackfillStatus> {
        Box::pin(migration::cancel(self, view))
    }

    /// How far the newest backfill by dates of a view is, or that of every view that has one.
    pub fn backfill_statuses<'a>(&'a self, view: Option<&'a ViewName>) -> Work<'a, Vec<BackfillStatus>> {
        Box::pin(migration::statuses(self, view))
    }

    /// Loads the batch rows that are new since the last load into both stores.
    pub fn materialize<'a>(&'a self, materialize: &'a Materialize, run: &'a Run) -> Work<'a, Loads> {
        Box::pin(run.until_cancelled(load::materialize(self, materialize, run)))
    }

    /// What a service reads and gives.
    pub fn service<'a>(&'a self, service: &'a ServiceRef) -> Work<'a, Arc<ServicePlan>> {
        Box::pin(async move { Ok(Arc::new(self.registered().await?.service_plan(service)?)) })
    }

    /// Reads the features of one entity online.
    pub fn get<'a>(&'a self, get: &'a Get) -> Work<'a, ReadFeatures> {
        Box::pin(get::get(self, get))
    }

    /// Everything that is defined.
    pub fn definitions(&self) -> Work<'_, Vec<Listed>> {
        Box::pin(definitions::list(self))
    }

    /// What a name means: definitions by `name` or `name@version`, or features of this name.
    pub fn definition<'a>(&'a self, name: &'a str) -> Work<'a, Meaning> {
        Box::pin(definitions::show(self, name))
    }

    /// What has a text in its name, its description, its owner or the names of its features, whatever the case.
    pub fn search<'a>(&'a self, text: &'a str) -> Work<'a, SearchResult> {
        Box::pin(exploring::search(self, text))
    }

    /// What the log of a view holds, and in which files.
    pub fn view_log<'a>(&'a self, view: &'a ViewName) -> Work<'a, ViewLog> {
        Box::pin(exploring::log(self, view))
    }

    /// What a name comes from and what comes from it: a definition, by `name` or `name@version`, or a feature or column,
    /// by its own name or as `view@version:name`.
    pub fn lineage<'a>(&'a self, name: &'a str) -> Work<'a, LineageReport> {
        Box::pin(lineage::lineage(self, name))
    }

    /// The newest runs around a name, oldest first, as OpenLineage events.
    pub fn lineage_events<'a>(&'a self, name: &'a str) -> Work<'a, Vec<serde_json::Value>> {
        Box::pin(lineage::events(self, name))
    }

    /// The newest loads of a view, newest first; at most `limit`.
    pub fn loads<'a>(&'a self, view: &'a ViewName, limit: u32) -> Work<'a, Vec<RunRecord>> {
        Box::pin(lineage::loads(self, view, limit))
    }

    /// Removes a definition that nothing reads: an entity, a source, or a version that was never used.
    pub fn remove<'a>(&'a self, name: &'a str, kind: Option<Kind>) -> Work<'a, RemovedDefinition> {
        Box::pin(definitions::remove(self, name, kind))
    }

    /// Makes a version answer its service's own name, for all of its entities or for some, once its gates pass or are
    /// overridden.
    pub fn cut_over<'a>(&'a self, cutover: &'a CutOver) -> Work<'a, CutOverDone> {
        Box::pin(rollout::cut_over(self, cutover))
    }

    /// Ends a service's canary, or, where it has none, makes the version live that was live before.
    pub fn roll_back<'a>(&'a self, service: &'a Name, reason: Option<&'a Reason>) -> Work<'a, Moved> {
        Box::pin(rollout::roll_back(self, service, reason))
    }

    /// Says that a version of a view or of a service is to be retired at a time, or, without one, that it is not. It is
    /// said wherever it is read from then on.
    pub async fn deprecate(
        &self,
        version: &VersionId,
        kind: Option<Kind>,
        sunset: Option<&Sunset>,
    ) -> Result<DefinitionId, ProjectError> {
        ending::deprecate(self, version, kind, sunset).await
    }

    /// Retires a version that nothing needs: it is not used any more, and what it took in both stores is freed.
    pub async fn retire(&self, retire: &Retire) -> Result<RetiredVersions, ProjectError> {
        ending::retire(self, retire).await
    }

    /// The project at a glance: every view and service with its objective, delays, newest load and quality, worst first.
    pub fn overview(&self) -> Work<'_, Overview> {
        Box::pin(overview::overview(self))
    }

    /// Opens the project for looking at it again and again.
    pub fn observer(&self) -> Work<'_, Observer> {
        Box::pin(Observer::open(self))
    }

    /// Who changed what is registered, when and why, oldest first; with what of it is not as it was written.
    pub fn audit(&self) -> Work<'_, AuditLog> {
        Box::pin(audit::audit(self))
    }

    /// Creates a token of random bytes that nobody can guess; its secret is in the result alone.
    pub fn create_token<'a>(
        &'a self,
        create: &'a CreateToken,
        random: [u8; Token::RANDOM_BYTES],
    ) -> Work<'a, CreatedToken> {
        Box::pin(permission::create(self, create, random))
    }

    /// All tokens, without their secrets, the oldest first.
    pub fn tokens(&self) -> Work<'_, Vec<KeptToken>> {
        Box::pin(permission::tokens(self))
    }

    /// Refuses tokens from now on: the one of this id, or all of this name. Gives those that counted until now.
    pub fn revoke_tokens<'a>(&'a self, which: &'a str) -> Work<'a, Vec<KeptToken>> {
        Box::pin(permission::revoke(self, which))
    }

    /// Refuses tokens after a while: the one of this id, or all of this name.
    pub fn expire_tokens<'a>(&'a self, which: &'a str, after: Span) -> Work<'a, Vec<KeptToken>> {
        Box::pin(permission::expire(self, which, after))
    }

    /// Whether somebody may do something by the policy, and why.
    pub fn check_access<'a>(&'a self, check: &'a CheckAccess) -> Work<'a, CheckedAccess> {
        Box::pin(permission::check(self, check))
    }

    /// What servers allowed in the last while: who, what, with what, and how often.
    pub fn allowed(&self, last: Span) -> Work<'_, Vec<(String, String, String, u64)>> {
        Box::pin(permission::allowed(self, last))
    }

    /// How freshness objectives stand: those of this name, as `name` or `name@version`, or all of them.
    pub fn slo<'a>(&'a self, name: Option<&'a str>) -> Work<'a, SloReport> {
        Box::pin(slo::slo(self, name))
    }

    /// Looks for what is wrong, from what people see down to what everything stands on, and for the probable cause.
    pub async fn doctor(&self) -> Examination {
        doctor::examine(self).await
    }

    /// What watches the project from outside: alert rules, a dashboard, or its objectives as OpenSLO. `help` is what alerts
    /// say to do.
    pub fn alerts<'a>(&'a self, format: AlertFormat, help: &'a str) -> Work<'a, String> {
        Box::pin(alerts::alerts(self, format, help))
    }

    /// The objectives of a file of OpenSLO v1 beside those that are registered.
    pub fn objectives_of<'a>(&'a self, file: &'a Path) -> Work<'a, Vec<ComparedObjective>> {
        Box::pin(alerts::compare(self, file))
    }

    /// The rows that were refused and not loaded since.
    pub fn dead_letters<'a>(&'a self, choice: &'a DeadLetterChoice) -> Work<'a, Vec<RefusedRow>> {
        Box::pin(dead_letters::list(self, choice))
    }

    /// Tries the refused rows of streams once more, after what made them bad is mended.
    pub fn replay_dead_letters<'a>(
        &'a self,
        choice: &'a DeadLetterChoice,
        run: &'a Run,
    ) -> Work<'a, Vec<ReplayReport>> {
        Box::pin(run.until_cancelled(dead_letters::replay(self, choice)))
    }

    /// The files of history that were quarantined, of these views; where none is named, of all.
    pub fn quarantined<'a>(&'a self, views: &'a [ViewName]) -> Work<'a, Vec<QuarantinedOfView>> {
        Box::pin(quarantine::list(self, views))
    }

    /// Loads the rows of a quarantined batch which its view takes. They are available from now on.
    pub fn release_batch<'a>(&'a self, decide: &'a DecideBatch, run: &'a Run) -> Work<'a, Loads> {
        Box::pin(run.until_cancelled(quarantine::release(self, decide, run)))
    }

    /// Decides that the rows of a quarantined batch are never loaded.
    pub fn drop_batch<'a>(&'a self, decide: &'a DecideBatch) -> Work<'a, ()> {
        Box::pin(quarantine::drop_batch(self, decide))
    }

    /// Every time that the circuit breaker of a view was open, the oldest first; of all views where none is named.
    pub fn breakers<'a>(&'a self, view: Option<&'a ViewName>) -> Work<'a, Vec<BreakerRecord>> {
        Box::pin(breakers::list(self, view))
    }

    /// Opens the circuit breaker of a view: from a moment on readers get its last good answers, or no value.
    pub fn open_breaker<'a>(&'a self, open: &'a OpenBreaker, run: &'a Run) -> Work<'a, OpenedBreaker> {
        Box::pin(run.until_cancelled(breakers::open(self, open)))
    }

    /// Closes the circuit breaker of a view: from a moment on readers get what its rows give.
    pub fn close_breaker<'a>(&'a self, close: &'a CloseBreaker) -> Work<'a, BreakerRecord> {
        Box::pin(breakers::close(self, close))
    }

    /// What the columns of a view hold, by the date on which their rows happened.
    pub fn statistics<'a>(&'a self, show: &'a ShowStatistics) -> Work<'a, Vec<ColumnDay>> {
        Box::pin(quality::statistics::show(self, show))
    }

    /// How far the columns of a view lie from a reference.
    pub fn drift<'a>(&'a self, measure: &'a MeasureDrift) -> Work<'a, DriftReport> {
        Box::pin(quality::drift::measure(self, measure))
    }

    /// What a source promises, who depends on it, and whether it keeps that.
    pub fn contract<'a>(&'a self, source: &'a Name) -> Work<'a, SourceContract> {
        Box::pin(quality::contract::show(self, source))
    }

    /// Compacts the logs of these views; where none is named, of all whose source has history.
    pub fn optimize<'a>(&'a self, views: &'a [ViewName], run: &'a Run) -> Work<'a, Vec<OptimizedView>> {
        Box::pin(run.until_cancelled(upkeep::optimize(self, views)))
    }

    /// Drops rows beyond the retention of their views from both stores, whole dates at a time.
    pub fn expire<'a>(&'a self, expire: &'a Expire, run: &'a Run) -> Work<'a, Vec<ExpiredView>> {
        Box::pin(run.until_cancelled(upkeep::expire(self, expire)))
    }

    /// What views take in bytes: estimated, and measured.
    pub fn cost<'a>(&'a self, estimate: &'a EstimateCost) -> Work<'a, Vec<ViewCost>> {
        Box::pin(upkeep::cost(self, estimate))
    }

    /// Removes files that only older versions of logs have, but for versions that are kept.
    pub fn vacuum<'a>(&'a self, vacuum: &'a Vacuum, run: &'a Run) -> Work<'a, Vec<VacuumedView>> {
        Box::pin(run.until_cancelled(upkeep::vacuum(self, vacuum)))
    }

    /// Writes the online rows of these views again from their logs, while others read and write; of all where none is
    /// named.
    pub fn rebuild<'a>(&'a self, views: &'a [ViewName], run: &'a Run) -> Work<'a, Vec<RebuiltView>> {
        Box::pin(run.until_cancelled(upkeep::rebuild(self, views, run)))
    }

    /// Reads every page and every row of the online store on disk. Gives how many rows are damaged.
    pub fn verify_online(&self) -> Work<'_, u64> {
        Box::pin(upkeep::verify_online(self))
    }

    /// Removes everything that is stored of an entity, and searches for it again.
    pub fn forget<'a>(&'a self, forget: &'a Forget, run: &'a Run) -> Work<'a, ForgetReport> {
        Box::pin(run.until_cancelled(forgetting::forget(self, forget)))
    }

    /// Builds a training set: the point-in-time join of a spine with the features of a service, and its manifest.
    pub fn training_set<'a>(
        &'a self,
        build: &'a BuildTrainingSet,
        run: &'a Run,
    ) -> Work<'a, BuiltTrainingSet> {
        Box::pin(run.until_cancelled(training_set::build(self, build, run)))
    }

    /// The features of rows in memory, by the join that builds training sets. Nothing is written.
    pub fn join_rows<'a>(&'a self, rows: JoinRows, run: &'a Run) -> Work<'a, JoinedRows> {
        Box::pin(run.until_cancelled(training_set::join(self, rows, run)))
    }

    /// Opens the online store and compiles every service, for reads in this process: see [`OnlineReads`].
    pub fn online_reads(&self) -> Work<'_, OnlineReads> {
        Box::pin(OnlineReads::open(self))
    }

    /// Makes a training set again from its manifest, and says where it is not equal.
    pub fn verify_training_set<'a>(&'a self, file: &'a Path, run: &'a Run) -> Work<'a, TrainingSetCheck> {
        Box::pin(run.until_cancelled(training_set::verify(self, file)))
    }

    /// Compares two versions of a view or of a service at the same entities and moments, and keeps the report.
    pub fn parity<'a>(&'a self, compare: &'a CompareVersions, run: &'a Run) -> Work<'a, ParityReport> {
        Box::pin(run.until_cancelled(parity::compare(self, compare, run)))
    }

    /// Checks what is stored, and says all that is damaged in it; where `deep`, every file is read.
    pub fn verify<'a>(&'a self, deep: bool, run: &'a Run) -> Work<'a, Verified> {
        Box::pin(run.until_cancelled(verify::verify(self, deep)))
    }

    /// Reads entities of views online, and compares all that they give with their logs, to the bit.
    pub fn verify_values<'a>(&'a self, verify: &'a VerifyValues, run: &'a Run) -> Work<'a, ValuesReport> {
        Box::pin(run.until_cancelled(served::verify_values(self, verify)))
    }

    /// Pushes rows into the stream of a source, a JSON object on each line. All that are taken are durable once it
    /// returns.
    pub async fn push(&self, source: &Name, lines: impl BufRead, run: &Run) -> Result<Pushed, ProjectError> {
        run.until_cancelled(pushing::push(self, source, lines)).await
    }

    /// Follows streams into both stores, until all of them end or the run is cancelled; then what was read is
    /// committed first.
    pub fn stream<'a>(&'a self, options: &'a FollowStreams, run: &'a Run) -> Work<'a, StreamOutcome> {
        Box::pin(streaming::stream(self, options, run))
    }

    /// Serves features over gRPC and HTTP until the run is cancelled; then what is in flight is finished first.
    pub fn serve<'a>(&'a self, options: &'a Serve, run: &'a Run) -> Work<'a, ()> {
        Box::pin(serving::serve(self, options, run))
    }
}
