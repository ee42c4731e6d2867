//! The bookkeeping of a batch while its rows are checked: which are still good, and what was said
//! first against each of the others.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder};
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;

use crate::bad_row::{BadReason, BadRow};
use crate::error::TransformError;
use crate::expression::Evaluated;

/// The rows that are still good, and the bad ones so far, by their indices in the input.
pub(crate) struct Kept {
    pub(crate) batch: RecordBatch,
    pub(crate) origins: Vec<u32>,
    pub(crate) bad: Vec<BadRow>,
}

impl Kept {
    pub(crate) fn all(batch: &RecordBatch) -> Self {
        Self { batch: batch.clone(), origins: (0..batch.num_rows() as u32).collect(), bad: Vec::new() }
    }

    /// Leaves the rows where the mask is true.
    pub(crate) fn keep(&mut self, mask: &BooleanArray) -> Result<(), TransformError> {
        if mask.true_count() < mask.len() {
            self.retain_origins(mask);
            self.select(mask)?;
        }
        Ok(())
    }

    /// Leaves the rows of the batch where the mask is true; their origins were taken before.
    pub(crate) fn select(&mut self, mask: &BooleanArray) -> Result<(), TransformError> {
        self.batch = filter_record_batch(&self.batch, mask)?;
        Ok(())
    }

    fn retain_origins(&mut self, mask: &BooleanArray) {
        let mut is_kept = mask.values().iter();
        self.origins.retain(|_| is_kept.next().expect("invariant: a mask has a bit for each row"));
    }

    /// Takes the rows with a verdict from the origins, the bad ones to their list. Gives the mask
    /// of the rows that are left, where some are not.
    pub(crate) fn reject(&mut self, verdicts: Verdicts) -> Option<BooleanArray> {
        if verdicts.0.is_empty() {
            return None;
        }
        let mut mask = BooleanBufferBuilder::new(self.origins.len());
        mask.append_n(self.origins.len(), true);
        verdicts.0.keys().for_each(|row| mask.set_bit(*row, false));
        let mask = BooleanArray::new(mask.finish(), None);
        let origin = |row| *self.origins.get(row).expect("invariant: a verdict is on a row of the batch");
        self.bad.extend(verdicts.into_bad(origin));
        self.retain_origins(&mask);
        Some(mask)
    }
}

/// What is said against a row.
pub(crate) enum Verdict {
    /// Its key holds a null: it is left out.
    NullKey,
    /// It is bad.
    Bad(BadReason),
}

/// What was first said against each row that something was said against.
#[derive(Default)]
pub(crate) struct Verdicts(BTreeMap<usize, Verdict>);

impl Verdicts {
    pub(crate) fn say(&mut self, row: usize, verdict: Verdict) {
        self.0.entry(row).or_insert(verdict);
    }

    pub(crate) fn bad(&mut self, row: usize, reason: BadReason) {
        self.say(row, Verdict::Bad(reason));
    }

    /// The values of an expression, once the rows that it fails on have their verdict.
    pub(crate) fn values_or_fail(&mut self, evaluated: Evaluated, what: impl Fn() -> String) -> ArrayRef {
        for (row, reason) in evaluated.failures {
            self.bad(row, BadReason::Expression { what: what(), reason });
        }
        evaluated.values
    }

    /// How many rows something was said against.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn names(&self, row: usize) -> bool {
        self.0.contains_key(&row)
    }

    /// The rows that are left out over a null in their key, in their order.
    pub(crate) fn null_keys(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter(|(_, verdict)| matches!(verdict, Verdict::NullKey)).map(|(row, _)| *row)
    }

    pub(crate) fn into_bad(self, origin: impl Fn(usize) -> u32) -> impl Iterator<Item = BadRow> {
        self.0.into_iter().filter_map(move |(row, verdict)| match verdict {
            Verdict::NullKey => None,
            Verdict::Bad(reason) => Some(BadRow { row: origin(row), reason }),
        })
    }
}
