//! The text that Prometheus reads, format 0.0.4: families of samples, each with its help.

use std::fmt::Write;

use super::histogram::Histogram;

/// What a family's values mean over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SampleKind {
    /// Only ever rises, but for a restart.
    Counter,
    /// Rises and falls.
    Gauge,
}

/// One value that whoever wires the server adds to its metrics.
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
#[derive(Default)]
pub(crate) struct Exposition {
    text: String,
}

impl Exposition {
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
        let held = histogram.held();
        if held.count == 0 {
            return;
        }
        let bucket = format!("{name}_bucket");
        for (bound, count) in &held.up_to {
            let bound = (*bound as f64 / unit).to_string();
            self.line(&bucket, labels, &[("le", &bound)], *count as f64);
        }
        self.line(&bucket, labels, &[("le", "+Inf")], held.count as f64);
        self.line(&format!("{name}_sum"), labels, &[], held.sum as f64 / unit);
        self.line(&format!("{name}_count"), labels, &[], held.count as f64);
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

    /// Names of services, protocols and codes hold nothing that would have to be escaped.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], more: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        let mut open = '{';
        for (label, text) in labels.iter().chain(more) {
            let _ = write!(self.text, "{open}{label}=\"{text}\"");
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}
