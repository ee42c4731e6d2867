//! Lines of any text, of which no more is held than a line may have.

use std::io::{self, BufRead, Read};

/// What was read of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Nothing: the text is at its end.
    None,
    /// All of it, with its line break if it has one.
    Whole,
    /// Only its beginning: it is longer than it may be. What follows is still to be read.
    TooLong,
}

/// Appends the next line to a text, which has at most this many bytes then, or one more where that is too few.
pub fn append_line(mut reader: impl BufRead, text: &mut Vec<u8>, most_bytes: usize) -> io::Result<Line> {
    let more = most_bytes.saturating_sub(text.len()).saturating_add(1);
    let read = reader.by_ref().take(more as u64).read_until(b'\n', text)?;
    Ok(match read {
        0 => Line::None,
        _ if text.len() > most_bytes => Line::TooLong,
        _ => Line::Whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_read_as_far_as_it_may_be_and_no_further() {
        let mut text: &[u8] = b"ab\n\nabcd\nabc";
        let mut read = |most| {
            let mut line = Vec::new();
            let outcome = append_line(&mut text, &mut line, most).unwrap();
            (outcome, String::from_utf8(line).unwrap())
        };
        assert_eq!(read(3), (Line::Whole, "ab\n".to_owned()));
        assert_eq!(read(3), (Line::Whole, "\n".to_owned()));
        assert_eq!(read(3), (Line::TooLong, "abcd".to_owned()));
        assert_eq!(read(3), (Line::Whole, "\n".to_owned()));
        assert_eq!(read(3), (Line::Whole, "abc".to_owned()));
        assert_eq!(read(3), (Line::None, String::new()));
    }

    #[test]
    fn what_a_text_holds_already_counts() {
        let mut text = b"12345".to_vec();
        assert_eq!(append_line(&b"67"[..], &mut text, 6).unwrap(), Line::TooLong);
        assert_eq!(append_line(&b"89"[..], &mut text, 6).unwrap(), Line::TooLong);
        assert_eq!(text.len(), 8);
    }
}
