//! How pages write what is the same everywhere: moments, conditions, shares and names.

use feature::{DataType, Field, Micros, VersionId};
use maud::{Markup, html};
use twinstore::{Condition, Kind};

use crate::address::{condition_name, feature_link, service_link, view_link};
use crate::shown_figures::age;

/// A moment in words, in UTC: `2026-11-30 03:14:06 UTC`.
pub fn moment_text(at: Micros) -> String {
    let text = at.to_string();
    let whole = text.split(['.', 'Z']).next().unwrap_or_default();
    format!("{} UTC", whole.replace('T', " "))
}

/// A moment with its time zone.
pub fn moment(at: Micros) -> Markup {
    html! { time datetime=(at) { (moment_text(at)) } }
}

/// How long ago a moment was; the moment itself is its title.
pub fn ago(at: Micros, now: Micros) -> Markup {
    let seconds = now.since(at) as f64 / 1e6;
    let text = match seconds {
        ..0.0 => format!("in {}", age(-seconds)),
        _ => format!("{} ago", age(seconds.floor())),
    };
    html! { time datetime=(at) title=(moment_text(at)) { (text.replace(".0s", "s")) } }
}

/// A moment, and how long ago it was.
pub fn moment_and_age(at: Micros, now: Micros) -> Markup {
    html! { (moment(at)) span.dim { " (" (ago(at, now)) ")" } }
}

/// A condition: a word, and a colour beside it.
pub fn condition(condition: Condition) -> Markup {
    html! { span.badge.(condition_name(condition)) { (condition.name()) } }
}

/// A share in per cent; a dash where there is none.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(dash, |share| format!("{share:.2}%"))
}

/// What stands where there is nothing.
pub fn dash() -> String {
    "–".to_owned()
}

/// The link to a view.
pub fn view(id: &VersionId) -> Markup {
    html! { a href=(view_link(id)) { (id) } }
}

/// The link to a service.
pub fn service(id: &VersionId) -> Markup {
    html! { a href=(service_link(id)) { (id) } }
}

/// The link to a feature.
pub fn feature(view: &VersionId, name: &str) -> Markup {
    html! { a href=(feature_link(view, name)) { (name) } }
}

/// What is defined, with a link where it has a page.
pub fn definition(kind: Kind, name: &str) -> Markup {
    let id: Option<VersionId> = name.parse().ok();
    html! {
        @match (kind, &id) {
            (Kind::FeatureView | Kind::OnDemandView, Some(id)) => { (view(id)) }
            (Kind::FeatureService, Some(id)) => { (service(id)) }
            _ => { (name) }
        }
    }
}

/// A type and, where there is one, a unit.
pub fn typed(data_type: DataType, unit: Option<&str>) -> String {
    unit.map_or_else(|| data_type.to_string(), |unit| format!("{data_type}, {unit}"))
}

/// A column with its type.
pub fn field(field: &Field) -> String {
    format!("{} ({})", field.name, field.data_type)
}

/// A table that scrolls by itself, also by the keyboard.
pub fn wide(label: &str, table: &Markup) -> Markup {
    html! { div.wide role="group" aria-label=(label) tabindex="0" { (table) } }
}

/// A bar of a share from 0 to 1, for the eye alone.
pub fn bar(share: f64) -> Markup {
    let width = share.clamp(0.0, 1.0) * 56.0;
    let class = if share <= 0.0 { "badbar" } else { "newbar" };
    html! {
        svg.bar viewBox="0 0 56 9" aria-hidden="true" focusable="false" {
            rect.axis x="0" y="0" width="56" height="9" {}
            rect.(class) x="0" y="0" width=(format!("{width:.1}")) height="9" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_a_zone_and_ages_their_moment() {
        let at = Micros::new(1_370_000_040_123_456).unwrap();
        assert_eq!(moment_text(at), "2013-05-31 11:34:00 UTC");
        let now = Micros::new(1_370_000_040_123_456 + 90_000_000).unwrap();
        let markup = ago(at, now).into_string();
        let text = "datetime=\"2013-05-31T11:34:00.123456Z\" title=\"2013-05-31 11:34:00 UTC\">1m 30s ago<";
        assert!(markup.contains(text), "{markup}");
        assert!(ago(now, at).into_string().contains(">in 1m 30s<"));
        assert!(ago(at, at).into_string().contains(">0s ago<"));
    }

    #[test]
    fn text_of_data_is_no_markup() {
        let hostile = "\"><script>alert(1)</script>";
        let markup = wide(hostile, &html! { td title=(hostile) { (hostile) } }).into_string();
        assert!(!markup.contains("<script"), "{markup}");
        assert!(!markup.contains("\"><s"), "{markup}");
    }
}
