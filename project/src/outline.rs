//! A project for files of a user: they are sampled, and definitions are made of the samples.

use std::path::{Component, Path, PathBuf};

use feature::Micros;
use materializer::{ColumnKind, Surveyed, SurveyedColumn};
use registry::{Outline, SampledColumn, SampledFile, SampledKind, Surroundings, Wishes};

use crate::error::ProjectError;

/// Files to make definitions for.
#[derive(Clone, Debug, Default)]
pub struct OutlineFiles {
    /// Files, folders, patterns or Delta tables.
    pub from: Vec<PathBuf>,
    /// The column that says when a row happened; one is chosen where none is named.
    pub time: Option<String>,
    /// The column that says whose a row is; one is chosen where none is named.
    pub key: Option<String>,
}

/// Definitions that were made for files.
#[derive(Clone, Debug)]
pub struct OutlinedFiles {
    /// The definitions, a spine, and what was chosen.
    pub outline: Outline,
    /// The project's folder, from the root.
    pub folder: PathBuf,
    /// The names that were not read, each of what was given.
    pub unread: Vec<(String, PathBuf)>,
}

/// Makes definitions for files, for a project in this folder, which need not be there. Nothing is written.
pub async fn outline(
    folder: &Path,
    files: &OutlineFiles,
    now: Micros,
) -> Result<OutlinedFiles, ProjectError> {
    let folder = absolute(folder)?;
    let (mut sampled_files, mut unread, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for given in &files.from {
        let root = if given.is_file() || given.join("_delta_log").is_dir() {
            None
        } else {
            Some(named(given, &folder)?)
        };
        match materializer::survey(given).await {
            Ok((surveyed, names)) => {
                unread.extend(names.into_iter().map(|name| (name, given.clone())));
                for file in surveyed {
                    sampled_files.push(sampled(file, root.clone(), &folder)?);
                }
            }
            Err(error) => problems.push(error),
        }
    }
    if !problems.is_empty() {
        return Err(ProjectError::Unreadable { problems });
    }
    let wishes = Wishes { time: files.time.clone(), key: files.key.clone() };
    // A folder that holds the project would have what the project writes as a source.
    let files_of = |path: &str| match folder.starts_with(folder.join(path)) {
        true => Vec::new(),
        false => materializer::source_paths(&folder, path),
    };
    let outline = registry::outline(sampled_files, &wishes, Surroundings { files_of: &files_of, now })?;
    Ok(OutlinedFiles { outline, folder, unread })
}

/// A path from the root, without `.` and `..`, whether or not it is there.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, ProjectError> {
    let whole = std::path::absolute(path).map_err(ProjectError::file("find", path))?;
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    Ok(plain)
}

/// A path as a definition of the project names it: from the project's folder where it lies below, else from the root.
pub(crate) fn named(path: &Path, project: &Path) -> Result<String, ProjectError> {
    let whole = absolute(path)?;
    let below = whole.strip_prefix(project).ok().filter(|below| !below.as_os_str().is_empty());
    Ok(below.unwrap_or(&whole).to_string_lossy().into_owned())
}

fn sampled(file: Surveyed, root: Option<String>, project: &Path) -> Result<SampledFile, ProjectError> {
    let column = |column: SurveyedColumn| SampledColumn {
        name: column.name,
        kind: match column.kind {
            ColumnKind::Typed(data_type) => SampledKind::Typed(data_type),
            ColumnKind::Text => SampledKind::Text,
            ColumnKind::Json => SampledKind::Json,
            ColumnKind::Other(what) => SampledKind::Other(what),
        },
        values: column.values,
        is_of_folder: column.is_of_folder,
    };
    Ok(SampledFile {
        path: named(&file.path, project)?,
        root,
        format: file.format,
        columns: file.columns.into_iter().map(column).collect(),
        is_whole: file.is_whole,
    })
}
