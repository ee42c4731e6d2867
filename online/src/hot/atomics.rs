//! Which atomics the hot core stands on: those of the machine. The model check compiles the same files
//! again over atomics that try every order.

pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
