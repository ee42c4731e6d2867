//! `offline`: looking after the logs.

use comfy_table::Table;
use feature::{Provenance, counted};
use serde_json::json;
use twinstore::{Project, Run, RunOutcome, RunRecord, ViewName};

use crate::arguments::{Format, OfflineCommand};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

pub async fn offline(project: &Project, command: &OfflineCommand, run: &Run) -> Result<(), Failure> {
    match command {
        OfflineCommand::Optimize { views, format } => optimize(project, views, format.format, run).await,
        OfflineCommand::Loads { view, last, format } => loads(project, view, *last, format.format).await,
    }
}

async fn loads(project: &Project, view: &ViewName, last: u32, format: Format) -> Result<(), Failure> {
    let runs = project.loads(view, last).await?;
    match format {
        Format::Json => output::json(&runs),
        Format::Table => {
            println!("{}", loads_table(&runs));
            Ok(())
        }
    }
}

/// Runs that loaded or followed views, a line each.
pub fn loads_table(runs: &[RunRecord]) -> Table {
    let rows = runs.iter().map(|run| {
        let none = || "-".to_owned();
        let (from, provenance, counts) = match &run.outcome {
            Some(RunOutcome::Load {
                files,
                more_files,
                table_version,
                provenance,
                assumed_delay,
                rows,
                ..
            }) => {
                let version = table_version.map(|version| format!(", up to version {version}"));
                let from = match files.as_slice() {
                    [] => none(),
                    [file] if *more_files == 0 => file.name.clone(),
                    files => counted((files.len() + more_files) as u64, "file"),
                };
                let delay = assumed_delay.map(|delay| format!(" ({delay})")).unwrap_or_default();
                let provenance = format!("{}{delay}", provenance.name());
                (from + &version.unwrap_or_default(), provenance, Some(rows))
            }
            Some(RunOutcome::Stream { topic, partitions, rows, .. }) => {
                let offsets = partitions.iter().map(|at| format!("{}:{}", at.partition, at.next_offset));
                let offsets = offsets.collect::<Vec<_>>().join(" ");
                (format!("{topic} up to {offsets}"), Provenance::Measured.name().to_owned(), Some(rows))
            }
            Some(RunOutcome::TrainingSet { .. }) | None => (none(), none(), None),
        };
        let state = match &run.error {
            Some(error) => format!("{}: {error}", run.state.name()),
            None => run.state.name().to_owned(),
        };
        vec![
            run.subject.to_string(),
            run.job.name().replace('_', "-"),
            run.started_at.to_string(),
            from,
            counts.map_or_else(none, |rows| count(rows.loaded)),
            counts.map_or_else(none, |rows| count(rows.refused_rows())),
            provenance,
            run.runtime.actor.clone().unwrap_or_else(none),
            state,
        ]
    });
    output::table(&headings::LOADS, &[4, 5], rows)
}

async fn optimize(project: &Project, views: &[ViewName], format: Format, run: &Run) -> Result<(), Failure> {
    let done = project.optimize(views, run).await?;
    if format == Format::Json {
        let views: Vec<_> =
            done.iter().map(|one| json!({"view": one.view, "optimized": one.optimized})).collect();
        return output::json(&json!({"views": views}));
    }
    let rows = done.iter().map(|one| {
        vec![
            one.view.to_string(),
            count(one.optimized.files_before as u64),
            count(one.optimized.files_after as u64),
            count(one.optimized.bytes_before),
            count(one.optimized.bytes_after),
            count(one.optimized.rows_rewritten),
        ]
    });
    println!("{}", output::table(&headings::OPTIMIZED, &[1, 2, 3, 4, 5], rows));
    Ok(())
}
