//! Why the rows that differ most have the values that they have: the latest rows of their entities, in each version's
//! own log.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{EntityKey, Fold, Micros, Origin, Row, ServicePlan, VersionId, View};
use monitor::Verdict;
use offline::OfflineStore;

use super::report::{ComparedFeature, DifferingRow, InputRow, ParityReport};
use super::sides::{FeaturePair, FeatureSide};
use crate::error::ProjectError;

/// Rows of a log that are shown for an entity and a moment.
const MOST_ROWS: usize = 3;
/// Columns of a row that are shown.
const MOST_COLUMNS: usize = 6;
/// Features whose differing rows are explained: those outside their bounds first.
const MOST_FEATURES: usize = 50;

/// Where the rows of a log are shown.
struct Shown {
    feature: usize,
    difference: usize,
    is_old: bool,
    columns: Vec<usize>,
}

/// What is wanted of one view's log.
struct Wanted {
    view: Arc<View>,
    entities: Vec<(EntityKey, Micros)>,
    shown: Vec<Shown>,
}

pub(super) async fn explain(
    report: &mut ParityReport,
    store: &OfflineStore,
    plan: &ServicePlan,
    pairs: &[FeaturePair],
) -> Result<(), ProjectError> {
    for wanted in wanted(report, plan, pairs).into_values() {
        let pinned = report.logs.iter().find(|log| log.view == wanted.view.id).map(|log| log.version);
        let log = match pinned {
            Some(version) => store.log_at(&wanted.view, version).await?,
            None => store.log(&wanted.view).await?,
        };
        let found = log.latest_rows(wanted.entities, MOST_ROWS).await?;
        for (shown, rows) in wanted.shown.iter().zip(found) {
            let difference = report.features.get_mut(shown.feature);
            let difference = difference.and_then(|feature| feature.differences.get_mut(shown.difference));
            if let Some(DifferingRow { old_inputs, new_inputs, .. }) = difference {
                let inputs = if shown.is_old { old_inputs } else { new_inputs };
                inputs.extend(rows.into_iter().map(|row| input(&wanted.view, &shown.columns, row)));
            }
        }
    }
    Ok(())
}

/// The entities and moments that are wanted of each log.
fn wanted(report: &ParityReport, plan: &ServicePlan, pairs: &[FeaturePair]) -> BTreeMap<VersionId, Wanted> {
    let mut order: Vec<usize> = (0..report.features.len()).collect();
    let is_within = |index: &usize| {
        let feature = report.features.get(*index);
        feature.is_some_and(|feature| feature.judgement.verdict != Verdict::Outside)
    };
    order.sort_by_key(is_within);
    let mut wanted: BTreeMap<VersionId, Wanted> = BTreeMap::new();
    for feature in order.into_iter().take(MOST_FEATURES) {
        let (Some(found), Some(pair)) = (report.features.get(feature), pairs.get(feature)) else { continue };
        for (is_old, side) in [(true, &pair.old), (false, &pair.new)] {
            want(&mut wanted, plan, side, (feature, found), is_old);
        }
    }
    wanted
}

fn want(
    wanted: &mut BTreeMap<VersionId, Wanted>,
    plan: &ServicePlan,
    side: &FeatureSide,
    (feature, found): (usize, &ComparedFeature),
    is_old: bool,
) {
    for lookup in side.lookups.iter().filter_map(|lookup| plan.lookups.get(*lookup)) {
        let columns = columns(&lookup.view, side.origin);
        for (index, difference) in found.differences.iter().enumerate() {
            let values =
                lookup.keys.iter().map(|key| difference.entity.get(*key).map(|(_, value)| value.clone()));
            let values: Option<Vec<_>> = values.collect();
            // A null in a key is the key of no entity: there is nothing to show.
            let key = values.and_then(|values| EntityKey::encode(&lookup.view.keys, &values).ok());
            let Some(key) = key else { continue };
            let wanted = wanted.entry(lookup.view.id.clone()).or_insert_with(|| Wanted {
                view: lookup.view.clone(),
                entities: Vec::new(),
                shown: Vec::new(),
            });
            wanted.entities.push((key, difference.at));
            wanted.shown.push(Shown { feature, difference: index, is_old, columns: columns.clone() });
        }
    }
}

/// The columns of a view's log that a feature reads; of a computed feature the view's first ones.
fn columns(view: &View, origin: Origin) -> Vec<usize> {
    let Origin::Stored { feature, .. } = origin else {
        return (0..view.columns.len().min(MOST_COLUMNS)).collect();
    };
    match view.features.get(feature).map(|feature| feature.fold) {
        Some(Fold::Latest { column }) => vec![column],
        Some(Fold::Aggregate { column, .. }) => column.into_iter().collect(),
        None => Vec::new(),
    }
}

fn input(view: &View, columns: &[usize], row: Row) -> InputRow {
    let value = |column: &usize| {
        Some((view.columns.get(*column)?.expression.clone(), row.values.get(*column)?.clone()))
    };
    InputRow {
        view: view.id.clone(),
        event_time: (!view.is_static).then_some(row.event_time),
        available_at: (!view.is_static).then_some(row.available_at),
        position: row.position,
        deleted: row.deleted,
        values: columns.iter().filter_map(value).collect(),
    }
}
