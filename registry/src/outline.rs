//! Definitions for files of which nothing is known but their columns and a sample of their values: which files are
//! one source, the type of each column, when a row happened, whose it is, and a few features that are of use at once.

mod column_type;
mod grouping;
mod legal_name;
mod project_text;
mod roles;

use std::collections::BTreeSet;

use feature::{BatchFormat, DataType, Micros, Name, Value};

use crate::error::RegistryError;
use grouping::Group;
use legal_name::{legal_name, plain};
use roles::{Key, Time};

/// A file, or a table, and a sample of it.
#[derive(Clone, Debug)]
pub struct SampledFile {
    /// Its path as a definition names it.
    pub path: String,
    /// The folder or the pattern that led to it, as a definition names it; none where it was named itself.
    pub root: Option<String>,
    /// How it is encoded.
    pub format: BatchFormat,
    /// Its columns.
    pub columns: Vec<SampledColumn>,
    /// Whether the sample is all of it.
    pub is_whole: bool,
}

/// A column of a sampled file.
#[derive(Clone, Debug)]
pub struct SampledColumn {
    /// Its name in the file; may be empty.
    pub name: String,
    /// What its values are.
    pub kind: SampledKind,
    /// A value for each row of the sample.
    pub values: Vec<Value>,
    /// Whether the name of a folder gives it.
    pub is_of_folder: bool,
}

/// What the values of a sampled column are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SampledKind {
    /// Of this type, as the file says.
    Typed(DataType),
    /// Texts that may stand for anything.
    Text,
    /// What JSON values say, each by itself.
    Json,
    /// Nothing that a column can be declared as, with what it is.
    Other(String),
}

impl SampledKind {
    fn data_type(&self) -> Option<DataType> {
        match self {
            SampledKind::Typed(data_type) => Some(*data_type),
            _ => None,
        }
    }
}

/// What the user names: columns, as they are called in the files.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The column that says when a row happened.
    pub time: Option<String>,
    /// The column of the entity's key.
    pub key: Option<String>,
}

/// What is known besides the files.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The files that a path or a pattern leads to, by their paths as definitions name them.
    pub files_of: &'a dyn Fn(&str) -> Vec<String>,
    /// What time it is.
    pub now: Micros,
}

/// Definitions and what goes with them.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The definitions, with comments.
    pub definitions: String,
    /// A spine in CSV: the keys of some rows, each with a time.
    pub labels: String,
    /// The service's name.
    pub service: String,
    /// Join keys of a row that is there, as `get` takes them.
    pub keys: Vec<(Name, String)>,
    /// A time after all rows; none where no row says when it happened, or not all were seen.
    pub at: Option<Micros>,
    /// What was chosen, a sentence each.
    pub choices: Vec<String>,
}

/// A column as it is declared.
#[derive(Clone, Debug)]
pub(crate) struct OutlinedColumn {
    pub(crate) name: Name,
    /// Its name in the files.
    pub(crate) stored: String,
    pub(crate) data_type: DataType,
    pub(crate) is_optional: bool,
    /// The sampled values, in its type.
    pub(crate) values: Vec<Value>,
    pub(crate) note: Option<String>,
}

impl OutlinedColumn {
    /// The column in an expression.
    pub(crate) fn sql(&self) -> String {
        transform::column_in_sql(&self.name)
    }
}

/// A source as it is defined, with its view.
#[derive(Clone, Debug)]
pub(crate) struct OutlinedSource {
    pub(crate) name: Name,
    pub(crate) group: Group,
    pub(crate) columns: Vec<OutlinedColumn>,
    /// Columns that are not declared, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) times: Vec<Time>,
    pub(crate) keys: Vec<Key>,
    pub(crate) available: Option<Time>,
    /// The entity, and what its key is called.
    pub(crate) entity: Name,
    pub(crate) entity_key: Name,
}

/// Definitions for these files; or everything that has to be done first.
pub fn outline(
    files: Vec<SampledFile>,
    wishes: &Wishes,
    surroundings: Surroundings<'_>,
) -> Result<Outline, RegistryError> {
    let mut problems = Vec::new();
    for file in &files {
        problems.extend(no_header(file));
    }
    for wished in [&wishes.time, &wishes.key].into_iter().flatten() {
        let is_there = files.iter().any(|file| file.columns.iter().any(|column| column.name == *wished));
        if !is_there {
            let all: BTreeSet<&str> =
                files.iter().flat_map(|file| &file.columns).map(|column| column.name.as_str()).collect();
            let all: Vec<&str> = all.into_iter().collect();
            problems.push(format!("no file has a column `{wished}`: there is {}", all.join(", ")));
        }
    }
    if !problems.is_empty() {
        return Err(RegistryError::Outline(problems));
    }
    if files.is_empty() {
        let problem = "no Parquet, CSV or JSON file and no Delta table is there: name some with --from";
        return Err(RegistryError::Outline(vec![problem.to_owned()]));
    }
    let mut names = BTreeSet::new();
    let mut sources: Vec<OutlinedSource> = Vec::new();
    for group in grouping::groups(files, surroundings.files_of) {
        match source(group, wishes, surroundings.now, &mut names, &sources) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(RegistryError::Outline(problems));
    }
    Ok(project_text::outline(&sources))
}

/// That a CSV file has values where its header should be, or other separators than commas.
fn no_header(file: &SampledFile) -> Option<String> {
    if file.format != BatchFormat::Csv {
        return None;
    }
    let names: Vec<&str> = file.columns.iter().filter(|c| !c.is_of_folder).map(|c| c.name.as_str()).collect();
    let is_value = |name: &&&str| name.parse::<f64>().is_ok() || name.parse::<Micros>().is_ok();
    let values = names.iter().filter(is_value).count();
    if names.iter().all(|name| name.is_empty()) || values * 2 > names.len() {
        return Some(format!("`{}` has no header: its first line must name its columns", file.path));
    }
    match names.as_slice() {
        [only] => [';', '\t', '|'].into_iter().find(|separator| only.contains(*separator)).map(|separator| {
            format!("the columns of `{}` are separated by {separator:?}: write it with commas", file.path)
        }),
        _ => None,
    }
}

fn source(
    group: Group,
    wishes: &Wishes,
    now: Micros,
    names: &mut BTreeSet<String>,
    before: &[OutlinedSource],
) -> Result<OutlinedSource, String> {
    let path = group.path.clone();
    let name = legal_name(&group.title, "events", names).ok_or_else(|| format!("`{path}` gives no name"))?;
    let (columns, left_out) = columns(&group);
    if columns.iter().all(|column| column.values.is_empty()) {
        return Err(format!("`{path}` has no row, so nothing is known of its columns: name files with rows"));
    }
    let times = roles::times(&columns, wishes, now);
    let keys = roles::keys(&columns, &times, wishes);
    let Some(key) = keys.first().and_then(|key| columns.get(key.place)) else {
        return Err(format!(
            "no column of `{path}` can say whose a row is (integers or texts that repeat, as `user_id`): name one with --key, or add one"
        ));
    };
    if let Some(wished) = &wishes.time
        && group.has_column(wished)
        && times
            .first()
            .and_then(|time| columns.get(time.place))
            .is_none_or(|column| column.stored != *wished)
    {
        return Err(format!(
            "the column `{wished}` of `{path}` cannot be read as times: write RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970"
        ));
    }
    let available = times.first().and_then(|event| roles::availability(&times, event, &columns)).cloned();
    let base = base_of(key.name.as_str(), name.as_str());
    let same = before.iter().find(|other| other.entity_key == key.name);
    let (entity, entity_key) = match same {
        Some(other) if key_type(other) == Some(key.data_type) => {
            (other.entity.clone(), other.entity_key.clone())
        }
        Some(_) => {
            (named(&format!("{name}_{base}"), &name), named(&format!("{name}_{}", key.name), &key.name))
        }
        None if before.iter().any(|other| other.entity.as_str() == base) => {
            (named(&format!("{name}_{base}"), &name), key.name.clone())
        }
        None => (named(&base, &name), key.name.clone()),
    };
    Ok(OutlinedSource { name, group, columns, left_out, times, keys, available, entity, entity_key })
}

fn named(text: &str, fallback: &Name) -> Name {
    text.parse().unwrap_or_else(|_| fallback.clone())
}

fn key_type(source: &OutlinedSource) -> Option<DataType> {
    let key = source.keys.first()?;
    source.columns.get(key.place).map(|column| column.data_type)
}

/// What a key is of: `user` for `user_id`; for `id` alone, what a row of the source is.
fn base_of(key: &str, source: &str) -> String {
    let ends = ["_id", "_key", "_uuid", "_guid", "_code", "_number", "_no"];
    let base = ends.iter().find_map(|end| key.strip_suffix(end)).unwrap_or(key);
    if ["id", "key", "uuid", "guid", "code"].contains(&base) {
        return source.strip_suffix('s').unwrap_or(source).to_owned();
    }
    base.to_owned()
}

/// The columns that are declared, and those that are not with the reason.
fn columns(group: &Group) -> (Vec<OutlinedColumn>, Vec<String>) {
    let mut taken = BTreeSet::new();
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for (place, merged) in group.columns().into_iter().enumerate() {
        if merged.name.is_empty() {
            left_out.push("a column without a name is not read".to_owned());
            continue;
        }
        if merged.name.starts_with("Unnamed: ") {
            left_out
                .push(format!("the column {:?} is not read: it is the index of a data frame", merged.name));
            continue;
        }
        let (mut data_type, note) = match column_type::of(&merged.parts()) {
            Ok(found) => found,
            Err(why) => {
                left_out.push(format!("the column {:?} is not read: it {why}", merged.name));
                continue;
            }
        };
        let Some(name) = legal_name(&merged.name, &format!("column_{}", place + 1), &mut taken) else {
            continue;
        };
        // Keys with nulls are floats where pandas wrote them.
        let is_whole = |value: &Value| match value {
            Value::Float64(value) => value.fract() == 0.0 && value.abs() < 9e15,
            value => value.is_null(),
        };
        let is_float = data_type == feature::Scalar::Float64.into();
        if is_float && roles::sounds_like_key(&plain(&merged.name)) && merged.values().all(is_whole) {
            data_type = feature::Scalar::Int64.into();
        }
        columns.push(OutlinedColumn {
            name,
            data_type,
            is_optional: merged.is_optional,
            values: merged.values().map(|value| column_type::value(value, data_type)).collect(),
            note,
            stored: merged.name,
        });
    }
    (columns, left_out)
}
