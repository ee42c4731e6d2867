//! Drift: how far what a view's columns hold lies from a reference, on the statistics that are kept of both.

use std::collections::BTreeMap;
use std::path::PathBuf;

use feature::{EventDate, Name, VersionId, View};
use materializer::{ColumnDay, count_statistics, statistics};
use monitor::{Drift, DriftVerdict, Statistics};
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
}

/// The drift of a view.
#[derive(Clone, PartialEq, Debug)]
pub struct DriftReport {
    /// The view.
    pub view: VersionId,
    /// Its columns.
    pub columns: Vec<ColumnDrift>,
}

impl DriftReport {
    /// The columns that have drifted.
    pub fn drifted(&self) -> impl Iterator<Item = &ColumnDrift> {
        self.columns.iter().filter(|column| column.drift.verdict() == DriftVerdict::Drifted)
    }
}

pub(crate) async fn measure(project: &Project, measure: &MeasureDrift) -> Result<DriftReport, ProjectError> {
    let registered = project.registered().await?;
    let view = named_view(&registered, &measure.view)?;
    let store = project.offline()?;
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
    let columns = view.columns.iter().map(|column| {
        let none = Statistics::of(column.data_type);
        let name = column.name.as_str();
        let (reference, live) = (reference.get(name).unwrap_or(&none), live.get(name).unwrap_or(&none));
        ColumnDrift {
            column: column.name.to_string(),
            features: features_of(&view, &column.name),
            reference_rows: reference.rows(),
            live_rows: live.rows(),
            drift: Drift::between(reference, live),
        }
    });
    Ok(DriftReport { view: view.id.clone(), columns: columns.collect() })
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
