//! `forget`: everything that is stored of an entity, removed and searched for again.

use serde_json::json;
use twinstore::{AsJson, Forget, ForgetReport, Project, Run};

use crate::arguments::{ForgetArgs, Format};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};

pub async fn forget(project: &Project, args: &ForgetArgs, run: &Run) -> Result<(), Failure> {
    let keys = args.keys.iter().map(|text| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::new(format!("`{text}` is not NAME=VALUE"))),
    });
    let request = Forget {
        keys: keys.collect::<Result<_, _>>()?,
        entity: args.entity.clone(),
        dry_run: args.dry_run,
        reason: args.reason.clone(),
    };
    if !args.dry_run && !args.yes {
        return Err(Failure::new(
            "this removes for good what is stored of the entity: say --dry-run to see what that is, and --yes to do it",
        ));
    }
    let report = project.forget(&request, run).await?;
    match args.format.format {
        Format::Json => output::json(&as_json(&report, args.dry_run))?,
        Format::Table => show(&report, args.dry_run),
    }
    match report.left() {
        left if left > 0 && !args.dry_run => Err(Failure::new(format!(
            "{} left of the entity: see LEFT above, and run this again once what writes there has ended",
            if left == 1 { "1 thing is".to_owned() } else { format!("{} things are", count(left)) }
        ))),
        _ => Ok(()),
    }
}

fn as_json(report: &ForgetReport, is_dry: bool) -> serde_json::Value {
    let keys = report.keys.iter().map(|(name, value)| (name.to_string(), json!(AsJson(value))));
    json!({
        "entity": report.entity,
        "keys": keys.collect::<serde_json::Map<_, _>>(),
        "dry_run": is_dry,
        "hash": report.hash,
        "until": report.until.map(|until| until.to_string()),
        "found": report.found(),
        "removed": report.removed(),
        "left": report.left(),
        "parts": report.parts,
        "values": report.values,
        "sources": report.sources,
        "training_sets": report.training_sets,
        "not_searched": report.beside,
    })
}

fn show(report: &ForgetReport, is_dry: bool) {
    let rows = report.parts.iter().map(|part| {
        vec![
            part.part.clone(),
            part.searched.clone(),
            count(part.found),
            count(part.removed),
            if is_dry { "-".to_owned() } else { count(part.left) },
        ]
    });
    println!("{}", output::table(&headings::FORGOTTEN, &[2, 3, 4], rows));
    for part in &report.parts {
        if let Some(note) = &part.note {
            println!("{}: {note}", part.part);
        }
    }
    for held in &report.values {
        println!("not touched: {} of {} name it as a value", counted(held.rows, "row"), held.view);
    }
    for held in &report.sources {
        match held.rows {
            0 => println!("not touched: the source {}: {}", held.source, held.file),
            rows => println!(
                "not touched: the source {} has {} in {}",
                held.source,
                counted(rows, "row"),
                held.file
            ),
        }
    }
    for set in &report.training_sets {
        let rows = set.rows.map_or_else(|| "perhaps rows".to_owned(), |rows| counted(rows, "row"));
        let marked =
            if set.is_marked { "; its manifest says that it cannot be built again to the bit" } else { "" };
        println!("not touched: the training set {} of {} has {rows} of it{marked}", set.file, set.service);
    }
    if !report.beside.is_empty() {
        println!("not searched, as their views are registered no more: {}", report.beside.join(", "));
    }
    match (&report.hash, report.until) {
        (Some(hash), Some(until)) => println!(
            "forgotten as {hash}: rows of it that happened up to {until} are left out of every load, stream and push"
        ),
        _ => println!("nothing was changed: with --yes what was found is removed"),
    }
}
