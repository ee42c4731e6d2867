//! Whether a packed row replaces the one that a store has for its entity: one rule for all stores.
//!
//! A store reads the row that it has, asks [`decide`], and writes if that row is still there. So an older fold never
//! replaces a newer one, and a repeated one changes nothing.

use feature::VersionId;

use crate::error::OnlineError;
use crate::mending::Mending;
use crate::packed::RowIdentity;

/// What a store does with a new row, given the row that it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// The new row has folded everything that the current one has: it replaces it.
    Write,
    /// The current row has folded everything that the new one has: it stays.
    Unchanged,
    /// Each has folded what the other has not: the new row has to be folded again, from the current one.
    Refold,
}

/// Decides by the positions in both rows. Rows of different definitions of a view cannot be compared: that is
/// [`OnlineError::Damaged`].
pub fn decide(view: &VersionId, current: &RowIdentity, new: &RowIdentity) -> Result<Decision, OnlineError> {
    if current.schema_id != new.schema_id {
        let what = "it is of another definition of the view";
        return Err(OnlineError::Damaged { view: view.clone(), what });
    }
    Ok(if current.positions.contains(&new.positions) {
        Decision::Unchanged
    } else if new.positions.contains(&current.positions) {
        Decision::Write
    } else {
        Decision::Refold
    })
}

/// Decides for a row that is written again from the log: over a row that is damaged or of another definition, and over
/// one that has folded the same or less, though its bytes may differ.
pub(crate) fn decide_mending(
    view: &VersionId,
    current: &[u8],
    new: &RowIdentity,
    row: &Mending<'_>,
) -> Decision {
    if current == row.bytes {
        return Decision::Unchanged;
    }
    if row.over == Some(current) {
        return Decision::Write;
    }
    match RowIdentity::of(view, current) {
        Ok(current) if current.schema_id == new.schema_id && !new.positions.contains(&current.positions) => {
            Decision::Refold
        }
        _ => Decision::Write,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::positions::Positions;

    fn identity() -> impl Strategy<Value = RowIdentity> {
        let history = prop::option::of(prop::sample::select(vec![0, 1, 1 << 53, (1 << 53) + 1, u64::MAX]));
        let offsets = prop::collection::btree_map(0..3_u32, prop::sample::select(vec![0, 1, u64::MAX]), 0..3);
        (history, offsets).prop_map(|(history, offsets)| RowIdentity {
            schema_id: 7,
            positions: Positions::from_parts(history, offsets.into_iter().collect()).unwrap(),
        })
    }

    proptest! {
        #[test]
        fn a_row_is_written_over_one_that_has_folded_less_and_never_the_other_way_around(
            current in identity(),
            new in identity(),
        ) {
            let view = "one@1".parse().unwrap();
            let there = decide(&view, &current, &new).unwrap();
            let back = decide(&view, &new, &current).unwrap();
            let is_same = current == new;
            prop_assert_eq!(there == Decision::Write, back == Decision::Unchanged && !is_same);
            prop_assert_eq!(there == Decision::Refold, back == Decision::Refold);
            prop_assert_eq!(there == Decision::Unchanged && back == Decision::Unchanged, is_same);
        }
    }

    #[test]
    fn rows_of_different_definitions_are_not_compared() {
        let view = "one@1".parse().unwrap();
        let of = |schema_id| RowIdentity { schema_id, positions: Positions::default() };
        let refusal = decide(&view, &of(1), &of(2)).unwrap_err();
        assert!(refusal.to_string().contains("another definition"), "{refusal}");
    }
}
