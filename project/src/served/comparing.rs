//! Answers compared with what the log gives at the positions of the rows that they came from.

use std::collections::BTreeMap;

use feature::{Answer, Cell, EntityKey, Micros, Opening, View};
use materializer::{FoldedAgain, OnlineRead, Refolded, online_may_lack_rows, refold};
use monitor::{ServedDifference, served_differences};
use offline::Log;
use online::Positions;

use super::{DifferingEntity, DifferingFeature, ServedCell};
use crate::error::ProjectError;

/// An answer that is to be compared.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) key: EntityKey,
    pub(super) at: Micros,
    /// What the online row had folded; `None` if there was none.
    pub(super) positions: Option<Positions>,
    /// The features, by their indices in the view, and a cell for each.
    pub(super) features: Vec<usize>,
    pub(super) answer: Answer,
    /// The opening that it was given by, if the view's breaker was open.
    pub(super) opening: Option<Opening>,
}

/// What the comparison of one answer says.
#[derive(Clone, Debug)]
pub(super) enum Comparison {
    Same,
    Differs(DifferingEntity),
    /// The log lacks rows that the online row has folded.
    Ahead,
    /// There was no online row, and it is not known whether there had to be one.
    Unknown,
}

/// What a difference is called.
pub(super) const DIFFERS: &str = "differs";

impl Comparison {
    /// Whether an answer differs as there was no online row.
    pub(super) fn is_lost(&self, one: &Answered) -> bool {
        one.positions.is_none() && matches!(self, Comparison::Differs(_))
    }

    /// What came of it, as metrics call it; `None` while the log may still get what it lacks.
    pub(super) fn outcome(&self) -> Option<&'static str> {
        match self {
            Comparison::Same => Some("same"),
            Comparison::Differs(_) => Some(DIFFERS),
            Comparison::Unknown => Some("unknown"),
            Comparison::Ahead => None,
        }
    }
}

/// Compares answers with the log, which so many threads read. Of an answer without an online row it is not known whether
/// there had to be one while a load brings its rows online at its end.
pub(super) async fn compare(
    log: &Log,
    answered: &[Answered],
    threads: usize,
) -> Result<Vec<Comparison>, ProjectError> {
    let read = |one: &Answered| OnlineRead {
        key: one.key.clone(),
        at: one.at,
        positions: one.positions.clone(),
        opening: one.opening.clone(),
    };
    let reads: Vec<OnlineRead> = answered.iter().map(read).collect();
    let refolded = refold(log, &reads, threads).await?;
    let compared = answered.iter().zip(refolded).map(|(one, refolded)| match refolded {
        Refolded::Ahead => Comparison::Ahead,
        Refolded::Whole(folded) => compared(log.view(), one, &folded),
    });
    let mut compared: Vec<Comparison> = compared.collect();
    let mut lost: Vec<&mut Comparison> = answered
        .iter()
        .zip(&mut compared)
        .filter_map(|(one, comparison)| comparison.is_lost(one).then_some(comparison))
        .collect();
    if !lost.is_empty() && online_may_lack_rows(log).await? {
        lost.iter_mut().for_each(|comparison| **comparison = Comparison::Unknown);
    }
    Ok(compared)
}

fn compared(view: &View, one: &Answered, folded: &FoldedAgain) -> Comparison {
    let of_features = |answer: &Answer| Answer {
        cells: one
            .features
            .iter()
            .map(|index| answer.cells.get(*index).cloned().unwrap_or(Cell::NOT_FOUND))
            .collect(),
        times: answer.times,
    };
    let answers: Vec<Answer> = folded.answers.iter().map(of_features).collect();
    let differences = served_differences(&one.answer, &answers);
    if differences.is_empty() {
        return Comparison::Same;
    }
    let feature = |difference: &ServedDifference| match difference {
        ServedDifference::Cell { index, served, folded } => Some(DifferingFeature {
            feature: view.features.get(*one.features.get(*index)?)?.name.clone(),
            served: cell(served),
            folded: cell(folded),
        }),
        ServedDifference::EventTime { .. } => None,
    };
    Comparison::Differs(DifferingEntity {
        entity: entity(view, &one.key),
        at: one.at,
        rows: folded.rows as u64,
        features: differences.iter().filter_map(feature).collect(),
        why: why(view, one, folded, &differences),
    })
}

fn cell(cell: &Cell) -> ServedCell {
    ServedCell { value: cell.value.clone(), status: cell.status }
}

/// The join keys of an entity.
fn entity(view: &View, key: &EntityKey) -> BTreeMap<feature::Name, feature::Value> {
    let values = key.decode(&view.keys).unwrap_or_default();
    view.keys.iter().map(|field| field.name.clone()).zip(values).collect()
}

fn why(view: &View, one: &Answered, folded: &FoldedAgain, differences: &[ServedDifference]) -> String {
    let rows = feature::counted(folded.rows as u64, "row");
    let latest = match &folded.latest {
        Some(row) => format!(", the latest of {} at {}", row.event_time, row.position),
        None => String::new(),
    };
    match (&one.positions, differences) {
        (None, _) => {
            format!("the online store has no row of it, and the log of {} has {rows}{latest}", view.id)
        }
        (Some(_), [ServedDifference::EventTime { served, folded }]) => {
            let time = |time: &Option<Micros>| time.map_or("none".to_owned(), |time| time.to_string());
            format!("its values are said to be of {}, and the log says {}", time(served), time(folded))
        }
        (Some(_), _) => {
            format!("its online row names {rows} of the log{latest}, and holds something else than they give")
        }
    }
}
