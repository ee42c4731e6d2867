//! The bodies of requests, read whole before anything else is done: how many bytes of them are held at once, and how
//! slowly they may come.
//!
//! A quarter of the budget is for small bodies, each of which counts as the largest of them; the rest is for what
//! larger ones hold beyond that, taken as it arrives. So a few senders of large bodies cannot keep small ones out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::ServeError;
use crate::limits::Limits;
use crate::request_fault::RequestFault;
use crate::server_fault::ServerFault;

/// The largest of the small bodies.
pub(crate) const SMALL_BYTES: usize = 16 << 10;
/// Bytes of a large body are counted in these.
const UNIT_BYTES: usize = 4 << 10;
/// What is expected of a sender, once its time of grace is over.
const BYTES_A_SECOND: u64 = 64 << 10;

/// The bytes of bodies that are held.
pub(crate) struct Bodies {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    smalls: usize,
    larges: usize,
    limits: Limits,
}

/// The part of the budget that a body has, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _small: OwnedSemaphorePermit,
    large: Option<OwnedSemaphorePermit>,
}

/// A body, and its part of the budget.
pub(crate) struct HeldBody {
    pub bytes: Bytes,
    pub held: Held,
}

impl Bodies {
    pub fn new(limits: &Limits) -> Self {
        let smalls = (limits.max_body_bytes / 4 / SMALL_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        // One of the largest always fits.
        let large = (limits.max_body_bytes / 4 * 3).max(limits.max_request_bytes);
        let larges = large.div_ceil(UNIT_BYTES).min(u32::MAX as usize);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { small: semaphore(smalls), large: semaphore(larges), smalls, larges, limits: *limits }
    }

    /// How many bytes are held now, a small body counted as the largest of them.
    pub fn bytes(&self) -> usize {
        let small = self.smalls.saturating_sub(self.small.available_permits()) * SMALL_BYTES;
        small + self.larges.saturating_sub(self.large.available_permits()) * UNIT_BYTES
    }

    /// Reads a body whole. It has to be there by the deadline, and to come as fast as is expected of everybody.
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        arrived: Instant,
        deadline: Instant,
    ) -> Result<HeldBody, ServeError> {
        let length = headers.get(CONTENT_LENGTH);
        let length: usize = length.and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(0);
        self.fits(length)?;
        let free = self.large.available_permits() * UNIT_BYTES;
        if length > SMALL_BYTES + free {
            return Err(self.full());
        }
        let small = Arc::clone(&self.small).try_acquire_owned().map_err(|_| self.full())?;
        let mut held = Held { _small: small, large: None };
        let mut parts = body.into_data_stream();
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        loop {
            let so_far = first.len() + rest.len();
            let due = arrived + self.limits.body_grace + at_least(so_far);
            let part = timeout_at(due.min(deadline), parts.next()).await;
            let part = match part {
                Err(_) => return Err(RequestFault::SlowBody { bytes: so_far }.into()),
                Ok(None) => break,
                Ok(Some(part)) => {
                    part.map_err(|_| RequestFault::Malformed("its body broke off".to_owned()))?
                }
            };
            self.fits(so_far + part.len())?;
            self.hold(&mut held, so_far + part.len())?;
            if so_far == 0 {
                first = part;
            } else {
                // All parts lie in one buffer once there is a second one.
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&part);
            }
        }
        let bytes = if rest.is_empty() { first } else { rest.freeze() };
        Ok(HeldBody { bytes, held })
    }

    fn fits(&self, bytes: usize) -> Result<(), RequestFault> {
        let limit = self.limits.max_request_bytes;
        if bytes > limit { Err(RequestFault::TooManyBytes { limit }) } else { Ok(()) }
    }

    /// Takes what a body of so many bytes needs beyond what it has.
    fn hold(&self, held: &mut Held, bytes: usize) -> Result<(), ServeError> {
        let needed = bytes.saturating_sub(SMALL_BYTES).div_ceil(UNIT_BYTES);
        let has = held.large.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if needed <= has {
            return Ok(());
        }
        let more = u32::try_from(needed - has).map_err(|_| self.full())?;
        let more = Arc::clone(&self.large).try_acquire_many_owned(more).map_err(|_| self.full())?;
        match &mut held.large {
            Some(large) => large.merge(more),
            None => held.large = Some(more),
        }
        Ok(())
    }

    fn full(&self) -> ServeError {
        ServerFault::NoSpace { limit: self.limits.max_body_bytes }.into()
    }
}

/// How long so many bytes may take.
fn at_least(bytes: usize) -> Duration {
    Duration::from_millis(bytes as u64 * 1_000 / BYTES_A_SECOND)
}
