//! `offline`: looking after the logs.

use feature::VersionId;
use offline::Optimized;
use serde_json::json;

use crate::arguments::{Format, OfflineCommand};
use crate::clock;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};
use crate::project::{Project, targets};

pub async fn offline(project: &Project, command: &OfflineCommand) -> Result<(), Failure> {
    let OfflineCommand::Optimize { views, format } = command;
    clock::check_logs(project)?;
    let store = project.offline()?;
    let mut done: Vec<(VersionId, Optimized)> = Vec::new();
    for target in targets(&project.registered().await?, views)? {
        let mut log = store.log(&target.view).await?;
        if log.version().is_some() {
            done.push((target.view.id.clone(), log.optimize().await?));
        }
    }
    if format.format == Format::Json {
        let views: Vec<_> =
            done.iter().map(|(view, done)| json!({"view": view, "optimized": done})).collect();
        return output::json(&json!({"views": views}));
    }
    let rows = done.iter().map(|(view, done)| {
        vec![
            view.to_string(),
            count(done.files_before as u64),
            count(done.files_after as u64),
            count(done.bytes_before),
            count(done.bytes_after),
            count(done.rows_rewritten),
        ]
    });
    println!("{}", output::table(&headings::OPTIMIZED, &[1, 2, 3, 4, 5], rows));
    Ok(())
}
