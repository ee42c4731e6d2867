//! The folder of a source's extracts: numbered files, of which each is whole from the moment that it has its name. None
//! is ever written again, and none may be missing: its rows would be extracted once more, under positions of their own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use feature::Name;
use locks::{Holder, LOOK_EVERY, Wait};

use crate::error::MaterializerError;
use crate::history::source_file::{SourceFile, SourceFiles};

/// The folder of all extracts, in a project's.
const FOLDER: &str = ".twinstore/extracts";
/// How the name of an extract ends, after its number.
const EXTENSION: &str = ".csv.zst";
/// The file that is locked while an extract is made.
const LOCK: &str = ".lock";
/// How long another extraction is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The extracts of a source.
#[derive(Clone, Debug)]
pub(crate) struct Extracts {
    source: Name,
    folder: PathBuf,
}

/// The right to make extracts of a source, for as long as this lives and no longer than its process.
#[derive(Debug)]
pub(super) struct ExtractsLock(#[expect(dead_code, reason = "the lock is that it is open")] File);

impl Extracts {
    /// Those of a source in a project's folder.
    pub(crate) fn of(project: &Path, source: &Name) -> Self {
        Self { source: source.clone(), folder: project.join(FOLDER).join(source.as_str()) }
    }

    /// The extracts, in their order, and what lies beside them. Blocks.
    pub(crate) fn files(&self) -> Result<SourceFiles, MaterializerError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SourceFiles::default()),
            entries => entries.map_err(|error| self.failed(&error))?,
        };
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        for entry in entries {
            let entry = entry.map_err(|error| self.failed(&error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if number(&name).is_some() {
                let path = entry.path();
                files.push(SourceFile {
                    name,
                    path,
                    partition: Vec::new(),
                    table_columns: Default::default(),
                    replaces: Default::default(),
                });
            } else if !name.starts_with('.') {
                unread.push(name);
            }
        }
        files.sort();
        unread.sort();
        Ok(SourceFiles { files, unread, ..SourceFiles::default() })
    }

    /// All extracts, of which none is missing. Blocks.
    pub(super) fn whole(&self) -> Result<Vec<SourceFile>, MaterializerError> {
        let files = self.files()?.files;
        let missing = files.iter().zip(1..).find(|(file, expected)| number(&file.name) != Some(*expected));
        match missing {
            None => Ok(files),
            Some((_, number)) => Err(self.wrong(format!(
                "{} is missing, and its rows would be loaded once more: restore it from a copy",
                name(number)
            ))),
        }
    }

    /// Waits until no other process makes an extract, and removes what an interrupted one has left.
    pub(super) async fn lock(&self) -> Result<ExtractsLock, MaterializerError> {
        fs::create_dir_all(&self.folder).map_err(|error| self.failed(&error))?;
        let path = self.folder.join(LOCK);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| self.failed(&error))?;
        let mut wait = Wait::begin(format!("the extraction of the source `{}`", self.source), PATIENCE);
        while matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            wait.look(|| Holder::of_file(&path))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        for entry in fs::read_dir(&self.folder).map_err(|error| self.failed(&error))?.flatten() {
            if entry.file_name().to_string_lossy().ends_with(".partial") {
                fs::remove_file(entry.path()).map_err(|error| self.failed(&error))?;
            }
        }
        Ok(ExtractsLock(file))
    }

    /// Where the extract with this number lies, and where it is written.
    pub(super) fn paths(&self, number: u32) -> (PathBuf, PathBuf) {
        let name = name(number);
        (self.folder.join(&name), self.folder.join(format!(".{name}.partial")))
    }

    /// An error of the file system.
    pub(super) fn failed(&self, error: &io::Error) -> MaterializerError {
        self.wrong(error.to_string())
    }

    pub(super) fn wrong(&self, why: String) -> MaterializerError {
        MaterializerError::Extracts {
            source_name: self.source.to_string(),
            folder: self.folder.display().to_string(),
            why,
        }
    }
}

/// The name of an extract.
pub(super) fn name(number: u32) -> String {
    format!("{number:06}{EXTENSION}")
}

/// The number of an extract, by its name; `None` if it is not one.
fn number(file: &str) -> Option<u32> {
    let number = file.strip_suffix(EXTENSION)?.parse().ok()?;
    (name(number) == file).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_extract_is_named_and_what_is_none_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let extracts = Extracts::of(folder.path(), &"landings".parse().unwrap());
        assert!(extracts.whole().unwrap().is_empty());
        let at = folder.path().join(".twinstore/extracts/landings");
        fs::create_dir_all(&at).unwrap();
        for file in
            ["000001.csv.zst", "000002.csv.zst", "notes.txt", ".lock", ".000003.csv.zst.partial", "3.csv.zst"]
        {
            fs::write(at.join(file), b"").unwrap();
        }
        let found = extracts.files().unwrap();
        let names: Vec<&str> = found.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["000001.csv.zst", "000002.csv.zst"]);
        assert_eq!(found.unread, ["3.csv.zst", "notes.txt"]);
        assert_eq!(extracts.whole().unwrap().len(), 2);
        fs::remove_file(at.join("000001.csv.zst")).unwrap();
        let refused = extracts.whole().unwrap_err().to_string();
        assert!(refused.contains("000001.csv.zst is missing"), "{refused}");
    }
}
