//! Everything that is stored is checked: the registry, logs and refused rows, topics on disk, training sets. Nothing is
//! changed, and what cannot be read is damaged, not a reason to stop.

use std::path::{Path, PathBuf};

use materializer::{PushError, check_topic, lost_tables};
use offline::check_training_sets;
use registry::{Registry, RegistryError};
use serde::Serialize;

use crate::error::ProjectError;
use crate::missing_logs::all_views;
use crate::project::Project;
use crate::pushing::lost_topics;
use crate::run::blocking;

/// What was checked, and what is damaged of it.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Whether every file was read.
    pub deep: bool,
    /// Everything that was checked.
    pub checked: Vec<Checked>,
    /// Everything that is damaged, a sentence each.
    pub damaged: Vec<String>,
}

/// Something that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// What it is.
    pub what: String,
    /// Commits that were read, where it has any.
    pub commits: Option<u64>,
    /// Files of rows, segments, or training sets.
    pub files: u64,
    /// Their size, where it is known.
    pub bytes: Option<u64>,
    /// Files and commits that have no checksum, where they could have one.
    pub without_checksums: Option<u64>,
    /// How much of it is damaged.
    pub damaged: usize,
}

impl Checked {
    /// Of files alone.
    fn of_files(what: String, files: u64, damaged: usize) -> Self {
        Self { what, commits: None, files, bytes: None, without_checksums: None, damaged }
    }
}

pub(crate) async fn verify(project: &Project, deep: bool) -> Result<Verified, ProjectError> {
    let opened = project.registry_so_far().await;
    let registry = opened.as_ref().ok().and_then(Option::as_ref);
    let (gone, online, mut lost) = match registry {
        Some(registry) => (
            logs_that_are_gone(project, registry).await,
            check_online(project, registry).await,
            topics_that_are_gone(project, registry).await,
        ),
        None => (None, None, Vec::new()),
    };
    if let Some(registry) = registry {
        lost.extend(tables_that_are_gone(project, registry).await);
        lost.extend(list_of_forgotten(project, registry).await);
    }
    let is_gone = project.registry_is_gone().await.ok().flatten();
    let found = match (is_gone, opened) {
        (Some(gone), _) => Err(gone),
        (None, Ok(None)) => Ok(Vec::new()),
        (None, Ok(Some(registry))) => registry.integrity().await.map_err(ProjectError::from),
        (None, Err(error)) => Err(error),
    };
    let (registry, mut damaged) = check_registry(found);
    damaged.extend(gone);
    damaged.extend(lost);
    let project = project.clone();
    let (mut stored, found) = blocking(move || stored(&project, deep)).await??;
    damaged.extend(found);
    if let Some((online, others)) = online {
        stored.push(online);
        damaged.extend(others);
    }
    Ok(Verified { deep, checked: [vec![registry], stored].concat(), damaged })
}

/// Whether the online store can be opened, and its rows are those of the logs, as far as it is noted what they were folded
/// from. One of which there is no folder was never made. A server that does not answer is reported by whoever reads.
async fn check_online(project: &Project, registry: &Registry) -> Option<(Checked, Vec<String>)> {
    if project.online_folder_is_missing() {
        return None;
    }
    let registered = registry.registered().await.ok()?;
    let online = match project.online().await {
        Ok(online) => online,
        Err(error) if project.is_online_on_disk() => {
            return Some((Checked::of_files("online store".to_owned(), 1, 1), vec![error.to_string()]));
        }
        Err(_) => return None,
    };
    let others = project.other_prefixes(&all_views(&registered), &online).await;
    let others: Vec<String> = others.values().map(ToString::to_string).collect();
    let checked = Checked::of_files("online store, against the logs".to_owned(), 0, others.len());
    (!others.is_empty()).then_some((checked, others))
}

/// That the folder of all logs is gone, if it is. A registry that cannot be read says so by itself.
async fn logs_that_are_gone(project: &Project, registry: &Registry) -> Option<String> {
    let registered = registry.registered().await.ok()?;
    // A bucket that does not answer is reported by whoever reads the logs.
    let gone = project.check_logs_of_registered(&registered).await;
    gone.err().filter(|error| matches!(error, ProjectError::LogsAreGone { .. })).map(|gone| gone.to_string())
}

/// Tables beside the logs that are gone, though the logs say that something lies in them. A log that cannot be read says so
/// by itself.
async fn tables_that_are_gone(project: &Project, registry: &Registry) -> Vec<String> {
    let (Ok(registered), Ok(offline)) = (registry.registered().await, project.offline()) else {
        return Vec::new();
    };
    let mut gone = Vec::new();
    for view in registered.views() {
        gone.extend(lost_tables(&offline, view).await);
    }
    gone.iter().map(ToString::to_string).collect()
}

/// What is wrong with the list of forgotten entities, once: it is one for all logs.
async fn list_of_forgotten(project: &Project, registry: &Registry) -> Option<String> {
    let (registered, offline) = (registry.registered().await.ok()?, project.offline().ok()?);
    for view in registered.views() {
        let Ok(log) = offline.log(view).await else { continue };
        if let Err(error) = offline.forgotten_as_of(&log).await {
            return Some(error.to_string());
        }
    }
    None
}

/// Topics into which rows were pushed, and that are gone as a whole. A log that cannot be read says so by itself.
async fn topics_that_are_gone(project: &Project, registry: &Registry) -> Vec<String> {
    let Ok(registered) = registry.registered().await else { return Vec::new() };
    let lost = lost_topics(project, registry, &registered).await;
    lost.iter().map(ToString::to_string).collect()
}

/// What was found in the registry, which is checked even where nothing can be read of it.
fn check_registry(found: Result<Vec<String>, ProjectError>) -> (Checked, Vec<String>) {
    let problems = match found {
        Ok(found) => found.into_iter().map(|found| format!("the registry is damaged: {found}")).collect(),
        // It could not be read, which says nothing of what is in it.
        Err(ProjectError::Registry(error @ (RegistryError::Storage { .. } | RegistryError::Locked(_)))) => {
            return (Checked::of_files("registry".to_owned(), 0, 0), vec![error.to_string()]);
        }
        Err(error @ ProjectError::RegistryIsGone { .. }) => {
            return (Checked::of_files("registry".to_owned(), 0, 1), vec![error.to_string()]);
        }
        Err(error) => vec![error.to_string()],
    };
    let problems: Vec<String> = problems
        .into_iter()
        .map(|found| format!("{found}: restore it from a copy, or apply the definitions again"))
        .collect();
    (Checked::of_files("registry".to_owned(), 1, problems.len()), problems)
}

/// What lies on the disk beside the registry.
fn stored(project: &Project, deep: bool) -> Result<(Vec<Checked>, Vec<String>), ProjectError> {
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
        checked.push(Checked::of_files(what, topic.segments, topic.damaged.len()));
        found.extend(topic.damaged.iter().map(PushError::to_string));
    }
    let sets = check_training_sets(&project.folder)?;
    if sets.training_sets > 0 {
        let damaged = sets.damaged.len();
        checked.push(Checked::of_files("training sets".to_owned(), sets.training_sets, damaged));
        found.extend(sets.damaged.iter().map(ToString::to_string));
    }
    Ok((checked, found))
}

/// The folders of topics that lie on disk.
fn topics(project: &Project) -> Result<Vec<PathBuf>, ProjectError> {
    let Some(folder) = project.topics_folder() else { return Ok(Vec::new()) };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = folders(&folder).map_err(ProjectError::file("read", &folder))?;
    found.sort();
    Ok(found)
}

fn folders(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}
