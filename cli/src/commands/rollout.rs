//! `cutover` and `rollback`: which version answers a service's own name.

use serde_json::json;
use twinstore::{Canary, CutOver, Gate, Moved, Project, ProjectError, Rollout};

use crate::arguments::{CutoverArgs, Format, RollbackArgs};
use crate::failure::Failure;
use crate::output::{self, counted};

pub async fn cutover(project: &Project, args: &CutoverArgs) -> Result<(), Failure> {
    let cutover = CutOver {
        to: args.to.clone(),
        percent: args.percent,
        reason: args.reason.clone(),
        overriding: args.overriding.clone(),
    };
    let done = project.cut_over(&cutover).await;
    if args.format.format == Format::Json {
        if let Err(ProjectError::GatesFailed { failed, .. }) = &done {
            output::json(&json!({"moved": null, "gates": failed}))?;
        }
        let done = done?;
        return output::json(&json!({"moved": done.moved, "gates": done.gates}));
    }
    let done = done?;
    done.gates.iter().for_each(|gate| println!("{}", said(gate)));
    let failed = done.gates.iter().filter(|gate| !gate.passed).count();
    if failed > 0 {
        println!("{} overridden", counted(failed as u64, "gate"));
    }
    show(&done.moved);
    Ok(())
}

pub async fn rollback(project: &Project, args: &RollbackArgs) -> Result<(), Failure> {
    let moved = project.roll_back(&args.service, args.reason.as_ref()).await?;
    if args.format.format == Format::Json {
        return output::json(&json!({"moved": moved}));
    }
    show(&moved);
    Ok(())
}

/// A gate in one line.
fn said(gate: &Gate) -> String {
    let mark = if gate.passed { "ok" } else { "FAILS" };
    format!("{mark:<6}{}", gate.said)
}

fn show(moved: &Moved) {
    let service = &moved.after.live.name;
    match moved.is_change() {
        true => println!(
            "{service}: {} → {} (generation {}); servers follow within a second",
            answered(&moved.before),
            answered(&moved.after),
            moved.generation
        ),
        false => println!("{service}: {} already (generation {})", answered(&moved.after), moved.generation),
    }
}

fn answered(rollout: &Rollout) -> String {
    match &rollout.canary {
        None => rollout.live.to_string(),
        Some(Canary { version, percent }) => format!("{} with {percent} on {version}", rollout.live),
    }
}
