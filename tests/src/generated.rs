//! Generated histories as logs: what the laws allow and no source of the example has, written in the
//! log's form.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use feature::oracle::{History, Numbers};
use feature::{
    Field as Column, Fold, Lookup, Micros, Origin, Output, Provenance, Row, ServicePlan, Value, View,
};
use offline::{Facts, log_batch};
use proptest::test_runner::{Config, TestCaseError};

use crate::label::Label;
use crate::project::Project;

/// One entity and one of its rows.
pub(crate) type Fact<'a> = (&'a [Value], &'a Row);

/// A generated history with more ties in it, and for every other seed with latest features alone: both
/// stores read those by a shorter way.
pub(crate) fn history(seed: u64, rows: usize) -> History {
    let mut history = History::generate(seed, rows);
    let numbers = &mut Numbers::new(seed ^ 3);
    for (_, rows) in &mut history.entities {
        let Some(first) = rows.first().map(|row| row.event_time) else { continue };
        for row in rows.iter_mut().filter(|_| numbers.once_in(3)) {
            row.event_time = first;
        }
    }
    if seed.is_multiple_of(2) {
        history.view.features.retain(|feature| matches!(feature.fold, Fold::Latest { .. }));
    }
    history
}

/// All facts of a history, in an order that its seed decides.
pub(crate) fn facts<'a>(history: &'a History, numbers: &mut Numbers) -> Vec<Fact<'a>> {
    let of_entity =
        |(keys, rows): &'a (Vec<Value>, Vec<Row>)| rows.iter().map(move |row| (keys.as_slice(), row));
    let mut facts: Vec<Fact<'_>> = history.entities.iter().flat_map(of_entity).collect();
    facts.sort_by_cached_key(|_| numbers.draw());
    facts
}

/// Appends facts to the log of their view, in one commit of a few batches.
pub(crate) async fn append(project: &Project, view: &Arc<View>, facts: &[Fact<'_>]) {
    let mut log = project.materializer.offline.log(view).await.unwrap();
    let mut appender = log.appender().await.unwrap();
    for facts in facts.chunks(17) {
        appender.write(batch(view, facts));
    }
    appender.commit(&[], &[]).await.unwrap();
}

/// A service that gives every feature of one view.
pub(crate) fn plan(view: &Arc<View>) -> ServicePlan {
    let output = |(feature, defined): (usize, &feature::Feature)| Output {
        name: defined.name.to_string(),
        data_type: defined.data_type,
        origin: Origin::Stored { lookup: 0, feature },
    };
    ServicePlan {
        id: "generated_service@1".parse().unwrap(),
        hash: view.hash.clone(),
        keys: view.keys.clone(),
        request: Vec::new(),
        lookups: vec![Lookup { view: view.clone(), keys: (0..view.keys.len()).collect() }],
        computations: Vec::new(),
        outputs: view.features.iter().enumerate().map(output).collect(),
    }
}

/// Every entity at some of the moments: so many of them, or all.
pub(crate) fn labels(
    history: &History,
    moments: &[Micros],
    count: usize,
    numbers: &mut Numbers,
) -> Vec<Label> {
    let mut moments = moments.to_vec();
    moments.sort_by_cached_key(|_| numbers.draw());
    moments.truncate(count);
    let of_moment = |at: &Micros| {
        let at = *at;
        history.entities.iter().map(move |(keys, _)| Label { keys: keys.clone(), request: Vec::new(), at })
    };
    moments.iter().flat_map(of_moment).collect()
}

fn batch(view: &View, facts: &[Fact<'_>]) -> RecordBatch {
    let keys = view.keys.iter().enumerate();
    let keys = keys.map(|(n, Column { name, data_type })| {
        (name, *data_type, facts.iter().map(|(k, _)| k[n].clone()).collect::<Vec<_>>())
    });
    let columns = view.columns.iter().enumerate();
    let columns = columns
        .map(|(n, c)| (&c.name, c.data_type, facts.iter().map(|(_, row)| row.values[n].clone()).collect()));
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = keys
        .chain(columns)
        .map(|(name, data_type, values)| (name, transform::array_of(&values, data_type)))
        .map(|(name, array)| (Field::new(name.as_str(), array.data_type().clone(), true), array))
        .unzip();
    let values = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let times = |of: fn(&Row) -> Micros| {
        TimestampMicrosecondArray::from_iter_values(facts.iter().map(|(_, r)| of(r).get()))
    };
    let facts = Facts {
        event_times: times(|row| row.event_time),
        available_at: times(|row| row.available_at),
        provenance: Provenance::Measured,
        assumed_delay: None,
        positions: facts.iter().map(|(_, row)| row.position).collect(),
        late: BooleanArray::from(vec![false; facts.len()]),
        deleted: facts.iter().map(|(_, row)| Some(row.deleted)).collect(),
    };
    log_batch(view, &values, facts).unwrap()
}

/// How many histories a property is tried on: so many, or what `CASES` says.
pub(crate) fn cases(default: u32) -> Config {
    Config::with_cases(std::env::var("CASES").map_or(default, |cases| cases.parse().unwrap()))
}

/// Runs a scenario of one history to its end.
pub(crate) fn run<F: Future<Output = Result<(), TestCaseError>>>(scenario: F) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(scenario)
}
