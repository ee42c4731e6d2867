//! CSV as its author wrote it: every field as text, an unquoted empty field as null, a quoted one as the
//! empty string. What the text means is for the caller to decide.
//!
//! The rules are those of RFC 4180: separators as [`feature::csv_separator`] finds them, `"` around fields that hold
//! one, `""` for a quote. Lines may end in LF, CRLF or CR; a byte order mark and lines without any text are passed over.

use arrow::array::StringArray;
use arrow::array::builder::StringBuilder;

/// Rows of one batch.
const BATCH_ROWS: usize = 65_536;
/// Columns of a file, at most.
const MAX_COLUMNS: usize = 16_384;

/// The columns of a file.
#[derive(Debug)]
pub(crate) struct CsvText {
    /// The names of the header.
    pub(crate) names: Vec<String>,
    /// For each batch of rows the text of each column.
    pub(crate) batches: Vec<Vec<StringArray>>,
}

/// Reads all rows of a file's bytes. The error says which row is wrong, counted from 1 after the header.
pub(crate) fn read(bytes: &[u8]) -> Result<CsvText, String> {
    let mut records = Records::new(bytes);
    if !records.next()? {
        return Err("it is empty: its first line must name its columns".to_owned());
    }
    let header = (0..records.ends.len()).map(|field| std::str::from_utf8(records.field(field).0));
    let names: Vec<String> = header
        .map(|name| name.map(str::to_owned).map_err(|_| "its header is not UTF-8".to_owned()))
        .collect::<Result<_, _>>()?;
    // Each takes memory as it has text: a header alone may name thousands.
    let mut open: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::with_capacity(0, 0)).collect();
    let mut batches = Vec::new();
    let mut row = 0_usize;
    while records.next().map_err(|why| format!("row {}: {why}", row + 1))? {
        row += 1;
        if records.ends.len() != names.len() {
            return Err(format!(
                "row {row} has {} fields, and the header has {}",
                records.ends.len(),
                names.len()
            ));
        }
        for (index, (builder, name)) in open.iter_mut().zip(&names).enumerate() {
            let (bytes, quoted) = records.field(index);
            let text = std::str::from_utf8(bytes).map_err(|_| format!("row {row}: `{name}` is not UTF-8"))?;
            builder.append_option((quoted || !text.is_empty()).then_some(text));
        }
        if row.is_multiple_of(BATCH_ROWS) {
            batches.push(open.iter_mut().map(StringBuilder::finish).collect());
        }
    }
    if !row.is_multiple_of(BATCH_ROWS) {
        batches.push(open.iter_mut().map(StringBuilder::finish).collect());
    }
    Ok(CsvText { names, batches })
}

/// The records of a file, one at a time.
struct Records<'a> {
    rest: &'a [u8],
    separator: u8,
    /// The text of the current record's fields, one after the other.
    text: Vec<u8>,
    /// For each field where its text ends, and whether it was quoted.
    ends: Vec<(usize, bool)>,
}

impl<'a> Records<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let separator = feature::csv_separator(rest);
        Self { rest, separator, text: Vec::new(), ends: Vec::new() }
    }

    /// The text of a field of the current record, and whether it was quoted.
    fn field(&self, index: usize) -> (&[u8], bool) {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(end, _)| *end);
        let (end, quoted) = *self.ends.get(index).expect("invariant: the record has this field");
        (self.text.get(start..end).expect("invariant: a field ends within its record"), quoted)
    }

    /// Moves to the next record that has any text; false at the end.
    fn next(&mut self) -> Result<bool, String> {
        while !self.rest.is_empty() {
            self.text.clear();
            self.ends.clear();
            while self.read_field()? {
                if self.ends.len() == MAX_COLUMNS {
                    return Err(format!("it has more than the {MAX_COLUMNS} columns that a file may have"));
                }
            }
            if self.ends.as_slice() != [(0, false)] {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads one field and what ends it; false where that ends the record.
    fn read_field(&mut self) -> Result<bool, String> {
        let quoted = self.rest.first() == Some(&b'"');
        if quoted {
            self.rest = self.rest.get(1..).unwrap_or_default();
            self.read_quoted()?;
        } else {
            let is_end = |byte: &u8| *byte == self.separator || matches!(byte, b'\n' | b'\r');
            let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            self.text.extend_from_slice(text);
            self.rest = rest;
        }
        self.ends.push((self.text.len(), quoted));
        let (more, length) = match self.rest {
            [byte, ..] if *byte == self.separator => (true, 1),
            [b'\r', b'\n', ..] => (false, 2),
            [b'\n' | b'\r', ..] => (false, 1),
            [] => (false, 0),
            _ => return Err(format!("field {} goes on after its closing quote", self.ends.len())),
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(more)
    }

    /// Reads up to the closing quote and behind it.
    fn read_quoted(&mut self) -> Result<(), String> {
        loop {
            let Some(end) = self.rest.iter().position(|byte| *byte == b'"') else {
                return Err(format!("field {} has no closing quote", self.ends.len() + 1));
            };
            let (text, rest) = self.rest.split_at(end);
            self.text.extend_from_slice(text);
            self.rest = rest.get(1..).unwrap_or_default();
            // A second quote stands for one, and the field goes on.
            match self.rest.strip_prefix(b"\"") {
                Some(rest) => {
                    self.text.push(b'"');
                    self.rest = rest;
                }
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    fn rows(text: &str) -> Vec<Vec<Option<String>>> {
        let read = read(text.as_bytes()).unwrap();
        let of_batch = |columns: &Vec<StringArray>| {
            let row = |row: usize| {
                let value = |c: &StringArray| c.iter().nth(row).flatten().map(str::to_owned);
                columns.iter().map(value).collect()
            };
            (0..columns[0].len()).map(row).collect::<Vec<_>>()
        };
        read.batches.iter().flat_map(of_batch).collect()
    }

    fn texts(row: &[&str]) -> Vec<Option<String>> {
        row.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn text_stays_as_it_was_written() {
        let read = rows("a,b,c\n01234,1e5,true\n 1 ,2013-06-01,0x1F\n");
        assert_eq!(read, [texts(&["01234", "1e5", "true"]), texts(&[" 1 ", "2013-06-01", "0x1F"])]);
    }

    #[test]
    fn a_quoted_empty_field_is_the_empty_string_and_an_unquoted_one_null() {
        assert_eq!(rows("a,b\n\"\",\n"), [[Some(String::new()), None]]);
    }

    #[test]
    fn quotes_hold_commas_lines_and_quotes() {
        let read = rows("a,b\r\n\"x,\"\"y\"\"\",\"1\n2\"\r\n\r\nz,w");
        assert_eq!(read, [texts(&["x,\"y\"", "1\n2"]), texts(&["z", "w"])]);
    }

    #[test]
    fn fields_are_separated_as_those_of_the_header_are() {
        assert_eq!(rows("a;b\n1,5;\"x;y\"\n"), [texts(&["1,5", "x;y"])]);
        assert_eq!(rows("a\tb\n1;2\t3\n"), [texts(&["1;2", "3"])]);
    }

    #[test]
    fn a_mark_and_every_end_of_line_are_passed_over() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("\u{feff}a,b{end}1,2{end}{end}3,4");
            assert_eq!(read(text.as_bytes()).unwrap().names, ["a", "b"]);
            assert_eq!(rows(&text), [texts(&["1", "2"]), texts(&["3", "4"])]);
        }
    }

    #[test]
    fn a_header_alone_has_no_rows_and_an_empty_file_is_refused() {
        assert_eq!(rows("a,b\n"), Vec::<Vec<_>>::new());
        assert_eq!(read(b"").unwrap_err(), "it is empty: its first line must name its columns");
    }

    #[test]
    fn a_damaged_row_is_named() {
        for (text, says) in [
            ("a,b\n1,2\n3\n", "row 2 has 1 fields, and the header has 2"),
            ("a,b\n1,\"2\n", "row 1: field 2 has no closing quote"),
            ("a,b\n\"1\"x,2\n", "row 1: field 1 goes on after its closing quote"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), says);
        }
        assert_eq!(read(b"a,b\n1,\xff\n").unwrap_err(), "row 1: `b` is not UTF-8");
    }

    #[test]
    fn rows_beyond_a_batch_go_into_the_next() {
        let text = format!("a\n{}", "x\n".repeat(BATCH_ROWS + 1));
        let read = read(text.as_bytes()).unwrap();
        let rows: Vec<usize> = read.batches.iter().map(|batch| batch[0].len()).collect();
        assert_eq!(rows, [BATCH_ROWS, 1]);
    }

    #[test]
    fn a_row_of_endless_columns_is_refused_at_their_bound() {
        let text = ",".repeat(MAX_COLUMNS - 1);
        assert_eq!(read(text.as_bytes()).unwrap().names.len(), MAX_COLUMNS);
        let refused = read(format!("{text},").as_bytes()).unwrap_err();
        assert!(refused.contains("16384 columns"), "{refused}");
    }
}
