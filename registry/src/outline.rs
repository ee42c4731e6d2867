//! Definitions for files of which nothing is known but their columns and a sample of their values: which files are
//! one source, the type of each column, when a row happened, whose it is, and a few features that are of use at once.

mod column_type;
mod grouping;
pub(crate) mod legal_name;
pub(crate) mod outline_problem;
mod outlined_column;
mod outlined_source;
mod project_text;
mod roles;
mod sample;
pub(crate) mod yaml_text;

use std::collections::BTreeSet;

use feature::{BatchFormat, HelpTopic, Micros};

use crate::error::RegistryError;
pub use legal_name::column_names;
pub use outline_problem::OutlineProblem;
use outlined_source::{OutlinedSource, source};
pub use project_text::Outline;
pub use sample::{SampledColumn, SampledFile, SampledKind, Surroundings, Wishes};

/// Definitions for these files; or everything that has to be done first.
pub fn outline(
    files: Vec<SampledFile>,
    wishes: &Wishes,
    surroundings: Surroundings<'_>,
) -> Result<Outline, RegistryError> {
    let mut problems: Vec<OutlineProblem> = Vec::new();
    for file in &files {
        problems.extend(no_header(file).map(OutlineProblem::from));
    }
    for wished in [&wishes.time, &wishes.key].into_iter().flatten() {
        let is_there = files.iter().any(|file| file.columns.iter().any(|column| column.name == *wished));
        if !is_there {
            let all: BTreeSet<&str> =
                files.iter().flat_map(|file| &file.columns).map(|column| column.name.as_str()).collect();
            let all: Vec<&str> = all.into_iter().collect();
            problems.push(format!("no file has a column `{wished}`: there is {}", all.join(", ")).into());
        }
    }
    if !problems.is_empty() {
        return Err(RegistryError::Outline(problems));
    }
    if files.is_empty() {
        let what = "no Parquet, CSV or JSON file and no Delta table is there".to_owned();
        let nothing = OutlineProblem { what, help: Some(HelpTopic::NameFiles) };
        return Err(RegistryError::Outline(vec![nothing]));
    }
    let mut names = BTreeSet::new();
    let mut sources: Vec<OutlinedSource> = Vec::new();
    for group in grouping::groups(files, surroundings.files_of) {
        match source(group, wishes, surroundings.now, &mut names, &sources) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(RegistryError::Outline(problems));
    }
    Ok(project_text::outline(&sources))
}

/// That a CSV file has values where its header should be.
fn no_header(file: &SampledFile) -> Option<String> {
    if file.format != BatchFormat::Csv {
        return None;
    }
    let names: Vec<&str> = file.columns.iter().filter(|c| !c.is_of_folder).map(|c| c.name.as_str()).collect();
    let is_value = |name: &&&str| name.parse::<f64>().is_ok() || name.parse::<Micros>().is_ok();
    let values = names.iter().filter(is_value).count();
    if names.iter().all(|name| name.is_empty()) || values * 2 > names.len() {
        return Some(format!("`{}` has no header: its first line must name its columns", file.path));
    }
    None
}
