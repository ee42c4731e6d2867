//! `verify`: reads what is stored, and says all that is damaged in it; or compares online values with the log.

use twinstore::{AsJson, Checked, ComparedView, DifferingEntity, Project, Run, ServedCell, VerifyValues};

use crate::arguments::{Format, VerifyArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};

pub async fn check(project: &Project, args: &VerifyArgs, run: &Run) -> Result<(), Failure> {
    if args.values || args.served || args.name.is_some() {
        return check_values(project, args, run).await;
    }
    let found = project.verify(args.deep, run).await?;
    match args.format.format {
        Format::Json => output::json(&found)?,
        Format::Table => show(&found.checked, found.deep),
    }
    match found.damaged.len() as u64 {
        0 => Ok(()),
        damaged => Err(Failure::new(match args.format.format {
            Format::Json => format!("{} found damaged", counted(damaged, "thing")),
            Format::Table => found.damaged.join("\n"),
        })),
    }
}

fn show(checked: &[Checked], deep: bool) {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), count);
    let rows = checked.iter().map(|checked| {
        vec![
            checked.what.clone(),
            number(checked.commits),
            count(checked.files),
            number(checked.bytes),
            number(checked.without_checksums),
            count(checked.damaged as u64),
        ]
    });
    println!("{}", output::table(&headings::CHECKED, &[1, 2, 3, 4, 5], rows));
    if !deep {
        println!("\nfiles of rows are there, and were not read: --deep reads everything");
    }
}

async fn check_values(project: &Project, args: &VerifyArgs, run: &Run) -> Result<(), Failure> {
    let verify = VerifyValues { of: args.name.clone(), entities: args.entities, served: args.served };
    let report = project.verify_values(&verify, run).await?;
    match args.format.format {
        Format::Json => output::json(&report)?,
        Format::Table => show_values(&report.views),
    }
    let differing: Vec<String> =
        report.views.iter().filter(|view| view.differing > 0).map(|view| view.view.to_string()).collect();
    let (answers_or_entities, mut wrong) = (report.differing(), report.damaged);
    match answers_or_entities {
        0 => {}
        answers if args.served => wrong.push(format!(
            "{} that were served are not what the log gives: `twinstore verify --values` says whether they are online now",
            counted(answers, "answer"),
        )),
        entities => wrong.push(format!(
            "{} online are not what the log gives: `twinstore online rebuild {}` writes them again",
            counted(entities, "entity"),
            differing.join(" ")
        )),
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
}

fn show_values(views: &[ComparedView]) {
    let rows = views.iter().map(|view| {
        vec![
            view.view.to_string(),
            count(view.entities),
            count(view.same),
            count(view.differing),
            count(view.unknown),
            view.passed_over.clone().unwrap_or_default(),
        ]
    });
    println!("{}", output::table(&headings::COMPARED_VALUES, &[1, 2, 3, 4], rows));
    for view in views {
        view.differences.iter().for_each(|entity| show_entity(view, entity));
    }
}

fn show_entity(view: &ComparedView, entity: &DifferingEntity) {
    let keys: Vec<String> =
        entity.entity.iter().map(|(name, value)| format!("{name}={}", json(&AsJson(value)))).collect();
    println!("\n{} {} at {}: {}", view.view, keys.join(" "), entity.at, entity.why);
    for feature in &entity.features {
        println!(
            "  {}: {}, and the log gives {}",
            feature.feature,
            cell(&feature.served),
            cell(&feature.folded)
        );
    }
}

fn cell(cell: &ServedCell) -> String {
    match cell.status {
        feature::Status::Present => json(&AsJson(&cell.value)),
        status => status.name().to_owned(),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
