//! Freshness and pipelines: how objectives stand, and why views are behind, grouped by source and by cause, so that a
//! source that stops is one finding that names what it reaches, and a view is named with no cause but its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feature::{HelpTopic, Micros, Span, VersionId, View, counted};
use materializer::rows_to_derive;
use monitor::{Area, Cause, Condition, Finding, PipelineFacts, Stage};
use registry::{DefinitionId, Kind, Registered, Registry, RunRecord, RunState};

use super::failed::failed;
use crate::project::Project;
use crate::slo::{ObjectiveStanding, before, cause_help, cause_sentence, pipelines, reached, standings};
use crate::targets::target;

/// Most views and services that a sentence names.
const MOST_NAMED: usize = 4;

pub(super) async fn examine(project: &Project, registry: &Registry, registered: &Registered) -> Vec<Finding> {
    let now = project.now();
    let facts = match pipelines(registry, registered, now).await {
        Ok(facts) => facts,
        Err(error) => return vec![failed(Area::Pipeline, &error)],
    };
    let objectives = match standings(registry, registered, &facts, now).await {
        Ok(objectives) => objectives,
        Err(error) => return vec![failed(Area::Freshness, &error)],
    };
    let burning = burning(registered, &objectives);
    let mut findings = vec![freshness(&objectives)];
    findings.extend(by_source(registered, &facts, &burning, now));
    findings.extend(failed_loads(registry, registered).await);
    findings.extend(behind_inputs(project, registered).await);
    findings
}

/// Views whose newest load or stream failed: what came since is in no store.
async fn failed_loads(registry: &Registry, registered: &Registered) -> Vec<Finding> {
    let runs = match registry.newest_loads().await {
        Ok(runs) => runs,
        Err(error) => return vec![failed(Area::Pipeline, &error.into())],
    };
    let is_there = |run: &RunRecord| registered.views().any(|view| view.id == run.subject);
    let runs = runs.into_iter().filter(|run| run.state_now() == RunState::Failed && is_there(run));
    let finding = |run: RunRecord| {
        let why = run.error.as_deref().unwrap_or("its error is not recorded");
        let (job, view) = (run.job.name(), &run.subject);
        let reached = some(reached(registered, std::iter::once(view)));
        Finding::wrong(
            Area::Pipeline,
            format!("the newest {job} of {view} failed: {why}; it reaches {reached}"),
        )
    };
    runs.map(finding).collect()
}

/// Derived views that have not taken all rows of their inputs. Of a stream the newest minute may be on its way.
async fn behind_inputs(project: &Project, registered: &Registered) -> Vec<Finding> {
    // That the store cannot be opened is found by whoever looks at the disk.
    let Ok(store) = project.offline() else { return Vec::new() };
    let mut findings = Vec::new();
    for view in registered.views().filter(|view| view.is_derived()) {
        let Ok(derived) = target(registered, Arc::clone(view)) else { continue };
        let Some(input) = &derived.input else { continue };
        let is_streamed = registered.first_source_of(view).is_ok_and(|source| source.stream.is_some());
        let at = if is_streamed { before(project.now(), Span::MINUTE) } else { project.now() };
        let (id, input_id) = (&view.id, &input.view.id);
        match rows_to_derive(&store, view, input, at).await {
            Ok(None | Some(0)) => {}
            Ok(Some(rows)) => {
                let said = format!(
                    "{id} lacks {} that {input_id} has, of which it is derived",
                    counted(rows, "row")
                );
                findings.push(
                    Finding::noted(Area::Pipeline, said).helped_by(Some(HelpTopic::LoadNew(id.clone()))),
                );
            }
            Err(error) => {
                let said = format!("what {id} lacks of {input_id} cannot be read: {error}");
                findings.push(Finding::noted(Area::Pipeline, said).helped_by(error.help()));
            }
        }
    }
    findings
}

/// The views whose reads are worse than promised to somebody.
fn burning(registered: &Registered, objectives: &[ObjectiveStanding]) -> BTreeSet<VersionId> {
    let is_burning = |kind: Kind, id: &VersionId| {
        let mut standings = objectives.iter().filter(|one| one.kind == kind && one.id == *id);
        standings.any(|one| one.alert.is_some() || one.since.is_some())
    };
    let ids = registered.views().map(|view| &view.id);
    let burning = ids.filter(|id| {
        let readers = registered.dependents(&DefinitionId::versioned(Kind::FeatureView, id));
        is_burning(Kind::FeatureView, id) || readers.iter().any(|reader| is_burning(reader.kind, &reader.id))
    });
    burning.cloned().collect()
}

/// How the objectives stand, in one sentence.
fn freshness(objectives: &[ObjectiveStanding]) -> Finding {
    if objectives.is_empty() {
        return Finding::fine(Area::Freshness, "no view and no consumer has an objective");
    }
    let alerts: Vec<&ObjectiveStanding> = objectives.iter().filter(|one| one.alert.is_some()).collect();
    let named = |one: &&ObjectiveStanding| {
        let since = one.since.map(|since| format!(" since {since}")).unwrap_or_default();
        format!("{} ({}{since})", one.name(), one.alert.unwrap_or("stale"))
    };
    if !alerts.is_empty() {
        let names = some(alerts.iter().map(named).collect());
        let said = format!("the error budgets of {names} burn too fast");
        return Finding::wrong(Area::Freshness, said).helped_by(Some(HelpTopic::Objectives));
    }
    let stale: Vec<&ObjectiveStanding> = objectives.iter().filter(|one| one.stage.is_some()).collect();
    if !stale.is_empty() {
        let names = some(stale.iter().map(|one| one.name()).collect());
        let said =
            format!("the pipelines of {names} are staler than promised, and no budget burns too fast yet");
        return Finding::noted(Area::Freshness, said);
    }
    Finding::fine(Area::Freshness, format!("all {} objectives are kept", objectives.len()))
}

/// Views that are behind for the same reason.
struct Behind<'a> {
    views: Vec<&'a View>,
    cause: Cause,
    /// What is known of the pipeline of the first of them.
    pipeline: &'a PipelineFacts,
    is_wrong: bool,
}

/// What keeps views behind, one finding for each source and cause.
fn by_source<'a>(
    registered: &'a Registered,
    facts: &'a BTreeMap<VersionId, PipelineFacts>,
    burning: &BTreeSet<VersionId>,
    now: Micros,
) -> Vec<Finding> {
    let mut groups: BTreeMap<(String, Stage, bool), Vec<Behind<'a>>> = BTreeMap::new();
    for view in registered.views() {
        let Some(pipeline) = facts.get(&view.id) else { continue };
        let within = view.freshness.and_then(|freshness| freshness.objective);
        // A view without an objective may be as old as it likes, and still not be held up.
        let Some(cause) = pipeline.cause(within.unwrap_or(Span::MINUTE), now) else { continue };
        let is_held_up = matches!(cause, Cause::Stuck { .. } | Cause::ClockAhead(_));
        if within.is_none() && !is_held_up && cause != Cause::NeverLoaded {
            continue;
        }
        let source = registered.first_source_of(view).map_or_else(|_| String::new(), |s| s.name.to_string());
        let is_wrong = is_held_up || burning.contains(&view.id);
        let alike = groups.entry((source, cause.stage(), is_wrong)).or_default();
        match alike.iter_mut().find(|behind| behind.cause.is_like(&cause)) {
            Some(behind) => behind.views.push(view),
            None => alike.push(Behind { views: vec![&**view], cause, pipeline, is_wrong }),
        }
    }
    if groups.is_empty() {
        return vec![Finding::fine(Area::Pipeline, "every view with an objective is as fresh as promised")];
    }
    let finding = |(source, behind): (&str, &Behind<'_>)| {
        let first = behind.views.first()?;
        let sentence = cause_sentence(first, source, &behind.cause);
        let reached = reached(registered, behind.views.iter().map(|view| &view.id));
        let said = format!("{sentence}; it reaches {}", some(reached));
        let finding = Finding::noted(Area::Pipeline, said);
        let condition = if behind.is_wrong { Condition::Wrong } else { Condition::Noted };
        let help = cause_help(first, behind.pipeline, &behind.cause);
        // Where it is held up, the doctor is already there.
        Some(Finding { condition, ..finding }.helped_by(help.filter(|help| *help != HelpTopic::Diagnose)))
    };
    let all =
        groups.iter().flat_map(|((source, ..), alike)| alike.iter().map(|behind| (source.as_str(), behind)));
    all.filter_map(finding).collect()
}

/// The first few of some names.
fn some(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let named: Vec<String> = names.into_iter().take(MOST_NAMED).collect();
    let named = named.join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}
