//! How results look: tables for people, JSON for programs.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

pub use feature::{counted, excerpt, in_words, thousands as count};
pub use pages::age;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use feature::shown;

use crate::failure::Failure;
use crate::headings::Printed;

/// What could not be written on stdout, where its reader did not just leave.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// `println!` that survives a reader who has left, as `head` does: the command goes on to its end.
macro_rules! println {
    () => { $crate::output::line(::std::format_args!("")) };
    ($($text:tt)*) => { $crate::output::line(::std::format_args!($($text)*)) };
}

/// `print!`, likewise.
macro_rules! print {
    ($($text:tt)*) => { $crate::output::text(::std::format_args!($($text)*)) };
}

/// `eprintln!`, likewise.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::output::error_line(::std::format_args!($($text)*)) };
}

/// Writes a line on stdout.
pub fn line(text: Arguments<'_>) {
    self::text(format_args!("{text}\n"));
}

/// Writes a text on stdout.
pub fn text(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(shown(&text.to_string()).as_bytes()).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        UNWRITTEN.get_or_init(|| error.to_string());
    }
}

/// Writes a line on stderr, if it can be written.
pub fn error_line(text: Arguments<'_>) {
    // Nobody is left to read it.
    let _ = writeln!(io::stderr().lock(), "{}", shown(&text.to_string()));
}

/// Fails where a result could not be written.
pub fn all_written() -> Result<(), Failure> {
    match UNWRITTEN.get() {
        None => Ok(()),
        Some(error) => Err(Failure::new(format!("the result could not be written on stdout: {error}"))),
    }
}

/// A table under its headings; the columns at the indices in `right` hold numbers.
pub fn table(printed: &Printed, right: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let header: Vec<&str> = printed.columns.iter().map(|(name, _)| *name).collect();
    untitled(&header, right, rows)
}

/// A table without lines, whose headings say themselves what they are.
pub fn untitled(header: &[&str], right: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let left = u16::from(index > 0);
        column.set_padding((left, 1));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Writes a result as JSON on stdout.
pub fn json(result: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(result)?);
    Ok(())
}

/// A share in per cent: `12.3%`.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    match part {
        0 => "0%".to_owned(),
        _ if percent < 0.1 => "<0.1%".to_owned(),
        _ => format!("{percent:.1}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_as_people_write_them() {
        assert_eq!(share(1, 3), "33.3%");
        assert_eq!(share(1, 100_000), "<0.1%");
    }
}
