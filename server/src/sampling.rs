//! A sample of what is served, for somebody to compare with the log: of every hundred rows of requests one, and at least
//! one a second, but no more than a hundred a second. It goes into a bounded queue; what finds it full is left out and
//! counted, so a read never waits for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use feature::{Answer, EntityKey, Micros, Opening, VersionId, View};
use online::{Positions, RowIdentity};
use read::ReadResult;
use tokio::sync::mpsc;

/// One in so many rows of requests is looked at.
const SAMPLED: u64 = 100;
/// Rows of requests that are looked at in a second.
const MOST_A_SECOND: u64 = 100;
/// Lookups that wait to be taken from the queue.
const QUEUE: usize = 4096;

/// What one lookup of a request was answered.
#[derive(Clone, Debug)]
pub struct ServedRow {
    /// The service that was read.
    pub service: VersionId,
    /// The view that was looked up.
    pub view: Arc<View>,
    /// The entity.
    pub key: EntityKey,
    /// The moment of the read.
    pub at: Micros,
    /// What the entity's online row had folded; `None` if it had no row.
    pub positions: Option<Positions>,
    /// The features that were served, by their indices in the view.
    pub features: Vec<usize>,
    /// A cell for each of them.
    pub answer: Answer,
    /// The opening that the answer was given by, if the view's breaker was open.
    pub opening: Option<Opening>,
}

/// Takes a sample of what is served.
pub struct Sampling {
    sender: mpsc::Sender<ServedRow>,
    began: Instant,
    rows: AtomicU64,
    /// The last second in which a row was read, counted from 1 since it began.
    second: AtomicU64,
    in_second: AtomicU64,
    left_out: AtomicU64,
}

impl Sampling {
    /// A sample, and the queue that it goes into.
    pub fn new() -> (Arc<Self>, mpsc::Receiver<ServedRow>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let sampling = Self {
            sender,
            began: Instant::now(),
            rows: AtomicU64::new(0),
            second: AtomicU64::new(0),
            in_second: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        };
        (Arc::new(sampling), receiver)
    }

    /// Lookups that were to be compared and found the queue full.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Looks at what was read, and takes one of its rows if it is its turn.
    pub(crate) fn look_at(&self, result: &ReadResult) {
        let rows = result.rows as u64;
        if rows == 0 {
            return;
        }
        let before = self.rows.fetch_add(rows, Ordering::Relaxed);
        let second = self.began.elapsed().as_secs() + 1;
        // Most reads find it as it is, and write nothing that others read.
        let is_first = self.second.load(Ordering::Relaxed) < second
            && self.second.fetch_max(second, Ordering::Relaxed) < second;
        if is_first {
            self.in_second.store(0, Ordering::Relaxed);
        }
        let to_next = (SAMPLED - before % SAMPLED) % SAMPLED;
        let row = if to_next < rows { to_next } else { before % rows };
        let is_its_turn = is_first || to_next < rows;
        if is_its_turn && self.in_second.fetch_add(1, Ordering::Relaxed) < MOST_A_SECOND {
            self.take(result, row as usize);
        }
    }

    fn take(&self, result: &ReadResult, row: usize) {
        for looked_up in result.looked_up(row) {
            let positions = match looked_up.packed.map(|bytes| RowIdentity::of(&looked_up.view.id, bytes)) {
                None => None,
                Some(Ok(identity)) => Some(identity.positions),
                // Whoever reads a damaged row gets an error.
                Some(Err(_)) => continue,
            };
            let served = ServedRow {
                service: result.plan.id.clone(),
                view: looked_up.view.clone(),
                key: looked_up.key.clone(),
                at: result.at,
                positions,
                features: looked_up.features.to_vec(),
                answer: looked_up.answer,
                opening: looked_up.opening.cloned(),
            };
            if self.sender.try_send(served).is_err() {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl fmt::Debug for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampling").field("left_out", &self.left_out()).finish_non_exhaustive()
    }
}
