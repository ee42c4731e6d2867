//! The page of a view: how it stands, its delays, its loads, the quality and drift of its rows, its features, its lineage
//! and its definition.

use feature::{HelpTopic, Micros, VersionId, counted, thousands};
use maud::{Markup, html};
use twinstore::{
    ColumnDrift, Condition, DriftVerdict, ObjectiveStanding, Reach, Shown, ViewDetail, ViewSummary,
};

use crate::changes_page;
use crate::drawing;
use crate::frame::Frame;
use crate::overview_page::{budget, parity, target};
use crate::runs_table::runs;
use crate::shown::{self, condition, dash, moment, moment_and_age, percent, typed, wide};
use crate::shown_figures::{age, three};

/// What to run, in the words of an interface.
pub type Help<'a> = &'a dyn Fn(&HelpTopic) -> String;

/// The page.
pub fn page(project: &str, detail: &ViewDetail, help: Help<'_>, now: Micros) -> String {
    let summary = &detail.summary;
    let id = summary.id.to_string();
    let is_stored = summary.entity.is_some();
    let content = html! {
        h1 { (detail.definition.listed.kind.name()) " " (id) }
        (verdict(summary.condition, &summary.reasons))
        (facts(summary, &detail.definition))
        (versions(&detail.versions, &summary.id))
        @if let Some(objective) = &summary.objective { (freshness(objective, help, now)) }
        @if !summary.feature_objectives.is_empty() { (feature_freshness(&summary.feature_objectives)) }
        @if is_stored {
            section aria-labelledby="delays" {
                h2 #delays { "Delay by stage" }
                (delays(summary))
            }
            section aria-labelledby="loads" { h2 #loads { "Loads and streams" } (runs(&detail.runs, now)) }
            section aria-labelledby="quality" { h2 #quality { "Quality and drift" } (quality(detail)) }
        }
        section aria-labelledby="features" { h2 #features { "Features" } (features(detail)) }
        section aria-labelledby="lineage" { h2 #lineage { "Lineage" } (drawing::lineage(&detail.lineage, &id)) }
        section aria-labelledby="consumers" { h2 #consumers { "Read by" } (readers(&detail.definition.dependents)) }
        section aria-labelledby="changes" { h2 #changes { "Changes" } (changes_page::table(&detail.changes, now)) }
        section aria-labelledby="definition" { h2 #definition { "Definition" } (definition(&detail.definition)) }
    };
    Frame { project, title: &id, current: None, searched: "", at: Some(now) }.around(&content)
}

/// A condition, and why it is so.
pub fn verdict(of: Condition, reasons: &[String]) -> Markup {
    html! {
        p { (condition(of)) " " @if reasons.is_empty() { "Nothing bad is known of it." } }
        @if !reasons.is_empty() {
            ul { @for reason in reasons { li { (reason) } } }
        }
    }
}

fn facts(summary: &ViewSummary, shown: &Shown) -> Markup {
    let listed = &shown.listed;
    html! {
        dl.facts {
            @if let Some(description) = &listed.description { dt { "Description" } dd { (description) } }
            @if let Some(entity) = &summary.entity { dt { "Entity" } dd { (entity) } }
            dt { "Rows from" } dd { (sources(&summary.source)) " (" (summary.pipeline.name()) ")" }
            dt { "Owner" } dd { (listed.owner.clone().unwrap_or_else(|| "nobody is named".to_owned())) }
            @if !summary.tags.is_empty() {
                dt { "Tags" }
                dd { @for (index, (key, value)) in summary.tags.iter().enumerate() { @if index > 0 { ", " } (key) ": " (value) } }
            }
            dt { "First use" }
            dd { @match &shown.first_use { Some(first) => { (moment(first.at)) " by " (first.by) } None => "not used yet: it may be edited or removed" } }
            dt { "Version before" } dd { (parity(summary.parity.as_ref())) }
        }
    }
}

/// Names of sources, those of views with links.
fn sources(text: &str) -> Markup {
    html! {
        @for (index, name) in text.split(", ").enumerate() {
            @if index > 0 { ", " }
            @match name.parse::<VersionId>() { Ok(id) => { (shown::view(&id)) } Err(_) => { (name) } }
        }
    }
}

fn versions(versions: &[VersionId], own: &VersionId) -> Markup {
    html! {
        @if versions.len() > 1 {
            nav.chosen aria-label="Versions" {
                span.dim { "Versions" }
                @for id in versions {
                    a href=(crate::address::view_link(id)) aria-current=[(id == own).then_some("page")] { (id) }
                }
            }
        }
    }
}

/// How the objectives of features stand.
fn feature_freshness(objectives: &[ObjectiveStanding]) -> Markup {
    let table = html! {
        table {
            caption { "Objectives of features" }
            thead { tr {
                th.left scope="col" { "Feature" }
                @for heading in ["Objective", "Attained", "Budget left", "Alert"] { th scope="col" { (heading) } }
            } }
            tbody {
                @for one in objectives {
                    tr {
                        th.left scope="row" { (one.feature.as_ref().map(ToString::to_string).unwrap_or_default()) }
                        td { (target(one)) }
                        td { @if one.reads == 0 { "no reads" } @else { (percent(one.attained)) } }
                        td { (budget(one)) }
                        td { @match one.alert { Some(alert) => { span.bad { (alert) } } None => "none" } }
                    }
                }
            }
        }
    };
    html! {
        section aria-labelledby="feature-freshness" {
            h2 #feature-freshness { "Freshness of features" }
            (wide("Objectives of features", &table))
        }
    }
}

/// How an objective stands.
pub fn freshness(objective: &ObjectiveStanding, help: Help<'_>, now: Micros) -> Markup {
    let burn = |rate: Option<f64>| rate.map_or_else(dash, |rate| format!("{rate:.1}"));
    let windows = html! {
        table {
            caption { "Burn of the error budget, times as fast as it may" }
            thead { tr {
                th.left scope="col" { "Over" }
                @for one in &objective.burn { th scope="col" { (one.window) } }
            } }
            tbody { tr {
                th scope="row" { "Burn" }
                @for one in &objective.burn { td { (burn(one.rate)) } }
            } }
        }
    };
    html! {
        section aria-labelledby="freshness" {
            h2 #freshness { "Freshness" }
            dl.facts {
                dt { "Objective" } dd { (target(objective)) " of reads" }
                dt { "Attained" }
                dd {
                    @if objective.reads == 0 { "no reads in 30 days" }
                    @else { (percent(objective.attained)) " of " (counted(objective.reads, "read")) " in 30 days, " (thousands(objective.bad)) " too stale" }
                }
                dt { "Budget left" } dd { (budget(objective)) }
                dt { "Alert" } dd { @match objective.alert { Some(alert) => { span.bad { (alert) } } None => "none" } }
                @if let Some(since) = objective.since { dt { "Worse than promised" } dd { "since " (moment_and_age(since, now)) } }
                dt { "Newest event" }
                dd { @match objective.newest_event { Some(at) => (moment_and_age(at, now)), None => "none is known" } }
                @if objective.unknown > 0 { dt { "Not known" } dd { (counted(objective.unknown, "read")) } }
                @if objective.missing > 0 { dt { "Without a row" } dd { (counted(objective.missing, "read")) } }
            }
            @if let Some(cause) = &objective.cause {
                p.verdict.failed {
                    strong { "Stage: " (objective.stage.unwrap_or("unknown")) ". " }
                    (cause)
                    @if let Some(topic) = &objective.help { ": " (help(topic)) }
                }
            }
            (wide("Burn rates", &windows))
        }
    }
}

fn delays(summary: &ViewSummary) -> Markup {
    if summary.delays.is_empty() {
        return html! { p { "No row went through a stream in the last ten minutes." } };
    }
    let most = summary.delays.iter().map(|delay| delay.mean_s).fold(0.0, f64::max).max(1e-9);
    let table = html! {
        table {
            caption { "How long the average row took in each stage at most, over the last ten minutes" }
            thead { tr { th scope="col" { "Stage" } th.left scope="col" { "Delay" } th scope="col" { "Rows" } } }
            tbody {
                @for delay in &summary.delays {
                    tr {
                        th scope="row" { (delay.stage) }
                        td.left { (shown::bar(delay.mean_s / most)) (seconds(delay.mean_s)) }
                        td { (thousands(delay.rows)) }
                    }
                }
            }
        }
    };
    wide("Delay by stage", &table)
}

/// A short duration with its fraction.
fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0}ms", seconds * 1e3) } else { age(seconds) }
}

fn quality(detail: &ViewDetail) -> Markup {
    let Some(quality) = &detail.summary.quality else { return html! { p { "Not measured yet." } } };
    html! {
        @if let Some(why) = &quality.unknown { p.verdict.failed { (why) } }
        dl.facts {
            dt { "In quarantine" } dd { (counted(quality.quarantined, "file")) }
            dt { "Refused" } dd { (counted(quality.refused, "row")) " that were not loaded since" }
        }
        @match &detail.drift {
            None if quality.unknown.is_none() => {
                p { "No statistics are kept of its rows by date, so drift is not measured." }
            }
            None => {}
            Some(report) => { (drift_table(&report.columns)) }
        }
    }
}

/// The drift of columns: the last seven days beside the 28 before.
pub fn drift_table(columns: &[ColumnDrift]) -> Markup {
    let table = html! {
        table {
            caption { "The last seven days with rows beside the 28 days before them" }
            thead { tr {
                th scope="col" { "Column" }
                th.left scope="col" { "Verdict" }
                th scope="col" { "PSI" }
                th scope="col" { "KS" }
                th scope="col" { "Jensen–Shannon" }
                th scope="col" { "MMD" }
                th scope="col" { "Null before" }
                th scope="col" { "Null now" }
                th scope="col" { "Rows before" }
                th scope="col" { "Rows now" }
            } }
            tbody {
                @for column in columns {
                    @let [before, now] = column.drift.nulls;
                    tr {
                        th scope="row" { (column.column) }
                        td.left { (drift_verdict(column.drift.verdict())) }
                        td { (three(column.drift.psi)) }
                        td { (three(column.drift.ks)) }
                        td { (three(column.drift.jensen_shannon)) }
                        td { (three(column.drift.mmd.map(|mmd| mmd.distance))) }
                        td { (crate::shown_figures::percent(Some(before))) }
                        td { (crate::shown_figures::percent(Some(now))) }
                        td { (thousands(column.reference_rows)) }
                        td { (thousands(column.live_rows)) }
                    }
                }
            }
        }
    };
    wide("Drift", &table)
}

fn drift_verdict(verdict: DriftVerdict) -> Markup {
    let class = if verdict == DriftVerdict::Drifted { "wrong" } else { "plain" };
    html! { span.badge.(class) { (verdict.name()) } }
}

fn features(detail: &ViewDetail) -> Markup {
    let table = html! {
        table {
            caption { "The features that it defines" }
            thead { tr { th scope="col" { "Feature" } th.left scope="col" { "Type" } th.text scope="col" { "What" } } }
            tbody {
                @for found in &detail.features {
                    tr {
                        th scope="row" { (shown::feature(&detail.summary.id, &found.name)) }
                        td.left { (typed(found.data_type, found.unit.as_deref())) }
                        td.text { code { (found.what) } }
                    }
                }
            }
        }
    };
    wide("Features", &table)
}

/// What reads a definition.
pub fn readers(readers: &[Reach]) -> Markup {
    html! {
        @if readers.is_empty() { p { "Nothing reads it." } }
        @else {
            ul {
                @for reader in readers {
                    li {
                        (reader.kind.name()) " " (shown::definition(reader.kind, &reader.id.to_string()))
                        @if let Some(model) = &reader.consumer { " for the model " (model) }
                    }
                }
            }
        }
    }
}

/// A definition as it was written, with its revisions.
pub fn definition(shown: &Shown) -> Markup {
    html! {
        p.about { "From " code { (shown.listed.file) } ", revision " (shown.listed.revision) ", hash " code { (feature::excerpt(&shown.listed.hash, 16)) } "." }
        pre tabindex="0" role="group" aria-label="Definition as it was written" { code { (shown.text.trim_end()) } }
        @if !shown.revisions.is_empty() {
            ul { @for revision in &shown.revisions {
                li { "revision " (revision.revision) " at " (moment(revision.applied_at)) " (generation " (revision.generation) ")" }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use feature::Span;
    use twinstore::{BurnRate, Kind, PipelineKind, StageDelay};

    fn objective() -> ObjectiveStanding {
        ObjectiveStanding {
            kind: Kind::FeatureView,
            id: "visits@1".parse().unwrap(),
            feature: None,
            consumer: None,
            within: Some(Span::MINUTE),
            target: 99.0,
            reads: 1_000,
            bad: 40,
            unknown: 3,
            missing: 0,
            attained: Some(96.0),
            budget_left: Some(-300.0),
            burn: vec![BurnRate { window: Span::HOUR, rate: Some(4.0) }],
            alert: Some("page"),
            since: Micros::new(1_370_000_000_000_000).ok(),
            newest_event: None,
            staleness_s: None,
            stage: Some("source"),
            cause: Some("no record of `<clicks>` has arrived".to_owned()),
            help: Some(HelpTopic::Diagnose),
        }
    }

    #[test]
    fn an_objective_that_is_missed_says_since_when_which_stage_why_and_what_to_run() {
        let now = Micros::new(1_370_000_060_000_000).unwrap();
        let help = |_: &HelpTopic| "run <it>".to_owned();
        let markup = freshness(&objective(), &help, now).into_string();
        for part in [
            "99% within 1m of reads",
            "96.00% of 1,000 reads in 30 days, 40 too stale",
            "-300.0%",
            ">page<",
            "1m 0s ago",
            "Stage: source. ",
            "no record of `&lt;clicks&gt;` has arrived: run &lt;it&gt;",
            "3 reads",
        ] {
            assert!(markup.contains(part), "no {part} in {markup}");
        }
    }

    #[test]
    fn delays_stand_by_stage_in_the_order_of_a_rows_way() {
        let delay = |stage, mean_s| StageDelay { stage, mean_s, rows: 12 };
        let id = "visits@1".parse().unwrap();
        let mut summary = ViewSummary::bare(id, "clicks".to_owned(), PipelineKind::Stream);
        summary.delays = vec![delay("broker lag", 0.25), delay("online write", 90.0)];
        let markup = delays(&summary).into_string();
        let at = |text: &str| markup.find(text).unwrap_or_else(|| panic!("no {text} in {markup}"));
        assert!(at(">broker lag<") < at("250ms") && at("250ms") < at("1m 30s"), "{markup}");
        summary.delays.clear();
        assert!(delays(&summary).into_string().contains("No row went through a stream"));
    }
}
