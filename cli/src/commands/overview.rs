//! `overview`: every view and service at a glance.

use feature::{Micros, Span};
use pages::age;
use twinstore::{Condition, ObjectiveStanding, ParitySummary, Project, ServiceSummary, ViewSummary};

use crate::arguments::{Format, FormatArg};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

pub async fn overview(project: &Project, format: FormatArg) -> Result<(), Failure> {
    let overview = project.overview().await?;
    let wrong: Vec<String> = {
        let views = overview.views.iter().map(|view| (view.condition, &view.id));
        let services = overview.services.iter().map(|service| (service.condition, &service.id));
        let wrong = views.chain(services).filter(|(condition, _)| *condition == Condition::Wrong);
        wrong.map(|(_, id)| id.to_string()).collect()
    };
    if format.format == Format::Json {
        output::json(&overview)?;
    } else {
        let views = overview.views.iter().map(|view| of_view(view, overview.at));
        let services = overview.services.iter().map(|service| of_service(service, overview.at));
        println!("{}", output::table(&headings::OVERVIEW, &[2, 4, 5, 6, 8, 9, 10], views.chain(services)));
        let of_views = overview.views.iter().map(|view| (&view.id, &view.reasons));
        let of_services = overview.services.iter().map(|service| (&service.id, &service.reasons));
        let reasons: Vec<String> = of_views
            .chain(of_services)
            .flat_map(|(id, reasons)| reasons.iter().map(move |reason| format!("{id}: {reason}")))
            .collect();
        if !reasons.is_empty() {
            println!("\n{}", reasons.join("\n"));
        }
    }
    match wrong.as_slice() {
        [] => Ok(()),
        wrong => Err(Failure::new(format!("something is wrong with {}", wrong.join(", ")))),
    }
}

fn none() -> String {
    "-".to_owned()
}

fn of_view(view: &ViewSummary, now: Micros) -> Vec<String> {
    let delay: f64 = view.delays.iter().map(|delay| delay.mean_s).sum();
    let longest = view.delays.iter().max_by(|a, b| a.mean_s.total_cmp(&b.mean_s));
    let quality = |of: fn(&twinstore::ViewQuality) -> u64| {
        view.quality.as_ref().map_or_else(none, |quality| count(of(quality)))
    };
    let mut row = vec![view.id.to_string(), view.condition.name().to_owned(), since(view.newest_event, now)];
    row.extend(standing(view.objective.as_ref()));
    row.extend([
        longest.map_or_else(none, |longest| format!("{} ({})", age(delay), longest.stage)),
        quality(|quality| quality.refused),
        quality(|quality| quality.quarantined),
        quality(|quality| quality.drifted.len() as u64),
        parity(view.parity.as_ref()),
    ]);
    row
}

fn of_service(service: &ServiceSummary, now: Micros) -> Vec<String> {
    let model = service.model.as_ref().map(|model| format!(" ({model})")).unwrap_or_default();
    let newest = service.objective.as_ref().and_then(|objective| objective.newest_event);
    let mut row =
        vec![format!("{}{model}", service.id), service.condition.name().to_owned(), since(newest, now)];
    row.extend(standing(service.objective.as_ref()));
    row.extend([none(), none(), none(), none(), parity(service.parity.as_ref())]);
    row
}

fn since(at: Option<Micros>, now: Micros) -> String {
    at.map_or_else(none, |at| age(now.since(at) as f64 / 1e6))
}

/// The objective, what was attained, what is left of the budget, and how fast it burns.
fn standing(objective: Option<&ObjectiveStanding>) -> [String; 4] {
    let Some(one) = objective else { return [none(), none(), none(), none()] };
    let percent = |share: Option<f64>| share.map_or_else(none, |share| format!("{share:.2}%"));
    let within = one.within.map_or("each view's".to_owned(), |within| within.to_string());
    [
        format!("{}% within {within}", one.target),
        percent(one.attained),
        percent(one.budget_left),
        one.burn_over(Span::HOUR).map_or_else(none, |rate| format!("{rate:.1}")),
    ]
}

fn parity(parity: Option<&ParitySummary>) -> String {
    match parity {
        None => none(),
        Some(parity) if parity.passed => "within".to_owned(),
        Some(_) => "outside".to_owned(),
    }
}
