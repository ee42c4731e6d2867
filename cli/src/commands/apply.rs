//! `plan` and `apply`: from definition files to the registry.

use registry::{Definitions, Plan};
use serde_json::json;

use crate::arguments::Format;
use crate::clock;
use crate::failure::Failure;
use crate::output;
use crate::project::Project;

pub async fn plan(project: &Project, format: Format) -> Result<(), Failure> {
    let registered = project.registered_so_far().await?;
    let definitions = Definitions::read(&project.folder, &registered)?;
    let plan = Plan::of(&definitions, &registered);
    match format {
        Format::Json => output::json(&plan)?,
        Format::Table => println!("{plan}"),
    }
    if plan.refused.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} refused: nothing would be applied\n{}",
        output::counted(plan.refused.len() as u64, "change"),
        plan.refused
    )))
}

pub async fn apply(project: &Project, format: Format) -> Result<(), Failure> {
    let registry = project.registry().await?;
    let registered = registry.registered().await?;
    let definitions = Definitions::read(&project.folder, &registered)?;
    let plan = Plan::of(&definitions, &registered);
    let applied = registry.apply(&plan, clock::now()).await?;
    match format {
        Format::Json => output::json(&json!({"applied": applied, "plan": plan})),
        Format::Table if plan.is_empty() => {
            println!("nothing to apply: the registry is up to date (generation {})", applied.generation);
            Ok(())
        }
        Format::Table => {
            println!("{plan}");
            println!(
                "applied: {} added, {} revised (generation {})",
                applied.added, applied.revised, applied.generation
            );
            Ok(())
        }
    }
}
