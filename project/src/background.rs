//! Tasks that go on beside others until they are stopped, or nobody holds them any more. One that panics is named in the log
//! and counted: nobody waits for it, so nobody else would notice.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use exposition::{Page, Sample, SampleKind};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Tasks of this process that panicked.
static FAULTS: AtomicU64 = AtomicU64::new(0);

/// A task in the background. Dropped, it is stopped, and nobody waits for its end.
#[derive(Debug)]
pub(crate) struct Background<T> {
    stop: DropGuard,
    task: JoinHandle<Option<T>>,
}

impl<T: Default + Send + 'static> Background<T> {
    /// Begins a task that ends once its token is cancelled. `what` says what ends where it panics.
    pub(crate) fn begin<F>(what: &'static str, task: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(noticed(what, task(stop.clone())));
        Self { task, stop: stop.drop_guard() }
    }

    /// Ends it, and gives its outcome; the default of one that panicked, which was said then.
    pub(crate) async fn stop(self) -> T {
        drop(self.stop);
        self.task.await.ok().flatten().unwrap_or_default()
    }
}

/// Does work beside other work; `None` if it panics, which is logged and counted. Dropped, the work ends.
pub(crate) async fn noticed<T: Send + 'static>(
    what: &str,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await? {
        Ok(done) => Some(done),
        Err(error) => {
            if error.is_panic() {
                FAULTS.fetch_add(1, Ordering::Relaxed);
                tracing::error!("by a fault of twinstore {what} until it is started again: {error}");
            }
            None
        }
    }
}

/// How many tasks of this process panicked, as Prometheus reads it.
pub(crate) fn exposition() -> String {
    let mut page = Page::default();
    page.alone(&Sample {
        name: "twinstore_background_faults_total",
        help: "Tasks beside requests and loads that ended by a fault",
        kind: SampleKind::Counter,
        value: FAULTS.load(Ordering::Relaxed) as f64,
    });
    page.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_counted_and_gives_its_default() {
        let before = FAULTS.load(Ordering::Relaxed);
        let broken: Background<Vec<u8>> =
            Background::begin("nothing is tested", |_| async { panic!("out of luck") });
        assert!(broken.stop().await.is_empty());
        let counted = FAULTS.load(Ordering::Relaxed);
        assert!(counted > before);
        assert!(exposition().contains("\ntwinstore_background_faults_total "), "{}", exposition());
        let sound = Background::begin("nothing is tested", |stop| async move {
            stop.cancelled().await;
            vec![7]
        });
        assert_eq!(sound.stop().await, [7]);
    }
}
