//! `verify`: reads what is stored, and says all that is damaged in it.

use std::path::PathBuf;

use materializer::{PushError, check_topic};
use offline::check_training_sets;
use serde::Serialize;
use serde_json::json;

use crate::arguments::{Format, VerifyArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};
use crate::project::Project;

/// Something that was checked.
#[derive(Serialize)]
struct Checked {
    what: String,
    commits: Option<u64>,
    files: u64,
    bytes: Option<u64>,
    without_checksums: Option<u64>,
    damaged: usize,
}

pub async fn check(project: &Project, args: &VerifyArgs) -> Result<(), Failure> {
    let (project, deep) = (project.clone(), args.deep);
    let (registry, problems) = registry(&project).await;
    let stores = tokio::task::spawn_blocking(move || stored(&project, deep)).await;
    let (mut checked, mut found) = stores.map_err(|error| Failure::new(error.to_string()))??;
    checked.insert(0, registry);
    found.splice(0..0, problems);
    match args.format.format {
        Format::Json => output::json(&json!({"deep": deep, "checked": checked, "damaged": found}))?,
        Format::Table => show(&checked, deep),
    }
    match found.len() as u64 {
        0 => Ok(()),
        damaged => Err(Failure::new(match args.format.format {
            Format::Json => format!("{} found damaged", counted(damaged, "thing")),
            Format::Table => found.join("\n"),
        })),
    }
}

/// The registry, which is checked even where nothing can be read of it.
async fn registry(project: &Project) -> (Checked, Vec<String>) {
    let registry = async {
        match project.registered_so_far().await?.is_empty() {
            true => Ok(Vec::new()),
            false => Ok::<_, Failure>(project.registry().await?.integrity().await?),
        }
    };
    let problems = match registry.await {
        Ok(found) => found.into_iter().map(|found| format!("the registry is damaged: {found}")).collect(),
        Err(error) => vec![error.to_string()],
    };
    let problems: Vec<String> = problems
        .into_iter()
        .map(|found| format!("{found}: restore it from a copy, or apply the definitions again"))
        .collect();
    let (what, damaged) = ("registry".to_owned(), problems.len());
    (Checked { what, commits: None, files: 1, bytes: None, without_checksums: None, damaged }, problems)
}

/// What lies on the disk beside the registry.
fn stored(project: &Project, deep: bool) -> Result<(Vec<Checked>, Vec<String>), Failure> {
    let (mut checked, mut found) = (Vec::new(), Vec::new());
    for table in project.offline()?.check(deep)? {
        checked.push(Checked {
            what: table.table,
            commits: Some(table.commits),
            files: table.files,
            bytes: Some(table.bytes),
            without_checksums: Some(table.without_checksums),
            damaged: table.damaged.len(),
        });
        found.extend(table.damaged.iter().map(ToString::to_string));
    }
    if !deep {
        return Ok((checked, found));
    }
    for folder in topics(project)? {
        let topic = check_topic(&folder)?;
        let what = format!("topic {}", folder.file_name().unwrap_or_default().display());
        let damaged = topic.damaged.len();
        checked.push(Checked {
            what,
            commits: None,
            files: topic.segments,
            bytes: None,
            without_checksums: None,
            damaged,
        });
        found.extend(topic.damaged.iter().map(PushError::to_string));
    }
    let sets = check_training_sets(&project.folder)?;
    if sets.training_sets > 0 {
        let (what, damaged) = ("training sets".to_owned(), sets.damaged.len());
        checked.push(Checked {
            what,
            commits: None,
            files: sets.training_sets,
            bytes: None,
            without_checksums: None,
            damaged,
        });
        found.extend(sets.damaged.iter().map(ToString::to_string));
    }
    Ok((checked, found))
}

/// The folders of topics that lie on disk.
fn topics(project: &Project) -> Result<Vec<PathBuf>, Failure> {
    let Some(folder) = project.topics_folder() else { return Ok(Vec::new()) };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
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
