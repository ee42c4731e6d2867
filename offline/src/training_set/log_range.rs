//! How many labels of a training set lie before the first day of a log, or behind its last: no feature of the view
//! has a value there, or all that it has is old.

use feature::{Micros, Span, VersionId};

use crate::log::snapshot::LogSnapshot;

/// The days of one view's log, and the labels outside of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRange {
    /// The view.
    pub view: VersionId,
    /// The midnight with which the first day of its rows begins.
    pub first_day: Micros,
    /// The midnight with which the last one begins.
    pub last_day: Micros,
    /// How many labels lie before the first.
    pub before: usize,
    /// How many lie behind the last.
    pub after: usize,
}

impl LogRange {
    /// The days of a log, by its partitions; none of one without rows.
    pub(crate) fn of(view: &VersionId, log: &LogSnapshot) -> Option<Self> {
        let days = || log.files.iter().filter_map(|file| file.date.as_ref()?.parse::<Micros>().ok());
        let (first_day, last_day) = (days().min()?, days().max()?);
        Some(Self { view: view.clone(), first_day, last_day, before: 0, after: 0 })
    }

    /// Counts more labels.
    pub(crate) fn count(&mut self, labels: &[i64]) {
        let (first, end) = (self.first_day.get(), self.last_day.saturating_add(Span::DAY).get());
        self.before += labels.iter().filter(|at| **at < first).count();
        self.after += labels.iter().filter(|at| **at >= end).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_before_the_first_day_and_behind_the_last_are_counted() {
        let moment = |text: &str| text.parse::<Micros>().unwrap();
        let view = "v@1".parse().unwrap();
        let (first_day, last_day) = (moment("2013-06-01"), moment("2013-06-03"));
        let mut range = LogRange { view, first_day, last_day, before: 0, after: 0 };
        let labels =
            ["2013-05-31T23:59:59Z", "2013-06-01", "2013-06-03T23:59:59Z", "2013-06-04", "2014-01-01"];
        range.count(&labels.map(|text| moment(text).get()));
        assert_eq!((range.before, range.after), (1, 2));
    }
}
