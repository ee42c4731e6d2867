//! `online`: the online store written again from the logs, and checked.

use serde_json::json;
use twinstore::{Project, RebuiltView, Run};

use crate::arguments::{Format, OnlineCommand};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};

pub async fn online(project: &Project, command: &OnlineCommand, run: &Run) -> Result<(), Failure> {
    match command {
        OnlineCommand::Rebuild { views, format } => {
            rebuilt(&project.rebuild(views, run).await?, format.format)
        }
        OnlineCommand::Verify { format } => verified(project.verify_online().await?, format.format),
    }
}

fn rebuilt(views: &[RebuiltView], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let views: Vec<_> = views
            .iter()
            .map(|one| json!({"view": one.view, "entities": one.entities, "seconds": one.took.as_secs_f64()}))
            .collect();
        return output::json(&json!({"views": views}));
    }
    let rows = views.iter().map(|one| {
        let seconds = one.took.as_secs_f64();
        let rate = one.entities as f64 / seconds.max(1e-6);
        vec![one.view.to_string(), count(one.entities), format!("{seconds:.1}s"), count(rate as u64)]
    });
    println!("{}", output::table(&headings::REBUILT, &[1, 2, 3], rows));
    Ok(())
}

fn verified(damaged: u64, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        output::json(&json!({"damaged_rows": damaged}))?;
    }
    match damaged {
        0 if format == Format::Table => println!("every page and every row is what was written"),
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
