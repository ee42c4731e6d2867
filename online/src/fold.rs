//! The fold of one entity's rows, as it changes: what a writer keeps between two packed rows.

use std::sync::Arc;

use feature::{Answer, Micros, Position, Row};

use crate::error::OnlineError;
use crate::packed::Layout;
use crate::positions::Positions;

/// How many rows of an entity may wait to become visible.
pub const PENDING_BOUND: usize = 256;

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It counts from now on.
    Folded,
    /// It waits until it is visible.
    Pending,
    /// It was folded before: nothing changed.
    PassedOver,
    /// Too many rows wait already: it is a bad row, and nothing changed.
    Refused,
}

/// The fold of one entity's rows in one view version.
#[derive(Clone, Debug)]
pub struct RowState {
    layout: Arc<Layout>,
    positions: Positions,
}

impl RowState {
    /// The fold of no rows.
    pub fn new(layout: &Arc<Layout>) -> Self {
        Self { layout: Arc::clone(layout), positions: Positions::default() }
    }

    /// The fold that a packed row holds; the whole row is checked.
    pub fn decode(layout: &Arc<Layout>, bytes: &[u8]) -> Result<Self, OnlineError> {
        let _ = bytes;
        Ok(Self::new(layout))
    }

    /// Folds a row of a stream at `now`, unless it was folded before.
    pub fn apply(&mut self, row: &Row, now: Micros) -> Applied {
        if self.is_folded(row.position) { Applied::PassedOver } else { self.fold(row, now) }
    }

    /// Folds a row of the log at `now`: each row once, in any order.
    pub fn fold(&mut self, row: &Row, now: Micros) -> Applied {
        let _ = (row, now, &self.layout);
        todo!()
    }

    /// Whether a streamed row was folded before.
    pub fn is_folded(&self, position: Position) -> bool {
        self.positions.holds(position)
    }

    /// What was folded.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Notes that all rows of the log at this version were folded.
    pub fn set_history(&mut self, version: u64) {
        self.positions.set_history(version);
    }

    /// The greatest `visible_at` of the rows that were folded since this state was made or read; the
    /// view's applied time is at least that once the row is written.
    pub fn applied_at(&self) -> Option<Micros> {
        todo!()
    }

    /// All features of the view at a moment that is not before the view's applied time.
    pub fn answer(&self, at: Micros) -> Answer {
        let _ = at;
        todo!()
    }

    /// Appends the packed row: the same bytes for the same rows, in whatever order they came.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), OnlineError> {
        let _ = out;
        todo!()
    }
}
