//! The folders of a project: whether they can be written, and how much space is left.

use std::path::{Path, PathBuf};

use monitor::{Area, Finding};
use rustix::fs::{Access, access, statvfs};

use crate::project::Project;

/// With less than this left nothing is to be relied on.
const LEAST_BYTES: u64 = 256 << 20;
/// With less than this share left, in percent, it is time to make space.
const LITTLE_PERCENT: u64 = 5;

pub(super) fn examine(project: &Project) -> Vec<Finding> {
    let found: Vec<Finding> =
        folders(project).iter().map(|(what, folder)| examine_one(what, folder)).collect();
    match found.iter().find(|finding| finding.condition != monitor::Condition::Fine) {
        Some(_) => found.into_iter().filter(|f| f.condition != monitor::Condition::Fine).collect(),
        // One sentence is enough where all is well.
        None => found.into_iter().take(1).collect(),
    }
}

/// The folders that the settings name on this machine, as far as they are there: of others the one above.
fn folders(project: &Project) -> Vec<(&'static str, PathBuf)> {
    let settings = &project.settings;
    let below = |path: &str| project.folder.join(path);
    let local = |url: &str, scheme: &str| url.strip_prefix(scheme).map(below);
    let offline = project.offline().and_then(|offline| Ok(offline.folder()?)).ok();
    let registry = local(&settings.registry.url, "sqlite://");
    let registry = registry.and_then(|file| file.parent().map(Path::to_owned));
    let parts = [
        ("the project", Some(project.folder.clone())),
        ("the logs", offline),
        ("the registry", registry),
        ("the online store", local(&settings.online.url, "embedded://")),
        ("topics", project.topics_folder()),
    ];
    parts.into_iter().filter_map(|(what, folder)| Some((what, existing(folder?)?))).collect()
}

/// The folder, or where it is not made yet the nearest one above that is.
fn existing(folder: PathBuf) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    folder.ancestors().find(|above| above.symlink_metadata().is_ok()).map(Path::to_owned)
}

fn examine_one(what: &str, folder: &Path) -> Finding {
    let shown = folder.display();
    if !folder.is_dir() {
        return Finding::wrong(
            Area::Disk,
            format!("{shown}, where {what} should be, is not a folder: move it away"),
        );
    }
    if let Err(error) = access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        let why = std::io::Error::from(error);
        return Finding::wrong(
            Area::Disk,
            format!(
                "the folder of {what}, {shown}, cannot be written: {why}: give this user the right to write it"
            ),
        );
    }
    match statvfs(folder) {
        Ok(disk) => space(what, folder, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize),
        Err(error) => {
            Finding::noted(Area::Disk, format!("{shown} does not say how much space is left: {error}"))
        }
    }
}

fn space(what: &str, folder: &Path, left: u64, all: u64) -> Finding {
    let percent = (left * 100).checked_div(all).unwrap_or(0);
    let said = format!(
        "the disk of {what}, {}, has {} MB left, {percent}%",
        folder.display(),
        feature::thousands(left >> 20)
    );
    if left < LEAST_BYTES {
        return Finding::wrong(Area::Disk, format!("{said}: free some space"));
    }
    if percent < LITTLE_PERCENT {
        return Finding::noted(Area::Disk, said);
    }
    Finding::fine(Area::Disk, format!("all folders can be written; {said}"))
}

#[cfg(test)]
mod tests {
    use monitor::Condition;

    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_wrong_and_one_with_little_left_is_noted() {
        let of = |left_mb: u64, all_mb: u64| space("the logs", Path::new("x"), left_mb << 20, all_mb << 20);
        assert_eq!(of(100, 100_000).condition, Condition::Wrong);
        assert_eq!(of(1_000, 100_000).condition, Condition::Noted);
        let fine = of(50_000, 100_000);
        assert_eq!((fine.condition, fine.help.clone()), (Condition::Fine, None));
        assert!(of(0, 0).said.contains("0 MB left"), "{fine:?}");
    }
}
