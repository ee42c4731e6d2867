//! `offline`: looking after the logs.

use serde_json::json;
use twinstore::{Project, Run};

use crate::arguments::{Format, OfflineCommand};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

pub async fn offline(project: &Project, command: &OfflineCommand, run: &Run) -> Result<(), Failure> {
    let OfflineCommand::Optimize { views, format } = command;
    let done = project.optimize(views, run).await?;
    if format.format == Format::Json {
        let views: Vec<_> =
            done.iter().map(|one| json!({"view": one.view, "optimized": one.optimized})).collect();
        return output::json(&json!({"views": views}));
    }
    let rows = done.iter().map(|one| {
        vec![
            one.view.to_string(),
            count(one.optimized.files_before as u64),
            count(one.optimized.files_after as u64),
            count(one.optimized.bytes_before),
            count(one.optimized.bytes_after),
            count(one.optimized.rows_rewritten),
        ]
    });
    println!("{}", output::table(&headings::OPTIMIZED, &[1, 2, 3, 4, 5], rows));
    Ok(())
}
