//! The plots of a feature: both distributions over each other, and the quantiles of one against those of the other.

use std::fmt::Write;

use feature::Value;
use twinstore::{Bar, ComparedFeature, Measure};

use super::escape::Escaped;
use crate::shown_figures::{number, percent};

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;

/// Both distributions; nothing where there is none to draw.
pub fn distributions(feature: &ComparedFeature) -> String {
    let bars = &feature.figures.bars;
    let (old, new) =
        (bars.iter().map(|bar| bar.old).sum::<u64>(), bars.iter().map(|bar| bar.new).sum::<u64>());
    if old + new == 0 {
        return String::new();
    }
    let svg = match feature.figures.measure {
        Measure::Categories => categories(feature, old, new),
        _ => ranges(feature, old, new),
    };
    format!(
        "<figure>{svg}<figcaption><span class=\"key of-old\"></span> old, <span class=\"key of-new\"></span> new: share of values{}</figcaption></figure>\n",
        match feature.figures.measure {
            Measure::Categories => "",
            _ => "; what lies beyond the middle 98% is in the outer bars",
        }
    )
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn opened(label: &str, height: f64) -> String {
    let label = Escaped(label);
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">")
}

/// Old shares as filled columns, new ones as a line of steps over them.
fn ranges(feature: &ComparedFeature, all_old: u64, all_new: u64) -> String {
    let bars = &feature.figures.bars;
    let most =
        bars.iter().map(|bar| share(bar.old, all_old).max(share(bar.new, all_new))).fold(0.0, f64::max);
    let (width, height) = (WIDTH - LEFT - 4.0, HEIGHT - TOP - BOTTOM);
    let step = width / bars.len() as f64;
    let (x, y) =
        (|index: usize| LEFT + step * index as f64, |share: f64| TOP + height * (1.0 - share / most));
    let mut svg = opened(&format!("distribution of {} in both versions", feature.name), HEIGHT);
    let _ = write!(
        svg,
        "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\"/>",
        TOP + height,
        WIDTH - 4.0
    );
    let mut line = String::new();
    for (index, bar) in bars.iter().enumerate() {
        let top = y(share(bar.old, all_old));
        let _ = write!(
            svg,
            "<rect class=\"old\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            x(index),
            step * 0.96,
            TOP + height - top
        );
        let top = y(share(bar.new, all_new));
        let _ = write!(line, "{:.1},{top:.1} {:.1},{top:.1} ", x(index), x(index + 1));
    }
    let _ = write!(svg, "<polyline class=\"new\" points=\"{}\"/>", line.trim_end());
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.0}%</text>",
        LEFT - 4.0,
        TOP + 10.0,
        most * 100.0
    );
    let _ = write!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">0</text>", LEFT - 4.0, TOP + height);
    let middle = bars.len() / 2;
    for (index, anchor) in [(1, "start"), (middle, "middle"), (bars.len() - 1, "end")] {
        let label = bars.get(index).map(|bar| edge(&bar.from)).unwrap_or_default();
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x(index),
            HEIGHT - 6.0,
            Escaped(&label)
        );
    }
    svg + "</svg>"
}

/// A pair of bars for each category.
fn categories(feature: &ComparedFeature, all_old: u64, all_new: u64) -> String {
    /// Pixels of one category.
    const ROW: f64 = 26.0;
    /// Pixels of its name, and how many characters fit.
    const NAME: f64 = 130.0;
    const NAME_CHARACTERS: usize = 17;
    let bars = &feature.figures.bars;
    let most =
        bars.iter().map(|bar| share(bar.old, all_old).max(share(bar.new, all_new))).fold(0.0, f64::max);
    let width = WIDTH - NAME - 110.0;
    let height = ROW * bars.len() as f64 + 4.0;
    let mut svg = opened(&format!("categories of {} in both versions", feature.name), height);
    for (index, bar) in bars.iter().enumerate() {
        let y = ROW * index as f64 + 4.0;
        let (old, new) = (share(bar.old, all_old), share(bar.new, all_new));
        let name = category(bar);
        let shown: String = match name.chars().count() > NAME_CHARACTERS {
            true => name.chars().take(NAME_CHARACTERS - 1).chain(['…']).collect(),
            false => name,
        };
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"old\" x=\"{NAME}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"9\"/>\
             <rect class=\"newbar\" x=\"{NAME}\" y=\"{:.1}\" width=\"{:.1}\" height=\"9\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            NAME - 6.0,
            y + 13.0,
            Escaped(&shown),
            width * old / most,
            y + 10.0,
            width * new / most,
            NAME + width * old.max(new) / most + 6.0,
            y + 13.0,
            if old == new {
                percent(Some(old))
            } else {
                format!("{} → {}", percent(Some(old)), percent(Some(new)))
            }
        );
    }
    svg + "</svg>"
}

/// What a category is called; all that are not shown have no name.
fn category(bar: &Bar) -> String {
    if bar.from.is_null() { "all others".to_owned() } else { bar.from.to_string() }
}

/// The quantiles of the new values against those of the old ones, from the first to the ninety-ninth per cent.
pub fn quantiles(feature: &ComparedFeature) -> String {
    let pairs = feature.figures.quantiles.iter().filter(|pair| (10..=990).contains(&pair.per_mille));
    let points: Vec<(f64, f64)> =
        pairs.filter_map(|pair| Some((as_f64(&pair.old)?, as_f64(&pair.new)?))).collect();
    let ends = |of: fn(f64, f64) -> f64| points.iter().flat_map(|(old, new)| [*old, *new]).reduce(of);
    let (Some(low), Some(high)) = (ends(f64::min), ends(f64::max)) else { return String::new() };
    if high <= low {
        return String::new();
    }
    let (width, height) = (WIDTH - LEFT - 10.0, HEIGHT - TOP - BOTTOM);
    let x = |value: f64| LEFT + width * (value - low) / (high - low);
    let y = |value: f64| TOP + height * (1.0 - (value - low) / (high - low));
    let mut svg = opened(&format!("quantiles of {}: new against old", feature.name), HEIGHT);
    let (left, right, bottom) = (LEFT, LEFT + width, TOP + height);
    let _ = write!(
        svg,
        "<line class=\"axis\" x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\"/>\
         <line class=\"axis\" x1=\"{left}\" y1=\"{TOP}\" x2=\"{left}\" y2=\"{bottom}\"/>\
         <line class=\"same\" x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{TOP}\"/>"
    );
    for (old, new) in &points {
        let _ =
            write!(svg, "<circle class=\"point\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>", x(*old), y(*new));
    }
    let shown = |value: f64| match feature.figures.measure {
        Measure::Times => feature::Micros::new(value as i64)
            .map_or_else(|_| String::new(), |at| edge(&Value::Timestamp(at))),
        _ => edge(&Value::Float64(value)),
    };
    let _ = write!(
        svg,
        "<text x=\"{0}\" y=\"{1}\">{2}</text><text x=\"{right}\" y=\"{1}\" text-anchor=\"end\">{3}</text>\
         <text x=\"{4}\" y=\"{5}\" text-anchor=\"end\">{3}</text><text x=\"{4}\" y=\"{bottom}\" text-anchor=\"end\">{2}</text>",
        left,
        HEIGHT - 6.0,
        Escaped(&shown(low)),
        Escaped(&shown(high)),
        LEFT - 4.0,
        TOP + 10.0
    );
    format!(
        "<figure>{svg}</svg><figcaption>quantiles: new (upwards) against old; on the dashed line they are equal</figcaption></figure>\n"
    )
}

/// A value at an axis: of a timestamp its day.
fn edge(value: &Value) -> String {
    let text = number(value);
    match value {
        Value::Timestamp(_) => text.split('T').next().unwrap_or_default().to_owned(),
        _ => text,
    }
}

fn as_f64(value: &Value) -> Option<f64> {
    match value {
        Value::Int64(x) => Some(*x as f64),
        Value::Float64(x) => Some(*x).filter(|x| x.is_finite()),
        Value::Timestamp(x) => Some(x.get() as f64),
        _ => None,
    }
}
