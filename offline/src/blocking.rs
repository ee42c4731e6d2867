//! Work that blocks, for async functions: hashing, decoding and waiting for a disk run on threads of their own.

use std::future::Future;

use tokio::runtime::Handle;

/// Runs work that blocks on a thread of its own; a panic there goes on here.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Drives a future whose polls compute for long, as decoding and encoding Parquet do, on a thread of its own.
pub(crate) async fn blocking_future<T, F>(work: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let runtime = Handle::current();
    blocking(move || runtime.block_on(work())).await
}
