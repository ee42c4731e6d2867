//! `registry`: what is defined.

use registry::{Reach, Shown};

use crate::arguments::{Format, RegistryCommand};
use crate::failure::Failure;
use crate::output;
use crate::project::Project;

pub async fn registry(project: &Project, command: &RegistryCommand) -> Result<(), Failure> {
    match command {
        RegistryCommand::List(format) => list(project, format.format).await,
        RegistryCommand::Show { name, format } => show(project, name, format.format).await,
    }
}

async fn list(project: &Project, format: Format) -> Result<(), Failure> {
    let listed = project.registered().await?.list();
    if format == Format::Json {
        return output::json(&listed);
    }
    let none = || "-".to_owned();
    let rows = listed.iter().map(|one| {
        let name = match one.version {
            Some(version) => format!("{}@{version}", one.name),
            None => one.name.to_string(),
        };
        let live = if one.live == Some(true) { "live" } else { "" };
        vec![
            one.kind.name().to_owned(),
            name,
            live.to_owned(),
            one.features.map_or_else(none, |n| n.to_string()),
            one.revision.to_string(),
            one.owner.clone().unwrap_or_else(none),
            one.description.clone().unwrap_or_default(),
        ]
    });
    let header = ["kind", "name", "", "features", "revision", "owner", "description"];
    println!("{}", output::table(&header, &[3, 4], rows));
    Ok(())
}

async fn show(project: &Project, name: &str, format: Format) -> Result<(), Failure> {
    let shown = project.registry().await?.show(name).await?;
    if format == Format::Json {
        return output::json(&shown);
    }
    for (place, one) in shown.iter().enumerate() {
        if place > 0 {
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
    println!("{} {}{version}{live}", listed.kind.name(), listed.name);
    println!("hash      {}", listed.hash);
    println!("file      {}", listed.file);
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
    println!("\n{}", shown.text.trim_end());
}

fn reader(reach: &Reach) -> String {
    match &reach.consumer {
        Some(consumer) => format!("{} ({consumer})", reach.id),
        None => reach.id.to_string(),
    }
}
