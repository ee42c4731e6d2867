//! `get`: the features of one entity.

use pages::exact;
use serde::Serialize;
use serde_json::{Map, json};
use twinstore::{AsJson, Get, HelpTopic, Input, NeverLoaded, Project, ReadFeatures};

use crate::arguments::{Format, GetArgs};
use crate::failure::{Failure, helped};
use crate::headings;
use crate::help::in_commands;
use crate::output::{self, age};

pub async fn get(project: &Project, args: &GetArgs) -> Result<(), Failure> {
    let values = values(&args.values)?;
    let get = Get {
        service: args.service.clone(),
        values,
        at: args.at,
        trained_on: args.trained_on.clone(),
        server: args.grpc.clone(),
    };
    let read = project.get(&get).await?;
    read.never_loaded.iter().for_each(note);
    read.other_logs
        .iter()
        .for_each(|other| eprintln!("warning: {}", helped(&other.said, other.help.clone())));
    super::ending::warn(&read.deprecated);
    match args.format.format {
        Format::Json => show_json(&read),
        Format::Table => {
            show_table(&read);
            Ok(())
        }
    }
}

/// The values of the command line by their names.
fn values(given: &[String]) -> Result<Vec<(String, Input)>, Failure> {
    let mut values = Vec::new();
    let mut problems = Vec::new();
    for text in given {
        match text.split_once('=') {
            Some((name, value)) => values.push((name.to_owned(), value.into())),
            None => problems.push(format!("`{text}` is no value: write it as name=value")),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(Failure::new(problems.join("\n"))) }
}

/// Says what loads a view of which nothing was loaded yet.
fn note(NeverLoaded { view, source, help, .. }: &NeverLoaded) {
    let said = match help {
        Some(HelpTopic::ResumeBackfill(_)) => {
            format!("the backfill by dates of {view} is not done, and nothing of it online")
        }
        Some(HelpTopic::Quarantine(_)) => {
            format!("files of {view} wait in quarantine, and nothing of it is loaded")
        }
        _ => format!("nothing was loaded for {view} yet"),
    };
    let how = match help {
        Some(help) => in_commands(help),
        None => format!(
            "rows come from its stream, with `twinstore stream` or `serve`, once some are pushed into `{source}`"
        ),
    };
    eprintln!("note: {said}: {how}");
}

fn show_table(read: &ReadFeatures) {
    let none = || "-".to_owned();
    let rows = read.features.iter().map(|feature| {
        vec![
            feature.name.clone(),
            exact(&feature.value),
            feature.status.name().to_owned(),
            feature.event_time.map_or_else(none, |time| time.to_string()),
            feature.age_s.map_or_else(none, age),
            match feature.is_fresh {
                Some(true) => "fresh".to_owned(),
                Some(false) => "not fresh".to_owned(),
                None => none(),
            },
        ]
    });
    println!("{} at {}\n", read.service, read.at);
    println!("{}", output::table(&headings::READ, &[1, 4], rows));
}

fn show_json(read: &ReadFeatures) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Shown<'a> {
        value: AsJson<'a>,
        status: &'a str,
        event_time: Option<String>,
        available_at: Option<String>,
        age_s: Option<f64>,
        fresh: Option<bool>,
    }
    let mut features = Map::new();
    for feature in &read.features {
        let shown = Shown {
            value: AsJson(&feature.value),
            status: feature.status.name(),
            event_time: feature.event_time.map(|time| time.to_string()),
            available_at: feature.available_at.map(|time| time.to_string()),
            age_s: feature.age_s,
            fresh: feature.is_fresh,
        };
        features.insert(feature.name.clone(), serde_json::to_value(shown)?);
    }
    output::json(&json!({"service": read.service, "at": read.at.to_string(), "features": features}))
}
