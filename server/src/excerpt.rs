//! As much of a text as a message has room for: what a request holds may be megabytes long.

use std::borrow::Cow;

/// The text, or its first characters and an ellipsis.
pub(crate) fn excerpt(text: &str, longest_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest_chars) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}
