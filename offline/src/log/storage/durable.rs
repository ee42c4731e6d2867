//! What survives a power cut: files and folders that were synced.
//!
//! A file is synced before the commit that names it is written, and a folder after a name in it was made. Many
//! files are synced at once: a file system then writes its journal a few times, and not once for each.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Files that are synced at a time.
const AT_A_TIME: usize = 8;

/// Syncs what a file holds.
pub(crate) fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    steps::synced(path);
    Ok(())
}

/// Syncs the names in a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // A file system whose folders are not synced.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
        synced => synced?,
    }
    steps::synced(folder);
    Ok(())
}

/// Syncs files, and then their folders up to this one.
pub(crate) fn sync_files(files: &[PathBuf], root: &Path) -> io::Result<()> {
    let mut folders: BTreeSet<&Path> = BTreeSet::new();
    for file in files {
        folders.extend(file.ancestors().skip(1).take_while(|folder| folder.starts_with(root)));
    }
    each(files.iter().map(PathBuf::as_path).collect(), |path| sync_file(&File::open(path)?, path))?;
    each(folders.into_iter().collect(), sync_folder)
}

fn each(paths: Vec<&Path>, sync: impl Fn(&Path) -> io::Result<()> + Sync) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let work = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = sync(path) {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        (1..paths.len().min(AT_A_TIME)).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// What was done to files, in its order: for the tests that prove the order.
pub(crate) mod steps {
    #[cfg(not(test))]
    pub(crate) fn synced(_: &std::path::Path) {}

    #[cfg(not(test))]
    pub(crate) fn named(_: &std::path::Path) {}

    #[cfg(test)]
    pub(crate) use recorded::{Step, named, synced, taken};

    #[cfg(test)]
    mod recorded {
        use std::path::{Path, PathBuf};
        use std::sync::{Mutex, PoisonError};

        /// Something that was done to a file or folder.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Step {
            /// What it holds was synced.
            Synced(PathBuf),
            /// It took its name.
            Named(PathBuf),
        }

        static STEPS: Mutex<Vec<Step>> = Mutex::new(Vec::new());

        pub(crate) fn synced(path: &Path) {
            note(Step::Synced(path.to_owned()));
        }

        pub(crate) fn named(path: &Path) {
            note(Step::Named(path.to_owned()));
        }

        fn note(step: Step) {
            STEPS.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        }

        /// The steps below a folder since they were taken last.
        pub(crate) fn taken(folder: &Path) -> Vec<Step> {
            let mut steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner);
            let is_below = |step: &Step| match step {
                Step::Synced(path) | Step::Named(path) => path.starts_with(folder),
            };
            let (taken, left) = steps.drain(..).partition(is_below);
            *steps = left;
            taken
        }
    }
}
