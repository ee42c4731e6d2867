//! The overview: counts first, then views by group with what is bad first, services, and the newest changes.

use std::collections::BTreeMap;

use feature::{Micros, Span, counted, thousands};
use maud::{Markup, html};
use twinstore::{Condition, ObjectiveStanding, Overview, ServiceSummary, ViewSummary};

use crate::address::{Choice, GroupBy, condition_name, overview_link};
use crate::changes_page;
use crate::frame::Frame;
use crate::shown::{self, ago, bar, condition, dash, percent, wide};
use crate::shown_figures::age;

/// Views of one page.
const VIEWS_OF_A_PAGE: usize = 50;
/// Services that are listed; the search finds the others.
const MOST_SERVICES: usize = 50;
/// The most reasons that stand in one row.
const MOST_REASONS: usize = 2;

/// The page.
pub fn page(overview: &Overview, choice: &Choice) -> String {
    let groups = groups(overview, choice);
    let rows: usize = groups.iter().map(|group| group.views.len()).sum();
    let pages = rows.div_ceil(VIEWS_OF_A_PAGE).max(1);
    let page = choice.page.clamp(1, pages);
    let shown = of_page(&groups, page);
    let content = html! {
        h1 { "Overview of " (overview.project) }
        (counts(overview, choice))
        section aria-labelledby="views" {
            h2 #views { "Views" }
            p.about { "Reads and budgets are those of the last 30 days, delays those of the last ten minutes." }
            (chosen(choice))
            @if shown.is_empty() {
                p { "No view is as chosen. " a href="/" { "Show all views" } }
            } @else {
                (wide("Views", &views(&shown, choice, overview.at)))
            }
            @if pages > 1 { (turning(choice, page, pages)) }
        }
        section aria-labelledby="services" {
            h2 #services { "Services" }
            @if overview.services.is_empty() {
                p { "No service is registered." }
            } @else {
                (wide("Services", &services(&overview.services, overview.at)))
            }
            @if overview.services.len() > MOST_SERVICES {
                p { (thousands((overview.services.len() - MOST_SERVICES) as u64)) " more: search finds them by name." }
            }
        }
        section aria-labelledby="changes" {
            h2 #changes { "Newest changes" }
            (changes_page::table(&overview.changes, overview.at))
            p { a href="/changes" { "All changes" } }
        }
    };
    let frame = Frame {
        project: &overview.project,
        title: "Overview",
        current: Some("/"),
        searched: "",
        at: Some(overview.at),
    };
    frame.around(&content)
}

/// Views that are listed together.
struct Group<'a> {
    name: String,
    views: Vec<&'a ViewSummary>,
}

/// All groups with the views that are chosen: that of the worst view first, and in each the worst view first.
fn groups<'a>(overview: &'a Overview, choice: &Choice) -> Vec<Group<'a>> {
    let is_chosen = |view: &&ViewSummary| choice.condition.is_none_or(|chosen| view.condition == chosen);
    let mut groups: BTreeMap<String, Vec<&ViewSummary>> = BTreeMap::new();
    for view in overview.views.iter().filter(is_chosen) {
        for name in group_names(view, choice.group) {
            groups.entry(name).or_default().push(view);
        }
    }
    let mut groups: Vec<Group<'_>> = groups.into_iter().map(|(name, views)| Group { name, views }).collect();
    // The sort is stable: groups that are equally bad stay in the order of their names.
    groups.sort_by_key(|group| std::cmp::Reverse(group.views.iter().map(|view| view.condition).max()));
    groups
}

fn group_names(view: &ViewSummary, by: GroupBy) -> Vec<String> {
    let or_none = |name: Option<&String>| vec![name.cloned().unwrap_or_else(|| format!("no {}", by.name()))];
    match by {
        GroupBy::Source => vec![view.source.clone()],
        GroupBy::Pipeline => vec![view.pipeline.name().to_owned()],
        GroupBy::Frequency => vec![view.frequency.name().to_owned()],
        GroupBy::Entity => or_none(view.entity.as_ref()),
        GroupBy::Owner => or_none(view.owner.as_ref()),
        GroupBy::Tag if view.tags.is_empty() => or_none(None),
        GroupBy::Tag => view.tags.iter().map(|(key, value)| format!("{key}: {value}")).collect(),
    }
}

/// The rows of one page, each group with those of its views that are on it.
fn of_page<'a>(groups: &[Group<'a>], page: usize) -> Vec<Group<'a>> {
    let (from, to) = ((page - 1) * VIEWS_OF_A_PAGE, page * VIEWS_OF_A_PAGE);
    let (mut row, mut shown) = (0, Vec::new());
    for group in groups {
        let end = row + group.views.len();
        let views: Vec<&ViewSummary> = group
            .views
            .iter()
            .enumerate()
            .filter(|(index, _)| (from..to).contains(&(row + index)))
            .map(|(_, view)| *view)
            .collect();
        if !views.is_empty() {
            shown.push(Group { name: group.name.clone(), views });
        }
        row = end;
    }
    shown
}

fn counts(overview: &Overview, choice: &Choice) -> Markup {
    let count = |condition: Condition| overview.views_that_are(condition) as u64;
    let all = overview.views.len() as u64;
    let link = |condition| overview_link(&Choice { condition, page: 1, group: choice.group });
    let words = [
        (Condition::Wrong, "wrong"),
        (Condition::Noted, "worth a look"),
        (Condition::Fine, "as they should be"),
    ];
    html! {
        ul.counts aria-label="Views by status" {
            @for (condition, word) in words {
                li {
                    a.(condition_name(condition)) href=(link(Some(condition)))
                        aria-current=[(choice.condition == Some(condition)).then_some("true")] {
                        strong { (thousands(count(condition))) } " " (word)
                    }
                }
            }
            li {
                a href=(link(None)) aria-current=[choice.condition.is_none().then_some("true")] {
                    strong { (thousands(all)) } " all views"
                }
            }
        }
        p.about {
            (counted(overview.features, "feature")) " in " (counted(all, "view")) " and "
            (counted(overview.services.len() as u64, "service")) ", generation "
            (thousands(overview.generation)) " of the registry."
        }
    }
}

fn chosen(choice: &Choice) -> Markup {
    html! {
        nav.chosen aria-label="Group views by" {
            span.dim { "Grouped by" }
            @for group in GroupBy::ALL {
                a href=(overview_link(&Choice { group, page: 1, ..choice.clone() }))
                    aria-current=[(choice.group == group).then_some("true")] { (group.name()) }
            }
        }
    }
}

fn turning(choice: &Choice, page: usize, pages: usize) -> Markup {
    let link = |page| overview_link(&Choice { page, ..choice.clone() });
    html! {
        nav.chosen aria-label="Pages of views" {
            @if page > 1 { a rel="prev" href=(link(page - 1)) { "Previous" } }
            span { "Page " (page) " of " (pages) }
            @if page < pages { a rel="next" href=(link(page + 1)) { "Next" } }
        }
    }
}

/// The columns of the table of views.
const COLUMNS: [&str; 9] = [
    "View, status",
    "Why",
    "Newest event",
    "Attained of objective",
    "Budget left",
    "Burn 1h / 3d",
    "Delay",
    "Quality, drift",
    "Version before",
];

/// The index of the one that holds sentences.
const SENTENCES: usize = 1;
/// Those that hold words.
const WORDS: [usize; 3] = [0, 7, 8];

fn views(groups: &[Group<'_>], choice: &Choice, now: Micros) -> Markup {
    html! {
        table.dense {
            caption { "Views by " (choice.group.name()) ", what is bad first" }
            thead { tr {
                @for (index, column) in COLUMNS.iter().enumerate() {
                    th.text[index == SENTENCES].left[WORDS.contains(&index)] scope="col" { (column) }
                }
            } }
            @for group in groups {
                tbody {
                    tr { th scope="rowgroup" colspan=(COLUMNS.len()) { (group.name) } }
                    @for view in &group.views { (view_row(view, now)) }
                }
            }
        }
    }
}

fn view_row(view: &ViewSummary, now: Micros) -> Markup {
    html! {
        tr {
            th scope="row" { (shown::view(&view.id)) br; (condition(view.condition)) }
            (reasons(&view.reasons))
            td { @match view.newest_event { Some(at) => (ago(at, now)), None => (dash()) } }
            (standing_cells(view.objective.as_ref()))
            td { (delay(view)) }
            td.words { (quality(view)) }
            td.words { (parity(view.parity.as_ref())) }
        }
    }
}

fn reasons(reasons: &[String]) -> Markup {
    html! {
        td.text {
            @for (index, reason) in reasons.iter().take(MOST_REASONS).enumerate() {
                @if index > 0 { br; }
                (reason)
            }
            @if reasons.len() > MOST_REASONS { br; "and " (reasons.len() - MOST_REASONS) " more" }
        }
    }
}

/// An objective in words.
pub fn target(objective: &ObjectiveStanding) -> String {
    let within = objective.within.map_or("each view's objective".to_owned(), |within| within.to_string());
    format!("{}% within {within}", objective.target)
}

/// What was attained of the objective, what is left of the budget, and how fast it burns.
fn standing_cells(objective: Option<&ObjectiveStanding>) -> Markup {
    let Some(objective) = objective else {
        return html! { td { "no objective" } td { (dash()) } td { (dash()) } };
    };
    html! {
        td {
            @if objective.reads == 0 { "no reads" } @else { (percent(objective.attained)) }
            br;
            span.dim { "of " (target(objective)) }
        }
        td { (budget(objective)) }
        td { (burn(objective)) }
    }
}

/// What is left of an error budget.
pub fn budget(objective: &ObjectiveStanding) -> Markup {
    html! {
        @match objective.budget_left {
            Some(left) => { (bar(left / 100.0)) span.bad[left < 0.0] { (format!("{left:.1}%")) } }
            None => { (dash()) }
        }
    }
}

fn burn(objective: &ObjectiveStanding) -> String {
    let rate = |window| objective.burn_over(window).map_or_else(dash, |rate| format!("{rate:.1}"));
    format!("{} / {}", rate(Span::HOUR), rate(Span::DAY.times(3)))
}

/// The delay of all stages, and the stage that takes most of it.
fn delay(view: &ViewSummary) -> String {
    let total: f64 = view.delays.iter().map(|delay| delay.mean_s).sum();
    let longest = view.delays.iter().max_by(|a, b| a.mean_s.total_cmp(&b.mean_s));
    longest.map_or_else(dash, |longest| format!("{} ({})", age(total), longest.stage))
}

fn quality(view: &ViewSummary) -> String {
    let Some(quality) = &view.quality else {
        let is_stored = view.entity.is_some();
        return if is_stored { "not measured yet".to_owned() } else { dash() };
    };
    if quality.unknown.is_some() {
        return "not known".to_owned();
    }
    let mut found = Vec::new();
    if quality.quarantined > 0 {
        found.push(format!("{} in quarantine", counted(quality.quarantined, "file")));
    }
    if quality.refused > 0 {
        found.push(format!("{} refused", counted(quality.refused, "row")));
    }
    match quality.drifted.len() as u64 {
        0 => {}
        drifted => found.push(format!("{} drifted", counted(drifted, "column"))),
    }
    match (found.is_empty(), quality.columns) {
        (true, 0) => "nothing refused, drift not known".to_owned(),
        (true, _) => "nothing refused, no drift".to_owned(),
        (false, _) => found.join(", "),
    }
}

/// How a version compares with the one before.
pub fn parity(parity: Option<&twinstore::ParitySummary>) -> String {
    match parity {
        None => dash(),
        Some(parity) if parity.passed => format!("within bounds of {}", parity.old),
        Some(parity) => format!("outside bounds of {}", parity.old),
    }
}

fn services(services: &[ServiceSummary], now: Micros) -> Markup {
    html! {
        table.dense {
            caption { "Services, what is bad first" }
            thead { tr {
                th scope="col" { "Service, status" }
                th.text scope="col" { "Why" }
                th.left scope="col" { "State" }
                th.left scope="col" { "Model" }
                th scope="col" { "Features" }
                th scope="col" { "Newest event" }
                th scope="col" { "Attained of objective" }
                th scope="col" { "Budget left" }
                th scope="col" { "Burn 1h / 3d" }
                th.left scope="col" { "Version before" }
            } }
            tbody {
                @for one in services.iter().take(MOST_SERVICES) {
                    tr {
                        th scope="row" { (shown::service(&one.id)) br; (condition(one.condition)) }
                        (reasons(&one.reasons))
                        td.left { (service_state(one)) }
                        td.left { (one.model.clone().unwrap_or_else(dash)) }
                        td { (thousands(one.features as u64)) }
                        td { @match one.objective.as_ref().and_then(|objective| objective.newest_event) {
                            Some(at) => (ago(at, now)), None => (dash())
                        } }
                        (standing_cells(one.objective.as_ref()))
                        td.words { (parity(one.parity.as_ref())) }
                    }
                }
            }
        }
    }
}

/// Whether a version of a service answers its own name.
pub fn service_state(service: &ServiceSummary) -> String {
    match (&service.canary, service.is_live) {
        (_, true) => "live".to_owned(),
        (Some(percent), false) => format!("canary for {percent}"),
        (None, false) => dash(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinstore::PipelineKind;

    fn view(name: &str, condition: Condition, source: &str) -> ViewSummary {
        ViewSummary {
            condition,
            reasons: vec!["<b>because</b>".to_owned()],
            entity: Some("visitor".to_owned()),
            owner: Some("\"><img src=x onerror=alert(1)>".to_owned()),
            tags: BTreeMap::from([("<i>".to_owned(), "&amp;".to_owned())]),
            features: 2,
            ..ViewSummary::bare(name.parse().unwrap(), source.to_owned(), PipelineKind::Batch)
        }
    }

    fn overview(views: Vec<ViewSummary>) -> Overview {
        let mut overview = Overview {
            project: "<p>".to_owned(),
            at: Micros::new(1_370_000_040_000_000).unwrap(),
            generation: 3,
            features: views.iter().map(|view| view.features as u64).sum(),
            views,
            services: Vec::new(),
            changes: Vec::new(),
        };
        overview.worst_first();
        overview
    }

    #[test]
    fn counts_come_first_and_what_is_bad_comes_before_what_is_not() {
        let views = vec![
            view("a@1", Condition::Fine, "one"),
            view("b@1", Condition::Wrong, "two"),
            view("c@1", Condition::Noted, "one"),
            view("d@1", Condition::Fine, "two"),
        ];
        let page = page(&overview(views), &Choice::default());
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text} in {page}"));
        let order = [
            "<strong>1</strong> wrong",
            "<strong>1</strong> worth a look",
            "<strong>2</strong> as they should be",
            ">two</th>",
            ">b@1</a>",
            ">d@1</a>",
            ">one</th>",
            ">c@1</a>",
            ">a@1</a>",
        ];
        let found: Vec<usize> = order.iter().map(|text| at(text)).collect();
        assert!(found.is_sorted(), "{found:?} in {page}");
        assert!(page.contains("8 features in 4 views"), "{page}");
    }

    #[test]
    fn only_views_in_the_chosen_condition_are_listed_by_any_group() {
        let views = vec![view("a@1", Condition::Fine, "one"), view("b@1", Condition::Wrong, "two")];
        let overview = overview(views);
        for group in GroupBy::ALL {
            let choice = Choice { group, condition: Some(Condition::Wrong), page: 1 };
            let page = page(&overview, &choice);
            assert!(page.contains(">b@1</a>") && !page.contains(">a@1</a>"), "{page}");
        }
        let none = page(&overview, &Choice { condition: Some(Condition::Noted), ..Choice::default() });
        assert!(none.contains("No view is as chosen"), "{none}");
    }

    #[test]
    fn text_of_definitions_is_never_markup() {
        let overview = overview(vec![view("a@1", Condition::Wrong, "<script>alert(1)</script>")]);
        for group in GroupBy::ALL {
            let page = page(&overview, &Choice { group, ..Choice::default() });
            for markup in ["<script", "<img", "<b>", "<i>", "<p>: "] {
                assert!(!page.contains(markup), "{markup} in {page}");
            }
            assert!(page.contains("&lt;b&gt;because"), "{page}");
        }
    }

    #[test]
    fn many_views_are_divided_into_pages_and_none_is_left_out() {
        let views: Vec<ViewSummary> = (0..120)
            .map(|n| view(&format!("v{n:03}@1"), Condition::Fine, ["one", "two", "three"][n % 3]))
            .collect();
        let overview = overview(views);
        let mut found = std::collections::BTreeSet::new();
        for number in 1..=3 {
            let page = page(&overview, &Choice { page: number, ..Choice::default() });
            assert!(page.contains(&format!("Page {number} of 3")), "{page}");
            found.extend((0..120).filter(|n| page.contains(&format!(">v{n:03}@1</a>"))));
        }
        assert_eq!(found.len(), 120);
        let beyond = page(&overview, &Choice { page: 99, ..Choice::default() });
        assert!(beyond.contains("Page 3 of 3"), "{beyond}");
    }

    #[test]
    fn an_empty_project_has_a_page_that_says_so() {
        let page = page(&overview(Vec::new()), &Choice::default());
        assert!(page.contains("No view is as chosen") && page.contains("No service is registered"), "{page}");
    }

    #[test]
    fn a_view_without_an_objective_says_so() {
        let page = page(&overview(vec![view("a@1", Condition::Fine, "one")]), &Choice::default());
        assert!(page.contains(">no objective</td>"), "{page}");
    }
}
