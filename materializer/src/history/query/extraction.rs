//! An extraction: the whole query in one read-only transaction on one snapshot, its rows streamed, the new ones written
//! into the next extract of the source.

use std::path::Path;
use std::pin::pin;

use bytes::Bytes;
use feature::{Batch, BatchQuery, Micros, Name, Source};
use futures::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;

use super::connecting::{Database, Session, why};
use super::extracted_rows::{Cursor, ExtractedRows};
use super::extracts::Extracts;
use super::new_extract::{Extracted, NewExtract};
use super::query_columns::{Holds, QueryColumn, query_columns};
use crate::blocking;
use crate::error::MaterializerError;

/// Rows that go to the writer at once, at most.
const ROWS_AT_ONCE: usize = 4_096;
/// Parts of so many rows that may wait for the writer.
const PARTS_WAITING: usize = 4;

/// What an extraction did.
#[derive(Clone, Debug, Serialize)]
pub struct ExtractReport {
    /// The source.
    pub source: Name,
    /// Where its database is, without the login.
    pub database: String,
    /// Rows that the query gave.
    pub rows_read: u64,
    /// Those of them that no earlier extract has.
    pub rows_new: u64,
    /// Rows of earlier extracts that the query does not give any more: they were changed or deleted, and stay in the log.
    pub rows_gone: u64,
    /// With a cursor from when on the query was read; `None` if all of it was.
    pub read_from: Option<Micros>,
    /// The file that has the new rows; `None` if there are none.
    pub file: Option<String>,
}

/// Extracts the rows of a source's query that no earlier extract has. `progress` is called with the number of more rows
/// that were read. Where it fails or is dropped, there is no new extract, and the query ends.
pub async fn extract(
    project: &Path,
    (source, query): (&Source, &BatchQuery),
    database: &Database,
    progress: impl Fn(u64),
) -> Result<ExtractReport, MaterializerError> {
    let at = At { source, database };
    let extracts = Extracts::of(project, &source.name);
    let lock = extracts.lock().await?;
    let session = database.connect().await.map_err(|why| at.unreachable(&why))?;
    let found = described(&session, &query.sql).await.map_err(|error| at.failed(&error, 0))?;
    let columns = query_columns(source, &found);
    let columns = columns.map_err(|found| at.wrong(found.into_iter().map(|(_, what)| what).collect()))?;
    if columns.is_empty() {
        return Err(at.wrong(vec!["the query gives none of the source's columns".to_owned()]));
    }
    let cursor = cursor(source, query, &columns).map_err(|what| at.wrong(vec![what]))?;
    let (number, known) = {
        let (extracts, columns, cursor) = (extracts.clone(), columns.clone(), cursor.clone());
        let read = move || {
            let files = extracts.whole()?;
            let known = ExtractedRows::read(&files, &columns, cursor.as_ref())?;
            Ok::<_, MaterializerError>((files.len() + 1, known))
        };
        blocking::run(read).await??
    };
    let number = u32::try_from(number).map_err(|_| extracts.wrong("it has too many extracts".to_owned()))?;
    let read_from = known.bound;
    let copy = copy(&query.sql, &columns, cursor.as_ref().zip(read_from));
    // Not before the earlier extracts are read, which takes long where they are many: a server ends transactions that idle.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    session.client.batch_execute(begin).await.map_err(|error| at.failed(&error, 0))?;
    if described(&session, &query.sql).await.map_err(|error| at.failed(&error, 0))? != found {
        return Err(at.wrong(vec!["its columns changed while it was begun: load again".to_owned()]));
    }
    let writer = Writer::start(NewExtract::new((extracts, lock), number, columns, known));
    let extracted = copied(&session, &copy, writer, &at, progress).await?;
    Ok(ExtractReport {
        source: source.name.clone(),
        database: database.to_string(),
        rows_read: extracted.rows_read,
        rows_new: extracted.rows_new,
        rows_gone: extracted.rows_gone,
        read_from,
        file: extracted.file,
    })
}

/// The query of which source, and where: what errors name.
pub(super) struct At<'a> {
    pub(super) source: &'a Source,
    pub(super) database: &'a Database,
}

impl At<'_> {
    fn unreachable(&self, why: &str) -> MaterializerError {
        self.lost(format!("cannot be reached: {why}"))
    }

    /// An error of the database after so many rows.
    fn failed(&self, error: &tokio_postgres::Error, rows: u64) -> MaterializerError {
        let why = why(error);
        match error.as_db_error() {
            // It has something to say of the query itself; others end any query.
            Some(said) if !is_of_server(said.code().code()) => self.wrong(vec![why]),
            _ => self.lost(format!(
                "was lost after {} of the query: {why}; nothing of this extract is kept",
                feature::counted(rows, "row")
            )),
        }
    }

    fn lost(&self, why: String) -> MaterializerError {
        let (source_name, database) = (self.source.name.to_string(), self.database.to_string());
        MaterializerError::Database { source_name, database, why }
    }

    fn wrong(&self, problems: Vec<String>) -> MaterializerError {
        let (source_name, database) = (self.source.name.to_string(), self.database.to_string());
        MaterializerError::Query { source_name, database, problems }
    }
}

/// Whether an error concerns the server or the connection, by its class: connections, resources, the operator, the system
/// and the server itself. A query that takes longer than it may is one to correct.
fn is_of_server(code: &str) -> bool {
    const CANCELED: &str = "57014";
    code != CANCELED && ["08", "53", "57", "58", "XX", "40"].iter().any(|class| code.starts_with(class))
}

/// The names and types of a query's columns.
pub(super) async fn described(
    session: &Session,
    sql: &str,
) -> Result<Vec<(String, Type)>, tokio_postgres::Error> {
    let statement = session.client.prepare(&format!("SELECT * FROM {}", inner(sql))).await?;
    let columns = statement.columns().iter();
    Ok(columns.map(|column| (column.name().to_owned(), column.type_().clone())).collect())
}

/// A query as a part of another one. Its end is on a line of its own, as it may end in a comment.
fn inner(sql: &str) -> String {
    format!("(\n{}\n) AS query", sql.trim().trim_end_matches(';'))
}

/// The command that copies the rows of a query, with a cursor those from its bound on, and those whose cursor has no
/// moment of the years that are read.
fn copy(sql: &str, columns: &[QueryColumn], from: Option<(&Cursor, Micros)>) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let condition = from.map_or_else(String::new, |(cursor, bound)| {
        let column = quoted(&cursor.column.name);
        let of_type = match cursor.column.holds {
            Holds::Date => "date",
            Holds::Timestamp => "timestamp",
            _ => "timestamptz",
        };
        format!(" WHERE {column} >= '{bound}'::{of_type} OR {column} IS NULL OR {column} < '0001-01-01'::{of_type}")
    });
    format!("COPY (SELECT {} FROM {}{condition}) TO STDOUT", names.join(", "), inner(sql))
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The cursor of a query among its columns.
fn cursor(source: &Source, query: &BatchQuery, columns: &[QueryColumn]) -> Result<Option<Cursor>, String> {
    let Some(name) = &query.cursor else { return Ok(None) };
    let stored = source.stored_name(name);
    let column = columns.iter().find(|column| column.name == stored).cloned();
    let column =
        column.ok_or_else(|| format!("the query gives no column `{stored}`, which is its cursor"))?;
    Ok(Some(Cursor { column, lookback: query.lookback.unwrap_or(Batch::DEFAULT_LOOKBACK) }))
}

/// A thread that writes the rows which it gets.
struct Writer {
    rows: mpsc::Sender<Part>,
    task: JoinHandle<Result<Option<Extracted>, MaterializerError>>,
}

enum Part {
    Rows(Vec<Bytes>),
    /// All rows were there.
    End,
}

impl Writer {
    fn start(mut extract: NewExtract) -> Self {
        let (rows, mut parts) = mpsc::channel(PARTS_WAITING);
        let task = blocking::start(move || {
            while let Some(part) = parts.blocking_recv() {
                match part {
                    Part::Rows(rows) => extract.add(&rows)?,
                    Part::End => return extract.finish().map(Some),
                }
            }
            // The extraction ended before its rows did.
            Ok(None)
        });
        Self { rows, task }
    }
}

/// Copies the rows of a query to the writer.
async fn copied(
    session: &Session,
    copy: &str,
    writer: Writer,
    at: &At<'_>,
    progress: impl Fn(u64),
) -> Result<Extracted, MaterializerError> {
    let Writer { rows, task } = writer;
    let mut read = 0;
    let sent = async {
        let stream = session.client.copy_out(copy).await.map_err(|error| at.failed(&error, 0))?;
        let mut parts = pin!(stream.ready_chunks(ROWS_AT_ONCE));
        while let Some(part) = parts.next().await {
            let count = part.len() as u64;
            let part: Result<Vec<Bytes>, _> = part.into_iter().collect();
            let part = part.map_err(|error| at.failed(&error, read))?;
            read += count;
            progress(count);
            if rows.send(Part::Rows(part)).await.is_err() {
                // The writer has failed, and says why.
                return Ok(());
            }
        }
        drop(rows.send(Part::End).await);
        Ok::<_, MaterializerError>(())
    };
    let sent = sent.await;
    drop(rows);
    let written = blocking::ended(task).await;
    sent?;
    let written = written??;
    written.ok_or_else(|| at.lost("gave no end of the query: nothing of this extract is kept".to_owned()))
}
