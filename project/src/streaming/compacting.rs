//! Each flush of a stream is a file of the log, so small ones are put together while the stream runs.

use std::sync::Arc;
use std::time::Duration;

use feature::View;
use materializer::Materializer;
use online::Store;

/// How often the files of the log are counted.
const COMPACT_EVERY: Duration = Duration::from_secs(30);
/// Files of a log beyond which it is compacted.
pub(super) const FILES_BEFORE_COMPACTING: usize = 300;

/// Compacts a view's log whenever it has many files, until it is dropped.
pub(super) async fn compact(materializer: Arc<Materializer<Store>>, view: Arc<View>) {
    loop {
        tokio::time::sleep(COMPACT_EVERY).await;
        match materializer.compact(&view, FILES_BEFORE_COMPACTING).await {
            Ok(None) => {}
            Ok(Some(done)) => {
                tracing::info!("{}: {} files are {} now", view.id, done.files_before, done.files_after);
            }
            // It is tried again: nothing depends on it.
            Err(error) => tracing::warn!("{}: its log was not compacted: {error}", view.id),
        }
    }
}
