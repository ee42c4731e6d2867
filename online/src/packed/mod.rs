//! The packed row: the bytes of one entity of one view version, the same in every store.

mod layout;
mod row;

pub use layout::Layout;
pub use row::PackedRow;

/// The version of the layout that is written.
pub const LAYOUT_VERSION: u8 = 1;

/// The longest packed row, in bytes.
pub const MAX_ROW_BYTES: usize = 64 << 20;
