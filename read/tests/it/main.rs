//! Reads of a real store, in the same process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod engine;
mod flights;
mod watched;
mod while_open;
