//! `backfill` and `materialize`: from a source's history into both stores.

use feature::Micros;
use serde_json::json;
use twinstore::{Backfill, EventRange, HelpTopic, LoadReport, Loaded, Loads, Materialize, Project, Run};

use crate::arguments::{BackfillArgs, Format, MaterializeArgs};
use crate::failure::{Failure, helped};
use crate::headings;
use crate::help::in_commands;
use crate::output::{self, count, counted};

pub async fn backfill(project: &Project, args: &BackfillArgs, run: &Run) -> Result<(), Failure> {
    let range = EventRange { from: args.from, to: args.to };
    let views = if args.all { Vec::new() } else { args.views.clone() };
    let loads = project.backfill(&Backfill { views, range }, run).await?;
    finish(&loads, project.now(), args.format.format)
}

pub async fn materialize(project: &Project, args: &MaterializeArgs, run: &Run) -> Result<(), Failure> {
    let loads = project.materialize(&Materialize { views: args.views.clone() }, run).await?;
    finish(&loads, project.now(), args.format.format)
}

/// Shows what was loaded; a failure where a view failed.
pub(super) fn finish(loads: &Loads, now: Micros, format: Format) -> Result<(), Failure> {
    show(loads, now, format)?;
    let failures: Vec<String> =
        loads.failed.iter().map(|failed| helped(failed, failed.error.help())).collect();
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
}

/// The age, in microseconds, beyond which it is said what the median row's age means.
const OLD_US: i64 = 7 * 86_400_000_000;

/// Says of old rows that were materialized what labels see of them.
fn warn_of_old(report: &LoadReport, now: Micros) {
    if let Some(median) = report.median_event_time.filter(|median| now.since(*median) > OLD_US) {
        eprintln!(
            "{}: half of the new rows happened at {median} or before, and are known from now on: labels between \
             then and now do not see them with --as-of available; what was known then is loaded with `backfill`",
            report.view
        );
    }
}

fn show(loads: &Loads, now: Micros, format: Format) -> Result<(), Failure> {
    loads.loaded.iter().for_each(|loaded| warn_of_old(&loaded.report, now));
    if format == Format::Json {
        let views: Vec<&LoadReport> = loads.loaded.iter().map(|loaded| &loaded.report).collect();
        return output::json(
            &json!({"views": views, "extracts": loads.extracts, "seconds": loads.took.as_secs_f64()}),
        );
    }
    if loads.loaded.is_empty() {
        return Ok(());
    }
    let rows = loads.loaded.iter().map(|Loaded { report, took }| {
        vec![
            report.view.to_string(),
            count(report.rows_read),
            count(report.rows_loaded),
            count(report.late),
            count(report.refused_rows()),
            count(report.left_out()),
            count(report.entities),
            format!("{:.1}s", took.as_secs_f64()),
        ]
    });
    println!("{}", output::table(&headings::LOADED, &[1, 2, 3, 4, 5, 6, 7], rows));
    for Loaded { report, .. } in &loads.loaded {
        notes(report).iter().for_each(|note| println!("{}: {note}", report.view));
    }
    let total: u64 = loads.loaded.iter().map(|loaded| loaded.report.rows_loaded).sum();
    println!("{} loaded in {:.1}s", counted(total, "row"), loads.took.as_secs_f64());
    Ok(())
}

/// What the table does not say of a view.
fn notes(report: &LoadReport) -> Vec<String> {
    let mut notes = Vec::new();
    if report.files == 0 && report.files_known > 0 && report.quarantined.is_empty() {
        let (waiting, loaded) = (report.files_waiting, report.files_known - report.files_waiting);
        let loaded = (loaded > 0).then(|| format!("{} loaded before", counted(loaded as u64, "file")));
        let waiting = (waiting > 0).then(|| {
            let help = in_commands(&HelpTopic::Quarantine(report.view.clone()));
            format!("{} in quarantine, of which nothing is loaded: {help}", counted(waiting as u64, "file"))
        });
        let what: Vec<String> = loaded.into_iter().chain(waiting).collect();
        notes.push(format!("nothing new: {}", what.join(", ")));
    }
    if report.files_of_backfill > 0 {
        let help = in_commands(&HelpTopic::Backfill(report.view.clone()));
        let files = counted(report.files_of_backfill as u64, "file");
        notes.push(format!("{files} that a backfill began and did not load to the end left to it: {help}"));
    }
    if !report.files_unread.is_empty() {
        notes.push(format!("not read: {}", report.files_unread.join(", ")));
    }
    notes.extend(report.absent.iter().cloned());
    for (reason, rows) in &report.refused {
        notes.push(format!("{} refused: {}", counted(*rows, "row"), output::in_words(reason)));
    }
    for (expectation, rows) in &report.warned {
        notes.push(format!("{} against `{expectation}`, which only warns", counted(*rows, "row")));
    }
    for batch in &report.quarantined {
        let rows = counted(batch.rows, "row");
        notes.push(format!(
            "`{}` is quarantined as batch {}, none of its {rows} is loaded: {}",
            batch.origin, batch.batch, batch.why
        ));
    }
    if report.of_stream > 0 {
        let rows = counted(report.of_stream, "row");
        notes.push(format!("{rows} left to the stream, which counts from before they happened"));
    }
    if report.outside_range > 0 {
        notes.push(format!("{} outside --from and --to", counted(report.outside_range, "row")));
    }
    if report.filtered > 0 {
        notes.push(format!("{} did not pass `where`", counted(report.filtered, "row")));
    }
    if report.null_keys > 0 {
        notes.push(format!("{} left out: a null in the key", counted(report.null_keys, "row")));
    }
    if report.forgotten > 0 {
        notes.push(format!("{} left out: their entity was forgotten", counted(report.forgotten, "row")));
    }
    notes
}
