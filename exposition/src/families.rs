//! A page of metrics read back: its families, for those who send them on in another form.

/// A family of samples.
#[derive(Clone, PartialEq, Debug)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// What it counts.
    pub help: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its samples, in their order; a histogram's are named with `_bucket`, `_sum` and `_count` behind the family's name.
    pub samples: Vec<FamilySample>,
}

/// One sample of a family.
#[derive(Clone, PartialEq, Debug)]
pub struct FamilySample {
    /// Its name.
    pub name: String,
    /// Its labels, in their order.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

/// The families of a page that [`Page`](crate::Page) wrote. Lines that it would not write are passed over.
pub fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap_or((help, ""));
            let help = help.strip_suffix('.').unwrap_or(help);
            families.push(Family {
                name: name.to_owned(),
                help: help.to_owned(),
                kind: String::new(),
                samples: Vec::new(),
            });
            continue;
        }
        let Some(family) = families.last_mut() else { continue };
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            kind.rsplit(' ').next().unwrap_or_default().clone_into(&mut family.kind);
        } else if let Some(sample) = sample(line) {
            family.samples.push(sample);
        }
    }
    families
}

fn sample(line: &str) -> Option<FamilySample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.trim().parse().ok()?;
    Some(FamilySample { name: name.to_owned(), labels, value })
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    escaped => value.push(escaped),
                },
                (_, plain) => value.push(plain),
            }
        };
        labels.push((name.to_owned(), value));
        rest = quoted.get(end + 1..)?;
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((labels, rest.strip_prefix('}')?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Histogram, Page, Sample, SampleKind};

    #[test]
    fn what_a_page_wrote_is_read_back() {
        let histogram = Histogram::new(&[1, 10]);
        [1, 5, 50].into_iter().for_each(|value| histogram.observe(value));
        let mut page = Page::default();
        page.family("rows_total", "counter", "Rows of a kind");
        page.sample("rows_total", &[("why", "a \"b\" \\ c\nd, e={1}"), ("view", "v@1")], 3.0);
        page.sample("rows_total", &[], 4.5);
        page.family("wait_seconds", "histogram", "How long");
        page.histogram("wait_seconds", &[("queue", "reads")], &histogram, 1e3);
        page.alone(&Sample { name: "up", help: "It answers", kind: SampleKind::Gauge, value: 1.0 });
        let read = families(&page.into_text());
        let names: Vec<_> =
            read.iter().map(|one| (one.name.as_str(), one.kind.as_str(), one.help.as_str())).collect();
        assert_eq!(
            names,
            [
                ("rows_total", "counter", "Rows of a kind"),
                ("wait_seconds", "histogram", "How long"),
                ("up", "gauge", "It answers")
            ]
        );
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read[0].samples[0].labels, [label("why", "a \"b\" \\ c\nd, e={1}"), label("view", "v@1")]);
        assert_eq!((read[0].samples[0].value, read[0].samples[1].value), (3.0, 4.5));
        let waits: Vec<_> = read[1].samples.iter().map(|one| (one.name.as_str(), one.value)).collect();
        let bucket = "wait_seconds_bucket";
        assert_eq!(
            waits,
            [
                (bucket, 1.0),
                (bucket, 2.0),
                (bucket, 3.0),
                ("wait_seconds_sum", 0.056),
                ("wait_seconds_count", 3.0)
            ]
        );
        assert_eq!(read[1].samples[2].labels, [label("queue", "reads"), label("le", "+Inf")]);
    }
}
