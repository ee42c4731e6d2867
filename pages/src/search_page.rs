//! The search over all features, views, services, sources and entities.

use feature::{Micros, thousands};
use maud::{Markup, html};
use twinstore::{FoundFeature, Kind, Listed, SearchResult};

use crate::frame::Frame;
use crate::shown::{self, dash, wide};

/// Results that are listed of each kind.
const MOST_RESULTS: usize = 100;

/// The page; without a text it only has the form.
pub fn page(project: &str, text: &str, found: Option<&SearchResult>, now: Micros) -> String {
    let title = if text.is_empty() { "Search".to_owned() } else { format!("Search for {text}") };
    let content = html! {
        h1 { (title) }
        @match found {
            None => { p { "Search for a part of the name of a feature, view, service, source or entity, of an owner or of a description." } }
            Some(found) if found.features.is_empty() && found.definitions.is_empty() => {
                p { "Nothing has this in its name. A shorter part of it may." }
            }
            Some(found) => { (features(&found.features)) (definitions(&found.definitions)) }
        }
    };
    Frame { project, title: &title, current: None, searched: text, at: Some(now) }.around(&content)
}

fn more(count: usize) -> Markup {
    html! {
        @if count > MOST_RESULTS {
            p { "The first " (MOST_RESULTS) " of " (thousands(count as u64)) ": search for more of the name." }
        }
    }
}

fn features(features: &[FoundFeature]) -> Markup {
    if features.is_empty() {
        return html! {};
    }
    let table = html! {
        table {
            caption { "Features" }
            thead { tr {
                th scope="col" { "Feature" }
                th.left scope="col" { "Of" }
                th.left scope="col" { "Type" }
                th.text scope="col" { "What" }
            } }
            tbody {
                @for found in features.iter().take(MOST_RESULTS) {
                    tr {
                        th scope="row" { (feature(found)) }
                        td.left { (shown::definition(found.of.kind, &found.of.reference())) }
                        td.left { (shown::typed(found.data_type, found.unit.as_deref())) }
                        td.text { code { (found.what) } }
                    }
                }
            }
        }
    };
    html! {
        section aria-labelledby="features" {
            h2 #features { "Features" }
            (wide("Features", &table))
            (more(features.len()))
        }
    }
}

/// A feature of a view has a page; what a service gives is on the service's.
fn feature(found: &FoundFeature) -> Markup {
    match (found.of.kind, found.of.version_id()) {
        (Kind::FeatureView | Kind::OnDemandView, Some(view)) => shown::feature(&view, &found.name),
        _ => html! { (found.name) },
    }
}

fn definitions(definitions: &[Listed]) -> Markup {
    if definitions.is_empty() {
        return html! {};
    }
    let name = |one: &Listed| match one.version {
        Some(version) => format!("{}@{version}", one.name),
        None => one.name.to_string(),
    };
    let state = |one: &Listed| match (one.retired.is_some(), one.deprecated.is_some(), one.live) {
        (true, ..) => "retired".to_owned(),
        (_, true, _) => "deprecated".to_owned(),
        (.., Some(true)) => "live".to_owned(),
        _ => dash(),
    };
    let table = html! {
        table {
            caption { "Definitions" }
            thead { tr {
                th scope="col" { "Name" }
                th.left scope="col" { "Kind" }
                th.left scope="col" { "State" }
                th.left scope="col" { "Owner" }
                th.text scope="col" { "Description" }
            } }
            tbody {
                @for one in definitions.iter().take(MOST_RESULTS) {
                    tr {
                        th scope="row" {
                            @if one.retired.is_some() { (name(one)) } @else { (shown::definition(one.kind, &name(one))) }
                        }
                        td.left { (one.kind.name()) }
                        td.left { (state(one)) }
                        td.left { (one.owner.clone().unwrap_or_else(dash)) }
                        td.text { (one.description.clone().unwrap_or_default()) }
                    }
                }
            }
        }
    };
    html! {
        section aria-labelledby="definitions" {
            h2 #definitions { "Definitions" }
            (wide("Definitions", &table))
            (more(definitions.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_searched_for_is_text_and_stays_in_the_form() {
        let now = Micros::new(0).unwrap();
        let none = SearchResult { definitions: Vec::new(), features: Vec::new() };
        let page = page("flights", "\"><script>x</script>", Some(&none), now);
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;x&lt;/script&gt;\""), "{page}");
        assert!(page.contains("Nothing has this in its name"), "{page}");
    }
}
