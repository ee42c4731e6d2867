//! How states lie in a store: the same bytes for the same rows.

use super::component::is_float;
use super::{Component, DistinctCount, Edge, Ordered, QuantileSketch, Ranked, State};
use crate::exact::{Fixed, FloatSum, IntSquareSum, Specials};
use crate::value::{DataType, Value};

impl State {
    /// Appends the state's bytes, the same for the same rows in whatever order they came: as
    /// many as [`Component::slot_width`] where it fits its slot. Nothing was added: no bytes, for
    /// min, max, first, last and what gives lists.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            State::Count(n) => out.extend_from_slice(&n.to_le_bytes()),
            State::IntSum(sum) => match i64::try_from(*sum) {
                Ok(sum) => out.extend_from_slice(&sum.to_le_bytes()),
                Err(_) => out.extend_from_slice(&sum.to_le_bytes()),
            },
            State::FloatSum(sum) | State::FloatSquares(sum) => write_float_sum(sum, out),
            State::IntSquares(sum) => match sum.parts() {
                Ok(sum) => out.extend_from_slice(&sum.to_le_bytes()),
                Err(rest) => rest.write(out),
            },
            State::Min(value) | State::Max(value) => {
                if let Some(value) = value {
                    value.write(out);
                }
            }
            State::First(edge) | State::Last(edge) => {
                if let Some(edge) = edge {
                    edge.write_head(out);
                    edge.value.write(out);
                }
            }
            State::Ordered(list) => list.write(out),
            State::Ranked(list) => list.write(out),
            State::Distinct(count) => count.write(out),
            State::Quantiles(sketch) => sketch.write(out),
        }
    }

    /// Reads what [`State::write`] wrote; `None` if the bytes are not a valid such state. `present` says
    /// whether anything was added, for min, max, first and last, whose value may have no bytes.
    pub fn read(
        component: Component,
        argument: Option<DataType>,
        present: bool,
        bytes: &[u8],
    ) -> Option<State> {
        let float = is_float(argument);
        Some(match component {
            Component::Count => {
                State::Count(Some(u64::from_le_bytes(bytes.try_into().ok()?)).filter(|n| *n <= MOST_ROWS)?)
            }
            Component::Sum if float => State::FloatSum(read_float_sum(bytes)?),
            Component::Sum => State::IntSum(match bytes.len() {
                8 => i64::from_le_bytes(bytes.try_into().ok()?).into(),
                _ => Some(i128::from_le_bytes(bytes.try_into().ok()?))
                    .filter(|sum| sum.unsigned_abs() <= u128::from(MOST_ROWS) << 63)?,
            }),
            Component::Squares if float => State::FloatSquares(read_float_sum(bytes)?),
            Component::Squares => State::IntSquares(IntSquareSum::from_parts(match bytes.len() {
                16 => Ok(u128::from_le_bytes(bytes.try_into().ok()?)),
                _ => Err(Fixed::read(bytes)?),
            })),
            Component::Min if !present => State::Min(None),
            Component::Max if !present => State::Max(None),
            Component::First if !present => State::First(None),
            Component::Last if !present => State::Last(None),
            Component::Min => State::Min(Some(Value::read(argument?, bytes)?)),
            Component::Max => State::Max(Some(Value::read(argument?, bytes)?)),
            Component::First => State::First(Some(read_edge(argument?, bytes)?)),
            Component::Last => State::Last(Some(read_edge(argument?, bytes)?)),
            Component::Distinct => State::Distinct(DistinctCount::read(bytes)?),
            Component::Quantiles => State::Quantiles(QuantileSketch::read(bytes)?),
            Component::FirstN(_)
            | Component::LastN(_)
            | Component::DistinctFirstN(_)
            | Component::DistinctLastN(_)
            | Component::TopN(_)
            | Component::BottomN(_) => match (component.keep(), component.rank()) {
                (Some(keep), _) => State::Ordered(Ordered::read(keep, argument?, bytes)?),
                (_, Some(rank)) => State::Ranked(Ranked::read(rank, argument?, bytes)?),
                _ => return None,
            },
        })
    }
}

/// Rows that no state has more of: so no merge of states that were read overflows, whoever wrote them.
const MOST_ROWS: u64 = 1 << 48;

/// Two doubles (16 bytes) where they hold the sum; else a byte of specials, then either the two
/// doubles (17 bytes) or the fixed-point number (3 + 8 × limbs bytes).
fn write_float_sum(sum: &FloatSum, out: &mut Vec<u8>) {
    let (specials, parts) = sum.parts();
    if specials.any() || parts.is_err() {
        out.push(specials.to_bits());
    }
    match parts {
        Ok((high, low)) => {
            out.extend_from_slice(&high.to_le_bytes());
            out.extend_from_slice(&low.to_le_bytes());
        }
        Err(rest) => rest.write(out),
    }
}

fn read_float_sum(bytes: &[u8]) -> Option<FloatSum> {
    let doubles = |bytes: &[u8]| -> Option<(f64, f64)> {
        let (high, low) = bytes.split_first_chunk::<8>()?;
        Some((f64::from_le_bytes(*high), f64::from_le_bytes(low.try_into().ok()?)))
    };
    let (specials, parts) = match (bytes.len(), bytes) {
        (16, bytes) => (Specials::default(), Ok(doubles(bytes)?)),
        (17, [bits, rest @ ..]) => (Specials::from_bits(*bits), Ok(doubles(rest)?)),
        (_, [bits, rest @ ..]) => (Specials::from_bits(*bits), Err(Fixed::read(rest)?)),
        (_, []) => return None,
    };
    Some(FloatSum::from_parts(specials, parts))
}

fn read_edge(argument: DataType, mut bytes: &[u8]) -> Option<Edge> {
    let (event_time, position) = Edge::read_head(&mut bytes)?;
    Some(Edge { event_time, position, value: Value::read(argument, bytes)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Scalar;

    #[test]
    fn a_state_of_more_rows_than_there_can_be_is_none() {
        let count = |n: u64| State::read(Component::Count, None, true, &n.to_le_bytes());
        assert!(count(MOST_ROWS).is_some() && count(MOST_ROWS + 1).is_none() && count(u64::MAX).is_none());
        let sum =
            |sum: i128| State::read(Component::Sum, Some(Scalar::Int64.into()), true, &sum.to_le_bytes());
        let most = i128::from(MOST_ROWS) << 63;
        assert!(sum(most).is_some() && sum(-most).is_some());
        assert!(sum(most + 1).is_none() && sum(i128::MIN).is_none());
    }
}
