//! A training set is made again from its manifest and compared: equal, or where not.

use std::path::{Path, PathBuf};

use feature::{ServiceRef, counted};
use offline::{
    ColumnHash, FileFormat, Manifest, OfflineError, Spine, TrainingSetStream, file_sha256, read_file,
};

use crate::error::ProjectError;
use crate::forgetting::rows_forgotten_in;
use crate::project::Project;
use crate::run::blocking;

/// A training set beside what its manifest makes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingSetCheck {
    /// The training set.
    pub file: PathBuf,
    /// How many rows were made again.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// Where it is not equal, a sentence each.
    pub differences: Vec<String>,
}

pub(crate) async fn verify(project: &Project, file: &Path) -> Result<TrainingSetCheck, ProjectError> {
    let file = project.folder.join(file);
    let (manifest, mut differences) = {
        let file = file.clone();
        blocking(move || compared_file(&file)).await??
    };
    let plan = project.service(&ServiceRef::Exact(manifest.service.clone())).await?;
    differences.extend(manifest.differences_of(&plan));
    let spine_path = project.folder.join(&manifest.spine.path);
    let (spine_sha256, spine) = {
        let (path, time, plan) = (spine_path.clone(), manifest.spine.time.clone(), plan.clone());
        blocking(move || {
            let spine = Spine::read(&path, &time, &plan)?;
            Ok::<_, ProjectError>((spine.sha256()?, spine))
        })
        .await??
    };
    if spine_sha256.as_ref() != Some(&manifest.spine.sha256) {
        differences.push(format!("the spine {} has other bytes now", manifest.spine.path.display()));
    }
    let options = manifest.options();
    let store = project.offline()?;
    let mut stream = match TrainingSetStream::new(&store, &plan, &spine, &options).await {
        Err(gone @ OfflineError::Vacuumed { .. }) => {
            differences.push(format!("it cannot be built again to the bit: {gone}"));
            return Ok(TrainingSetCheck { file, rows: 0, columns: 0, differences });
        }
        opened => opened?,
    };
    let mut rebuilt = manifest.hash_of_built(&file, stream.schema())?;
    while let Some(batch) = stream.next().await? {
        rebuilt.add(&batch)?;
    }
    let (columns, rows) = rebuilt.finish();
    let of_columns = compared("what is built again", &columns, &manifest.columns);
    let list = store.forgotten()?;
    let forgotten = match of_columns.is_empty() {
        true => 0,
        false => {
            let (file, plan) = (file.clone(), plan.clone());
            blocking(move || Ok::<_, ProjectError>(rows_forgotten_in(&read_file(&file)?, &plan, &list)))
                .await??
        }
    };
    match forgotten {
        0 => differences.extend(of_columns),
        rows => differences.push(cannot_be_built(rows, &manifest, of_columns.len())),
    }
    if rows != manifest.rows {
        differences
            .push(format!("what is built again has {rows} rows, and its manifest says {}", manifest.rows));
    }
    Ok(TrainingSetCheck { file, rows, columns: columns.len(), differences })
}

/// Why a training set with rows of forgotten entities is not made again as it was.
fn cannot_be_built(rows: u64, manifest: &Manifest, columns: usize) -> String {
    let until = manifest.forgotten.iter().map(|one| one.until).max();
    let until = until.map(|until| format!(" up to {until}")).unwrap_or_default();
    format!(
        "it cannot be built again to the bit: {} of it {} of entities that were forgotten since{until}, and the logs have \
         nothing of them, so {} {}",
        counted(rows, "row"),
        if rows == 1 { "is" } else { "are" },
        counted(columns as u64, "column"),
        if columns == 1 { "is not what it was" } else { "are not what they were" },
    )
}

/// The manifest of a file, and where the file is not what it says.
fn compared_file(file: &Path) -> Result<(Manifest, Vec<String>), ProjectError> {
    let manifest = Manifest::read(file)?;
    let differences = match file_sha256(file)? == manifest.sha256 {
        true => Vec::new(),
        false => differences_in(file, &manifest)?,
    };
    Ok((manifest, differences))
}

/// Where a file whose bytes are others differs.
fn differences_in(file: &Path, manifest: &Manifest) -> Result<Vec<String>, ProjectError> {
    let bytes = vec!["the file has other bytes than when it was made".to_owned()];
    if FileFormat::of(file)? == FileFormat::Csv {
        return Ok(bytes);
    }
    let rows_of_file = read_file(file)?;
    let mut hash = manifest.hash_of_stored(&rows_of_file.schema());
    hash.add(&rows_of_file)?;
    let columns = compared("the file", &hash.finish().0, &manifest.columns);
    Ok(if columns.is_empty() { bytes } else { columns })
}

/// The columns that are not what the manifest says.
fn compared(what: &str, found: &[ColumnHash], expected: &[ColumnHash]) -> Vec<String> {
    let mut differences = Vec::new();
    for column in expected {
        match found.iter().find(|found| found.name == column.name) {
            None => differences.push(format!("{what} has no column `{}`", column.name)),
            Some(found) if found != column => {
                differences.push(format!("{what} differs in the column `{}`", column.name));
            }
            Some(_) => {}
        }
    }
    for column in found.iter().filter(|found| !expected.iter().any(|column| column.name == found.name)) {
        differences.push(format!("{what} has a column `{}` more", column.name));
    }
    differences
}
