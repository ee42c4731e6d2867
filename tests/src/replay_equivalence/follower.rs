//! The online side: a store that follows the log. What it has folded lies nowhere but in its
//! packed rows; each write reads a row, folds what is due, and puts it back.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use feature::oracle::Numbers;
use feature::{AsOf, EntityKey, Micros, Row, ServicePlan, Span, View};
use online::{Applied, Layout, Outcome, Read, Reader, RowState, RowWrite, Store, Writer};

use super::Logs;
use crate::label::Label;

/// When rows are written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Writing {
    /// Each once it is visible: before every read, by a writer whose time is the reader's.
    InTime,
    /// Some hours ahead: before several reads, by a writer whose time is that of the read before. What
    /// becomes visible in between waits in the packed row, and the reader folds it.
    Ahead,
}

impl Writing {
    /// How many labels are read between two writes.
    pub(super) fn reads_a_write(self) -> usize {
        match self {
            Writing::InTime => 1,
            Writing::Ahead => 16,
        }
    }
}

/// How far ahead a row is written at most: far fewer rows than may wait.
const AHEAD_HOURS: u64 = 6;

/// A store that has folded, of each entity that is read, at least the rows that are visible.
pub(super) struct Follower {
    pub(super) store: Store,
    /// How many packed rows were written with rows that wait in them.
    pub(super) written_with_waiting_rows: usize,
    writing: Writing,
    plan: Arc<ServicePlan>,
    layouts: Vec<Arc<Layout>>,
    /// For each lookup its entities' rows that are not written yet.
    unwritten: Vec<HashMap<EntityKey, Unwritten>>,
    /// When the writer was last seen.
    now: Micros,
}

/// The rows of an entity, the next to become visible last.
struct Unwritten {
    rows: Vec<Row>,
    writes: u64,
}

impl Follower {
    /// With an empty store.
    pub(super) fn new(store: Store, plan: &Arc<ServicePlan>, logs: &Logs, writing: Writing) -> Self {
        let of_entity = |(key, rows): (&EntityKey, &Vec<Row>)| {
            let mut rows = rows.clone();
            rows.sort_by_key(|row| std::cmp::Reverse((row.visible_at(AsOf::Available), row.position)));
            (key.clone(), Unwritten { rows, writes: 0 })
        };
        let lookups = plan.lookups.iter();
        Self {
            store,
            written_with_waiting_rows: 0,
            writing,
            layouts: lookups.clone().map(|lookup| Arc::new(Layout::new(&lookup.view))).collect(),
            unwritten: lookups.map(|lookup| logs[&lookup.view.id].iter().map(of_entity).collect()).collect(),
            plan: plan.clone(),
            now: Micros::MIN,
        }
    }

    /// Brings the entities of these labels to the moments of all of them, which are in their order and
    /// not before those of the labels before.
    pub(super) async fn pass(&mut self, labels: &[Label], numbers: &mut Numbers) {
        let Some(last) = labels.last().map(|label| label.at) else { return };
        let (until, now) = match self.writing {
            Writing::InTime => (last, last),
            Writing::Ahead => {
                let ahead = Span::of(numbers.below(AHEAD_HOURS * 60) as i64, Span::MINUTE);
                (ahead.map_or(last, |ahead| last.saturating_add(ahead)), self.now)
            }
        };
        let plan = self.plan.clone();
        for (index, lookup) in plan.lookups.iter().enumerate() {
            let entities: BTreeSet<EntityKey> =
                labels.iter().filter_map(|label| label.entity(lookup)).collect();
            self.write(index, &lookup.view, &entities, until, now).await;
        }
        self.now = last;
    }

    /// Folds the rows of these entities that are visible by `until`, at `now`.
    async fn write(
        &mut self,
        index: usize,
        view: &View,
        entities: &BTreeSet<EntityKey>,
        until: Micros,
        now: Micros,
    ) {
        let keys: Vec<EntityKey> = entities.iter().cloned().collect();
        let found = self.store.read(&[Read { view: &view.id, keys: &keys }]).await.unwrap();
        let layout = &self.layouts[index];
        let mut packed = Vec::new();
        let mut applied_at = None;
        for (entity, stored) in keys.iter().zip(found[0].rows()) {
            let Some(unwritten) = self.unwritten[index].get_mut(entity) else { continue };
            let left = unwritten.rows.partition_point(|row| row.visible_at(AsOf::Available) > until);
            let due = unwritten.rows.split_off(left);
            if due.is_empty() {
                continue;
            }
            let stored = stored.map(|bytes| RowState::decode(layout, bytes).unwrap());
            let mut state = stored.unwrap_or_else(|| RowState::new(layout));
            for row in due.iter().rev() {
                assert_ne!(state.fold(row, now), Applied::Refused, "so few rows may wait");
            }
            self.written_with_waiting_rows += usize::from(!state.pending().is_empty());
            unwritten.writes += 1;
            state.set_history(unwritten.writes);
            let mut bytes = Vec::new();
            state.encode(&mut bytes).unwrap();
            packed.push((entity, bytes));
            applied_at = applied_at.max(state.applied_at());
        }
        let rows: Vec<RowWrite<'_>> = packed.iter().map(|(key, bytes)| RowWrite { key, bytes }).collect();
        let outcomes = self.store.replace(&view.id, &rows, applied_at).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Written));
    }
}
