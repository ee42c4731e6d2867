//! The page of a feature: what it is, in which versions, what it comes from, its statistics, who reads it, and a read to
//! try.

use feature::{Micros, counted};
use maud::{Markup, html};
use twinstore::{FeatureDetail, FeatureVersion, FoundFeature, GivenBy};

use crate::address::feature_link;
use crate::drawing;
use crate::frame::Frame;
use crate::read_form::{Readable, Tried, form};
use crate::shown::{self, dash, typed, wide};
use crate::statistics_plots::statistics;
use crate::view_page::{definition, drift_table};

/// The page.
pub fn page(project: &str, detail: &FeatureDetail, tried: Tried<'_>, now: Micros) -> String {
    let FeatureDetail { found, view, .. } = detail;
    let title = format!("{view}:{}", found.name);
    let action = feature_link(view, &found.name);
    let content = html! {
        h1 { "feature " (found.name) }
        (facts(detail))
        section aria-labelledby="versions" { h2 #versions { "Versions" } (versions(detail)) }
        section aria-labelledby="lineage" { h2 #lineage { "Lineage" } (drawing::lineage(&detail.lineage, &title)) }
        @if !detail.is_on_demand {
            section aria-labelledby="statistics" {
                h2 #statistics { "Statistics" }
                @match &detail.column {
                    Some(column) => {
                        p.about { "Of the column " code { (column) } " of the log of " (view) ", which it is computed from." }
                        (statistics(&detail.days))
                        @if let Some(drift) = &detail.drift {
                            h3 { "Drift" }
                            (drift_table(std::slice::from_ref(drift)))
                        }
                    }
                    None => { p { "It counts rows, and is computed from no column." } }
                }
            }
        }
        section aria-labelledby="consumers" { h2 #consumers { "Consumers" } (consumers(&detail.given_by)) }
        section aria-labelledby="read" {
            h2 #read { "Try a read" }
            @match readable(detail, tried, &action) {
                Some(readable) => { (form(&readable, tried)) }
                None => { p { "No service gives it, so there is none to read it from." } }
            }
        }
        section aria-labelledby="definition" { h2 #definition { "Definition" } (definition(&detail.definition)) }
    };
    Frame { project, title: &title, current: None, searched: "", at: Some(now) }.around(&content)
}

/// What is read: the service of the read that was tried, else a live one, else the first.
fn readable<'a>(detail: &'a FeatureDetail, tried: Tried<'_>, action: &'a str) -> Option<Readable<'a>> {
    let tried = tried.and_then(|(query, _)| {
        detail.given_by.iter().find(|given| given.service.to_string() == query.service)
    });
    let live = || detail.given_by.iter().find(|given| given.is_live);
    let GivenBy { service, takes, name, .. } = tried.or_else(live).or_else(|| detail.given_by.first())?;
    Some(Readable { action, service, takes, feature: Some(name) })
}

fn facts(detail: &FeatureDetail) -> Markup {
    let FeatureDetail { found, view, .. } = detail;
    html! {
        dl.facts {
            @if let Some(description) = &detail.description { dt { "Description" } dd { (description) } }
            dt { "View" } dd { (shown::view(view)) }
            dt { "Type" } dd { (found.data_type) }
            dt { "Unit" } dd { (found.unit.clone().unwrap_or_else(|| "none is declared".to_owned())) }
            dt { "Computed as" } dd { code { (found.what) } @if detail.is_on_demand { " when it is read" } }
            dt { "Instead of null" } dd { (detail.default.clone().unwrap_or_else(|| "nothing".to_owned())) }
        }
    }
}

fn versions(detail: &FeatureDetail) -> Markup {
    let table = html! {
        table {
            caption { "What it is in each version of its view" }
            thead { tr {
                th scope="col" { "Version" }
                th.left scope="col" { "Type" }
                th.text scope="col" { "Computed as" }
                th.left scope="col" { "Beside this one" }
            } }
            tbody {
                @for version in &detail.versions { (version_row(version, detail)) }
            }
        }
    };
    wide("Versions", &table)
}

fn version_row(version: &FeatureVersion, detail: &FeatureDetail) -> Markup {
    let same = |found: &FoundFeature| {
        let own = &detail.found;
        (found.data_type, &found.unit, &found.what) == (own.data_type, &own.unit, &own.what)
    };
    html! {
        tr {
            th scope="row" {
                @match &version.found {
                    Some(_) if version.view == detail.view => { (version.view) }
                    Some(found) => { a href=(feature_link(&version.view, &found.name)) { (version.view) } }
                    None => { (version.view) }
                }
            }
            @match &version.found {
                None => { td.left { (dash()) } td.text { (dash()) } td.left { "it has no such feature" } }
                Some(found) => {
                    td.left { (typed(found.data_type, found.unit.as_deref())) }
                    td.text { code { (found.what) } }
                    td.left {
                        @if version.view == detail.view { "this one" }
                        @else if same(found) { "the same expression" }
                        @else { "another one" }
                    }
                }
            }
        }
    }
}

fn consumers(given_by: &[GivenBy]) -> Markup {
    if given_by.is_empty() {
        return html! { p { "No service gives it." } };
    }
    let table = html! {
        table {
            caption { (counted(given_by.len() as u64, "service")) " that give" @if given_by.len() == 1 { "s" } " it" }
            thead { tr {
                th scope="col" { "Service" }
                th.left scope="col" { "State" }
                th.left scope="col" { "As" }
                th.left scope="col" { "Model" }
                th.left scope="col" { "Owner of the model" }
            } }
            tbody {
                @for given in given_by {
                    tr {
                        th scope="row" { (shown::service(&given.service)) }
                        td.left { @if given.is_live { "live" } @else { (dash()) } }
                        td.left { (given.name) }
                        td.left { (given.model.clone().unwrap_or_else(dash)) }
                        td.left { (given.owner.clone().unwrap_or_else(dash)) }
                    }
                }
            }
        }
    };
    wide("Consumers", &table)
}
