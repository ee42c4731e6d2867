//! `training-set`: the point-in-time join of a spine with the features of a service.

use std::path::Path;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use feature::{AsOf, Micros, ServiceRef};
use offline::{
    BuildInfo, FinishedFile, LogRange, Manifest, ManifestSpine, OfflineError, Options, Spine, Summary,
    TrainingSetFile, TrainingSetStream,
};
use serde_json::json;

use crate::arguments::{AsOfArg, Format, TrainingSetArgs, TrainingSetCommand, TrainingSetOther};
use crate::commands::verify;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted, share};
use crate::progress::Progress;
use crate::project::Project;

/// Memory that the process takes beside the labels that are joined, in bytes.
const BESIDE_LABELS: u64 = 128 << 20;

pub async fn run(project: &Project, command: &TrainingSetCommand) -> Result<(), Failure> {
    if let Some(TrainingSetOther::Verify { file, format }) = &command.other {
        return verify::verify(project, file, format.format).await;
    }
    let args = &command.build;
    match (&args.service, &args.spine, &args.time, &args.out) {
        (Some(service), Some(spine), Some(time), Some(out)) => {
            build(project, &Build { service, spine, time, out, args }).await
        }
        // The command line is refused without them.
        _ => Err(Failure::new("name --service, --spine, --time and --out")),
    }
}

/// What is to be built.
struct Build<'a> {
    service: &'a ServiceRef,
    spine: &'a Path,
    time: &'a str,
    out: &'a Path,
    args: &'a TrainingSetArgs,
}

async fn build(project: &Project, build: &Build<'_>) -> Result<(), Failure> {
    let began = Instant::now();
    let plan = project.service_plan(build.service).await?;
    let store = project.offline()?;
    let spine_path = project.folder.join(build.spine);
    let spine = Spine::read(&spine_path, build.time, &plan)?;
    if build.spine == build.out {
        return Err(Failure::new(format!(
            "{} is the spine and would be written over: name another file with --out",
            build.out.display()
        )));
    }
    if spine.naive {
        eprintln!("note: `{}` has no time zone and was read as UTC", build.time);
    }
    let options = options(build.args);
    let out = project.folder.join(build.out);
    let hashed = spine.clone();
    let spine_sha256 = tokio::task::spawn_blocking(move || hashed.sha256());
    let making = TrainingSetStream::new(&store, &plan, &spine, &options).await?;
    project.begin_use(&plan, "training-set").await?;
    let made = write(making, &out, build.args.preview).await?;
    let spine = ManifestSpine {
        path: build.spine.to_owned(),
        sha256: spine_sha256.await.map_err(|error| Failure::new(error.to_string()))??,
        time: build.time.to_owned(),
    };
    let how = BuildInfo {
        twinstore: env!("CARGO_PKG_VERSION").to_owned(),
        spine,
        sha256: made.file.content.sha256.clone(),
        columns: made.file.content.columns.clone(),
    };
    let manifest = Manifest::new(&plan, &options, &made.summary, how);
    let file = made.file;
    tokio::task::spawn_blocking(move || file.name(&manifest))
        .await
        .map_err(|error| Failure::new(error.to_string()))??;
    let seconds = began.elapsed().as_secs_f64();
    let summary = &made.summary;
    let leaked: Option<u64> = summary.features.iter().map(|feature| feature.leaked.map(|n| n as u64)).sum();
    match build.args.format.format {
        Format::Json => {
            let features: Vec<_> = summary
                .features
                .iter()
                .map(|f| json!({"name": f.name, "nulls": f.nulls, "leaked_by_event_time": f.leaked}))
                .collect();
            output::json(&json!({
                "service": plan.id, "out": build.out, "as_of": options.as_of, "rows": summary.rows,
                "seconds": seconds, "features": features, "leaked_by_event_time": leaked,
                "outside_log": outside(summary),
            }))
        }
        Format::Table => {
            if let Some(preview) = &made.preview {
                println!("{preview}\n");
            }
            show(summary, leaked);
            println!(
                "{}: {} × {} of {} in {seconds:.1}s",
                build.out.display(),
                counted(summary.rows as u64, "row"),
                counted(summary.features.len() as u64, "feature"),
                plan.id
            );
            Ok(())
        }
    }
}

fn options(args: &TrainingSetArgs) -> Options {
    Options {
        as_of: match args.as_of {
            AsOfArg::Available => AsOf::Available,
            AsOfArg::Event => AsOf::Event,
        },
        explain: args.explain,
        threads: args.threads.map(usize::from),
        max_memory: args.max_memory.map(|bytes| bytes.saturating_sub(BESIDE_LABELS).max(bytes / 4)),
        ..Options::default()
    }
}

/// A training set that was written.
struct Written {
    preview: Option<comfy_table::Table>,
    summary: Summary,
    file: FinishedFile,
}

/// Writes the file as it is made, under another name.
async fn write(mut making: TrainingSetStream, out: &Path, preview_rows: usize) -> Result<Written, Failure> {
    let file = TrainingSetFile::create(out, making.schema())?;
    let mut shown = None;
    while let Some(batch) = next(&mut making).await? {
        if preview_rows > 0 && shown.is_none() {
            shown = Some(preview(&batch, preview_rows)?);
        }
        if !file.write(batch).await {
            break;
        }
    }
    let file = file.finish().await?;
    tracing::info!("{}", making.explain());
    Ok(Written { preview: shown, summary: making.finish(), file })
}

/// The next rows, with progress shown while they are waited for.
async fn next(making: &mut TrainingSetStream) -> Result<Option<RecordBatch>, Failure> {
    let reading = making.reading().clone();
    let progress = Progress::of_rows("reading logs", making.log_rows());
    let watch = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            progress.set(reading.rows());
        }
    };
    tokio::select! {
        batch = making.next() => Ok(batch?),
        () = watch => Err(OfflineError::Cancelled.into()),
    }
}

/// For each view the days of its log, and how many labels lie outside of them.
fn outside(summary: &Summary) -> Vec<serde_json::Value> {
    let range = |range: &LogRange| {
        json!({
            "view": range.view, "first_day": day(range.first_day), "last_day": day(range.last_day),
            "before": range.before, "after": range.after,
        })
    };
    summary.log_ranges.iter().map(range).collect()
}

fn day(midnight: Micros) -> String {
    let text = midnight.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

fn show(summary: &Summary, leaked: Option<u64>) {
    let rows = summary.rows as u64;
    let lines = summary.features.iter().map(|feature| {
        let leaked = feature.leaked.map_or("-".to_owned(), |leaked| count(leaked as u64));
        vec![feature.name.clone(), share(feature.nulls as u64, rows), leaked]
    });
    println!("{}\n", output::table(&headings::TRAINING_SET, &[1, 2], lines));
    for range in summary.log_ranges.iter().filter(|range| range.before + range.after > 0) {
        println!(
            "labels outside the log of {}: {} of {} before its first day, {}, and {} behind its last, {}",
            range.view,
            count(range.before as u64),
            count(rows),
            day(range.first_day),
            count(range.after as u64),
            day(range.last_day)
        );
    }
    let cells = rows * summary.features.len() as u64;
    match leaked {
        Some(leaked) => println!(
            "leaks avoided: a join on event time would have filled {} of {} ({}) from rows that nobody could have read yet",
            count(leaked),
            counted(cells, "cell"),
            share(leaked, cells)
        ),
        None => println!(
            "warning: --as-of event shows rows that nobody could have read yet: a model trained on it will not be served what it saw"
        ),
    }
}

/// Some rows, from the first on at equal steps, turned on their side: a line for each column, a
/// column for each row.
fn preview(batch: &RecordBatch, rows: usize) -> Result<comfy_table::Table, Failure> {
    let rows = rows.min(batch.num_rows());
    let step = batch.num_rows() / rows.max(1);
    let moment = Some("%m-%d %H:%M");
    let options = FormatOptions::default()
        .with_null("null")
        .with_timestamp_tz_format(moment)
        .with_timestamp_format(moment);
    let mut lines = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
        let mut line = vec![field.name().clone()];
        line.extend((0..rows).map(|row| shortened(&formatter.value(row * step).to_string())));
        lines.push(line);
    }
    let numbers: Vec<String> =
        (0..rows).map(|row| format!("row {}", count((row * step) as u64 + 1))).collect();
    let header: Vec<&str> = std::iter::once("column").chain(numbers.iter().map(String::as_str)).collect();
    let right: Vec<usize> = (1..=rows).collect();
    Ok(output::untitled(&header, &right, lines))
}

/// A value as it fits a narrow column: floats to two decimals, text to a dozen characters.
fn shortened(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains('.') && number.is_finite() => format!("{number:.2}"),
        _ if text.chars().count() > 12 => text.chars().take(11).chain(['…']).collect(),
        _ => text.to_owned(),
    }
}
