//! The hot core: packed rows in memory, found by many keys at once while the next are written, and the
//! merge of a window's tiles; with a portable twin of everything that needs a processor's own
//! instructions.
#![expect(unsafe_code, reason = "the hot core: each block says why it is sound")]

mod atomics;
mod evicting;
mod floor;
pub(crate) mod merge;
#[cfg(test)]
mod model;
mod outage;
mod pins;
mod probe;
mod reading;
mod region;
mod slabs;
mod slots;
mod table;
#[cfg(test)]
mod tests;
mod tier;
mod tier_memory;
#[cfg(test)]
mod tier_tests;
mod word;
mod writer_state;
mod writing;

pub use floor::Floor;
pub use merge::merge_window;
pub use probe::Probe;
pub use reading::Reading;
pub use slots::Slot;
pub use table::{AtBound, HotTable, TableOptions, TableStats};
pub use tier::{HotTier, TierOptions, TierStats};
pub use writing::{TableFull, Writes};
