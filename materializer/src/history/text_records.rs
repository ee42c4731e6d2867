//! The records of a CSV file (RFC 4180): fields in quotes may hold commas, quotes and line breaks. An empty
//! field is null, and the empty string where it is quoted. Blank lines are no records.

use std::io::{self, BufRead};

/// Bytes of one record, at most: a quote that is never closed would take the rest of the file.
const MAX_RECORD_BYTES: usize = 16 << 20;

/// A field: none where it is empty and not quoted.
pub(crate) type Field = Option<String>;

/// Reads one record after the other.
pub(crate) struct Records<R> {
    reader: R,
    /// Whether a record is a line, whatever quotes it holds.
    is_line: bool,
    is_first: bool,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, is_line: false, is_first: true }
    }

    /// Records that are lines, as of JSON.
    pub(crate) fn lines(reader: R) -> Self {
        Self { is_line: true, ..Self::new(reader) }
    }

    /// The text of the next record that is not blank, without its line break; none at the end.
    pub(crate) fn next_text(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let mut text = Vec::new();
            loop {
                let read = self.reader.read_until(b'\n', &mut text)?;
                if read == 0 || self.is_line || !is_open(&text) {
                    break;
                }
                if text.len() > MAX_RECORD_BYTES {
                    let why = "a quoted field is longer than 16 MiB: its closing quote is missing";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
            if self.is_first {
                self.is_first = false;
                if text.starts_with(b"\xef\xbb\xbf") {
                    text.drain(..3);
                }
            }
            if text.is_empty() {
                return Ok(None);
            }
            while matches!(text.last(), Some(b'\n' | b'\r')) {
                text.pop();
            }
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
    }
}

/// Whether a text ends within quotes.
fn is_open(text: &[u8]) -> bool {
    let (mut in_quotes, mut begins) = (false, true);
    for byte in text {
        match (in_quotes, byte) {
            (true, b'"') => in_quotes = false,
            // A second quote within quotes goes on with them.
            (false, b'"') if begins => in_quotes = true,
            _ => {}
        }
        begins = !in_quotes && matches!(byte, b',' | b'"');
    }
    in_quotes
}

/// The fields of a record, or what is wrong with it.
pub(crate) fn fields(text: &[u8]) -> Result<Vec<Field>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not valid UTF-8".to_owned())?;
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                ((!field.is_empty()).then(|| field.to_owned()), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("field {} has text behind its closing quote", fields.len())),
        }
    }
}

/// A field behind its opening quote, and what follows its closing one.
fn quoted(text: &str) -> Result<(Field, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err("a quote is never closed".to_owned());
        };
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((Some(field), after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Result<Vec<Field>, String>> {
        let mut records = Records::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(text) = records.next_text().unwrap() {
            found.push(fields(&text));
        }
        found
    }

    fn record(given: &[Option<&str>]) -> Result<Vec<Field>, String> {
        Ok(given.iter().map(|field| field.map(str::to_owned)).collect())
    }

    #[test]
    fn quoted_fields_hold_anything_and_an_unquoted_empty_one_is_null() {
        assert_eq!(
            all("\u{feff}a,b\r\n\r\n1,\"x, \"\"y\"\"\nz\"\n\"\",\n,"),
            [
                record(&[Some("a"), Some("b")]),
                record(&[Some("1"), Some("x, \"y\"\nz")]),
                record(&[Some(""), None]),
                record(&[None, None]),
            ]
        );
    }

    #[test]
    fn a_quote_in_the_middle_of_a_field_is_text() {
        assert_eq!(
            all("5\" pipe,6\"\n7,8\n"),
            [record(&[Some("5\" pipe"), Some("6\"")]), record(&[Some("7"), Some("8")]),]
        );
    }

    #[test]
    fn a_record_that_is_broken_is_refused_by_itself() {
        let found = all("\"a\"b,c\nd,e\n\"open\n");
        assert!(found[0].as_ref().unwrap_err().contains("closing quote"), "{found:?}");
        assert_eq!(found[1], record(&[Some("d"), Some("e")]));
        assert!(found[2].as_ref().unwrap_err().contains("never closed"), "{found:?}");
    }
}
