//! `deprecate` and `retire`: the end of a version.

use serde_json::json;
use twinstore::{DefinitionId, Deprecated, Project, Retire, Sunset};

use super::registry::kind_of;
use crate::arguments::{DeprecateArgs, Format, RetireArgs};
use crate::failure::Failure;
use crate::output;

pub async fn deprecate(project: &Project, args: &DeprecateArgs) -> Result<(), Failure> {
    let sunset = args.sunset.zip(args.reason.clone()).map(|(at, reason)| Sunset { at, reason });
    let id = project.deprecate(&args.version, args.kind.map(kind_of), sunset.as_ref()).await?;
    match &sunset {
        Some(Sunset { at, .. }) => println!("{id} is deprecated, to be retired at {at}"),
        None => println!("{id} is not deprecated"),
    }
    Ok(())
}

pub async fn retire(project: &Project, args: &RetireArgs) -> Result<(), Failure> {
    let retire = Retire {
        version: args.version.clone(),
        kind: args.kind.map(kind_of),
        reason: args.reason.clone(),
        overriding: args.overriding.clone(),
    };
    let done = project.retire(&retire).await?;
    if args.format.format == Format::Json {
        let retired: Vec<String> = done.retired.iter().map(DefinitionId::to_string).collect();
        return output::json(
            &json!({"version": done.version.to_string(), "retired": retired, "freed": done.freed}),
        );
    }
    if done.retired.is_empty() {
        println!("{} was retired before", done.version);
    }
    done.retired.iter().for_each(|id| println!("{id} is retired"));
    done.freed.iter().for_each(|view| println!("the log, dead letters and online rows of {view} are freed"));
    Ok(())
}

/// Says what of a read is deprecated.
pub fn warn(deprecated: &[Deprecated]) {
    deprecated.iter().for_each(|one| eprintln!("warning: {one}"));
}
