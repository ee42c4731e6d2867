//! Whether the online store answers. Only a probe decides, so that one failed read does not turn a
//! server away from all others; a failed read asks for a probe at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use feature::{EntityKey, VersionId};
use online::{OnlineError, Read, Reader};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long from one probe to the next, in a server whose reads succeed or that has none.
const EVERY: Duration = Duration::from_secs(1);
/// How long a probe may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known about the store.
#[derive(Default)]
pub(crate) struct Availability {
    is_gone: AtomicBool,
    /// What the store said when the last probe failed, where it answered.
    refusal: Mutex<Option<String>>,
    /// What health was last reported.
    is_ill: AtomicBool,
    doubted: Notify,
}

impl Availability {
    /// Whether the last probe failed.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// What the store said when the last probe failed; `None` if it did not answer.
    pub fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Health is to say this. Gives whether it has said otherwise.
    pub fn tell(&self, is_ill: bool) -> bool {
        self.is_ill.swap(is_ill, Ordering::Relaxed) != is_ill
    }

    /// A read has found the store out of reach.
    pub fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Waits until it is time for a probe.
    pub async fn doubted(&self) {
        // Without a doubt the time simply passes.
        let _ = timeout(EVERY, self.doubted.notified()).await;
    }

    /// Asks the store for an entity that no view can have. Gives whether what is known has changed.
    pub async fn probe<R: Reader>(&self, store: &R, view: Option<&VersionId>) -> bool {
        let (Some(view), Ok(nobody)) = (view, EntityKey::from_bytes(Box::default())) else { return false };
        let keys = [nobody];
        let reads = [Read { view, keys: &keys }];
        let read = timeout(PATIENCE, store.read(&reads)).await;
        let (is_gone, refusal) = match read {
            Ok(Ok(_)) => (false, None),
            Ok(Err(OnlineError::Unavailable { .. })) | Err(_) => (true, None),
            Ok(Err(error)) => (is_out_of_reach(&error), Some(error.to_string())),
        };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal.filter(|_| is_gone);
        self.is_gone.swap(is_gone, Ordering::Relaxed) != is_gone
    }
}

/// Whether an error says that the store is out of reach, and not that something in it is damaged.
fn is_out_of_reach(error: &OnlineError) -> bool {
    !error.is_of_rows()
}
