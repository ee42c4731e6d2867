//! `dead-letter`: the rows that were refused, and another try for them.

use feature::VersionId;
use materializer::unsettled;
use offline::DeadLetter;
use serde_json::json;

use crate::arguments::{DeadLetterCommand, Format, ViewName};
use crate::clock;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};
use crate::project::{Project, targets_with};

/// The longest text of a cell.
const SHOWN: usize = 60;

pub async fn dead_letter(project: &Project, command: &DeadLetterCommand) -> Result<(), Failure> {
    match command {
        DeadLetterCommand::List { views, limit, format } => {
            list(project, views, limit.get(), format.format).await
        }
        DeadLetterCommand::Replay { views, limit, format } => {
            replay(project, views, limit.get(), format.format).await
        }
    }
}

async fn list(project: &Project, views: &[ViewName], limit: usize, format: Format) -> Result<(), Failure> {
    let store = project.offline()?;
    let mut found: Vec<(VersionId, DeadLetter)> = Vec::new();
    for target in targets_with(&project.registered().await?, views, |_| true)? {
        let letters = store.dead_letters(&target.view.id).await?.read(limit).await?;
        let log = store.log(&target.view).await?;
        let letters = unsettled(&log, letters).await?;
        found.extend(letters.into_iter().map(|letter| (target.view.id.clone(), letter)));
    }
    if format == Format::Json {
        let letters: Vec<_> = found
            .iter()
            .map(|(view, letter)| {
                json!({
                    "view": view,
                    "origin": letter.origin,
                    "position": letter.position.to_string(),
                    "reason": letter.reason,
                    "detail": letter.detail,
                    "row": letter.row,
                })
            })
            .collect();
        return output::json(&json!({"dead_letters": letters}));
    }
    let rows = found.iter().map(|(view, letter)| {
        vec![
            view.to_string(),
            letter.origin.clone(),
            letter.position.to_string(),
            letter.reason.replace('_', " "),
            start(&letter.detail),
            start(&letter.row),
        ]
    });
    println!("{}", output::table(&headings::LETTERS, &[], rows));
    Ok(())
}

fn start(text: &str) -> String {
    match text.get(..text.floor_char_boundary(SHOWN)) {
        Some(start) if start.len() < text.len() => format!("{start}…"),
        _ => text.to_owned(),
    }
}

async fn replay(project: &Project, views: &[ViewName], limit: usize, format: Format) -> Result<(), Failure> {
    let targets = targets_with(&project.registered().await?, views, |source| source.stream.is_some())?;
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let materializer = project.materializer_of(store, &targets, "dead-letter replay").await?;
    let mut reports = Vec::new();
    for target in targets {
        reports.push(materializer.replay_refused(&target, limit).await?);
    }
    if format == Format::Json {
        return output::json(&json!({"views": reports}));
    }
    let rows = reports.iter().map(|report| {
        vec![
            report.view.to_string(),
            count(report.letters),
            count(report.replayed),
            count(report.still_refused.values().sum()),
            count(report.filtered + report.null_keys),
            count(report.not_replayable),
        ]
    });
    println!("{}", output::table(&headings::REPLAYED, &[1, 2, 3, 4, 5], rows));
    Ok(())
}
