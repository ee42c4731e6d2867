//! What is shown on stderr while rows are read; nothing where stderr is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A line that counts rows.
pub struct Progress(ProgressBar);

impl Progress {
    /// Begins to count.
    pub fn rows(what: &str) -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {human_pos} rows, {per_sec}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self(bar)
    }

    /// Counts more rows.
    pub fn add(&self, rows: u64) {
        self.0.inc(rows);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
