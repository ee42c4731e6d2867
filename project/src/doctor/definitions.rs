//! The definition files: whether they can be read, as a plan reads them.

use std::collections::BTreeSet;

use feature::counted;
use monitor::{Area, Finding};
use registry::{Definitions, Registered};

use super::failed::failed;
use crate::project::Project;
use crate::run::blocking;

pub(super) async fn examine(project: &Project, registered: &Registered) -> Finding {
    let (folder, registered) = (project.folder.clone(), registered.clone());
    let read = blocking(move || Definitions::read(&folder, &registered)).await;
    let problems = match read {
        Err(error) => return failed(Area::Definitions, &error),
        Ok(Ok(definitions)) => {
            let files: BTreeSet<&str> = definitions.iter().map(|definition| &*definition.file).collect();
            let (definitions, files) = (definitions.iter().count() as u64, files.len() as u64);
            let said =
                format!("{} in {} can be read", counted(definitions, "definition"), counted(files, "file"));
            return Finding::fine(Area::Definitions, said);
        }
        Ok(Err(problems)) => problems,
    };
    let mut all = problems.iter();
    let first = all.next().map(ToString::to_string).unwrap_or_default();
    let more = match all.count() {
        0 => String::new(),
        more => format!("; and {}", counted(more as u64, "more problem")),
    };
    Finding::wrong(Area::Definitions, format!("the definitions cannot be read: {first}{more}"))
}
