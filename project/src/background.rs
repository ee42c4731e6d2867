//! A task that goes on beside others until it is stopped, or nobody holds it any more.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A task in the background. Dropped, it is stopped, and nobody waits for its end.
#[derive(Debug)]
pub(crate) struct Background<T> {
    stop: DropGuard,
    task: JoinHandle<T>,
}

impl<T: Default + Send + 'static> Background<T> {
    /// Begins a task that ends once its token is cancelled.
    pub(crate) fn begin<F>(task: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(task(stop.clone())), stop: stop.drop_guard() }
    }

    /// Ends it, and gives its outcome; the default of one that panicked, which has said so.
    pub(crate) async fn stop(self) -> T {
        drop(self.stop);
        self.task.await.unwrap_or_default()
    }
}
