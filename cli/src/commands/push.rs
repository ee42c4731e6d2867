//! `push`: rows into a topic on disk.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};

use feature::StreamFormat;
use materializer::{PushLog, Pushed};
use registry::Using;
use serde_json::json;

use crate::arguments::{Format, PushArgs};
use crate::clock;
use crate::failure::Failure;
use crate::output::{self, counted};
use crate::project::Project;

/// Rows that are made durable together.
const ROWS_AT_ONCE: usize = 10_000;

pub async fn push(project: &Project, args: &PushArgs) -> Result<(), Failure> {
    let registered = project.registered().await?;
    let source = registered.source(&args.source)?;
    let Some(stream) = &source.stream else {
        return Err(Failure::new(format!(
            "the source `{}` has no `stream`: rows are pushed into its topic",
            source.name
        )));
    };
    if stream.format != StreamFormat::Json {
        return Err(Failure::new(format!(
            "the stream of `{}` is not JSON: lines of text cannot be pushed into it",
            source.name
        )));
    }
    let Some(folder) = project.topic_on_disk(&stream.topic)? else {
        return Err(Failure::new(format!(
            "topics are those of the brokers at {}: produce to them, or set `stream.brokers` to embedded://FOLDER",
            project.settings.stream.brokers
        )));
    };
    let lines: Box<dyn BufRead> = match &args.file {
        Some(path) => Box::new(BufReader::new(
            File::open(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?,
        )),
        None => Box::new(stdin().lock()),
    };
    let using: Vec<Using> = registered
        .views()
        .filter(|view| view.source == source.name)
        .map(|view| Using::view_as_it_is(&view.id))
        .collect();
    project.registry().await?.begin_use(&using, "push", clock::now()).await?;
    let mut log = PushLog::open(&folder)?;
    let first = log.next();
    let mut rows = Vec::new();
    for line in lines.lines() {
        let line = line?;
        if !line.trim().is_empty() {
            rows.push(Pushed { key: None, value: Some(line.into_bytes()) });
        }
        if rows.len() == ROWS_AT_ONCE {
            log.append(&rows, clock::now())?;
            rows.clear();
        }
    }
    log.append(&rows, clock::now())?;
    let pushed = log.next() - first;
    if args.format.format == Format::Json {
        return output::json(&json!({"topic": stream.topic, "first_offset": first, "rows": pushed}));
    }
    println!("{} pushed into the topic `{}`, from offset {first} on", counted(pushed, "row"), stream.topic);
    Ok(())
}
