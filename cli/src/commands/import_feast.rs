//! `import feast`: definitions for a Feast repository, and what of it has no counterpart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use twinstore::{FeastFinding, FeastImport, FeastOutcome, FeastRepository, Kind};

use super::new_files::{GITIGNORE, settings, write};
use crate::arguments::{Format, ImportFeastArgs};
use crate::failure::Failure;
use crate::output::{self, counted};

const SETTINGS: &str = "twinstore.toml";

pub async fn import_feast(project: &Path, args: &ImportFeastArgs) -> Result<(), Failure> {
    let repository = FeastRepository::find(&args.repository, args.python.as_deref())?;
    eprintln!(
        "running the Python code of {} with {}",
        repository.folder().display(),
        repository.python().display()
    );
    // Without the `.` of a default in its middle, as it is shown.
    let out: PathBuf = project.join(&args.out).components().collect();
    let imported = repository.import(&out).await?;
    let settings = settings_of(&imported, &out);
    let mut files: Vec<(&str, &[u8])> =
        imported.files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    // Those of a project that is there stay as they are.
    for (name, content) in [(SETTINGS, settings.as_bytes()), (".gitignore", GITIGNORE)] {
        if !out.join(name).exists() {
            files.push((name, content));
        }
    }
    let written = write(&out, &files)?;
    match args.format.format {
        Format::Json => output::json(&imported),
        Format::Table => {
            written.iter().for_each(|path| println!("wrote {}", path.display()));
            show(&imported);
            println!(
                "\nNext, in {}:\n\n  twinstore plan\n  twinstore apply\n  twinstore backfill --all",
                out.display()
            );
            Ok(())
        }
    }
}

fn settings_of(imported: &FeastImport, out: &Path) -> String {
    let folder = || out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let title = if imported.project.is_empty() { folder() } else { imported.project.clone() };
    let mut text = settings(&title);
    let brokers = imported.brokers.join(",");
    if !brokers.is_empty() {
        text.push_str(&format!("stream.brokers = {}\n", serde_json::Value::String(brokers)));
    } else if imported.is_pushed_to {
        text.push_str("stream.brokers = \"embedded://.twinstore/topics\"   # of pushed rows, on disk\n");
    }
    text
}

fn show(imported: &FeastImport) {
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    imported.carried.iter().for_each(|object| *kinds.entry(object.kind).or_default() += 1);
    let kinds: Vec<String> =
        kinds.into_iter().map(|(kind, count)| counted(count, &kind.name().replace('_', " "))).collect();
    println!("\nof Feast {}: {}", imported.feast, kinds.join(", "));
    for (outcome, title) in [
        (FeastOutcome::NotCarried, "Not carried over:"),
        (FeastOutcome::ToDo, "To be done before it is loaded:"),
        (FeastOutcome::Differs, "Other than in Feast:"),
    ] {
        let findings: Vec<&FeastFinding> =
            imported.findings.iter().filter(|f| f.outcome == outcome).collect();
        if findings.is_empty() {
            continue;
        }
        println!("\n{title}\n");
        for finding in findings {
            let at = finding.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
            println!("  {at}{}: {}", finding.object, finding.what);
        }
    }
}
