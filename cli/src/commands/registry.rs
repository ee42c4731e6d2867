//! `registry`: what is defined.

use feature::{Field, Percent};
use twinstore::{
    FoundFeature, Kind, Listed, Meaning, Project, Reach, ServiceShown, Shown, ShownFeature,
    USED_BEFORE_RECORDS,
};

use crate::arguments::{Format, KindArg, RegistryCommand};
use crate::failure::Failure;
use crate::headings;
use crate::output;

pub async fn registry(project: &Project, command: &RegistryCommand) -> Result<(), Failure> {
    match command {
        RegistryCommand::List { search: None, format } => list(project, format.format).await,
        RegistryCommand::List { search: Some(text), format } => search(project, text, format.format).await,
        RegistryCommand::Show { name, format } => show(project, name, format.format).await,
        RegistryCommand::Remove { name, kind, format } => {
            remove(project, name, kind.map(kind_of), format.format).await
        }
    }
}

pub fn kind_of(kind: KindArg) -> Kind {
    match kind {
        KindArg::Entity => Kind::Entity,
        KindArg::Source => Kind::Source,
        KindArg::FeatureView => Kind::FeatureView,
        KindArg::OnDemandView => Kind::OnDemandView,
        KindArg::FeatureService => Kind::FeatureService,
    }
}

async fn remove(project: &Project, name: &str, kind: Option<Kind>, format: Format) -> Result<(), Failure> {
    let done = project.remove(name, kind).await?;
    let removed = &done.removed;
    if format == Format::Json {
        return output::json(removed);
    }
    println!("{} removed (generation {})", removed.id, removed.generation);
    if done.has_file {
        println!("note: where {} still defines it, the next `apply` adds it again", removed.file);
    }
    Ok(())
}

async fn list(project: &Project, format: Format) -> Result<(), Failure> {
    let listed = project.definitions().await?;
    if format == Format::Json {
        return output::json(&listed);
    }
    print_listed(&listed);
    Ok(())
}

/// What has a text in its name: definitions first, then features.
async fn search(project: &Project, text: &str, format: Format) -> Result<(), Failure> {
    let found = project.search(text).await?;
    if format == Format::Json {
        return output::json(&found);
    }
    if found.definitions.is_empty() && found.features.is_empty() {
        println!("nothing has `{text}` in its name: a shorter part of it may find more");
        return Ok(());
    }
    if !found.definitions.is_empty() {
        print_listed(&found.definitions);
    }
    if !found.features.is_empty() {
        if !found.definitions.is_empty() {
            println!();
        }
        print_features(&found.features);
    }
    Ok(())
}

fn print_listed(listed: &[Listed]) {
    let none = || "-".to_owned();
    let rows = listed.iter().map(|one| {
        let name = match one.version {
            Some(version) => format!("{}@{version}", one.name),
            None => one.name.to_string(),
        };
        vec![
            one.kind.name().to_owned(),
            name,
            state(one),
            one.features.map_or_else(none, |n| n.to_string()),
            one.revision.to_string(),
            one.owner.clone().unwrap_or_else(none),
            one.description.clone().unwrap_or_default(),
        ]
    });
    println!("{}", output::table(&headings::DEFINED, &[3, 4], rows));
}

/// Whether a version is live, or comes to its end.
fn state(listed: &Listed) -> String {
    let live = (listed.live == Some(true)).then(|| "live".to_owned());
    let canary = listed.canary.map(canary);
    let retired = listed.retired.as_ref().map(|_| "retired".to_owned());
    let deprecated = listed.deprecated.as_ref().map(|deprecated| {
        let sunset = deprecated.sunset.to_string();
        format!("until {}", sunset.split('T').next().unwrap_or_default())
    });
    [live, canary, retired, deprecated].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn canary(percent: Percent) -> String {
    format!("canary for {percent}")
}

async fn show(project: &Project, name: &str, format: Format) -> Result<(), Failure> {
    let shown = match project.definition(name).await? {
        Meaning::Definitions(shown) => shown,
        Meaning::Features(found) => match format {
            Format::Json => return output::json(&found),
            Format::Table => {
                print_features(&found);
                return Ok(());
            }
        },
    };
    if format == Format::Json {
        return output::json(&shown);
    }
    for (index, one) in shown.iter().enumerate() {
        if index > 0 {
            println!();
        }
        print_one(one);
    }
    Ok(())
}

fn print_one(shown: &Shown) {
    let listed = &shown.listed;
    let version = listed.version.map(|version| format!("@{version}")).unwrap_or_default();
    let live = if listed.live == Some(true) { ", live" } else { "" };
    let canary = listed.canary.map(|percent| format!(", {}", canary(percent))).unwrap_or_default();
    println!("{} {}{version}{live}{canary}", listed.kind.name(), listed.name);
    if let Some(retired) = &listed.retired {
        println!(
            "end       {retired}, {}",
            if retired.is_freed { "its storage is freed" } else { "its storage is not freed yet" }
        );
    }
    if let Some(deprecated) = &listed.deprecated {
        println!(
            "end       deprecated since {}, to be retired at {}: {}",
            deprecated.since, deprecated.sunset, deprecated.reason
        );
    }
    println!("hash      {}", listed.hash);
    println!("file      {}", listed.file);
    match &shown.first_use {
        Some(first) if first.by == USED_BEFORE_RECORDS => {
            println!("used      before first uses were recorded")
        }
        Some(first) => println!("used      since {}, first by {}", first.at, first.by),
        None if listed.version.is_some() => println!("used      never: it may be edited or removed"),
        None => {}
    }
    for revision in &shown.revisions {
        println!(
            "revision  {} at {} (generation {})",
            revision.revision, revision.applied_at, revision.generation
        );
    }
    match shown.dependents.as_slice() {
        [] => println!("read by   nothing"),
        dependents => println!("read by   {}", dependents.iter().map(reader).collect::<Vec<_>>().join(", ")),
    }
    if let Some(service) = &shown.service {
        print_service(service);
    }
    println!("\n{}", shown.text.trim_end());
}

/// What a service takes, a line each, and a table of what it gives.
fn print_service(service: &ServiceShown) {
    let columns = |fields: &[Field]| -> String {
        let named = |field: &Field| format!("{} ({})", field.name, field.data_type);
        fields.iter().map(named).collect::<Vec<_>>().join(", ")
    };
    println!("keys      {}", columns(&service.keys));
    if !service.request.is_empty() {
        println!("request   {}", columns(&service.request));
    }
    println!("\n{}", features(service.features.iter()));
}

fn features<'a>(features: impl Iterator<Item = &'a ShownFeature>) -> comfy_table::Table {
    let none = || "-".to_owned();
    let rows = features.map(|feature| {
        vec![
            feature.name.clone(),
            feature.data_type.to_string(),
            feature.unit.clone().unwrap_or_else(none),
            feature.default.clone().unwrap_or_else(none),
            format!("{} of {}", feature.feature, feature.view),
            feature.description.clone().unwrap_or_default(),
        ]
    });
    output::table(&headings::FEATURES, &[], rows)
}

/// Where a feature of this name is defined or given.
fn print_features(found: &[FoundFeature]) {
    let rows = found.iter().map(|found| {
        vec![
            found.of.to_string(),
            found.name.clone(),
            found.data_type.to_string(),
            found.unit.clone().unwrap_or_else(|| "-".to_owned()),
            found.what.clone(),
        ]
    });
    println!("{}", output::table(&headings::FOUND, &[], rows));
}

fn reader(reach: &Reach) -> String {
    match &reach.consumer {
        Some(consumer) => format!("{} ({consumer})", reach.id),
        None => reach.id.to_string(),
    }
}
