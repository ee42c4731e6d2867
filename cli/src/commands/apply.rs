//! `plan` and `apply`: from definition files to the registry. A view whose packed row could become
//! longer than a store takes is refused here, before anything is registered.

use std::fmt;

use feature::{Name, VersionId};
use materializer::Misfit;
use online::{Layout, MAX_ROW_BYTES};
use registry::{Action, Body, Definitions, Plan};
use serde::Serialize;
use serde_json::json;

use crate::arguments::Format;
use crate::clock;
use crate::failure::Failure;
use crate::output;
use crate::project::Project;

pub async fn plan(project: &Project, format: Format) -> Result<(), Failure> {
    let registered = project.registered_so_far().await?;
    let is_settled = registered.unknown_uses().next().is_none();
    let registered = if is_settled {
        registered
    } else {
        project.settle_uses(&project.registry().await?).await?;
        project.registered_so_far().await?
    };
    let definitions = Definitions::read(&project.folder, &registered)?;
    let plan = Plan::of(&definitions, &registered);
    let rows = LargestRows::of(&plan, &definitions);
    let misfits = misfits(project, &definitions).await;
    match format {
        Format::Json => {
            let planned = Planned { plan: &plan, largest_rows: &rows.0 };
            output::json(&PlannedOnData { planned, misfits: &misfits })?;
        }
        Format::Table => {
            println!("{plan}{rows}");
            misfits.iter().for_each(|misfit| println!("{misfit}"));
        }
    }
    if plan.refused.is_empty() {
        return rows.check();
    }
    Err(Failure::new(format!(
        "{} refused: nothing would be applied\n{}",
        output::counted(plan.refused.len() as u64, "change"),
        plan.refused
    )))
}

pub async fn apply(project: &Project, format: Format) -> Result<(), Failure> {
    let registry = project.registry().await?;
    project.settle_uses(&registry).await?;
    let registered = registry.registered().await?;
    let definitions = Definitions::read(&project.folder, &registered)?;
    let plan = Plan::of(&definitions, &registered);
    let rows = LargestRows::of(&plan, &definitions);
    if plan.refused.is_empty() {
        rows.check()?;
    }
    let applied = registry.apply(&plan, clock::now()).await?;
    match format {
        Format::Json => {
            output::json(&json!({"applied": applied, "plan": Planned { plan: &plan, largest_rows: &rows.0 }}))
        }
        Format::Table if plan.is_empty() => {
            println!("nothing to apply: the registry is up to date (generation {})", applied.generation);
            Ok(())
        }
        Format::Table => {
            println!("{plan}{rows}");
            let edited = match applied.edited {
                0 => String::new(),
                edited => format!(", {edited} edited before first use"),
            };
            println!(
                "applied: {} added, {} revised{edited} (generation {})",
                applied.added, applied.revised, applied.generation
            );
            Ok(())
        }
    }
}

/// What the heads of the sources' files say against their definitions: what would be refused when they are loaded.
async fn misfits(project: &Project, definitions: &Definitions) -> Vec<SourceMisfit> {
    let mut misfits = Vec::new();
    for definition in definitions.iter() {
        let Body::Source { source, .. } = &definition.body else { continue };
        let heads = materializer::heads(&project.folder, source).await;
        let of_source = |misfit: Misfit| SourceMisfit {
            definition: definition.file.to_string(),
            source: source.name.clone(),
            misfit,
        };
        misfits.extend(heads.misfits.into_iter().map(of_source));
        if heads.files_left_out > 0 {
            let problem = format!(
                "{} more of its files were not looked into",
                output::count(heads.files_left_out as u64)
            );
            misfits.push(of_source(Misfit { file: None, row: None, column: None, problem, rows: 0 }));
        }
    }
    misfits
}

/// What of a source's files does not fit its definition.
#[derive(Serialize)]
struct SourceMisfit {
    /// The file of the definition.
    definition: String,
    source: Name,
    #[serde(flatten)]
    misfit: Misfit,
}

impl fmt::Display for SourceMisfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "note: {}: source `{}`: {}", self.definition, self.source, self.misfit)
    }
}

#[derive(Serialize)]
struct PlannedOnData<'a> {
    #[serde(flatten)]
    planned: Planned<'a>,
    misfits: &'a [SourceMisfit],
}

/// No text, bytes or list of any length is taken to be longer, in bytes, when a row is bounded.
const VALUE_BYTES: usize = 256;

/// An entity is taken to be seen in no more partitions of a topic when its row is bounded.
const PARTITIONS: usize = 1024;

#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    largest_rows: &'a [LargestRow],
}

/// The longest packed row of each view that is new or edited.
struct LargestRows(Vec<LargestRow>);

#[derive(Serialize)]
struct LargestRow {
    view: VersionId,
    file: String,
    bytes: usize,
}

impl LargestRows {
    fn of(plan: &Plan, definitions: &Definitions) -> LargestRows {
        let new = plan.changes.iter().filter(|change| matches!(change.action, Action::Add | Action::Edit));
        let views = new.filter_map(|change| definitions.get(&change.id));
        let rows = views.filter_map(|definition| match &definition.body {
            Body::FeatureView(view) => Some(LargestRow {
                view: view.id.clone(),
                file: definition.file.to_string(),
                bytes: Layout::new(view).largest_row(VALUE_BYTES, PARTITIONS),
            }),
            _ => None,
        });
        LargestRows(rows.collect())
    }

    /// Refuses what no online store would take.
    fn check(&self) -> Result<(), Failure> {
        let beyond = self.0.iter().filter(|row| row.bytes > MAX_ROW_BYTES);
        let sentences: Vec<String> = beyond
            .map(|row| {
                format!(
                    "{}: an entity's row of view {} could take {} bytes, more than the {} that a row may have: \
                     use shorter windows, longer hops or shorter lists, or divide the view",
                    row.file,
                    row.view,
                    output::count(row.bytes as u64),
                    output::count(MAX_ROW_BYTES as u64),
                )
            })
            .collect();
        if sentences.is_empty() { Ok(()) } else { Err(Failure::new(sentences.join("\n"))) }
    }
}

impl fmt::Display for LargestRows {
    /// A line for each view, and what the bounds take for granted; nothing where no view is new.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\nlargest row of an entity, with values of up to {VALUE_BYTES} bytes and {PARTITIONS} partitions:"
        )?;
        self.0
            .iter()
            .try_for_each(|row| write!(f, "\n  {}: {} bytes", row.view, output::count(row.bytes as u64)))
    }
}
