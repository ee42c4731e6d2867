//! `init --from`: a project for files of the user's. What is written is what the next commands take as it is.

use std::path::Path;

use twinstore::OutlineFiles;

use crate::arguments::InitArgs;
use crate::clock;
use crate::failure::Failure;

use crate::commands::new_files::{GITIGNORE, settings, write};

const DEFINITIONS: &str = "features/features.yaml";
/// In a folder of its own: no pattern of the project's folder leads there.
const LABELS: &str = "labels/labels.csv";

pub async fn init(dir: &Path, args: &InitArgs) -> Result<(), Failure> {
    let files = OutlineFiles { from: args.from.clone(), time: args.time.clone(), key: args.key.clone() };
    let outlined = twinstore::outline(dir, &files, clock::now()).await?;
    for (name, given) in &outlined.unread {
        eprintln!("not read: {name} of {}", given.display());
    }
    let (project, outline) = (&outlined.folder, &outlined.outline);
    let title = project.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let settings = settings(&title);
    let mut written: Vec<(&str, &[u8])> = vec![
        ("twinstore.toml", settings.as_bytes()),
        (DEFINITIONS, outline.definitions.as_bytes()),
        (LABELS, outline.labels.as_bytes()),
    ];
    // One of the user's own stays as it is.
    if !dir.join(".gitignore").exists() {
        written.push((".gitignore", GITIGNORE));
    }
    for path in write(dir, &written)? {
        println!("wrote {}", path.display());
    }
    println!();
    outline.choices.iter().for_each(|choice| println!("{choice}"));
    if outline.is_without_time {
        println!("--time names a column of times, where a static source has one");
    }
    let service = &outline.service;
    let keys: Vec<String> =
        outline.keys.iter().map(|(name, value)| shell(&format!("{name}={value}"))).collect();
    let at = outline.at.map(|at| format!(" --at {at}")).unwrap_or_default();
    println!(
        "\n{DEFINITIONS} says what else there was to choose from. Next, in {}:\n
  twinstore plan
  twinstore apply
  twinstore backfill --all
  twinstore training-set --service {service} --spine {LABELS} --time {} --out training.parquet --preview 5
  twinstore get {service} {}{at}
  twinstore serve",
        dir.display(),
        outline.label_time,
        keys.join(" ")
    );
    Ok(())
}

/// A word of a command line, in quotes where it has to be.
fn shell(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_alphanumeric() || "=_-.:/@+,".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
