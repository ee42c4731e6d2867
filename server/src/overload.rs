//! Whether requests come faster than they are answered, seen by how long they wait for a thread, and which of them are
//! refused then. It costs a request a few atomic operations.
//!
//! Work that waits for a core waits in the queue of the runtime. Of a request of HTTP/2 it is known for how long: from its
//! head to the first moment of its task. For others a probe goes to the end of that queue, again and again. Where the mean
//! of a window is above the target, the queue does not empty, and a share of the requests is refused that grows until it
//! does (compare CoDel, RFC 8289, and PIE, RFC 8033).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use access::Priority;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// How long the probe sleeps.
const PROBE: Duration = Duration::from_millis(10);
/// Probes of one window.
const WINDOW: usize = 5;
/// Shares are counted in parts of this.
const WHOLE: u32 = 1_024;
/// The largest share that is refused: some requests have to show that others can be answered.
const MOST: u32 = WHOLE / 100 * 98;

/// The share of requests that is refused now.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    share: AtomicU32,
    /// One for each priority, the lowest first.
    turns: [AtomicU32; 3],
    delay_micros: AtomicU64,
    /// Of the requests of this window.
    waited_micros: AtomicU64,
    waits: AtomicU64,
}

impl Overload {
    /// A request has waited this long for a thread.
    pub fn waited(&self, time: Duration) {
        self.waited_micros.fetch_add(micros(time), Ordering::Relaxed);
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this request is refused. Those that are lie evenly among the others of their priority.
    pub fn refuses(&self, priority: Priority) -> bool {
        let share = self.share.load(Ordering::Relaxed);
        if share == 0 {
            return false;
        }
        let share = share_of(priority, share);
        let [low, normal, high] = &self.turns;
        let turn = match priority {
            Priority::Low => low,
            Priority::Normal => normal,
            Priority::High => high,
        };
        let before = turn.fetch_add(share, Ordering::Relaxed) % WHOLE;
        before + share >= WHOLE
    }

    /// The share of requests that is refused, from 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.share.load(Ordering::Relaxed)) / f64::from(WHOLE)
    }

    /// The delay of the last window, in seconds.
    pub fn delay_s(&self) -> f64 {
        self.delay_micros.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// Watches for as long as it runs.
    pub async fn watch(&self, target: Duration) {
        loop {
            let mut shortest = Duration::MAX;
            for _ in 0..WINDOW {
                sleep(PROBE).await;
                let began = Instant::now();
                yield_now().await;
                shortest = shortest.min(began.elapsed());
            }
            let (sum, count) =
                (self.waited_micros.swap(0, Ordering::Relaxed), self.waits.swap(0, Ordering::Relaxed));
            let mean = Duration::from_micros(sum.checked_div(count).unwrap_or(0));
            self.saw(shortest.max(mean), target);
        }
    }

    /// Takes the delay of a window into account.
    fn saw(&self, delay: Duration, target: Duration) {
        self.delay_micros.store(micros(delay), Ordering::Relaxed);
        let share = self.share.load(Ordering::Relaxed);
        let next = if delay > target {
            share + (WHOLE - share).div_ceil(4)
        } else {
            // Slowly, so that the queue does not fill again at once.
            share - share.div_ceil(8)
        };
        self.share.store(next.min(MOST), Ordering::Relaxed);
    }
}

/// The share of the requests of a priority: of low ones twice as many are refused as of normal ones, and of high ones none
/// until most of the normal ones are.
fn share_of(priority: Priority, share: u32) -> u32 {
    match priority {
        Priority::Low => (2 * share).min(MOST),
        Priority::Normal => share,
        Priority::High => (2 * share).saturating_sub(WHOLE),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(25);

    fn refused(overload: &Overload) -> usize {
        refused_of(overload, Priority::Normal)
    }

    fn refused_of(overload: &Overload, priority: Priority) -> usize {
        (0..1_024).filter(|_| overload.refuses(priority)).count()
    }

    #[test]
    fn the_lower_priority_is_refused_first() {
        let overload = Overload::default();
        overload.saw(TARGET * 2, TARGET);
        let refused =
            || [Priority::Low, Priority::Normal, Priority::High].map(|each| refused_of(&overload, each));
        assert_eq!(refused(), [512, 256, 0]);
        (0..2).for_each(|_| overload.saw(TARGET * 2, TARGET));
        let [low, normal, high] = refused();
        assert!(low > normal && normal > high && high > 0, "{low} {normal} {high}");
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
