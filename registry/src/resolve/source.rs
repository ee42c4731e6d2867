//! Entities and sources.

use std::collections::BTreeMap;

use feature::{DataType, Field, Name, Scalar, Source, SourceTime, Span, StoredColumn, Stream, StreamFormat};

use super::batch;
use crate::body::{Body, Entity};
use crate::definition::Definition;
use crate::draft::Draft;
use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::Node;

/// The fields of a map from names to types. Those that are wrong were reported by their shape.
pub(super) fn fields(node: Option<&Node>) -> Vec<Field> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let field = |entry: &crate::yaml::Entry| {
        let node = entry.value.get("type").unwrap_or(&entry.value);
        let data_type = node.text()?.parse().ok()?;
        Some(Field { name: entry.key.parse().ok()?, data_type })
    };
    entries.iter().filter_map(field).collect()
}

/// Where columns lie under another name, or may be missing. Two columns of one name in the files are refused.
fn stored(node: Option<&Node>, context: &str, report: &mut Report<'_>) -> BTreeMap<Name, StoredColumn> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let mut stored = BTreeMap::new();
    let mut readers: BTreeMap<String, &str> = BTreeMap::new();
    for entry in entries {
        let column = entry.value.string("column");
        let lies_as = column.clone().unwrap_or_else(|| entry.key.clone());
        if let Some(other) = readers.insert(lies_as.clone(), &entry.key) {
            let what = format!(
                "{context}: `{other}` and `{}` both read the column `{lies_as}` of its files: remove one",
                entry.key
            );
            report.at(entry.at, what);
        }
        let optional = entry.value.string("optional").as_deref() == Some("true");
        if let Ok(name) = entry.key.parse::<Name>()
            && (column.is_some() || optional)
        {
            stored.insert(name, StoredColumn { column, optional });
        }
    }
    stored
}

/// An expression for a time, which has to give a timestamp.
fn sql_time(
    schema: &[Field],
    node: &Node,
    key: &str,
    context: &str,
    report: &mut Report<'_>,
) -> Option<SourceTime> {
    let sql = node.string("sql")?;
    let timestamp = DataType::from(Scalar::Timestamp);
    match transform::Expression::compile(schema, &sql) {
        Err(error) => report.at(node.at, format!("`{key}` of {context}: {error}")),
        Ok(compiled) if compiled.data_type() != timestamp => {
            let found = compiled.data_type();
            let what = format!(
                "`{key}` of {context} gives {found}: it must give a timestamp, as `to_timestamp_millis(…)` does"
            );
            report.at(node.at, what);
        }
        Ok(_) => {}
    }
    Some(SourceTime::Sql { sql })
}

pub(super) fn entity(draft: &Draft, report: &mut Report<'_>) -> Option<Definition> {
    let node = draft.root().get("keys")?;
    let keys = fields(Some(node));
    for key in &keys {
        if !key.data_type.scalar().is_some_and(Scalar::is_key) {
            let at = node.get(key.name.as_str()).map_or(node.at, |node| node.at);
            let what = format!(
                "join key `{}` of {} is {}: a key is bool, int32, int64, string, bytes or timestamp",
                key.name,
                draft.context(),
                key.data_type
            );
            report.at(at, what);
        }
    }
    let entity = Entity { name: draft.id.name.clone(), keys, about: draft.about() };
    Some(Definition::unversioned(Body::Entity(entity), &draft.document.text, &draft.document.file))
}

pub(super) fn source(draft: &Draft, report: &mut Report<'_>) -> Option<Definition> {
    let (root, context) = (draft.root(), draft.context());
    let schema = fields(root.get("schema"));
    let stored = stored(root.get("schema"), &context, report);
    // A column whose type is wrong was reported already: it is there all the same.
    let columns: Vec<&str> =
        root.get("schema").map(Node::entries).unwrap_or_default().iter().map(|e| e.key.as_str()).collect();
    let mut time_column = |key: &str| {
        let node = root.get(key)?;
        if node.get("sql").is_some() {
            return sql_time(&schema, node, key, &context, report);
        }
        let name: Name = node.text()?.parse().ok()?;
        if !columns.contains(&name.as_str()) {
            let near = did_you_mean_or_list(name.as_str(), columns.iter().copied());
            report.at(
                node.at,
                format!("`{key}` of {context} is `{name}`, which is no column of its schema{near}"),
            );
        }
        let found = schema.iter().find(|field| field.name == name);
        if let Some(field) = found.filter(|f| f.data_type != DataType::from(Scalar::Timestamp)) {
            let found = field.data_type;
            let what =
                format!("`{key}` of {context} is `{name}`, which is {found}: it must be a timestamp column");
            report.at(node.at, what);
        }
        Some(SourceTime::Column(name))
    };
    let event_time = time_column("event_time");
    let available_at = time_column("available_at");
    if let (Some(_), Some(delay)) = (root.get("available_at"), root.get("assumed_delay")) {
        let what = "`assumed_delay` and `available_at` exclude each other: a time is declared or assumed, remove one";
        report.at(delay.at, format!("{context}: {what}"));
    }
    if root.get("event_time").is_none() {
        for key in ["available_at", "assumed_delay", "allowed_lateness", "max_ahead", "stream"] {
            if let Some(node) = root.get(key) {
                let what =
                    "which a source without an event time cannot have: name its `event_time`, or remove it";
                report.at(node.at, format!("{context} has `{key}`, {what}"));
            }
        }
    }
    let batch = root.get("batch").and_then(|node| batch::batch(node, &schema, &context, report));
    let stream = root.get("stream").and_then(stream);
    if root.get("batch").is_none() && root.get("stream").is_none() {
        report.at(
            draft.at(),
            format!("{context} has neither `batch` nor `stream`: say where its rows come from"),
        );
    }
    let source = Source {
        name: draft.id.name.clone(),
        schema,
        stored,
        event_time,
        available_at,
        assumed_delay: root.parse("assumed_delay"),
        allowed_lateness: root.parse("allowed_lateness"),
        max_ahead: root.parse::<Span>("max_ahead").unwrap_or(Source::DEFAULT_MAX_AHEAD),
        batch,
        stream,
    };
    let body = Body::Source { source, about: draft.about() };
    Some(Definition::unversioned(body, &draft.document.text, &draft.document.file))
}

fn stream(node: &Node) -> Option<Stream> {
    let format = match node.get("format")?.text()? {
        "json" => StreamFormat::Json,
        "avro" => StreamFormat::Avro,
        "protobuf" => StreamFormat::Protobuf,
        _ => return None,
    };
    Some(Stream {
        topic: node.string("topic")?,
        format,
        from: node.parse("from"),
        schema: node.string("schema"),
        message: node.string("message"),
    })
}
