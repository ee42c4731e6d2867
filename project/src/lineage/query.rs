//! What lineage answers: the graph around a name, the runs that produced the data of its views, and the loads of
//! one view.

use std::collections::BTreeMap;

use feature::{Field, VersionId, View};
use registry::{Lineage, LineageKind, Registered, Registry, RunId, RunOutcome, RunRecord};
use serde::Serialize;

use super::dataset::Datasets;
use super::open_lineage;
use super::subject::Subject;
use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::ViewName;

/// Of each job the newest runs that are given with a graph.
const RUNS_OF_A_VIEW: u32 = 3;

/// What a name comes from, what comes from it, and how the data of its views was produced.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LineageReport {
    /// The graph.
    #[serde(flatten)]
    pub lineage: Lineage,
    /// Each feature view in it, by name and version.
    pub views: Vec<ViewLineage>,
}

/// How the data of a view came to be.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ViewLineage {
    /// The view.
    pub view: VersionId,
    /// Its semantic hash.
    pub hash: String,
    /// The number of its schema: versions whose keys, features, types and units are the same have the same, from 1.
    pub schema_version: u32,
    /// The keys and features of its schema.
    pub schema: Vec<SchemaField>,
    /// The newest runs that loaded, followed or read it, newest first; a few of each job.
    pub runs: Vec<RunRecord>,
}

/// One field of a view's schema.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SchemaField {
    /// Its name.
    pub name: String,
    /// Its type, with its shape.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What it is measured in.
    pub unit: Option<String>,
    /// Whether it may be null.
    pub nullable: bool,
}

pub(crate) async fn lineage(project: &Project, name: &str) -> Result<LineageReport, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    lineage_in(&registry, &registered, name).await
}

/// What a name comes from and what comes from it, without the runs of what is reached.
pub(crate) async fn graph_in(
    registry: &Registry,
    registered: &Registered,
    name: &str,
) -> Result<Lineage, ProjectError> {
    let mut training_sets = Vec::new();
    // What was built by retired versions is still known.
    for service in registered.with_retired().services() {
        training_sets.extend(registry.training_sets_of(&service.id, RUNS_OF_A_VIEW).await?);
    }
    Ok(registered.lineage(name, &training_sets)?)
}

async fn lineage_in(
    registry: &Registry,
    registered: &Registered,
    name: &str,
) -> Result<LineageReport, ProjectError> {
    let lineage = graph_in(registry, registered, name).await?;
    // Retired versions count among the schemas of a view, and their runs are still known.
    let registered = &registered.with_retired();
    let mut views = Vec::new();
    for view in registered.views() {
        let is_reached = |kind: LineageKind| {
            lineage.nodes.iter().any(|node| node.kind == kind && whole(&node.name) == view.id.to_string())
        };
        if is_reached(LineageKind::FeatureView) || is_reached(LineageKind::Feature) {
            views.push(of_view(registry, registered, view).await?);
        }
    }
    Ok(LineageReport { lineage, views })
}

/// The newest runs around a name, oldest first, as OpenLineage events.
pub(crate) async fn events(project: &Project, name: &str) -> Result<Vec<serde_json::Value>, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let report = lineage_in(&registry, &registered, name).await?;
    let runs: BTreeMap<RunId, RunRecord> =
        report.views.into_iter().flat_map(|view| view.runs).map(|run| (run.id, run)).collect();
    let registered = registered.with_retired();
    let mut events = Vec::with_capacity(runs.len());
    for run in runs.into_values() {
        let file = match &run.outcome {
            Some(RunOutcome::TrainingSet { file, .. }) => Some(file.clone()),
            _ => None,
        };
        let subject = Subject { job: run.job, id: run.subject.clone(), hash: run.hash.clone(), file };
        events.push(open_lineage::event(&run, &Datasets::of(project, &registered, &subject).await?));
    }
    Ok(events)
}

/// What a feature is part of, or the name itself.
fn whole(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

async fn of_view(
    registry: &Registry,
    registered: &Registered,
    view: &View,
) -> Result<ViewLineage, ProjectError> {
    Ok(ViewLineage {
        view: view.id.clone(),
        hash: view.hash.clone(),
        schema_version: schema_version(registered, view),
        schema: schema(view),
        runs: as_they_are(registry.runs_of_view(&view.id, RUNS_OF_A_VIEW).await?),
    })
}

fn schema(view: &View) -> Vec<SchemaField> {
    let key = |Field { name, data_type }: &Field| SchemaField {
        name: name.to_string(),
        data_type: data_type.to_string(),
        unit: None,
        nullable: false,
    };
    let feature = |feature: &feature::Feature| SchemaField {
        name: feature.name.to_string(),
        data_type: feature.data_type.to_string(),
        unit: feature.unit.clone(),
        nullable: true,
    };
    view.keys.iter().map(key).chain(view.features.iter().map(feature)).collect()
}

/// Schemas are numbered in the order of the versions that brought them.
fn schema_version(registered: &Registered, view: &View) -> u32 {
    let mut numbers: Vec<(Vec<SchemaField>, u32)> = Vec::new();
    let versions: BTreeMap<u32, &View> = registered
        .views()
        .filter(|other| other.id.name == view.id.name && other.id.version <= view.id.version)
        .map(|other| (other.id.version, &**other))
        .collect();
    let mut number = 1;
    for version in versions.into_values() {
        let schema = schema(version);
        let next = numbers.last().map_or(1, |(_, last)| last + 1);
        let known = numbers.iter().find(|(known, _)| *known == schema).map(|(_, number)| *number);
        number = known.unwrap_or(next);
        if known.is_none() {
            numbers.push((schema, next));
        }
    }
    number
}

/// The newest loads of a view, newest first: what was loaded when, from which files and offsets, how many rows, and by
/// which provenance.
pub(crate) async fn loads(
    project: &Project,
    view: &ViewName,
    limit: u32,
) -> Result<Vec<RunRecord>, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let view = match view {
        ViewName::Exact(id) => registered.with_retired().view(id)?,
        ViewName::Only(name) => registered.only_view(name)?,
    };
    let runs = registry.runs_of_view(&view.id, limit).await?;
    let loads = runs.into_iter().filter(|run| run.job.is_load()).take(limit as usize);
    Ok(as_they_are(loads.collect()))
}

/// Runs with the states that they have now.
fn as_they_are(runs: Vec<RunRecord>) -> Vec<RunRecord> {
    runs.into_iter().map(|run| RunRecord { state: run.state_now(), ..run }).collect()
}
