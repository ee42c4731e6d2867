//! `online`: the online store written again from the logs, and checked.

use std::time::Instant;

use online::Condition;
use serde_json::json;

use crate::arguments::{Format, FormatArg, OnlineCommand, ViewName};
use crate::clock;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};
use crate::project::{Project, targets_with};

pub async fn online(project: &Project, command: &OnlineCommand) -> Result<(), Failure> {
    match command {
        OnlineCommand::Rebuild { views, format } => rebuild(project, views, format).await,
        OnlineCommand::Verify { format } => verify(project, format).await,
    }
}

async fn rebuild(project: &Project, views: &[ViewName], format: &FormatArg) -> Result<(), Failure> {
    let registered = project.registered().await?;
    let named = targets_with(&registered, views, |_| true)?;
    clock::check_logs(project)?;
    let (store, condition) = project.repaired_online().await?;
    clock::check_store(&store).await?;
    if let Condition::Replaced { aside: Some(aside) } = &condition {
        tracing::warn!(
            "the online store was damaged: its file is {} now, and all views are written again from their logs",
            aside.display()
        );
    }
    let is_sound = condition == Condition::Sound;
    let targets = if is_sound { named } else { targets_with(&registered, &[], |_| true)? };
    let materializer = project.materializer_of(store, &targets, "online rebuild").await?;
    let mut rebuilt = Vec::new();
    for target in targets {
        let began = Instant::now();
        let entities = materializer.rebuild(&target.view).await?;
        rebuilt.push((target.view.id.clone(), entities, began.elapsed().as_secs_f64()));
    }
    if !is_sound {
        materializer.online.complete()?;
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
    println!("{}", output::table(&headings::REBUILT, &[1, 2, 3], rows));
    Ok(())
}

async fn verify(project: &Project, format: &FormatArg) -> Result<(), Failure> {
    let Some(damaged) = project.online().await?.verify()? else {
        return Err(Failure::new(
            "the online store is in Redis, which checks its own files: only a store on disk is verified",
        ));
    };
    if format.format == Format::Json {
        output::json(&json!({"damaged_rows": damaged}))?;
    }
    match damaged {
        0 if format.format == Format::Table => println!("every page and every row is what was written"),
        0 => {}
        damaged => {
            return Err(Failure::new(format!(
                "{} of the online store are damaged: run `twinstore online rebuild`, which writes them again",
                counted(damaged, "row")
            )));
        }
    }
    Ok(())
}
