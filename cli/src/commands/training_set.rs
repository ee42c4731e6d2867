//! `training-set`: the point-in-time join of a spine with the features of a service.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use feature::{AsOf, Micros, Name, VersionId};
use serde_json::json;
use twinstore::{
    BucketRequests, BuildTrainingSet, BuiltTrainingSet, LogRange, OpenAnswer, OpenLabels, Project,
    QuarantinedRows, Run, Summary,
};

use crate::arguments::{AsOfArg, Format, TrainingSetArgs, TrainingSetCommand, TrainingSetOther};
use crate::commands::verify;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted, share};

pub async fn run(project: &Project, command: &TrainingSetCommand, run: &Run) -> Result<(), Failure> {
    if let Some(TrainingSetOther::Verify { file, format }) = &command.other {
        return verify::verify(project, file, format.format, run).await;
    }
    let args = &command.build;
    // The command line is refused without them.
    let build = build(args).ok_or_else(|| Failure::new("name --service, --spine, --time and --out"))?;
    let built = project.training_set(&build, run).await?;
    super::ending::warn(&built.deprecated);
    show(&build, &built, args)
}

fn build(args: &TrainingSetArgs) -> Option<BuildTrainingSet> {
    Some(BuildTrainingSet {
        service: args.service.clone()?,
        spine: args.spine.clone()?,
        time: args.time.clone()?,
        out: args.out.clone()?,
        as_of: match args.as_of {
            AsOfArg::Available => AsOf::Available,
            AsOfArg::Event => AsOf::Event,
        },
        explain: args.explain,
        threads: args.threads.map(usize::from),
        max_memory: args.max_memory,
        keeps_first: args.preview > 0,
    })
}

fn show(build: &BuildTrainingSet, built: &BuiltTrainingSet, args: &TrainingSetArgs) -> Result<(), Failure> {
    let seconds = built.took.as_secs_f64();
    let summary = &built.summary;
    let leaked: Option<u64> = summary.features.iter().map(|feature| feature.leaked.map(|n| n as u64)).sum();
    match args.format.format {
        Format::Json => {
            let features: Vec<_> = summary
                .features
                .iter()
                .map(|f| json!({"name": f.name, "nulls": f.nulls, "leaked_by_event_time": f.leaked}))
                .collect();
            output::json(&json!({
                "service": built.service, "out": build.out, "as_of": build.as_of, "rows": summary.rows,
                "seconds": seconds, "features": features, "leaked_by_event_time": leaked,
                "outside_log": outside(summary), "breakers": open_labels(summary),
                "quarantined": built.quarantined,
                "bucket_requests": built.bucket_requests.map(|requests| json!({
                    "get": requests.get, "put": requests.put, "list": requests.list, "head": requests.head,
                    "delete": requests.delete,
                })),
            }))
        }
        Format::Table => {
            if let Some(first) = &built.first {
                println!("{}\n", preview(first, args.preview)?);
            }
            show_summary(summary, leaked);
            show_quarantined(&built.quarantined);
            println!(
                "{}: {} × {} of {} in {seconds:.1}s",
                build.out.display(),
                counted(summary.rows as u64, "row"),
                counted(summary.features.len() as u64, "feature"),
                built.service
            );
            if let Some(requests) = &built.bucket_requests {
                println!("{}", of_bucket(requests));
            }
            Ok(())
        }
    }
}

/// Requests to the bucket of the logs.
fn of_bucket(requests: &BucketRequests) -> String {
    let BucketRequests { get, put, list, head, delete } = requests;
    let all = counted(get + put + list + head + delete, "request");
    format!(
        "{all} to the bucket of the logs: {get} to read, {list} to list, {head} whether something is there"
    )
}

/// The openings of breakers into which labels fall.
fn open_labels(summary: &Summary) -> Vec<&OpenLabels> {
    summary.openings.iter().filter(|open| open.labels > 0).collect()
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

fn show_summary(summary: &Summary, leaked: Option<u64>) {
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
    for OpenLabels { opening, labels } in open_labels(summary) {
        println!(
            "{} while the circuit breaker of {} was open{}, and {} what was served then: {}",
            counted(*labels as u64, "label"),
            opening.view,
            match opening.features.as_slice() {
                [] => String::new(),
                features =>
                    format!(" for {}", features.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")),
            },
            if *labels == 1 { "has" } else { "have" },
            match opening.answers {
                OpenAnswer::LastKnownGood => format!("its answers as of {}", opening.good_until),
                OpenAnswer::NoValue | OpenAnswer::Current => "no value".to_owned(),
            }
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

/// The rows that no label sees, by view.
fn show_quarantined(quarantined: &[QuarantinedRows]) {
    let mut views: Vec<&VersionId> = quarantined.iter().map(|batch| &batch.view).collect();
    views.dedup();
    for view in views {
        let of_view = || quarantined.iter().filter(|batch| batch.view == *view);
        println!(
            "left out by quarantine: {} of {} of {view}",
            counted(of_view().map(|batch| batch.rows).sum(), "row"),
            if of_view().count() == 1 {
                "a batch".to_owned()
            } else {
                format!("{} batches", of_view().count())
            },
        );
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
