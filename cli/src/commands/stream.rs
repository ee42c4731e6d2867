//! `stream`: the topics of views into both stores, until it is stopped.

use serde_json::json;
use twinstore::{DerivedRows, FollowStreams, FollowedView, Project, Run, StreamReport};

use crate::arguments::{Format, StreamArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};

pub async fn stream(project: &Project, args: &StreamArgs, run: &Run) -> Result<(), Failure> {
    let streams = FollowStreams {
        views: args.views.clone(),
        until_caught_up: args.until_caught_up,
        max_bad_share: args.max_bad_share,
        flush_after: args.flush_after,
        flush_rows: args.flush_rows.get(),
        fold_bytes: usize::try_from(args.fold_memory).unwrap_or(usize::MAX),
        metrics: args.metrics.clone(),
    };
    let outcome = project.stream(&streams, run).await?;
    show(&outcome.followed, &outcome.derived, args.format.format)?;
    // Each was said when its stream ended, while the others went on.
    if outcome.failed.is_empty() { Ok(()) } else { Err(Failure::said()) }
}

fn show(followed: &[FollowedView], derived: &[DerivedRows], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let views: Vec<&StreamReport> = followed.iter().map(|one| &one.report).collect();
        let rows = |one: &DerivedRows| json!({"view": one.view.to_string(), "rows_loaded": one.rows_loaded});
        let derived: Vec<_> = derived.iter().map(rows).collect();
        return output::json(&json!({"views": views, "derived": derived}));
    }
    let readable = |micros: Option<i64>| match micros {
        Some(micros) => format!("≤ {}ms", micros / 1_000),
        None => "–".to_owned(),
    };
    let rows = followed.iter().map(|one| {
        let report = &one.report;
        vec![
            report.view.to_string(),
            count(report.records),
            count(report.rows_loaded),
            count(report.late),
            count(report.refused_rows()),
            count(report.left_out()),
            count(report.flushes),
            readable(one.readable_p50_us),
            readable(one.readable_p99_us),
        ]
    });
    println!("{}", output::table(&headings::STREAMED, &[1, 2, 3, 4, 5, 6, 7, 8], rows));
    for FollowedView { report, .. } in followed {
        if let Some(reader) = &report.read_by {
            println!("{}: its topic is read by {reader}, which has committed all of it", report.view);
        }
    }
    for DerivedRows { view, rows_loaded } in derived {
        println!("{view}: {} derived from their rows", counted(*rows_loaded, "row"));
    }
    Ok(())
}
