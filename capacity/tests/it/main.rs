//! The tests of the crate: the simulation against theory, and estimates against sums by hand.

mod against_theory;
mod estimates;
mod failures;
