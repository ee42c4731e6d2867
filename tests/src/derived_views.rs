//! Features built on features, over any history that the laws allow: the rows of a derived view are what the oracle says
//! of its input at each of its rows, whenever they were loaded, and training and serving read them as the oracle does.
//! `CASES=1000` asks for more of them.
//!
//! Rows reach the log of the input in the order in which they became available: late ones, tied ones, tombstones, nulls,
//! and some that have not happened yet. After each commit the derived view is loaded, and one that is derived from that;
//! now and then a log is compacted.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use feature::oracle::{self, Numbers};
use feature::{
    Answer, AsOf, Column, DataType, EntityKey, Feature, Fold, Function, Micros, Position, Row, Scalar, Span,
    Value, VersionId, View, ViewSource, Window,
};
use materializer::{EventRange, Input, MaterializerError, Target};
use online::{Layout, PackedRow, Read, Reader};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::generated::{self, Fact, cases, run};
use crate::label::{LABEL_TIME, Label, spine};
use crate::project::Project;

/// Features of the input that are kept: the oracle computes each at every row.
const FEATURES: usize = 14;
/// Moments at which every entity is read.
const MOMENTS: usize = 6;

thread_local! {
    /// What the materializer's clock shows.
    static NOW: Cell<Micros> = const { Cell::new(Micros::MIN) };
}

fn clock() -> Micros {
    NOW.get()
}

proptest! {
    #![proptest_config(cases(10))]

    #[test]
    fn features_on_features_are_the_oracles(seed: u64, rows in 1_usize..14) {
        run(scenario(seed, rows))?;
    }
}

/// The rows of a view, by entity.
type Rows = HashMap<EntityKey, Vec<Row>>;

async fn scenario(seed: u64, rows: usize) -> Result<(), TestCaseError> {
    let mut history = generated::history(seed, rows);
    let numbers = &mut Numbers::new(seed ^ 4);
    history.view.features.sort_by_cached_key(|_| numbers.draw());
    history.view.features.truncate(FEATURES);
    let mut facts = generated::facts(&history, numbers);
    let Some(first) = facts.iter().map(|(_, row)| row.available_at).min() else { return Ok(()) };
    facts.sort_by_key(|(_, row)| row.available_at);
    let project = Project::empty(clock);
    let input = Arc::new(history.view.clone());
    let middle = derived(&input, "middle@1", numbers);
    let last = derived(&middle, "last@1", numbers);
    let mut views = [Followed::new(&input, &middle), Followed::new(&middle, &last)];
    let mut written = 0;
    for (round, now) in rounds(&history.moments, first, numbers).into_iter().enumerate() {
        NOW.set(now);
        let by_then = facts.partition_point(|(_, row)| row.available_at <= now);
        if by_then > written {
            generated::append(&project, &input, &facts[written..by_then]).await;
            written = by_then;
        }
        for view in [&input, &middle].into_iter().filter(|_| numbers.once_in(3)) {
            project.materializer.compact(view, 0).await.unwrap();
        }
        let mut read = of_input(&input, &facts[..written]);
        for view in &mut views {
            let loaded = view.load(&project, round == 0).await.unwrap();
            read = view.check(&project, &read, now, loaded, round == 0).await?;
        }
        // Folds of any rows are read from both stores elsewhere: of these it is enough now and then.
        for view in views.iter().map(|followed| &followed.target.view) {
            if !numbers.once_in(3) {
                continue;
            }
            let read = project.log_rows(view).await;
            let labels = generated::labels(&history, &history.moments, MOMENTS, numbers);
            is_trained(&project, view, &read, &labels).await?;
            is_served(&project, view, &read, &labels).await?;
        }
    }
    // Everything was taken, however late, and by all three kinds of load.
    let of_last = project.log_rows(&last).await.values().map(Vec::len).sum::<usize>();
    prop_assert_eq!(of_last, facts.len());
    Ok(())
}

/// When the views are loaded: at some moments of the history, and once all of it is visible.
fn rounds(moments: &[Micros], first: Micros, numbers: &mut Numbers) -> Vec<Micros> {
    let mut rounds: Vec<Micros> = (0..3).filter_map(|_| numbers.pick(moments)).collect();
    let end = moments.last().copied().unwrap_or(first).max(first).saturating_add(Span::DAY);
    rounds.extend([first, end]);
    rounds.retain(|at| *at >= first);
    rounds.sort_unstable();
    rounds.dedup();
    rounds
}

fn of_input(view: &View, facts: &[Fact<'_>]) -> Rows {
    let mut rows = Rows::new();
    for (keys, row) in facts {
        rows.entry(EntityKey::encode(&view.keys, keys).unwrap()).or_default().push((*row).clone());
    }
    rows
}

/// A view over the rows of another: the latest value of each feature, and what is counted and summed of them.
fn derived(input: &Arc<View>, id: &str, numbers: &mut Numbers) -> Arc<View> {
    let id: VersionId = id.parse().unwrap();
    let columns: Vec<Column> = input
        .features
        .iter()
        .map(|feature| Column {
            name: feature.name.clone(),
            expression: transform::column_in_sql(&feature.name),
            data_type: feature.data_type,
        })
        .collect();
    let feature = |name: String, data_type: DataType, fold: Fold| Feature {
        name: name.parse().unwrap(),
        data_type,
        fold,
        unit: None,
        description: None,
        default: None,
    };
    let mut features = Vec::new();
    let windows = [None, Window::new(Span::MINUTE.times(30), None).ok()];
    for (index, column) in columns.iter().enumerate() {
        features.push(feature(format!("l{index}"), column.data_type, Fold::Latest { column: index }));
        let function = Function::Sum;
        if let Ok(data_type) = function.result_type(Some(column.data_type)) {
            let window = numbers.pick(&windows).flatten();
            let fold = Fold::Aggregate { function, column: Some(index), window };
            features.push(feature(format!("s{index}"), data_type, fold));
        }
    }
    for (index, window) in windows.into_iter().enumerate() {
        let fold = Fold::Aggregate { function: Function::Count, column: None, window };
        features.push(feature(format!("rows{index}"), Scalar::Int64.into(), fold));
    }
    let keys = input.keys.clone();
    let mut view = View::bare(id.clone(), input.entity.clone(), keys, input.id.name.clone());
    view.source = ViewSource::View { view: input.id.clone() };
    view.hash = format!("{:064x}", id.name.as_str().len());
    Arc::new(View { columns, features, ..view })
}

/// A derived view and the rows that it had after its last load.
struct Followed {
    target: Target,
    before: BTreeMap<Position, Row>,
}

impl Followed {
    fn new(input: &Arc<View>, view: &Arc<View>) -> Self {
        let source = Arc::new(input.as_source());
        let input = Some(Input { view: Arc::clone(input), has_history: false });
        Self { target: Target { view: Arc::clone(view), source, input }, before: BTreeMap::new() }
    }

    async fn load(&self, project: &Project, is_first: bool) -> Result<u64, MaterializerError> {
        let report = match is_first {
            true => project.materializer.backfill(&self.target, EventRange::default(), |_| {}).await?,
            false => project.materializer.materialize(&self.target, |_| {}).await?,
        };
        assert_eq!(report.refused_rows() + report.left_out(), 0, "{report:?}");
        Ok(report.rows_loaded)
    }

    /// Compares the rows of the view with the features of its input, whose rows these are, at each of them. Gives the
    /// rows of the view.
    async fn check(
        &mut self,
        project: &Project,
        input: &Rows,
        now: Micros,
        loaded: u64,
        is_first: bool,
    ) -> Result<Rows, TestCaseError> {
        let of = &self.target.input.as_ref().unwrap().view;
        let found = project.log_rows(&self.target.view).await;
        let mut after = BTreeMap::new();
        let mut expected = 0;
        for (key, rows) in input {
            let own: HashMap<Position, &Row> =
                found.get(key).into_iter().flatten().map(|row| (row.position, row)).collect();
            for row in rows.iter().filter(|row| row.visible_at(AsOf::Available) <= now) {
                expected += 1;
                let at = row.visible_at(AsOf::Available);
                let Some(derived) = own.get(&row.position) else {
                    return Err(TestCaseError::fail(format!("no row at {} at {now}", row.position)));
                };
                let answer = oracle::answer(of, rows, at, AsOf::Available);
                let values: Vec<Value> = answer.cells.into_iter().map(|cell| cell.value).collect();
                prop_assert_eq!(&derived.values, &values, "at {} of {}", at, &of.id);
                prop_assert_eq!(derived.event_time, row.event_time);
                prop_assert!(!derived.deleted);
                match self.before.get(&row.position) {
                    Some(before) => prop_assert_eq!(*derived, before),
                    None => {
                        let available_at = if is_first { row.available_at } else { now };
                        prop_assert_eq!(derived.available_at, available_at);
                    }
                }
                after.insert(row.position, (*derived).clone());
            }
        }
        prop_assert_eq!(found.values().map(Vec::len).sum::<usize>(), expected, "rows of no input");
        prop_assert_eq!(loaded as usize, after.len() - self.before.len());
        self.before = after;
        Ok(found)
    }
}

fn rows_of<'a>(view: &View, rows: &'a Rows, label: &Label) -> &'a [Row] {
    let key = EntityKey::encode(&view.keys, &label.keys).unwrap();
    rows.get(&key).map(Vec::as_slice).unwrap_or_default()
}

async fn is_trained(
    project: &Project,
    view: &Arc<View>,
    rows: &Rows,
    labels: &[Label],
) -> Result<(), TestCaseError> {
    let plan = generated::plan(view);
    let spine = spine(&plan, labels);
    for as_of in [AsOf::Available, AsOf::Event] {
        let set = project.training_set(&plan, &spine, LABEL_TIME, as_of).await;
        for (row, label) in labels.iter().enumerate() {
            let expected = oracle::answer(view, rows_of(view, rows, label), label.at, as_of);
            for (output, expected) in plan.outputs.iter().zip(&expected.cells) {
                let got = set.value(&output.name, row, output.data_type);
                prop_assert_eq!(&got, &expected.value, "{} for {}, {:?}", &output.name, label, as_of);
            }
        }
    }
    Ok(())
}

async fn is_served(
    project: &Project,
    view: &Arc<View>,
    rows: &Rows,
    labels: &[Label],
) -> Result<(), TestCaseError> {
    let (layout, online) = (Layout::new(view), &project.materializer.online);
    let applied_at = online.stats(&view.id).await.unwrap().applied_at;
    // An earlier moment is not read from the online store.
    let at = |label: &Label| applied_at.map_or(label.at, |applied| label.at.max(applied));
    for label in labels {
        let label = Label { at: at(label), ..label.clone() };
        let key = EntityKey::encode(&view.keys, &label.keys).unwrap();
        let found = online.read(&[Read { view: &view.id, keys: &[key] }]).await.unwrap();
        let got = match found[0].row(0) {
            Some(bytes) => PackedRow::new(&layout, bytes).unwrap().answer(label.at).unwrap(),
            None => Answer::not_found(view.features.len()),
        };
        let expected = oracle::answer(view, rows_of(view, rows, &label), label.at, AsOf::Available);
        prop_assert_eq!(got, expected, "{}", label);
    }
    Ok(())
}
