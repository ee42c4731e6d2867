//! `training-set`: the point-in-time join of a spine with the features of a service.

use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use feature::AsOf;
use offline::{Options, Spine, TrainingSet, write_file};
use serde_json::json;

use crate::arguments::{AsOfArg, Format, TrainingSetArgs};
use crate::failure::Failure;
use crate::output::{self, count, counted, share};
use crate::project::Project;

pub async fn training_set(project: &Project, args: &TrainingSetArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let plan = project.service_plan(&args.service).await?;
    let store = project.offline()?;
    let spine = Spine::read(&project.folder.join(&args.spine), &args.time, &plan)?;
    if spine.naive {
        eprintln!("note: `{}` has no time zone and was read as UTC", args.time);
    }
    let as_of = match args.as_of {
        AsOfArg::Available => AsOf::Available,
        AsOfArg::Event => AsOf::Event,
    };
    let set = offline::training_set(&store, &plan, &spine, Options { as_of, explain: args.explain }).await?;
    write_file(&project.folder.join(&args.out), &set.batch)?;
    let seconds = began.elapsed().as_secs_f64();
    let leaked: Option<u64> = set.features.iter().map(|feature| feature.leaked.map(|n| n as u64)).sum();
    match args.format.format {
        Format::Json => {
            let features: Vec<_> = set
                .features
                .iter()
                .map(|f| json!({"name": f.name, "nulls": f.nulls, "leaked_by_event_time": f.leaked}))
                .collect();
            let rows = set.batch.num_rows();
            output::json(&json!({
                "service": plan.id, "out": args.out, "as_of": as_of, "rows": rows, "seconds": seconds,
                "features": features, "leaked_by_event_time": leaked,
            }))
        }
        Format::Table => {
            if args.preview > 0 {
                println!("{}\n", preview(&set.batch, args.preview)?);
            }
            summary(&set, leaked);
            println!(
                "{}: {} × {} of {} in {seconds:.1}s",
                args.out.display(),
                counted(set.batch.num_rows() as u64, "row"),
                counted(set.features.len() as u64, "feature"),
                plan.id
            );
            Ok(())
        }
    }
}

fn summary(set: &TrainingSet, leaked: Option<u64>) {
    let rows = set.batch.num_rows() as u64;
    let lines = set.features.iter().map(|feature| {
        let leaked = feature.leaked.map_or("-".to_owned(), |leaked| count(leaked as u64));
        vec![feature.name.clone(), share(feature.nulls as u64, rows), leaked]
    });
    println!("{}\n", output::table(&["feature", "null", "leaks avoided"], &[1, 2], lines));
    let cells = rows * set.features.len() as u64;
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

/// The first rows, turned on their side: a line for each column, a column for each row.
fn preview(batch: &RecordBatch, rows: usize) -> Result<comfy_table::Table, Failure> {
    let rows = rows.min(batch.num_rows());
    let options = FormatOptions::default()
        .with_null("null")
        .with_timestamp_tz_format(Some("%m-%d %H:%M"))
        .with_timestamp_format(Some("%m-%d %H:%M"));
    let mut lines = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
        let mut line = vec![field.name().clone()];
        line.extend((0..rows).map(|row| shortened(&formatter.value(row).to_string())));
        lines.push(line);
    }
    let numbers: Vec<String> = (1..=rows).map(|row| format!("row {row}")).collect();
    let header: Vec<&str> = std::iter::once("column").chain(numbers.iter().map(String::as_str)).collect();
    let right: Vec<usize> = (1..=rows).collect();
    Ok(output::table(&header, &right, lines))
}

/// A value as it fits a narrow column: floats to three decimals, text to a dozen characters.
fn shortened(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains('.') && number.is_finite() => format!("{number:.2}"),
        _ if text.chars().count() > 12 => text.chars().take(11).chain(['…']).collect(),
        _ => text.to_owned(),
    }
}
