//! Which batch source a definition names: by its path, its `format`, and the names of its files.

use std::path::Path;
use std::sync::Arc;

use feature::{BatchFormat, Source, VersionId};

use super::batch_source::BatchSource;
use super::csv::CsvSource;
use super::delta::DeltaSource;
use super::file_listing::{self, format_name};
use super::file_text;
use super::json::JsonSource;
use super::parquet::ParquetSource;
use super::source_file::SourceFiles;
use crate::error::MaterializerError;

/// The batch source of a definition, with its files listed if they are files. Blocks.
pub(crate) fn batch_source(
    project: &Path,
    source: &Source,
    view: &VersionId,
) -> Result<Arc<dyn BatchSource>, MaterializerError> {
    let Some(batch) = &source.batch else {
        return Err(MaterializerError::NoBatch { source_name: source.name.to_string(), view: view.clone() });
    };
    let wrong = |why: String| MaterializerError::Path {
        source_name: source.name.to_string(),
        path: batch.path.clone(),
        why,
    };
    if batch.path.contains("://") {
        return Err(wrong("this build reads local files; give a path".to_owned()));
    }
    let path = project.join(&batch.path);
    if path.join("_delta_log").is_dir() {
        if let Some(format) = batch.format.filter(|format| *format != BatchFormat::Delta) {
            return Err(wrong(format!("it is a Delta table, and `format` says {}", format_name(format))));
        }
        return Ok(Arc::new(DeltaSource { source: source.clone(), path }));
    }
    if batch.format == Some(BatchFormat::Delta) {
        return Err(wrong("there is no Delta table, which has a folder `_delta_log`".to_owned()));
    }
    if path.exists() && !path.is_dir() {
        // What is no regular file is refused by what it is.
        files::open(&path).map_err(|error| wrong(error.to_string()))?;
    }
    let (format, files) = if path.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let format = batch.format.or_else(|| file_text::format_of(&path)).unwrap_or(BatchFormat::Parquet);
        let base = file_listing::base_of_columns(project, &batch.path);
        let files = vec![file_listing::source_file(&base, name, path).map_err(wrong)?];
        file_listing::refuse_misread(project, &files).map_err(wrong)?;
        (format, SourceFiles { files, ..SourceFiles::default() })
    } else if path.is_dir() || file_listing::has_wildcard(&batch.path) {
        let found = file_listing::every(project, &batch.path).map_err(wrong)?;
        file_listing::of_one_format(project, batch, found).map_err(wrong)?
    } else {
        return Err(wrong(format!("there is no such file or folder in {}", project.display())));
    };
    let source = source.clone();
    Ok(match format {
        BatchFormat::Csv => Arc::new(CsvSource { source, files }),
        BatchFormat::Json => Arc::new(JsonSource { source, files }),
        BatchFormat::Parquet | BatchFormat::Delta => Arc::new(ParquetSource { source, files }),
    })
}
