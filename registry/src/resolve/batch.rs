//! Where a source's history lies: in files or in a database, of which each has keys of its own. A password is refused:
//! definitions lie in git and in the registry.

use feature::{
    Batch, BatchFiles, BatchFormat, BatchQuery, DataType, DatabaseConnection, Field, Name, Scalar,
};

use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::yaml::Node;

/// What a source's `batch` says; `None` if it says neither.
pub(super) fn batch(node: &Node, schema: &[Field], context: &str, report: &mut Report<'_>) -> Option<Batch> {
    let keys = ["sql", "connection", "cursor", "lookback"];
    let of_query = keys.into_iter().filter_map(|key| node.get(key).map(|found| (key, found)));
    let of_query: Vec<(&str, &Node)> = of_query.collect();
    if node.get("path").is_some() {
        for (key, found) in of_query {
            let what = format!(
                "the batch of {context} has both `path` and `{key}`: its rows lie in files or are those of a query, \
                 remove one"
            );
            report.at(found.at, what);
        }
        return Some(Batch::Files(BatchFiles { path: node.string("path")?, format: batch_format(node) }));
    }
    if of_query.is_empty() {
        let what = format!(
            "the batch of {context} has no `path`: add it (a file, glob, folder or Delta table), or `sql` and \
             `connection` (a query and its database)"
        );
        report.at(node.at, what);
        return None;
    }
    for (key, what) in [
        ("sql", "the query"),
        (
            "connection",
            "its database, as postgres://host:5432/database, with the user and an @ before the host",
        ),
    ] {
        if node.get(key).is_none() {
            report.at(node.at, format!("the batch of {context} has no `{key}`: add it ({what})"));
        }
    }
    if let Some(format) = node.get("format") {
        let what = format!("the batch of {context} is a query, which has no `format`: remove it");
        report.at(format.at, what);
    }
    check_connection(node, context, report);
    let cursor = cursor(node, schema, context, report);
    if let (None, Some(lookback)) = (node.get("cursor"), node.get("lookback")) {
        let what = format!(
            "the batch of {context} has a `lookback` and no `cursor`, which it looks back from: name the timestamp \
             column, or remove it"
        );
        report.at(lookback.at, what);
    }
    let lookback = node.parse("lookback").or(Some(Batch::DEFAULT_LOOKBACK)).filter(|_| cursor.is_some());
    Some(Batch::Query(BatchQuery {
        sql: node.string("sql")?,
        connection: node.string("connection")?,
        cursor,
        lookback,
    }))
}

/// Refuses what is no connection, and a password.
fn check_connection(node: &Node, context: &str, report: &mut Report<'_>) {
    let Some((found, text)) = node.get("connection").and_then(|found| Some((found, found.text()?))) else {
        return;
    };
    let what = match text.parse::<DatabaseConnection>() {
        Ok(DatabaseConnection::Url(url)) if url.password.is_some() => {
            "has a password, and definitions lie in git and in the registry: remove it, and set PGPASSWORD or a line of \
             ~/.pgpass, or name an environment variable that holds the whole URL, as in $OPS_DATABASE"
                .to_owned()
        }
        Ok(_) => return,
        Err(why) => format!("cannot be used: {why}"),
    };
    report.at(found.at, format!("the `connection` of the batch of {context} {what}"));
}

/// The column by which a query is bounded: a timestamp of the schema.
fn cursor(node: &Node, schema: &[Field], context: &str, report: &mut Report<'_>) -> Option<Name> {
    let found = node.get("cursor")?;
    let name: Name = found.text()?.parse().ok()?;
    let what = match schema.iter().find(|field| field.name == name) {
        None => {
            let near = did_you_mean_or_list(name.as_str(), schema.iter().map(|field| field.name.as_str()));
            format!("is no column of its schema{near}")
        }
        Some(field) if field.data_type != DataType::from(Scalar::Timestamp) => {
            format!("is {}: it must be a timestamp", field.data_type)
        }
        Some(_) => return Some(name),
    };
    report.at(found.at, format!("the `cursor` of {context} is `{name}`, which {what}"));
    None
}

fn batch_format(node: &Node) -> Option<BatchFormat> {
    match node.get("format")?.text()? {
        "parquet" => Some(BatchFormat::Parquet),
        "csv" => Some(BatchFormat::Csv),
        "json" => Some(BatchFormat::Json),
        "delta" => Some(BatchFormat::Delta),
        _ => None,
    }
}
