//! One view read in one role: its log read once by several threads, past the labels of the spine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use feature::Micros;

use crate::error::OfflineError;
use crate::join::labels::Labels;
use crate::join::log_reader::{Queue, Reading};
use crate::join::view_fold::{Ask, Folded, ViewFold};
use crate::log::Log;

/// Folds a view's log at every label. Blocks; each thread folds files of its own, and their folds are
/// merged, which law 5 allows in any order.
pub(crate) fn fold(
    log: &Log,
    labels: Arc<Labels>,
    ask: Ask,
    threads: usize,
    reading: &Reading,
) -> Result<Folded, OfflineError> {
    let until = labels.span.and_then(|(_, latest)| Micros::new(latest).ok());
    let (files, left_out) = log.files_until(until);
    reading.row_groups_skipped.fetch_add(left_out as u64, Ordering::Relaxed);
    let threads = threads.clamp(1, files.len().max(1));
    let queue = Queue::new(log.storage()?, files, until.map(Micros::get));
    let one = || {
        let mut fold = ViewFold::new(log.view().clone(), labels.clone(), ask);
        queue.fold(&mut fold, reading).map(|()| fold)
    };
    let folds: Vec<Result<ViewFold, OfflineError>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
        let mut folds = vec![one()];
        for other in others {
            match other.join() {
                Ok(fold) => folds.push(fold),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        folds
    });
    let mut merged: Option<ViewFold> = None;
    for fold in folds {
        match &mut merged {
            Some(merged) => merged.merge(fold?),
            None => merged = Some(fold?),
        }
    }
    merged.unwrap_or_else(|| ViewFold::new(log.view().clone(), labels.clone(), ask)).finish()
}
