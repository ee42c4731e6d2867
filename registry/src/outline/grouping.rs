//! Which files are one source: those of one format with about the same columns, where a path or a pattern leads to
//! them and to no others.

use std::collections::BTreeSet;

use feature::{BatchFormat, Value};

use super::sample::{SampledColumn, SampledFile};

/// Files that are one source.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The path that leads to them.
    pub(crate) path: String,
    /// What the path calls them.
    pub(crate) title: String,
    pub(crate) files: Vec<SampledFile>,
}

/// A column of the files of a group.
pub(crate) struct Merged<'a> {
    pub(crate) name: String,
    /// For each file the column, or for how many rows it has none.
    files: Vec<Result<&'a SampledColumn, usize>>,
    pub(crate) is_optional: bool,
}

impl Merged<'_> {
    pub(crate) fn parts(&self) -> Vec<&SampledColumn> {
        self.files.iter().filter_map(|file| file.as_ref().ok().copied()).collect()
    }

    /// A value for each row of the files, null where a file has no such column.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        const NULL: &Value = &Value::Null;
        self.files.iter().flat_map(|file| {
            let (values, nulls) = match file {
                Ok(column) => (column.values.as_slice(), 0),
                Err(rows) => ([].as_slice(), *rows),
            };
            values.iter().chain(std::iter::repeat_n(NULL, nulls))
        })
    }
}

impl Group {
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.columns.iter().any(|column| column.name == name))
    }

    pub(crate) fn format(&self) -> Option<BatchFormat> {
        self.files.first().map(|file| file.format)
    }

    /// The columns of all files, in the order in which they are first seen.
    pub(crate) fn columns(&self) -> Vec<Merged<'_>> {
        let mut names: Vec<&str> = Vec::new();
        for column in self.files.iter().flat_map(|file| &file.columns) {
            if !names.contains(&column.name.as_str()) {
                names.push(&column.name);
            }
        }
        let merged = |name: &&str| {
            let in_file = |file| SampledFile::column(file, name).ok_or_else(|| SampledFile::rows(file));
            let files: Vec<_> = self.files.iter().map(in_file).collect();
            // Records of JSON lack what is null in them; a table says which columns it has.
            let is_optional =
                self.format() == Some(BatchFormat::Csv) || self.format() == Some(BatchFormat::Parquet);
            let is_optional = is_optional && files.iter().any(Result::is_err);
            Merged { name: (*name).to_owned(), files, is_optional }
        };
        names.iter().map(merged).collect()
    }
}

impl SampledFile {
    fn column(&self, name: &str) -> Option<&SampledColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    fn own_names(&self) -> BTreeSet<&str> {
        self.columns.iter().filter(|column| !column.is_of_folder).map(|column| column.name.as_str()).collect()
    }
}

/// The sources that these files are, in the order of their first files.
pub(crate) fn groups(files: Vec<SampledFile>, files_of: &dyn Fn(&str) -> Vec<String>) -> Vec<Group> {
    let mut alike: Vec<Vec<SampledFile>> = Vec::new();
    for file in files {
        let fitting = alike.iter_mut().find(|group| group.iter().any(|other| are_alike(other, &file)));
        match fitting {
            Some(group) => group.push(file),
            None => alike.push(vec![file]),
        }
    }
    alike.into_iter().flat_map(|files| located(files, files_of)).collect()
}

/// Whether two files may be of one source: where one has all columns of the other, or most are of both.
fn are_alike(a: &SampledFile, b: &SampledFile) -> bool {
    if a.format != b.format || a.format == BatchFormat::Delta || a.root != b.root {
        return false;
    }
    let (a, b) = (a.own_names(), b.own_names());
    let both = a.intersection(&b).count();
    let all = a.union(&b).count();
    both * 10 >= all * 6 || (both >= 2 && (a.is_subset(&b) || b.is_subset(&a)))
}

/// The files as one source, where a path leads to just them; else each by itself.
fn located(files: Vec<SampledFile>, files_of: &dyn Fn(&str) -> Vec<String>) -> Vec<Group> {
    let root = files.first().and_then(|file| file.root.clone());
    let alone =
        |file: SampledFile| Group { path: file.path.clone(), title: title(&file.path), files: vec![file] };
    if files.iter().any(|file| file.format == BatchFormat::Delta) {
        return files.into_iter().map(alone).collect();
    }
    let paths: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    let common = folder(&paths).filter(|_| files.len() > 1);
    let candidates = root.into_iter().chain(common.into_iter().flat_map(|folder| {
        let patterns = [partitions(&paths), pattern(&paths, &folder, true), pattern(&paths, &folder, false)];
        let folder = Some(folder).filter(|folder| !folder.is_empty());
        folder.into_iter().chain(patterns.into_iter().flatten())
    }));
    let leads_to_them = |path: &String| files_of(path).into_iter().collect::<BTreeSet<_>>() == paths;
    match candidates.into_iter().find(leads_to_them) {
        Some(path) => vec![Group { title: title(&path), path, files }],
        None => files.into_iter().map(alone).collect(),
    }
}

/// The folder that holds all of these, at some depth.
fn folder(paths: &BTreeSet<String>) -> Option<String> {
    let folders = paths.iter().map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned());
    folders.reduce(|a, b| {
        let common = a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).map(|(part, _)| part);
        common.collect::<Vec<_>>().join("/")
    })
}

/// The pattern of files in folders that give columns, whatever the values: `day=*`.
fn partitions(paths: &BTreeSet<String>) -> Option<String> {
    let shape = |path: &String| {
        let (folders, name) = path.rsplit_once('/')?;
        let parts = folders.split('/').map(|part| match part.split_once('=') {
            Some((column, _)) => format!("{column}=*"),
            None => part.to_owned(),
        });
        let extension = name.split_once('.').map(|(_, extension)| extension)?;
        Some(format!("{}/*.{extension}", parts.collect::<Vec<_>>().join("/")))
    };
    let mut shapes: BTreeSet<String> = paths.iter().map(shape).collect::<Option<_>>()?;
    shapes.pop_first().filter(|shape| shapes.is_empty() && shape.contains("=*"))
}

/// The pattern of these files of one folder: what their names have in common around a `*`; of what they begin with
/// only the part before any digit where it is to be wide.
fn pattern(paths: &BTreeSet<String>, folder: &str, is_wide: bool) -> Option<String> {
    let inside =
        |path: &String| path.strip_prefix(folder).map(|name| name.trim_start_matches('/').to_owned());
    let names: Vec<String> = paths.iter().filter_map(inside).collect();
    let first = names.first()?;
    let common =
        |of: &dyn Fn(&str, &str) -> usize| names.iter().map(|name| of(first, name)).min().unwrap_or(0);
    let begin = common(&|a, b| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count());
    let end = common(&|a, b| a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count());
    let begin = first.get(..begin)?;
    let begin = match is_wide {
        true => begin.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default(),
        false => begin.trim_end_matches(|c: char| c.is_ascii_digit()),
    };
    let shortest = names.iter().map(String::len).min()?;
    let end = end.min(shortest.saturating_sub(begin.len()));
    let end = first.get(first.len() - end..)?.trim_start_matches(|c: char| c.is_ascii_digit());
    let separator = if folder.is_empty() { "" } else { "/" };
    Some(format!("{folder}{separator}{begin}*{end}"))
}

/// What a path calls what it leads to: its last part that has a name, without extensions and wildcards.
fn title(path: &str) -> String {
    // In folders that give columns the names of files say nothing.
    let files = usize::from(path.split('/').any(|part| part.contains('=')));
    let parts =
        path.rsplit('/').skip(files).filter(|part| !part.contains('=') && *part != "." && *part != "..");
    for part in parts {
        let stem = part.split_once('.').filter(|(stem, _)| !stem.is_empty()).map_or(part, |(stem, _)| stem);
        let stem = stem.split(['*', '?', '[']).next().unwrap_or_default();
        let stem = stem.trim_matches(|c: char| c == '_' || c == '-' || c == ' ');
        if stem.chars().any(char::is_alphabetic) {
            return stem.to_owned();
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::super::sample::SampledKind;
    use super::*;

    fn file(path: &str, root: Option<&str>, columns: &[&str]) -> SampledFile {
        let column = |name: &&str| SampledColumn {
            name: (*name).to_owned(),
            kind: SampledKind::Text,
            values: vec![Value::Null],
            is_of_folder: false,
        };
        SampledFile {
            path: path.to_owned(),
            root: root.map(str::to_owned),
            format: BatchFormat::Csv,
            columns: columns.iter().map(column).collect(),
            is_whole: true,
        }
    }

    /// The sources of these files in a folder that has others beside them.
    fn sources(files: Vec<SampledFile>, others: &[&str]) -> Vec<(String, String)> {
        let all: Vec<String> = files
            .iter()
            .map(|file| file.path.clone())
            .chain(others.iter().map(|o| (*o).to_owned()))
            .collect();
        let files_of = |path: &str| {
            let (begin, end) = path.split_once('*').unwrap_or((path, ""));
            all.iter().filter(|file| file.starts_with(begin) && file.ends_with(end)).cloned().collect()
        };
        groups(files, &files_of).into_iter().map(|group| (group.path, group.title)).collect()
    }

    #[test]
    fn files_with_the_same_columns_are_one_source_where_a_path_leads_to_just_them() {
        let months = || {
            vec![
                file("d/sales-2024-01.csv", None, &["a", "b"]),
                file("d/sales-2024-02.csv", None, &["a", "b"]),
            ]
        };
        let named = |path: &str, title: &str| vec![(path.to_owned(), title.to_owned())];
        assert_eq!(sources(months(), &[]), named("d", "d"));
        assert_eq!(sources(months(), &["d/x.csv"]), named("d/sales-*.csv", "sales"));
        assert_eq!(sources(months(), &["d/sales-x.csv"]), named("d/sales-2024-*.csv", "sales-2024"));
        assert_eq!(sources(months(), &["d/sales-2024-03.csv"]).len(), 2);
        let folder = vec![
            file("d/m=1/a.csv", Some("d"), &["a", "b"]),
            file("d/m=2/a.csv", Some("d"), &["a", "b", "c"]),
        ];
        assert_eq!(sources(folder, &[]), named("d", "d"));
    }

    #[test]
    fn files_with_other_columns_are_sources_of_their_own() {
        let both = vec![
            file("d/orders.csv", Some("d"), &["a", "b", "c"]),
            file("d/users.csv", Some("d"), &["a", "x", "y"]),
        ];
        let found = sources(both, &[]);
        assert_eq!(
            found,
            [
                ("d/orders.csv".to_owned(), "orders".to_owned()),
                ("d/users.csv".to_owned(), "users".to_owned())
            ]
        );
    }
}
