//! `push`: rows into a topic on disk, checked as a push over HTTP is. Where the project is served, the server takes
//! them; else they are appended here.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use server::{PushSource, PushedRows, push_rows};

use crate::arguments::{Format, PushArgs};
use crate::commands::serve::{Sources, Topics, served_at};
use crate::failure::Failure;
use crate::output::{self, counted};
use crate::project::Project;

/// Rows that are made durable together.
const ROWS_AT_ONCE: usize = 5_000;
/// Bytes after which rows are not waited for: a server takes no request of any length.
const BYTES_AT_ONCE: usize = 2 << 20;
/// Refused rows that are named.
const NAMED: usize = 20;
/// How long a server may take over rows.
const ANSWERING: Duration = Duration::from_secs(60);

pub async fn push(project: &Project, args: &PushArgs) -> Result<(), Failure> {
    let registered = project.registered().await?;
    let source = registered.source(&args.source)?;
    let all = Sources::new(project).of(&registered)?;
    let Some(source) = all.into_iter().find(|pushed| pushed.name == source.name) else {
        return Err(Failure::new(format!(
            "no view reads the source `{}`: define one and apply it before rows are pushed",
            source.name
        )));
    };
    if let Some(why) = &source.refusal {
        return Err(Failure::new(format!("nothing can be pushed into the source `{}`: {why}", source.name)));
    }
    let lines: Box<dyn BufRead> = match &args.file {
        Some(path) => Box::new(BufReader::new(
            File::open(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?,
        )),
        None => Box::new(stdin().lock()),
    };
    let way = match served_at(project)? {
        Some(address) => Way::Server(Server::at(address)?),
        None => {
            let topics = Topics::new(project, std::sync::Arc::default());
            topics.follow(&registered)?;
            Way::Topics(Box::new(topics))
        }
    };
    let mut told = Told::default();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for (number, line) in lines.lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            match serde_json::from_str::<Box<RawValue>>(&line) {
                Ok(row) => rows.push((number + 1, row)),
                Err(error) => told.refuse(number + 1, format!("it is no JSON object ({error})")),
            }
        }
        bytes += line.len();
        if rows.len() == ROWS_AT_ONCE || bytes >= BYTES_AT_ONCE {
            told.add(&way, &source, std::mem::take(&mut rows)).await?;
            bytes = 0;
        }
    }
    told.add(&way, &source, rows).await?;
    told.end(&source, args)
}

/// Who takes the rows.
enum Way {
    Server(Server),
    Topics(Box<Topics>),
}

/// What became of all rows so far.
#[derive(Default)]
struct Told {
    taken: usize,
    first_offset: Option<u64>,
    /// The line of each refused row, and why.
    refused: Vec<(usize, String)>,
}

impl Told {
    fn refuse(&mut self, line: usize, why: String) {
        self.refused.push((line, why));
    }

    async fn add(
        &mut self,
        way: &Way,
        source: &PushSource,
        rows: Vec<(usize, Box<RawValue>)>,
    ) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let (lines, rows): (Vec<usize>, Vec<Box<RawValue>>) = rows.into_iter().unzip();
        let pushed = match way {
            Way::Server(server) => server.push(source, &rows).await,
            Way::Topics(topics) => push_rows(topics.as_ref(), source, &rows).await.map_err(Failure::from),
        };
        let pushed = pushed.map_err(|failure| match self.taken {
            0 => failure,
            taken => Failure::new(format!("{failure}; {} before were taken", counted(taken as u64, "row"))),
        })?;
        self.taken += pushed.taken;
        self.first_offset = self.first_offset.or(pushed.first_offset);
        for row in pushed.refused {
            let view = row.view.map(|view| format!("{view}: ")).unwrap_or_default();
            let line = lines.get(row.index).copied().unwrap_or(row.index + 1);
            self.refuse(line, format!("{view}{}", row.reason));
        }
        Ok(())
    }

    /// Says what became of the rows; a failure where some were refused.
    fn end(mut self, source: &PushSource, args: &PushArgs) -> Result<(), Failure> {
        self.refused.sort();
        match args.format.format {
            Format::Json => {
                let refused: Vec<Value> =
                    self.refused.iter().map(|(line, why)| json!({"row": line, "reason": why})).collect();
                output::json(&json!({
                    "topic": source.topic,
                    "first_offset": self.first_offset,
                    "rows": self.taken,
                    "refused": refused,
                }))?;
            }
            Format::Table => {
                let from =
                    self.first_offset.map(|first| format!(", from offset {first} on")).unwrap_or_default();
                println!(
                    "{} pushed into the topic `{}`{from}",
                    counted(self.taken as u64, "row"),
                    source.topic
                );
            }
        }
        if self.refused.is_empty() {
            return Ok(());
        }
        let mut sentences: Vec<String> =
            self.refused.iter().take(NAMED).map(|(line, why)| format!("row {line}: {why}")).collect();
        if self.refused.len() > NAMED {
            sentences.push(format!("and {} more", self.refused.len() - NAMED));
        }
        Err(Failure::new(format!(
            "of rows for the source `{}` these were refused, and all others taken: correct and push them again\n{}",
            source.name,
            sentences.join("\n")
        )))
    }
}

/// The server of the project.
struct Server {
    address: SocketAddr,
    client: reqwest::Client,
}

/// What it is asked.
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
    first_offset: Option<u64>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refused {
    index: usize,
    view: Option<feature::VersionId>,
    reason: String,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    #[serde(default)]
    help: String,
}

impl Server {
    fn at(address: SocketAddr) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().timeout(ANSWERING).no_proxy().build();
        let client = client.map_err(|error| Failure::new(format!("no connection can be made: {error}")))?;
        Ok(Self { address, client })
    }

    async fn push(&self, source: &PushSource, rows: &[Box<RawValue>]) -> Result<PushedRows, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(format!("the server at {}: {error}: push again once it answers", self.address))
        };
        let body = serde_json::to_vec(&Body { source: source.name.as_str(), rows })?;
        let request = self.client.post(format!("http://{}/v1/push", self.address)).body(body);
        let request = request.header("content-type", "application/json");
        let answer = request.send().await.map_err(|error| failed(&error.without_url()))?;
        let body = answer.bytes().await.map_err(|error| failed(&error.without_url()))?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
        match answer.error {
            Some(error) if answer.refused.is_empty() => Err(Failure::new(format!(
                "the server at {}: {}: {}",
                self.address, error.message, error.help
            ))),
            _ => Ok(PushedRows {
                taken: answer.taken,
                refused: answer
                    .refused
                    .into_iter()
                    .map(|row| server::RefusedRow { index: row.index, view: row.view, reason: row.reason })
                    .collect(),
                first_offset: answer.first_offset,
            }),
        }
    }
}
