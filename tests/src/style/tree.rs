//! The files that the rules check: all that git tracks or would track, and are text.

use std::fmt;
use std::path::Path;
use std::process::Command;

/// The repository, or a sample of it.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// One text file.
pub(super) struct File {
    /// From the repository's root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

/// One line that breaks a rule.
pub(super) struct Violation {
    path: String,
    line: usize,
    message: String,
}

impl Tree {
    /// The crates' manifests, by crate.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().filter_map(|file| Some((file.path.strip_suffix("/Cargo.toml")?, file)))
    }

    /// The repository that this test was compiled in.
    pub(super) fn of_repository() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .expect("the style test needs git: install it");
        let why = String::from_utf8_lossy(&listed.stderr);
        assert!(listed.status.success(), "the style test lists files with git, which says: {why}");
        let mut paths: Vec<_> = std::str::from_utf8(&listed.stdout).unwrap().split('\0').collect();
        paths.sort_unstable();
        paths.dedup();
        // A file that is deleted but not yet committed, or is no text, is passed over.
        let read = |path: &&str| Some(File::new(path, &std::fs::read_to_string(root.join(path)).ok()?));
        let files: Vec<File> = paths.iter().filter(|path| !path.is_empty()).filter_map(read).collect();
        assert!(files.len() > 20, "git lists only {} text files in {}", files.len(), root.display());
        Self { files }
    }

    /// The Rust files that people write.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs") && !file.is_generated())
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file or a folder at this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

impl File {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_generated(&self) -> bool {
        self.text.lines().next().is_some_and(|line| line.contains("@generated"))
    }

    /// A violation in this file; lines count from 1.
    pub(super) fn at(&self, line: usize, message: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, message: message.into() }
    }

    /// Its folders and its name.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.path.split('/')
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}
