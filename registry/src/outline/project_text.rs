//! The definitions as they are written, and a spine for a first training set. Each choice has a comment that says
//! what else there was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use feature::{BatchFormat, Micros, Name, Scalar, Span, Value, excerpt};

use super::legal_name::legal_name;
use super::outlined_column::OutlinedColumn;
use super::outlined_source::OutlinedSource;
use super::roles::{self, Time, sounds_like_key};
use super::yaml_text::{one_line, quoted, quoted_type, sql_value, yaml_key};

/// Definitions and what goes with them.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The definitions, with comments.
    pub definitions: String,
    /// A spine in CSV: the keys of some rows, each with a time.
    pub labels: String,
    /// What its column of times is called.
    pub label_time: String,
    /// The service's name.
    pub service: String,
    /// Join keys of a row that is there, as `get` takes them.
    pub keys: Vec<(Name, String)>,
    /// A time after all rows; `None` if no row says when it happened, or not all were seen.
    pub at: Option<Micros>,
    /// What was chosen, a sentence each.
    pub choices: Vec<String>,
    /// Whether a source is static because none of its columns says when a row happened.
    pub is_without_time: bool,
}

/// Features of a view that are latest values, at most.
const MOST_LATEST: usize = 40;
/// Rows of the spine.
const LABELS: usize = 20;
/// The delay that is assumed, five minutes.
const DELAY_US: i64 = 300_000_000;

/// The definitions of these sources, and what goes with them.
pub(crate) fn outline(sources: &[OutlinedSource]) -> Outline {
    let mut text = HEAD.to_owned();
    let mut entities: BTreeSet<&Name> = BTreeSet::new();
    for source in sources {
        if entities.insert(&source.entity) {
            let data_type = source.key().map(|key| key.data_type.to_string()).unwrap_or_default();
            let (entity, key) = (&source.entity, &source.entity_key);
            text.push_str(&format!(
                "---\nkind: entity\nname: {entity}\nkeys: {{{}: {data_type}}}\n",
                yaml_key(key.as_str())
            ));
        }
    }
    let mut choices = Vec::new();
    for source in sources {
        source_text(source, &mut text);
        view_text(source, &mut text);
        choices.push(source.chosen());
    }
    let service = match (entities.first(), entities.len()) {
        (Some(entity), 1) => format!("{entity}_features"),
        _ => "features".to_owned(),
    };
    service_text(sources, &service, &mut text);
    let at = after_all(sources);
    let label_time = label_time(sources);
    let (labels, keys) = labels(sources, &label_time, at);
    // The online store answers no moment before rows that it has, and not all of them were seen.
    let is_whole = sources.iter().all(|source| source.group.files.iter().all(|file| file.is_whole));
    let is_without_time = sources.iter().any(|source| source.times.is_empty());
    Outline {
        definitions: text,
        labels,
        label_time,
        service,
        keys,
        at: at.filter(|_| is_whole),
        choices,
        is_without_time,
    }
}

const HEAD: &str = "\
# Written from files, by what their columns are called and a sample of their values. Change what is not meant: until a
# view is loaded for the first time, everything may be edited.
";

impl OutlinedSource {
    fn key(&self) -> Option<&OutlinedColumn> {
        self.columns.get(self.keys.first()?.index)
    }

    fn event(&self) -> Option<&OutlinedColumn> {
        self.columns.get(self.times.first()?.index)
    }

    /// What is said where a column would be the event time if its texts could be read.
    fn unread_time(&self) -> String {
        match roles::unread_time(&self.columns).filter(|_| self.times.is_empty()) {
            Some((column, text)) => format!(
                "; `{}` sounds like the time of an event, and `{}` is in no format that is known: where it is one, set event_time to an \
                 expression that reads it, or labels get rows that came after them",
                column.stored,
                excerpt(text, 40)
            ),
            None => String::new(),
        }
    }

    /// What was chosen, in a sentence.
    fn chosen(&self) -> String {
        let key = self.key().map(|key| key.stored.as_str()).unwrap_or_default();
        let files = match self.group.files.len() {
            1 => format!("`{}`", self.group.path),
            n => format!("`{}` ({n} files)", self.group.path),
        };
        let time = match (self.event(), self.times.first()) {
            (Some(column), Some(time)) if time.how.is_empty() => {
                format!("event time from `{}`", column.stored)
            }
            (Some(column), Some(time)) => format!("event time from `{}` ({})", column.stored, time.how),
            _ => format!(
                "no event time: a static source, whose rows hold from their load on{}",
                self.unread_time()
            ),
        };
        format!("source `{}` from {files}: entity `{}` by `{key}`, {time}", self.name, self.entity)
    }
}

fn source_text(source: &OutlinedSource, text: &mut String) {
    let _ = writeln!(text, "---\nkind: source\nname: {}", source.name);
    let is_whole = source.group.files.iter().all(|file| file.is_whole);
    let is_typed = matches!(source.group.format(), Some(BatchFormat::Parquet | BatchFormat::Delta));
    if !is_whole && !is_typed {
        text.push_str("# Types are those of the first rows of its files: a later value that is of another makes its row a dead letter.\n");
    }
    for left_out in &source.left_out {
        let _ = writeln!(text, "# {}", one_line(left_out));
    }
    text.push_str("schema:\n");
    for column in &source.columns {
        let name = yaml_key(column.name.as_str());
        let note = column.note.as_ref().map(|note| format!("   # {}", one_line(note))).unwrap_or_default();
        let is_plain = column.stored == column.name.as_str() && !column.is_optional;
        let _ = match is_plain {
            true => writeln!(text, "  {name}: {}{note}", column.data_type),
            false => {
                let mut parts = format!("type: {}", quoted_type(column.data_type));
                if column.stored != column.name.as_str() {
                    let _ = write!(parts, ", column: {}", quoted(&column.stored));
                }
                if column.is_optional {
                    parts.push_str(", optional: true");
                }
                writeln!(text, "  {name}: {{{parts}}}{note}")
            }
        };
    }
    times_text(source, text);
    let _ = writeln!(text, "batch: {{path: {}}}", quoted(&source.group.path));
}

fn times_text(source: &OutlinedSource, text: &mut String) {
    let (Some(time), Some(column)) = (source.times.first(), source.event()) else {
        text.push_str("# No column says when a row happened, so the source is static: its rows hold from their load on. Name a time\n# with `event_time: COLUMN` for windows and for training at the moment of each label.\n");
        return;
    };
    let others = source.times.iter().skip(1).filter_map(|time| source.columns.get(time.index));
    let others: Vec<String> = others.map(|column| format!("`{}`", column.name)).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "# When a row happened; it could also be {}.", others.join(", "));
    }
    let value = |time: &Time, column: &OutlinedColumn| match &time.sql {
        Some(sql) => format!("{{sql: {}}}", quoted(sql)),
        None => yaml_key(column.name.as_str()),
    };
    let how = if time.how.is_empty() { String::new() } else { format!("   # {}", one_line(&time.how)) };
    let _ = writeln!(text, "event_time: {}{how}", value(time, column));
    match source.available.as_ref().and_then(|time| Some((time, source.columns.get(time.index)?))) {
        Some((time, column)) => {
            let _ = writeln!(
                text,
                "# When a row could first be read: no label before that sees it.\navailable_at: {}",
                value(time, column)
            );
        }
        None => {
            let delay = if are_dates(time) { "1d" } else { "5m" };
            let _ = writeln!(
                text,
                "# How long after it happened a row of history could first be read: no label before that sees it. A guess: write what\n# your data takes, or name the column that says it as `available_at`.\nassumed_delay: {delay}"
            );
        }
    }
}

/// Whether times are dates alone: what happened in the course of a date is not known at its beginning.
fn are_dates(time: &Time) -> bool {
    let mut moments = time.moments.iter().flatten().peekable();
    moments.peek().is_some() && moments.all(|at| at.rem_euclid(Span::DAY.micros()) == 0)
}

fn view_text(source: &OutlinedSource, text: &mut String) {
    let Some(key) = source.key() else { return };
    let others = source.keys.iter().skip(1).filter_map(|key| source.columns.get(key.index));
    let others: Vec<String> = others
        .filter(|column| sounds_like_key(column.name.as_str()))
        .map(|column| format!("`{}`", column.name))
        .collect();
    let _ = writeln!(
        text,
        "---\nkind: feature_view\nname: {}\nversion: 1\nentity: {}",
        view_name(source),
        source.entity
    );
    let _ = writeln!(text, "source: {}", source.name);
    if !others.is_empty() {
        let _ = writeln!(
            text,
            "# Whose a row is; it could also be of {}: views of other entities read the same source.",
            others.join(", ")
        );
    }
    if source.entity_key != key.name || key.sql() != key.name.as_str() {
        let _ = writeln!(text, "keys: {{{}: {}}}", yaml_key(source.entity_key.as_str()), quoted(&key.sql()));
    }
    text.push_str("features:\n");
    let mut taken: BTreeSet<String> = [key.name.to_string(), source.entity_key.to_string()].into();
    let is_role = |column: &OutlinedColumn| {
        let times = source.times.first().into_iter().chain(&source.available);
        column.name == key.name
            || times.filter_map(|time| source.columns.get(time.index)).any(|time| time.name == column.name)
    };
    let columns: Vec<&OutlinedColumn> = source.columns.iter().filter(|column| !is_role(column)).collect();
    for column in columns.iter().take(MOST_LATEST) {
        if let Some(name) = legal_name(column.name.as_str(), "value", &mut taken) {
            let _ = writeln!(text, "  {}: {{latest: {}}}", yaml_key(name.as_str()), sql_value(&column.sql()));
        }
    }
    if columns.len() > MOST_LATEST {
        let _ = writeln!(text, "  # {} more columns may be features.", columns.len() - MOST_LATEST);
    }
    if source.times.is_empty() {
        if columns.is_empty() {
            let _ = writeln!(text, "  is_known: {{latest: \"true\"}}");
        }
        return;
    }
    let mut feature = |wanted: &str, fold: String| {
        if let Some(name) = legal_name(wanted, "value", &mut taken) {
            let _ = writeln!(text, "  {}: {{aggregate: {fold}, window: 7d}}", yaml_key(name.as_str()));
        }
    };
    feature("rows_7d", "count".to_owned());
    let is_number = |column: &&&OutlinedColumn| {
        let scalar = column.data_type.scalar();
        let is_number = scalar
            .is_some_and(|s| matches!(s, Scalar::Int32 | Scalar::Int64 | Scalar::Float32 | Scalar::Float64));
        let is_time = source
            .times
            .iter()
            .filter_map(|time| source.columns.get(time.index))
            .any(|time| time.name == column.name);
        is_number && !is_time && !sounds_like_key(column.name.as_str())
    };
    let floats = columns
        .iter()
        .filter(is_number)
        .find(|column| !matches!(column.data_type.scalar(), Some(Scalar::Int32 | Scalar::Int64)));
    if let Some(column) = floats.or_else(|| columns.iter().find(is_number)) {
        feature(&format!("mean_{}_7d", column.name), sql_value(&format!("mean({})", column.sql())));
    }
}

fn view_name(source: &OutlinedSource) -> Name {
    format!("{}_{}", source.entity, source.name).parse().unwrap_or_else(|_| source.name.clone())
}

fn service_text(sources: &[OutlinedSource], service: &str, text: &mut String) {
    let _ = writeln!(text, "---\nkind: feature_service\nname: {service}\nversion: 1\nfeatures:");
    for source in sources {
        let prefix = if sources.len() > 1 { format!(", prefix: {}_", source.name) } else { String::new() };
        let _ = writeln!(text, "  - {{from: {}@1{prefix}}}", view_name(source));
    }
}

/// A time after all that was seen; `None` if nothing says when it happened.
fn after_all(sources: &[OutlinedSource]) -> Option<Micros> {
    let moments = sources.iter().flat_map(|source| source.times.first().into_iter().chain(&source.available));
    let last = moments.flat_map(|time| &time.moments).flatten().max().copied()?;
    let are_dates = sources.iter().filter_map(|source| source.times.first()).any(are_dates);
    let delay = if are_dates { Span::DAY.micros() } else { DELAY_US };
    Micros::new(last.saturating_add(2 * delay)).ok()
}

/// A name for the times of a spine that no key and no feature has.
fn label_time(sources: &[OutlinedSource]) -> String {
    let is_taken = |name: &String| {
        sources.iter().any(|source| {
            let of_source = |column: &OutlinedColumn| {
                column.name.as_str() == name || format!("{}_{}", source.name, column.name) == *name
            };
            source.entity_key.as_str() == name || source.columns.iter().any(of_source)
        })
    };
    let numbered = (2_u32..).map(|number| format!("label_time_{number}"));
    let mut names = std::iter::once("label_time".to_owned()).chain(numbered);
    names.find(|name| !is_taken(name)).expect("invariant: sources have fewer columns than there are numbers")
}

/// A spine of some keys, with one time for all of them. And the keys of its first row.
fn labels(sources: &[OutlinedSource], label_time: &str, at: Option<Micros>) -> (String, Vec<(Name, String)>) {
    let mut keys: BTreeMap<&Name, Vec<String>> = BTreeMap::new();
    for source in sources {
        let Some(key) = source.key() else { continue };
        let seen = keys.entry(&source.entity_key).or_default();
        for value in key.values.iter().filter(|value| !value.is_null()) {
            let text = csv_text(value);
            if seen.len() < LABELS && !seen.contains(&text) {
                seen.push(text);
            }
        }
    }
    let at = at.map_or_else(|| "2100-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    let rows = keys.values().map(Vec::len).max().unwrap_or(0);
    let mut text: String = keys.keys().map(|name| format!("{name},")).collect();
    text.push_str(label_time);
    text.push('\n');
    for row in 0..rows {
        for seen in keys.values() {
            let value = seen.get(row % seen.len().max(1)).map(String::as_str).unwrap_or_default();
            text.push_str(&csv_field(value));
            text.push(',');
        }
        text.push_str(&at);
        text.push('\n');
    }
    let first = keys.iter().filter_map(|(name, seen)| Some(((*name).clone(), seen.first()?.clone())));
    let first = first.collect();
    (text, first)
}

fn csv_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        value => value.to_string(),
    }
}

fn csv_field(text: &str) -> String {
    match text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
