//! The batch paths of sources: whether they lead to files. Nothing in these is read.

use feature::Source;
use monitor::{Area, Condition, Finding};
use registry::{Body, Definition, Registered};

use super::failed::failed;
use crate::project::Project;

/// Sources whose history is not where they say. Where rows come by a stream, it is read by backfills alone.
pub(super) async fn examine(project: &Project, registered: &Registered) -> Vec<Finding> {
    let mut findings = Vec::new();
    for definition in registered.definitions() {
        let Some(source) = source_in_use(registered, definition) else { continue };
        let Err(error) = materializer::check_source_path(&project.folder, source).await else { continue };
        let finding = failed(Area::Pipeline, &error.into());
        findings.push(match source.stream {
            Some(_) => Finding { condition: Condition::Noted, ..finding },
            None => finding,
        });
    }
    findings
}

/// The source of a definition that is one, if anything reads it.
fn source_in_use<'a>(registered: &Registered, definition: &'a Definition) -> Option<&'a Source> {
    match &definition.body {
        Body::Source { source, .. } => {
            (!registered.dependents(&definition.id()).is_empty()).then_some(source)
        }
        _ => None,
    }
}
