//! Work that blocks, for async functions: hashing, decoding and waiting for a disk run on threads of their own. Work that
//! a runtime which is shutting down does not begin any more is an error, and not a panic.

use std::future::Future;
use std::io;

use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;
use tokio::runtime::Handle;

use crate::error::OfflineError;

/// An error that can also be that work was not begun.
pub(crate) trait OfCancelled {
    fn of_cancelled(error: OfflineError) -> Self;
}

impl OfCancelled for OfflineError {
    fn of_cancelled(error: OfflineError) -> Self {
        error
    }
}

impl OfCancelled for io::Error {
    fn of_cancelled(error: OfflineError) -> Self {
        io::Error::other(error)
    }
}

impl OfCancelled for object_store::Error {
    fn of_cancelled(error: OfflineError) -> Self {
        object_store::Error::Generic { store: "log", source: Box::new(error) }
    }
}

impl OfCancelled for DeltaTableError {
    fn of_cancelled(error: OfflineError) -> Self {
        DeltaTableError::Io { source: io::Error::other(error) }
    }
}

impl OfCancelled for DataFusionError {
    fn of_cancelled(error: OfflineError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// Runs work that blocks on a thread of its own. A panic of the work continues here.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: OfCancelled + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(E::of_cancelled(OfflineError::Cancelled)),
    }
}

/// Drives a future whose polls compute for long, as decoding and encoding Parquet do, on a thread of its own.
pub(crate) async fn blocking_future<T, E, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: OfCancelled + Send + 'static,
    F: Future<Output = Result<T, E>>,
{
    let runtime = Handle::current();
    blocking(move || runtime.block_on(work())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_a_runtime_does_not_begin_any_more_is_cancelled() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let done = handle.block_on(blocking(|| Ok::<_, OfflineError>(1)));
        assert!(matches!(done, Err(OfflineError::Cancelled)), "{done:?}");
    }
}
