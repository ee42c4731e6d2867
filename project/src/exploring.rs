//! Looking at what is defined and what a log holds: features by a part of their names, and the files of a log, which any
//! reader of Parquet can query.

use std::path::PathBuf;

use feature::{Field, VersionId};
use registry::{FoundFeature, Listed, Registered};
use serde::Serialize;

use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{ViewName, has_history, named_view, target};

/// What has a text in its name, its description or the names of its features.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SearchResult {
    /// Definitions.
    pub definitions: Vec<Listed>,
    /// Features, where each is defined or given.
    pub features: Vec<FoundFeature>,
}

/// The log of a view at its newest version.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ViewLog {
    /// The view.
    pub view: VersionId,
    /// What its features are.
    pub features: Vec<FoundFeature>,
    /// The columns of its join keys.
    pub keys: Vec<String>,
    /// Whether it has history to load; else its rows come by its stream.
    pub has_history: bool,
    /// The version of the log; none where nothing was loaded.
    pub version: Option<u64>,
    /// Its files, oldest first. A compaction leaves those of older versions where they are.
    pub files: Vec<PathBuf>,
    /// How many rows they have.
    pub rows: u64,
}

pub(crate) async fn search(project: &Project, text: &str) -> Result<SearchResult, ProjectError> {
    search_in(&project.registered().await?, text)
}

/// The same among what is registered at one generation.
pub(crate) fn search_in(registered: &Registered, text: &str) -> Result<SearchResult, ProjectError> {
    let text = text.to_lowercase();
    let holds = |other: &str| other.to_lowercase().contains(&text);
    let mut definitions = registered.list();
    definitions.retain(|one| {
        let said = one.description.iter().chain(&one.owner);
        holds(one.name.as_str()) || said.into_iter().any(|said| holds(said))
    });
    Ok(SearchResult { definitions, features: registered.features_where(holds)? })
}

pub(crate) async fn log(project: &Project, view: &ViewName) -> Result<ViewLog, ProjectError> {
    let registered = project.registered().await?;
    let view = named_view(&registered, view)?;
    project.check_logs().await?;
    let snapshot = project.offline()?.log(&view).await?.snapshot()?;
    let features = FoundFeature::of_view(&view).collect();
    let (mut files, mut version, mut rows) = (Vec::new(), None, 0);
    if let Some(snapshot) = &snapshot {
        snapshot.fetch().await?;
        let folder = snapshot.location.folder()?;
        files = snapshot.files.iter().map(|file| folder.join(&file.path)).collect();
        (version, rows) = (Some(snapshot.version), snapshot.rows());
    }
    let keys = view.keys.iter().map(|Field { name, .. }| name.to_string()).collect();
    let has_history = has_history(&target(&registered, view.clone())?);
    Ok(ViewLog { view: view.id.clone(), features, keys, has_history, version, files, rows })
}
