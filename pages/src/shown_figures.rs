//! Figures of a comparison as people read them, in a terminal and on a page.

use feature::Value;
use twinstore::{DifferingRow, Figures};

/// What there is to say of a comparison of few rows; nothing of one of many.
pub fn few_rows(rows: u64) -> Option<&'static str> {
    const FEW: u64 = 1000;
    (rows < FEW).then_some("with fewer than 1,000 rows, distributions differ by chance: compare more rows")
}

/// A share in per cent; `-` where there is none.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(share) if share > 0.0 && share < 0.0005 => "<0.1%".to_owned(),
        // What is not all must not look like all.
        Some(share) if share < 1.0 && share > 0.9995 => ">99.9%".to_owned(),
        Some(share) => format!("{:.1}%", share * 100.0),
    }
}

/// Magnitudes that are written without an exponent, in a row of at most sixteen digits.
const WRITTEN_OUT: std::ops::Range<f64> = 1e-5..1e16;

/// A figure to three decimals; `-` where there is none.
pub fn three(figure: Option<f64>) -> String {
    match figure {
        None => "-".to_owned(),
        Some(figure) if figure.is_finite() && figure.abs() >= WRITTEN_OUT.end => format!("{figure:.3e}"),
        Some(figure) => format!("{figure:.3}"),
    }
}

/// A value as it is; a float in the fewest digits that are read as it, with an exponent where zeros would fill a line.
pub fn exact(value: &Value) -> String {
    let is_long = |x: f64| x.is_finite() && x != 0.0 && !WRITTEN_OUT.contains(&x.abs());
    match value {
        Value::Float32(x) if is_long((*x).into()) => format!("{x:e}"),
        Value::Float64(x) if is_long(*x) => format!("{x:e}"),
        other => other.to_string(),
    }
}

/// Both means; `-` of what has none.
pub fn shift(figures: &Figures) -> String {
    figures.mean.map_or_else(
        || "-".to_owned(),
        |mean| changed(&number(&Value::Float64(mean.old)), &number(&Value::Float64(mean.new))),
    )
}

/// Both shares of nulls.
pub fn changed_nulls(figures: &Figures) -> String {
    match figures.null_shares() {
        None => "-".to_owned(),
        Some((old, new)) => changed(&percent(Some(old)), &percent(Some(new))),
    }
}

fn changed(old: &str, new: &str) -> String {
    if old == new { old.to_owned() } else { format!("{old} → {new}") }
}

/// A value, of a float four digits.
pub fn number(value: &Value) -> String {
    let float = match value {
        Value::Float32(x) => f64::from(*x),
        Value::Float64(x) => *x,
        other => return other.to_string(),
    };
    let magnitude = float.abs();
    match magnitude {
        _ if !float.is_finite() || magnitude == 0.0 => float.to_string(),
        _ if !(1e-4..1e9).contains(&magnitude) => format!("{float:.3e}"),
        _ => {
            let digits = (3 - magnitude.log10().floor() as i32).max(0) as usize;
            let text = format!("{float:.digits$}");
            let whole = text.contains('.').then(|| text.trim_end_matches('0').trim_end_matches('.'));
            whole.map_or(text.clone(), str::to_owned)
        }
    }
}

/// The join keys of a row, as a command line takes them.
pub fn entity(row: &DifferingRow) -> String {
    let key = |(name, value): &(String, Value)| format!("{name}={value}");
    row.entity.iter().map(key).collect::<Vec<_>>().join(" ")
}

/// A duration of reading, in words that fit its size: `12s`, `3m 20s`, `2h 5m`, `4d 1h`.
pub fn age(seconds: f64) -> String {
    let whole = seconds.abs() as u64;
    let sign = if seconds < 0.0 { "-" } else { "" };
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match whole {
        0..60 => format!("{seconds:.1}s"),
        60..3_600 => format!("{sign}{minutes}m {}s", whole % 60),
        3_600..86_400 => format!("{sign}{hours}h {minutes}m"),
        _ => format!("{sign}{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_four_digits_and_no_share_looks_like_all_or_none() {
        for (x, shown) in [
            (0.0, "0"),
            (12.5, "12.5"),
            (1.0 / 3.0, "0.3333"),
            (123_456.7, "123457"),
            (1e-7, "1.000e-7"),
            (-2.0, "-2"),
        ] {
            assert_eq!(number(&Value::Float64(x)), shown);
        }
        for (share, shown) in [(1.0, "100.0%"), (0.99999, ">99.9%"), (0.0001, "<0.1%"), (0.0, "0.0%")] {
            assert_eq!(percent(Some(share)), shown);
        }
    }

    #[test]
    fn floats_of_any_magnitude_take_few_digits_and_are_read_as_they_are() {
        for (x, shown) in
            [(1e308, "1e308"), (-0.1, "-0.1"), (1.5e-7, "1.5e-7"), (f64::NAN, "NaN"), (0.0, "0")]
        {
            assert_eq!(exact(&Value::Float64(x)), shown);
        }
        assert_eq!(exact(&Value::Float32(f32::MAX)), "3.4028235e38");
        assert_eq!(exact(&Value::Float64(9_007_199_254_740_992.0)), "9007199254740992");
        assert_eq!([Some(1e307), Some(2.0), None].map(three), ["1.000e307", "2.000", "-"]);
    }

    #[test]
    fn ages_read_as_people_write_them() {
        assert_eq!(age(90.0), "1m 30s");
        assert_eq!(age(90_000.0), "1d 1h");
        assert_eq!(age(12.54), "12.5s");
    }
}
