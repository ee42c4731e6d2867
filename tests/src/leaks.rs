//! The leaks that a training set says it avoided are those that there were: its count is compared with
//! one by brute force.
//!
//! A cell leaks where a join on event time would have filled it from a row that had happened and was not
//! yet available. The oracle does not say which rows it used. So it is given rows whose values are
//! replaced by numbers of their own, and about counts instead of all other aggregates: a hidden row was
//! used exactly where that answer differs between the two modes.

use std::collections::HashMap;
use std::sync::Arc;

use feature::oracle::{self, Numbers};
use feature::{AsOf, Cell, EntityKey, Fold, Function, Origin, Row, Scalar, ServicePlan, Value, View};
use proptest::prelude::*;

use crate::flights::{self, EVERYTHING};
use crate::generated;
use crate::label::{LABEL_TIME, Label, spine};
use crate::project::Project;

/// Labels of the flights, drawn from the moments at which they were about to leave or just landed.
const LABELS: usize = 1500;

#[tokio::test]
async fn the_leaks_of_the_flights_are_counted_one_by_one() {
    let project = flights::project(EVERYTHING).await;
    let plan = project.plan("everything");
    project.backfill(&plan).await;
    let mut logs = Vec::new();
    for lookup in &plan.lookups {
        logs.push(Traced::new(&lookup.view, project.log_rows(&lookup.view).await));
    }
    let labels = labels_just_after_landings(&plan);
    let counted = count(&plan, &logs, &labels);
    assert!(counted.iter().filter(|leaks| **leaks > LABELS / 10).count() > 5, "{counted:?}");
    assert_reported(&project, &plan, &labels, &counted).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_leaks_of_any_history_are_counted_one_by_one(seed: u64, rows in 1_usize..12) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(leaks_of_history(seed, rows));
    }
}

async fn leaks_of_history(seed: u64, rows: usize) {
    let history = generated::history(seed, rows);
    let numbers = &mut Numbers::new(seed);
    let view = Arc::new(history.view.clone());
    let project = Project::empty(|| feature::Micros::MAX);
    generated::append(&project, &view, &generated::facts(&history, numbers)).await;
    let plan = generated::plan(&view);
    let keyed =
        |(keys, rows): &(Vec<Value>, Vec<Row>)| (EntityKey::encode(&view.keys, keys).unwrap(), rows.clone());
    let logs = [Traced::new(&view, history.entities.iter().map(keyed).collect())];
    let labels = generated::labels(&history, &history.moments, 20, numbers);
    let counted = count(&plan, &logs, &labels);
    assert_reported(&project, &plan, &labels, &counted).await;
}

/// What the summary of the training set says of each feature is what was counted.
async fn assert_reported(project: &Project, plan: &ServicePlan, labels: &[Label], counted: &[usize]) {
    let set = project.training_set(plan, &spine(plan, labels), LABEL_TIME, AsOf::Available).await;
    for (reported, counted) in set.features.iter().zip(counted) {
        assert_eq!(reported.leaked, Some(*counted), "{}", reported.name);
    }
}

/// For each output the labels at which it leaks: an on-demand feature leaks where one of its inputs does.
fn count(plan: &ServicePlan, logs: &[Traced], labels: &[Label]) -> Vec<usize> {
    let mut counted = vec![0; plan.outputs.len()];
    for label in labels {
        let leaks: Vec<Vec<bool>> = plan
            .lookups
            .iter()
            .zip(logs)
            .map(|(lookup, log)| match label.entity(lookup) {
                Some(entity) => log.leaks(&entity, label),
                None => vec![false; lookup.view.features.len()],
            })
            .collect();
        for (counted, output) in counted.iter_mut().zip(&plan.outputs) {
            *counted += usize::from(leaks_at(plan, &leaks, output.origin));
        }
    }
    counted
}

fn leaks_at(plan: &ServicePlan, leaks: &[Vec<bool>], origin: Origin) -> bool {
    match origin {
        Origin::Stored { lookup, feature } => leaks[lookup][feature],
        Origin::Computed { computation, .. } => {
            let mut inputs = plan.computations[computation].inputs.iter();
            inputs.any(|(_, input)| leaks_at(plan, leaks, *input))
        }
    }
}

/// A view's rows as they are, and with each value replaced by a number that no other row has.
struct Traced {
    view: Arc<View>,
    rows: HashMap<EntityKey, Vec<Row>>,
    traced_view: View,
    traced_rows: HashMap<EntityKey, Vec<Row>>,
}

impl Traced {
    fn new(view: &Arc<View>, rows: HashMap<EntityKey, Vec<Row>>) -> Traced {
        let mut traced_view = View::clone(view);
        for column in &mut traced_view.columns {
            column.data_type = Scalar::Int64.into();
        }
        for feature in &mut traced_view.features {
            if let Fold::Aggregate { function, .. } = &mut feature.fold {
                *function = Function::Count;
            }
        }
        let mut traced_rows = rows.clone();
        for (number, row) in traced_rows.values_mut().flatten().enumerate() {
            for value in row.values.iter_mut().filter(|value| !value.is_null()) {
                *value = Value::Int64(number as i64);
            }
        }
        Traced { view: view.clone(), rows, traced_view, traced_rows }
    }

    /// Which features would have been filled from a hidden row.
    fn leaks(&self, entity: &EntityKey, label: &Label) -> Vec<bool> {
        let ask = |view: &View, rows: &HashMap<EntityKey, Vec<Row>>, as_of: AsOf| {
            let rows = rows.get(entity).map(Vec::as_slice).unwrap_or_default();
            oracle::answer(view, rows, label.at, as_of).cells
        };
        let filled = ask(&self.view, &self.rows, AsOf::Event);
        let [available, event] =
            [AsOf::Available, AsOf::Event].map(|as_of| ask(&self.traced_view, &self.traced_rows, as_of));
        (0..filled.len())
            .map(|n| match self.view.features[n].fold {
                Fold::Latest { .. } => !event[n].value.is_null() && event[n].value != available[n].value,
                Fold::Aggregate { .. } => {
                    // A row that makes its entity known fills a count, even where it is not counted.
                    let is_made_known = available[n] == Cell::NOT_FOUND && !filled[n].value.is_null();
                    rows_used(&event[n]) > rows_used(&available[n]) || is_made_known
                }
            })
            .collect()
    }
}

fn rows_used(count: &Cell) -> i64 {
    match count.value {
        Value::Int64(rows) => rows,
        _ => 0,
    }
}

/// Labels a minute and less after landings, when these had happened and could not be known.
fn labels_just_after_landings(plan: &ServicePlan) -> Vec<Label> {
    let numbers = &mut Numbers::new(98);
    let known: Vec<_> = plan.keys.iter().map(|key| flights::known_keys(key.name.as_str())).collect();
    let landings = flights::landings(&flights::days());
    let landed = flights::micros(&landings, "landed_at");
    (0..LABELS)
        .map(|_| {
            let row = numbers.below(landed.len() as u64) as usize;
            let mut keys: Vec<Value> = known.iter().map(|known| flights::any_key(numbers, known)).collect();
            for (key, field) in keys.iter_mut().zip(&plan.keys) {
                if numbers.once_in(2) {
                    let column = landings.column_by_name(field.name.as_str()).unwrap();
                    let column =
                        arrow::compute::cast(column, &transform::arrow_type(field.data_type)).unwrap();
                    *key = transform::value_at(column.as_ref(), row, field.data_type);
                }
            }
            let request = plan.request.iter().map(|_| flights::any_distance(numbers)).collect();
            // Up to three minutes: two of them before the landing is known, one after.
            let at = landed[row] + numbers.pick(&[0, 60, 119, 120, 180]).unwrap() * 1_000_000;
            Label { keys, request, at: feature::Micros::new(at).unwrap() }
        })
        .collect()
}
