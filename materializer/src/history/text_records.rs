//! The records of a CSV file (RFC 4180): fields in quotes may hold separators, quotes and line breaks. An empty
//! field is null, and the empty string where it is quoted. Blank lines are no records.
//!
//! Fields are separated as [`feature::csv_separator`] says.
//!
//! A quote that is not closed takes the rows behind it into its field, up to the next quote or the end. How many
//! rows these are cannot be known, so such a file is refused: a row is never left out without a count.

use std::io::{self, BufRead};

use files::{Line, append_line};

/// Bytes of one record, at most: a quote that is never closed, or a line that never ends, would take the rest of the
/// file.
pub(crate) const MAX_RECORD_BYTES: usize = 16 << 20;
/// Fields of one record, at most.
const MAX_FIELDS: usize = 16_384;
const NOT_CLOSED: &str = "a quoted field is longer than 16 MiB: its closing quote is missing";
const TOO_LONG: &str = "it is longer than the 16 MiB that a row of text may have: end each row with a line break, or write \
    what has so long values as Parquet";
const NEVER_CLOSED: &str = "a quote opens here that is never closed, so the rows behind it cannot be distinguished from its \
    text: close it, or double it and quote the whole field if it is text";
const CLOSED_LATE: &str = "a quote opens here that closes in the middle of a field of a later line, so the rows \
    between cannot be distinguished from its text: close it, or double it and quote the whole field if it is text";

/// A field: none where it is empty and not quoted.
pub(crate) type Field = Option<String>;

/// Reads one record after the other.
pub(crate) struct Records<R> {
    reader: R,
    /// `None` until the header was read.
    separator: Option<u8>,
    /// Whether a tab separates fields if the header has one, whatever else it has.
    prefers_tab: bool,
    /// Whether a record is a line, whatever quotes it holds.
    is_line: bool,
    is_first_line: bool,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, separator: None, prefers_tab: false, is_line: false, is_first_line: true }
    }

    /// Records whose fields are separated by tabs, unless the header has none.
    pub(crate) fn of_tabs(reader: R) -> Self {
        Self { prefers_tab: true, ..Self::new(reader) }
    }

    /// Records that are lines, as of JSON.
    pub(crate) fn lines(reader: R) -> Self {
        Self { is_line: true, ..Self::new(reader) }
    }

    /// What separates the fields of a record: known once the first one was read.
    pub(crate) fn separator(&self) -> u8 {
        self.separator.unwrap_or(b',')
    }

    /// The text of the next record that is not blank, without its line break; none at the end.
    pub(crate) fn next_text(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if !self.is_first_line {
                self.skip_blank_lines()?;
            }
            let mut text = Vec::new();
            let mut quotes = Quotes::default();
            loop {
                let scanned = text.len();
                let line = append_line(&mut self.reader, &mut text, MAX_RECORD_BYTES)?;
                if line == Line::TooLong {
                    return Err(refused(if quotes.at == At::Quoted { NOT_CLOSED } else { TOO_LONG }));
                }
                if std::mem::take(&mut self.is_first_line) && text.starts_with(b"\xef\xbb\xbf") {
                    text.drain(..3);
                }
                if self.is_line {
                    break;
                }
                if self.separator.is_none() && !text.trim_ascii().is_empty() {
                    let is_of_tabs = self.prefers_tab && text.contains(&b'\t');
                    self.separator = Some(if is_of_tabs { b'\t' } else { feature::csv_separator(&text) });
                }
                quotes.scan(text.get(scanned..).unwrap_or_default(), self.separator());
                if quotes.closed_late {
                    return Err(refused(CLOSED_LATE));
                }
                if quotes.at != At::Quoted {
                    break;
                }
                if line == Line::None {
                    return Err(refused(NEVER_CLOSED));
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

impl<R: BufRead> Records<R> {
    /// Skips line breaks where a record would begin: a file may be nothing but these, a thousand million of them.
    fn skip_blank_lines(&mut self) -> io::Result<()> {
        loop {
            let buffered = self.reader.fill_buf()?;
            let mut blank = 0;
            loop {
                match buffered.get(blank..) {
                    Some([b'\n', ..]) => blank += 1,
                    Some([b'\r', b'\n', ..]) => blank += 2,
                    _ => break,
                }
            }
            let goes_on = blank > 0 && blank == buffered.len();
            self.reader.consume(blank);
            if !goes_on {
                return Ok(());
            }
        }
    }
}

/// Whether a header holds a CR outside of quotes: its file ends its lines in CR alone, as old Macs did.
pub(crate) fn ends_lines_in_cr(header: &[u8]) -> bool {
    let mut is_quoted = false;
    header.iter().any(|byte| {
        is_quoted ^= *byte == b'"';
        *byte == b'\r' && !is_quoted
    })
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Where in a record its text read so far ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum At {
    #[default]
    FieldStart,
    /// In a field without quotes, or behind one with quotes.
    Field,
    Quoted,
    /// At a quote within quotes: their end, or the first of two.
    Quote,
}

/// The quotes of a record, scanned line by line.
#[derive(Debug, Default)]
struct Quotes {
    at: At,
    /// Whether the newest quoted field holds a line break.
    holds_break: bool,
    /// Whether a quoted field with a line break ended in the middle of a field.
    closed_late: bool,
}

impl Quotes {
    fn scan(&mut self, text: &[u8], separator: u8) {
        for byte in text {
            self.at = match (self.at, byte) {
                (At::FieldStart, b'"') => {
                    self.holds_break = false;
                    At::Quoted
                }
                (At::Quoted, b'"') => At::Quote,
                (At::Quoted, byte) => {
                    self.holds_break |= *byte == b'\n';
                    At::Quoted
                }
                (At::Quote, b'"') => At::Quoted,
                (_, byte) if *byte == separator => At::FieldStart,
                (At::Quote, b'\r' | b'\n') => At::Quote,
                (At::Quote, _) => {
                    self.closed_late |= self.holds_break;
                    At::Field
                }
                (At::FieldStart | At::Field, _) => At::Field,
            };
        }
    }
}

/// The fields of a record with this separator, or what is wrong with it.
pub(crate) fn fields(text: &[u8], separator: u8) -> Result<Vec<Field>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not valid UTF-8".to_owned())?;
    let separator = char::from(separator);
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        if fields.len() == MAX_FIELDS {
            return Err(format!("it has more than the {MAX_FIELDS} fields that a row may have"));
        }
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted)?,
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                ((!field.is_empty()).then(|| field.to_owned()), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(separator) {
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
            found.push(fields(&text, records.separator()));
        }
        found
    }

    #[test]
    fn blank_lines_are_skipped_wherever_a_buffer_ends() {
        for text in ["a\n\n\r\n\n\r\nb", "\n\r\na\n\r\n\r\n\r\nb\r\n\n", "a\n\n\n\rb"] {
            let expected: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
            let expected: Vec<&str> = expected.into_iter().filter(|line| !line.is_empty()).collect();
            for capacity in 1..=text.len() {
                for is_line in [false, true] {
                    let reader = io::BufReader::with_capacity(capacity, text.as_bytes());
                    let mut records = Records { is_line, ..Records::new(reader) };
                    let found = std::iter::from_fn(|| records.next_text().unwrap());
                    let found: Vec<String> = found.map(|text| String::from_utf8(text).unwrap()).collect();
                    assert_eq!(found, expected, "{text:?} in buffers of {capacity}");
                }
            }
        }
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
    fn a_header_with_a_cr_outside_of_quotes_is_a_whole_file() {
        assert!(ends_lines_in_cr(b"a,b\r1,2\r3,4"));
        assert!(ends_lines_in_cr(b"\"a\",\"b\"\r\"1\",\"2\""));
        assert!(!ends_lines_in_cr(b"\"a\r\nb\",c") && !ends_lines_in_cr(b"a,b"));
    }

    #[test]
    fn fields_are_separated_as_those_of_the_first_line_are() {
        for separator in [";", "\t", "|"] {
            let text = "\"a,b\";c\n\"1;2\";3,5\n\"x\ny\";\n".replace(';', separator);
            let quoted = format!("1{separator}2");
            assert_eq!(
                all(&text),
                [
                    record(&[Some("a,b"), Some("c")]),
                    record(&[Some(&quoted), Some("3,5")]),
                    record(&[Some("x\ny"), None]),
                ],
                "{separator}"
            );
        }
        // A comma in the first line decides, and a lone column has no separator.
        assert_eq!(all("a;b,c\n1;2,3\n")[1], record(&[Some("1;2"), Some("3")]));
        assert_eq!(all("a\n1;2\n")[1], record(&[Some("1;2")]));
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
        let found = all("\"a\"b,c\nd,e\n");
        assert!(found[0].as_ref().unwrap_err().contains("closing quote"), "{found:?}");
        assert_eq!(found[1], record(&[Some("d"), Some("e")]));
    }

    /// The number of records before the first error, and the error.
    fn refused_after(text: &str) -> (usize, String) {
        let mut records = Records::new(text.as_bytes());
        let mut read = 0;
        loop {
            match records.next_text() {
                Ok(found) => assert!(found.is_some(), "{text} is not refused"),
                Err(error) => return (read, error.to_string()),
            }
            read += 1;
        }
    }

    #[test]
    fn a_quote_that_takes_later_lines_into_its_field_is_refused_where_it_opens() {
        for text in ["a,b\n\"open\n", "a,b\n1,\"x\n2,y\n3,z", "a,b\n\"\"\"\n1,2\n", "a,b\n1,\""] {
            let (read, error) = refused_after(text);
            assert!(read == 1 && error.contains("never closed"), "{text}: {read}, {error}");
        }
        let (read, error) = refused_after("a,b\n1,2\n3,\"x\n4,\"y\"\n5,z\n");
        assert!(read == 2 && error.contains("of a later line"), "{read}, {error}");
        assert_eq!(all("\u{feff}\"a\nb\",\"c\"\r\n").len(), 1);
    }

    #[test]
    fn a_field_of_many_lines_is_scanned_once_up_to_its_bound() {
        let lines = "x\n".repeat(MAX_RECORD_BYTES / 2 + 2);
        let (read, error) = refused_after(&format!("a\n\"{lines}"));
        assert!(read == 1 && error.contains("16 MiB"), "{read}, {error}");
    }

    /// As many bytes as are read of it, and no line break.
    struct Endless(usize);

    impl io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(b'x');
            self.0 += into.len();
            Ok(into.len())
        }
    }

    #[test]
    fn a_line_that_never_ends_is_refused_at_its_bound() {
        for make in [Records::new, Records::lines] {
            let mut records = make(io::BufReader::new(Endless(0)));
            let error = records.next_text().unwrap_err().to_string();
            assert!(error.contains("16 MiB"), "{error}");
            let read = records.reader.get_ref().0;
            assert!(read <= MAX_RECORD_BYTES + (1 << 17), "{read} bytes were read");
        }
    }

    #[test]
    fn a_record_of_endless_fields_is_refused_at_their_bound() {
        let text = ",".repeat(MAX_FIELDS - 1);
        assert_eq!(fields(text.as_bytes(), b',').unwrap().len(), MAX_FIELDS);
        let refused = fields(format!("{text},").as_bytes(), b',').unwrap_err();
        assert!(refused.contains("16384 fields"), "{refused}");
    }
}
