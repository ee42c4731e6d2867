//! The components of aggregates, and how many bytes the state of each takes.

use super::ordered::Keep;
use super::ranked::Rank;
use super::{Edge, ListLength, distinct, sketch};
use crate::exact::{FloatSum, IntSquareSum};
use crate::value::{DataType, Scalar};

/// One part of an aggregate that is kept and merged on its own, so that functions of the same
/// argument share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Component {
    /// How many values (or rows, without an argument).
    Count,
    /// Their exact sum.
    Sum,
    /// The exact sum of their squares.
    Squares,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
    /// The earliest.
    First,
    /// The latest.
    Last,
    /// The earliest few.
    FirstN(ListLength),
    /// The latest few.
    LastN(ListLength),
    /// The earliest few distinct ones.
    DistinctFirstN(ListLength),
    /// The latest few distinct ones.
    DistinctLastN(ListLength),
    /// The greatest few.
    TopN(ListLength),
    /// The smallest few.
    BottomN(ListLength),
    /// The distinct ones, by their hashes.
    Distinct,
    /// How they are distributed.
    Quantiles,
}

impl Component {
    /// Whether the state depends on the event times and positions of its rows.
    pub const fn is_ordered(self) -> bool {
        matches!(
            self,
            Component::First
                | Component::Last
                | Component::FirstN(_)
                | Component::LastN(_)
                | Component::DistinctFirstN(_)
                | Component::DistinctLastN(_)
        )
    }

    /// What a list in the order of rows keeps; `None` for any other component.
    pub(super) const fn keep(self) -> Option<Keep> {
        Some(match self {
            Component::FirstN(length) => Keep { latest: false, distinct: false, length },
            Component::LastN(length) => Keep { latest: true, distinct: false, length },
            Component::DistinctFirstN(length) => Keep { latest: false, distinct: true, length },
            Component::DistinctLastN(length) => Keep { latest: true, distinct: true, length },
            _ => return None,
        })
    }

    /// What a list in the order of values keeps; `None` for any other component.
    pub(super) const fn rank(self) -> Option<Rank> {
        Some(match self {
            Component::TopN(length) => Rank { greatest: true, length },
            Component::BottomN(length) => Rank { greatest: false, length },
            _ => return None,
        })
    }

    /// Bytes of a stored state of nearly all real data: a state whose bytes are as many lies in
    /// a fixed slot, any other in the variable part. `None` if no state has a fixed width.
    pub fn slot_width(self, argument: Option<DataType>) -> Option<usize> {
        let value = argument.and_then(DataType::scalar).and_then(Scalar::width);
        match self {
            Component::Count => Some(8),
            Component::Sum => Some(if is_float(argument) { 16 } else { 8 }),
            Component::Squares => Some(16),
            Component::Min | Component::Max => value,
            Component::First | Component::Last => value.map(|width| Edge::HEAD_BYTES + width),
            _ => None,
        }
    }

    /// Bytes of the longest stored state, where no text, bytes or list of any length takes more than
    /// `value_bytes`.
    pub fn longest_state(self, argument: Option<DataType>, value_bytes: usize) -> usize {
        let width = argument.and_then(DataType::scalar).and_then(Scalar::width);
        let value = argument.map_or(0, |argument| argument.longest_value(value_bytes));
        // In a list a value without a fixed width has its length before it.
        let item = width.unwrap_or(4 + value);
        match self {
            Component::Count => 8,
            Component::Sum | Component::Squares if is_float(argument) => FloatSum::MOST_BYTES,
            Component::Sum => 16,
            Component::Squares => IntSquareSum::MOST_BYTES,
            Component::Min | Component::Max => value,
            Component::First | Component::Last => Edge::HEAD_BYTES + value,
            Component::FirstN(length)
            | Component::LastN(length)
            | Component::DistinctFirstN(length)
            | Component::DistinctLastN(length) => usize::from(length.get()) * (Edge::HEAD_BYTES + item),
            Component::TopN(length) | Component::BottomN(length) => usize::from(length.get()) * item,
            Component::Distinct => distinct::MOST_BYTES,
            Component::Quantiles => sketch::MOST_BYTES,
        }
    }
}

pub(super) fn is_float(argument: Option<DataType>) -> bool {
    matches!(argument, Some(DataType::Scalar(Scalar::Float32 | Scalar::Float64)))
}
