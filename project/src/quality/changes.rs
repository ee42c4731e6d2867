//! What changed lately in the values of views, from their statistics by date: nothing is counted for it, and no log is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feature::{EventDate, HelpTopic, Micros, Name, Span, VersionId, View, counted};
use materializer::{ColumnDay, statistics};
use monitor::{Area, Finding, Statistics, ValueChange, fewer_rows, value_changes};
use registry::Registered;

use super::drift::features_of;
use crate::error::ProjectError;
use crate::project::Project;

/// Dates before with which a date is compared.
const DATES_BEFORE: usize = 7;
/// The same dates of so many weeks before are compared where rows are counted.
const WEEKS_BEFORE: i32 = 4;
/// A date is over for its rows once so much time has passed since its end.
const SETTLES: Span = Span::HOUR;

/// Something that changed in the values of a view.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct FoundChange {
    /// The view.
    pub(crate) view: VersionId,
    /// The column of its log; `None` where rows are missing.
    pub(crate) column: Option<String>,
    /// The features that are computed from it.
    pub(crate) features: Vec<Name>,
    /// The date on which the rows happened.
    pub(crate) date: EventDate,
    /// What changed.
    pub(crate) change: ValueChange,
}

impl FoundChange {
    /// What changed, in a sentence without its full stop.
    fn said(&self) -> String {
        let Self { view, column, features, date, change } = self;
        match column {
            None => format!("of {date} fewer rows of {view} are there: {change}"),
            Some(column) => {
                let features: Vec<&str> = features.iter().map(Name::as_str).collect();
                let reach = match features.as_slice() {
                    [] => String::new(),
                    features => format!("; it reaches {}", features.join(", ")),
                };
                format!("`{column}` of {view} is not as before since {date}: {change}{reach}")
            }
        }
    }
}

/// What changed lately in the values of a view.
pub(crate) async fn changes(project: &Project, view: &Arc<View>) -> Result<Vec<FoundChange>, ProjectError> {
    let [days, _] = statistics(&project.offline()?, view, None).await?;
    Ok(changes_of(view, &days, project.now()))
}

/// What changed lately in the values of all views, for whoever looks for a cause.
pub(crate) async fn findings(project: &Project, registered: &Registered) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for view in registered.views().filter(|view| !view.is_static) {
        match changes(project, view).await {
            Ok(changes) => {
                looked_at += 1;
                findings.extend(changes.iter().map(|found| {
                    let help = HelpTopic::ColumnStatistics(view.id.clone());
                    Finding::wrong(Area::Values, found.said()).helped_by(Some(help))
                }));
            }
            Err(error) => findings.push(Finding::noted(
                Area::Values,
                format!("the statistics of {} cannot be read: {error}", view.id),
            )),
        }
    }
    if findings.is_empty() && looked_at > 0 {
        let said = format!("the newest values of {} are as on the dates before", counted(looked_at, "view"));
        findings.push(Finding::fine(Area::Values, said));
    }
    findings
}

fn changes_of(view: &View, days: &[ColumnDay], now: Micros) -> Vec<FoundChange> {
    let mut columns: BTreeMap<&str, BTreeMap<EventDate, &Statistics>> = BTreeMap::new();
    for day in days.iter().filter(|day| day.date != EventDate::None) {
        columns.entry(&day.column).or_default().insert(day.date, &day.statistics);
    }
    let mut found = Vec::new();
    for (column, by_date) in &columns {
        let Some((date, newest)) = by_date.last_key_value() else { continue };
        let before: Vec<&Statistics> =
            by_date.range(..date).rev().take(DATES_BEFORE).map(|(_, statistics)| *statistics).collect();
        let name = view.columns.iter().map(|one| &one.name).find(|name| name.as_str() == *column);
        let change = |change| FoundChange {
            view: view.id.clone(),
            column: Some((*column).to_owned()),
            features: name.map(|name| features_of(view, name)).unwrap_or_default(),
            date: *date,
            change,
        };
        found.extend(value_changes(&before, newest).into_iter().map(change));
    }
    found.extend(missing_rows(view, &columns, now));
    found
}

/// Whether the newest date that is over has fewer rows than the same days of the weeks before, or, where these are not
/// there, than the dates before.
fn missing_rows(
    view: &View,
    columns: &BTreeMap<&str, BTreeMap<EventDate, &Statistics>>,
    now: Micros,
) -> Option<FoundChange> {
    let by_date = columns.values().next()?;
    let rows: BTreeMap<EventDate, u64> = by_date.iter().map(|(date, one)| (*date, one.rows())).collect();
    let dates: BTreeSet<EventDate> = rows.keys().copied().collect();
    let newest = *dates.last()?;
    let is_over = |date: EventDate| {
        date < newest
            || date
                .start()
                .is_some_and(|start| start.saturating_add(Span::DAY).saturating_add(SETTLES) <= now)
    };
    let date = dates.into_iter().rev().find(|date| is_over(*date))?;
    let EventDate::Day(day) = date else { return None };
    let weeks: Vec<u64> =
        (1..=WEEKS_BEFORE).filter_map(|week| rows.get(&EventDate::Day(day - 7 * week)).copied()).collect();
    let before = match weeks.len() {
        3.. => weeks,
        _ => rows.range(..date).rev().take(DATES_BEFORE).map(|(_, rows)| *rows).collect(),
    };
    let change = fewer_rows(&before, *rows.get(&date)?)?;
    Some(FoundChange { view: view.id.clone(), column: None, features: Vec::new(), date, change })
}
