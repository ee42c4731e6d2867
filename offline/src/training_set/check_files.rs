//! Reading the training sets below a folder, for nothing but to find those that are not what their manifests say.

use std::io;
use std::path::{Path, PathBuf};

use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::opened_file::file_sha256;
use crate::training_set::manifest::Manifest;
use crate::training_set::partial::MANIFEST;

/// Folders that programs fill, and no user.
const NOT_SEARCHED: [&str; 2] = ["target", "node_modules"];

/// What a check of training sets found.
#[derive(Debug, Default)]
pub struct CheckedTrainingSets {
    /// How many have a manifest.
    pub training_sets: u64,
    /// Those that are damaged, and manifests that are.
    pub damaged: Vec<Damaged>,
}

/// Checks every training set below a folder that has a manifest beside it.
pub fn check_training_sets(folder: &Path) -> Result<CheckedTrainingSets, OfflineError> {
    let mut checked = CheckedTrainingSets::default();
    for set in training_sets_below(folder)? {
        checked.training_sets += 1;
        checked.damaged.extend(damage(&Manifest::path_of(&set), &set));
    }
    checked.damaged.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(checked)
}

/// Every training set below a folder that has a manifest beside it, whether it is there itself or not. Hidden folders are
/// passed over.
pub fn training_sets_below(folder: &Path) -> Result<Vec<PathBuf>, OfflineError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error: io::Error| OfflineError::file("read", &folder, error);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().map_err(failed)?.is_dir() {
                if !name.starts_with('.') && !NOT_SEARCHED.contains(&name.as_str()) {
                    folders.push(entry.path());
                }
            } else if let Some(set) = name.strip_suffix(MANIFEST) {
                found.push(entry.path().with_file_name(set));
            }
        }
    }
    Ok(found)
}

/// What is wrong with a training set or its manifest.
fn damage(manifest: &Path, set: &Path) -> Option<Damaged> {
    let again = "make it again, or delete its manifest";
    let recorded = match Manifest::read(set) {
        Ok(recorded) => recorded,
        Err(error) => {
            return Some(Damaged::new(manifest, error.to_string()).with_help("make the training set again"));
        }
    };
    match file_sha256(set) {
        Ok(sum) if sum == recorded.sha256 => None,
        Ok(_) => Some(Damaged::new(set, "it has other bytes than its manifest says").with_help(again)),
        Err(error) => Some(Damaged::new(set, error.to_string()).with_help(again)),
    }
}
