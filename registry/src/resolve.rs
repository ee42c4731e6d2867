//! Turns drafts into definitions: each reference is followed, each expression compiled, each rule
//! of the definition format checked. Everything that is wrong is reported, and what depends on
//! something wrong is skipped without a message, so that one mistake gives one message.

mod batch;
mod batch_limits;
mod breaker;
mod default_value;
mod expectation;
mod expected_change;
mod expected_value;
mod expression;
mod features;
mod known;
mod on_demand;
mod order;
mod resolver;
mod rows;
mod service;
mod source;
mod take;
mod view;

pub(crate) use resolver::{Resolved, resolve};
