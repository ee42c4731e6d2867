//! `training-set verify`: a training set made again from its manifest.

use std::path::Path;

use serde_json::json;
use twinstore::{Project, Run};

use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{self, counted};

pub async fn verify(project: &Project, file: &Path, format: Format, run: &Run) -> Result<(), Failure> {
    let found = project.verify_training_set(file, run).await?;
    let is_equal = found.differences.is_empty();
    if format == Format::Json {
        output::json(&json!({
            "file": found.file, "equal": is_equal, "rows": found.rows, "differences": found.differences,
        }))?;
    }
    if !is_equal {
        let differences = found.differences.join("\n");
        return Err(Failure::new(format!("{} is not equal:\n{differences}", found.file.display())));
    }
    if format == Format::Table {
        let (rows, columns) = (counted(found.rows as u64, "row"), counted(found.columns as u64, "column"));
        println!("equal: {rows} and {columns}, built again from the logs of then");
    }
    Ok(())
}
