//! The ways to write a moment in a text, and moments that are drawn: what each means is known from how it was
//! written.

use feature::Micros;
use feature::oracle::Numbers;
use jiff::SignedDuration;
use jiff::civil::DateTime;

/// Microseconds of the years 0002 to 9998, so that an offset leads out of none; often by an edge.
pub fn micros(draw: &mut Numbers) -> i64 {
    const YEAR: i64 = 366 * 86_400_000_000;
    let (first, last) = (Micros::MIN.get() + YEAR, Micros::MAX.get() - YEAR);
    match draw.below(8) {
        0 => -1,
        1 => 0,
        2 => 9_223_372_036_854_776,
        3 => -9_223_372_036_854_777,
        _ => first + draw.below((last - first) as u64) as i64,
    }
}

/// A text and the microseconds that it means; none where it is to be refused.
pub type Written = (String, Option<i64>);

/// A way to write a moment: its name and an example, as the documentation has them, what is said of it there, and
/// how it is drawn.
pub struct Encoding {
    pub name: &'static str,
    pub example: &'static str,
    pub means: &'static str,
    pub write: fn(&mut Numbers) -> Written,
}

fn civil(micros: i64) -> DateTime {
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::from_micros(micros)).unwrap()
}

fn date(moment: DateTime) -> String {
    format!("{:04}-{:02}-{:02}", moment.year(), moment.month(), moment.day())
}

fn clock(moment: DateTime) -> String {
    format!("{:02}:{:02}:{:02}", moment.hour(), moment.minute(), moment.second())
}

pub fn whole(micros: i64, unit: i64) -> i64 {
    micros - micros.rem_euclid(unit)
}

pub const SECOND: i64 = 1_000_000;
pub const DAY: i64 = 86_400 * SECOND;

/// Drawn seconds with these texts between the date and the time, and behind it.
fn between(draw: &mut Numbers, separator: &str, zone: &str) -> Written {
    let micros = whole(micros(draw), SECOND);
    let moment = civil(micros);
    (format!("{}{separator}{}{zone}", date(moment), clock(moment)), Some(micros))
}

fn refused(draw: &mut Numbers, text: impl Fn(DateTime) -> String) -> Written {
    (text(civil(micros(draw))), None)
}

pub const TEXTS: [Encoding; 18] = [
    Encoding {
        name: "RFC 3339",
        example: "2013-06-01T12:00:00Z",
        means: "the moment",
        write: |draw| between(draw, "T", "Z"),
    },
    Encoding {
        name: "lower case",
        example: "2013-06-01t12:00:00z",
        means: "the moment",
        write: |draw| between(draw, "t", "z"),
    },
    Encoding {
        name: "a space for the `T`",
        example: "2013-06-01 12:00:00Z",
        means: "the moment",
        write: |draw| between(draw, " ", "Z"),
    },
    Encoding {
        name: "an offset",
        example: "2013-06-01T14:00:00+02:00",
        means: "the moment; also `+0200` and `+02`",
        write: |draw| {
            let micros = whole(micros(draw), SECOND);
            let (text, minutes) = match draw.below(4) {
                0 => ("+02:00", 120),
                1 => ("-0330", -210),
                2 => ("+23:59", 1_439),
                _ => ("-11", -660),
            };
            let moment = civil(micros + minutes * 60 * SECOND);
            (format!("{}T{}{text}", date(moment), clock(moment)), Some(micros))
        },
    },
    Encoding {
        name: "no zone",
        example: "2013-06-01T12:00:00",
        means: "the moment in UTC",
        write: |draw| between(draw, "T", ""),
    },
    Encoding {
        name: "no seconds",
        example: "2013-06-01T12:00Z",
        means: "the moment",
        write: |draw| {
            let micros = whole(micros(draw), 60 * SECOND);
            let moment = civil(micros);
            (format!("{}T{:02}:{:02}Z", date(moment), moment.hour(), moment.minute()), Some(micros))
        },
    },
    Encoding {
        name: "a fraction of any length",
        example: "2013-06-01T12:00:00.123456789Z",
        means: "the moment; digits behind the microsecond are cut off",
        write: |draw| {
            let micros = micros(draw);
            let (moment, digits) = (civil(micros), 1 + draw.below(15) as usize);
            let all = format!("{:06}{:09}", micros.rem_euclid(SECOND), draw.below(1_000_000_000));
            let kept: String = all.chars().take(digits).collect();
            let fraction: i64 = format!("{kept:0<6}")[..6].parse().unwrap();
            let text = format!("{}T{}.{kept}Z", date(moment), clock(moment));
            (text, Some(whole(micros, SECOND) + fraction))
        },
    },
    Encoding {
        name: "a date",
        example: "2013-06-01",
        means: "its midnight in UTC",
        write: |draw| {
            let micros = whole(micros(draw), DAY);
            (date(civil(micros)), Some(micros))
        },
    },
    Encoding {
        name: "a zone in brackets",
        example: "2013-06-01T08:00:00-04:00[America/New_York]",
        means: "refused",
        write: |draw| refused(draw, |m| format!("{}T{}-04:00[America/New_York]", date(m), clock(m))),
    },
    Encoding {
        name: "a zone by its name",
        example: "2013-06-01 12:00:00 UTC",
        means: "refused",
        write: |draw| refused(draw, |m| format!("{} {} UTC", date(m), clock(m))),
    },
    Encoding {
        name: "hour 24",
        example: "2013-06-01T24:00:00Z",
        means: "refused",
        write: |draw| refused(draw, |m| format!("{}T24:00:00Z", date(m))),
    },
    Encoding {
        name: "a leap second",
        example: "2016-12-31T23:59:60Z",
        means: "refused: microseconds since 1970 have none",
        write: |draw| refused(draw, |m| format!("{}T23:59:60Z", date(m))),
    },
    Encoding {
        name: "a year beyond 9999",
        example: "+12013-06-01T12:00:00Z",
        means: "refused",
        write: |draw| {
            let sign = if draw.below(2) == 0 { "+" } else { "" };
            refused(draw, |m| format!("{sign}1{}T{}Z", date(m), clock(m)))
        },
    },
    Encoding {
        name: "a year before 0001",
        example: "-0044-03-15T12:00:00Z",
        means: "refused",
        write: |draw| match draw.below(3) {
            0 => ("0000-12-31T23:59:59Z".to_owned(), None),
            1 => ("0001-01-01T00:00:00+00:01".to_owned(), None),
            _ => refused(draw, |m| format!("-{}T{}Z", date(m), clock(m))),
        },
    },
    Encoding {
        name: "no dashes",
        example: "20130601T120000Z",
        means: "refused: it could be a number",
        write: |draw| refused(draw, |m| format!("{}T{}Z", date(m), clock(m)).replace(['-', ':'], "")),
    },
    Encoding {
        name: "a day that is none",
        example: "2013-02-29",
        means: "refused",
        write: |_| ("2013-02-29".to_owned(), None),
    },
    Encoding {
        name: "a number",
        example: "1370088000",
        means: "refused: its unit is not known",
        write: |draw| {
            let text = match draw.below(3) {
                0 => "1370088000".to_owned(),
                1 => "1370088000.5".to_owned(),
                _ => (draw.draw() as i64).to_string(),
            };
            (text, None)
        },
    },
    Encoding {
        name: "words",
        example: "yesterday",
        means: "refused",
        write: |draw| (["yesterday", "now", "NaT", "2013", "-"][draw.below(5) as usize].to_owned(), None),
    },
];

/// Texts by id, from 1: two of each encoding at least.
pub fn texts(draw: &mut Numbers, count: usize) -> Vec<Written> {
    (0..count).map(|index| (TEXTS[index % TEXTS.len()].write)(draw)).collect()
}

/// A moment of so many nanoseconds since 1970; none where it lies outside the years of a row.
pub fn floor(nanos: i128) -> Option<i64> {
    let micros = i64::try_from(nanos.div_euclid(1_000)).ok()?;
    Micros::new(micros).ok().map(Micros::get)
}

/// Ticks of a unit of so many nanoseconds: of drawn moments, and some that no moment has.
pub fn ticks(draw: &mut Numbers, unit: i128) -> i64 {
    match draw.below(8) {
        0 => [i64::MAX, i64::MIN][draw.below(2) as usize],
        _ => (i128::from(micros(draw)) * 1_000 + i128::from(draw.below(1_000)))
            .div_euclid(unit)
            .clamp(i64::MIN.into(), i64::MAX.into()) as i64,
    }
}
