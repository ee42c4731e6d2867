//! Plan and apply: from the definition files of the folder to the registry. The rule of the online store, how long a row
//! may become, is part of every plan.

use std::fmt;
use std::sync::Arc;

use access::Action;
use feature::{Batch, BatchQuery, Name, Source, View, thousands};
use materializer::{Heads, Misfit, Target};
use online::{Layout, MAX_ROW_BYTES};
use registry::{Applied, Body, Definitions, Plan, Registered, RowBound};
use serde::Serialize;

use crate::error::ProjectError;
use crate::extracting;
use crate::project::Project;
use crate::targets::target;

/// No text, bytes or list of any length is taken to be longer, in bytes, when a row is bounded.
pub const BOUNDED_VALUE_BYTES: usize = 256;

/// An entity is taken to be seen in no more partitions of a topic when its row is bounded.
pub const BOUNDED_PARTITIONS: usize = 1024;

/// What an online store takes.
const ROW_BOUND: RowBound = RowBound { longest: longest_row, max_bytes: MAX_ROW_BYTES };

fn longest_row(view: &View) -> usize {
    Layout::new(view).largest_row(BOUNDED_VALUE_BYTES, BOUNDED_PARTITIONS)
}

/// What an apply would change, and what of the sources' files does not fit.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedChanges {
    /// What would change; refused where [`Plan::refused`] is not empty.
    #[serde(flatten)]
    pub plan: Plan,
    /// What the heads of the sources' files say against their definitions: it would be refused when they are loaded.
    pub misfits: Vec<SourceMisfit>,
}

/// What of a source's files does not fit its definition.
#[derive(Clone, Debug, Serialize)]
pub struct SourceMisfit {
    /// The file of the definition.
    pub definition: String,
    /// The source.
    pub source: Name,
    /// What does not fit.
    #[serde(flatten)]
    pub misfit: Misfit,
}

impl fmt::Display for SourceMisfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: source `{}`: {}", self.definition, self.source, self.misfit)
    }
}

/// What was applied.
#[derive(Clone, Debug, Serialize)]
pub struct AppliedPlan {
    /// What the apply did.
    pub applied: Applied,
    /// The plan that it followed.
    pub plan: Plan,
}

pub(crate) async fn plan(project: &Project) -> Result<PlannedChanges, ProjectError> {
    let registered = project.registered_so_far().await?;
    let is_settled = registered.unknown_uses().next().is_none();
    let registered = if is_settled {
        registered
    } else {
        project.settle_uses(&project.registry().await?).await?;
        project.registered_so_far().await?
    };
    let sets = match project.registry_so_far().await? {
        Some(registry) => registry.training_sets().await?,
        None => Vec::new(),
    };
    let definitions = Definitions::read(&project.folder, &registered)?;
    let plan = Plan::of(&definitions, &registered, &ROW_BOUND).with_training_sets(&definitions, &sets);
    let mut misfits = misfits(project, &definitions).await;
    misfits.extend(of_other_kind(project, &definitions, &registered).await?);
    Ok(PlannedChanges { plan, misfits })
}

pub(crate) async fn apply(project: &Project, may_be_new: bool) -> Result<AppliedPlan, ProjectError> {
    if !may_be_new {
        project.check_registry_is_there().await?;
    }
    let registry = project.registry().await?;
    project.settle_uses(&registry).await?;
    let registered = registry.registered().await?;
    let definitions = Definitions::read(&project.folder, &registered)?;
    let sets = registry.training_sets().await?;
    let plan = Plan::of(&definitions, &registered, &ROW_BOUND).with_training_sets(&definitions, &sets);
    let is_written = |change: &&registry::Change| {
        matches!(change.action, registry::Action::Add | registry::Action::Revise | registry::Action::Edit)
    };
    for change in plan.changes.iter().filter(is_written) {
        project.permit_definition(Action::Apply, &change.id).await?;
    }
    let applied = registry.apply(&plan, project.now()).await?;
    Ok(AppliedPlan { applied, plan })
}

/// What the database of a query says against its source.
async fn of_query(project: &Project, source: &Source, query: &BatchQuery) -> Vec<Misfit> {
    let of_source = |problem: String| vec![Misfit { file: None, row: None, column: None, problem, rows: 0 }];
    match extracting::database(&project.folder, query).await {
        Ok(Ok(database)) => materializer::check_query(source, query, &database).await,
        Ok(Err(why)) => of_source(format!("{why}, so the columns of its query were not checked")),
        Err(error) => of_source(error.to_string()),
    }
}

/// What nothing more is loaded of, since views have loaded it as a source of another kind.
async fn of_other_kind(
    project: &Project,
    definitions: &Definitions,
    registered: &Registered,
) -> Result<Vec<SourceMisfit>, ProjectError> {
    let offline = project.offline()?;
    let mut found = Vec::new();
    for definition in definitions.iter() {
        let Body::Source { source, .. } = &definition.body else { continue };
        for view in registered.views() {
            let loaded = target(registered, view.clone())?;
            if loaded.source.name != source.name || loaded.input.is_some() {
                continue;
            }
            let as_defined = Target { source: Arc::new(Source::clone(source)), ..loaded };
            // A log that cannot be read is named by loads.
            let problem =
                materializer::other_kind(&offline, &project.folder, &as_defined).await.ok().flatten();
            found.extend(problem.map(|problem| SourceMisfit {
                definition: definition.file.to_string(),
                source: source.name.clone(),
                misfit: Misfit { file: None, row: None, column: None, problem, rows: 0 },
            }));
        }
    }
    Ok(found)
}

async fn misfits(project: &Project, definitions: &Definitions) -> Vec<SourceMisfit> {
    let mut misfits = Vec::new();
    for definition in definitions.iter() {
        let Body::Source { source, .. } = &definition.body else { continue };
        let heads = match source.batch.as_ref().and_then(Batch::query) {
            Some(query) => Heads { misfits: of_query(project, source, query).await, files_left_out: 0 },
            None => materializer::heads(&project.folder, source).await,
        };
        let of_source = |misfit: Misfit| SourceMisfit {
            definition: definition.file.to_string(),
            source: source.name.clone(),
            misfit,
        };
        misfits.extend(heads.misfits.into_iter().map(of_source));
        if heads.files_left_out > 0 {
            let problem =
                format!("{} more of its files were not looked into", thousands(heads.files_left_out as u64));
            misfits.push(of_source(Misfit { file: None, row: None, column: None, problem, rows: 0 }));
        }
    }
    misfits
}
