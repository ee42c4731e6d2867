//! Push: rows into a topic on disk, checked as a push over HTTP is. Where the project is served, the server takes them;
//! else they are appended here.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use feature::{Advice, Name, VersionId};
use files::{Line, append_line};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use server::{PushSource, PushedRows, RefusedRow, push_rows};

use super::lost_topics::warn_of_lost_topics;
use super::served_at::served_at;
use super::sources::PushSources;
use super::topics::Topics;
use crate::error::ProjectError;
use crate::project::Project;
use crate::remote::RemoteReads;
use crate::server_error::ServerError;
use crate::settings::ClientToken;

/// Rows that are made durable together.
const ROWS_AT_ONCE: usize = 5_000;
/// Bytes after which rows are not waited for: a server takes no request of any length.
const BYTES_AT_ONCE: usize = 2 << 20;
/// Bytes of one row, at most: no topic takes a longer one.
const MOST_LINE_BYTES: usize = 8 << 20;
/// How long a server may take over rows.
const ANSWERING: Duration = Duration::from_secs(60);

/// The outcome for rows that were pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The source.
    pub source: Name,
    /// The topic that they are in.
    pub topic: String,
    /// How many were taken.
    pub taken: usize,
    /// The offset of the first of them.
    pub first_offset: Option<u64>,
    /// Those that were refused, in their order.
    pub refused: Vec<RefusedLine>,
    /// How many rows do not pass the `where` of a view, for the views with such rows.
    pub filtered: BTreeMap<VersionId, u64>,
}

/// A row that was refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RefusedLine {
    /// Its line, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// Pushes rows, a JSON object on each line. All that are taken are durable once it returns.
pub(crate) async fn push(
    project: &Project,
    source: &Name,
    lines: impl BufRead,
) -> Result<Pushed, ProjectError> {
    push_lines(Pushing::begin(project, source).await?, lines).await
}

/// The same into a server of another machine.
pub(crate) async fn push_remotely(
    server: &RemoteReads,
    source: &Name,
    lines: impl BufRead,
) -> Result<Pushed, ProjectError> {
    let mut pushing = Pushing::of(source.clone(), String::new(), Receiver::Remote(server));
    pushing.is_sent = false;
    push_lines(pushing, lines).await
}

async fn push_lines(mut pushing: Pushing<'_>, mut lines: impl BufRead) -> Result<Pushed, ProjectError> {
    let (mut rows, mut bytes, mut number) = (Vec::new(), 0, 0);
    loop {
        let mut line = Vec::new();
        number += 1;
        match append_line(&mut lines, &mut line, MOST_LINE_BYTES).map_err(ProjectError::Lines)? {
            Line::None => break,
            Line::Whole => match row(&line) {
                Ok(row) => rows.extend(row.map(|row| (number, row))),
                Err(why) => pushing.refuse(number, why),
            },
            Line::TooLong => {
                pushing.refuse(
                    number,
                    format!("it is longer than the {MOST_LINE_BYTES} bytes that a row may have"),
                );
                lines.skip_until(b'\n').map_err(ProjectError::Lines)?;
            }
        }
        bytes += line.len();
        if rows.len() == ROWS_AT_ONCE || bytes >= BYTES_AT_ONCE {
            pushing.add(std::mem::take(&mut rows)).await?;
            bytes = 0;
        }
    }
    pushing.add(rows).await?;
    pushing.pushed.refused.sort();
    Ok(pushing.pushed)
}

/// The row of a line; `None` where it is blank.
fn row(line: &[u8]) -> Result<Option<Box<RawValue>>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(line).map(Some).map_err(|error| format!("it is no JSON object ({error})"))
}

/// Who takes the rows, and the outcome so far.
struct Pushing<'a> {
    receiver: Receiver<'a>,
    pushed: Pushed,
    /// Whether rows were sent, so that it is known that there is such a source.
    is_sent: bool,
}

/// Who takes the rows.
enum Receiver<'a> {
    /// The server of the project.
    Server(Server),
    /// Topics on disk.
    Topics(Box<Topics>, PushSource),
    /// A server over gRPC.
    Remote(&'a RemoteReads),
}

impl<'a> Pushing<'a> {
    async fn begin(project: &Project, source: &Name) -> Result<Self, ProjectError> {
        let (registry, registered) = project.registry_in_use().await?;
        let name = registered.source(source)?.name.clone();
        let all = PushSources::new(project).of(&registered)?;
        let Some(source) = all.into_iter().find(|pushed| pushed.name == name) else {
            return Err(ProjectError::SourceWithoutViews { source_name: name });
        };
        if let Some(why) = &source.refusal {
            return Err(ProjectError::NotPushable { source_name: name, why: why.clone() });
        }
        let topic = source.topic.clone();
        let receiver = match served_at(project)? {
            Some(address) => Receiver::Server(Server::at(address, project.settings.token.clone())?),
            None => {
                warn_of_lost_topics(project, &registry, &registered).await;
                let topics = Topics::new(project, Arc::default());
                topics.follow(&registered)?;
                Receiver::Topics(Box::new(topics), source)
            }
        };
        Ok(Self::of(name, topic, receiver))
    }

    fn of(source: Name, topic: String, receiver: Receiver<'a>) -> Self {
        let pushed = Pushed {
            source,
            topic,
            taken: 0,
            first_offset: None,
            refused: Vec::new(),
            filtered: BTreeMap::new(),
        };
        Self { receiver, pushed, is_sent: true }
    }

    fn refuse(&mut self, line: usize, reason: String) {
        self.pushed.refused.push(RefusedLine { line, reason });
    }

    async fn add(&mut self, rows: Vec<(usize, Box<RawValue>)>) -> Result<(), ProjectError> {
        if rows.is_empty() && self.is_sent {
            return Ok(());
        }
        self.is_sent = true;
        let (lines, rows): (Vec<usize>, Vec<Box<RawValue>>) = rows.into_iter().unzip();
        let taken = match &self.receiver {
            Receiver::Server(server) => server.push(&self.pushed.source, &rows).await,
            Receiver::Topics(topics, source) => {
                push_rows(topics.as_ref(), source, &rows).await.map_err(ProjectError::from)
            }
            Receiver::Remote(server) => {
                server.push_rows(&self.pushed.source, &rows).await.map(|(topic, taken)| {
                    self.pushed.topic = topic;
                    taken
                })
            }
        };
        let taken = taken.map_err(|error| match self.pushed.taken {
            0 => error,
            taken => ProjectError::PushedInPart { taken, source: Box::new(error) },
        })?;
        self.pushed.taken += taken.taken;
        self.pushed.first_offset = self.pushed.first_offset.or(taken.first_offset);
        for (view, rows) in taken.filtered {
            *self.pushed.filtered.entry(view).or_default() += rows;
        }
        for row in taken.refused {
            let view = row.view.map(|view| format!("{view}: ")).unwrap_or_default();
            let line = lines.get(row.index).copied().unwrap_or(row.index + 1);
            self.refuse(line, format!("{view}{}", row.reason));
        }
        Ok(())
    }
}

/// The server of the project.
struct Server {
    address: SocketAddr,
    client: reqwest::Client,
    token: ClientToken,
}

/// What is pushed.
#[derive(Serialize)]
struct Body<'a> {
    source: &'a str,
    rows: &'a [Box<RawValue>],
}

/// What it answers, refused or not.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    taken: usize,
    #[serde(default)]
    refused: Vec<Refused>,
    #[serde(default)]
    filtered: BTreeMap<VersionId, u64>,
    first_offset: Option<u64>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refused {
    index: usize,
    view: Option<VersionId>,
    reason: String,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    message: String,
    #[serde(default)]
    help: String,
}

/// What is done after a refusal with this code.
fn advice(code: &str) -> Advice {
    match code {
        "OVERLOADED" | "UNAVAILABLE" => Advice::Retry,
        // Sent again, rows might be there twice.
        "DEADLINE_EXCEEDED" | "INTERNAL" => Advice::Stop,
        _ => Advice::Correct,
    }
}

impl Server {
    fn at(address: SocketAddr, token: ClientToken) -> Result<Self, ProjectError> {
        let client = reqwest::Client::builder().timeout(ANSWERING).no_proxy().build();
        Ok(Self { address, client: client.map_err(ServerError::NoClient)?, token })
    }

    async fn push(&self, source: &Name, rows: &[Box<RawValue>]) -> Result<PushedRows, ProjectError> {
        let failed = |error: reqwest::Error| match error.is_connect() {
            true => self.failed(error.without_url().into()),
            // The server may have seen them.
            false => ServerError::PushUnknown {
                address: self.address.to_string(),
                source: error.without_url().into(),
            },
        };
        let body = serde_json::to_vec(&Body { source: source.as_str(), rows });
        let body = body.map_err(|error| self.failed(error.into()))?;
        let request = self.client.post(format!("http://{}/v1/push", self.address)).body(body);
        let request = request.header("content-type", "application/json");
        let request = match self.token.get() {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let body = request.send().await.map_err(failed)?.bytes().await.map_err(failed)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| self.failed(error.into()))?;
        match answer.error {
            Some(Refusal { code, message, help }) if answer.refused.is_empty() => {
                let advice = advice(&code);
                Err(ServerError::PushRefused { address: self.address, advice, message, help }.into())
            }
            _ => Ok(PushedRows {
                taken: answer.taken,
                refused: answer
                    .refused
                    .into_iter()
                    .map(|row| RefusedRow { index: row.index, view: row.view, reason: row.reason })
                    .collect(),
                filtered: answer.filtered.into_iter().collect(),
                first_offset: answer.first_offset,
            }),
        }
    }

    fn failed(&self, source: Box<dyn std::error::Error + Send + Sync>) -> ServerError {
        ServerError::PushFailed { address: self.address, source }
    }
}
