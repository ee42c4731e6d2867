//! The files of a new project: none is written over.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::failure::Failure;

/// What git is to pass over.
pub const GITIGNORE: &[u8] = b".twinstore/\n";

/// Writes files that are not there yet; refused where one is.
pub fn write(dir: &Path, files: &[(&str, &[u8])]) -> Result<(), Failure> {
    let there: Vec<_> = files.iter().map(|(name, _)| *name).filter(|name| dir.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::new(format!(
            "{} already has {}: name an empty folder, as in `twinstore init flights`",
            dir.display(),
            there.join(", ")
        )));
    }
    for (name, content) in files {
        let path = dir.join(name);
        let created = path.parent().map_or(Ok(()), fs::create_dir_all);
        let new = created.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path));
        let written = new.and_then(|mut file| file.write_all(content));
        written.map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
