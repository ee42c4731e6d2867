//! Which files a source's history lies in, in the order in which they are numbered: by path.

use std::fs;
use std::path::{Path, PathBuf};

use feature::{Source, View};

use crate::delta_source;
use crate::error::MaterializerError;
use crate::loaded::TableVersions;

/// One file of a source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SourceFile {
    /// Its path below the folder that the source names: what it is known by, wherever that lies.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The columns that its table keeps in the file's place rather than in the file.
    pub(crate) partition: Vec<(String, Option<String>)>,
}

/// The files of a source, and the version of its table where it is one.
#[derive(Debug, Default)]
pub(crate) struct SourceFiles {
    pub(crate) files: Vec<SourceFile>,
    /// Of a Delta table: the version whose files these are.
    pub(crate) table_version: Option<u64>,
}

/// Finds the files of a source's history. Of a Delta source only those are listed that came since
/// the version up to which all was loaded before.
pub(crate) async fn find(
    project: &Path,
    source: &Source,
    view: &View,
    loaded: TableVersions,
) -> Result<SourceFiles, MaterializerError> {
    let Some(batch) = &source.batch else {
        return Err(MaterializerError::NoBatch {
            source_name: source.name.to_string(),
            view: view.id.clone(),
        });
    };
    let wrong = |why: String| MaterializerError::Path {
        source_name: source.name.to_string(),
        path: batch.path.clone(),
        why,
    };
    if batch.path.contains("://") {
        return Err(wrong("this build reads local files; give a path".to_owned()));
    }
    let path = project.join(&batch.path);
    if path.join("_delta_log").is_dir() {
        return delta_source::find(&path, view, loaded).await;
    }
    let mut files = if batch.path.contains(['*', '?', '[']) {
        matching(project, &batch.path).map_err(wrong)?
    } else if path.is_dir() {
        below(&path, &path).map_err(|error| wrong(error.to_string()))?
    } else if path.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        vec![SourceFile { name, path, partition: Vec::new() }]
    } else {
        return Err(wrong(format!("there is no such file or folder in {}", project.display())));
    };
    if files.is_empty() {
        return Err(wrong("it leads to no Parquet file".to_owned()));
    }
    files.sort();
    Ok(SourceFiles { files, table_version: None })
}

/// The Parquet files below a folder.
fn below(folder: &Path, root: &Path) -> std::io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if hidden {
            continue;
        }
        if path.is_dir() {
            files.extend(below(&path, root)?);
        } else if is_parquet(&path) {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(SourceFile { name, path, partition: Vec::new() });
        }
    }
    Ok(files)
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet" || extension == "pq")
}

/// The files that a pattern matches, known by their paths below its part without wildcards.
fn matching(project: &Path, pattern: &str) -> Result<Vec<SourceFile>, String> {
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !is_wild(&part.as_os_str().to_string_lossy()))
        .collect();
    let root = project.join(&fixed);
    // Only the source's own path is a pattern: the project's folder may hold any character.
    let folder = glob::Pattern::escape(&project.to_string_lossy());
    let paths =
        glob::glob(&Path::new(&folder).join(pattern).to_string_lossy()).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| error.to_string())?;
        if path.is_file() {
            let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(SourceFile { name, path, partition: Vec::new() });
        }
    }
    Ok(files)
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_its_files_below_its_fixed_part() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data/2013")).unwrap();
        for file in ["data/2013/b.parquet", "data/2013/a.parquet", "data/2013/_tmp.txt"] {
            fs::write(folder.path().join(file), b"").unwrap();
        }
        let names = |files: Vec<SourceFile>| files.into_iter().map(|file| file.name).collect::<Vec<_>>();
        let mut found = matching(folder.path(), "data/*/*.parquet").unwrap();
        found.sort();
        assert_eq!(names(found), ["2013/a.parquet", "2013/b.parquet"]);
        let root = folder.path().join("data");
        assert_eq!(names(below(&root, &root).unwrap()).len(), 2);
    }
}
