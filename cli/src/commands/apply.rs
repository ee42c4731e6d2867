//! `plan` and `apply`: from definition files to the registry.

use twinstore::{Action, BOUNDED_PARTITIONS, BOUNDED_VALUE_BYTES, HelpTopic, Plan, Project};

use crate::arguments::{ApplyArgs, Format};
use crate::failure::Failure;
use crate::help;
use crate::output::{self, count, counted};

pub async fn plan(project: &Project, format: Format) -> Result<(), Failure> {
    let planned = project.plan().await?;
    match format {
        Format::Json => output::json(&planned)?,
        Format::Table => {
            println!("{}", shown(&planned.plan));
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

pub async fn apply(project: &Project, args: &ApplyArgs) -> Result<(), Failure> {
    let done = match args.new_registry {
        true => project.apply_in_new_registry().await?,
        false => project.apply().await?,
    };
    let applied = &done.applied;
    match args.format.format {
        Format::Json => return output::json(&done),
        Format::Table if done.plan.is_empty() => {
            println!("nothing to apply: the registry is up to date (generation {})", applied.generation);
        }
        Format::Table => {
            println!("{}", shown(&done.plan));
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

/// The plan, what ends definitions without a file, and how large rows may get.
fn shown(plan: &Plan) -> String {
    let gone = plan.changes.iter().filter(|change| change.action == Action::Gone && change.is_removable);
    let notes = gone.map(|change| {
        format!("\nnote: {}", help::in_commands(&HelpTopic::RemoveRegistered(change.id.reference())))
    });
    format!("{plan}{}{}", notes.collect::<String>(), largest_rows(plan))
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
