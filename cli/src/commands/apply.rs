//! `plan` and `apply`: from definition files to the registry.

use twinstore::{BOUNDED_PARTITIONS, BOUNDED_VALUE_BYTES, Plan, Project};

use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{self, count, counted};

pub async fn plan(project: &Project, format: Format) -> Result<(), Failure> {
    let planned = project.plan().await?;
    match format {
        Format::Json => output::json(&planned)?,
        Format::Table => {
            println!("{}{}", planned.plan, largest_rows(&planned.plan));
            planned.misfits.iter().for_each(|misfit| println!("note: {misfit}"));
        }
    }
    let refused = &planned.plan.refused;
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} refused: nothing would be applied\n{refused}",
        counted(refused.len() as u64, "change")
    )))
}

pub async fn apply(project: &Project, format: Format) -> Result<(), Failure> {
    let done = project.apply().await?;
    let applied = &done.applied;
    match format {
        Format::Json => return output::json(&done),
        Format::Table if done.plan.is_empty() => {
            println!("nothing to apply: the registry is up to date (generation {})", applied.generation);
        }
        Format::Table => {
            println!("{}{}", done.plan, largest_rows(&done.plan));
            let edited = match applied.edited {
                0 => String::new(),
                edited => format!(", {edited} edited before first use"),
            };
            println!(
                "applied: {} added, {} revised{edited} (generation {})",
                applied.added, applied.revised, applied.generation
            );
        }
    }
    Ok(())
}

/// A line for each view, and what the bounds take for granted; nothing where no view is new.
fn largest_rows(plan: &Plan) -> String {
    if plan.largest_rows.is_empty() {
        return String::new();
    }
    let rows =
        plan.largest_rows.iter().map(|row| format!("\n  {}: {} bytes", row.view, count(row.bytes as u64)));
    format!(
        "\nlargest row of an entity, with values of up to {BOUNDED_VALUE_BYTES} bytes and {BOUNDED_PARTITIONS} partitions:{}",
        rows.collect::<String>()
    )
}
