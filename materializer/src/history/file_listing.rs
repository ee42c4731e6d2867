//! Which files a path, a folder or a pattern leads to, in the order in which they are numbered: by path.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use feature::{Batch, BatchFormat};
use percent_encoding::percent_decode_str;

use super::file_text;
use super::source_file::{SourceFile, SourceFiles};

/// Every file that a path leads to, by its name below the folder or below the part without wildcards, in order.
pub(crate) fn every(project: &Path, path: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let at = project.join(path);
    let mut found = if at.is_dir() {
        let mut found = Vec::new();
        below(&at, &at, &mut found).map_err(|error| error.to_string())?;
        found
    } else if at.exists() && !has_wildcard(path) {
        // What is no regular file is refused by what it is.
        files::open(&at).map_err(|error| error.to_string())?;
        vec![(at.file_name().unwrap_or_default().to_string_lossy().into_owned(), at)]
    } else if has_wildcard(path) {
        matching(project, path)?
    } else {
        return Err("there is no such file or folder".to_owned());
    };
    found.sort();
    Ok(found)
}

/// The files that are read, all of one format, and what is not read beside them.
pub(crate) fn of_one_format(
    project: &Path,
    batch: &Batch,
    found: Vec<(String, PathBuf)>,
) -> Result<(BatchFormat, SourceFiles), String> {
    let formats: BTreeSet<BatchFormat> = match batch.format {
        Some(format) => BTreeSet::from([format]),
        None => {
            let visible = found.iter().filter(|(name, _)| !is_hidden(name));
            visible.filter_map(|(_, path)| file_text::format_of(path)).collect()
        }
    };
    if formats.len() > 1 {
        let all: Vec<&str> = formats.into_iter().map(format_name).collect();
        return Err(format!(
            "it holds files of several formats ({}): name the `format` to read",
            all.join(", ")
        ));
    }
    let format = formats.into_iter().next();
    let is_read = |name: &str, path: &Path| {
        // If the source names the format, files whose names say nothing are of it.
        let of_name = file_text::format_of(path);
        let fits =
            of_name == format || (of_name.is_none() && batch.format.is_some() && path.extension().is_none());
        !is_hidden(name) && format.is_some() && fits
    };
    let (read, unread): (Vec<_>, Vec<_>) = found.into_iter().partition(|(name, path)| is_read(name, path));
    let unread: Vec<String> = unread.into_iter().map(|(name, _)| name).collect();
    let Some(format) = format.filter(|_| !read.is_empty()) else {
        let beside = match unread.as_slice() {
            [] => String::new(),
            unread => format!("; it has {}", unread.join(", ")),
        };
        return Err(format!("it leads to no Parquet, CSV or JSON file{beside}"));
    };
    let files = read.into_iter().map(|(name, path)| source_file(project, name, path)).collect();
    Ok((format, SourceFiles { files, unread, ..SourceFiles::default() }))
}

/// A file with the columns that the names of its folders give, as in `year=2013/`.
pub(crate) fn source_file(project: &Path, name: String, path: PathBuf) -> SourceFile {
    let folders = path.strip_prefix(project).unwrap_or(&path).parent();
    let parts = folders.into_iter().flat_map(Path::components);
    let column = |part: std::path::Component<'_>| {
        let part = part.as_os_str().to_string_lossy().into_owned();
        let (name, value) = part.split_once('=')?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let is_null = value == "__HIVE_DEFAULT_PARTITION__";
        Some((decoded(name), (!is_null).then(|| decoded(value))))
    };
    let partition = parts.filter_map(column).collect();
    SourceFile { name, path, partition, table_columns: BTreeSet::new(), replaces: BTreeSet::new() }
}

/// What definitions call a format.
pub(crate) fn format_name(format: BatchFormat) -> &'static str {
    match format {
        BatchFormat::Parquet => "parquet",
        BatchFormat::Csv => "csv",
        BatchFormat::Json => "json",
        BatchFormat::Delta => "delta",
    }
}

/// Whether a file, or a folder above it, is hidden; a folder that gives a column is not.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || (part.starts_with('_') && !part.contains('=')))
}

/// All files below a folder, with their paths in it.
fn below(folder: &Path, root: &Path, found: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if path.is_dir() {
            below(&path, root, found)?;
        } else {
            found.push((name, path));
        }
    }
    Ok(())
}

/// The files that a pattern matches, known by their paths below its part without wildcards.
fn matching(project: &Path, pattern: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !has_wildcard(&part.as_os_str().to_string_lossy()))
        .collect();
    let root = project.join(&fixed);
    // Only the source's own path is a pattern: the project's folder may have any character in its name.
    let folder = glob::Pattern::escape(&project.to_string_lossy());
    let paths =
        glob::glob(&Path::new(&folder).join(pattern).to_string_lossy()).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| error.to_string())?;
        if path.is_file() {
            let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((name, path));
        }
    }
    Ok(files)
}

/// Whether a path, or a part of one, is a pattern.
pub(crate) fn has_wildcard(path: &str) -> bool {
    path.contains(['*', '?', '['])
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
        let mut found = matching(folder.path(), "data/*/*.parquet").unwrap();
        found.sort();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["2013/a.parquet", "2013/b.parquet"]);
    }

    fn batch(format: Option<BatchFormat>) -> Batch {
        Batch { path: "data".to_owned(), format }
    }

    fn files(names: &[&str], format: Option<BatchFormat>) -> Result<(Vec<String>, Vec<String>), String> {
        let found = names.iter().map(|name| ((*name).to_owned(), PathBuf::from(format!("/p/data/{name}"))));
        let (_, sorted) = of_one_format(Path::new("/p"), &batch(format), found.collect())?;
        Ok((sorted.files.into_iter().map(|file| file.name).collect(), sorted.unread))
    }

    #[test]
    fn every_file_of_a_folder_is_read_or_named() {
        let (read, unread) =
            files(&["_day=1/d.parquet", ".x", "_SUCCESS", "a.parq", "b.PARQUET", "part_00", "e.txt"], None)
                .unwrap();
        assert_eq!(read, ["_day=1/d.parquet", "a.parq", "b.PARQUET"]);
        assert_eq!(unread, [".x", "_SUCCESS", "part_00", "e.txt"]);
        let (read, unread) = files(&["a.csv", "part_00"], Some(BatchFormat::Csv)).unwrap();
        assert_eq!((read.len(), unread.len()), (2, 0));
    }

    #[test]
    fn a_folder_of_several_formats_is_refused_until_one_is_named() {
        let error = files(&["a.csv", "b.parquet"], None).unwrap_err();
        assert!(error.contains("parquet, csv"), "{error}");
        let (read, unread) = files(&["a.csv", "b.parquet"], Some(BatchFormat::Csv)).unwrap();
        assert_eq!((read, unread), (vec!["a.csv".to_owned()], vec!["b.parquet".to_owned()]));
    }

    #[test]
    fn folders_give_columns() {
        let path = PathBuf::from("/p/data/country=C%C3%B4te/day=__HIVE_DEFAULT_PARTITION__/a.csv");
        let file = source_file(Path::new("/p"), "a.csv".to_owned(), path);
        let expected = [("country".to_owned(), Some("Côte".to_owned())), ("day".to_owned(), None)];
        assert_eq!(file.partition, expected);
    }
}
