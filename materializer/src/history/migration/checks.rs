//! Whether the rows of a date may be committed: their number is that of the source, and their columns look like those of
//! the version before on that date, or, where there is none, like those of the dates before. Pure: what is compared is
//! read elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use feature::{VersionId, counted, in_words, thousands};
use monitor::{Bounds, Figures, Measure, Observed};

use crate::history::file_validator::DateCounts;

/// The least number of rows on both sides for shares of nulls and ranges to be compared.
pub const LEAST_ROWS: u64 = 100;
/// The least number of values on both sides for distributions to be compared.
pub const LEAST_VALUES: u64 = 500;
/// How many rows fewer a date may have than in the version before, in per cent.
pub const MOST_ROWS_LESS_PERCENT: u64 = 5;
/// How many rows of a date may be refused, in per cent: as of a stream unless another share is named.
pub const MOST_REFUSED_PERCENT: u64 = 10;
/// Fewer refused rows than this hold up no date, as they stop no stream.
pub const LEAST_REFUSED: u64 = 100;
/// By how much the share of nulls may differ from that of the dates before.
pub const MOST_NULLS_CHANGED: f64 = 0.5;
/// By how many spans of the values before, values may lie outside of them: of the version before, and of the dates
/// before.
pub const MOST_SPANS: (f64, f64) = (1.0, 10.0);

/// What a column holds: how many rows, how many nulls, and the range of its finite numbers.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ColumnSummary {
    /// What the log calls it.
    pub column: String,
    /// Its rows.
    pub rows: u64,
    /// Its nulls.
    pub nulls: u64,
    /// The least finite number.
    pub least: Option<f64>,
    /// The greatest.
    pub greatest: Option<f64>,
}

impl ColumnSummary {
    pub(super) fn new(column: String) -> Self {
        Self { column, ..Self::default() }
    }

    /// Adds a value. Times have no range: those of each date lie beyond those of the dates before.
    pub(super) fn add(&mut self, value: Observed<'_>, measure: Measure) {
        self.rows += 1;
        let number = match value {
            Observed::Null => {
                self.nulls += 1;
                return;
            }
            Observed::Int(x) if measure != Measure::Times => x as f64,
            Observed::Float(x) if x.is_finite() => x,
            _ => return,
        };
        self.least = Some(self.least.map_or(number, |least| least.min(number)));
        self.greatest = Some(self.greatest.map_or(number, |greatest| greatest.max(number)));
    }

    /// Both together.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        let both = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        self.least = both(self.least, other.least, f64::min);
        self.greatest = both(self.greatest, other.greatest, f64::max);
    }

    fn null_share(&self) -> f64 {
        self.nulls as f64 / self.rows.max(1) as f64
    }

    fn values(&self) -> u64 {
        self.rows - self.nulls
    }
}

/// What the columns of a date are compared with.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Reference {
    /// What a version before has on the same date.
    Version(VersionId),
    /// The dates that were loaded before.
    Before,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Version(version) => write!(f, "{version} on that date"),
            Reference::Before => f.write_str("the dates loaded before"),
        }
    }
}

/// A column with what it is compared with.
#[derive(Clone, Debug)]
pub(super) struct ComparedColumn<'a> {
    pub(super) new: &'a ColumnSummary,
    pub(super) old: &'a ColumnSummary,
    pub(super) reference: &'a Reference,
    /// The figures of both distributions, if the reference has the values.
    pub(super) figures: Option<Figures>,
}

/// Why the number of rows of a date is not what it must be: each row of the source is in the log, refused, or left out
/// for a reason that is counted.
pub(super) fn check_counts(expected: u64, counts: DateCounts, written: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    if counts.read != expected {
        let read = counts.read;
        reasons.push(format!(
            "its source had {expected} rows of it when the backfill looked, and {read} when it read them"
        ));
    }
    if counts.accepted != written {
        let accepted = counts.accepted;
        reasons.push(format!("{accepted} of its rows were accepted, and {written} written"));
    }
    reasons
}

/// Why too many rows of a date are refused. `reasons` are those of all of its refused rows.
pub(super) fn check_refused(counts: DateCounts, reasons: &BTreeMap<String, u64>) -> Option<String> {
    let DateCounts { accepted, refused, .. } = counts;
    let checked = accepted + refused;
    let is_over = u128::from(refused) * 100 > u128::from(checked) * u128::from(MOST_REFUSED_PERCENT);
    if refused < LEAST_REFUSED || !is_over {
        return None;
    }
    let most = reasons.iter().max_by_key(|(_, rows)| **rows);
    let most = most.map(|(reason, rows)| format!(", {} for: {}", thousands(*rows), in_words(reason)));
    Some(format!(
        "{} of its {} are refused, and {MOST_REFUSED_PERCENT}% may be{}",
        thousands(refused),
        counted(checked, "row"),
        most.unwrap_or_default()
    ))
}

/// Why a date has too few rows beside a version before that selects the same rows of the same source.
pub(super) fn check_rows(new: u64, old: u64, version: &VersionId) -> Option<String> {
    let is_short = u128::from(new) * 100 < u128::from(old) * u128::from(100 - MOST_ROWS_LESS_PERCENT);
    (old >= LEAST_ROWS && is_short)
        .then(|| format!("it has {new} rows in the log, and {old} in that of {version}"))
}

/// Why a column does not look as it is expected to, a clause each.
pub(super) fn check_column(compared: &ComparedColumn<'_>) -> Vec<String> {
    let ComparedColumn { new, old, reference, figures } = compared;
    let name = &new.column;
    let mut reasons = Vec::new();
    if new.rows.min(old.rows) >= LEAST_ROWS {
        let most = match reference {
            Reference::Version(_) => Bounds::DEFAULT.nulls.unwrap_or(MOST_NULLS_CHANGED),
            Reference::Before => MOST_NULLS_CHANGED,
        };
        let (now, before) = (new.null_share(), old.null_share());
        if (now - before).abs() > most {
            reasons.push(format!(
                "`{name}` is null in {:.1}% of its rows, and in {:.1}% of those of {reference}",
                100.0 * now,
                100.0 * before
            ));
        }
    }
    reasons.extend(out_of_range(compared));
    if let Some(figures) = figures.as_ref().filter(|_| new.values().min(old.values()) >= LEAST_VALUES) {
        // The same rows in two versions have the same order, but are not paired here.
        let bounds = Bounds { nulls: None, equal: None, ..Bounds::DEFAULT };
        let exceeded = bounds.check(figures, false).exceeded;
        if !exceeded.is_empty() {
            let exceeded: Vec<String> = exceeded.iter().map(ToString::to_string).collect();
            let exceeded = exceeded.join(", ");
            reasons.push(format!("`{name}` is distributed otherwise than in {reference}: {exceeded}"));
        }
    }
    reasons
}

fn out_of_range(compared: &ComparedColumn<'_>) -> Option<String> {
    let ComparedColumn { new, old, reference, .. } = compared;
    if new.values().min(old.values()) < LEAST_ROWS {
        return None;
    }
    let (least, greatest) = new.least.zip(new.greatest)?;
    let (old_least, old_greatest) = old.least.zip(old.greatest)?;
    let spans = match reference {
        Reference::Version(_) => MOST_SPANS.0,
        Reference::Before => MOST_SPANS.1,
    };
    let margin = (old_greatest - old_least) * spans;
    // Of one value alone it is not known how far others may lie from it.
    let is_within = margin <= 0.0 || (least >= old_least - margin && greatest <= old_greatest + margin);
    (!is_within).then(|| {
        format!(
            "`{}` reaches from {least} to {greatest}, and in {reference} from {old_least} to {old_greatest}",
            new.column
        )
    })
}

#[cfg(test)]
mod tests {
    use feature::Scalar;
    use monitor::{Comparison, Pair};

    use super::*;

    fn summary(values: impl IntoIterator<Item = Option<f64>>) -> ColumnSummary {
        let mut summary = ColumnSummary::new("delay".to_owned());
        let observed = |value: Option<f64>| value.map_or(Observed::Null, Observed::Float);
        values.into_iter().for_each(|value| summary.add(observed(value), Measure::Floats));
        summary
    }

    fn values(count: u32, of: impl Fn(u32) -> f64) -> Vec<Option<f64>> {
        (0..count).map(|row| Some(of(row))).collect()
    }

    fn reasons(new: &[Option<f64>], old: &[Option<f64>], reference: Reference) -> Vec<String> {
        let float = Scalar::Float64.into();
        let mut comparison = Comparison::new(Measure::of(float, float), 1_024);
        let observed = |value: &Option<f64>| value.map_or(Observed::Null, Observed::Float);
        for value in new {
            comparison.add(&Pair { old: Observed::Null, new: observed(value), statuses: None });
        }
        for value in old {
            comparison.add(&Pair { old: observed(value), new: Observed::Null, statuses: None });
        }
        let figures = matches!(reference, Reference::Version(_)).then(|| comparison.figures());
        let (new, old) = (summary(new.iter().copied()), summary(old.iter().copied()));
        check_column(&ComparedColumn { new: &new, old: &old, reference: &reference, figures })
    }

    fn version() -> Reference {
        Reference::Version("arrivals@1".parse().unwrap())
    }

    #[test]
    fn a_date_that_looks_like_the_one_before_is_committed() {
        let day = values(1_000, |row| f64::from(row % 60));
        assert_eq!(reasons(&day, &day, version()), Vec::<String>::new());
        let longer = values(1_500, |row| f64::from(row % 90));
        assert_eq!(reasons(&longer, &day, Reference::Before), Vec::<String>::new());
    }

    #[test]
    fn nulls_ranges_and_distributions_that_differ_are_each_named() {
        let day = values(1_000, |row| f64::from(row % 60));
        let mut nulls = day.clone();
        nulls.iter_mut().take(600).for_each(|value| *value = None);
        let said = reasons(&nulls, &day, Reference::Before);
        assert_eq!(
            said,
            ["`delay` is null in 60.0% of its rows, and in 0.0% of those of the dates loaded before"]
        );
        let seconds = values(1_000, |row| f64::from(row % 60) * 60.0);
        let said = reasons(&seconds, &day, Reference::Before);
        assert_eq!(said, ["`delay` reaches from 0 to 3540, and in the dates loaded before from 0 to 59"]);
        let said = reasons(&seconds, &day, version());
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[1].starts_with("`delay` is distributed otherwise than in arrivals@1 on that date: PSI ")
        );
    }

    #[test]
    fn few_rows_show_nothing() {
        let few = values(99, |_| 1e9);
        let day = values(1_000, |row| f64::from(row % 60));
        assert_eq!(reasons(&few, &day, version()), Vec::<String>::new());
        assert_eq!(reasons(&[], &day, version()), Vec::<String>::new());
    }

    #[test]
    fn a_date_of_which_too_many_rows_are_refused_is_named_with_the_reason_of_most() {
        let reasons = BTreeMap::from([("null_event_time".to_owned(), 5), ("the row is late".to_owned(), 95)]);
        let check = |accepted, refused| {
            check_refused(DateCounts { accepted, refused, ..DateCounts::default() }, &reasons)
        };
        assert_eq!(
            check(899, 100).unwrap(),
            "100 of its 999 rows are refused, and 10% may be, 95 for: the row is late"
        );
        assert_eq!([check(900, 100), check(0, 99), check(0, 0)], [None, None, None]);
    }

    #[test]
    fn a_date_that_lacks_rows_of_the_version_before_is_named() {
        let version = "arrivals@1".parse().unwrap();
        assert_eq!(
            check_rows(949, 1_000, &version).unwrap(),
            "it has 949 rows in the log, and 1000 in that of arrivals@1"
        );
        for (new, old) in [(950, 1_000), (2_000, 1_000), (0, 99), (0, 0)] {
            assert_eq!(check_rows(new, old, &version), None);
        }
    }

    #[test]
    fn every_row_of_the_source_is_accounted_for() {
        let counts =
            DateCounts { read: 10, known: 1, of_stream: 2, accepted: 4, refused: 1, ..DateCounts::default() };
        assert_eq!((counts.left_out(), check_counts(10, counts, 4)), (4, Vec::new()));
        assert_eq!(
            check_counts(11, counts, 3),
            [
                "its source had 11 rows of it when the backfill looked, and 10 when it read them",
                "4 of its rows were accepted, and 3 written"
            ]
        );
    }
}
