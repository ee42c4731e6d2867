//! Law 5: sums are exact, so that no order, grouping or replay can change them; rounding happens
//! once, at the end.

mod fixed;
mod float_sum;
mod int_square_sum;
mod moments;
mod rounding;

pub(crate) use fixed::Fixed;
pub use float_sum::FloatSum;
pub(crate) use float_sum::Specials;
pub use int_square_sum::IntSquareSum;
pub use moments::Contradiction;
pub(crate) use moments::{float_moments, variance};
pub(crate) use rounding::{round, round_quotient};
