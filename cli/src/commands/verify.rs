//! `training-set verify`: a training set made again from its manifest.

use std::path::Path;

use feature::ServiceRef;
use offline::{
    ColumnHash, ContentHash, FileFormat, Manifest, Spine, TrainingSetStream, WrittenColumns, file_sha256,
    read_file,
};
use serde_json::json;

use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{self, counted};
use crate::project::Project;

pub async fn verify(project: &Project, file: &Path, format: Format) -> Result<(), Failure> {
    let file = project.folder.join(file);
    let manifest = Manifest::read(&file)?;
    let mut differences = Vec::new();
    if file_sha256(&file)? != manifest.sha256 {
        differences.extend(differences_in(&file, &manifest)?);
    }
    let plan = project.service_plan(&ServiceRef::Exact(manifest.service.clone())).await?;
    differences.extend(manifest.differences_of(&plan));
    let spine_path = project.folder.join(&manifest.spine.path);
    if file_sha256(&spine_path)? != manifest.spine.sha256 {
        differences.push(format!("the spine {} has other bytes now", manifest.spine.path.display()));
    }
    let spine = Spine::read(&spine_path, &manifest.spine.time, &plan)?;
    let options = manifest.options();
    let store = project.offline()?;
    let mut making = TrainingSetStream::new(&store, &plan, &spine, &options).await?;
    // A file of the first format was hashed before its columns were made those of the file.
    let written = match manifest.format {
        0 | 1 => None,
        _ => Some(WrittenColumns::of(&file, making.schema())?),
    };
    let schema = written.as_ref().map_or(making.schema(), WrittenColumns::schema);
    let mut made = ContentHash::of_format(schema, manifest.format);
    while let Some(batch) = making.next().await? {
        match &written {
            Some(written) => made.add(&written.batch(&batch)?)?,
            None => made.add(&batch)?,
        }
    }
    let (columns, rows) = made.finish();
    differences.extend(compared("what is made anew", &columns, &manifest.columns));
    if format == Format::Json {
        output::json(
            &json!({"file": file, "equal": differences.is_empty(), "rows": rows, "differences": differences}),
        )?;
    }
    match differences.as_slice() {
        [] => {
            if format == Format::Table {
                let columns = counted(columns.len() as u64, "column");
                println!(
                    "equal: {} and {columns}, made anew from the logs of then",
                    counted(rows as u64, "row")
                );
            }
            Ok(())
        }
        differences => {
            Err(Failure::new(format!("{} is not equal:\n{}", file.display(), differences.join("\n"))))
        }
    }
}

/// Where a file whose bytes are others differs.
fn differences_in(file: &Path, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let bytes = vec!["the file has other bytes than when it was made".to_owned()];
    if FileFormat::of(file)? == FileFormat::Csv {
        return Ok(bytes);
    }
    let held = read_file(file)?;
    let mut hash = ContentHash::of_format(&held.schema(), manifest.format);
    hash.add(&held)?;
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
