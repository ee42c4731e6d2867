//! The files of a new project: none is written over.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// What git is to pass over.
pub const GITIGNORE: &[u8] = b".twinstore/\n";

/// Writes files that are not there yet, and names them; refused where one is.
pub fn write(dir: &Path, files: &[(&str, &[u8])]) -> Result<Vec<PathBuf>, Failure> {
    let there: Vec<_> = files.iter().map(|(name, _)| *name).filter(|name| dir.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::new(format!(
            "{} already has {}: name an empty folder, as in `twinstore init flights`",
            dir.display(),
            there.join(", ")
        )));
    }
    let mut paths = Vec::new();
    for (name, content) in files {
        let path = dir.join(name);
        let created = path.parent().map_or(Ok(()), fs::create_dir_all);
        let new = created.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path));
        let written = new.and_then(|mut file| file.write_all(content));
        written.map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        paths.push(path);
    }
    Ok(paths)
}

/// The settings of a new project with this title.
pub fn settings(title: &str) -> String {
    format!(
        "# Settings of this project: docs/commands.md lists every key. Relative paths are taken from this folder.\n\nproject = \"{}\"\n",
        project_name(title)
    )
}

fn project_name(title: &str) -> String {
    let plain: String =
        title.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    if plain.is_empty() { "twinstore".to_owned() } else { plain }
}
