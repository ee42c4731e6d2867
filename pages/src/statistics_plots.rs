//! The statistics of a column over time as plots, each with the same as a table below.

use std::fmt::Write;

use feature::{EventDate, Value, thousands};
use maud::{Markup, html};
use twinstore::{ColumnDay, Measure, Statistics};

use crate::shown::{dash, wide};
use crate::shown_figures::{number, percent};

/// Days that are shown: the newest.
const MOST_DAYS: usize = 60;
/// Frequent values that are shown.
const MOST_VALUES: usize = 10;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Plots and table of the days of one column; a sentence where there is none.
pub fn statistics(days: &[ColumnDay]) -> Markup {
    let dated: Vec<&ColumnDay> = days.iter().filter(|day| day.date != EventDate::None).collect();
    let shown = dated.get(dated.len().saturating_sub(MOST_DAYS)..).unwrap_or_default();
    let Some(first) = days.first() else {
        return html! {
            p { "No statistics are kept of this yet. Loads and streams count them as they write; of a large load they are counted once somebody asks for them." }
        };
    };
    let mut all = first.statistics.clone();
    days.iter().skip(1).for_each(|day| all.merge(&day.statistics));
    html! {
        (summary(&all, days.len()))
        div.plots {
            @if shown.len() > 1 {
                (rows_by_day(shown))
                (values_by_day(shown))
            }
            (frequent(&all))
        }
        @if !shown.is_empty() {
            details {
                summary { "The same by date" }
                (wide("Statistics by date", &table(shown)))
                @if dated.len() > shown.len() {
                    p { "The newest " (shown.len()) " of " (thousands(dated.len() as u64)) " dates." }
                }
            }
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A quantile as it is written; a dash where there is none.
fn quantile(statistics: &Statistics, per_mille: u64) -> String {
    match statistics.quantile(per_mille) {
        Value::Null => dash(),
        value => number(&value),
    }
}

fn mean(statistics: &Statistics) -> String {
    statistics.mean().map_or_else(dash, |mean| number(&Value::Float64(mean)))
}

fn summary(all: &Statistics, days: usize) -> Markup {
    let is_ordered = all.measure().is_ordered();
    html! {
        dl.facts {
            dt { "Rows" } dd { (thousands(all.rows())) " on " (feature::counted(days as u64, "date")) }
            dt { "Null" } dd { (percent(Some(share(all.nulls(), all.rows())))) }
            @if all.not_finite() > 0 {
                dt { "NaN or infinite" } dd { (thousands(all.not_finite())) ", which the mean leaves out" }
            }
            @if all.measure() != Measure::Equality { dt { "Different values" } dd { (thousands(all.distinct())) } }
            @if is_ordered {
                dt { "Least, median, greatest" }
                dd { (quantile(all, 0)) ", " (quantile(all, 500)) ", " (quantile(all, 1000)) }
                dt { "Mean" } dd { (mean(all)) }
            }
        }
    }
}

/// The position of a day from left to right, by its date.
fn across(days: &[&ColumnDay]) -> impl Fn(&ColumnDay) -> f64 {
    let ends = days.first().zip(days.last());
    let (first, last) = ends.map_or((0, 0), |(first, last)| (first.date.number(), last.date.number()));
    let span = last.saturating_sub(first).max(1) as f64;
    move |day| LEFT + (WIDTH - LEFT - 8.0) * day.date.number().saturating_sub(first) as f64 / span
}

fn opened(label: &str, inside: &str) -> String {
    let label = html! { (label) }.into_string();
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">\
         <line class=\"axis\" x1=\"{LEFT}\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\"/>{inside}</svg>",
        HEIGHT - BOTTOM,
        WIDTH - 8.0
    )
}

fn dates(days: &[&ColumnDay]) -> String {
    let mut text = String::new();
    for (day, x, anchor) in [(days.first(), LEFT, "start"), (days.last(), WIDTH - 8.0, "end")] {
        if let Some(day) = day {
            let y = HEIGHT - 6.0;
            let _ = write!(text, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>", day.date);
        }
    }
    text
}

/// A label at the left, of text without markup.
fn at_left(y: f64, label: &str) -> String {
    let label = html! { (label) }.into_string();
    format!("<text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0)
}

/// Rows of each date as columns, the part of nulls in another colour.
fn rows_by_day(days: &[&ColumnDay]) -> Markup {
    let most = days.iter().map(|day| day.statistics.rows()).max().unwrap_or(0).max(1);
    let x = across(days);
    let dates_shown = days.first().zip(days.last());
    let span = dates_shown.map_or(1, |(first, last)| last.date.number().saturating_sub(first.date.number()));
    let width = ((WIDTH - LEFT - 8.0) / (span.max(1) as f64 + 1.0) * 0.8).clamp(1.0, 24.0);
    let full = HEIGHT - TOP - BOTTOM;
    let mut inside = String::new();
    for day in days {
        let left = (x(day) - width / 2.0).max(LEFT);
        let (rows, nulls) = (day.statistics.rows(), day.statistics.nulls());
        for (class, count) in [("newbar", rows), ("badbar", nulls)] {
            let height = full * share(count, most);
            let top = HEIGHT - BOTTOM - height;
            let _ = write!(
                inside,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
            );
        }
    }
    inside += &at_left(TOP + 10.0, &thousands(most));
    inside += &at_left(HEIGHT - BOTTOM, "0");
    inside += &dates(days);
    let svg = opened("rows by date, and how many of them are null", &inside);
    html! {
        figure {
            (maud::PreEscaped(svg))
            figcaption { "Rows by date: " span.key.of-new {} " all, " span.key.of-bad {} " of these null, drawn over the foot of each column" }
        }
    }
}

/// A value as a number that can be drawn.
fn drawn(value: &Value) -> Option<f64> {
    match value {
        Value::Int32(x) => Some(f64::from(*x)),
        Value::Int64(x) => Some(*x as f64),
        Value::Float32(x) => Some(f64::from(*x)),
        Value::Float64(x) => Some(*x),
        Value::Timestamp(x) => Some(x.get() as f64),
        _ => None,
    }
    .filter(|x| x.is_finite())
}

/// The median of each date in a band from its first decile to its ninth; nothing of values without an order.
fn values_by_day(days: &[&ColumnDay]) -> Markup {
    let at = |day: &ColumnDay, per_mille: u64| drawn(&day.statistics.quantile(per_mille));
    let points: Vec<(f64, [f64; 3])> = {
        let x = across(days);
        let point = |day: &&ColumnDay| Some((x(day), [at(day, 100)?, at(day, 500)?, at(day, 900)?]));
        days.iter().filter_map(point).collect()
    };
    let values = || points.iter().flat_map(|(_, values)| values.iter().copied());
    let (Some(low), Some(high)) = (values().reduce(f64::min), values().reduce(f64::max)) else {
        return html! {};
    };
    let full = HEIGHT - TOP - BOTTOM;
    let span = if high > low { high - low } else { 1.0 };
    let y = |value: f64| TOP + full * (1.0 - (value - low) / span);
    let line = |of: usize| {
        let point = |(x, values): &(f64, [f64; 3])| {
            let value = values.get(of).copied().unwrap_or(low);
            format!("{x:.1},{:.1}", y(value))
        };
        points.iter().map(point).collect::<Vec<String>>()
    };
    let mut band = line(2);
    band.extend(line(0).into_iter().rev());
    let mut inside = format!(
        "<polygon class=\"band\" points=\"{}\"/><polyline class=\"new\" points=\"{}\"/>",
        band.join(" "),
        line(1).join(" ")
    );
    let is_time = days.iter().any(|day| day.statistics.measure() == Measure::Times);
    let label = |value: f64| match is_time {
        true => EventDate::of(Some(value as i64)).to_string(),
        false => number(&Value::Float64(value)),
    };
    inside += &at_left(TOP + 10.0, &label(high));
    inside += &at_left(HEIGHT - BOTTOM, &label(low));
    inside += &dates(days);
    let svg = opened("median by date, and the band from the first to the ninth decile", &inside);
    html! {
        figure {
            (maud::PreEscaped(svg))
            figcaption { "Values by date: the line is the median, the band holds the middle 80%" }
        }
    }
}

/// The most frequent values as bars; nothing of a column of which only ranges are counted.
fn frequent(all: &Statistics) -> Markup {
    let is_listed = all.measure() == Measure::Categories || all.distinct() <= MOST_VALUES as u64;
    let top = all.top(MOST_VALUES);
    let Some(most) = top.first().map(|value| value.rows).filter(|_| is_listed) else { return html! {} };
    let rows = html! {
        table {
            caption { "The most frequent values" }
            thead { tr { th scope="col" { "Value" } th scope="col" { "Rows" } th.left scope="col" { "Share" } } }
            tbody {
                @for value in &top {
                    tr {
                        th scope="row" { (feature::excerpt(&number(&value.value), 40)) }
                        td { (thousands(value.rows)) }
                        td.left { (crate::shown::bar(share(value.rows, most))) (percent(Some(share(value.rows, all.rows())))) }
                    }
                }
            }
        }
    };
    wide("The most frequent values", &rows)
}

fn table(days: &[&ColumnDay]) -> Markup {
    html! {
        table {
            caption { "Statistics by date, the newest first" }
            thead { tr {
                th scope="col" { "Date" }
                @for column in ["Rows", "Null", "Different", "Least", "1st decile", "Median", "9th decile", "Greatest", "Mean"] {
                    th scope="col" { (column) }
                }
            } }
            tbody {
                @for day in days.iter().rev() {
                    @let of = &day.statistics;
                    tr {
                        th scope="row" { (day.date) }
                        td { (thousands(of.rows())) }
                        td { (percent(Some(share(of.nulls(), of.rows())))) }
                        td { (thousands(of.distinct())) }
                        @for per_mille in [0, 100, 500, 900, 1000] { td { (quantile(of, per_mille)) } }
                        td { (mean(of)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use feature::{DataType, Scalar};
    use monitor::Observed;

    fn day(date: i32, data_type: DataType, values: &[Observed<'_>]) -> ColumnDay {
        let mut statistics = Statistics::of(data_type);
        values.iter().for_each(|value| statistics.add(*value));
        ColumnDay { date: EventDate::Day(date), column: "amount".to_owned(), statistics }
    }

    #[test]
    fn numbers_are_plotted_by_date_and_stand_in_a_table_too() {
        let float = DataType::Scalar(Scalar::Float64);
        let days = [
            day(19_000, float, &[Observed::Float(1.0), Observed::Float(3.0), Observed::Null]),
            day(19_002, float, &[Observed::Float(10.0)]),
        ];
        let markup = statistics(&days).into_string();
        for part in ["<polyline", "<polygon", "class=\"badbar\"", "2022-01-08</th>", "25.0%", "4 on 2 dates"]
        {
            assert!(markup.contains(part), "no {part} in {markup}");
        }
        assert_eq!(markup.matches("role=\"img\" aria-label=").count(), 2);
    }

    #[test]
    fn values_that_are_markup_are_text() {
        let hostile = "<script>alert(1)</script>";
        let days = [day(19_000, DataType::Scalar(Scalar::String), &[Observed::Text(hostile)])];
        let markup = statistics(&days).into_string();
        assert!(markup.contains("&lt;script&gt;") && !markup.contains("<script"), "{markup}");
    }

    #[test]
    fn a_constant_and_a_single_date_have_no_plot_that_divides_by_nothing() {
        let float = DataType::Scalar(Scalar::Float64);
        let constant = [day(1, float, &[Observed::Float(5.0)]), day(2, float, &[Observed::Float(5.0)])];
        for days in [&constant[..], &constant[..1]] {
            let markup = statistics(days).into_string();
            assert!(!markup.contains("NaN") && !markup.contains("inf"), "{markup}");
        }
    }

    #[test]
    fn a_column_without_statistics_says_so() {
        assert!(statistics(&[]).into_string().contains("No statistics are kept"));
    }
}
