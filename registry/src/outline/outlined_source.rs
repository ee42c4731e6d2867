//! A source and its view as they are defined, from a group of sampled files.

use std::collections::BTreeSet;

use feature::{DataType, Given, HelpTopic, Micros, Name, Scalar, Value};

use crate::outline::column_type;
use crate::outline::grouping::Group;
use crate::outline::legal_name::{column_names, legal_name, plain};
use crate::outline::outline_problem::OutlineProblem;
use crate::outline::outlined_column::OutlinedColumn;
use crate::outline::roles::{self, Key, Time, sounds_like_key};
use crate::outline::sample::Wishes;

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

/// The source of a group; the error says what has to be done first.
pub(super) fn source(
    group: Group,
    wishes: &Wishes,
    now: Micros,
    names: &mut BTreeSet<String>,
    before: &[OutlinedSource],
) -> Result<OutlinedSource, OutlineProblem> {
    let path = group.path.clone();
    let name = legal_name(&group.title, "events", names).ok_or_else(|| format!("`{path}` gives no name"))?;
    let (columns, left_out) = columns(&group);
    if columns.iter().all(|column| column.values.is_empty()) {
        let what = format!("`{path}` has no row, so nothing is known of its columns: name files with rows");
        return Err(what.into());
    }
    let times = roles::times(&columns, wishes, now);
    let keys = roles::keys(&columns, &times, wishes);
    let Some(key) = keys.first().and_then(|key| columns.get(key.index)) else {
        let what = format!(
            "no column of `{path}` can say whose a row is (integers or texts that repeat, as `user_id`)"
        );
        return Err(OutlineProblem { what, help: Some(HelpTopic::NameKey) });
    };
    if let Some(wished) = &wishes.time
        && group.has_column(wished)
        && times
            .first()
            .and_then(|time| columns.get(time.index))
            .is_none_or(|column| column.stored != *wished)
    {
        let what = format!(
            "the column `{wished}` of `{path}` cannot be read as times: write RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970"
        );
        return Err(what.into());
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
    source.columns.get(key.index).map(|column| column.data_type)
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
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    let all = group.columns();
    let names = column_names(all.iter().map(|column| column.name.as_str()));
    for (name, merged) in names.into_iter().zip(all) {
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
        // Keys with nulls are floats where pandas wrote them.
        let is_whole = |value: &Value| match value {
            Value::Float64(value) => Given::Double(*value).exactly(Scalar::Int64).is_some(),
            value => value.is_null(),
        };
        let is_float = data_type == Scalar::Float64.into();
        if is_float && sounds_like_key(&plain(&merged.name)) && merged.values().all(is_whole) {
            data_type = Scalar::Int64.into();
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
