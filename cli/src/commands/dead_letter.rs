//! `dead-letter`: the rows that were refused, and another try for them.

use serde_json::json;
use twinstore::{DeadLetterChoice, Project, RefusedRow, ReplayReport, Run, ViewName};

use crate::arguments::{DeadLetterCommand, Format};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

/// The longest text of a cell.
const SHOWN: usize = 60;

pub async fn dead_letter(project: &Project, command: &DeadLetterCommand, run: &Run) -> Result<(), Failure> {
    let choice = |views: &[ViewName], limit: usize| DeadLetterChoice { views: views.to_vec(), limit };
    match command {
        DeadLetterCommand::List { views, limit, format } => {
            list(&project.dead_letters(&choice(views, limit.get())).await?, format.format)
        }
        DeadLetterCommand::Replay { views, limit, format } => {
            let reports = project.replay_dead_letters(&choice(views, limit.get()), run).await?;
            replayed(&reports, format.format)
        }
    }
}

fn list(found: &[RefusedRow], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let listed: Vec<_> = found
            .iter()
            .map(|RefusedRow { view, dead_letter }| {
                json!({
                    "view": view,
                    "origin": dead_letter.origin,
                    "position": dead_letter.position.to_string(),
                    "reason": dead_letter.reason,
                    "detail": dead_letter.detail,
                    "row": dead_letter.row,
                })
            })
            .collect();
        return output::json(&json!({"dead_letters": listed}));
    }
    let rows = found.iter().map(|RefusedRow { view, dead_letter }| {
        vec![
            view.to_string(),
            dead_letter.origin.clone(),
            dead_letter.position.to_string(),
            output::in_words(&dead_letter.reason),
            start(&dead_letter.detail),
            start(&dead_letter.row),
        ]
    });
    println!("{}", output::table(&headings::DEAD_LETTERS, &[], rows));
    Ok(())
}

fn start(text: &str) -> String {
    match text.get(..text.floor_char_boundary(SHOWN)) {
        Some(start) if start.len() < text.len() => format!("{start}…"),
        _ => text.to_owned(),
    }
}

fn replayed(reports: &[ReplayReport], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"views": reports}));
    }
    let rows = reports.iter().map(|report| {
        vec![
            report.view.to_string(),
            count(report.dead_letters),
            count(report.replayed),
            count(report.still_refused.values().sum()),
            count(report.filtered + report.null_keys + report.forgotten),
            count(report.not_replayable),
        ]
    });
    println!("{}", output::table(&headings::REPLAYED, &[1, 2, 3, 4, 5], rows));
    Ok(())
}
