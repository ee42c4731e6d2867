//! The page of a service: how the objective of its consumer stands, which versions answer, what it takes and gives, its
//! lineage, and a read to try.

use feature::{Micros, thousands};
use maud::{Markup, html};
use twinstore::{ServiceDetail, ShownFeature};

use crate::address::service_link;
use crate::changes_page;
use crate::drawing;
use crate::frame::Frame;
use crate::overview_page::{parity, service_state};
use crate::read_form::{Readable, Tried, form};
use crate::shown::{self, dash, field, typed, wide};
use crate::view_page::{Help, definition, freshness, verdict};

/// The page.
pub fn page(project: &str, detail: &ServiceDetail, tried: Tried<'_>, help: Help<'_>, now: Micros) -> String {
    let summary = &detail.summary;
    let id = summary.id.to_string();
    let action = service_link(&summary.id);
    let readable = Readable { action: &action, service: &summary.id, takes: &detail.takes, feature: None };
    let given = detail.definition.service.as_ref().map(|shown| shown.features.as_slice()).unwrap_or_default();
    let content = html! {
        h1 { "service " (id) }
        (verdict(summary.condition, &summary.reasons))
        (facts(detail))
        @if detail.versions.len() > 1 {
            nav.chosen aria-label="Versions" {
                span.dim { "Versions" }
                @for other in &detail.versions {
                    a href=(service_link(other)) aria-current=[(*other == summary.id).then_some("page")] { (other) }
                }
            }
        }
        @if let Some(objective) = &summary.objective { (freshness(objective, help, now)) }
        section aria-labelledby="features" { h2 #features { "Features" } (features(given)) }
        section aria-labelledby="lineage" { h2 #lineage { "Lineage" } (drawing::lineage(&detail.lineage, &id)) }
        section aria-labelledby="read" { h2 #read { "Try a read" } (form(&readable, tried)) }
        section aria-labelledby="changes" { h2 #changes { "Changes" } (changes_page::table(&detail.changes, now)) }
        section aria-labelledby="definition" { h2 #definition { "Definition" } (definition(&detail.definition)) }
    };
    Frame { project, title: &id, current: None, searched: "", at: Some(now) }.around(&content)
}

fn facts(detail: &ServiceDetail) -> Markup {
    let summary = &detail.summary;
    let listed = &detail.definition.listed;
    let takes: Vec<String> = detail.takes.iter().map(field).collect();
    html! {
        dl.facts {
            @if let Some(description) = &listed.description { dt { "Description" } dd { (description) } }
            dt { "State" } dd { (service_state(summary)) }
            @if let Some(rollout) = &detail.rollout {
                dt { "Its name means" }
                dd {
                    (shown::service(&rollout.live))
                    @if let Some(canary) = &rollout.canary { ", and " (shown::service(&canary.version)) " for " (canary.percent) " of the entities" }
                }
                @if let Some(before) = rollout.before.last() { dt { "A rollback returns to" } dd { (shown::service(before)) } }
            }
            dt { "Model" }
            dd {
                (summary.model.clone().unwrap_or_else(|| "none is named".to_owned()))
                @if let Some(owner) = &summary.model_owner { ", of " (owner) }
            }
            dt { "Owner" } dd { (listed.owner.clone().unwrap_or_else(|| "nobody is named".to_owned())) }
            dt { "Takes" } dd { (takes.join(", ")) }
            dt { "Version before" } dd { (parity(summary.parity.as_ref())) }
        }
    }
}

fn features(given: &[ShownFeature]) -> Markup {
    let table = html! {
        table {
            caption { (thousands(given.len() as u64)) " features in its order" }
            thead { tr {
                th scope="col" { "Feature" }
                th.left scope="col" { "Type" }
                th.left scope="col" { "From" }
                th.left scope="col" { "Instead of null" }
                th.text scope="col" { "Description" }
            } }
            tbody {
                @for one in given {
                    tr {
                        th scope="row" { (shown::feature(&one.view, &one.feature)) @if one.name != one.feature { span.dim { " as " (one.name) } } }
                        td.left { (typed(one.data_type, one.unit.as_deref())) }
                        td.left { (shown::view(&one.view)) }
                        td.left { (one.default.clone().unwrap_or_else(dash)) }
                        td.text { (one.description.clone().unwrap_or_default()) }
                    }
                }
            }
        }
    };
    wide("Features", &table)
}
