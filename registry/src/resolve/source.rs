//! Entities and sources.

use feature::{Batch, DataType, Field, Name, Scalar, Source, Span, Stream, StreamFormat};

use crate::definition::{Body, Definition, Entity};
use crate::draft::Draft;
use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::Node;

/// The fields of a map from names to types. Those that are wrong were reported by their shape.
pub(super) fn fields(node: Option<&Node>) -> Vec<Field> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let field = |entry: &crate::yaml::Entry| {
        let data_type = entry.value.text()?.parse().ok()?;
        Some(Field { name: entry.key.parse().ok()?, data_type })
    };
    entries.iter().filter_map(field).collect()
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
    // A column whose type is wrong was reported already: it is there all the same.
    let columns: Vec<&str> =
        root.get("schema").map(Node::entries).unwrap_or_default().iter().map(|e| e.key.as_str()).collect();
    let mut time_column = |key: &str| {
        let node = root.get(key)?;
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
        Some(name)
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
    let batch = root.get("batch").and_then(|batch| Some(Batch { path: batch.string("path")? }));
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
