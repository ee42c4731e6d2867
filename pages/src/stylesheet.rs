//! How pages look: columns that fit a phone, colours for light and dark, no font and no image of their own.

/// The style sheet of every page.
pub const STYLE: &str = include_str!("style.css");
