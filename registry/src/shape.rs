//! Checks a document against the tables of keys: every value that has not the shape that its key
//! wants is reported, with the nearest that has.

use feature::{DataType, Micros, Name, Scalar, Span, TimeError, VersionId};

use crate::foreign;
use crate::nearest::did_you_mean;
use crate::outline::column_names;
use crate::problem::{Mark, Report};
use crate::record::{Need, Record, Shape};
use crate::yaml::{Content, Entry, Node};

/// Checks a map against a record; `context` says whose map it is, as in "source `landings`".
pub(crate) fn check_record(record: &Record, node: &Node, context: &str, report: &mut Report<'_>) {
    let Content::Map(entries) = &node.content else {
        let keys: Vec<&str> = record.keys.iter().map(|key| key.name).collect();
        let what = format!("{context} is {}: make it a map of {}", node.is_a(), keys.join(", "));
        report.at(node.at, what);
        return;
    };
    for entry in entries {
        let Some(key) = record.keys.iter().find(|key| key.name == entry.key) else {
            let names = record.keys.iter().map(|key| key.name);
            let near = match foreign::key(&entry.key, names.clone()) {
                Some(ours) => format!(", which is called `{ours}` here"),
                None => match (did_you_mean(&entry.key, names), foreign::elsewhere(&entry.key)) {
                    (near, Some((ours, kind))) if near.is_empty() && ours == entry.key => {
                        format!(": it stands in a {}", kind.name())
                    }
                    (near, Some((ours, kind))) if near.is_empty() => {
                        format!(", which is called `{ours}` here and stands in a {}", kind.name())
                    }
                    (near, _) => near,
                },
            };
            report.at(entry.at, format!("unknown field `{}` in {context}{near}", entry.key));
            continue;
        };
        let inner = Inside { key: key.name, context };
        check(&key.shape, &entry.value, entry.at, &inner, report);
    }
    for key in record.keys {
        let there = entries.iter().any(|entry| entry.key == key.name);
        if matches!(key.need, Need::Required) && !there {
            report.at(node.at, format!("{context} has no `{}`: add it ({})", key.name, key.doc));
        }
    }
}

/// Where a value stands: under which key of what.
struct Inside<'a> {
    key: &'a str,
    context: &'a str,
}

impl std::fmt::Display for Inside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` of {}", self.key, self.context)
    }
}

fn check(shape: &Shape, node: &Node, key_at: Mark, inside: &Inside<'_>, report: &mut Report<'_>) {
    match (shape, &node.content) {
        (Shape::Record(record), Content::Map(_)) => {
            check_record(record, node, &format!("the {} of {}", inside.key, inside.context), report);
        }
        (Shape::Or(_, record), Content::Map(_)) => {
            check_record(record, node, &inside.to_string(), report);
        }
        (Shape::Or(scalar, _), Content::Text(..)) => check(scalar, node, key_at, inside, report),
        (Shape::List(item), Content::List(items)) => {
            for (i, value) in items.iter().enumerate() {
                match item {
                    Shape::Record(record) => {
                        check_record(
                            record,
                            value,
                            &format!("{} {} of {}", record.title, i + 1, inside.context),
                            report,
                        );
                    }
                    shape => check(shape, value, value.at, inside, report),
                }
            }
        }
        (Shape::Map(_), Content::Map(entries)) if entries.is_empty() => {
            report.at(key_at, format!("{inside} is empty: give it at least one entry"));
        }
        // What it must be depends on the type of its feature.
        (Shape::Value, Content::Text(..) | Content::List(_)) => {}
        (Shape::List(_), Content::Null) | (Shape::Map(_), Content::Null) | (_, Content::Null) => {
            report.at(key_at, format!("{inside} has no value: give it one, or remove it"));
        }
        (Shape::Map(value) | Shape::Labels(value), Content::Map(entries)) => {
            let named = matches!(shape, Shape::Map(_));
            for entry in entries {
                if named && let Err(error) = entry.key.parse::<Name>() {
                    let stored = if inside.key == "schema" { stored_as(entry) } else { String::new() };
                    report.at(entry.at, format!("{error} (in {inside}){stored}"));
                }
                match value {
                    Shape::Record(record) => {
                        let context = format!("{} `{}` of {}", record.title, entry.key, inside.context);
                        check_record(record, &entry.value, &context, report);
                    }
                    shape => {
                        let context = inside.to_string();
                        check(
                            shape,
                            &entry.value,
                            entry.at,
                            &Inside { key: &entry.key, context: &context },
                            report,
                        );
                    }
                }
            }
        }
        (Shape::Bounds, Content::List(items))
            if items.len() == 2 && items.iter().all(|i| i.text().is_some()) => {}
        (_, Content::Text(text, _)) => {
            if let Some(problem) = check_text(shape, text) {
                report.at(node.at, format!("{inside}: {problem}"));
            }
        }
        (shape, _) => {
            report.at(node.at, format!("{inside} is {}: it must be {}", node.is_a(), noun(shape)));
        }
    }
}

/// How a column is declared whose name in the files no definition can use.
fn stored_as(entry: &Entry) -> String {
    let names = column_names([entry.key.as_str()]);
    let data_type = entry.value.get("type").unwrap_or(&entry.value).text();
    let declared = names.first().zip(data_type);
    declared.map_or_else(String::new, |(name, data_type)| {
        format!(
            "; a column that the files call so is `{name}: {{type: {data_type}, column: {:?}}}`",
            entry.key
        )
    })
}

/// What is wrong with a scalar.
fn check_text(shape: &Shape, text: &str) -> Option<String> {
    match shape {
        Shape::Text | Shape::Sql | Shape::Aggregate if text.trim().is_empty() => {
            Some(format!("it is empty: give it {}, or remove it", noun(shape)))
        }
        Shape::Text | Shape::Sql | Shape::Aggregate => None,
        Shape::Name => text.parse::<Name>().err().map(|error| error.to_string()),
        Shape::VersionId => text.parse::<VersionId>().err().map(|error| error.to_string()),
        Shape::Prefix if is_prefix(text) => None,
        Shape::Prefix => {
            Some(format!("`{text}` is no prefix: use lower-case letters, digits and underscores"))
        }
        Shape::Type => text.parse::<DataType>().err().map(|error| format!("{error}{}", nearest_type(text))),
        Shape::Time => text.parse::<Micros>().err().map(|error| error.to_string()),
        Shape::Duration | Shape::Delay => match text.parse::<Span>() {
            Ok(_) => None,
            Err(TimeError::ZeroSpan(_)) if matches!(shape, Shape::Delay) => None,
            Err(error) => Some(format!("{error}{}", nearest_span(text))),
        },
        Shape::Version => match text.parse::<u32>() {
            Ok(1..=VersionId::MOST_VERSIONS) => None,
            _ => Some(format!("`{text}` is not a version: write a whole number from 1")),
        },
        Shape::Percent => match text.parse::<f64>() {
            Ok(percent) if percent > 0.0 && percent < 100.0 => None,
            _ => Some(format!(
                "`{text}` is not a target: write a percentage above 0 and below 100, as in 99.9"
            )),
        },
        Shape::Number(least, greatest) => match text.parse::<f64>() {
            Ok(number) if (*least..=*greatest).contains(&number) => None,
            _ => Some(format!("`{text}` is not {}", noun(shape))),
        },
        Shape::OneOf(choices) if choices.contains(&text) => None,
        Shape::OneOf(choices) => {
            let near = did_you_mean(text, choices.iter().copied());
            Some(format!("`{text}` is none of {}{near}", choices.join(", ")))
        }
        Shape::Value => None,
        Shape::Or(scalar, _) => check_text(scalar, text),
        Shape::Bounds | Shape::List(_) | Shape::Map(_) | Shape::Labels(_) | Shape::Record(_) => {
            Some(format!("it is text: it must be {}", noun(shape)))
        }
    }
}

/// Whether text may stand before names.
pub(crate) fn is_prefix(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn nearest_type(text: &str) -> String {
    const USUAL: [(&str, &str); 11] = [
        ("integer", "int64"),
        ("str", "string"),
        ("text", "string"),
        ("varchar", "string"),
        ("boolean", "bool"),
        ("int", "int64"),
        ("bigint", "int64"),
        ("long", "int64"),
        ("double", "float64"),
        ("datetime", "timestamp"),
        ("binary", "bytes"),
    ];
    let lower = text.to_lowercase();
    match USUAL.iter().find(|(usual, _)| *usual == lower) {
        Some((_, ours)) => format!(", did you mean `{ours}`?"),
        None => did_you_mean(text, Scalar::ALL.iter().map(|scalar| scalar.name())),
    }
}

/// A duration with another name of a unit, as in `5min` or `1 hour`, in our units.
fn nearest_span(text: &str) -> String {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let unit = text.get(digits.len()..).unwrap_or_default().trim().to_lowercase();
    let ours = match unit.as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => "w",
        "y" | "year" | "years" => "y",
        _ => return String::new(),
    };
    let days =
        |per: u64| digits.parse::<u64>().ok().and_then(|n| n.checked_mul(per)).map(|n| format!("{n}d"));
    let meant = match ours {
        "w" => days(7),
        "y" => days(365),
        unit => Some(format!("{digits}{unit}")),
    };
    let meant = meant.filter(|meant| meant.parse::<Span>().is_ok());
    meant.map(|meant| format!(", did you mean `{meant}`?")).unwrap_or_default()
}

/// What a shape is called, in messages and in the reference.
pub(crate) fn noun(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Sql => "a SQL expression".to_owned(),
        Shape::Aggregate => "an aggregate".to_owned(),
        Shape::Name => "a name".to_owned(),
        Shape::Prefix => "a prefix".to_owned(),
        Shape::Type => "a type".to_owned(),
        Shape::Duration => "a duration".to_owned(),
        Shape::Delay => "a duration, or 0s".to_owned(),
        Shape::Time => "a time".to_owned(),
        Shape::Version => "a whole number from 1".to_owned(),
        Shape::VersionId => "a name@version".to_owned(),
        Shape::Percent => "a percentage".to_owned(),
        Shape::Number(least, greatest) => format!("a number from {least} to {greatest}"),
        Shape::Value => "a value of its type".to_owned(),
        Shape::Bounds => "a list of two values, as in [0, 100]".to_owned(),
        Shape::OneOf(choices) => format!("one of {}", choices.join(", ")),
        Shape::Or(scalar, record) => format!("{}, or a map ({})", noun(scalar), record.title),
        Shape::List(Shape::Record(record)) => format!("a list of {}s", record.title),
        Shape::List(item) => format!("a list, each item {}", noun(item)),
        Shape::Map(Shape::Record(record)) => format!("a map from names to {}s", record.title),
        Shape::Map(value) => format!("a map from names, each to {}", noun(value)),
        Shape::Labels(Shape::Record(record)) => format!("a map from names to {}s", record.title),
        Shape::Labels(value) => format!("a map from labels, each to {}", noun(value)),
        Shape::Record(record) => format!("a map ({})", record.title),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_with_another_name_of_its_unit_is_understood_in_the_message() {
        for (given, meant) in [("5min", "`5m`"), ("1 hour", "`1h`"), ("2w", "`14d`"), ("1y", "`365d`")] {
            assert!(nearest_span(given).contains(meant), "{given}");
        }
        assert_eq!(nearest_span("1.5h"), "");
        assert_eq!(nearest_span("soon"), "");
    }

    #[test]
    fn a_type_by_another_name_is_understood_in_the_message() {
        for (given, meant) in
            [("Int64", "`int64`"), ("integer", "`int64`"), ("DOUBLE", "`float64`"), ("flaot32", "`float32`")]
        {
            let near = nearest_type(given);
            assert!(near.contains(meant), "{given}{near}");
        }
    }
}
