//! Reading less: files and row groups in which no row can matter, by their dates and statistics.

use std::ops::RangeInclusive;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use feature::{Fold, Micros, Span, View};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::log::columns::EVENT_TIME;

/// Which rows can matter to any label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skip {
    /// Event times of rows that some label may take.
    events: Option<RangeInclusive<i64>>,
    /// Columns, each with the values that a row that matters has in it.
    ranges: Vec<(String, Range)>,
}

/// The least and the greatest of some values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    Int(i64, i64),
    Bytes(Vec<u8>, Vec<u8>),
}

impl Range {
    /// Whether none of these values lies in the range. A bound that was cut short is still a bound.
    pub(crate) fn misses(&self, stored: &Range) -> bool {
        match (self, stored) {
            (Range::Int(least, greatest), Range::Int(min, max)) => min > greatest || max < least,
            (Range::Bytes(least, greatest), Range::Bytes(min, max)) => min > greatest || max < least,
            _ => false,
        }
    }

    /// Whether all of these values lie in the range.
    fn covers(&self, stored: &Range) -> bool {
        match (self, stored) {
            (Range::Int(least, greatest), Range::Int(min, max)) => min >= least && max <= greatest,
            (Range::Bytes(least, greatest), Range::Bytes(min, max)) => min >= least && max <= greatest,
            _ => true,
        }
    }
}

impl Skip {
    /// For the labels of these times and this single key (none for a composite one) of a view.
    /// `needs_all` says that rows matter however old they are.
    pub(crate) fn new(view: &View, times: &[i64], keys: &[ArrayRef], needs_all: bool) -> Self {
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
            return Self::default();
        };
        let from = if needs_all { None } else { oldest(view, *first) };
        let events = from.unwrap_or(i64::MIN)..=*last;
        let mut ranges = vec![(EVENT_TIME.to_owned(), Range::Int(*events.start(), *events.end()))];
        if let ([column], [key]) = (keys, view.keys.as_slice()) {
            ranges.extend(range_of(column).map(|range| (key.name.to_string(), range)));
        }
        Self { events: Some(events), ranges }
    }

    /// Whether no row of a file of this date can matter.
    pub(crate) fn skips_date(&self, date: &str) -> bool {
        let (Ok(day), Some(events)) = (date.parse::<Micros>(), &self.events) else { return false };
        day.get() > *events.end() || day.get() + Span::DAY.micros() <= *events.start()
    }

    /// Whether no row of a row group can matter.
    pub(crate) fn skips(&self, group: &RowGroupMetaData) -> bool {
        self.stored_ranges(group).any(|(range, stored)| range.misses(&stored))
    }

    /// Whether some rows of a row group cannot matter.
    pub(crate) fn cuts(&self, group: &RowGroupMetaData) -> bool {
        self.stored_ranges(group).any(|(range, stored)| !range.covers(&stored))
    }

    /// Columns, each with the values that a row that matters has in it.
    pub(crate) fn ranges(&self) -> &[(String, Range)] {
        &self.ranges
    }

    /// The ranges, each with that which a row group has of the column, as far as its statistics say.
    fn stored_ranges(&self, group: &RowGroupMetaData) -> impl Iterator<Item = (&Range, Range)> {
        self.ranges.iter().filter_map(|(name, range)| Some((range, stored_range(statistics(group, name)?)?)))
    }
}

fn stored_range(statistics: &Statistics) -> Option<Range> {
    Some(match statistics {
        Statistics::Int64(stored) => Range::Int(*stored.min_opt()?, *stored.max_opt()?),
        Statistics::Int32(stored) => Range::Int((*stored.min_opt()?).into(), (*stored.max_opt()?).into()),
        Statistics::ByteArray(stored) => {
            Range::Bytes(stored.min_opt()?.data().to_vec(), stored.max_opt()?.data().to_vec())
        }
        _ => return None,
    })
}

fn statistics<'a>(group: &'a RowGroupMetaData, name: &str) -> Option<&'a Statistics> {
    let column = group.columns().iter().find(|column| column.column_path().string() == name)?;
    column.statistics()
}

/// The earliest event time that a label at `first` or later can take; `None` if there is no such
/// bound. A count, and what has a default, tells an entity that was never seen from one whose window is
/// empty, so it needs
/// every row.
fn oldest(view: &View, first: i64) -> Option<i64> {
    let first = Micros::new(first).ok()?;
    if let Some(online) = view.retention.and_then(|retention| retention.online) {
        return Some(first.get() - online.micros());
    }
    let bounds = view.features.iter().map(|feature| match feature.fold {
        Fold::Latest { .. } => view.ttl.map(|ttl| first.get() - ttl.micros()),
        Fold::Aggregate { function, window: Some(window), .. }
            if !function.is_count() && feature.default.is_none() =>
        {
            Some(window.tail(first))
        }
        Fold::Aggregate { .. } => None,
    });
    bounds.collect::<Option<Vec<i64>>>()?.into_iter().min()
}

fn range_of(column: &ArrayRef) -> Option<Range> {
    use arrow::compute::{max, max_binary, max_string, min, min_binary, min_string};
    Some(match column.data_type() {
        DataType::Int64 => {
            let column = column.as_primitive::<Int64Type>();
            Range::Int(min(column)?, max(column)?)
        }
        DataType::Int32 => {
            let column = column.as_primitive::<Int32Type>();
            Range::Int(min(column)?.into(), max(column)?.into())
        }
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            Range::Bytes(min_string(column)?.into(), max_string(column)?.into())
        }
        DataType::Binary => {
            let column = column.as_binary::<i32>();
            Range::Bytes(min_binary(column)?.into(), max_binary(column)?.into())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use feature::oracle::History;
    use feature::{Function, Window};

    use super::*;

    fn view_of(folds: &[Fold], ttl: Option<&str>) -> View {
        let mut view = History::generate(0, 0).view;
        let feature = view.features[0].clone();
        view.features =
            folds.iter().map(|fold| feature::Feature { fold: *fold, ..feature.clone() }).collect();
        view.ttl = ttl.map(|ttl| ttl.parse().unwrap());
        view
    }

    #[test]
    fn rows_older_than_every_ttl_and_window_are_left_out() {
        let window = Window::new("1h".parse().unwrap(), None).ok();
        let latest = Fold::Latest { column: 0 };
        let mean = Fold::Aggregate { function: Function::Mean, column: Some(0), window };
        let count = Fold::Aggregate { function: Function::Count, column: None, window };
        let day = Span::DAY.micros();
        assert_eq!(oldest(&view_of(&[latest], Some("1d")), day), Some(0));
        assert_eq!(oldest(&view_of(&[latest], None), day), None);
        assert_eq!(oldest(&view_of(&[mean], None), day), Some(day - Span::HOUR.micros()));
        assert_eq!(oldest(&view_of(&[latest, mean], Some("1d")), day), Some(0));
        assert_eq!(oldest(&view_of(&[mean, count], None), day), None, "a count knows every entity");
    }

    #[test]
    fn a_date_is_read_where_any_moment_of_it_can_matter() {
        let mean = Fold::Aggregate {
            function: Function::Mean,
            column: Some(0),
            window: Window::new(Span::HOUR, None).ok(),
        };
        let noon = Span::DAY.micros() / 2 + Span::DAY.micros();
        let skip = Skip::new(&view_of(&[mean], None), &[noon], &[], false);
        assert!(skip.skips_date("1970-01-01"));
        assert!(!skip.skips_date("1970-01-02"));
        assert!(skip.skips_date("1970-01-03"));
        assert!(!Skip::new(&view_of(&[mean], None), &[noon], &[], true).skips_date("1969-01-01"));
    }
}
