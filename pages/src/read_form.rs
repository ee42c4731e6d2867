//! Trying a read: a form without a script, and what the read gave.

use feature::{Field, VersionId};
use maud::{Markup, html};
use twinstore::ReadFeatures;

use crate::address::ReadQuery;
use crate::shown::{self, dash, moment, wide};
use crate::shown_figures::age;

/// A read that can be tried.
#[derive(Clone, Debug)]
pub struct Readable<'a> {
    /// The page that has the form.
    pub action: &'a str,
    /// The service.
    pub service: &'a VersionId,
    /// What a read of it takes.
    pub takes: &'a [Field],
    /// The feature for whose sake it is read; `None` of a service as a whole.
    pub feature: Option<&'a str>,
}

/// A read that was tried: what it gave, or why it gave nothing.
pub type Tried<'a> = Option<(&'a ReadQuery, &'a Result<ReadFeatures, String>)>;

/// The form, and below it what the read gave that was tried.
pub fn form(readable: &Readable<'_>, tried: Tried<'_>) -> Markup {
    let service = readable.service.to_string();
    let tried = tried.filter(|(query, _)| query.service == service);
    let given = |name: &str| {
        let values = tried.iter().flat_map(|(query, _)| &query.values);
        values
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
            .next_back()
            .unwrap_or_default()
    };
    let at = tried.map_or("", |(query, _)| query.at.as_str());
    html! {
        form.read action=(readable.action) method="get" {
            fieldset {
                legend { "Read " (service) }
                input type="hidden" name="service" value=(service);
                @for field in readable.takes {
                    label {
                        span { (shown::field(field)) }
                        input type="text" name=(format!("in.{}", field.name)) value=(given(field.name.as_str())) required autocomplete="off";
                    }
                }
                label {
                    span { "as of (a moment such as 2026-01-31T12:00:00Z; now if empty)" }
                    input type="text" name="at" value=(at) autocomplete="off";
                }
                div { button type="submit" { "Read" } }
            }
        }
        p.about { "It is a read as any other: the first read of a version is its first use, after which it cannot be edited." }
        @if let Some((_, given)) = tried {
            div role="status" {
                @match given {
                    Ok(read) => { (result(read, readable.feature)) }
                    Err(why) => { p.verdict.failed { (why) } }
                }
            }
        }
    }
}

fn result(read: &ReadFeatures, feature: Option<&str>) -> Markup {
    let table = html! {
        table {
            caption { "What " (read.service) " gave at " (moment(read.at)) }
            thead { tr {
                th scope="col" { "Feature" }
                th.left scope="col" { "Value" }
                th.left scope="col" { "Status" }
                th scope="col" { "Age" }
                th.left scope="col" { "Event" }
            } }
            tbody {
                @for one in &read.features {
                    tr {
                        th scope="row" { (one.name) @if feature == Some(one.name.as_str()) { span.dim { " (this feature)" } } }
                        td.left { code { (feature::excerpt(&one.value.to_string(), 200)) } }
                        td.left { (one.status.name()) @if one.is_fresh == Some(false) { ", stale" } }
                        td { (one.age_s.map_or_else(dash, age)) }
                        td.left { @match one.event_time { Some(at) => (moment(at)), None => (dash()) } }
                    }
                }
            }
        }
    };
    html! {
        (wide("What the read gave", &table))
        @for never in &read.never_loaded {
            p.verdict.noted { "No row of " (never.view) " was loaded yet." }
        }
        @for deprecated in &read.deprecated { p.verdict.noted { (deprecated) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use feature::{DataType, Scalar};

    #[test]
    fn what_was_given_stays_in_the_form_as_text_and_why_it_failed_is_said() {
        let service: VersionId = "visit@1".parse().unwrap();
        let takes = [Field { name: "visitor".parse().unwrap(), data_type: DataType::Scalar(Scalar::Int64) }];
        let readable =
            Readable { action: "/services/visit@1", service: &service, takes: &takes, feature: None };
        let query = ReadQuery {
            service: "visit@1".to_owned(),
            values: vec![("visitor".to_owned(), "\"><script>x</script>".to_owned())],
            at: String::new(),
        };
        let failed = Err("`visitor` is <no> int64".to_owned());
        let markup = form(&readable, Some((&query, &failed))).into_string();
        assert!(markup.contains("value=\"&quot;&gt;&lt;script&gt;x&lt;/script&gt;\""), "{markup}");
        assert!(markup.contains("is &lt;no&gt; int64") && !markup.contains("<script"), "{markup}");
        let other = ReadQuery { service: "other@1".to_owned(), ..query };
        assert!(!form(&readable, Some((&other, &failed))).into_string().contains("int64</p>"));
    }
}
