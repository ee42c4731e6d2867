//! `parity`: two versions compared, in the terminal, as JSON and as a page.

use std::path::Path;

use pages::{changed_nulls, entity, few_rows, number, parity_page, percent, shift, three};
use twinstore::{CompareVersions, ComparedFeature, InputRow, Moments, ParityReport, Project, Run, Verdict};

use crate::arguments::{Format, ParityArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, counted};

pub async fn parity(project: &Project, args: &ParityArgs, run: &Run) -> Result<(), Failure> {
    let compare = CompareVersions {
        old: args.old.clone(),
        new: args.new.clone(),
        rows: args.rows,
        // The command line is refused where only one of them is named.
        spine: args.spine.clone().zip(args.time.clone()),
    };
    let report = project.parity(&compare, run).await?;
    match args.format.format {
        Format::Json => output::json(&report.json())?,
        Format::Table => show(&report),
    }
    if let Some(file) = &args.html {
        write(&project.folder().join(file), &report)?;
        if args.format.format == Format::Table {
            println!("the same with plots: {}", file.display());
        }
    }
    match report.failure() {
        None => Ok(()),
        Some(failure) => Err(Failure::new(failure)),
    }
}

fn write(file: &Path, report: &ParityReport) -> Result<(), Failure> {
    std::fs::write(file, parity_page(report)).map_err(|error| {
        Failure::new(format!("cannot write {}: {error}: name another file with --html", file.display()))
    })
}

fn show(report: &ParityReport) {
    let lines = report.features.iter().map(|feature| {
        let figures = &feature.figures;
        vec![
            feature.name.clone(),
            feature.judgement.verdict.name().to_owned(),
            percent(figures.equal_share()),
            three(figures.psi),
            three(figures.ks),
            shift(figures),
            changed_nulls(figures),
        ]
    });
    println!("{}\n", output::table(&headings::PARITY, &[2, 3, 4, 5, 6], lines));
    report.features.iter().filter(|feature| feature.judgement.verdict != Verdict::Equal).for_each(explain);
    let names = |what: String, names: &[String]| {
        if !names.is_empty() {
            println!("only in {what}: {}", names.join(", "));
        }
    };
    names(report.old.to_string(), &report.only_old);
    names(report.new.to_string(), &report.only_new);
    for one in &report.not_compared {
        println!(
            "not compared: {}, which needs {}: name a --spine that has it",
            one.name,
            one.request.join(", ")
        );
    }
    if let Some(note) = few_rows(report.rows()) {
        println!("note: {note}");
    }
    let from = match &report.moments {
        Moments::Drawn { views, .. } => {
            let views: Vec<String> = views.iter().map(ToString::to_string).collect();
            format!("drawn from the log of {}", views.join(", "))
        }
        Moments::Spine { path, .. } => format!("of {}", path.display()),
    };
    println!(
        "{} beside {}: {} at {} {from} in {:.1}s",
        report.new,
        report.old,
        counted(report.features.len() as u64, "feature"),
        counted(report.rows(), "row"),
        report.took.as_secs_f64()
    );
}

/// Why a feature differs, and the row that differs most.
fn explain(feature: &ComparedFeature) {
    println!("{}: {}", feature.name, feature.judgement.verdict.name());
    for exceeded in &feature.judgement.exceeded {
        println!("  {exceeded}");
    }
    if let Some(expected) = &feature.expected {
        println!("  declared: {}", expected.reason);
    }
    for cause in feature.figures.likely_causes() {
        println!("  {cause}");
    }
    for change in &feature.figures.statuses {
        println!("  {} → {} in {}", change.old, change.new, counted(change.rows, "row"));
    }
    if let Some(most) = feature.differences.first() {
        let (old, new) = (number(&most.old), number(&most.new));
        println!("  most at {} {}: {old} → {new}", entity(most), most.at);
        inputs("old", &most.old_inputs);
        inputs("new", &most.new_inputs);
    }
    println!();
}

/// The latest row that a version read.
fn inputs(which: &str, rows: &[InputRow]) {
    match rows.first() {
        None => println!("    {which}: no row could be read"),
        Some(row) => {
            let values: Vec<String> =
                row.values.iter().map(|(name, value)| format!("{name} = {value}, ")).collect();
            let deleted = if row.deleted { "deleted, " } else { "" };
            let when = match row.event_time.zip(row.available_at) {
                Some((event_time, available_at)) => format!("happened {event_time}, readable {available_at}"),
                None => "of a static source".to_owned(),
            };
            println!("    {which}: its latest row: {}{deleted}{when}", values.concat());
        }
    }
}
