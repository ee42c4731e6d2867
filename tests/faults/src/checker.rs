//! What is left in both stores, compared with what was produced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use feature::{Answer, AsOf, EntityKey, Position, Row, Value, oracle};
use futures::StreamExt;
use offline::{row_columns, rows};
use online::{Layout, PackedRow, Read, Reader};

use crate::stream_project::StreamProject;
use crate::topic::Topic;
use crate::witness::{Sample, Seen};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows of the log.
    pub rows: u64,
    /// Clicks that were produced more often than the log has them.
    pub lost: u64,
    /// Clicks that the log has more often than they were produced.
    pub doubled: u64,
    /// Positions that the log holds more than once.
    pub positions_twice: u64,
    /// Streamed rows that the log says could be read before they were produced.
    pub too_early: u64,
    /// Entities whose online row is not the fold of the log, by the oracle.
    pub wrong_online: u64,
    /// Online rows that were seen meanwhile and that no prefix of the log explains.
    pub unexplained: u64,
    /// Online rows that were seen older than before, or gone, although none was lost.
    pub went_back: u64,
    /// How often the online rows were looked at meanwhile.
    pub looks: u64,
    /// The first thing that is wrong, for whoever looks into it.
    pub example: Option<String>,
}

impl Checked {
    /// Whether anything is wrong.
    pub fn is_wrong(&self) -> bool {
        *self != Checked { rows: self.rows, looks: self.looks, ..Checked::default() }
    }

    /// Ends the test where anything is wrong.
    pub fn expect_nothing_wrong(&self) {
        assert!(!self.is_wrong(), "{self:#?}");
    }
}

pub(crate) async fn check(project: &StreamProject, topic: &Topic) -> Checked {
    let mut entities: HashMap<EntityKey, Vec<Row>> = HashMap::new();
    let log = project.log().await;
    let mut stream = log.scan(&row_columns(&project.view)).unwrap();
    while let Some(batch) = stream.next().await {
        for (key, row) in rows(&project.view, &batch.unwrap()).unwrap() {
            entities.entry(key).or_default().push(row);
        }
    }
    let mut checked = Checked::default();
    let mut found: BTreeMap<i64, u32> = BTreeMap::new();
    let mut positions: HashMap<Position, u32> = HashMap::new();
    let id = project.view.columns.iter().position(|column| column.expression == "id").unwrap();
    for row in entities.values().flatten() {
        checked.rows += 1;
        *positions.entry(row.position).or_default() += 1;
        if let Value::Int64(id) = row.values[id] {
            *found.entry(id).or_default() += 1;
            let produced_at = topic.produced_at.get(id as usize);
            // What is known of history's moments is what its source says.
            let is_measured = matches!(row.position, Position::Stream { .. });
            let is_early = is_measured && produced_at.is_some_and(|at| row.available_at < *at);
            checked.too_early += u64::from(is_early);
        }
    }
    checked.positions_twice = positions.values().filter(|times| **times > 1).count() as u64;
    for (id, times) in &topic.produced {
        let in_log = found.get(id).copied().unwrap_or(0);
        checked.lost += u64::from(times.saturating_sub(in_log));
        checked.doubled += u64::from(in_log.saturating_sub(*times));
    }
    for rows in entities.values_mut() {
        rows.sort_by_key(|row| row.position);
    }
    explain(project, project.seen(), &entities, &mut checked);
    compare_online(project, &entities, &mut checked).await;
    checked
}

/// What was seen meanwhile: each row is the fold of those rows of the log that it says it has folded.
fn explain(
    project: &StreamProject,
    seen: Seen,
    entities: &HashMap<EntityKey, Vec<Row>>,
    checked: &mut Checked,
) {
    (checked.looks, checked.went_back) = (seen.looks, seen.went_back);
    checked.example = seen.example;
    for Sample { key, at, positions, answer } in &seen.samples {
        let rows = entities.get(key).map(Vec::as_slice).unwrap_or_default();
        let folded: Vec<Row> = rows.iter().filter(|row| positions.holds(row.position)).cloned().collect();
        let last = folded.last().map(|row| row.position);
        let is_there = positions.partitions().iter().all(|(partition, offset)| {
            let (partition, offset) = (*partition, *offset);
            rows.iter().any(|row| row.position == Position::Stream { partition, offset })
        });
        // It was visible online before the log's stamp, so the log's own moment says nothing here.
        let expected = oracle::answer(&project.view, &folded, *at, AsOf::Event);
        if !is_there || shown(answer) != shown(&expected) {
            checked.unexplained += 1;
            let user = key.decode(&project.view.keys);
            let seen = format!("{user:?} at {at}: {answer:?}, and the log up to {last:?} gives {expected:?}");
            checked.example.get_or_insert(seen);
        }
    }
}

/// Both sides at one moment, after everything was written.
async fn compare_online(
    project: &StreamProject,
    entities: &HashMap<EntityKey, Vec<Row>>,
    checked: &mut Checked,
) {
    let layout = Arc::new(Layout::new(&project.view));
    let keys: Vec<EntityKey> = entities.keys().cloned().collect();
    let found = project.online().await.read(&[Read { view: &project.view.id, keys: &keys }]).await.unwrap();
    let at = project.now();
    assert!(found[0].applied_at() <= Some(at));
    for (key, bytes) in keys.iter().zip(found[0].rows()) {
        let expected = oracle::answer(&project.view, &entities[key], at, AsOf::Available);
        let answer = bytes.map(|bytes| PackedRow::new(&layout, bytes).unwrap().answer(at).unwrap());
        if answer.as_ref().map(shown) != Some(shown(&expected)) {
            checked.wrong_online += 1;
            let user = key.decode(&project.view.keys);
            checked.example.get_or_insert_with(|| format!("{user:?}: {answer:?}, not {expected:?}"));
        }
    }
}

/// What readers see but for the moment of availability, which the log knows later than the row.
fn shown(answer: &Answer) -> (&[feature::Cell], Option<feature::Micros>) {
    (&answer.cells, answer.times.map(|times| times.event_time))
}
