//! Objectives of an OpenSLO file beside those that are registered.

use std::path::Path;

use feature::{ServiceRef, Span};
use serde::Serialize;

use super::not_open_slo::NotOpenSlo;
use super::openslo::{self, ImportedObjective};
use crate::error::ProjectError;
use crate::project::Project;

/// The largest file of objectives, in bytes.
const MOST_BYTES: u64 = 8 << 20;

/// An objective of a file, and the one that is registered.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ComparedObjective {
    /// That of the file.
    #[serde(flatten)]
    pub imported: ImportedObjective,
    /// What its definition has to say, as `freshness: {objective: 1m, target: 99.9}`.
    pub line: String,
    /// What it says; `None` if it has no objective.
    pub registered: Option<String>,
}

/// Reads a file, and compares it with what is registered.
pub(crate) async fn compare(project: &Project, file: &Path) -> Result<Vec<ComparedObjective>, ProjectError> {
    let text = files::read_text(file, MOST_BYTES).map_err(ProjectError::file("read", file))?;
    let registered = project.registered().await?;
    let mut compared = Vec::new();
    let wrong = |source| ProjectError::OpenSlo { file: file.to_owned(), source };
    let imported = openslo::import(&text).map_err(wrong)?;
    if imported.is_empty() {
        return Err(wrong(NotOpenSlo::NoObjective));
    }
    for imported in imported {
        let freshness = if imported.is_consumer {
            let service = registered.service(&ServiceRef::Exact(imported.id.clone()))?;
            service.consumer.as_ref().and_then(|consumer| consumer.freshness)
        } else {
            let view = registered.view(&imported.id)?;
            match &imported.feature {
                Some(name) => view.feature_freshness.get(name).copied(),
                None => view.freshness,
            }
        };
        compared.push(ComparedObjective {
            line: line(imported.within, imported.target),
            registered: freshness.map(|freshness| line(freshness.objective, freshness.target)),
            imported,
        });
    }
    Ok(compared)
}

/// The line of a definition.
fn line(within: Option<Span>, target: f64) -> String {
    let within = within.map(|within| format!("objective: {within}, ")).unwrap_or_default();
    format!("freshness: {{{within}target: {target}}}")
}
