//! The work of one join: threads that take file after file of view after view, and merge what they
//! have folded.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use feature::View;
use transform::ConformError;

use crate::error::OfflineError;
use crate::join::folded::Folded;
use crate::join::label_times::label_times;
use crate::join::labels::Labels;
use crate::join::latest::Best;
use crate::join::log_reader::Queue;
use crate::join::measured::Reading;
use crate::join::skip::Skip;
use crate::join::spec::{JoinLookup, JoinSpec};
use crate::join::view_fold::{Ask, ViewFold};
use crate::join::while_open::fold_moments;
use crate::log::snapshot::LogFile;

/// One view in one role while it is folded.
struct Lookup {
    /// The view with only the features that are wanted, in their order.
    view: Arc<View>,
    labels: Arc<Labels>,
    best: Arc<Best>,
    queue: Queue,
    folds: Mutex<Vec<ViewFold>>,
    /// Threads that may still fold rows of it.
    open: AtomicUsize,
    folded: Mutex<Option<Result<Folded, OfflineError>>>,
}

/// Rows of a spine and the features of every view at them.
pub(crate) struct Joined {
    spec: Arc<JoinSpec>,
    spine: RecordBatch,
    /// The label time of each row, in microseconds.
    times: Vec<i64>,
    schema: SchemaRef,
    /// One for each of the spec's lookups.
    lookups: Vec<(Arc<Labels>, Folded)>,
}

/// Joins some rows of a spine: all of them are in memory.
pub(crate) fn join(
    spec: &Arc<JoinSpec>,
    spine: RecordBatch,
    reading: &Reading,
) -> Result<Joined, OfflineError> {
    let (times, _) = label_times(&spine, &spec.time).map_err(|problem| OfflineError::Spine(vec![problem]))?;
    let threads = spec.threads.max(1);
    let lookups: Vec<Lookup> = in_turn(threads, &spec.lookups, |lookup| {
        let keys = keys_of(lookup, &spine)?;
        let view = Arc::new(narrowed(lookup));
        let moments = fold_moments(&times, &lookup.openings);
        let skip = Skip::new(&view, &moments.times, &keys, lookup.times.is_some());
        let is_needed = |file: &&LogFile| !file.date.as_ref().is_some_and(|date| skip.skips_date(date));
        let files: Vec<LogFile> = lookup.log.files.iter().filter(is_needed).cloned().collect();
        let left_out = lookup.log.files.len() - files.len();
        reading.row_groups_skipped.fetch_add(left_out as u64, Ordering::Relaxed);
        let labels = Arc::new(moments.answered(Labels::new(&keys, &moments.times)?));
        Ok(Lookup {
            view,
            best: Arc::new(Best::new(&labels)),
            labels,
            queue: Queue::new(lookup.log.location.open()?, files, skip),
            folds: Mutex::new(Vec::new()),
            open: AtomicUsize::new(threads),
            folded: Mutex::new(None),
        })
    })?;
    let ask = Ask { as_of: spec.as_of, leaks: spec.leaks };
    let work = || lookups.iter().for_each(|lookup| lookup.fold(ask, reading));
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        others.into_iter().for_each(|other| {
            if let Err(panic) = other.join() {
                std::panic::resume_unwind(panic);
            }
        });
    });
    let folded =
        lookups.iter().map(|lookup| locked(&lookup.folded).take().unwrap_or(Err(OfflineError::Cancelled)));
    let folded = all_or_first_error(folded.collect())?;
    let labels = lookups.into_iter().map(|lookup| lookup.labels);
    let schema = spec.schema(&spine.schema());
    Ok(Joined { spec: spec.clone(), spine, times, schema, lookups: labels.zip(folded).collect() })
}

impl Joined {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.spine.num_rows()
    }

    /// Some rows, in the spine's order.
    pub(crate) fn batch(&self, rows: Range<usize>) -> Result<RecordBatch, OfflineError> {
        let mut columns = self.spine.slice(rows.start, rows.len()).columns().to_vec();
        let times = self.times.get(rows.clone()).expect("invariant: each row of the spine has a label time");
        for (lookup, (labels, folded)) in self.spec.lookups.iter().zip(&self.lookups) {
            let slots = labels.slot_of_row.get(rows.clone());
            let slots = slots.expect("invariant: each row of the spine has a slot");
            let joined = folded.columns(slots, times)?;
            columns.extend(joined.features);
            if lookup.times.is_some() {
                columns.extend(folded.times(slots).map(|times| Arc::new(times) as ArrayRef));
            }
            if self.spec.leaks {
                columns.extend(joined.leaked.into_iter().map(|leaked| Arc::new(leaked) as ArrayRef));
            }
            if self.spec.filled {
                columns.extend(joined.filled.into_iter().map(|filled| Arc::new(filled) as ArrayRef));
            }
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// What was folded, or why not: an error stops the other lookups, so it goes before their being
/// cancelled.
fn all_or_first_error(folded: Vec<Result<Folded, OfflineError>>) -> Result<Vec<Folded>, OfflineError> {
    let mut all = Vec::new();
    let mut cancelled = false;
    for folded in folded {
        match folded {
            Ok(folded) => all.push(folded),
            Err(OfflineError::Cancelled) => cancelled = true,
            Err(error) => return Err(error),
        }
    }
    if cancelled { Err(OfflineError::Cancelled) } else { Ok(all) }
}

impl Lookup {
    /// Folds files until none is left. The last thread to end merges and finishes.
    fn fold(&self, ask: Ask, reading: &Reading) {
        let mut fold = None;
        let new = || ViewFold::new(self.view.clone(), self.labels.clone(), self.best.clone(), ask);
        let result = self.queue.fold(&mut fold, new, reading);
        if let Some(fold) = fold {
            locked(&self.folds).push(fold);
        }
        if let Err(error) = result {
            // The first error stands; the others only end sooner.
            reading.cancelled.store(true, Ordering::Relaxed);
            locked(&self.folded).get_or_insert(Err(error));
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) > 1 || locked(&self.folded).is_some() {
            return;
        }
        let mut folds = std::mem::take(&mut *locked(&self.folds)).into_iter();
        let mut merged = folds.next().unwrap_or_else(new);
        folds.for_each(|fold| merged.merge(fold));
        let finished = match reading.cancelled.load(Ordering::Relaxed) {
            true => Err(OfflineError::Cancelled),
            false => merged.finish(),
        };
        *locked(&self.folded) = Some(finished);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something for each item, by several threads; the results in the order of the items.
fn in_turn<'a, T: Sync, R: Send>(
    threads: usize,
    items: &'a [T],
    of: impl Fn(&'a T) -> Result<R, OfflineError> + Sync,
) -> Result<Vec<R>, OfflineError> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        while let Some((index, item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, item))
        } {
            let result = of(item);
            locked(&done).push((index, result));
        }
    };
    std::thread::scope(|scope| {
        (1..threads.min(items.len())).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
    let mut done = std::mem::take(&mut *locked(&done));
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The spine's columns that hold a view's join keys, in the view's order and types.
fn keys_of(lookup: &JoinLookup, spine: &RecordBatch) -> Result<Vec<ArrayRef>, OfflineError> {
    lookup
        .keys
        .iter()
        .zip(&lookup.view.keys)
        .map(|(name, key)| {
            let column = spine.column_by_name(name);
            let column =
                column.ok_or_else(|| OfflineError::Spine(vec![format!("there is no join key `{name}`")]))?;
            let unfit =
                |error: ConformError| OfflineError::Spine(vec![format!("the join key `{name}`: {error}")]);
            transform::conformed(column, key).map_err(unfit)
        })
        .collect()
}

/// The view with only the features that are wanted.
fn narrowed(lookup: &JoinLookup) -> View {
    let wanted = lookup.features.iter().filter_map(|(index, _)| lookup.view.features.get(*index).cloned());
    View { features: wanted.collect(), ..View::clone(&lookup.view) }
}
