//! A report of two versions as one HTML page that needs nothing else: no script, no other file, no request. It is read
//! in the light and in the dark, and on a phone. All text that comes from data or definitions is escaped.

mod escape;
mod plots;
mod rows;

use std::fmt::Write;

use feature::{counted, thousands as count};
use twinstore::{ComparedFeature, Moments, ParityReport, Verdict};

use crate::shown_figures::{changed_nulls, few_rows, percent, shift, three};
use crate::stylesheet::STYLE;
use escape::Escaped;

/// The page that shows a comparison.
pub fn parity_page(report: &ParityReport) -> String {
    let title = format!("{} beside {}", report.new, report.old);
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        Escaped(&title)
    );
    head(&mut page, report, &title);
    overview(&mut page, report);
    beside(&mut page, report);
    for (index, feature) in report.features.iter().enumerate() {
        section(&mut page, report, index, feature);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, report: &ParityReport, title: &str) {
    let outside: Vec<&str> = report.outside().map(|feature| feature.name.as_str()).collect();
    let (class, verdict) = match report.failure() {
        None => ("passed", "Every feature is within its bounds.".to_owned()),
        Some(failure) if outside.is_empty() => ("failed", format!("{failure}.")),
        Some(_) => (
            "failed",
            format!(
                "{} of {} outside bounds: {}.",
                count(outside.len() as u64),
                counted(report.features.len() as u64, "feature"),
                outside.join(", ")
            ),
        ),
    };
    let from = match &report.moments {
        Moments::Drawn { views, .. } => {
            let views: Vec<String> = views.iter().map(ToString::to_string).collect();
            format!("entities and moments drawn from the log of {}", views.join(", "))
        }
        Moments::Spine { path, time } => {
            format!("entities and moments of {} ({time})", path.display())
        }
    };
    let logs: Vec<String> =
        report.logs.iter().map(|log| format!("{} at version {}", log.view, log.version)).collect();
    let _ = write!(
        page,
        "<header>\n<h1>{}</h1>\n<p class=\"verdict {class}\">{}</p>\n<p class=\"about\">{}, {}. Compared at {}; logs: {}.</p>\n</header>\n",
        Escaped(title),
        Escaped(&verdict),
        Escaped(&counted(report.rows(), "row")),
        Escaped(&from),
        report.at,
        Escaped(&logs.join(", "))
    );
    if let Some(note) = few_rows(report.rows()) {
        let _ = writeln!(page, "<p class=\"about\">Note: {note}.</p>");
    }
}

fn overview(page: &mut String, report: &ParityReport) {
    page.push_str(
        "<div class=\"wide\"><table>\n<caption>Features of both versions</caption>\n<thead><tr><th scope=\"col\">Feature</th>\
         <th scope=\"col\">Verdict</th><th scope=\"col\">Equal</th><th scope=\"col\">PSI</th><th scope=\"col\">KS</th>\
         <th scope=\"col\">Mean</th><th scope=\"col\">Null</th></tr></thead>\n<tbody>\n",
    );
    for (index, feature) in report.features.iter().enumerate() {
        let figures = &feature.figures;
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\"><a href=\"#f{index}\">{}</a></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            Escaped(&feature.name),
            badge(feature.judgement.verdict),
            percent(figures.equal_share()),
            three(figures.psi),
            three(figures.ks),
            Escaped(&shift(figures)),
            Escaped(&changed_nulls(figures)),
        );
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn badge(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Equal => "equal",
        Verdict::Within => "within",
        Verdict::Declared => "declared",
        Verdict::Outside => "outside",
    };
    format!("<span class=\"badge {class}\">{}</span>", verdict.name())
}

/// What is not compared, a list each.
fn beside(page: &mut String, report: &ParityReport) {
    let mut item = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            let _ = writeln!(page, "<p class=\"about\">{what}: {}.</p>", Escaped(&names.join(", ")));
        }
    };
    item(&format!("Only in {}", report.old), report.only_old.clone());
    item(&format!("Only in {}", report.new), report.only_new.clone());
    let needs =
        report.not_compared.iter().map(|one| format!("{} (needs {})", one.name, one.request.join(", ")));
    item("Not compared, as only a spine brings request columns", needs.collect());
}

fn section(page: &mut String, report: &ParityReport, index: usize, feature: &ComparedFeature) {
    let figures = &feature.figures;
    let _ = writeln!(
        page,
        "<section id=\"f{index}\">\n<h2>{} {}</h2>",
        Escaped(&feature.name),
        badge(feature.judgement.verdict)
    );
    let mut notes: Vec<String> = feature.judgement.exceeded.iter().map(ToString::to_string).collect();
    notes.extend(figures.likely_causes().iter().map(ToString::to_string));
    if let Some(expected) = &feature.expected {
        notes.push(format!("declared: {}", expected.reason));
    }
    if feature.old_type != feature.new_type {
        notes.push(format!("type {} → {}", feature.old_type, feature.new_type));
    }
    if feature.old_unit != feature.new_unit {
        let unit = |unit: &Option<String>| unit.clone().unwrap_or_else(|| "none".to_owned());
        notes.push(format!("unit {} → {}", unit(&feature.old_unit), unit(&feature.new_unit)));
    }
    if let Some(unit) = feature.new_unit.as_ref().filter(|_| feature.old_unit == feature.new_unit) {
        notes.push(format!("in {unit}"));
    }
    if !figures.is_exact {
        notes.push("more different values than are kept: distributions are of ranges of values".to_owned());
    }
    notes.extend(
        figures
            .statuses
            .iter()
            .map(|change| format!("{} → {} in {}", change.old, change.new, counted(change.rows, "row"))),
    );
    if !notes.is_empty() {
        page.push_str("<ul>\n");
        for note in &notes {
            let _ = writeln!(page, "<li>{}</li>", Escaped(note));
        }
        page.push_str("</ul>\n");
    }
    let _ = writeln!(
        page,
        "<p class=\"about\">{} of {} equal.</p>",
        count(figures.equal),
        counted(figures.rows, "row")
    );
    page.push_str("<div class=\"plots\">\n");
    page.push_str(&plots::distributions(feature));
    page.push_str(&plots::quantiles(feature));
    page.push_str("</div>\n");
    page.push_str(&rows::quantile_table(report, feature));
    page.push_str(&rows::differences(feature));
    page.push_str("</section>\n");
}
