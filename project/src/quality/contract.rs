//! The contract of a source: what its files and records hold, what the views that read them expect, who answers for it,
//! and who depends on it. It is made of the definitions, so what is shown is what loads check.

use feature::{ExpectationStage, Field, Name, OnFailure, VersionId};
use materializer::{Decision, quarantined};
use registry::{Body, DefinitionId, Kind, Reach};

use crate::error::ProjectError;
use crate::project::Project;

/// What a view expects of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Promise {
    /// The view that checks it.
    pub view: VersionId,
    /// What its failures are called.
    pub name: String,
    /// The condition on rows, or the check of a file.
    pub what: String,
    /// What it is a condition on; of a file the source's rows.
    pub stage: ExpectationStage,
    /// What happens if it is not met.
    pub on_failure: OnFailure,
}

/// What a source promises, and whether it keeps that.
#[derive(Clone, Debug)]
pub struct SourceContract {
    /// The source.
    pub source: Name,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its columns and their types: files and records with others are refused.
    pub schema: Vec<Field>,
    /// The column, or expression, that says when a row happened.
    pub event_time: Option<String>,
    /// What views expect of it.
    pub promises: Vec<Promise>,
    /// Views and services that depend on it, and the models that read these.
    pub consumers: Vec<Reach>,
    /// Files that wait in the quarantine of each view.
    pub waiting: Vec<(VersionId, u64)>,
}

pub(crate) async fn show(project: &Project, source: &Name) -> Result<SourceContract, ProjectError> {
    let registered = project.registered().await?;
    // Names the sources that there are, if there is none of this name.
    let found = registered.source(source)?.clone();
    let id = DefinitionId { kind: Kind::Source, name: source.clone(), version: None };
    let about = match registered.definition(&id).map(|definition| &definition.body) {
        Some(Body::Source { about, .. }) => about.clone(),
        _ => feature::About::default(),
    };
    let store = project.offline()?;
    let (mut promises, mut waiting) = (Vec::new(), Vec::new());
    for view in registered.views().filter(|view| view.source.name() == Some(source)) {
        let of_rows = view.expectations.iter().map(|expectation| Promise {
            view: view.id.clone(),
            name: expectation.name.clone(),
            what: expectation.condition.clone(),
            stage: expectation.stage,
            on_failure: expectation.on_failure,
        });
        let of_files = view.batches.expectations.iter().map(|expectation| Promise {
            view: view.id.clone(),
            name: expectation.name.clone(),
            what: expectation.check.to_string(),
            stage: ExpectationStage::Source,
            on_failure: if expectation.quarantines { OnFailure::Quarantine } else { OnFailure::Warn },
        });
        promises.extend(of_rows.chain(of_files));
        let files = quarantined(&store, view).await?;
        let count = files.iter().filter(|file| file.decision == Decision::Waiting).count() as u64;
        waiting.extend((count > 0).then(|| (view.id.clone(), count)));
    }
    Ok(SourceContract {
        source: source.clone(),
        owner: about.owner,
        description: about.description,
        schema: found.schema.clone(),
        event_time: found.event_time.as_ref().map(ToString::to_string),
        promises,
        consumers: registered.dependents(&id),
        waiting,
    })
}
