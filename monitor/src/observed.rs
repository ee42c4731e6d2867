//! What is observed of a feature at one entity and moment, and what can be measured of values of its type.

use feature::{DataType, Scalar, Status};

/// A value of one side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Observed<'a> {
    /// There is none.
    Null,
    /// An integer; of a timestamp its microseconds.
    Int(i64),
    /// A float; a float32 is widened, which loses nothing.
    Float(f64),
    /// Text, or a bool as `true` or `false`.
    Text(&'a str),
    /// Bytes, or any other value in an encoding that differs where values differ.
    Bytes(&'a [u8]),
}

impl Observed<'_> {
    pub(crate) const fn is_null(self) -> bool {
        matches!(self, Observed::Null)
    }

    /// Whether two values are equal: floats by their bits, where NaN equals NaN; an integer and a float where they
    /// are the same number.
    pub(crate) fn equals(self, other: Observed<'_>) -> bool {
        match (self, other) {
            (Observed::Float(a), Observed::Float(b)) => {
                a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
            }
            (Observed::Int(a), Observed::Float(b)) | (Observed::Float(b), Observed::Int(a)) => a as f64 == b,
            (a, b) => a == b,
        }
    }

    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Observed::Int(x) => Some(x as f64),
            Observed::Float(x) => Some(x),
            Observed::Null | Observed::Text(_) | Observed::Bytes(_) => None,
        }
    }
}

/// A feature's values in both versions, at one entity and moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pair<'a> {
    /// The old version's.
    pub old: Observed<'a>,
    /// The new version's.
    pub new: Observed<'a>,
    /// Why each is what it is, where that is known.
    pub statuses: Option<(Status, Status)>,
}

/// What is measured of the values of a feature, by its types in both versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// The distribution of integers.
    Ints,
    /// The distribution of numbers of which at least one side has floats.
    Floats,
    /// The distribution of timestamps.
    Times,
    /// How often each value is there: strings, bytes, bools.
    Categories,
    /// Whether they are equal, and nothing else: lists, and types that cannot be compared.
    Equality,
}

impl Measure {
    /// What is measured of a feature of these types.
    pub fn of(old: DataType, new: DataType) -> Self {
        let kind = |data_type: DataType| match data_type.scalar() {
            Some(Scalar::Int32 | Scalar::Int64) => Measure::Ints,
            Some(Scalar::Float32 | Scalar::Float64) => Measure::Floats,
            Some(Scalar::Timestamp) => Measure::Times,
            Some(Scalar::Bool | Scalar::String | Scalar::Bytes) => Measure::Categories,
            None => Measure::Equality,
        };
        match (kind(old), kind(new)) {
            (Measure::Ints, Measure::Floats) | (Measure::Floats, Measure::Ints) => Measure::Floats,
            (Measure::Categories, Measure::Categories) if old != new => Measure::Equality,
            (old, new) if old == new => old,
            _ => Measure::Equality,
        }
    }

    /// Whether the values have an order and a distance.
    pub const fn is_ordered(self) -> bool {
        matches!(self, Measure::Ints | Measure::Floats | Measure::Times)
    }
}
