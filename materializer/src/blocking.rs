//! Work that waits for a disk or takes a processor for long: it runs on a thread of its own, never on the
//! executor's.

use tokio::task::{JoinError, JoinHandle};

use crate::error::MaterializerError;

/// Runs blocking work on a thread for it and returns its result. A panic of the work goes on in the caller.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MaterializerError> {
    ended(start(work)).await
}

/// Starts blocking work on a thread for it, while the caller goes on.
pub(crate) fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

/// The result of work that was started. A panic of it goes on in the caller.
pub(crate) async fn ended<T>(
    work: impl Future<Output = Result<T, JoinError>>,
) -> Result<T, MaterializerError> {
    match work.await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(MaterializerError::Interrupted),
    }
}
