//! Law 5: every aggregate is a commutative monoid. A function is finished from the states of its
//! components; each state can be added to, merged in any order, and stored.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exact::{self, Fixed, FloatSum, IntSquareSum, Specials};
use crate::row::Position;
use crate::time::Micros;
use crate::value::{DataType, Scalar, Value};

/// An aggregate function, as definitions name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// How many rows, or how many values that are not null.
    Count,
    /// The exact sum, rounded once.
    Sum,
    /// The rounded exact sum divided by the count.
    Mean,
    /// The smallest value.
    Min,
    /// The greatest value.
    Max,
    /// The sample variance, by n − 1.
    Variance,
    /// The population variance, by n.
    VarPop,
    /// The square root of the sample variance.
    Stddev,
    /// The square root of the population variance.
    StddevPop,
    /// The earliest value by (event time, position).
    First,
    /// The latest value by (event time, position).
    Last,
}

/// A function that cannot take its argument.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AggregateError {
    /// The argument has a type that the function does not take.
    #[error("{function} does not take {given}: it takes {takes}")]
    WrongArgument {
        /// The function's name.
        function: &'static str,
        /// The argument's type.
        given: DataType,
        /// The types that it takes, in words.
        takes: &'static str,
    },
    /// Every function but count needs an argument.
    #[error("{function} needs an argument: write {function}(column)")]
    NoArgument {
        /// The function's name.
        function: &'static str,
    },
}

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
}

impl Function {
    /// Every function, in the order in which the documentation lists them.
    pub const ALL: [Function; 11] = [
        Function::Count,
        Function::Sum,
        Function::Mean,
        Function::Min,
        Function::Max,
        Function::Variance,
        Function::VarPop,
        Function::Stddev,
        Function::StddevPop,
        Function::First,
        Function::Last,
    ];

    /// The name that definitions use.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Count => "count",
            Function::Sum => "sum",
            Function::Mean => "mean",
            Function::Min => "min",
            Function::Max => "max",
            Function::Variance => "variance",
            Function::VarPop => "var_pop",
            Function::Stddev => "stddev",
            Function::StddevPop => "stddev_pop",
            Function::First => "first",
            Function::Last => "last",
        }
    }

    /// What it gives, in one line of documentation.
    pub const fn description(self) -> &'static str {
        match self {
            Function::Count => "how many rows; with an argument, how many values that are not null",
            Function::Sum => "the exact sum, rounded once; null where an integer sum does not fit int64",
            Function::Mean => "the exact sum rounded to a double, divided by the count",
            Function::Min => "the smallest value; NaN where there is one",
            Function::Max => "the greatest value; NaN where there is one",
            Function::Variance => "the sample variance (by n - 1); null for one row",
            Function::VarPop => "the population variance (by n)",
            Function::Stddev => "the square root of `variance`",
            Function::StddevPop => "the square root of `var_pop`",
            Function::First => "the earliest value by event time, then position",
            Function::Last => "the latest value by event time, then position, nulls passed over",
        }
    }

    /// The types of argument that it takes, in words.
    pub const fn takes(self) -> &'static str {
        match self {
            Function::Count => "nothing, or any type",
            Function::Sum
            | Function::Mean
            | Function::Variance
            | Function::VarPop
            | Function::Stddev
            | Function::StddevPop => "int32, int64, float32 and float64",
            Function::Min | Function::Max => "any type but lists",
            Function::First | Function::Last => "any type",
        }
    }

    /// The type of the result for an argument of this type, or of none.
    pub fn result_type(self, argument: Option<DataType>) -> Result<DataType, AggregateError> {
        let Some(given) = argument else {
            return match self {
                Function::Count => Ok(Scalar::Int64.into()),
                _ => Err(AggregateError::NoArgument { function: self.name() }),
            };
        };
        let numeric = match given {
            DataType::Scalar(Scalar::Int32 | Scalar::Int64) => Some(Scalar::Int64),
            DataType::Scalar(Scalar::Float32 | Scalar::Float64) => Some(Scalar::Float64),
            _ => None,
        };
        let result = match self {
            Function::Count => Some(Scalar::Int64.into()),
            Function::Sum => numeric.map(DataType::Scalar),
            Function::Mean
            | Function::Variance
            | Function::VarPop
            | Function::Stddev
            | Function::StddevPop => numeric.map(|_| Scalar::Float64.into()),
            Function::Min | Function::Max => given.scalar().map(DataType::Scalar),
            Function::First | Function::Last => Some(given),
        };
        result.ok_or(AggregateError::WrongArgument { function: self.name(), given, takes: self.takes() })
    }

    /// The components that the result is finished from, in the order that [`finish`] takes them.
    pub const fn components(self) -> &'static [Component] {
        match self {
            Function::Count => &[Component::Count],
            Function::Sum | Function::Mean => &[Component::Count, Component::Sum],
            Function::Variance | Function::VarPop | Function::Stddev | Function::StddevPop => {
                &[Component::Count, Component::Sum, Component::Squares]
            }
            Function::Min => &[Component::Min],
            Function::Max => &[Component::Max],
            Function::First => &[Component::First],
            Function::Last => &[Component::Last],
        }
    }
}

/// The value of a function from the states of its [`Function::components`], in their order.
pub fn finish(function: Function, states: &[&State]) -> Value {
    match (function, states) {
        (Function::Count, [State::Count(n)]) => Value::Int64(i64::try_from(*n).unwrap_or(i64::MAX)),
        (_, [State::Count(0), ..]) => Value::Null,
        (Function::Sum, [_, State::IntSum(sum)]) => i64::try_from(*sum).map_or(Value::Null, Value::Int64),
        (Function::Sum, [_, State::FloatSum(sum)]) => Value::Float64(sum.round()),
        (Function::Mean, [State::Count(n), State::IntSum(sum)]) => Value::Float64(*sum as f64 / *n as f64),
        (Function::Mean, [State::Count(n), State::FloatSum(sum)]) => {
            Value::Float64(sum.round() / *n as f64).canonical()
        }
        (_, [State::Count(n), sum, squares]) => finish_variance(function, *n, sum, squares),
        (_, [State::Min(value) | State::Max(value)]) => value.clone().unwrap_or(Value::Null),
        (_, [State::First(edge) | State::Last(edge)]) => {
            edge.as_ref().map_or(Value::Null, |edge| edge.value.clone())
        }
        _ => Value::Null,
    }
}

fn finish_variance(function: Function, n: u64, sum: &State, squares: &State) -> Value {
    let population = matches!(function, Function::VarPop | Function::StddevPop);
    if n == 1 && !population {
        return Value::Null;
    }
    let variance = match (sum, squares) {
        (State::IntSum(sum), State::IntSquares(squares)) => {
            exact::variance(n, &(*sum).into(), &squares.exact(), 0, population)
        }
        (State::FloatSum(sum), State::FloatSquares(squares)) => {
            if sum.is_special() || squares.is_special() {
                return Value::Float64(f64::NAN);
            }
            let (sum, squares, exponent) = exact::float_moments(sum, squares);
            exact::variance(n, &sum, &squares, exponent, population)
        }
        _ => None,
    };
    let root = matches!(function, Function::Stddev | Function::StddevPop);
    variance.map_or(Value::Null, |x| Value::Float64(if root { x.sqrt() } else { x }))
}

/// A value and the moment and place that order it among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When it happened.
    pub event_time: Micros,
    /// Its place in the source.
    pub position: Position,
    /// The value, never null.
    pub value: Value,
}

/// The state of one component over any set of rows.
#[derive(Clone, Debug)]
pub enum State {
    /// of [`Component::Count`]
    Count(u64),
    /// of [`Component::Sum`] over integers
    IntSum(i128),
    /// of [`Component::Sum`] over floats
    FloatSum(FloatSum),
    /// of [`Component::Squares`] over integers
    IntSquares(IntSquareSum),
    /// of [`Component::Squares`] over floats
    FloatSquares(FloatSum),
    /// of [`Component::Min`]
    Min(Option<Value>),
    /// of [`Component::Max`]
    Max(Option<Value>),
    /// of [`Component::First`]
    First(Option<Edge>),
    /// of [`Component::Last`]
    Last(Option<Edge>),
}

impl Component {
    /// Whether the state depends on the event times and positions of its rows.
    pub const fn is_ordered(self) -> bool {
        matches!(self, Component::First | Component::Last)
    }

    /// The state over no rows, for an argument of this type (none: rows are counted).
    pub fn identity(self, argument: Option<DataType>) -> State {
        let float = is_float(argument);
        match self {
            Component::Count => State::Count(0),
            Component::Sum if float => State::FloatSum(FloatSum::default()),
            Component::Sum => State::IntSum(0),
            Component::Squares if float => State::FloatSquares(FloatSum::default()),
            Component::Squares => State::IntSquares(IntSquareSum::default()),
            Component::Min => State::Min(None),
            Component::Max => State::Max(None),
            Component::First => State::First(None),
            Component::Last => State::Last(None),
        }
    }

    /// Bytes of a stored state of nearly all real data: a state whose bytes are as many lies in
    /// a fixed slot, any other in the variable part. None where no state has a fixed width.
    pub fn slot_width(self, argument: Option<DataType>) -> Option<usize> {
        let value = argument.and_then(DataType::scalar).and_then(Scalar::width);
        match self {
            Component::Count => Some(8),
            Component::Sum => Some(if is_float(argument) { 16 } else { 8 }),
            Component::Squares => Some(16),
            Component::Min | Component::Max => value,
            Component::First | Component::Last => value.map(|width| EDGE_BYTES + width),
        }
    }
}

fn is_float(argument: Option<DataType>) -> bool {
    matches!(argument, Some(DataType::Scalar(Scalar::Float32 | Scalar::Float64)))
}

/// Bytes of an edge before its value: its event time and its position.
const EDGE_BYTES: usize = 8 + Position::WIDTH;

impl State {
    /// Adds one row's value; null is passed over. A count without an argument is given any value
    /// that is not null.
    pub fn add(&mut self, value: &Value, event_time: Micros, position: Position) {
        if value.is_null() {
            return;
        }
        match self {
            State::Count(n) => *n += 1,
            State::IntSum(sum) => *sum += i128::from(integer(value)),
            State::FloatSum(sum) => sum.add(float(value)),
            State::IntSquares(sum) => sum.add_square(integer(value)),
            State::FloatSquares(sum) => sum.add_square(float(value)),
            State::Min(best) => replace_if(best, value, prefers_min),
            State::Max(best) => replace_if(best, value, prefers_max),
            State::First(best) => {
                if best.as_ref().is_none_or(|old| (event_time, position) < (old.event_time, old.position)) {
                    *best = Some(Edge { event_time, position, value: value.clone() });
                }
            }
            State::Last(best) => {
                if best.as_ref().is_none_or(|old| (event_time, position) > (old.event_time, old.position)) {
                    *best = Some(Edge { event_time, position, value: value.clone() });
                }
            }
        }
    }

    /// Adds a float64 (or a float32, widened) without making a value of it.
    pub fn add_float(&mut self, x: f64) {
        match self {
            State::Count(n) => *n += 1,
            State::FloatSum(sum) => sum.add(x),
            State::FloatSquares(sum) => sum.add_square(x),
            _ => debug_assert!(false, "only counts, sums and squares take bare numbers"),
        }
    }

    /// Adds an integer without making a value of it.
    pub fn add_integer(&mut self, x: i64) {
        match self {
            State::Count(n) => *n += 1,
            State::IntSum(sum) => *sum += i128::from(x),
            State::IntSquares(sum) => sum.add_square(x),
            _ => debug_assert!(false, "only counts, sums and squares take bare numbers"),
        }
    }

    /// Adds another state of the same component and argument.
    pub fn merge(&mut self, other: &State) {
        match (self, other) {
            (State::Count(a), State::Count(b)) => *a += b,
            (State::IntSum(a), State::IntSum(b)) => *a += b,
            (State::FloatSum(a), State::FloatSum(b)) => a.merge(b),
            (State::IntSquares(a), State::IntSquares(b)) => a.merge(b),
            (State::FloatSquares(a), State::FloatSquares(b)) => a.merge(b),
            (State::Min(a), State::Min(Some(b))) => replace_if(a, b, prefers_min),
            (State::Max(a), State::Max(Some(b))) => replace_if(a, b, prefers_max),
            (
                this @ (State::First(_) | State::Last(_)),
                State::First(Some(edge)) | State::Last(Some(edge)),
            ) => {
                this.add(&edge.value, edge.event_time, edge.position);
            }
            (_, State::Min(None) | State::Max(None) | State::First(None) | State::Last(None)) => {}
            _ => debug_assert!(false, "states of different components are never merged"),
        }
    }

    /// Whether nothing was added.
    pub fn is_identity(&self) -> bool {
        match self {
            State::Count(n) => *n == 0,
            State::Min(value) | State::Max(value) => value.is_none(),
            State::First(edge) | State::Last(edge) => edge.is_none(),
            _ => false,
        }
    }

    /// Appends the state's bytes, the same for the same rows in whatever order they came: as
    /// many as [`Component::slot_width`] where it fits its slot. Nothing was added: no bytes, for
    /// min, max, first and last.
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
                    out.extend_from_slice(&edge.event_time.get().to_le_bytes());
                    out.extend_from_slice(&edge.position.to_bytes());
                    edge.value.write(out);
                }
            }
        }
    }

    /// Reads what [`State::write`] wrote; none where the bytes are no such state. `present` says
    /// whether anything was added, for min, max, first and last, whose value may have no bytes.
    pub fn read(
        component: Component,
        argument: Option<DataType>,
        present: bool,
        bytes: &[u8],
    ) -> Option<State> {
        let float = is_float(argument);
        Some(match component {
            Component::Count => State::Count(u64::from_le_bytes(bytes.try_into().ok()?)),
            Component::Sum if float => State::FloatSum(read_float_sum(bytes)?),
            Component::Sum => State::IntSum(match bytes.len() {
                8 => i64::from_le_bytes(bytes.try_into().ok()?).into(),
                _ => i128::from_le_bytes(bytes.try_into().ok()?),
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
        })
    }
}

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

fn read_edge(argument: DataType, bytes: &[u8]) -> Option<Edge> {
    let (event_time, rest) = bytes.split_first_chunk::<8>()?;
    let (position, value) = rest.split_first_chunk::<{ Position::WIDTH }>()?;
    Some(Edge {
        event_time: Micros::new(i64::from_le_bytes(*event_time)).ok()?,
        position: Position::from_bytes(*position)?,
        value: Value::read(argument, value)?,
    })
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Int32(x) => i64::from(*x),
        Value::Int64(x) => *x,
        _ => 0,
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float32(x) => f64::from(*x),
        Value::Float64(x) => *x,
        _ => 0.0,
    }
}

fn replace_if(best: &mut Option<Value>, value: &Value, prefers: fn(&Value, &Value) -> bool) {
    if best.as_ref().is_none_or(|old| prefers(value, old)) {
        *best = Some(value.clone());
    }
}

fn is_nan(value: &Value) -> bool {
    match value {
        Value::Float32(x) => x.is_nan(),
        Value::Float64(x) => x.is_nan(),
        _ => false,
    }
}

/// NaN propagates; else the smaller by exact order, −0.0 below 0.0.
fn prefers_min(new: &Value, old: &Value) -> bool {
    !is_nan(old) && (is_nan(new) || new < old)
}

/// NaN propagates; else the greater by exact order.
fn prefers_max(new: &Value, old: &Value) -> bool {
    !is_nan(old) && (is_nan(new) || new > old)
}
