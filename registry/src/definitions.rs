//! The definitions of a project: all files under `features/`, read, resolved and checked at once.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use feature::HelpTopic;

use crate::body::DefinitionId;
use crate::definition::Definition;
use crate::draft::drafts;
use crate::key_positions::KeyPositions;
use crate::problem::{Mark, Problem, Problems, Report};
use crate::registered::Registered;
use crate::resolve::{Resolved, resolve};
use crate::yaml::documents;

/// The folder of a project that holds its definitions.
const FOLDER: &str = "features";
/// The largest definition file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// The most bytes of all definition files, and the most definitions.
const MAX_BYTES: usize = 64 << 20;
const MAX_DEFINITIONS: usize = 20_000;

/// The definitions of a project, resolved and checked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Definitions {
    resolved: Resolved,
}

impl Problems {
    /// The operation that ends them: a new project where the folder of definitions is missing.
    pub fn help(&self) -> Option<HelpTopic> {
        self.iter().any(|problem| *problem.file == *FOLDER).then_some(HelpTopic::NewProject)
    }
}

impl Definitions {
    /// Reads every `.yaml` and `.yml` file under `features/` of a project's folder, in any depth.
    /// Services and on-demand views may also read views that are registered and have no file.
    /// The error holds everything that is wrong.
    pub fn read(project: &Path, registered: &Registered) -> Result<Definitions, Problems> {
        let mut files = Vec::new();
        let mut problems = Vec::new();
        match project.join(FOLDER).is_dir() {
            true => read_folder(&project.join(FOLDER), FOLDER, &mut files, &mut problems),
            false => {
                let what = format!(
                    "there is no such folder in {}: create it, or begin with a new project",
                    project.display()
                );
                problems.push(whole_file(&FOLDER.into(), what));
            }
        }
        Definitions::resolve(files, registered, problems)
    }

    /// As [`Definitions::read`], of files that are given by their names and texts.
    pub fn of<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        registered: &Registered,
    ) -> Result<Definitions, Problems> {
        let files = files.into_iter().map(|(name, text)| (name.into(), text.to_owned())).collect();
        Definitions::resolve(files, registered, Vec::new())
    }

    fn resolve(
        mut files: Vec<(Arc<str>, String)>,
        registered: &Registered,
        mut problems: Vec<Problem>,
    ) -> Result<Definitions, Problems> {
        files.sort();
        let mut is_complete = problems.is_empty();
        let mut found = Vec::new();
        let mut bytes = 0;
        for (file, text) in &files {
            bytes += text.len();
            // Each begins with a line of its own.
            if bytes > MAX_BYTES || found.len() + text.matches("\n---").count() > MAX_DEFINITIONS {
                let what = format!(
                    "with this file there are more than {MAX_BYTES} bytes or {MAX_DEFINITIONS} definitions: divide the project"
                );
                problems.push(whole_file(file, what));
                is_complete = false;
                break;
            }
            let (documents, is_whole) = documents(file, text, &mut Report::new(file, &mut problems));
            found.extend(documents);
            is_complete &= is_whole;
        }
        // A document that does not say what it defines may define what others refer to.
        let (drafts, all_say) = drafts(found, &mut problems);
        is_complete &= all_say;
        let resolved = resolve(&drafts, registered, is_complete, &mut problems);
        if problems.is_empty() { Ok(Definitions { resolved }) } else { Err(Problems::sorted(problems)) }
    }

    /// Every definition, by kind, name and version.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> + Clone {
        self.resolved.values().map(|(definition, _)| definition)
    }

    /// The definition of this name; `None` if there is none.
    pub fn get(&self, id: &DefinitionId) -> Option<&Definition> {
        self.resolved.get(id).map(|(definition, _)| definition)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.resolved.len()
    }

    /// Whether nothing is defined.
    pub fn is_empty(&self) -> bool {
        self.resolved.is_empty()
    }

    pub(crate) fn with_positions_of(
        &self,
        id: &DefinitionId,
    ) -> Option<(&DefinitionId, &Definition, &KeyPositions)> {
        let (id, (definition, positions)) = self.resolved.get_key_value(id)?;
        Some((id, definition, positions))
    }

    pub(crate) fn with_positions(&self) -> impl Iterator<Item = (&DefinitionId, &Definition, &KeyPositions)> {
        self.resolved.iter().map(|(id, (definition, positions))| (id, definition, positions))
    }
}

fn whole_file(file: &Arc<str>, message: String) -> Problem {
    Problem { file: file.clone(), at: Mark { line: 0, column: 0 }, message }
}

/// Reads a folder's definition files; hidden ones and links to folders are passed over.
fn read_folder(folder: &Path, shown: &str, files: &mut Vec<(Arc<str>, String)>, problems: &mut Vec<Problem>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            return problems.push(whole_file(&shown.into(), format!("the folder cannot be read: {error}")));
        }
    };
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let (path, shown) = (entry.path(), format!("{shown}/{name}"));
        let is_definition =
            path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            read_folder(&path, &shown, files, problems);
        } else if is_definition {
            let file: Arc<str> = shown.into();
            match read_file(&path) {
                Ok(text) => files.push((file, text)),
                Err(error) => problems.push(whole_file(&file, format!("the file cannot be read: {error}"))),
            }
        }
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    files::read_text(path, MAX_FILE_BYTES).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let what = format!("it has more than the {MAX_FILE_BYTES} bytes that a definition file may have");
            io::Error::new(io::ErrorKind::FileTooLarge, what)
        }
        _ => error,
    })
}
