//! `push`: rows into a topic on disk, and the outcome for them.

use std::io::{BufRead, BufReader, stdin};

use serde_json::{Value, json};
use twinstore::{Project, Pushed, RefusedLine, Run};

use crate::arguments::{Format, PushArgs};
use crate::failure::Failure;
use crate::output::{self, counted};

/// Refused rows that are named.
const NAMED: usize = 20;

pub async fn push(project: &Project, args: &PushArgs, run: &Run) -> Result<(), Failure> {
    let lines: Box<dyn BufRead + Send> = match &args.file {
        Some(path) => Box::new(BufReader::new(
            files::open(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?,
        )),
        None => Box::new(BufReader::new(stdin())),
    };
    show(&project.push(&args.source, lines, run).await?, args.format.format)
}

/// Says the outcome for the rows; a failure where some were refused.
fn show(pushed: &Pushed, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let refused: Vec<Value> =
                pushed.refused.iter().map(|row| json!({"row": row.line, "reason": row.reason})).collect();
            output::json(&json!({
                "topic": pushed.topic,
                "first_offset": pushed.first_offset,
                "rows": pushed.taken,
                "refused": refused,
                "filtered": pushed.filtered,
            }))?;
        }
        Format::Table => {
            let from =
                pushed.first_offset.map(|first| format!(", from offset {first} on")).unwrap_or_default();
            println!(
                "{} pushed into the topic `{}`{from}",
                counted(pushed.taken as u64, "row"),
                pushed.topic
            );
            for (view, rows) in &pushed.filtered {
                println!("{view}: {} did not pass `where`", counted(*rows, "row"));
            }
        }
    }
    if pushed.refused.is_empty() {
        return Ok(());
    }
    let named = pushed.refused.iter().take(NAMED);
    let mut sentences: Vec<String> =
        named.map(|RefusedLine { line, reason }| format!("row {line}: {reason}")).collect();
    if pushed.refused.len() > NAMED {
        sentences.push(format!("and {} more", pushed.refused.len() - NAMED));
    }
    Err(Failure::new(format!(
        "of rows for the source `{}` these were refused, and all others taken: correct and push them again\n{}",
        pushed.source,
        sentences.join("\n")
    )))
}
