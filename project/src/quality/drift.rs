//! Drift: how far what a view's columns hold lies from a reference, on the statistics that are kept of both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use feature::{EventDate, Name, VersionId, View};
use materializer::{ColumnDay, count_statistics, statistics};
use monitor::{Drift, DriftVerdict, QuantilePair, Statistics, TopValue};
use offline::Manifest;

use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;
use crate::targets::{ViewName, named_view};

/// What the drift of a view is measured against.
#[derive(Clone, Debug)]
pub enum DriftReference {
    /// A training set: the rows that the log had when it was made. What came since is measured.
    TrainingSet(PathBuf),
    /// Rows that happened from a date to another, both included. What happened after that is measured, unless other
    /// dates are named.
    Days(EventDate, EventDate),
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct MeasureDrift {
    /// The view.
    pub view: ViewName,
    /// Against what.
    pub reference: DriftReference,
    /// Only rows that happened from a date to another, both included.
    pub live: Option<(EventDate, EventDate)>,
}

/// The drift of one column.
#[derive(Clone, PartialEq, Debug)]
pub struct ColumnDrift {
    /// The column of the view's log.
    pub column: String,
    /// The features that are computed from it.
    pub features: Vec<Name>,
    /// How many rows the reference has.
    pub reference_rows: u64,
    /// How many rows were measured.
    pub live_rows: u64,
    /// The figures.
    pub drift: Drift,
    /// Quantiles, the old ones of the reference; null where values have no order.
    pub quantiles: Vec<QuantilePair>,
    /// The most frequent values of the reference, and of the rows that were measured.
    pub top: [Vec<TopValue>; 2],
}

/// The quantiles that are reported, in thousandths.
const PER_MILLE: [u64; 15] = [0, 10, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950, 990, 1000];
/// How many frequent values are reported.
const MOST_VALUES: usize = 10;

/// The drift of a view.
#[derive(Clone, PartialEq, Debug)]
pub struct DriftReport {
    /// The view.
    pub view: VersionId,
    /// Its columns.
    pub columns: Vec<ColumnDrift>,
}

impl DriftReport {
    /// How many columns could be compared, as both sides have enough values of them.
    pub fn compared(&self) -> usize {
        self.columns.iter().filter(|column| column.drift.verdict().is_known()).count()
    }

    /// The columns that have drifted.
    pub fn drifted(&self) -> impl Iterator<Item = &ColumnDrift> {
        self.columns.iter().filter(|column| column.drift.verdict() == DriftVerdict::Drifted)
    }
}

pub(crate) async fn measure(project: &Project, measure: &MeasureDrift) -> Result<DriftReport, ProjectError> {
    let registered = project.registered().await?;
    let view = named_view(&registered, &measure.view)?;
    let store = project.offline()?;
    project.check_logs_of_registered(&registered).await?;
    let up_to = match &measure.reference {
        DriftReference::Days(..) => None,
        DriftReference::TrainingSet(file) => Some(log_version(project, file, &view.id).await?),
    };
    count_statistics(&store, &view, up_to).await?;
    let [first, second] = statistics(&store, &view, up_to).await?;
    let within = |days: Option<(EventDate, EventDate)>, date: EventDate| {
        days.is_none_or(|(from, to)| (from..=to).contains(&date))
    };
    let (reference, live) = match measure.reference {
        DriftReference::TrainingSet(_) => {
            (merged(&first, |_| true), merged(&second, |day| within(measure.live, day)))
        }
        DriftReference::Days(from, to) => (
            merged(&first, |day| (from..=to).contains(&day)),
            merged(&first, |day| within(measure.live, day) && (measure.live.is_some() || day > to)),
        ),
    };
    check_rows(&view, measure, [&reference, &live], first.iter().chain(&second))?;
    Ok(between(&view, &reference, &live))
}

/// Refuses a measurement of which a side has no row.
fn check_rows<'a>(
    view: &View,
    measure: &MeasureDrift,
    sides: [&BTreeMap<String, Statistics>; 2],
    all: impl Iterator<Item = &'a ColumnDay>,
) -> Result<(), ProjectError> {
    let rows = |side: &BTreeMap<String, Statistics>| side.values().map(Statistics::rows).sum::<u64>();
    let is_reference = match sides.map(rows) {
        // Of a view that keeps no column nothing is counted.
        _ if view.columns.is_empty() => return Ok(()),
        [0, _] => true,
        [_, 0] => false,
        _ => return Ok(()),
    };
    let dates: BTreeSet<EventDate> = all.map(|day| day.date).filter(|date| date.start().is_some()).collect();
    Err(ProjectError::NoRowsToMeasure {
        view: view.id.clone(),
        side: side(measure, is_reference),
        dates: dates.first().copied().zip(dates.last().copied()),
    })
}

/// Which rows one side of a measurement has.
fn side(measure: &MeasureDrift, is_reference: bool) -> String {
    let dates = |from: EventDate, to: EventDate| format!("{from}..{to}");
    match (&measure.reference, measure.live, is_reference) {
        (DriftReference::Days(from, to), _, true) => format!("that happened on {}", dates(*from, *to)),
        (DriftReference::Days(_, to), None, false) => format!("that happened after {to}"),
        (DriftReference::Days(..), Some((from, to)), false) => {
            format!("that happened on {}", dates(from, to))
        }
        (DriftReference::TrainingSet(file), _, true) => {
            format!("that was there when {} was made", file.display())
        }
        (DriftReference::TrainingSet(file), None, false) => {
            format!("that came since {} was made", file.display())
        }
        (DriftReference::TrainingSet(file), Some((from, to)), false) => {
            format!("that happened on {} and came since {} was made", dates(from, to), file.display())
        }
    }
}

/// The days that are watched without a request: the last of those that have rows.
const WATCHED_DAYS: i64 = 7;
/// The days before them that they are measured against.
const REFERENCE_DAYS: i64 = 28;

/// The drift of the last seven days of a view's rows against the 28 days before them; `None` if its rows have no days.
pub(crate) fn of_last_days(view: &View, days: &[ColumnDay]) -> Option<DriftReport> {
    let last = days.iter().filter(|day| day.date.start().is_some()).map(|day| day.date.number()).max()?;
    let live = merged(days, |date| date.number() > last - WATCHED_DAYS);
    let reference = merged(days, |date| {
        let ago = last.saturating_sub(date.number());
        (WATCHED_DAYS..WATCHED_DAYS + REFERENCE_DAYS).contains(&ago)
    });
    Some(between(view, &reference, &live))
}

/// The drift of the newest date of a view's rows against the 28 dates before; `None` if its rows have no days.
pub(crate) fn of_newest_day(view: &View, days: &[ColumnDay]) -> Option<(EventDate, DriftReport)> {
    let newest = days.iter().map(|day| day.date).filter(|date| date.start().is_some());
    let newest = newest.max_by_key(|date| date.number())?;
    let live = merged(days, |date| date == newest);
    let reference =
        merged(days, |date| (1..=REFERENCE_DAYS).contains(&newest.number().saturating_sub(date.number())));
    Some((newest, between(view, &reference, &live)))
}

fn between(
    view: &View,
    reference: &BTreeMap<String, Statistics>,
    live: &BTreeMap<String, Statistics>,
) -> DriftReport {
    let columns = view.columns.iter().map(|column| {
        let none = Statistics::of(column.data_type);
        let name = column.name.as_str();
        let (reference, live) = (reference.get(name).unwrap_or(&none), live.get(name).unwrap_or(&none));
        ColumnDrift {
            column: column.name.to_string(),
            features: features_of(view, &column.name),
            reference_rows: reference.rows(),
            live_rows: live.rows(),
            drift: Drift::between(reference, live),
            quantiles: PER_MILLE.map(|per_mille| quantile(per_mille, reference, live)).to_vec(),
            top: [reference, live].map(|side| side.top(MOST_VALUES)),
        }
    });
    DriftReport { view: view.id.clone(), columns: columns.collect() }
}

fn quantile(per_mille: u64, reference: &Statistics, live: &Statistics) -> QuantilePair {
    QuantilePair { per_mille, old: reference.quantile(per_mille), new: live.quantile(per_mille) }
}

/// The version of the view's log that a training set was made from.
async fn log_version(
    project: &Project,
    file: &std::path::Path,
    view: &VersionId,
) -> Result<u64, ProjectError> {
    let path = project.folder.join(file);
    let manifest = {
        let path = path.clone();
        blocking(move || Manifest::read(&path)).await??
    };
    let found = manifest.views.iter().find(|read| read.view == *view);
    found.map(|read| read.log_version).ok_or_else(|| ProjectError::NotOfTrainingSet {
        view: view.clone(),
        file: path,
        views: manifest.views.iter().map(|read| read.view.to_string()).collect(),
    })
}

/// The statistics of columns over the dates that are meant.
fn merged(days: &[ColumnDay], is_meant: impl Fn(EventDate) -> bool) -> BTreeMap<String, Statistics> {
    let mut columns: BTreeMap<String, Statistics> = BTreeMap::new();
    for day in days.iter().filter(|day| is_meant(day.date)) {
        match columns.get_mut(&day.column) {
            Some(statistics) => statistics.merge(&day.statistics),
            None => drop(columns.insert(day.column.clone(), day.statistics.clone())),
        }
    }
    columns
}

/// The features of a view that are computed from a column of its log.
pub(super) fn features_of(view: &View, column: &Name) -> Vec<Name> {
    let index = view.columns.iter().position(|one| one.name == *column);
    let of_column = view.features.iter().filter(|feature| index.is_some() && feature.fold.column() == index);
    of_column.map(|feature| feature.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use feature::{Column, DataType, Field, Scalar, Value};
    use monitor::Observed;

    fn day(date: EventDate, value: f64) -> ColumnDay {
        let mut statistics = Statistics::of(DataType::Scalar(Scalar::Float64));
        (0..200).for_each(|n| statistics.add(Observed::Float(value + f64::from(n) / 200.0)));
        ColumnDay { date, column: "amount".to_owned(), statistics }
    }

    fn view() -> View {
        let key = Field { name: "visitor".parse().unwrap(), data_type: DataType::Scalar(Scalar::Int64) };
        let mut view = View::bare(
            "visits@1".parse().unwrap(),
            "visitor".parse().unwrap(),
            vec![key],
            "clicks".parse().unwrap(),
        );
        view.columns.push(Column {
            name: "amount".parse().unwrap(),
            expression: "amount".to_owned(),
            data_type: DataType::Scalar(Scalar::Float64),
        });
        view
    }

    #[test]
    fn the_last_seven_days_are_measured_against_the_28_before_them() {
        // What is older than both, and what has no date, would make the reference look like the last days.
        let mut days = vec![day(EventDate::None, 50.0), day(EventDate::Day(964), 50.0)];
        days.extend((965..993).map(|date| day(EventDate::Day(date), 0.0)));
        days.extend((993..1_000).map(|date| day(EventDate::Day(date), 50.0)));
        let report = of_last_days(&view(), &days).unwrap();
        let [column] = report.columns.as_slice() else { panic!("{report:?}") };
        assert_eq!((column.reference_rows, column.live_rows), (5_600, 1_400));
        assert_eq!(column.drift.verdict(), DriftVerdict::Drifted);
        // Both sides are shown, each by its own values: 0.00 to 0.99, and 50 more.
        let median = column.quantiles.iter().find(|pair| pair.per_mille == 500).unwrap();
        let [old, new] = [&median.old, &median.new].map(|value| match value {
            Value::Float64(value) => *value,
            other => panic!("{other:?}"),
        });
        assert!((0.4..0.6).contains(&old) && (50.4..50.6).contains(&new), "{old} {new}");
        let steady: Vec<ColumnDay> = (965..1_000).map(|date| day(EventDate::Day(date), 7.0)).collect();
        assert_eq!(of_last_days(&view(), &steady).unwrap().drifted().count(), 0);
        assert_eq!(of_last_days(&view(), &[day(EventDate::None, 1.0)]), None);
    }

    #[test]
    fn the_newest_date_is_measured_against_the_28_before_it() {
        let mut days = vec![day(EventDate::None, 50.0), day(EventDate::Day(969), 50.0)];
        days.extend((970..999).map(|date| day(EventDate::Day(date), 0.0)));
        let (date, report) = of_newest_day(&view(), &days).unwrap();
        assert_eq!((date, report.drifted().count()), (EventDate::Day(998), 0));
        days.push(day(EventDate::Day(999), 50.0));
        let (date, report) = of_newest_day(&view(), &days).unwrap();
        assert_eq!((date, report.columns[0].reference_rows), (EventDate::Day(999), 5_600));
        assert_eq!(report.drifted().count(), 1);
        assert_eq!(of_newest_day(&view(), &[day(EventDate::None, 1.0)]), None);
    }
}
