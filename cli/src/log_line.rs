//! An event of the log as it is written: one line, whatever is in it, and nothing in it that a terminal obeys.

use std::io::{self, Write};

use feature::{visible_line, without_backtrace, without_logins};

/// The bytes of one event, which are written as one line once all are there.
#[derive(Debug, Default)]
pub struct LogLine(Vec<u8>);

impl LogLine {
    fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        without_logins(&visible_line(without_backtrace(&text).trim_end_matches('\n'))).into_owned()
    }
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            // Nobody is left to read it.
            let _ = writeln!(io::stderr().lock(), "{}", self.line());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_without_what_a_terminal_obeys() {
        let line =
            LogLine(b"WARN it says \"a\nERROR forged\x1b[2J\" of redis://u:secret@h\n".to_vec()).line();
        assert_eq!(line, "WARN it says \"a\\nERROR forged\\u001b[2J\" of redis://…@h");
    }
}
