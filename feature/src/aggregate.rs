//! Law 5: every aggregate is a commutative monoid. A function is finished from the states of its
//! components; each state can be added to, merged in any order, and stored.

mod component;
mod described;
mod distinct;
mod function;
mod ordered;
mod parameter;
mod ranked;
mod sketch;
mod state;
mod stored;

use crate::value::Value;

pub use component::Component;
pub use distinct::DistinctCount;
pub use function::{AggregateError, Function};
pub use ordered::{Edge, Ordered};
pub use parameter::{ListLength, ParameterError, Quantile};
pub use ranked::Ranked;
pub use sketch::QuantileSketch;
pub use state::{State, finish, try_finish};

pub(crate) use {distinct::estimate as distinct_estimate, distinct::hash_of, distinct::register};
pub(crate) use {sketch::bucket, sketch::estimate as bucket_estimate};

/// A list of these values; null where there are none.
fn list(values: impl ExactSizeIterator<Item = Value>) -> Value {
    if values.len() == 0 { Value::Null } else { Value::List(values.collect()) }
}
