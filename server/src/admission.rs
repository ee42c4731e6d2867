//! How many requests are answered at once, over all connections, and how many may wait for a permit.
//! One more than that is refused at once: what cannot be answered in time is not taken on.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ServeError;
use crate::limits::Limits;

/// The permits of a server.
pub(crate) struct Admission {
    permits: Semaphore,
    waiting: AtomicUsize,
    max_in_flight: usize,
    max_waiting: usize,
}

impl Admission {
    /// The permits that these bounds name.
    pub fn new(limits: &Limits) -> Self {
        let max_in_flight = limits.max_in_flight.min(Semaphore::MAX_PERMITS);
        Self {
            permits: Semaphore::new(max_in_flight),
            waiting: AtomicUsize::new(0),
            max_in_flight,
            max_waiting: limits.max_waiting,
        }
    }

    /// A permit, at once or after those that came before; it is given back when it is dropped.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>, ServeError> {
        // A permit is only free where nobody waits: one that is given back goes to the first who does.
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiting = Waiting::join(self)?;
        self.permits.acquire().await.map_err(|_| self.busy())
    }

    /// How many requests are answered now.
    pub fn in_flight(&self) -> usize {
        self.max_in_flight.saturating_sub(self.permits.available_permits())
    }

    /// How many wait for a permit now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn busy(&self) -> ServeError {
        ServeError::Busy { limit: self.max_in_flight, waiting: self.max_waiting }
    }
}

/// One who waits; a caller who is gone waits no more.
struct Waiting<'a>(&'a Admission);

impl<'a> Waiting<'a> {
    fn join(admission: &'a Admission) -> Result<Self, ServeError> {
        // Dropped where the queue is full, it takes itself off again.
        let waiting = Self(admission);
        let before = admission.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= admission.max_waiting { Err(admission.busy()) } else { Ok(waiting) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
