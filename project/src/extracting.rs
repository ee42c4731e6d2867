//! The rows of queries, which a load extracts into files before it reads them: once for each source, however many views
//! read it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use feature::{Batch, BatchQuery, Name, Source};
use materializer::{Database, ExtractReport, MaterializerError, Target};

use crate::error::ProjectError;
use crate::run::{Event, Run, blocking};

/// What was extracted for the views of a load.
#[derive(Default)]
pub(crate) struct Extracts {
    pub(crate) reports: Vec<ExtractReport>,
    /// The sources that failed.
    failed: BTreeMap<Name, Arc<MaterializerError>>,
}

impl Extracts {
    /// Extracts what is new of each query that one of these views reads.
    pub(crate) async fn of(project: &Path, targets: &[Target], run: &Run) -> Result<Self, ProjectError> {
        let mut extracts = Self::default();
        let mut sources: BTreeMap<&Name, (&Source, &BatchQuery)> = BTreeMap::new();
        for target in targets.iter().filter(|target| target.input.is_none()) {
            let source = &*target.source;
            if let Some(query) = source.batch.as_ref().and_then(Batch::query) {
                sources.insert(&source.name, (source, query));
            }
        }
        for (name, source) in sources {
            match extract(project, source, run).await? {
                Ok(report) => extracts.reports.push(report),
                Err(error) => drop(extracts.failed.insert(name.clone(), Arc::new(error))),
            }
        }
        Ok(extracts)
    }

    /// Refuses a view whose source could not be extracted: what is there of it may be old.
    pub(crate) fn check(&self, target: &Target) -> Result<(), ProjectError> {
        let failed = self.failed.get(&target.source.name).filter(|_| target.input.is_none());
        failed.map_or(Ok(()), |error| Err(ProjectError::NotExtracted(error.clone())))
    }
}

async fn extract(
    project: &Path,
    (source, query): (&Source, &BatchQuery),
    run: &Run,
) -> Result<Result<ExtractReport, MaterializerError>, ProjectError> {
    let database = match database(project, query).await? {
        Ok(database) => database,
        Err(why) => {
            return Ok(Err(MaterializerError::Connection { source_name: source.name.to_string(), why }));
        }
    };
    let of_source = || source.name.clone();
    run.report(Event::ExtractionBegins(of_source()));
    let read = |rows| run.report(Event::RowsExtracted { source: of_source(), rows });
    let extracted = materializer::extract(project, (source, query), &database, read).await;
    let report = extracted.as_ref().ok().cloned();
    run.report(Event::ExtractionEnds { source: of_source(), report });
    Ok(extracted)
}

/// The database of a query, by the environment of this process; or what is missing.
pub(crate) async fn database(
    project: &Path,
    query: &BatchQuery,
) -> Result<Result<Database, String>, ProjectError> {
    let (project, query): (PathBuf, BatchQuery) = (project.to_owned(), query.clone());
    let variable = |name: &str| std::env::var(name).ok();
    blocking(move || Database::of(&query, &project, &variable)).await
}
