//! Get: the features of one entity, from the store itself or from a server.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use feature::{Field, HelpTopic, Micros, ServicePlan, ServiceRef, Status, Value, VersionId};
use materializer::{Decision, MigrationState, quarantined};
use monitor::{Pipeline, ReadOutcome};
use offline::Manifest;
use online::{Reader, Store};
use read::json::from_text;
use read::{FeatureReader, FeatureRequest, Moment, ReadAt, first_key};
use registry::{Registered, Using};
use server::RequestFault;

use crate::error::ProjectError;
use crate::project::Project;
use crate::read_features::{Get, Input, NeverLoaded, ReadFeature, ReadFeatures};
use crate::remote;
use crate::run::blocking;
use crate::slo::how_far;
use crate::targets::{has_history, target, views_read};

pub(crate) async fn get(project: &Project, get: &Get) -> Result<ReadFeatures, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let live = Arc::new(registered.service_plan(&get.service)?);
    let request = request(&live, &get.values)?;
    let trained_on = trained_on(project, get).await?;
    let mut read = match &get.server {
        Some(address) => remote::get(address, get, request, trained_on, &project.client_access()).await?,
        None => {
            let (plan, request) = answering(&registered, get, live, request)?;
            if let Some(trained_on) = trained_on.filter(|trained_on| *trained_on != plan.hash) {
                return Err(other_than_trained(&registered, &plan, trained_on));
            }
            let reader = FeatureReader::new(plan.clone())?;
            let request = reader.validate(request, 1)?;
            let moment = get.at.map_or_else(|| Moment::Now(project.now()), Moment::At);
            let store = project.online_to_read(&registered, &views_read(&plan)).await?;
            let openings = registry.openings().await?;
            let features = reader.read(&store, &request, ReadAt { moment, openings: &openings }).await?;
            registry.begin_use(&Using::service(&plan), "get", project.now()).await?;
            let never_loaded = never_loaded(project, &registered, &plan, &store).await?;
            let other_logs = project.other_logs(&views_read(&plan), &store).await;
            let of_column = |column: &read::FeatureColumn| {
                let cell = features.cell(column, 0)?;
                Some(ReadFeature {
                    name: column.name.clone(),
                    value: cell.value,
                    status: cell.status,
                    event_time: cell.times.map(|times| times.event_time),
                    available_at: cell.times.map(|times| times.available_at),
                    age_s: cell.age_s,
                    is_fresh: None,
                })
            };
            ReadFeatures {
                service: features.service.clone(),
                at: features.at,
                features: features.columns.iter().filter_map(of_column).collect(),
                never_loaded,
                other_logs,
                deprecated: Vec::new(),
            }
        }
    };
    let plan = registered.service_plan(&ServiceRef::Exact(read.service.clone()))?;
    read.deprecated = registered.deprecated_of(&plan);
    let has_objective = plan.lookups.iter().any(|lookup| lookup.view.freshness.is_some());
    let pipelines = if has_objective { how_far(registry.progress().await?) } else { BTreeMap::new() };
    for feature in &mut read.features {
        feature.is_fresh = is_fresh(&plan, feature, &pipelines, read.at);
    }
    Ok(read)
}

/// The semantic hash of the service that a training set was built from.
async fn trained_on(project: &Project, get: &Get) -> Result<Option<String>, ProjectError> {
    let Some(file) = &get.trained_on else { return Ok(None) };
    let text = file.to_string_lossy();
    let training_set = project.folder.join(text.strip_suffix(".manifest.json").unwrap_or(&text));
    Ok(Some(blocking(move || Manifest::read(&training_set)).await??.service_hash))
}

fn other_than_trained(registered: &Registered, plan: &ServicePlan, trained_on: String) -> ProjectError {
    let same = |service: &&feature::Service| service.id.name == plan.id.name && service.hash == trained_on;
    let same = registered.services().filter(same).last().map(|service| service.id.clone());
    let fault = RequestFault::OtherThanTrained {
        service: plan.id.clone(),
        hash: plan.hash.clone(),
        trained_on,
        same,
    };
    ProjectError::Serve(fault.into())
}

/// The version that answers, as a server decides it, and the request in its types: a canary instead of the live
/// version for some of the entities.
fn answering(
    registered: &Registered,
    get: &Get,
    live: Arc<ServicePlan>,
    request: FeatureRequest<Vec<Value>>,
) -> Result<(Arc<ServicePlan>, FeatureRequest<Vec<Value>>), ProjectError> {
    let ServiceRef::Live(name) = &get.service else { return Ok((live, request)) };
    let canary = registered.rollout(name).and_then(|rollout| rollout.canary.as_ref());
    let answers = canary.zip(live.keys.first()).filter(|(canary, key)| {
        let column = request.entities.iter().find(|(name, _)| name == key.name.as_str());
        let key = column.and_then(|(_, column)| first_key(key, column.clone()));
        key.is_some_and(|key| canary.answers(&key))
    });
    let Some((canary, _)) = answers else { return Ok((live, request)) };
    let plan = Arc::new(registered.service_plan(&ServiceRef::Exact(canary.version.clone()))?);
    let request = self::request(&plan, &get.values)?;
    Ok((plan, request))
}

async fn never_loaded(
    project: &Project,
    registered: &Registered,
    plan: &ServicePlan,
    store: &Store,
) -> Result<Vec<NeverLoaded>, ProjectError> {
    let mut found = Vec::new();
    for view in views_read(plan) {
        if store.stats(&view.id).await?.rows > 0 {
            continue;
        }
        // A log that cannot be read does not make what was read wrong.
        let log = async { Ok::<_, ProjectError>(project.offline()?.log(&view).await?) };
        let Ok(log) = log.await else { continue };
        let backfill = MigrationState::of(&log).await.unwrap_or_default();
        let is_under_way = backfill.is_some_and(|backfill| backfill.is_under_way());
        // Of a backfill by dates rows are in the log before any is online.
        if log.row_count() > 0 && !is_under_way {
            continue;
        }
        project.check_logs_of_registered(registered).await?;
        let is_loaded = has_history(&target(registered, Arc::clone(&view))?);
        let help = match (is_loaded, is_under_way) {
            (true, true) => Some(HelpTopic::ResumeBackfill(view.id.clone())),
            (true, false) => {
                let batches = quarantined(&project.offline()?, &view).await.unwrap_or_default();
                let is_waiting = batches.iter().any(|batch| batch.decision == Decision::Waiting);
                let topic = if is_waiting { HelpTopic::Quarantine } else { HelpTopic::Backfill };
                Some(topic(view.id.clone()))
            }
            (false, _) => None,
        };
        found.push(NeverLoaded {
            view: view.id.clone(),
            source: view.source.clone(),
            has_history: is_loaded,
            help,
        });
    }
    Ok(found)
}

/// The values, each in the type that the service needs. Says all that is wrong.
fn request(
    plan: &ServicePlan,
    given: &[(String, Input)],
) -> Result<FeatureRequest<Vec<Value>>, ProjectError> {
    let mut request = FeatureRequest { features: Vec::new(), entities: Vec::new(), request: Vec::new() };
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for (name, value) in given {
        let is_named = |field: &&Field| field.name.as_str() == name;
        let key = plan.keys.iter().find(is_named);
        let Some(field) = key.or_else(|| plan.request.iter().find(is_named)) else {
            let all: Vec<_> =
                plan.keys.iter().chain(&plan.request).map(|field| field.name.as_str()).collect();
            problems.push(format!("{} takes no `{name}`: it takes {}", plan.id, all.join(", ")));
            continue;
        };
        if !seen.insert(name.as_str()) {
            problems.push(format!("`{name}` is given twice: one read is of one entity"));
            continue;
        }
        let value = match value {
            Input::Text(text) => from_text(text, field.data_type),
            Input::Value(value) => Ok(value.clone()),
        };
        let column = match value {
            Ok(value) => (name.clone(), vec![value]),
            Err(misfit) => {
                problems.push(format!("`{name}` is {misfit}"));
                continue;
            }
        };
        if key.is_some() { request.entities.push(column) } else { request.request.push(column) }
    }
    for field in plan.keys.iter().chain(&plan.request).filter(|field| !seen.contains(field.name.as_str())) {
        problems.push(format!(
            "{} needs `{}`: add {}=VALUE, which is {}",
            plan.id, field.name, field.name, field.data_type
        ));
    }
    if problems.is_empty() { Ok(request) } else { Err(ProjectError::Entity { problems }) }
}

/// Whether a read of a feature at a moment is as fresh as every view promises that it reads; `None` where none promises
/// anything, where there is no value, or where it is not known how far a pipeline is.
fn is_fresh(
    plan: &ServicePlan,
    feature: &ReadFeature,
    pipelines: &BTreeMap<VersionId, Pipeline>,
    at: Micros,
) -> Option<bool> {
    let output = plan.outputs.get(plan.output(&feature.name)?)?;
    let outcomes = plan.lookups_of(output.origin).into_iter().filter_map(|lookup| {
        let view = &plan.lookups.get(lookup)?.view;
        let within = view.freshness?.objective?;
        let pipeline = pipelines.get(&view.id).and_then(|pipeline| pipeline.known_at(at));
        Some(ReadOutcome::of_read(at, within, feature.event_time, pipeline))
    });
    let worst = outcomes.max().filter(|_| feature.status == Status::Present)?;
    match worst {
        ReadOutcome::Good => Some(true),
        ReadOutcome::Bad => Some(false),
        ReadOutcome::Missing | ReadOutcome::Unknown => None,
    }
}
