//! The online side: an embedded store that follows the log. What it has folded lies nowhere but in its
//! packed rows; each write reads a row, folds what is due, and puts it back.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use feature::oracle::Numbers;
use feature::{AsOf, EntityKey, Micros, Row, ServicePlan, Span, View};
use online::{Applied, Embedded, Layout, Outcome, Read, Reader, Replacement, RowState, Writer};

use super::Logs;
use crate::label::Label;

/// When rows are written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Writing {
    /// Each once it is visible, by a writer whose time is the reader's.
    InTime,
    /// Up to some hours ahead, by a writer whose time is that of the read before: what becomes visible
    /// between the two waits in the packed row, and the reader folds it.
    Ahead,
}

/// How far ahead a row is written at most: far fewer rows than may wait.
const AHEAD_HOURS: u64 = 6;

/// A store that has folded, of each entity that was asked about, at least the rows that are visible.
pub(super) struct Follower {
    pub(super) store: Embedded,
    /// How many packed rows were read while rows waited in them.
    pub(super) reads_with_waiting_rows: usize,
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
    pub(super) fn new(path: &Path, plan: &Arc<ServicePlan>, logs: &Logs, writing: Writing) -> Self {
        let of_entity = |(key, rows): (&EntityKey, &Vec<Row>)| {
            let mut rows = rows.clone();
            rows.sort_by_key(|row| std::cmp::Reverse((row.visible_at(AsOf::Available), row.position)));
            (key.clone(), Unwritten { rows, writes: 0 })
        };
        let lookups = plan.lookups.iter();
        Self {
            store: Embedded::open(path).unwrap(),
            reads_with_waiting_rows: 0,
            writing,
            layouts: lookups.clone().map(|lookup| Arc::new(Layout::new(&lookup.view))).collect(),
            unwritten: lookups.map(|lookup| logs[&lookup.view.id].iter().map(of_entity).collect()).collect(),
            plan: plan.clone(),
            now: Micros::MIN,
        }
    }

    /// Brings the label's entities to its moment, which is not before that of the label before.
    pub(super) async fn pass(&mut self, label: &Label, numbers: &mut Numbers) {
        let plan = self.plan.clone();
        let (until, now) = match self.writing {
            Writing::InTime => (label.at, label.at),
            Writing::Ahead => {
                let ahead = Span::of(numbers.below(AHEAD_HOURS * 60) as i64, Span::MINUTE);
                (ahead.map_or(label.at, |ahead| label.at.saturating_add(ahead)), self.now)
            }
        };
        for (place, lookup) in plan.lookups.iter().enumerate() {
            if let Some(entity) = label.entity(lookup) {
                self.write(place, &lookup.view, &entity, until, now).await;
            }
        }
        self.now = label.at;
    }

    /// Folds the rows of an entity that are visible by `until`, at `now`.
    async fn write(&mut self, place: usize, view: &View, entity: &EntityKey, until: Micros, now: Micros) {
        let Some(unwritten) = self.unwritten[place].get_mut(entity) else { return };
        let layout = &self.layouts[place];
        let keys = std::slice::from_ref(entity);
        let found = self.store.read(&[Read { view: &view.id, keys }]).await.unwrap();
        let held = found[0].row(0).map(|bytes| RowState::decode(layout, bytes).unwrap());
        let mut state = held.unwrap_or_else(|| RowState::new(layout));
        let left = unwritten.rows.partition_point(|row| row.visible_at(AsOf::Available) > until);
        let due = unwritten.rows.split_off(left);
        for row in due.iter().rev() {
            assert_ne!(state.fold(row, now), Applied::Refused, "so few rows may wait");
        }
        self.reads_with_waiting_rows += usize::from(!state.pending().is_empty());
        if due.is_empty() {
            return;
        }
        unwritten.writes += 1;
        state.set_history(unwritten.writes);
        let mut bytes = Vec::new();
        state.encode(&mut bytes).unwrap();
        let rows = [Replacement { key: entity, bytes: &bytes }];
        let outcomes = self.store.replace(&view.id, &rows, state.applied_at()).await.unwrap();
        assert_eq!(outcomes, [Outcome::Written]);
    }
}
