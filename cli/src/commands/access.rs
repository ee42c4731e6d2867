//! `access`: what the policy says of somebody, and who came.

use serde_json::json;
use twinstore::{AccessAction, CheckAccess, CheckedAccess, Decision, NamedResource, Project, Subject};

use crate::arguments::{AccessCommand, Format};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

pub async fn access(project: &Project, command: &AccessCommand) -> Result<(), Failure> {
    match command {
        AccessCommand::Check { subject, action, resource, format } => {
            check(project, (subject, *action, resource), format.format).await
        }
        AccessCommand::Usage { last, format } => {
            let allowed = project.allowed(*last).await?;
            if format.format == Format::Json {
                let row = |(subject, action, resource, times): &(String, String, String, u64)| json!({"subject": subject, "action": action, "resource": resource, "allowed": times});
                return output::json(&allowed.iter().map(row).collect::<Vec<_>>());
            }
            if allowed.is_empty() {
                println!("nobody; servers write down what they allow every minute");
                return Ok(());
            }
            let rows = allowed
                .into_iter()
                .map(|(subject, action, resource, times)| vec![subject, action, resource, count(times)]);
            println!("{}", output::table(&headings::ALLOWED, &[3], rows));
            Ok(())
        }
    }
}

async fn check(
    project: &Project,
    (subject, action, resource): (&Subject, AccessAction, &NamedResource),
    format: Format,
) -> Result<(), Failure> {
    let check = CheckAccess { subject: subject.clone(), action, resource: resource.clone() };
    let CheckedAccess { roles, resource, decision } = project.check_access(&check).await?;
    let why = match &decision {
        Decision::Allowed { role, by: Some(pattern) } => format!("`{role}` grants it on `{pattern}`"),
        Decision::Allowed { role, by: None } => format!("`{role}` grants it"),
        Decision::Denied(missing) => missing.to_string(),
    };
    let may = if decision.is_allowed() { "may" } else { "may not" };
    let tags: Vec<String> = resource.tags.iter().map(|(label, text)| format!("{label}={text}")).collect();
    match format {
        Format::Json => output::json(&json!({
            "subject": subject.to_string(), "action": action.name(), "resource": resource.to_string(),
            "allowed": decision.is_allowed(), "why": why, "roles": roles, "tags": tags,
        }))?,
        Format::Table => {
            println!("`{subject}` {may} {action} {resource}: {why}");
            if !tags.is_empty() {
                println!("its tags, and those of what it is made from: {}", tags.join(", "));
            }
        }
    }
    if decision.is_allowed() { Ok(()) } else { Err(Failure::said()) }
}
