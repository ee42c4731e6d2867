//! `offline`: looking after the logs.

use comfy_table::Table;
use feature::{EventDate, Micros, Provenance, counted};
use serde_json::json;
use twinstore::{ExpiredView, PartCost, Project, Run, RunOutcome, RunRecord, ViewName};

use crate::arguments::{CostArgs, ExpireArgs, Format, OfflineCommand, VacuumArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

pub async fn offline(project: &Project, command: &OfflineCommand, run: &Run) -> Result<(), Failure> {
    match command {
        OfflineCommand::Optimize { views, format } => optimize(project, views, format.format, run).await,
        OfflineCommand::Expire(args) => expire(project, args, run).await,
        OfflineCommand::Vacuum(args) => vacuum(project, args, run).await,
        OfflineCommand::Cost(args) => cost(project, args).await,
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

/// Runs that loaded or followed views, or dropped something of them, a line each.
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
            Some(RunOutcome::Dropped { rows: 0, files, .. }) => {
                (format!("dropped {}", counted(*files, "file")), none(), None)
            }
            Some(RunOutcome::Dropped { rows, .. }) => {
                (format!("dropped {}", counted(*rows, "row")), none(), None)
            }
            Some(RunOutcome::TrainingSet { .. }) | None => (none(), none(), None),
        };
        let state = match &run.error {
            Some(error) => format!("{}: {error}", run.state.name()),
            None => match run.outcome.as_ref().map_or(0, RunOutcome::quarantined_files) {
                0 => run.state.name().to_owned(),
                files => format!("{}, {} in quarantine", run.state.name(), counted(files as u64, "file")),
            },
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

async fn expire(project: &Project, args: &ExpireArgs, run: &Run) -> Result<(), Failure> {
    let done = project.expire(&args.request(), run).await?;
    let date = |at: Option<Micros>| at.map(|at| EventDate::of(Some(at.get())).to_string());
    if args.format.format == Format::Json {
        let view = |one: &ExpiredView| {
            let expired = &one.expired;
            json!({
                "view": one.view,
                "older_than": date(expired.before),
                "first": date(expired.first),
                "last": date(expired.last),
                "dates": expired.dates,
                "files": expired.files,
                "rows": expired.rows,
                "bytes": expired.bytes,
                "online_rows": expired.online_rows,
                "statistics": expired.statistics,
                "why_not": one.passed_over,
                "why_stays": one.stays,
            })
        };
        let views: Vec<_> = done.iter().map(view).collect();
        return output::json(&json!({"dry_run": args.dry_run, "views": views}));
    }
    if done.is_empty() {
        println!("no view names `offline` in a retention, so no row goes by its age");
        return Ok(());
    }
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = done.iter().map(|one| {
        let expired = &one.expired;
        vec![
            one.view.to_string(),
            or_none(date(expired.before)),
            or_none(date(expired.first)),
            or_none(date(expired.last)),
            count(expired.dates),
            count(expired.rows),
            count(expired.bytes),
            count(expired.online_rows),
            or_none(one.passed_over.clone().or_else(|| one.stays.clone())),
        ]
    });
    println!("{}", output::table(&headings::EXPIRED, &[4, 5, 6, 7], rows));
    say_if_dry(args.dry_run);
    Ok(())
}

async fn vacuum(project: &Project, args: &VacuumArgs, run: &Run) -> Result<(), Failure> {
    let done = project.vacuum(&args.request(), run).await?;
    if args.format.format == Format::Json {
        let views: Vec<_> = done
            .iter()
            .map(|one| {
                let sets = one.training_sets;
                json!({"view": one.view, "vacuumed": one.vacuumed, "training_sets": sets})
            })
            .collect();
        return output::json(&json!({"dry_run": args.dry_run, "views": views}));
    }
    let rows = done.iter().map(|one| {
        let (log, statistics) = (&one.vacuumed.log, &one.vacuumed.statistics);
        vec![
            one.view.to_string(),
            count(log.files + statistics.files),
            count(log.bytes + statistics.bytes),
            count(log.leftovers + statistics.leftovers),
            count(log.leftover_bytes + statistics.leftover_bytes),
            count(log.checkpoints + statistics.checkpoints),
            count(log.checkpoint_bytes + statistics.checkpoint_bytes),
            count(log.kept_bytes + statistics.kept_bytes),
            count(one.training_sets),
            count(log.whole_from),
            if one.vacuumed.is_read { "somebody reads its log: try again later" } else { "-" }.to_owned(),
        ]
    });
    println!("{}", output::table(&headings::VACUUMED, &[1, 2, 3, 4, 5, 6, 7, 8, 9], rows));
    say_if_dry(args.dry_run);
    Ok(())
}

/// A table of what would go looks as one of what went.
fn say_if_dry(dry_run: bool) {
    if dry_run {
        eprintln!("nothing was removed: this is what would go");
    }
}

async fn cost(project: &Project, args: &CostArgs) -> Result<(), Failure> {
    let costs = project.cost(&args.request()).await?;
    let price =
        |part: &PartCost| if part.part == "online store" { args.online_price } else { args.log_price };
    let a_month = |part: &PartCost, bytes: Option<u64>| Some(bytes? as f64 / 1e9 * price(part)?);
    if args.format.format == Format::Json {
        let part = |part: &PartCost| {
            json!({
                "part": part.part,
                "estimated": part.estimated,
                "taken": part.taken,
                "estimated_a_month": a_month(part, part.estimated),
                "taken_a_month": a_month(part, part.taken),
            })
        };
        let views = costs.iter().map(|cost| {
            json!({
                "view": cost.view,
                "entities": cost.entities,
                "features": cost.features,
                "every_s": cost.every_s,
                "kept_days": cost.kept_days,
                "parts": cost.parts.iter().map(part).collect::<Vec<_>>(),
            })
        });
        return output::json(&json!({"views": views.collect::<Vec<_>>()}));
    }
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), count);
    let money = |money: Option<f64>| money.map_or_else(|| "-".to_owned(), |money| format!("{money:.4}"));
    let rows = costs.iter().flat_map(|cost| {
        cost.parts.iter().map(move |part| {
            let ratio = part.estimated.filter(|estimated| *estimated > 0).zip(part.taken);
            let ratio = ratio.map(|(estimated, taken)| format!("{:.2}", taken as f64 / estimated as f64));
            vec![
                cost.view.to_string(),
                part.part.to_owned(),
                bytes(part.estimated),
                bytes(part.taken),
                ratio.unwrap_or_else(|| "-".to_owned()),
                money(a_month(part, part.estimated)),
                money(a_month(part, part.taken)),
            ]
        })
    });
    println!("{}", output::table(&headings::COST, &[2, 3, 4, 5, 6], rows));
    for cost in &costs {
        println!(
            "{}: {} and {}, a row of each every {:.0} s, kept for {:.1} days",
            cost.view,
            counted(cost.entities, "entity"),
            counted(cost.features as u64, "feature"),
            cost.every_s,
            cost.kept_days
        );
    }
    Ok(())
}
