//! What in the first rows of a source's files contradicts its definition: columns that are missing or of another type,
//! values that do not fit, rows that do not say when they happened. Nothing is loaded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use feature::{Field, Name, Source, VersionId, View};
use transform::{BadReason, ViewTransform};

use super::batch_source::{BatchSource, RowReader};
use super::misfit::{HEAD_ROWS, Misfit};
use super::source_file::{SourceFile, SourceFiles, TableVersions};
use super::source_rows::RowProblem;
use super::{columns, locate};
use crate::blocking;
use crate::error::MaterializerError;

/// Files of which the first rows are read.
const MAX_FILES: usize = 500;

/// What the first rows of a source's files contradict.
#[derive(Debug, Default)]
pub struct Heads {
    /// What does not fit, by file, row and column.
    pub misfits: Vec<Misfit>,
    /// Files that were not read because there are too many.
    pub files_left_out: usize,
}

/// Reads the first rows of each file of a source's history. A source without history has none, and so has a
/// query.
pub async fn heads(project: &Path, source: &Source) -> Heads {
    // What a query gives is checked where it comes from; what was extracted of it is ours.
    if source.batch.as_ref().is_none_or(|batch| batch.query().is_some()) {
        return Heads::default();
    }
    let no_view = View::bare(
        VersionId { name: source.name.clone(), version: 1 },
        source.name.clone(),
        Vec::new(),
        source.name.clone(),
    );
    let (batch_source, found) = match files(project, source, &no_view.id).await {
        Ok(found) => found,
        Err(MaterializerError::File { path, problems }) => {
            let misfits = problems.into_iter().map(|problem| of_file(&path, problem)).collect();
            return Heads { misfits, files_left_out: 0 };
        }
        Err(MaterializerError::Path { path, why, .. }) => {
            return Heads { misfits: vec![of_source(format!("`{path}`: {why}"))], files_left_out: 0 };
        }
        Err(error) => return Heads { misfits: vec![of_source(error.to_string())], files_left_out: 0 },
    };
    let files_left_out = found.files.len().saturating_sub(MAX_FILES);
    // An expression that does not compile is reported when definitions are checked.
    let has_times = source.event_time.is_some() || source.available_at.is_some();
    let times = if has_times { ViewTransform::compile(source, &no_view).ok() } else { None };
    let (source, project) = (source.clone(), project.to_owned());
    let misfits = blocking::run(move || {
        let heads = found.files.iter().take(MAX_FILES).map(|file| Head {
            source: &source,
            batch_source: batch_source.as_ref(),
            times: times.as_ref(),
            shown: file.path.strip_prefix(&project).unwrap_or(&file.path).display().to_string(),
            file,
        });
        heads.flat_map(|head| head.misfits()).collect::<Vec<Misfit>>()
    });
    let misfits = misfits.await.unwrap_or_else(|error| vec![of_source(error.to_string())]);
    Heads { misfits, files_left_out }
}

/// Refuses what a load of this source's history would refuse before it opens a file: a path that leads nowhere, or to files
/// of several formats. A source without history has no such path, and neither has a query.
pub async fn check_source_path(project: &Path, source: &Source) -> Result<(), MaterializerError> {
    if source.batch.as_ref().is_none_or(|batch| batch.query().is_some()) {
        return Ok(());
    }
    let (project, source) = (project.to_owned(), source.clone());
    let no_view = VersionId { name: source.name.clone(), version: 1 };
    blocking::run(move || locate::batch_source(&project, &source, &no_view)).await?.map(drop)
}

/// A source's history, and all of its files.
async fn files(
    project: &Path,
    source: &Source,
    view: &VersionId,
) -> Result<(Arc<dyn BatchSource>, SourceFiles), MaterializerError> {
    let (project, source, id) = (project.to_owned(), source.clone(), view.clone());
    let found = blocking::run(move || locate::batch_source(&project, &source, &id)).await??;
    let files = found.files(view, TableVersions::default()).await?;
    Ok((found, files))
}

fn of_source(problem: String) -> Misfit {
    Misfit { file: None, row: None, column: None, problem, rows: 0 }
}

fn of_file(file: &str, problem: String) -> Misfit {
    Misfit { file: Some(file.to_owned()), row: None, column: None, problem, rows: 0 }
}

/// A file whose first rows are read.
struct Head<'a> {
    source: &'a Source,
    batch_source: &'a dyn BatchSource,
    /// Computes when a row happened and when it was available.
    times: Option<&'a ViewTransform>,
    shown: String,
    file: &'a SourceFile,
}

impl Head<'_> {
    fn misfits(&self) -> Vec<Misfit> {
        let schema = &self.source.schema;
        let named = |error: MaterializerError| {
            problems_of(error).into_iter().map(|what| of_file(&self.shown, what)).collect()
        };
        match self.open(schema) {
            Ok(reader) => {
                let mut misfits: Vec<Misfit> = self.rows(reader, schema).unwrap_or_else(named);
                // What cannot be read is said already.
                let absent = self.batch_source.absent(schema, self.file).unwrap_or_default();
                let is_absent =
                    |field: &&Field| absent.iter().any(|one| one.column.as_ref() == Some(&field.name));
                let folders = schema.iter().filter(is_absent);
                misfits.extend(folders.filter_map(|field| self.folder_named_otherwise(field)));
                misfits.extend(
                    absent
                        .into_iter()
                        .map(|RowProblem { column, what }| Misfit { column, ..of_file(&self.shown, what) }),
                );
                misfits
            }
            Err(error) => {
                let mut misfits: Vec<Misfit> = named(error);
                // The columns that can be read are read, so that everything is reported at once.
                let fits = |field: &Field| self.open(std::slice::from_ref(field)).is_ok();
                let (fitting, unfit): (Vec<Field>, Vec<Field>) = schema.iter().cloned().partition(fits);
                misfits.extend(unfit.iter().filter_map(|field| self.folder_named_otherwise(field)));
                if !fitting.is_empty() {
                    let rows = self.open(&fitting).and_then(|reader| self.rows(reader, &fitting));
                    misfits.extend(rows.unwrap_or_else(named));
                }
                misfits
            }
        }
    }

    /// That a folder of the file gives a column whose name differs from this one's by case alone.
    fn folder_named_otherwise(&self, field: &Field) -> Option<Misfit> {
        let folders: Vec<String> = self.file.partition.iter().map(|(name, _)| name.clone()).collect();
        let is_taken = |column: &str| columns::is_taken(self.source, column);
        let stored = self.source.stored_name(&field.name);
        let otherwise = columns::named_otherwise(field, stored, &folders, &is_taken)?;
        let problem = format!("a folder of it gives {otherwise}");
        Some(Misfit { column: Some(field.name.clone()), ..of_file(&self.shown, problem) })
    }

    /// A reader of these columns.
    fn open(&self, columns: &[Field]) -> Result<Box<dyn RowReader>, MaterializerError> {
        self.batch_source.open(columns, self.file, Some(HEAD_ROWS))
    }

    /// What does not fit in the first rows: for each column the first row, and how many there are.
    fn rows(
        &self,
        mut reader: Box<dyn RowReader>,
        columns: &[Field],
    ) -> Result<Vec<Misfit>, MaterializerError> {
        let Some(read) = reader.next_rows()? else { return Ok(Vec::new()) };
        let mut found: BTreeMap<(Option<Name>, &str), Misfit> = BTreeMap::new();
        let mut add = |row: usize, column: Option<Name>, kind: &'static str, problem: String| {
            let first = || Misfit {
                file: Some(self.shown.clone()),
                row: Some(read.first_row + row as u64 + 1),
                column: column.clone(),
                problem,
                rows: 0,
            };
            found.entry((column.clone(), kind)).or_insert_with(first).rows += 1;
        };
        for unreadable in &read.unreadable {
            for problem in &unreadable.problems {
                add(unreadable.row, problem.column.clone(), "unreadable", problem.what.clone());
            }
        }
        let has_times = |times: &&ViewTransform| times.input().iter().all(|field| columns.contains(field));
        if let Some(times) = self.times.filter(has_times) {
            for bad in times.apply(&read.batch)?.bad {
                let row = bad.row as usize;
                if read.unreadable.iter().any(|unreadable| unreadable.row == row) {
                    continue;
                }
                let column = match &bad.reason {
                    BadReason::NullEventTime { column } | BadReason::NullDeclaredTime { column } => {
                        column.parse().ok()
                    }
                    _ => None,
                };
                add(row, column, bad.reason.kind(), bad.reason.to_string());
            }
        }
        let mut misfits: Vec<Misfit> = found.into_values().collect();
        misfits.sort_by_key(|misfit| misfit.row);
        Ok(misfits)
    }
}

fn problems_of(error: MaterializerError) -> Vec<String> {
    match error {
        MaterializerError::File { problems, .. } => problems,
        error => vec![error.to_string()],
    }
}
