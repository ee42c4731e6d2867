//! Files while they are written. Each is written beside its name, as `.NAME.PROCESS-N.partial`, and takes its name once it is
//! whole and on disk. It is locked as long as its process lives: one that nobody locks was left behind by a
//! process that was killed, and goes when the next file of that name is begun.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fault_injection::{BatchGuard, BatchPoint};
use crate::log::storage::durable;

/// For how long another process is waited for that puts a training set into the same folder.
const PATIENCE: Duration = Duration::from_secs(60);

/// What this process has begun and not named yet, and what it has named.
static FILES: Mutex<Files> = Mutex::new(Files { begun: Vec::new(), named: Vec::new() });

struct Files {
    begun: Vec<PathBuf>,
    named: Vec<PathBuf>,
}

/// A file while it is written. One that is dropped leaves nothing behind, and an older file of that name as it was.
pub(crate) struct Partial {
    path: PathBuf,
    partial: PathBuf,
    /// Locked while it is open.
    _lock: File,
}

impl Partial {
    /// Begins a file, and removes what killed processes left of files of that name.
    pub(crate) fn create(path: &Path) -> io::Result<(Self, File)> {
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder of that name"));
        }
        remove_stale(path);
        let mut files = files();
        let (partial, file) = match BatchGuard::Rename.is_on() {
            true => create_locked(path)?,
            false => (path.to_owned(), File::create(path)?),
        };
        files.begun.push(partial.clone());
        drop(files);
        let lock = file.try_clone()?;
        Ok((Self { path: path.to_owned(), partial, _lock: lock }, file))
    }

    /// Gives the file its name, once all of it is on disk.
    pub(crate) fn name(self) -> io::Result<()> {
        let mut files = files();
        self.rename()?;
        sync_folder(&self.path)?;
        files.named.push(self.path.clone());
        Ok(())
    }

    fn rename(&self) -> io::Result<()> {
        match self.partial == self.path {
            true => Ok(()),
            false => fs::rename(&self.partial, &self.path),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        files().begun.retain(|begun| *begun != self.partial);
        if self.partial != self.path {
            // Once it has its name there is no such file any more, and nothing to do.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// Gives a file and what describes it their names, both whole and on disk: a process that is killed meanwhile
/// leaves the old two, the new two, or a file without its description; never one beside the description of another.
pub(crate) fn name_both(file: Partial, description: Partial) -> io::Result<()> {
    let folder = folder_of(&file.path).unwrap_or(Path::new("."));
    let what = || format!("{}, into which another process puts a training set", folder.display());
    let alone = File::open(folder)?;
    // Of two that are put there at once, both files of one come last.
    locks::lock(&alone, folder, what, PATIENCE).map_err(io::Error::other)?;
    let mut files = files();
    if BatchGuard::ManifestFirst.is_on() {
        match fs::remove_file(&description.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => sync_folder(&description.path)?,
        }
        BatchPoint::ManifestRemoved.pass();
    }
    file.rename()?;
    sync_folder(&file.path)?;
    BatchPoint::DataNamed.pass();
    description.rename()?;
    sync_folder(&description.path)?;
    files.named.push(file.path.clone());
    Ok(())
}

/// Removes what this process has begun: from here on no file of it takes its name. Gives those that had theirs
/// before. It is for the end of the process: a caller that begins or names a file afterwards never returns.
pub fn end_files() -> Vec<PathBuf> {
    let files = files();
    for begun in &files.begun {
        // What took its name meanwhile is not there any more.
        let _ = fs::remove_file(begun);
    }
    let named = files.named.clone();
    std::mem::forget(files);
    named
}

fn files() -> MutexGuard<'static, Files> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a file for this path that was not there, and locks it. Processes of one number exist where they run in
/// several containers over one folder: a file that is there is another's.
fn create_locked(path: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let partial = partial_name(path, std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let file = match OpenOptions::new().write(true).create_new(true).open(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        // Another process may take it for stale between the two, and remove it: then it is the next one. A file
        // system without locks gives none, and nobody finds a file stale there.
        let is_own = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if is_own && partial.exists() {
            return Ok((partial, file));
        }
    }
}

/// Removes partial files of this name that no process holds.
fn remove_stale(path: &Path) {
    let (Some(folder), Some(name)) = (folder_of(path), path.file_name()) else { return };
    let name = name.to_string_lossy();
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if !is_partial_of(&entry.file_name().to_string_lossy(), &name) {
            continue;
        }
        let stale = entry.path();
        let Ok(file) = File::open(&stale) else { continue };
        // It stays locked until it is gone: its name may just be taken again.
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(&stale);
        }
    }
}

/// Whether a file was begun under this name, or is what describes it.
fn is_partial_of(partial: &str, name: &str) -> bool {
    let rest = partial.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
    let rest = rest.map(|rest| rest.strip_prefix(MANIFEST).unwrap_or(rest));
    let process = rest.and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.strip_suffix(".partial"));
    // An earlier version did not number the files of a process.
    let numbers = process.map(|process| process.split_once('-').unwrap_or((process, "0")));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, file)| is_number(process) && is_number(file))
}

/// What the names of manifests end with.
pub(crate) const MANIFEST: &str = ".manifest.json";

fn partial_name(path: &Path, process: u32, number: u64) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{process}-{number}.partial"))
}

/// The folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// Makes the names in a path's folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    folder_of(path).map_or(Ok(()), durable::sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_begun_removes_what_killed_processes_left_of_its_name_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let stay = [
            ".out.csv.x.partial",
            ".out.csv.7-.partial",
            ".out.csv.gz.7.partial",
            ".other.csv.7.partial",
            "out.csv",
        ];
        let go = [".out.csv.7.partial", ".out.csv.7-0.partial", ".out.csv.manifest.json.7.partial"];
        for name in stay.iter().chain(&go) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        // One whose process lives.
        let locked = folder.path().join(".out.csv.8.partial");
        let lock = File::create(&locked).unwrap();
        lock.lock().unwrap();
        let (partial, _file) = Partial::create(&folder.path().join("out.csv")).unwrap();
        let begun = partial.partial.file_name().unwrap().to_string_lossy().into_owned();
        let mut expected: Vec<String> = stay.iter().map(|name| (*name).to_owned()).collect();
        expected.push(".out.csv.8.partial".to_owned());
        expected.push(begun.clone());
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        drop(partial);
        assert!(!names(folder.path()).contains(&begun));
    }

    #[test]
    fn files_of_one_name_and_of_processes_of_one_number_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let (first, mut writer) = Partial::create(&path).unwrap();
        io::Write::write_all(&mut writer, b"first").unwrap();
        let (second, mut other) = Partial::create(&path).unwrap();
        io::Write::write_all(&mut other, b"second").unwrap();
        assert_eq!(fs::read(&first.partial).unwrap(), b"first");
        first.name().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        second.name().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
    }

    #[test]
    fn a_file_and_its_description_take_their_names_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let about = folder.path().join("out.csv.manifest.json");
        fs::write(&path, "old").unwrap();
        fs::write(&about, "old").unwrap();
        let (file, mut writer) = Partial::create(&path).unwrap();
        let (description, mut other) = Partial::create(&about).unwrap();
        io::Write::write_all(&mut writer, b"new").unwrap();
        io::Write::write_all(&mut other, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        name_both(file, description).unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read(&about).unwrap()), (b"new".to_vec(), b"new".to_vec()));
        assert_eq!(names(folder.path()), ["out.csv", "out.csv.manifest.json"]);
    }
}
