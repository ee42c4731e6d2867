//! The tables of a feature: its quantiles and ages, and the rows that differ most with what each version read for them.

use std::fmt::Write;

use feature::Value;
use twinstore::{ComparedFeature, DifferingRow, InputRow, ParityReport};

use super::escape::Escaped;
use crate::shown_figures::{age, entity, number};

/// Quantiles that are in the table, in thousandths, and what they are called.
const SHOWN: [(u64, &str); 7] =
    [(0, "least"), (10, "1%"), (250, "25%"), (500, "median"), (750, "75%"), (990, "99%"), (1000, "greatest")];

/// Quantiles of both versions and the ages of what they read; nothing where there is neither.
pub fn quantile_table(report: &ParityReport, feature: &ComparedFeature) -> String {
    let figures = &feature.figures;
    let mut lines: Vec<(String, String, String)> = Vec::new();
    if let Some(mean) = figures.mean {
        let shown = |x: f64| number(&Value::Float64(x));
        lines.push(("mean".to_owned(), shown(mean.old), shown(mean.new)));
    }
    for (per_mille, name) in SHOWN {
        let pair = figures.quantiles.iter().find(|pair| pair.per_mille == per_mille);
        lines.extend(pair.map(|pair| (name.to_owned(), number(&pair.old), number(&pair.new))));
    }
    let ages = report.ages.get(feature.ages).map(|ages| ages.quantiles.as_slice()).unwrap_or_default();
    for (per_mille, name) in [(500, "median age"), (990, "99% age")] {
        let pair = ages.iter().find(|pair| pair.per_mille == per_mille);
        let shown = |value: &Value| match value {
            Value::Int64(micros) => age(*micros as f64 / 1e6),
            _ => "-".to_owned(),
        };
        let pair = pair.filter(|pair| !pair.old.is_null() || !pair.new.is_null());
        lines.extend(pair.map(|pair| (name.to_owned(), shown(&pair.old), shown(&pair.new))));
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<details><summary>Quantiles and ages</summary>\n<div class=\"wide\"><table><thead><tr><th scope=\"col\"></th>\
         <th scope=\"col\">Old</th><th scope=\"col\">New</th></tr></thead><tbody>\n",
    );
    for (name, old, new) in lines {
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td></tr>",
            Escaped(&old),
            Escaped(&new)
        );
    }
    table + "</tbody></table></div></details>\n"
}

/// The rows that differ most; nothing where none does.
pub fn differences(feature: &ComparedFeature) -> String {
    if feature.differences.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<details><summary>The rows that differ most, and what each version read for them</summary>\n<div class=\"wide\"><table>\
         <thead><tr><th scope=\"col\">Entity</th><th scope=\"col\">Moment</th><th scope=\"col\">Old</th><th scope=\"col\">New</th>\
         <th scope=\"col\">Read by the old one</th><th scope=\"col\">Read by the new one</th></tr></thead><tbody>\n",
    );
    for row in &feature.differences {
        let DifferingRow { at, old, new, old_inputs, new_inputs, .. } = row;
        let _ = writeln!(
            table,
            "<tr><td class=\"text\">{}</td><td>{at}</td><td>{}</td><td>{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td></tr>",
            Escaped(&entity(row)),
            Escaped(&number(old)),
            Escaped(&number(new)),
            inputs(old_inputs),
            inputs(new_inputs)
        );
    }
    table + "</tbody></table></div></details>\n"
}

/// The latest rows that a version read, a line each.
fn inputs(rows: &[InputRow]) -> String {
    if rows.is_empty() {
        return "no row".to_owned();
    }
    let line = |row: &InputRow| {
        let values: Vec<String> =
            row.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let deleted = if row.deleted { "deleted; " } else { "" };
        let when = match row.event_time.zip(row.available_at) {
            Some((event_time, available_at)) => format!("{event_time} (readable {available_at})"),
            None => "of a static source".to_owned(),
        };
        format!("<code>{}</code><br>{deleted}{when}", Escaped(&values.join(", ")))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("<br>")
}
