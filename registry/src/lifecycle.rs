//! The end of a version: it is deprecated, with a date, and retired, once nothing needs it. A retired version stays in the
//! registry as a record; nothing uses it any more, and what it took in both stores is freed.

mod ending;
mod kept;
mod needed;
mod standing;

pub use ending::Retired;
pub(crate) use kept::{deprecations, is_retired, retirements};
pub use standing::{Deprecated, Deprecation, Retirement};
