//! What separates the fields of a CSV file. It is known by the first line, so a file needs no word about it.

/// What separates fields where the first line has no comma outside quotes: the first of these that it has.
const OTHERS: [u8; 3] = [b';', b'\t', b'|'];

/// The separator, an ASCII character, of a CSV file that begins with this text. Only its first line that is not blank
/// counts, and of that what lies outside quotes. A comma if it has none of the others.
///
/// ```
/// # use twinstore_feature as feature;
/// assert_eq!(feature::csv_separator(b"airport;delay\nBOS;3,5\n"), b';');
/// assert_eq!(feature::csv_separator(b"airport,delay\nBOS,3.5\n"), b',');
/// ```
pub fn csv_separator(text: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut found = None;
    let is_break = |byte: &&u8| matches!(byte, b'\n' | b'\r');
    for byte in text.iter().skip_while(is_break).take_while(|byte| !is_break(byte)) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b',' => return b',',
            byte if found.is_none() && OTHERS.contains(byte) => found = Some(*byte),
            _ => {}
        }
    }
    found.unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::csv_separator;

    #[test]
    fn the_first_line_says_what_separates_fields() {
        for (text, separator) in [
            ("", b','),
            ("a", b','),
            ("a\nb;c", b','),
            ("a;b\nc,d", b';'),
            ("a\tb|c", b'\t'),
            ("a|b\r\n", b'|'),
            ("a;b,c", b','),
            ("\"a,b\";c", b';'),
            ("\"a\nb\";c", b','),
            ("\r\n\na;b\n", b';'),
            ("\"a;b\"", b','),
        ] {
            assert_eq!(csv_separator(text.as_bytes()), separator, "{text}");
        }
    }
}
