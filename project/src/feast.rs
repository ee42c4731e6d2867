//! Definitions from a Feast repository: a Python that has Feast is found, runs the repository's code, and describes it.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use registry::FeastImport;

use crate::error::ProjectError;
use crate::outline::{absolute, named};

/// The program that describes a repository on its stdout.
const DESCRIBE: &str = include_str!("feast/describe.py");
/// Exits with 0 where Feast is installed; importing it would take seconds.
const HAS_FEAST: &str = "import importlib.util, sys; sys.exit(importlib.util.find_spec('feast') is None)";
/// The file by which a repository is known.
const SETTINGS: &str = "feature_store.yaml";
/// The longest description that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// A Feast repository, and the Python that runs its code.
#[derive(Clone, Debug)]
pub struct FeastRepository {
    folder: PathBuf,
    python: PathBuf,
}

impl FeastRepository {
    /// The repository in this folder, or in its `feature_repo`. Where no interpreter is named, it is the first that has
    /// Feast: of the active environment, of one beside the repository, or of the search path.
    pub fn find(folder: &Path, python: Option<&Path>) -> Result<Self, ProjectError> {
        let inside = [folder.to_owned(), folder.join("feature_repo")];
        let found = inside.into_iter().find(|folder| folder.join(SETTINGS).is_file());
        let folder = found.ok_or_else(|| ProjectError::NoFeastRepository { folder: folder.to_owned() })?;
        let folder = absolute(&folder)?;
        let candidates = match python {
            Some(python) => vec![python.to_owned()],
            None => interpreters(&folder),
        };
        match candidates.iter().find(|python| has_feast(python)) {
            Some(python) => Ok(Self { folder, python: python.clone() }),
            None => Err(ProjectError::NoFeastPython { candidates }),
        }
    }

    /// The folder of the repository's `feature_store.yaml`, from the root.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The interpreter.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// Runs the repository's Python code, and makes definitions of what it defines, for a project in this folder. Nothing
    /// is written.
    pub async fn import(&self, project: &Path) -> Result<FeastImport, ProjectError> {
        let project = absolute(project)?;
        let repository = self.clone();
        let described = tokio::task::spawn_blocking(move || repository.describe());
        let document = described.await.map_err(ProjectError::NotCompiled)??;
        let path_of = |path: &str| match path.contains("://") {
            true => path.to_owned(),
            false => named(&self.folder.join(path), &project).unwrap_or_else(|_| path.to_owned()),
        };
        Ok(registry::import_feast(&document, &path_of)?)
    }

    fn describe(&self) -> Result<String, ProjectError> {
        let failed = |why: String| ProjectError::FeastPython { python: self.python.clone(), why };
        let mut command = Command::new(&self.python);
        command.args(["-c", DESCRIBE]).arg(&self.folder).env("FEAST_USAGE", "False");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let errors = child.stderr.take().map(|errors| thread::spawn(move || last_line(errors)));
        let mut document = String::new();
        let read = child.stdout.take().map(|answer| answer.take(MAX_BYTES).read_to_string(&mut document));
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        let said = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
        match read {
            Some(Err(error)) => Err(failed(error.to_string())),
            _ if !status.success() => Err(failed(format!("it ended with {status}: {said}"))),
            _ => Ok(document),
        }
    }
}

/// The last line that is not blank, of which what came before is dropped as it comes.
fn last_line(mut from: impl Read) -> String {
    const KEPT: usize = 4096;
    let (mut kept, mut chunk) = (Vec::new(), [0; KEPT]);
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        kept.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&kept);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// Interpreters that may have Feast, the likeliest first.
fn interpreters(repository: &Path) -> Vec<PathBuf> {
    let mut environments: Vec<PathBuf> = env::var_os("VIRTUAL_ENV").into_iter().map(PathBuf::from).collect();
    for folder in [Some(repository), repository.parent()].into_iter().flatten() {
        environments.extend([folder.join(".venv"), folder.join("venv")]);
    }
    let of_environments = environments.into_iter().map(|environment| environment.join("bin/python"));
    let mut found: Vec<PathBuf> = of_environments.filter(|python| python.exists()).collect();
    found.extend(["python3".into(), "python".into()]);
    found
}

fn has_feast(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", HAS_FEAST]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
