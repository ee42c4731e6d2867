//! How many requests are answered at once, over all connections, and how many may wait for a permit, and for how long.
//! One more than that is refused at once: what cannot be answered in time is not taken on.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::error::ServeError;
use crate::limits::Limits;
use crate::server_fault::ServerFault;

/// The permits of a server.
pub(crate) struct Admission {
    permits: Semaphore,
    waiting: AtomicUsize,
    max_in_flight: usize,
    max_waiting: usize,
    max_wait: Duration,
    target_wait: Duration,
    began: Instant,
    /// When a request last found a permit without waiting, in milliseconds from `began`.
    was_free_ms: AtomicU64,
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
            max_wait: limits.max_wait,
            target_wait: limits.target_wait,
            began: Instant::now(),
            was_free_ms: AtomicU64::new(0),
        }
    }

    /// A permit, at once or after those that came before; it is given back when it is dropped.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>, ServeError> {
        // A permit is only free where nobody waits: one that is given back goes to the first who does.
        if let Ok(permit) = self.permits.try_acquire() {
            self.was_free_ms.store(self.now_ms(), Ordering::Relaxed);
            return Ok(permit);
        }
        let _waiting = Waiting::join(self)?;
        let patience = self.patience();
        match timeout(patience, self.permits.acquire()).await {
            Ok(permit) => permit.map_err(|_| self.busy()),
            Err(_) => Err(ServerFault::Queued { millis: patience.as_millis() }.into()),
        }
    }

    /// How long a request waits: a burst may, and a queue that does not empty is kept short, so that who is answered
    /// is answered in time.
    fn patience(&self) -> Duration {
        let since = self.now_ms().saturating_sub(self.was_free_ms.load(Ordering::Relaxed));
        if u128::from(since) < self.max_wait.as_millis() { self.max_wait } else { self.target_wait }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
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
        ServerFault::Busy { limit: self.max_in_flight, waiting: self.max_waiting }.into()
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
