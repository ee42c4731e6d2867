//! What changed lately in the values of views, from their statistics by date: nothing is counted for it, and no log is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feature::{EventDate, HelpTopic, Name, VersionId, View, counted};
use materializer::{ColumnDay, statistics};
use monitor::{Area, Finding, LEAST_ROWS, Statistics, ValueChange, fewer_rows, slow_drift, value_changes};
use registry::Registered;

use super::drift::features_of;
use crate::error::ProjectError;
use crate::project::Project;

/// Dates before with which a date is compared.
const DATES_BEFORE: usize = 7;
/// The same dates of so many weeks before are compared where rows are counted.
const WEEKS_BEFORE: i32 = 4;

/// The weeks, counted back from the newest date that is over, with which the week that ends there is compared.
const WEEKS_OF_REFERENCE: std::ops::RangeInclusive<i32> = 4..=7;
/// Dates of a week that have to be there.
const LEAST_DATES_OF_A_WEEK: usize = 5;

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
    pub(crate) fn said(&self) -> String {
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
    Ok(changes_of(view, &days))
}

/// What changed lately in the values of all views, for whoever looks for a cause, and the views of which rows are missing.
pub(crate) async fn findings(
    project: &Project,
    registered: &Registered,
) -> (Vec<Finding>, BTreeSet<VersionId>) {
    let (mut findings, mut missing) = (Vec::new(), BTreeSet::new());
    let mut looked_at = 0;
    for view in registered.views().filter(|view| !view.is_static) {
        match changes(project, view).await {
            Ok(changes) => {
                looked_at += 1;
                let is_missing =
                    changes.iter().any(|found| matches!(found.change, ValueChange::FewerRows { .. }));
                missing.extend(is_missing.then(|| view.id.clone()));
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
    (findings, missing)
}

fn changes_of(view: &View, days: &[ColumnDay]) -> Vec<FoundChange> {
    let mut columns: BTreeMap<&str, BTreeMap<EventDate, &Statistics>> = BTreeMap::new();
    for day in days.iter().filter(|day| day.date != EventDate::None) {
        columns.entry(&day.column).or_default().insert(day.date, &day.statistics);
    }
    let mut found = Vec::new();
    for (column, by_date) in &columns {
        let name = view.columns.iter().map(|one| &one.name).find(|name| name.as_str() == *column);
        let features = name.map(|name| features_of(view, name)).unwrap_or_default();
        for (date, change) in of_column(by_date) {
            found.push(FoundChange {
                view: view.id.clone(),
                column: Some((*column).to_owned()),
                features: features.clone(),
                date,
                change,
            });
        }
    }
    found.extend(missing_rows(view, &columns));
    found
}

/// What changed on the newest date of a column that has enough rows, and, while that one goes on, in the distribution of the
/// one before. A date is over once there are rows of a later one: loads bring dates when they do.
fn of_column(by_date: &BTreeMap<EventDate, &Statistics>) -> Vec<(EventDate, ValueChange)> {
    let Some((newest, _)) = by_date.last_key_value() else { return Vec::new() };
    let enough = || by_date.iter().rev().filter(|(_, statistics)| statistics.rows() >= LEAST_ROWS);
    let changes = |date: EventDate, statistics: &Statistics| {
        let before: Vec<&Statistics> =
            by_date.range(..date).rev().take(DATES_BEFORE).map(|(_, statistics)| *statistics).collect();
        value_changes(&before, statistics, date < *newest)
    };
    let Some((latest, statistics)) = enough().next() else { return Vec::new() };
    let mut found: Vec<(EventDate, ValueChange)> =
        changes(*latest, statistics).into_iter().map(|change| (*latest, change)).collect();
    if latest == newest
        && found.is_empty()
        && let Some((date, statistics)) = enough().nth(1)
    {
        let is_distribution = |change: &ValueChange| matches!(change, ValueChange::Distribution { .. });
        let of_date = changes(*date, statistics).into_iter().filter(is_distribution);
        found.extend(of_date.map(|change| (*date, change)));
    }
    if found.is_empty() {
        found.extend(drifted_slowly(by_date));
    }
    found
}

/// Whether the week up to the newest date that is over is unlike those of a month before.
fn drifted_slowly(by_date: &BTreeMap<EventDate, &Statistics>) -> Option<(EventDate, ValueChange)> {
    let (date, _) = by_date.iter().rev().nth(1)?;
    let EventDate::Day(end) = *date else { return None };
    let week = |back: i32| {
        let last = end - 7 * back;
        let dates = by_date.range(EventDate::Day(last - 6)..=EventDate::Day(last));
        let mut dates = dates.map(|(_, statistics)| *statistics);
        let (mut all, mut count) = (dates.next()?.clone(), 1);
        dates.for_each(|one| {
            all.merge(one);
            count += 1;
        });
        (count >= LEAST_DATES_OF_A_WEEK).then_some(all)
    };
    let reference: Vec<Statistics> = WEEKS_OF_REFERENCE.filter_map(week).collect();
    let change = slow_drift(&reference.iter().collect::<Vec<_>>(), &week(0)?)?;
    Some((*date, change))
}

/// Whether the newest date that is over has fewer rows than the same days of the weeks before, or, where these are not
/// there, than the dates before.
fn missing_rows(
    view: &View,
    columns: &BTreeMap<&str, BTreeMap<EventDate, &Statistics>>,
) -> Option<FoundChange> {
    let by_date = columns.values().next()?;
    let rows: BTreeMap<EventDate, u64> = by_date.iter().map(|(date, one)| (*date, one.rows())).collect();
    let (date, of_date) = rows.iter().rev().nth(1)?;
    let EventDate::Day(day) = *date else { return None };
    let weeks: Vec<u64> =
        (1..=WEEKS_BEFORE).filter_map(|week| rows.get(&EventDate::Day(day - 7 * week)).copied()).collect();
    let before = match weeks.len() {
        3.. => weeks,
        _ => rows.range(..*date).rev().take(DATES_BEFORE).map(|(_, rows)| *rows).collect(),
    };
    let change = fewer_rows(&before, *of_date)?;
    Some(FoundChange { view: view.id.clone(), column: None, features: Vec::new(), date: *date, change })
}
