//! Reading less: files and row groups in which no row can matter, by their dates and statistics.

use std::ops::RangeInclusive;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use feature::{Fold, Micros, Span, View};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::columns::EVENT_TIME;

/// Which rows can matter to any label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skip {
    /// Event times of rows that some label may take.
    events: Option<RangeInclusive<i64>>,
    /// The name of the one join key, and the least and the greatest that the spine has.
    keys: Option<(String, KeyRange)>,
}

/// The least and the greatest key of a spine.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyRange {
    Int(i64, i64),
    Bytes(Vec<u8>, Vec<u8>),
}

impl Skip {
    /// For the labels of these times and this single key (none for a composite one) of a view.
    /// `needs_all` says that rows matter however old they are.
    pub(crate) fn new(view: &View, times: &[i64], keys: &[ArrayRef], needs_all: bool) -> Self {
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
            return Self::default();
        };
        let from = if needs_all { None } else { oldest(view, *first) };
        let keys = match (keys, view.keys.as_slice()) {
            ([column], [key]) => key_range(column).map(|range| (key.name.to_string(), range)),
            _ => None,
        };
        Self { events: Some(from.unwrap_or(i64::MIN)..=*last), keys }
    }

    /// Whether no row of a file of this date can matter.
    pub(crate) fn skips_date(&self, date: &str) -> bool {
        let (Ok(day), Some(events)) = (date.parse::<Micros>(), &self.events) else { return false };
        day.get() > *events.end() || day.get() + Span::DAY.micros() <= *events.start()
    }

    /// Whether no row of a row group can matter.
    pub(crate) fn skips(&self, group: &RowGroupMetaData) -> bool {
        self.skips_times(group) || self.skips_keys(group)
    }

    fn skips_times(&self, group: &RowGroupMetaData) -> bool {
        match (statistics(group, EVENT_TIME), &self.events) {
            (Some(Statistics::Int64(times)), Some(events)) => {
                times.min_opt().is_some_and(|min| min > events.end())
                    || times.max_opt().is_some_and(|max| max < events.start())
            }
            _ => false,
        }
    }

    fn skips_keys(&self, group: &RowGroupMetaData) -> bool {
        let Some((name, range)) = &self.keys else { return false };
        match (statistics(group, name), range) {
            (Some(Statistics::Int64(keys)), KeyRange::Int(least, greatest)) => {
                keys.min_opt().is_some_and(|min| min > greatest)
                    || keys.max_opt().is_some_and(|max| max < least)
            }
            (Some(Statistics::Int32(keys)), KeyRange::Int(least, greatest)) => {
                keys.min_opt().is_some_and(|min| i64::from(*min) > *greatest)
                    || keys.max_opt().is_some_and(|max| i64::from(*max) < *least)
            }
            // A bound that was cut short is still a bound.
            (Some(Statistics::ByteArray(keys)), KeyRange::Bytes(least, greatest)) => {
                keys.min_opt().is_some_and(|min| min.data() > greatest.as_slice())
                    || keys.max_opt().is_some_and(|max| max.data() < least.as_slice())
            }
            _ => false,
        }
    }
}

fn statistics<'a>(group: &'a RowGroupMetaData, name: &str) -> Option<&'a Statistics> {
    let column = group.columns().iter().find(|column| column.column_path().string() == name)?;
    column.statistics()
}

/// The earliest event time that a label at `first` or later can take; none where there is no such
/// bound. A count tells an entity that was never seen from one whose window is empty, so it needs
/// every row.
fn oldest(view: &View, first: i64) -> Option<i64> {
    let first = Micros::new(first).ok()?;
    if let Some(online) = view.retention.and_then(|retention| retention.online) {
        return Some(first.get() - online.micros());
    }
    let bounds = view.features.iter().map(|feature| match feature.fold {
        Fold::Latest { .. } => view.ttl.map(|ttl| first.get() - ttl.micros()),
        Fold::Aggregate { function, window: Some(window), .. } if !function.is_count() => {
            Some(window.tail(first))
        }
        Fold::Aggregate { .. } => None,
    });
    bounds.collect::<Option<Vec<i64>>>()?.into_iter().min()
}

fn key_range(column: &ArrayRef) -> Option<KeyRange> {
    use arrow::compute::{max, max_binary, max_string, min, min_binary, min_string};
    Some(match column.data_type() {
        DataType::Int64 => {
            let column = column.as_primitive::<Int64Type>();
            KeyRange::Int(min(column)?, max(column)?)
        }
        DataType::Int32 => {
            let column = column.as_primitive::<Int32Type>();
            KeyRange::Int(min(column)?.into(), max(column)?.into())
        }
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            KeyRange::Bytes(min_string(column)?.into(), max_string(column)?.into())
        }
        DataType::Binary => {
            let column = column.as_binary::<i32>();
            KeyRange::Bytes(min_binary(column)?.into(), max_binary(column)?.into())
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
