//! The newest runs of a view as a table.

use feature::{Micros, thousands};
use maud::{Markup, html};
use twinstore::{RunOutcome, RunRecord, RunState};

use crate::shown::{ago, dash, moment, wide};

/// The runs; a sentence where there are none.
pub fn runs(runs: &[RunRecord], now: Micros) -> Markup {
    if runs.is_empty() {
        return html! { p { "Nothing has loaded or followed it yet." } };
    }
    let table = html! {
        table {
            caption { "The newest runs, newest first" }
            thead { tr {
                th.left scope="col" { "Began" }
                th.left scope="col" { "What" }
                th.left scope="col" { "State" }
                th scope="col" { "Rows read" }
                th scope="col" { "Loaded" }
                th scope="col" { "Late" }
                th scope="col" { "Refused" }
                th.left scope="col" { "By" }
                th.text scope="col" { "Why it failed" }
            } }
            tbody {
                @for run in runs {
                    @let rows = match &run.outcome {
                        Some(RunOutcome::Load { rows, .. } | RunOutcome::Stream { rows, .. }) => Some(rows),
                        _ => None,
                    };
                    @let count = |of: fn(&twinstore::RowCounts) -> u64| rows.map_or_else(dash, |rows| thousands(of(rows)));
                    tr {
                        td.left { (moment(run.started_at)) " " span.dim { (ago(run.started_at, now)) } }
                        td.left { (run.job.name()) }
                        td.left { span.bad[run.state == RunState::Failed] { (run.state.name()) } }
                        td { (count(|rows| rows.read)) }
                        td { (count(|rows| rows.loaded)) }
                        td { (count(|rows| rows.late)) }
                        td { (count(twinstore::RowCounts::refused_rows)) }
                        td.left { (run.runtime.actor.clone().unwrap_or_else(dash)) }
                        td.text { (run.error.clone().unwrap_or_default()) }
                    }
                }
            }
        }
    };
    wide("The newest runs", &table)
}
