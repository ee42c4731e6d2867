//! What the registry knows of access: the policy file, tokens, the tags that follow what they are made from, and what was
//! refused and allowed.

mod counts;
mod policy_file;
mod policy_keys;
mod tags;
mod tokens;

pub use counts::Denial;
pub use policy_file::{policy_of, read_policy};
pub(crate) use policy_keys::POLICY;
pub use tokens::{KeptToken, MOST_TOKENS};
