//! The files of a source that hold rows of an entity: they are read as a load reads them, and stay as they are.

use std::path::Path;

use feature::{EntityKey, View};
use transform::ViewTransform;

use super::batch_source::BatchSource;
use super::locate;
use super::source_file::{SourceFile, TableVersions};
use crate::blocking;
use crate::error::MaterializerError;
use crate::materializer::Target;
use crate::rows::forgotten::encoded;

/// For each file of a view's source that has rows of this key, its name and how many; none of a source without history.
pub async fn rows_of_source(
    project: &Path,
    target: &Target,
    key: &EntityKey,
) -> Result<Vec<(String, u64)>, MaterializerError> {
    if target.source.batch.is_none() || target.input.is_some() {
        return Ok(Vec::new());
    }
    let (project, of_target) = (project.to_owned(), target.clone());
    let located =
        blocking::run(move || locate::batch_source(&project, &of_target.source, &of_target.view.id));
    let source = located.await??;
    let files = source.files(&target.view.id, TableVersions::default()).await?.files;
    let transform = ViewTransform::compile(&target.source, &target.view)?;
    let (view, key) = (target.view.clone(), key.clone());
    blocking::run(move || {
        let mut found = Vec::new();
        for file in files {
            let rows = rows_of_file(source.as_ref(), &file, &transform, (&view, &key))?;
            found.extend((rows > 0).then(|| (file.path.display().to_string(), rows)));
        }
        Ok(found)
    })
    .await?
}

fn rows_of_file(
    source: &dyn BatchSource,
    file: &SourceFile,
    transform: &ViewTransform,
    (view, key): (&View, &EntityKey),
) -> Result<u64, MaterializerError> {
    let mut reader = source.open(transform.input(), file, None)?;
    let mut rows = 0;
    while let Some(read) = reader.next_rows()? {
        let keys = transform.keys(&read.batch)?;
        let is_one = |row: &usize| encoded(view, &keys, *row).as_ref() == Some(key);
        rows += (0..read.batch.num_rows()).filter(is_one).count() as u64;
    }
    Ok(rows)
}
