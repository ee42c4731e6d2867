//! `init --from`: a project for files of the user's. Files are sampled, definitions are made of the samples, and what is
//! written is what the next commands take as it is.

use std::path::{Component, Path, PathBuf};

use materializer::{ColumnKind, Surveyed, SurveyedColumn};
use registry::{SampledColumn, SampledFile, SampledKind, Surroundings, Wishes};

use crate::arguments::InitArgs;
use crate::clock;
use crate::failure::Failure;

use super::{GITIGNORE, write};

const DEFINITIONS: &str = "features/features.yaml";
/// In a folder of its own: no pattern of the project's folder leads there.
const LABELS: &str = "labels/labels.csv";

pub async fn init(dir: &Path, args: &InitArgs) -> Result<(), Failure> {
    let project = absolute(dir)?;
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for given in &args.from {
        let root = if given.is_file() || given.join("_delta_log").is_dir() {
            None
        } else {
            Some(named(given, &project)?)
        };
        match materializer::survey(given).await {
            Ok((surveyed, unread)) => {
                for name in unread {
                    eprintln!("not read: {} of {}", name, given.display());
                }
                for file in surveyed {
                    files.push(sampled(file, root.clone(), &project)?);
                }
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::new(problems.join("\n")));
    }
    let wishes = Wishes { time: args.time.clone(), key: args.key.clone() };
    // A folder that holds the project would have what the project writes as a source.
    let files_of = |path: &str| match project.starts_with(project.join(path)) {
        true => Vec::new(),
        false => materializer::source_paths(&project, path),
    };
    let outline = registry::outline(files, &wishes, Surroundings { files_of: &files_of, now: clock::now() })?;
    let title = project.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let settings = format!(
        "# Settings of this project: docs/commands.md lists every key. Relative paths are taken from this folder.\n\nproject = \"{}\"\n",
        project_name(&title)
    );
    let mut written: Vec<(&str, &[u8])> = vec![
        ("twinstore.toml", settings.as_bytes()),
        (DEFINITIONS, outline.definitions.as_bytes()),
        (LABELS, outline.labels.as_bytes()),
    ];
    // One of the user's own stays as it is.
    if !dir.join(".gitignore").exists() {
        written.push((".gitignore", GITIGNORE));
    }
    write(dir, &written)?;
    println!();
    outline.choices.iter().for_each(|choice| println!("{choice}"));
    let service = &outline.service;
    let keys: Vec<String> =
        outline.keys.iter().map(|(name, value)| shell(&format!("{name}={value}"))).collect();
    let at = outline.at.map(|at| format!(" --at {at}")).unwrap_or_default();
    println!(
        "\n{DEFINITIONS} says what else there was to choose from. Next, in {}:\n
  twinstore plan
  twinstore apply
  twinstore backfill --all
  twinstore training-set --service {service} --spine {LABELS} --time label_time --out training.parquet --preview 5
  twinstore get {service} {}{at}
  twinstore serve",
        dir.display(),
        keys.join(" ")
    );
    Ok(())
}

/// A word of a command line, in quotes where it has to be.
fn shell(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_alphanumeric() || "=_-.:/@+,".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn project_name(title: &str) -> String {
    let plain: String =
        title.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    if plain.is_empty() { "twinstore".to_owned() } else { plain }
}

/// A path from the root, without `.` and `..`, whether or not it is there.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let whole = std::path::absolute(path)?;
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    Ok(plain)
}

/// A path as a definition of the project names it: from the project's folder where it lies below, else from the root.
fn named(path: &Path, project: &Path) -> Result<String, Failure> {
    let whole = absolute(path)?;
    let below = whole.strip_prefix(project).ok().filter(|below| !below.as_os_str().is_empty());
    Ok(below.unwrap_or(&whole).to_string_lossy().into_owned())
}

fn sampled(file: Surveyed, root: Option<String>, project: &Path) -> Result<SampledFile, Failure> {
    let column = |column: SurveyedColumn| SampledColumn {
        name: column.name,
        kind: match column.kind {
            ColumnKind::Typed(data_type) => SampledKind::Typed(data_type),
            ColumnKind::Text => SampledKind::Text,
            ColumnKind::Json => SampledKind::Json,
            ColumnKind::Other(what) => SampledKind::Other(what),
        },
        values: column.values,
        is_of_folder: column.is_of_folder,
    };
    Ok(SampledFile {
        path: named(&file.path, project)?,
        root,
        format: file.format,
        columns: file.columns.into_iter().map(column).collect(),
        is_whole: file.is_whole,
    })
}
