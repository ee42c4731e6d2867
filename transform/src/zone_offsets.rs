//! How far the clocks of a time zone are from UTC, at any moment. The tables of zones end with the year 2099: each later
//! year is one whose days are the same days of a week, of those from 2088 on, in which every zone keeps its last rules.

use arrow::array::temporal_conversions::as_datetime_with_timezone;
use arrow::array::timezone::Tz;
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::{Result, exec_datafusion_err};
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, date};

const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;
const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);
/// 2100-01-01: the tables of zones end here.
pub(crate) const TABLES_END: i64 = 47_482 * DAY;
/// 9999-12-31.
const LAST_DAY: i64 = 2_932_896 * DAY;
/// No zone has an offset with seconds from 1973 on.
const WHOLE_MINUTES_FROM: i64 = 1_096 * DAY;
/// Years in which each date from March on, and each before, is once at least each day of a week.
const LAST_RULES: std::ops::RangeInclusive<i16> = 2088..=2099;

/// A time zone, by its name or its offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZoneOffsets {
    zone: Tz,
    /// The offset, where it is the same at all times.
    fixed: Option<i64>,
}

impl ZoneOffsets {
    pub(crate) fn of(zone: &str) -> Result<Self> {
        let parsed = zone.parse().map_err(|_| exec_datafusion_err!("the time zone `{zone}` is unknown"))?;
        let offsets = Self { zone: parsed, fixed: None };
        let fixed = if is_fixed(Some(zone)) { Some(offsets.at(0)?) } else { None };
        Ok(Self { fixed, ..offsets })
    }

    /// How many microseconds clocks there are ahead of UTC at a moment.
    pub(crate) fn at(self, at: i64) -> Result<i64> {
        if let Some(fixed) = self.fixed {
            return Ok(fixed);
        }
        // Beyond the last year as on its last day.
        let known = if at < TABLES_END { Some(at) } else { equivalent(at.min(LAST_DAY)) };
        let shown =
            known.and_then(|known| as_datetime_with_timezone::<TimestampMicrosecondType>(known, self.zone));
        let offset =
            shown.zip(known).map(|(shown, known)| shown.naive_local().and_utc().timestamp_micros() - known);
        offset.ok_or_else(|| exec_datafusion_err!("a time is outside of those that a time zone has"))
    }

    /// The offset in whole minutes, towards minus infinity, with which a moment is to be shown where the tables do not
    /// say it: from 2100 on, and, in a text, where the offset has seconds, which a text cannot hold.
    pub(crate) fn shown_with(self, at: i64, in_text: bool) -> Result<Option<i64>> {
        if is_in_tables(at, in_text) {
            return Ok(None);
        }
        if at >= TABLES_END {
            return Ok(Some(self.at(at)?.div_euclid(MINUTE)));
        }
        let offset = self.at(at)?;
        Ok((offset % MINUTE != 0).then_some(offset.div_euclid(MINUTE)))
    }

    /// The moment, none after `latest` where there are two, at which clocks there show `local`. Where they skip it, the
    /// moment at which they do.
    pub(crate) fn moment_of(self, local: i64, latest: i64) -> Result<i64> {
        if let Some(fixed) = self.fixed {
            return Ok(local - fixed);
        }
        let (before, after) = (self.at(local - DAY)?, self.at(local + DAY)?);
        let shows = |offset: i64| self.at(local - offset).map(|found| found == offset);
        let mut moments = Vec::new();
        for offset in [before, after] {
            if shows(offset)? {
                moments.push(local - offset);
            }
        }
        let newest = moments.iter().copied().filter(|at| *at <= latest).max();
        Ok(newest.or_else(|| moments.iter().copied().min()).unwrap_or(local - before))
    }
}

/// The offset of so many minutes, as a time zone is named: `-04:30`.
pub(crate) fn fixed_zone(minutes: i64) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The moment of [`LAST_RULES`] at which every zone has the offset that its rules give a later moment.
fn equivalent(at: i64) -> Option<i64> {
    let moment = EPOCH.checked_add(SignedDuration::from_micros(at)).ok()?;
    // What a leap day changes lies in the part of the year that it ends.
    let part_of = |year: i16| Date::new(year, if moment.month() < 3 { 1 } else { 3 }, 1).ok();
    let start = part_of(moment.year())?;
    let same = LAST_RULES.filter_map(part_of).find(|found| found.weekday() == start.weekday())?;
    let midnight = |day: Date| day.at(0, 0, 0, 0);
    let into = moment.duration_since(midnight(start));
    // No zone changes its clocks on a leap day.
    let leap_day = moment.month() == 2 && moment.day() == 29;
    let into = if leap_day { into.checked_sub(SignedDuration::from_hours(24))? } else { into };
    let moved = midnight(same).checked_add(into).ok()?;
    i64::try_from(moved.duration_since(EPOCH).as_micros()).ok()
}

/// Whether the tables say how clocks show a moment, and a text of it can hold that.
pub(crate) fn is_in_tables(at: i64, in_text: bool) -> bool {
    at < TABLES_END && (!in_text || at >= WHOLE_MINUTES_FROM)
}

/// Whether clocks of this zone are as far from UTC at all times.
pub(crate) fn is_fixed(zone: Option<&str>) -> bool {
    is_utc(zone) || zone.is_some_and(|zone| zone.starts_with(['+', '-']))
}

/// Whether a clock of this zone shows UTC.
pub(crate) fn is_utc(zone: Option<&str>) -> bool {
    matches!(zone, None | Some("UTC" | "+00:00" | "Z"))
}

#[cfg(test)]
mod tests {
    use feature::Micros;

    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<Micros>().unwrap().get()
    }

    #[test]
    fn a_zone_keeps_its_last_rules_in_all_later_years() {
        // As other implementations of the rules have them.
        for (zone, at, hours) in ZONES {
            let offset = ZoneOffsets::of(zone).unwrap().at(micros(at)).unwrap();
            assert_eq!(offset, (hours * 60.0) as i64 * MINUTE, "{zone} at {at}");
        }
    }

    #[test]
    fn every_date_of_a_later_year_has_one_of_the_last_rules() {
        for days in 47_482..47_482 + 146_097 {
            let found = equivalent(days * DAY).unwrap();
            assert!((micros("2088-01-01")..TABLES_END).contains(&found), "day {days}");
        }
    }

    #[test]
    fn what_clocks_skip_or_show_twice_is_one_moment() {
        let zone = ZoneOffsets::of("America/New_York").unwrap();
        // Clocks go from 2:00 to 3:00 on 2100-03-14, and from 2:00 to 1:00 on 2100-11-07.
        let far = micros("2101-01-01");
        assert_eq!(
            zone.moment_of(micros("2100-03-14T02:00:00"), far).unwrap(),
            micros("2100-03-14T07:00:00Z")
        );
        let (twice, early, late) = ("2100-11-07T01:00:00", "2100-11-07T05:00:00Z", "2100-11-07T06:00:00Z");
        assert_eq!(zone.moment_of(micros(twice), far).unwrap(), micros(late));
        assert_eq!(zone.moment_of(micros(twice), micros(late) - 1).unwrap(), micros(early));
    }

    #[test]
    fn an_offset_is_named_as_a_zone_is() {
        assert_eq!([fixed_zone(-297), fixed_zone(330), fixed_zone(0)], ["-04:57", "+05:30", "+00:00"]);
    }

    const ZONES: [(&str, &str, f64); 20] = [
        ("America/New_York", "2100-01-01T00:00:00Z", -5.0),
        ("America/New_York", "2100-03-14T06:59:59Z", -5.0),
        ("America/New_York", "2100-03-14T07:00:00Z", -4.0),
        ("America/New_York", "2100-07-01T12:00:00Z", -4.0),
        ("America/New_York", "2200-07-01T12:00:00Z", -4.0),
        ("America/New_York", "2400-02-29T12:00:00Z", -5.0),
        ("America/New_York", "2400-03-12T07:00:00Z", -4.0),
        ("America/New_York", "9998-07-01T12:00:00Z", -4.0),
        ("Europe/Berlin", "2100-03-28T00:59:59Z", 1.0),
        ("Europe/Berlin", "2100-03-28T01:00:00Z", 2.0),
        ("Europe/Berlin", "2400-10-29T00:59:59Z", 2.0),
        ("Europe/Berlin", "2400-10-29T01:00:00Z", 1.0),
        ("America/Santiago", "2100-01-15T12:00:00Z", -3.0),
        ("America/Santiago", "2100-06-15T12:00:00Z", -4.0),
        ("Australia/Lord_Howe", "2150-01-15T12:00:00Z", 11.0),
        ("Australia/Lord_Howe", "2150-07-15T12:00:00Z", 10.5),
        ("Africa/Casablanca", "2100-07-01T12:00:00Z", 1.0),
        ("Asia/Gaza", "2101-07-01T12:00:00Z", 3.0),
        ("Asia/Gaza", "2101-12-01T12:00:00Z", 2.0),
        ("Asia/Kolkata", "2300-07-01T12:00:00Z", 5.5),
    ];
}
