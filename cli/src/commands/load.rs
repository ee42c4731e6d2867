//! `backfill` and `materialize`: from a source's history into both stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use materializer::{EventRange, LoadReport, Materializer, MaterializerError, Target};
use online::Store;
use serde_json::json;
use tokio::task::JoinSet;

use crate::arguments::{BackfillArgs, Format, MaterializeArgs};
use crate::clock;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};
use crate::progress::Progress;
use crate::project::{Project, targets};

/// Views that are loaded side by side.
const VIEWS_AT_ONCE: usize = 2;

/// What is done to each view.
#[derive(Clone, Copy)]
enum Load {
    Backfill(EventRange),
    Materialize,
}

impl Load {
    fn name(self) -> &'static str {
        match self {
            Load::Backfill(_) => "backfill",
            Load::Materialize => "materialize",
        }
    }

    async fn run(
        self,
        materializer: &Materializer<Store>,
        target: &Target,
    ) -> Result<LoadReport, MaterializerError> {
        let progress = Progress::rows(&target.view.id.to_string());
        match self {
            Load::Backfill(range) => materializer.backfill(target, range, |rows| progress.add(rows)).await,
            Load::Materialize => materializer.materialize(target, |rows| progress.add(rows)).await,
        }
    }
}

pub async fn backfill(project: &Project, args: &BackfillArgs) -> Result<(), Failure> {
    let range = EventRange { from: args.from, to: args.to };
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(Failure::new(format!("--from {from} does not lie before --to {to}")));
    }
    let registered = project.registered().await?;
    let targets = targets(&registered, if args.all { &[] } else { &args.views })?;
    load(project, targets, Load::Backfill(range), args.format.format).await
}

pub async fn materialize(project: &Project, args: &MaterializeArgs) -> Result<(), Failure> {
    let registered = project.registered().await?;
    load(project, targets(&registered, &args.views)?, Load::Materialize, args.format.format).await
}

struct Loaded {
    report: LoadReport,
    took: Duration,
}

async fn load(project: &Project, targets: Vec<Target>, load: Load, format: Format) -> Result<(), Failure> {
    if targets.is_empty() {
        return Err(Failure::new("no registered view has a batch source: there is no history to load"));
    }
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let began = Instant::now();
    let materializer = Arc::new(project.materializer_of(store, &targets, load.name()).await?);
    let mut waiting = targets.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut loaded = Vec::new();
    let mut failures = Vec::new();
    loop {
        while running.len() < VIEWS_AT_ONCE {
            let Some((place, target)) = waiting.next() else { break };
            let materializer = materializer.clone();
            running.spawn(async move {
                let began = Instant::now();
                let report = load.run(&materializer, &target).await;
                (place, target.view.id.clone(), report.map(|report| Loaded { report, took: began.elapsed() }))
            });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((place, _, Ok(done)))) => loaded.push((place, done)),
            Some(Ok((_, view, Err(error)))) => failures.push(said_of(&view.to_string(), &error.to_string())),
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    loaded.sort_by_key(|(place, _)| *place);
    let loaded: Vec<Loaded> = loaded.into_iter().map(|(_, loaded)| loaded).collect();
    show(&loaded, began.elapsed(), format)?;
    failures.sort();
    match failures.as_slice() {
        [] => Ok(()),
        failures => Err(Failure::new(failures.join("\n"))),
    }
}

/// The error of one view, naming the view where it does not do so itself.
fn said_of(view: &str, error: &str) -> String {
    if error.contains(view) { error.to_owned() } else { format!("{view}: {error}") }
}

/// The age, in microseconds, beyond which it is said what the median row's age means.
const OLD_US: i64 = 7 * 86_400_000_000;

/// Says of old rows that were materialized what labels see of them.
fn warn_of_old(report: &LoadReport) {
    if let Some(day) = report.median_day.filter(|day| clock::now().since(*day) > OLD_US) {
        eprintln!(
            "{}: half of the new rows happened on {day} or before, and are known from now on: labels between \
             then and now do not see them with --as-of available; what was known then is loaded with `backfill`",
            report.view
        );
    }
}

fn show(loaded: &[Loaded], took: Duration, format: Format) -> Result<(), Failure> {
    loaded.iter().for_each(|loaded| warn_of_old(&loaded.report));
    if format == Format::Json {
        let views: Vec<&LoadReport> = loaded.iter().map(|loaded| &loaded.report).collect();
        return output::json(&json!({"views": views, "seconds": took.as_secs_f64()}));
    }
    if loaded.is_empty() {
        return Ok(());
    }
    let rows = loaded.iter().map(|Loaded { report, took }| {
        vec![
            report.view.to_string(),
            count(report.rows_read),
            count(report.rows_loaded),
            count(report.late),
            count(report.refused_rows()),
            count(report.filtered + report.null_keys + report.outside_range + report.of_stream),
            count(report.entities),
            format!("{:.1}s", took.as_secs_f64()),
        ]
    });
    println!("{}", output::table(&headings::LOADED, &[1, 2, 3, 4, 5, 6, 7], rows));
    for Loaded { report, .. } in loaded {
        notes(report).iter().for_each(|note| println!("{}: {note}", report.view));
    }
    let total: u64 = loaded.iter().map(|loaded| loaded.report.rows_loaded).sum();
    println!("{} loaded in {:.1}s", counted(total, "row"), took.as_secs_f64());
    Ok(())
}

/// What the table does not say of a view.
fn notes(report: &LoadReport) -> Vec<String> {
    let mut notes = Vec::new();
    if report.files == 0 && report.files_known > 0 {
        notes.push(format!("nothing new: {} loaded before", counted(report.files_known as u64, "file")));
    }
    if !report.files_unread.is_empty() {
        notes.push(format!("not read: {}", report.files_unread.join(", ")));
    }
    for (reason, rows) in &report.refused {
        notes.push(format!("{} refused: {}", counted(*rows, "row"), reason.replace('_', " ")));
    }
    for (expectation, rows) in &report.warned {
        notes.push(format!("{} against `{expectation}`, which only warns", counted(*rows, "row")));
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
    notes
}
