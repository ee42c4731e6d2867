//! The text that Prometheus reads, format 0.0.4: families of samples, each with its help.

use std::borrow::Cow;
use std::fmt::Write;

use crate::histogram::Histogram;

/// What a family's values mean over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SampleKind {
    /// Only ever rises, but for a restart.
    Counter,
    /// Rises and falls.
    Gauge,
}

/// One value that is a metric of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The metric's name, with its unit: `twinstore_tier_bytes`.
    pub name: &'static str,
    /// What it counts, in a sentence without its full stop.
    pub help: &'static str,
    /// What its values mean over time.
    pub kind: SampleKind,
    /// The value.
    pub value: f64,
}

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    }

    /// One sample of a family.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.line(name, labels, &[], value);
    }

    /// One histogram of a family, its values divided by `unit`; one that is empty is left out.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram, unit: f64) {
        let counts = histogram.counts();
        if counts.count == 0 {
            return;
        }
        let bucket = format!("{name}_bucket");
        for (bound, count) in &counts.up_to {
            let bound = (*bound as f64 / unit).to_string();
            self.line(&bucket, labels, &[("le", &bound)], *count as f64);
        }
        self.line(&bucket, labels, &[("le", "+Inf")], counts.count as f64);
        self.line(&format!("{name}_sum"), labels, &[], counts.sum as f64 / unit);
        self.line(&format!("{name}_count"), labels, &[], counts.count as f64);
    }

    /// A sample that is a family of its own.
    pub fn alone(&mut self, sample: &Sample) {
        let kind = match sample.kind {
            SampleKind::Counter => "counter",
            SampleKind::Gauge => "gauge",
        };
        self.family(sample.name, kind, sample.help);
        self.sample(sample.name, &[], sample.value);
    }

    /// The page.
    pub fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], more: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        let mut open = '{';
        for (label, text) in labels.iter().chain(more) {
            let _ = write!(self.text, "{open}{label}=\"{}\"", escaped(text));
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}

/// A label's value as the format has it between quotes.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(text);
    }
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_label_is_escaped() {
        let mut page = Page::default();
        page.sample("rows", &[("reason", "a \"b\" \\ c\nd")], 1.0);
        assert_eq!(page.into_text(), "rows{reason=\"a \\\"b\\\" \\\\ c\\nd\"} 1\n");
    }
}
