//! The states of components: what a row adds, how two become one, and the value at the end.

use super::component::is_float;
use super::{Component, DistinctCount, Edge, Function, Ordered, QuantileSketch, Ranked};
use crate::exact::{self, Contradiction, FloatSum, IntSquareSum};
use crate::row::Position;
use crate::time::Micros;
use crate::value::{DataType, Value};

/// The state of one component over any set of rows.
#[derive(Clone, Debug)]
pub enum State {
    /// of [`Component::Count`](super::Component::Count)
    Count(u64),
    /// of [`Component::Sum`](super::Component::Sum) over integers
    IntSum(i128),
    /// of [`Component::Sum`](super::Component::Sum) over floats
    FloatSum(FloatSum),
    /// of [`Component::Squares`](super::Component::Squares) over integers
    IntSquares(IntSquareSum),
    /// of [`Component::Squares`](super::Component::Squares) over floats
    FloatSquares(FloatSum),
    /// of [`Component::Min`](super::Component::Min)
    Min(Option<Value>),
    /// of [`Component::Max`](super::Component::Max)
    Max(Option<Value>),
    /// of [`Component::First`](super::Component::First)
    First(Option<Edge>),
    /// of [`Component::Last`](super::Component::Last)
    Last(Option<Edge>),
    /// of the components that give lists in the order of rows
    Ordered(Ordered),
    /// of the components that give lists in the order of values
    Ranked(Ranked),
    /// of [`Component::Distinct`](super::Component::Distinct)
    Distinct(DistinctCount),
    /// of [`Component::Quantiles`](super::Component::Quantiles)
    Quantiles(QuantileSketch),
}

impl Component {
    /// The state over no rows, for an argument of this type; without an argument, rows are counted.
    pub fn identity(self, argument: Option<DataType>) -> State {
        if let Some(keep) = self.keep() {
            return State::Ordered(Ordered::new(keep));
        }
        if let Some(rank) = self.rank() {
            return State::Ranked(Ranked::new(rank));
        }
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
            Component::Distinct => State::Distinct(DistinctCount::default()),
            Component::Quantiles => State::Quantiles(QuantileSketch::default()),
            Component::FirstN(_)
            | Component::LastN(_)
            | Component::DistinctFirstN(_)
            | Component::DistinctLastN(_)
            | Component::TopN(_)
            | Component::BottomN(_) => unreachable!("invariant: a list component keeps or ranks its values"),
        }
    }
}

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
                if best.as_ref().is_none_or(|old| (event_time, position) < old.recency()) {
                    *best = Some(Edge { event_time, position, value: value.clone() });
                }
            }
            State::Last(best) => {
                if best.as_ref().is_none_or(|old| (event_time, position) > old.recency()) {
                    *best = Some(Edge { event_time, position, value: value.clone() });
                }
            }
            State::Ordered(list) => list.add(value, event_time, position),
            State::Ranked(list) => list.add(value),
            State::Distinct(count) => count.add(value),
            State::Quantiles(sketch) => sketch.add(number(value)),
        }
    }

    /// Adds a float64 (or a float32, widened) without making a value of it.
    pub fn add_float(&mut self, x: f64) {
        match self {
            State::Count(n) => *n += 1,
            State::FloatSum(sum) => sum.add(x),
            State::FloatSquares(sum) => sum.add_square(x),
            _ => unreachable!("invariant: only counts, sums and squares take bare numbers"),
        }
    }

    /// Adds an integer without making a value of it.
    pub fn add_integer(&mut self, x: i64) {
        match self {
            State::Count(n) => *n += 1,
            State::IntSum(sum) => *sum += i128::from(x),
            State::IntSquares(sum) => sum.add_square(x),
            _ => unreachable!("invariant: only counts, sums and squares take bare numbers"),
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
            (this @ State::First(_), State::First(Some(edge)))
            | (this @ State::Last(_), State::Last(Some(edge))) => {
                this.add(&edge.value, edge.event_time, edge.position);
            }
            (State::Min(_), State::Min(None))
            | (State::Max(_), State::Max(None))
            | (State::First(_), State::First(None))
            | (State::Last(_), State::Last(None)) => {}
            (State::Ordered(a), State::Ordered(b)) => a.merge(b),
            (State::Ranked(a), State::Ranked(b)) => a.merge(b),
            (State::Distinct(a), State::Distinct(b)) => a.merge(b),
            (State::Quantiles(a), State::Quantiles(b)) => a.merge(b),
            (this, other) => {
                unreachable!("invariant: only states of one component are merged, not {this:?} and {other:?}")
            }
        }
    }

    /// Whether nothing was added.
    pub fn is_identity(&self) -> bool {
        match self {
            State::Count(n) => *n == 0,
            State::Min(value) | State::Max(value) => value.is_none(),
            State::First(edge) | State::Last(edge) => edge.is_none(),
            State::Ordered(list) => list.is_empty(),
            State::Ranked(list) => list.is_empty(),
            State::Distinct(count) => count.is_empty(),
            State::Quantiles(sketch) => sketch.is_empty(),
            _ => false,
        }
    }
}

/// The value of a function from the states of its [`Function::components`], in their order, which were made of rows.
pub fn finish(function: Function, states: &[&State]) -> Value {
    try_finish(function, states).expect("invariant: a variance of rows is not negative")
}

/// The same of states that were read from somewhere: each of them is one, and together they may be none.
pub fn try_finish(function: Function, states: &[&State]) -> Result<Value, Contradiction> {
    Ok(match (function, states) {
        (Function::Count, [State::Count(n)]) => Value::Int64(i64::try_from(*n).unwrap_or(i64::MAX)),
        (_, [State::Count(0), ..]) => Value::Null,
        (Function::CountIf, [State::IntSum(n)]) => Value::Int64(i64::try_from(*n).unwrap_or(i64::MAX)),
        (Function::Sum, [_, State::IntSum(sum)]) => i64::try_from(*sum).map_or(Value::Null, Value::Int64),
        (Function::Sum, [_, State::FloatSum(sum)]) => Value::Float64(sum.round()),
        (Function::Mean, [State::Count(n), State::IntSum(sum)]) => Value::Float64(*sum as f64 / *n as f64),
        (Function::Mean, [State::Count(n), State::FloatSum(sum)]) => {
            Value::Float64(sum.round() / *n as f64).canonical()
        }
        (_, [State::Count(n), sum, squares]) => finish_variance(function, *n, sum, squares)?,
        (_, [State::Min(value) | State::Max(value)]) => value.clone().unwrap_or(Value::Null),
        (_, [State::First(edge) | State::Last(edge)]) => {
            edge.as_ref().map_or(Value::Null, |edge| edge.value.clone())
        }
        (_, [State::Ordered(list)]) => list.finish(),
        (_, [State::Ranked(list)]) => list.finish(),
        (_, [State::Distinct(count)]) => count.finish(),
        (Function::ApproxPercentile(quantile), [State::Quantiles(sketch)]) => sketch.finish(quantile),
        _ => unreachable!("invariant: {} is finished from the states of its components", function.name()),
    })
}

fn finish_variance(function: Function, n: u64, sum: &State, squares: &State) -> Result<Value, Contradiction> {
    let population = matches!(function, Function::VarPop | Function::StddevPop);
    if n == 1 && !population {
        return Ok(Value::Null);
    }
    let variance = match (sum, squares) {
        (State::IntSum(sum), State::IntSquares(squares)) => {
            exact::variance(n, &(*sum).into(), &squares.exact(), 0, population)?
        }
        (State::FloatSum(sum), State::FloatSquares(squares)) => {
            if sum.is_special() || squares.is_special() {
                return Ok(Value::Float64(f64::NAN));
            }
            let (sum, squares, exponent) = exact::float_moments(sum, squares);
            exact::variance(n, &sum, &squares, exponent, population)?
        }
        _ => unreachable!("invariant: a variance is finished from a sum and squares of one kind of number"),
    };
    let root = matches!(function, Function::Stddev | Function::StddevPop);
    Ok(variance.map_or(Value::Null, |x| Value::Float64(if root { x.sqrt() } else { x })))
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Int32(x) => i64::from(*x),
        Value::Int64(x) => *x,
        // A condition is counted as the sum of its trues.
        Value::Bool(x) => i64::from(*x),
        other => unreachable!("invariant: a sum of integers takes integers, not {other:?}"),
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float32(x) => f64::from(*x),
        Value::Float64(x) => *x,
        other => unreachable!("invariant: a sum of floats takes floats, not {other:?}"),
    }
}

/// An integer or a float as the nearest double.
fn number(value: &Value) -> f64 {
    match value {
        Value::Int32(_) | Value::Int64(_) => integer(value) as f64,
        _ => float(value),
    }
}

fn replace_if(best: &mut Option<Value>, value: &Value, prefers: fn(&Value, &Value) -> bool) {
    if best.as_ref().is_none_or(|old| prefers(value, old)) {
        *best = Some(value.clone());
    }
}

/// NaN propagates; else the smaller by exact order, −0.0 below 0.0.
fn prefers_min(new: &Value, old: &Value) -> bool {
    !old.is_nan() && (new.is_nan() || new < old)
}

/// NaN propagates; else the greater by exact order.
fn prefers_max(new: &Value, old: &Value) -> bool {
    !old.is_nan() && (new.is_nan() || new > old)
}
