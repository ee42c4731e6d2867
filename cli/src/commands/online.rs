//! `online`: the online store made anew from the logs.

use std::time::Instant;

use serde_json::json;

use crate::arguments::{Format, OnlineCommand};
use crate::failure::Failure;
use crate::output::{self, count};
use crate::project::{Project, targets_with};

pub async fn online(project: &Project, command: &OnlineCommand) -> Result<(), Failure> {
    let OnlineCommand::Rebuild { views, format } = command;
    let targets = targets_with(&project.registered().await?, views, |_| true)?;
    let materializer = project.materializer(&targets, "online rebuild").await?;
    let mut rebuilt = Vec::new();
    for target in targets {
        let began = Instant::now();
        let entities = materializer.rebuild(&target.view).await?;
        rebuilt.push((target.view.id.clone(), entities, began.elapsed().as_secs_f64()));
    }
    if format.format == Format::Json {
        let views: Vec<_> = rebuilt
            .iter()
            .map(|(view, entities, seconds)| json!({"view": view, "entities": entities, "seconds": seconds}))
            .collect();
        return output::json(&json!({"views": views}));
    }
    let rows = rebuilt.iter().map(|(view, entities, seconds)| {
        let rate = *entities as f64 / seconds.max(1e-6);
        vec![view.to_string(), count(*entities), format!("{seconds:.1}s"), count(rate as u64)]
    });
    println!("{}", output::table(&["view", "entities", "time", "entities/s"], &[1, 2, 3], rows));
    Ok(())
}
