//! What changed lately in the values of views, from their statistics by date: nothing is counted for it, and no log is read.

use std::collections::BTreeMap;
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

/// What changed lately in the values of all views, for whoever looks for a cause, and how many rows are missing of which.
pub(crate) async fn findings(
    project: &Project,
    registered: &Registered,
) -> (Vec<Finding>, BTreeMap<VersionId, u64>) {
    let (mut findings, mut missing) = (Vec::new(), BTreeMap::new());
    let mut looked_at = 0;
    for view in registered.views().filter(|view| !view.is_static) {
        match changes(project, view).await {
            Ok(changes) => {
                looked_at += 1;
                let missing_of = changes.iter().filter_map(|found| match found.change {
                    ValueChange::FewerRows { before, now } => Some(before.saturating_sub(now)),
                    _ => None,
                });
                missing.extend(missing_of.max().map(|rows| (view.id.clone(), rows)));
                findings.extend(changes.iter().map(|found| {
                    let help = HelpTopic::ColumnStatistics(view.id.clone());
                    Finding::wrong(Area::Values, found.said()).helped_by(Some(help))
                }));
            }
            Err(error) => {
                let said = format!("the statistics of {} cannot be read: {error}", view.id);
                findings.push(Finding::wrong(Area::Values, said).helped_by(error.help()));
            }
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
/// there, than the dates before. A date without any row is over as well, once there are rows of a later one.
fn missing_rows(
    view: &View,
    columns: &BTreeMap<&str, BTreeMap<EventDate, &Statistics>>,
) -> Option<FoundChange> {
    let by_date = columns.values().next()?;
    let rows: BTreeMap<i32, u64> = by_date
        .iter()
        .filter_map(|(date, one)| match date {
            EventDate::Day(day) => Some((*day, one.rows())),
            EventDate::None => None,
        })
        .collect();
    let (newest, over) = (*rows.last_key_value()?.0, *rows.iter().rev().nth(1)?.0);
    let empty = (over + 1..newest).rev().take(7 * WEEKS_BEFORE as usize);
    let (day, change) = empty.filter(|day| is_expected(&rows, *day)).chain([over]).find_map(|day| {
        let of_date = rows.get(&day).copied().unwrap_or(0);
        Some((day, fewer_rows(&rows_before(&rows, day, of_date), of_date)?))
    })?;
    let date = EventDate::Day(day);
    Some(FoundChange { view: view.id.clone(), column: None, features: Vec::new(), date, change })
}

/// Whether a date without rows should have some: the same days of the weeks before have, as far as rows go back.
fn is_expected(rows: &BTreeMap<i32, u64>, day: i32) -> bool {
    let first = rows.first_key_value().map_or(day, |(first, _)| *first);
    let weeks = (1..=WEEKS_BEFORE).map(|week| day - 7 * week).filter(|day| *day >= first);
    let mut had_rows = weeks.map(|day| rows.contains_key(&day)).peekable();
    had_rows.peek().is_some() && had_rows.all(|had_rows| had_rows)
}

/// The rows of the dates that a date with so many is compared with: the same days of the weeks before, or else the dates before,
/// of which none counts for more than the same day of the weeks before.
fn rows_before(rows: &BTreeMap<i32, u64>, day: i32, of_date: u64) -> Vec<u64> {
    let weeks: Vec<u64> =
        (1..=WEEKS_BEFORE).filter_map(|week| rows.get(&(day - 7 * week)).copied()).collect();
    let most = weeks.iter().copied().min();
    let mut before = match weeks.len() {
        3.. => weeks,
        _ => {
            let dates = rows.range(..day).rev().take(DATES_BEFORE);
            dates.map(|(_, rows)| most.map_or(*rows, |most| most.min(*rows))).collect()
        }
    };
    before.sort_unstable();
    // One date of few rows, as a holiday, does not hide that even fewer came.
    let is_small = before.first().is_some_and(|least| *least < LEAST_ROWS && of_date < *least);
    if most.is_some() && is_small {
        before.remove(0);
    }
    before
}

#[cfg(test)]
mod tests {
    use feature::{DataType, Scalar};
    use monitor::Observed;

    use super::*;

    /// What is found of the rows of a view of which these dates have so many.
    fn found(rows: impl IntoIterator<Item = (i32, u64)>) -> Option<(EventDate, ValueChange)> {
        let id: VersionId = "visits@1".parse().unwrap();
        let view = View::bare(id.clone(), id.name.clone(), Vec::new(), id.name.clone());
        let days = rows.into_iter().filter(|(_, rows)| *rows > 0).map(|(day, rows)| {
            let mut statistics = Statistics::of(DataType::Scalar(Scalar::Float64));
            (0..rows).for_each(|_| statistics.add(Observed::Float(1.0)));
            ColumnDay { date: EventDate::Day(day), column: "amount".to_owned(), statistics }
        });
        let found = changes_of(&view, &days.collect::<Vec<_>>());
        found.into_iter().find(|found| found.column.is_none()).map(|found| (found.date, found.change))
    }

    #[test]
    fn a_date_without_any_row_between_dates_with_rows_is_found() {
        let rows = |empty: &[i32]| -> Vec<(i32, u64)> {
            (0..21).map(|day| (day, if empty.contains(&day) { 0 } else { 400 })).collect()
        };
        let missed = |before, day| Some((EventDate::Day(day), ValueChange::FewerRows { before, now: 0 }));
        assert_eq!(found(rows(&[])), None);
        assert_eq!(found(rows(&[19])), missed(400, 19));
        // The newest of several.
        assert_eq!(found(rows(&[17, 18, 19])), missed(400, 19));
        // Until rows of a later date are there, none is over.
        assert_eq!(found(rows(&[20])), None);
        // Longer than a week: the last one whose weekday had rows before.
        assert_eq!(found(rows(&[9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])), missed(400, 15));
        // Of a log that is younger than a week it is not known which days have rows.
        assert_eq!(found((0..7).map(|day| (day, if day == 5 { 0 } else { 400 }))), None);
    }

    #[test]
    fn one_small_date_before_does_not_hide_that_rows_are_missing() {
        let rows = |days: i32, small: i32| {
            (0..days).map(move |day| match day {
                day if day == small => (day, 100),
                day if day == days - 2 => (day, 40),
                day => (day, 400),
            })
        };
        let change = |day| Some((EventDate::Day(day), ValueChange::FewerRows { before: 400, now: 40 }));
        assert_eq!(found(rows(14, 8)), change(12));
        // The same day of a week before.
        assert_eq!(found(rows(35, 19)), change(33));
        // Two are a habit.
        assert_eq!(found(rows(14, 8).map(|(day, rows)| (day, if day == 9 { 100 } else { rows }))), None);
        // A Sunday that has as few rows as the one before.
        let sundays = |day: i32| if day % 7 == 6 { 90 } else { 400 };
        assert_eq!(found((0..15).map(|day| (day, sundays(day)))), None);
    }

    #[test]
    fn days_of_the_week_that_never_have_rows_are_not_missed_and_hide_none_that_is() {
        let weekdays = |day: i32| if day % 7 < 5 { 400 } else { 0 };
        assert_eq!(found((0..29).map(|day| (day, weekdays(day)))), None);
        let without_friday = (0..29).map(|day| (day, if day == 25 { 0 } else { weekdays(day) }));
        let change = ValueChange::FewerRows { before: 400, now: 0 };
        assert_eq!(found(without_friday), Some((EventDate::Day(25), change)));
        let little_on_friday = (0..29).map(|day| (day, if day == 25 { 120 } else { weekdays(day) }));
        let change = ValueChange::FewerRows { before: 400, now: 120 };
        assert_eq!(found(little_on_friday), Some((EventDate::Day(25), change)));
    }
}
