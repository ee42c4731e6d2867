//! Whether requests come faster than they are answered, seen by how late the tasks of the server run, and which of them
//! are refused then. It costs a request one atomic read.
//!
//! Work that waits for a core waits in the queue of the runtime, where nothing can be said of it. A probe sleeps for a
//! moment, again and again: as late as it wakes, so late is every other task. Where even the shortest delay of a window
//! is above the target, the queue does not empty, and a share of the requests is refused that grows until it does
//! (CoDel, RFC 8289, looks at the same minimum).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long the probe sleeps.
const PROBE: Duration = Duration::from_millis(5);
/// Probes of one window.
const WINDOW: usize = 10;
/// Shares are counted in parts of this.
const WHOLE: u32 = 1_024;
/// The largest share that is refused: some requests have to show that others can be answered.
const MOST: u32 = WHOLE / 100 * 98;

/// The share of requests that is refused now.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    share: AtomicU32,
    turn: AtomicU32,
    delay_micros: AtomicU64,
}

impl Overload {
    /// Whether this request is refused. Those that are lie evenly among the others.
    pub fn refuses(&self) -> bool {
        let share = self.share.load(Ordering::Relaxed);
        if share == 0 {
            return false;
        }
        let before = self.turn.fetch_add(share, Ordering::Relaxed) % WHOLE;
        before + share >= WHOLE
    }

    /// The share of requests that is refused, from 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.share.load(Ordering::Relaxed)) / f64::from(WHOLE)
    }

    /// The shortest delay of the last window, in seconds.
    pub fn delay_s(&self) -> f64 {
        self.delay_micros.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// Probes for as long as it runs.
    pub async fn watch(&self, target: Duration) {
        loop {
            let mut shortest = Duration::MAX;
            for _ in 0..WINDOW {
                let due = Instant::now() + PROBE;
                sleep(PROBE).await;
                shortest = shortest.min(due.elapsed());
            }
            self.saw(shortest, target);
        }
    }

    /// Takes the shortest delay of a window into account.
    fn saw(&self, shortest: Duration, target: Duration) {
        self.delay_micros.store(u64::try_from(shortest.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let share = self.share.load(Ordering::Relaxed);
        let next = if shortest > target {
            share + (WHOLE - share).div_ceil(4)
        } else {
            // Slowly, so that the queue does not fill again at once.
            share - share.div_ceil(8)
        };
        self.share.store(next.min(MOST), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(25);

    fn refused(overload: &Overload) -> usize {
        (0..1_024).filter(|_| overload.refuses()).count()
    }

    #[test]
    fn a_queue_that_does_not_empty_has_a_growing_share_refused_and_one_that_does_has_none() {
        let overload = Overload::default();
        overload.saw(TARGET, TARGET);
        assert_eq!(refused(&overload), 0);
        overload.saw(TARGET * 2, TARGET);
        assert_eq!(refused(&overload), 256);
        (0..20).for_each(|_| overload.saw(TARGET * 2, TARGET));
        let most = refused(&overload);
        assert!((900..1_010).contains(&most), "{most}");
        (0..60).for_each(|_| overload.saw(Duration::ZERO, TARGET));
        assert_eq!(refused(&overload), 0);
    }
}
