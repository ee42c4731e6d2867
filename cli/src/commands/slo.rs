//! `slo`: how freshness objectives stand.

use feature::Span;
use twinstore::{ObjectiveStanding, Project};

use crate::arguments::{Format, SloArgs};
use crate::failure::{Failure, helped};
use crate::headings;
use crate::output::{self, count};

pub async fn slo(project: &Project, args: &SloArgs) -> Result<(), Failure> {
    let report = project.slo(args.name.as_deref()).await?;
    if args.format.format == Format::Json {
        return output::json(&report);
    }
    if report.objectives.is_empty() {
        println!(
            "no view and no consumer has a freshness objective: give one `freshness: {{objective: 1m, target: 99.9}}`"
        );
        return Ok(());
    }
    let rows = report.objectives.iter().map(row);
    println!("{}", output::table(&headings::OBJECTIVES, &[2, 3, 4, 5, 6], rows));
    if !report.served.is_empty() {
        let rows = report.served.iter().map(served_row);
        println!("\n{}", output::table(&headings::SERVED_OBJECTIVES, &[2, 3, 4, 5, 6], rows));
    }
    let mut said = Vec::new();
    for one in &report.objectives {
        let Some(cause) = &one.cause else { continue };
        // Several services may read the same stale view.
        let sentence = helped(cause, one.help.clone());
        if !said.contains(&sentence) {
            said.push(sentence);
        }
    }
    if !said.is_empty() {
        println!("\n{}", said.join("\n"));
    }
    Ok(())
}

fn row(one: &ObjectiveStanding) -> Vec<String> {
    let model = one.consumer.as_ref().map(|model| format!(" ({model})")).unwrap_or_default();
    let within = one.within.map_or("each view's".to_owned(), |within| within.to_string());
    let mut row = vec![format!("{}{model}", one.name()), format!("{}% within {within}", one.target)];
    row.extend(standing(one));
    row.push(one.stage.unwrap_or("-").to_owned());
    row
}

fn served_row(one: &ObjectiveStanding) -> Vec<String> {
    let mut row = vec![one.id.to_string(), format!("{}% as the log gives", one.target)];
    row.extend(standing(one));
    row
}

/// What all objectives have.
fn standing(one: &ObjectiveStanding) -> [String; 7] {
    let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.2}%"));
    let burn = |window| one.burn_over(window).map_or("-".to_owned(), |rate| format!("{rate:.1}"));
    let state = match one.alert {
        Some(alert) => alert,
        None if one.reads == 0 => "no reads",
        None => "ok",
    };
    [
        count(one.reads),
        percent(one.attained),
        percent(one.budget_left),
        burn(Span::HOUR),
        burn(Span::DAY.times(3)),
        state.to_owned(),
        one.since.map_or("-".to_owned(), |since| since.to_string()),
    ]
}
