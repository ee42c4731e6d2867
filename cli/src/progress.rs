//! What is shown on stderr while rows are read; nothing where stderr is no terminal.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::output::count;

/// A line that counts rows.
pub struct Progress(ProgressBar);

impl Progress {
    /// Begins to count rows, of which it is not known how many there are.
    pub fn rows(what: &str) -> Self {
        Self::styled(ProgressBar::no_length(), "{spinner} {msg}: {human_pos} rows, {rows_per_s} rows/s", what)
    }

    /// Begins to count rows up to a total: with the rate and the time that is left.
    pub fn of_rows(what: &str, total: u64) -> Self {
        let style = "{msg} [{bar:30}] {human_pos} of {human_len} rows, {rows_per_s} rows/s, {eta} left";
        Self::styled(ProgressBar::new(total), style, what)
    }

    fn styled(bar: ProgressBar, template: &str, what: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rows_per_s", |state: &ProgressState, out: &mut dyn Write| {
                // Nothing is lost where a progress line cannot be written.
                let _ = write!(out, "{}", count(state.per_sec() as u64));
            }));
        }
        bar.set_message(what.to_owned());
        Self(bar)
    }

    /// Counts more rows.
    pub fn add(&self, rows: u64) {
        self.0.inc(rows);
    }

    /// Says how many rows there were so far.
    pub fn set(&self, rows: u64) {
        self.0.set_position(rows);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
