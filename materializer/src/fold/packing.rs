//! The packed rows of folded entities, in the order of their keys and as many at a time as one write takes: the next are
//! packed while those before are written.

use std::collections::HashSet;
use std::sync::Arc;

use feature::EntityKey;
use offline::BatchPoint;
use online::OnlineError;
use tokio::task::JoinHandle;

use super::entities::{Entities, Entity, Folded};
use super::packed::Packed;
use crate::blocking;
use crate::error::MaterializerError;

/// Rows of one write.
const ROWS_A_WRITE: usize = 32_768;
/// Bytes of the rows of one write, as far as can be seen from those before.
const BYTES_A_WRITE: usize = 8 << 20;
/// Rows of the first write, of which it is not known how large they are, and of each where a test waits for the middle.
const FIRST_ROWS: usize = 1024;
const ROWS_OF_A_TEST: usize = 4;

/// Rows on their way to a store.
pub(super) struct Packing {
    entities: Entities,
    folded: Folded,
    in_order: Vec<Entity>,
    begun: usize,
    rows: usize,
    /// Whether all writes have the same number of rows.
    is_fixed: bool,
    next: Option<JoinHandle<Result<Vec<Packed>, OnlineError>>>,
}

impl Packing {
    /// The rows of all entities or only some, as such a fold of the log. They are few at a time where a test waits for
    /// a point between two writes.
    pub(super) async fn begin(
        entities: &Entities,
        folded: Folded,
        only: Option<Arc<HashSet<EntityKey>>>,
        between: Option<BatchPoint>,
    ) -> Result<Self, MaterializerError> {
        let is_fixed = between.is_some_and(BatchPoint::is_awaited);
        let sorted = entities.clone();
        let mut packing = Self {
            in_order: blocking::run(move || sorted.in_order(only.as_deref())).await?,
            entities: entities.clone(),
            folded,
            begun: 0,
            rows: if is_fixed { ROWS_OF_A_TEST } else { FIRST_ROWS },
            is_fixed,
            next: None,
        };
        packing.begin_next();
        Ok(packing)
    }

    /// Whether all rows were given.
    pub(super) fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// The rows of the next write; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Packed>>, MaterializerError> {
        let Some(next) = self.next.take() else { return Ok(None) };
        let packed = blocking::ended(next).await??;
        let bytes: usize = packed.iter().map(Packed::bytes).sum();
        if !self.is_fixed {
            let of_each = bytes.div_ceil(self.rows).max(1);
            self.rows = (BYTES_A_WRITE / of_each).clamp(1, ROWS_A_WRITE);
        }
        self.begin_next();
        Ok(Some(packed))
    }

    fn begin_next(&mut self) {
        let rows = self.in_order.get(self.begun..).unwrap_or_default();
        let rows: Vec<Entity> = rows.iter().take(self.rows).copied().collect();
        if rows.is_empty() {
            return;
        }
        self.begun += rows.len();
        let (entities, folded) = (self.entities.clone(), self.folded);
        self.next = Some(blocking::start(move || entities.packed(&rows, folded)));
    }
}
