//! The audit log, newest first, a page at a time.

use feature::{Micros, VersionId};
use maud::{Markup, html};
use twinstore::{AuditEntry, Kind};

use crate::frame::Frame;
use crate::shown::{self, ago, dash, moment, wide};

/// Changes of one page.
pub const CHANGES_OF_A_PAGE: u32 = 50;

/// The page; `changes` may have one more than a page, which says that there are older ones.
pub fn page(project: &str, changes: &[AuditEntry], is_newest: bool, now: Micros) -> String {
    let most = CHANGES_OF_A_PAGE as usize;
    let shown = changes.get(..most).unwrap_or(changes);
    let older = (changes.len() > most).then(|| shown.last().map(|entry| entry.number)).flatten();
    let content = html! {
        h1 { "Changes" }
        p.about { "Who changed what, newest first. Whether the log is as it was written, the audit of the command line checks." }
        (table(shown, now))
        nav.chosen aria-label="Pages of changes" {
            @if !is_newest { a href="/changes" { "Newest" } }
            @if let Some(number) = older { a rel="next" href=(format!("/changes?before={number}")) { "Older" } }
        }
    };
    let frame = Frame { project, title: "Changes", current: Some("/changes"), searched: "", at: Some(now) };
    frame.around(&content)
}

/// Changes as a table; a sentence where there are none.
pub fn table(changes: &[AuditEntry], now: Micros) -> Markup {
    if changes.is_empty() {
        return html! { p { "No change is recorded." } };
    }
    let state = |state: &Option<String>| state.clone().unwrap_or_else(dash);
    let rows = html! {
        table {
            caption { "Changes, newest first" }
            thead { tr {
                th scope="col" { "Entry" }
                th.left scope="col" { "When" }
                th.left scope="col" { "Who" }
                th.left scope="col" { "What" }
                th.left scope="col" { "Of" }
                th.left scope="col" { "Before" }
                th.left scope="col" { "After" }
                th.text scope="col" { "Why" }
            } }
            tbody {
                @for entry in changes {
                    tr {
                        th scope="row" { (entry.number) }
                        td.left { (moment(entry.at)) " " span.dim { (ago(entry.at, now)) } }
                        td.left { (entry.actor) }
                        td.left { (entry.action.name()) }
                        td.left { (subject(&entry.subject)) }
                        td.left { (shortened(&state(&entry.from))) }
                        td.left { (shortened(&state(&entry.to))) }
                        td.text { (entry.reason.clone().or_else(|| entry.detail.clone()).unwrap_or_default()) }
                    }
                }
            }
        }
    };
    wide("Changes", &rows)
}

/// A kind and a name, the name with a link where it has a page.
fn subject(subject: &str) -> Markup {
    let Some((kind, name)) = subject.split_once(' ') else { return html! { (subject) } };
    let is_version = name.parse::<VersionId>().is_ok();
    let kind_of = [Kind::FeatureView, Kind::OnDemandView, Kind::FeatureService]
        .into_iter()
        .find(|one| one.name() == kind && is_version);
    html! {
        (kind) " "
        @match kind_of { Some(kind) => { (shown::definition(kind, name)) } None => { (name) } }
    }
}

/// A hash or another long state is cut.
fn shortened(state: &str) -> String {
    const MOST: usize = 24;
    feature::excerpt(state, MOST).into_owned()
}
