//! When many rows happened, in bounded memory: every time by itself, or, if there are too many different ones, the
//! starts of the seconds, minutes, hours or days.

use std::collections::BTreeMap;

use feature::Micros;

/// Different times that are kept: some 50 MB.
const MOST_TIMES: usize = 1 << 20;
/// The same of each of many that are counted apart, at least.
const LEAST_TIMES: usize = 1 << 10;

/// What times are cut down to, in microseconds, one after the other. All days of all years are few enough.
const UNITS: [i64; 4] = [1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000];

/// How many rows happened when.
#[derive(Debug)]
pub(crate) struct CountedTimes {
    counts: BTreeMap<i64, u64>,
    /// What times are cut down to, in microseconds.
    unit: i64,
    most: usize,
}

impl Default for CountedTimes {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), unit: 1, most: MOST_TIMES }
    }
}

impl CountedTimes {
    /// With its share of the memory, where so many are counted apart.
    pub(crate) fn of_one_in(parts: usize) -> Self {
        Self { most: (MOST_TIMES / parts.max(1)).max(LEAST_TIMES), ..Self::default() }
    }

    pub(crate) fn add(&mut self, micros: i64) {
        self.add_rows(micros, 1);
    }

    /// Adds the rows of another, which may have been cut.
    pub(crate) fn add_all(&mut self, other: &CountedTimes) {
        if other.unit > self.unit {
            self.cut_to(other.unit);
        }
        for (time, count) in &other.counts {
            self.add_rows(*time, *count);
        }
    }

    fn add_rows(&mut self, micros: i64, rows: u64) {
        *self.counts.entry(cut(micros, self.unit)).or_default() += rows;
        while self.counts.len() > self.most
            && let Some(coarser) = UNITS.into_iter().find(|unit| *unit > self.unit)
        {
            self.cut_to(coarser);
        }
    }

    fn cut_to(&mut self, unit: i64) {
        self.unit = unit;
        for (time, count) in std::mem::take(&mut self.counts) {
            *self.counts.entry(cut(time, unit)).or_default() += count;
        }
    }

    /// The first moment at or before which half of the rows happened; `None` without rows.
    pub(crate) fn median(&self) -> Option<Micros> {
        let rows: u64 = self.counts.values().sum();
        let mut before = 0;
        let time = self.counts.iter().find(|(_, count)| {
            before += **count;
            before * 2 >= rows
        });
        time.and_then(|(time, _)| Micros::new(*time).ok())
    }
}

fn cut(micros: i64, unit: i64) -> i64 {
    micros.div_euclid(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(times: &[&str], most: usize) -> Option<String> {
        let mut counted = CountedTimes { most, ..CountedTimes::default() };
        times.iter().for_each(|time| counted.add(time.parse::<Micros>().unwrap().get()));
        assert_eq!(counted.counts.values().sum::<u64>(), times.len() as u64);
        counted.median().map(|median| median.to_string())
    }

    #[test]
    fn the_median_is_the_moment_of_a_row_also_before_1970() {
        assert_eq!(median(&[], 9), None);
        let of = |times: &[&str]| median(times, 9).unwrap();
        assert_eq!(of(&["2013-06-08T17:45:03.000001Z"]), "2013-06-08T17:45:03.000001Z");
        let [a, b, c, d] =
            ["1969-12-31T23:59:59.999999Z", "1970-01-01", "2013-06-08T17:45:03Z", "2013-06-08T17:45:04Z"];
        assert_eq!(of(&[d, a, c]), c);
        assert_eq!(of(&[d, a, c, b]), "1970-01-01T00:00:00Z");
        assert_eq!(of(&[a, a, a, b, c, d]), a);
    }

    #[test]
    fn rows_that_were_counted_apart_are_added() {
        let of = |times: &[&str], most: usize| {
            let mut counted = CountedTimes { most, ..CountedTimes::default() };
            times.iter().for_each(|time| counted.add(time.parse::<Micros>().unwrap().get()));
            counted
        };
        let mut all = of(&["2013-06-08T17:45:03.5Z"], 9);
        all.add_all(&of(&["2013-06-08T17:45:03.7Z", "2013-06-08T17:45:03.7Z"], 9));
        assert_eq!(all.median().unwrap().to_string(), "2013-06-08T17:45:03.7Z");
        all.add_all(&of(&["2013-06-09T01:02:03.5Z", "2013-06-09T01:02:04Z"], 1));
        assert_eq!(all.median().unwrap().to_string(), "2013-06-08T17:45:00Z");
        assert_eq!(CountedTimes::of_one_in(1 << 30).most, LEAST_TIMES);
    }

    #[test]
    fn of_too_many_times_the_median_is_cut_to_a_unit_that_fits() {
        let times = [
            "2013-06-08T17:45:03.5Z",
            "2013-06-08T17:45:03.7Z",
            "2013-06-08T17:45:59Z",
            "2013-06-09T01:02:03Z",
        ];
        assert_eq!(median(&times, 4).unwrap(), "2013-06-08T17:45:03.7Z");
        assert_eq!(median(&times, 3).unwrap(), "2013-06-08T17:45:03Z");
        assert_eq!(median(&times, 2).unwrap(), "2013-06-08T17:45:00Z");
        // There is nothing coarser than a day.
        assert_eq!(median(&times, 1).unwrap(), "2013-06-08T00:00:00Z");
    }
}
