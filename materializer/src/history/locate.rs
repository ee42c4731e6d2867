//! Which batch source a definition names, by its path, its `format` and the names of its files; and which files a path, a
//! folder or a pattern leads to, in the order in which they are numbered: by path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use feature::{Batch, BatchFiles, BatchFormat, Source, VersionId};
use percent_encoding::percent_decode_str;

use super::batch_source::BatchSource;
use super::csv::CsvSource;
use super::delta::DeltaSource;
use super::file_text;
use super::json::JsonSource;
use super::parquet::ParquetSource;
use super::query::Extracts;
use super::source_file::{SourceFile, SourceFiles};
use crate::error::MaterializerError;

/// The batch source of a definition, with its files listed if they are files. Blocks.
pub(crate) fn batch_source(
    project: &Path,
    source: &Source,
    view: &VersionId,
) -> Result<Arc<dyn BatchSource>, MaterializerError> {
    let Some(batch) = &source.batch else {
        return Err(MaterializerError::NoBatch { source_name: source.name.to_string(), view: view.clone() });
    };
    let batch = match batch {
        Batch::Files(files) => files,
        Batch::Query(_) => {
            let files = Extracts::of(project, &source.name).files()?;
            return Ok(Arc::new(CsvSource { source: source.clone(), files }));
        }
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
        if let Some(format) = batch.format.filter(|format| *format != BatchFormat::Delta) {
            return Err(wrong(format!("it is a Delta table, and `format` says {}", format_name(format))));
        }
        return Ok(Arc::new(DeltaSource { source: source.clone(), path }));
    }
    if batch.format == Some(BatchFormat::Delta) {
        return Err(wrong("there is no Delta table, which has a folder `_delta_log`".to_owned()));
    }
    if path.exists() && !path.is_dir() {
        // What is no regular file is refused by what it is.
        files::open(&path).map_err(|error| wrong(error.to_string()))?;
    }
    let (format, files) = if path.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let format = batch.format.or_else(|| file_text::format_of(&path)).unwrap_or(BatchFormat::Parquet);
        let base = base_of_columns(project, &batch.path);
        let files = vec![source_file(&base, name, path).map_err(wrong)?];
        refuse_misread(project, &files).map_err(wrong)?;
        (format, SourceFiles { files, ..SourceFiles::default() })
    } else if path.is_dir() || has_wildcard(&batch.path) {
        let found = every(project, &batch.path).map_err(wrong)?;
        of_one_format(project, batch, found).map_err(wrong)?
    } else {
        return Err(wrong(format!("there is no such file or folder in {}", project.display())));
    };
    let source = source.clone();
    Ok(match format {
        BatchFormat::Csv => Arc::new(CsvSource { source, files }),
        BatchFormat::Json => Arc::new(JsonSource { source, files }),
        BatchFormat::Parquet | BatchFormat::Delta => Arc::new(ParquetSource { source, files }),
    })
}

/// Every file that a path leads to, by its name below the folder or below the part without wildcards, in order.
pub(crate) fn every(project: &Path, path: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let at = project.join(path);
    let mut found = if at.is_dir() {
        let mut found = Walk::below(&at, usize::MAX)?;
        found.retain(|(name, _)| !name.ends_with('/'));
        found
    } else if at.exists() {
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
fn of_one_format(
    project: &Path,
    batch: &BatchFiles,
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
    let says = |(name, path): &&(String, PathBuf)| !is_hidden(name) && file_text::format_of(path) == format;
    // If none has a name that says the format which the source names, they have other names.
    let have_other_names = batch.format.is_some() && !found.iter().any(|one| says(&one));
    let is_read = |name: &str, path: &Path| {
        // If the source names the format, files whose names say nothing are of it.
        let of_name = file_text::format_of(path);
        let fits = of_name == format
            || (of_name.is_none()
                && batch.format.is_some()
                && (have_other_names || path.extension().is_none()));
        !is_hidden(name) && !name.ends_with('/') && format.is_some() && fits
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
    let base = base_of_columns(project, &batch.path);
    let files = read.into_iter().map(|(name, path)| source_file(&base, name, path));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    refuse_misread(project, &files)?;
    Ok((format, SourceFiles { files, unread, ..SourceFiles::default() }))
}

/// The folder below which the names of folders give columns: the project's, or, of a source that lies elsewhere, the one that
/// its path names.
pub(crate) fn base_of_columns(project: &Path, path: &str) -> PathBuf {
    let fixed = project.join(at_wildcard(path).0);
    if fixed.starts_with(project) && !project.as_os_str().is_empty() {
        return project.to_owned();
    }
    match fixed.is_dir() {
        true => fixed,
        false => fixed.parent().map(Path::to_owned).unwrap_or_default(),
    }
}

/// A file with the columns that the names of its folders below `base` give, as in `year=2013/`.
pub(crate) fn source_file(base: &Path, name: String, path: PathBuf) -> Result<SourceFile, String> {
    let folders = path.strip_prefix(base).unwrap_or(&path).parent();
    let parts = folders.into_iter().flat_map(Path::components);
    let parts = parts.filter(|part| part.as_os_str().as_encoded_bytes().contains(&b'='));
    let column = |part: std::path::Component<'_>| {
        let not_utf8 =
            || format!("the folder `{}` of {} is not UTF-8", part.as_os_str().display(), path.display());
        let part = part.as_os_str().to_str().ok_or_else(not_utf8)?;
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8().map_err(|_| not_utf8());
        let value = match value {
            "__HIVE_DEFAULT_PARTITION__" => None,
            value => Some(decoded(value)?.into_owned()),
        };
        Ok((decoded(name)?.into_owned(), value))
    };
    let partition = parts.map(column).collect::<Result<Vec<_>, String>>()?;
    if let Some(name) = transform::repeated_names(partition.iter().map(|(name, _)| name.as_str())).first() {
        return Err(format!("two folders of {} give the column `{name}`: rename one", path.display()));
    }
    Ok(SourceFile { name, path, partition, table_columns: BTreeSet::new(), replaces: BTreeSet::new() })
}

/// What definitions call a format.
fn format_name(format: BatchFormat) -> &'static str {
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

/// Everything below a folder, so many folders deep, with its path in it; folders end in `/`. Links to folders are followed,
/// but never to one in which they lie.
struct Walk<'a> {
    root: &'a Path,
    deepest: usize,
    found: Vec<(String, PathBuf)>,
    /// The folders that it is in.
    within: Vec<PathBuf>,
}

impl<'a> Walk<'a> {
    fn below(root: &'a Path, deepest: usize) -> Result<Vec<(String, PathBuf)>, String> {
        let mut walk = Self { root, deepest, found: Vec::new(), within: Vec::new() };
        walk.folder(root)?;
        Ok(walk.found)
    }

    fn folder(&mut self, folder: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
        let real = folder.canonicalize().map_err(failed)?;
        if self.within.contains(&real) {
            return Err(format!("{} is a link to a folder that it lies in: remove it", folder.display()));
        }
        self.within.push(real);
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.strip_prefix(self.root).unwrap_or(&path).to_string_lossy().into_owned();
            if !path.is_dir() {
                self.found.push((name, path));
                continue;
            }
            if self.within.len() < self.deepest {
                self.folder(&path)?;
            }
            self.found.push((format!("{name}/"), path));
        }
        self.within.pop();
        Ok(())
    }
}

/// What a pattern matches, known by its path below the pattern's part without wildcards. Of a folder that matches, only what
/// matches itself is read: it is listed if nothing in it does.
fn matching(project: &Path, pattern: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let (fixed, rest) = at_wildcard(pattern);
    let rest = rest.to_string_lossy();
    let compiled = glob::Pattern::new(&rest).map_err(|error| error.to_string())?;
    let root = project.join(&fixed);
    let root = if root.as_os_str().is_empty() { PathBuf::from(".") } else { root };
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let deepest = if rest.contains("**") { usize::MAX } else { Path::new(&*rest).components().count() };
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let matches = |(name, _): &(String, PathBuf)| compiled.matches_with(name.trim_end_matches('/'), options);
    let found: Vec<(String, PathBuf)> = Walk::below(&root, deepest)?.into_iter().filter(matches).collect();
    let (folders, mut files): (Vec<_>, Vec<_>) = found.into_iter().partition(|(name, _)| name.ends_with('/'));
    let is_read = |folder: &Path| files.iter().any(|(_, file)| file.starts_with(folder));
    let unread: Vec<_> = folders.into_iter().filter(|(_, folder)| !is_read(folder)).collect();
    files.extend(unread);
    Ok(files)
}

/// Refuses files that are not to be read one by one: those of a Delta table, of which some are deleted and some are not
/// committed, and two that are one, whose rows would count twice.
fn refuse_misread(project: &Path, files: &[SourceFile]) -> Result<(), String> {
    let above = files.iter().flat_map(|file| file.path.ancestors().skip(1).take_while(|one| *one != project));
    // Each folder is looked into once.
    let folders: BTreeSet<&Path> = above.collect();
    if let Some(table) = folders.into_iter().find(|folder| folder.join("_delta_log").is_dir()) {
        return Err(format!(
            "it leads into the Delta table {}, whose files are not to be read one by one: name that folder as the path \
             of a source of its own, or give a pattern that passes it over",
            table.display()
        ));
    }
    let mut real: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    for file in files {
        let Ok(path) = file.path.canonicalize() else { continue };
        if let Some(other) = real.insert(path, &file.path) {
            return Err(format!(
                "{} and {} are one file by a link, whose rows would count twice: remove the link, or give a pattern that \
                 passes it over",
                other.display(),
                file.path.display()
            ));
        }
    }
    Ok(())
}

/// The parts of a path before the first that is a pattern, and the others.
fn at_wildcard(path: &str) -> (PathBuf, PathBuf) {
    let is_fixed = |part: &std::path::Component<'_>| !has_wildcard(&part.as_os_str().to_string_lossy());
    let parts = || Path::new(path).components();
    (parts().take_while(is_fixed).collect(), parts().skip_while(is_fixed).collect())
}

/// Whether a path, or a part of one, is a pattern.
fn has_wildcard(path: &str) -> bool {
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
        // A folder that matches is named, unless files in it match as well.
        let named = |pattern: &str| {
            let mut names: Vec<String> =
                matching(folder.path(), pattern).unwrap().into_iter().map(|(name, _)| name).collect();
            names.sort();
            names
        };
        assert_eq!(named("data/*"), ["2013/"]);
        assert_eq!(named("data/**/*.parquet"), ["2013/a.parquet", "2013/b.parquet"]);
        assert!(!named("data/**/*").contains(&"2013/".to_owned()));
    }

    fn batch(format: Option<BatchFormat>) -> BatchFiles {
        BatchFiles { path: "data".to_owned(), format }
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
        // What lies beside files that say the format is something else; alone it is what is meant.
        let (read, unread) = files(&["a.csv", "notes.txt"], Some(BatchFormat::Csv)).unwrap();
        assert_eq!((read, unread), (vec!["a.csv".to_owned()], vec!["notes.txt".to_owned()]));
        let (read, unread) =
            files(&["_SUCCESS", "a.txt", "b.dat", "c.parquet"], Some(BatchFormat::Csv)).unwrap();
        assert_eq!(read, ["a.txt", "b.dat"]);
        assert_eq!(unread, ["_SUCCESS", "c.parquet"]);
    }

    #[test]
    fn a_folder_of_several_formats_is_refused_until_one_is_named() {
        let error = files(&["a.csv", "b.parquet"], None).unwrap_err();
        assert!(error.contains("parquet, csv"), "{error}");
        let (read, unread) = files(&["a.csv", "b.parquet"], Some(BatchFormat::Csv)).unwrap();
        assert_eq!((read, unread), (vec!["a.csv".to_owned()], vec!["b.parquet".to_owned()]));
    }

    #[test]
    fn links_are_followed_but_no_file_is_read_twice_and_no_link_in_circles() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("data/day1")).unwrap();
        fs::write(at("data/day1/a.csv"), b"x\n1\n").unwrap();
        let listed = |path: &str| {
            let found = every(folder.path(), path)?;
            of_one_format(folder.path(), &BatchFiles { path: path.to_owned(), format: None }, found)
        };
        assert_eq!(listed("data").unwrap().1.files.len(), 1);
        std::os::unix::fs::symlink(at("data/day1"), at("data/latest")).unwrap();
        for path in ["data", "data/*/*.csv"] {
            let said = listed(path).unwrap_err();
            assert!(said.contains("one file by a link") && said.contains("latest"), "{said}");
        }
        assert_eq!(listed("data/day*/*.csv").unwrap().1.files.len(), 1);
        fs::remove_file(at("data/latest")).unwrap();
        std::os::unix::fs::symlink(at("data"), at("data/day1/up")).unwrap();
        assert!(listed("data").unwrap_err().contains("a link to a folder that it lies in"));
        fs::remove_file(at("data/day1/up")).unwrap();
        // A link to what is not there is a file that cannot be read, by whatever path.
        std::os::unix::fs::symlink(at("gone.csv"), at("data/day1/b.csv")).unwrap();
        for path in ["data", "data/*/*.csv"] {
            assert_eq!(listed(path).unwrap().1.files.len(), 2, "{path}");
        }
    }

    #[test]
    fn the_files_of_a_delta_table_are_not_read_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data/t/_delta_log")).unwrap();
        fs::create_dir_all(folder.path().join("data/t/day=1")).unwrap();
        fs::write(folder.path().join("data/t/day=1/a.parquet"), b"").unwrap();
        for path in ["data", "data/t/*/*.parquet"] {
            let found = every(folder.path(), path).unwrap();
            let batch = BatchFiles { path: path.to_owned(), format: None };
            let said = of_one_format(folder.path(), &batch, found).unwrap_err();
            assert!(said.contains("the Delta table") && said.contains("data/t"), "{said}");
        }
    }

    #[test]
    fn folders_give_columns() {
        let path = PathBuf::from("/p/data/country=C%C3%B4te/day=__HIVE_DEFAULT_PARTITION__/a.csv");
        let file = source_file(Path::new("/p"), "a.csv".to_owned(), path).unwrap();
        let expected = [("country".to_owned(), Some("Côte".to_owned())), ("day".to_owned(), None)];
        assert_eq!(file.partition, expected);
        for (folders, said) in [("day=%FF", "not UTF-8"), ("day=1/day=2", "give the column `day`")] {
            let path = PathBuf::from(format!("/p/data/{folders}/a.csv"));
            let refused = source_file(Path::new("/p"), "a.csv".to_owned(), path).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
