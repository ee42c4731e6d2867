//! Rows fail alone: the rows that make a batch fail are found by halving it, so that one bad row
//! costs the logarithm of the batch, and every other row has what it has in any other batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType as ArrowType;
use arrow::error::ArrowError;

/// What was computed for a range of rows: their values, or why they have none.
pub(crate) type Attempt = Result<ArrayRef, String>;

/// The values of rows 0 to `rows`, null where a row fails on its own, and the rows that do.
/// `attempt` computes a range from its first row and its length, and fails if any row of it does.
pub(crate) fn rows(
    rows: usize,
    data_type: &ArrowType,
    attempt: impl Fn(usize, usize) -> Attempt,
) -> Result<(ArrayRef, Vec<(usize, String)>), ArrowError> {
    let mut pieces: Vec<ArrayRef> = Vec::new();
    let mut failures = Vec::new();
    let mut waiting = vec![(0, rows)];
    while let Some((first, length)) = waiting.pop() {
        match attempt(first, length) {
            _ if length == 0 => {}
            Ok(values) => pieces.push(values),
            Err(reason) if length == 1 => {
                failures.push((first, reason));
                pieces.push(new_null_array(data_type, 1));
            }
            Err(_) => {
                let half = length / 2;
                waiting.push((first + half, length - half));
                waiting.push((first, half));
            }
        }
    }
    let values = match pieces.as_slice() {
        [] => new_null_array(data_type, 0),
        [all] => Arc::clone(all),
        pieces => concat(&pieces.iter().map(|piece| &**piece as &dyn Array).collect::<Vec<_>>())?,
    };
    Ok((values, failures))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;

    fn isolate(bad: &[bool]) -> (ArrayRef, Vec<(usize, String)>, usize) {
        let attempts = Cell::new(0);
        let (values, failures) = rows(bad.len(), &ArrowType::Int64, |first, length| {
            attempts.set(attempts.get() + 1);
            match bad.iter().skip(first).take(length).any(|bad| *bad) {
                true => Err(format!("row {first} of {length}")),
                false => Ok(Arc::new(Int64Array::from_iter_values(first as i64..(first + length) as i64))),
            }
        })
        .unwrap();
        (values, failures, attempts.get())
    }

    proptest! {
        #[test]
        fn exactly_the_bad_rows_fail_and_the_others_keep_their_values(bad in prop::collection::vec(any::<bool>(), 0..40)) {
            let (values, failures, _) = isolate(&bad);
            let expected: Vec<usize> = (0..bad.len()).filter(|row| bad[*row]).collect();
            prop_assert_eq!(failures.iter().map(|(row, _)| *row).collect::<Vec<_>>(), expected);
            for (row, value) in values.as_primitive::<Int64Type>().iter().enumerate() {
                prop_assert_eq!(value, (!bad[row]).then_some(row as i64));
            }
        }
    }

    #[test]
    fn one_bad_row_costs_the_logarithm_of_the_batch() {
        let mut bad = vec![false; 4096];
        bad[1234] = true;
        assert!(isolate(&bad).2 <= 1 + 2 * 12);
    }
}
