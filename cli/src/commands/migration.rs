//! `backfill start`, `status`, `pause`, `resume` and `cancel`: a backfill that goes date by date.

use serde_json::{Value, json};
use twinstore::{
    BackfillDateState, BackfillDelay, BackfillOutcome, BackfillState, BackfillStatus, DELAY_PERCENTILE,
    Project, Run,
};

use crate::arguments::{DatedBackfill, Format};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};

pub async fn run(project: &Project, command: &DatedBackfill, run: &Run) -> Result<(), Failure> {
    match command {
        DatedBackfill::Start(args) => {
            let outcome = project.start_backfill(&args.start(), run).await?;
            finish(&outcome, args.format.format)
        }
        DatedBackfill::Resume { view, accept, format } => {
            let outcome = project.resume_backfill(view, accept, run).await?;
            finish(&outcome, format.format)
        }
        DatedBackfill::Status { view, format } => {
            let statuses = project.backfill_statuses(view.as_ref()).await?;
            match format.format {
                Format::Json => output::json(&statuses.iter().map(shown).collect::<Vec<_>>()),
                Format::Table if statuses.is_empty() => {
                    println!("no backfill by dates was ever started");
                    Ok(())
                }
                Format::Table => {
                    show(&statuses);
                    Ok(())
                }
            }
        }
        DatedBackfill::Pause { view, format } => one(&project.pause_backfill(view).await?, format.format),
        DatedBackfill::Cancel { view, format } => one(&project.cancel_backfill(view).await?, format.format),
    }
}

/// Shows what a backfill did; a failure where dates have failed.
fn finish(outcome: &BackfillOutcome, format: Format) -> Result<(), Failure> {
    let BackfillOutcome { status, report } = outcome;
    match format {
        Format::Json => {
            let mut all = shown(status);
            if let Some(all) = all.as_object_mut() {
                all.insert("entities".to_owned(), json!(report.entities));
                all.insert("files_later".to_owned(), json!(report.files_later));
            }
            output::json(&all)?;
        }
        Format::Table => {
            show(std::slice::from_ref(status));
            for (name, rows) in &report.warned {
                println!(
                    "{}: {} against `{name}`, which only warns",
                    status.record.view,
                    counted(*rows, "row")
                );
            }
            if report.files_later > 0 {
                let files = counted(report.files_later as u64, "file");
                println!(
                    "{}: {files} came after it began, and are left to the next load",
                    status.record.view
                );
            }
        }
    }
    match status.state {
        BackfillState::Incomplete => Err(incomplete(status)),
        _ => Ok(()),
    }
}

/// Which dates failed, why, and what to do.
fn incomplete(status: &BackfillStatus) -> Failure {
    let view = &status.record.view;
    let failed: Vec<String> =
        status.failed().map(|date| format!("{}: {}", date.date, date.reasons.join("; "))).collect();
    let first = status.failed().next().map(|date| date.date.to_string()).unwrap_or_default();
    Failure::new(format!(
        "{view}: {} set aside, with none of its rows in the log, and nothing is online yet\n{}\n\
         look at these rows in the source: `twinstore backfill resume {view}` tries the dates again, with `--accept {first}` \
         it takes one as it is",
        counted(failed.len() as u64, "date"),
        failed.join("\n")
    ))
}

fn one(status: &BackfillStatus, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&shown(status)),
        Format::Table => {
            show(std::slice::from_ref(status));
            Ok(())
        }
    }
}

fn show(statuses: &[BackfillStatus]) {
    let rows = statuses.iter().map(|status| {
        let dates = |state| count(status.count(state) as u64);
        vec![
            status.record.view.to_string(),
            status.record.number.to_string(),
            status.state.name().to_owned(),
            dates(BackfillDateState::Done),
            count(
                (status.count(BackfillDateState::Waiting) + status.count(BackfillDateState::Running)) as u64,
            ),
            dates(BackfillDateState::Failed),
            count(status.rows_done()),
            count(status.rows()),
            status.pace.rows_per_second.map_or("-".to_owned(), |rate| count(rate as u64)),
            status.pace.left.map_or("-".to_owned(), |left| format!("{}s", left.as_secs())),
        ]
    });
    println!("{}", output::table(&headings::BACKFILLS, &[1, 3, 4, 5, 6, 7, 8, 9], rows));
    for status in statuses {
        notes(status).iter().for_each(|note| println!("{}: {note}", status.record.view));
    }
}

/// What the table does not say of a backfill.
fn notes(status: &BackfillStatus) -> Vec<String> {
    let view = &status.record.view;
    if let Some(retired) = &status.retired {
        return vec![format!("the version was {retired}: its rows are freed")];
    }
    let mut notes: Vec<String> = status.record.delay.iter().filter_map(delay).collect();
    let sum = |of: fn(&twinstore::BackfillDate) -> u64| status.dates.iter().map(of).sum::<u64>();
    for (rows, what) in [
        (sum(|date| date.known), "in the log before"),
        (sum(|date| date.left_out), "left out: by `where`, a null in the key, or as the stream's"),
        (sum(|date| date.refused), "refused"),
    ] {
        if rows > 0 {
            notes.push(format!("{} {what}", counted(rows, "row")));
        }
    }
    notes.extend(status.failed().map(|date| format!("{} failed: {}", date.date, date.reasons.join("; "))));
    notes.extend(status.record.error.iter().map(|error| format!("it stopped: {error}")));
    notes.extend(match status.state {
        BackfillState::Paused | BackfillState::Interrupted | BackfillState::Stopped => {
            Some(format!("`twinstore backfill resume {view}` goes on with it"))
        }
        BackfillState::Cancelled if status.is_whole => {
            Some("another load has loaded the rest since: the version is complete".to_owned())
        }
        BackfillState::Cancelled => Some(format!(
            "what it loaded stays in the log, and the version is incomplete: `twinstore backfill start {view}` loads the rest"
        )),
        BackfillState::Running | BackfillState::Incomplete | BackfillState::Done => None,
    });
    notes
}

/// After which delay history counts as available.
fn delay(delay: &BackfillDelay) -> Option<String> {
    let span = delay.delay?;
    Some(match &delay.measured_of {
        Some(of) => format!(
            "history counts as available {span} after its event: {DELAY_PERCENTILE}% of {} of {of} were",
            counted(delay.measured_rows, "streamed row")
        ),
        None => format!("history counts as available {span} after its event, as its source assumes"),
    })
}

fn shown(status: &BackfillStatus) -> Value {
    let record = &status.record;
    let dates: Vec<Value> = status
        .dates
        .iter()
        .map(|date| {
            json!({
                "date": date.date, "state": date.state.name(), "rows": date.rows, "loaded": date.loaded,
                "known": date.known, "left_out": date.left_out, "refused": date.refused, "reasons": date.reasons,
                "ended_at": date.ended_at.map(|at| at.to_string()),
            })
        })
        .collect();
    json!({
        "view": record.view.to_string(),
        "number": record.number,
        "state": status.state.name(),
        "complete": status.is_whole,
        "retired": status.retired,
        "order": if record.newest_first { "newest" } else { "oldest" },
        "from": record.from.map(|at| at.to_string()),
        "to": record.to.map(|at| at.to_string()),
        "max_rows_per_second": record.max_rows_per_second,
        "max_memory": record.max_memory,
        "jobs": record.jobs,
        "accepted": record.accepted,
        "actor": record.actor,
        "started_at": record.started_at.to_string(),
        "updated_at": record.updated_at.to_string(),
        "error": record.error,
        "delay": record.delay,
        "dates_done": status.count(BackfillDateState::Done),
        "dates_waiting": status.count(BackfillDateState::Waiting) + status.count(BackfillDateState::Running),
        "dates_failed": status.count(BackfillDateState::Failed),
        "rows": status.rows(),
        "rows_done": status.rows_done(),
        "rows_per_second": status.pace.rows_per_second,
        "seconds_left": status.pace.left.map(|left| left.as_secs_f64()),
        "dates": dates,
    })
}
