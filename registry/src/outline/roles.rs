//! Which column says when a row happened, which says when it could be read, and which is the entity's key: by name,
//! type and sampled values. What was chosen, and from what, is said.

use std::collections::BTreeSet;

use feature::{DataType, Field, Micros, Scalar, Value};
use transform::Expression;

use super::outlined_column::OutlinedColumn;
use super::sample::Wishes;

const SECOND_US: i64 = 1_000_000;
/// Values on which the formats of texts are tried.
const TRIED: usize = 500;

/// A column that may say when a row happened.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    /// Its index among the columns.
    pub(crate) index: usize,
    /// The expression that gives the moment; `None` if the column is one.
    pub(crate) sql: Option<String>,
    /// What its values are, in words; empty for a moment.
    pub(crate) how: String,
    /// The moment of each sampled row, in microseconds.
    pub(crate) moments: Vec<Option<i64>>,
    score: i32,
}

/// The columns that say a time, the likeliest event time first.
pub(crate) fn times(columns: &[OutlinedColumn], wishes: &Wishes, now: Micros) -> Vec<Time> {
    let mut times: Vec<Time> = columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| {
            let is_wished = wishes.time.as_deref() == Some(column.stored.as_str());
            let mut time = time(index, column, is_wished)?;
            let later = now.get().saturating_add(3_600 * SECOND_US);
            if time.moments.iter().flatten().any(|at| *at > later) {
                time.score -= 45;
            }
            let missing = time.moments.iter().filter(|at| at.is_none()).count();
            if missing * 5 > time.moments.len() {
                time.score -= 40;
            }
            if is_wished {
                time.score = 1_000;
            }
            Some(time)
        })
        .collect();
    times.sort_by_key(|time| (-time.score, time.index));
    times
}

/// How likely a name is that of an event's time; `None` if it does not sound like a time at all.
fn sounds_like_time(name: &str) -> Option<i32> {
    const EXACT: [&str; 14] = [
        "event_time",
        "event_timestamp",
        "event_ts",
        "event_date",
        "event_at",
        "event_datetime",
        "occurred_at",
        "happened_at",
        "timestamp",
        "ts",
        "time",
        "datetime",
        "date_time",
        "date",
    ];
    let words: BTreeSet<&str> = name.split('_').collect();
    let has = |all: &[&str]| all.iter().any(|part| name.contains(part));
    let is = |all: &[&str]| all.iter().any(|word| words.contains(word));
    if EXACT.contains(&name) {
        return Some(100);
    }
    if is(&["birth", "birthday", "birthdate", "dob", "end", "until", "due", "deadline", "valid"])
        || has(&["expir"])
    {
        return Some(10);
    }
    if sounds_like_arrival(name) {
        return Some(20);
    }
    if has(&["updat", "modif", "chang"]) {
        return Some(40);
    }
    if has(&["creat"]) {
        return Some(70);
    }
    if is(&[
        "at",
        "time",
        "ts",
        "date",
        "timestamp",
        "datetime",
        "on",
        "dt",
        "day",
        "when",
        "epoch",
        "ms",
        "millis",
        "month",
        "week",
    ]) {
        return Some(60);
    }
    has(&["time", "date", "stamp"]).then_some(50)
}

/// Whether a name says when a row could be read, and not when it happened.
fn sounds_like_arrival(name: &str) -> bool {
    ["load", "ingest", "receiv", "insert", "process", "availab", "publish", "extract"]
        .iter()
        .any(|part| name.contains(part))
}

fn time(index: usize, column: &OutlinedColumn, is_wished: bool) -> Option<Time> {
    let sounds = sounds_like_time(column.name.as_str());
    let quoted = column.sql();
    let scalar = column.data_type.scalar()?;
    if column.values.iter().all(Value::is_null) {
        return None;
    }
    let timed = |sql: String, how: &str, score: i32| {
        let moments = evaluated(column, &sql, usize::MAX)?;
        Some(Time { index, sql: Some(sql), how: how.to_owned(), moments, score })
    };
    match scalar {
        Scalar::Timestamp => {
            let moment = |value: &Value| match value {
                Value::Timestamp(at) => Some(at.get()),
                _ => None,
            };
            let moments = column.values.iter().map(moment).collect();
            Some(Time { index, sql: None, how: String::new(), moments, score: sounds.unwrap_or(30) })
        }
        Scalar::Int32 | Scalar::Int64 => {
            let integers: Vec<i64> = column.values.iter().filter_map(integer).collect();
            if let Some((function, unit, is_long)) = epoch(&integers) {
                let score = sounds.or(is_long.then_some(25)).or(is_wished.then_some(0))?;
                return timed(function.replace("{}", &quoted), &format!("epoch {unit}"), score);
            }
            let score = sounds.or(is_wished.then_some(0))?;
            let is_day = integers.iter().all(|day| (19_000_101..=21_001_231).contains(day));
            let sql = format!("to_timestamp(cast({quoted} AS varchar), '%Y%m%d')");
            if is_day { timed(sql, "days as 20240131", score) } else { None }
        }
        Scalar::Float32 | Scalar::Float64 => {
            let score = sounds.or(is_wished.then_some(0))?;
            let seconds: Vec<i64> = column.values.iter().filter_map(whole_seconds).collect();
            let (function, unit, _) = epoch(&seconds)?;
            let sql = match unit {
                "seconds" => format!("to_timestamp_micros(cast({quoted} * 1000000 AS bigint))"),
                _ => function.replace("{}", &format!("cast({quoted} AS bigint)")),
            };
            timed(sql, &format!("epoch {unit}"), score)
        }
        Scalar::String => {
            let score = sounds.unwrap_or(20);
            let (sql, how) = of_text(column, &quoted)?;
            timed(sql, &how, score)
        }
        Scalar::Bool | Scalar::Bytes => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int32(value) => Some((*value).into()),
        Value::Int64(value) => Some(*value),
        _ => None,
    }
}

fn whole_seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Float32(value) => Some(*value as i64),
        Value::Float64(value) => Some(*value as i64),
        _ => None,
    }
}

/// The unit in which all of these count from 1970 to a moment of 1990 to 2100, the expression, and whether no other
/// number is likely to be as long.
fn epoch(values: &[i64]) -> Option<(&'static str, &'static str, bool)> {
    const UNITS: [(i64, &str, &str, bool); 4] = [
        (1, "to_timestamp_seconds({})", "seconds", false),
        (1_000, "to_timestamp_millis({})", "milliseconds", true),
        (1_000_000, "to_timestamp_micros({})", "microseconds", true),
        (1_000_000_000, "to_timestamp_micros({} / 1000)", "nanoseconds", true),
    ];
    let (from, to) = (631_152_000, 4_102_444_800);
    let fits = |unit: i64| values.iter().all(|value| (from..to).contains(&value.div_euclid(unit)));
    let found = UNITS.iter().find(|(unit, ..)| !values.is_empty() && fits(*unit))?;
    Some((found.1, found.2, found.3))
}

/// How texts write times where that is not RFC 3339, in the order in which they are tried.
const FORMATS: [&str; 39] = [
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S %z",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y",
    "%d-%b-%Y %H:%M:%S",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%B %d, %Y %I:%M %p",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%Y%m%d",
    "%d.%m.%y %H:%M:%S",
    "%d.%m.%y %H:%M",
    "%d.%m.%y",
    "%m/%d/%y %H:%M",
    "%m/%d/%y %I:%M %p",
    "%m/%d/%y",
    "%d/%m/%y %H:%M",
    "%d/%m/%y %I:%M %p",
    "%d/%m/%y",
];

/// A column that sounds like the time of an event, with a text of it that no known format reads.
pub(crate) fn unread_time(columns: &[OutlinedColumn]) -> Option<(&OutlinedColumn, &str)> {
    columns.iter().find_map(|column| {
        let sounds = sounds_like_time(column.name.as_str()).is_some_and(|score| score >= 50);
        let text = column.values.iter().find_map(super::column_type::text)?;
        let has_digits = text.chars().any(|character| character.is_ascii_digit());
        (sounds && has_digits).then_some((column, text))
    })
}

/// Years of which a text says what happened: a year of two digits is no year of the first century.
const YEARS: std::ops::Range<i64> = 1900..2200;

/// The expression that reads all texts of a column as times, and how it reads them.
fn of_text(column: &OutlinedColumn, quoted: &str) -> Option<(String, String)> {
    let first = column.values.iter().find_map(super::column_type::text)?;
    let digits = first.chars().filter(char::is_ascii_digit).count();
    if digits < 4 || first.len() > 40 {
        return None;
    }
    let plain = format!("to_timestamp({quoted})");
    if evaluated(column, &plain, TRIED).is_some() {
        return Some((plain, "times as text".to_owned()));
    }
    let sql = |format: &str| {
        let moment = format!("to_timestamp({quoted}, '{format}')");
        let day = format!("cast(to_date({quoted}, '{format}') AS timestamp)");
        [moment, day].into_iter().find(|sql| evaluated(column, sql, TRIED).is_some_and(are_plausible))
    };
    let fitting: Vec<(&str, String)> =
        FORMATS.iter().filter_map(|format| Some((*format, sql(format)?))).take(2).collect();
    let (format, sql) = fitting.first()?.clone();
    let mut how = format!("times as {format}");
    if let Some((other, _)) = fitting.get(1).filter(|_| format.starts_with("%m/%d")) {
        how.push_str(&format!("; {other} fits the sample as well"));
    }
    Some((sql, how))
}

/// Whether moments are of years in which something can have happened.
fn are_plausible(moments: Vec<Option<i64>>) -> bool {
    /// Of the Gregorian calendar.
    const MICROS_A_YEAR: i64 = 31_556_952_000_000;
    moments.into_iter().flatten().all(|at| YEARS.contains(&(1970 + at.div_euclid(MICROS_A_YEAR))))
}

/// The moments that an expression over one column gives; `None` if it fails or gives none for a value.
fn evaluated(column: &OutlinedColumn, sql: &str, most: usize) -> Option<Vec<Option<i64>>> {
    let field = Field { name: column.name.clone(), data_type: column.data_type };
    let expression = Expression::compile(std::slice::from_ref(&field), sql).ok()?;
    let timestamp = DataType::from(Scalar::Timestamp);
    if expression.data_type() != timestamp {
        return None;
    }
    let values = column.values.iter().take(most);
    let evaluated = expression.values(&[(&field, values.clone().collect())]).ok()?;
    let moments: Vec<Option<i64>> = evaluated
        .into_iter()
        .map(|value| match value {
            Value::Timestamp(at) => Some(at.get()),
            _ => None,
        })
        .collect();
    let is_read = |(value, at): (&Value, &Option<i64>)| value.is_null() || at.is_some();
    (moments.iter().any(Option::is_some) && values.zip(&moments).all(is_read)).then_some(moments)
}

/// The column that says when a row could be read: it sounds so, and never lies before the event.
pub(crate) fn availability<'a>(
    times: &'a [Time],
    event: &Time,
    columns: &[OutlinedColumn],
) -> Option<&'a Time> {
    times.iter().find(|time| {
        let sounds = columns.get(time.index).is_some_and(|column| sounds_like_arrival(column.name.as_str()));
        let follows = |(at, event): (&Option<i64>, &Option<i64>)| matches!((at, event), (Some(at), Some(event)) if at >= event);
        time.index != event.index && sounds && time.moments.iter().zip(&event.moments).all(follows)
    })
}

/// A column that may be the entity's key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its index among the columns.
    pub(crate) index: usize,
    score: i32,
}

/// The columns that may be the key, the likeliest first.
pub(crate) fn keys(columns: &[OutlinedColumn], times: &[Time], wishes: &Wishes) -> Vec<Key> {
    let is_time = |index: usize| times.iter().any(|time| time.index == index && time.score >= 20);
    let mut keys: Vec<Key> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let is_wished = wishes.key.as_deref() == Some(column.stored.as_str());
        let may = column.data_type.scalar().is_some_and(|scalar| {
            is_wished && scalar.is_key() || matches!(scalar, Scalar::Int32 | Scalar::Int64 | Scalar::String)
        });
        if !may || (is_time(index) && !is_wished) {
            continue;
        }
        if let Some(score) = if is_wished { Some(1_000) } else { key_score(column, index) } {
            keys.push(Key { index, score });
        }
    }
    keys.sort_by_key(|key| (-key.score, key.index));
    keys
}

/// Whether a name is that of a key.
pub(crate) fn sounds_like_key(name: &str) -> bool {
    const ENDS: [&str; 10] =
        ["id", "key", "uuid", "guid", "code", "number", "no", "sku", "username", "email"];
    name.rsplit('_').next().is_some_and(|last| {
        ENDS.contains(&last) || (last.len() > 2 && last.ends_with("id") && last != "paid")
    })
}

fn key_score(column: &OutlinedColumn, index: usize) -> Option<i32> {
    const ENTITIES: [&str; 24] = [
        "user", "customer", "client", "account", "member", "patient", "driver", "device", "sensor",
        "station", "store", "shop", "product", "item", "merchant", "card", "vehicle", "person", "employee",
        "player", "tail", "airport", "machine", "visitor",
    ];
    const EVENTS: [&str; 12] = [
        "event",
        "row",
        "index",
        "record",
        "message",
        "transaction",
        "order",
        "session",
        "request",
        "trip",
        "log",
        "line",
    ];
    let name = column.name.as_str();
    let words = |all: &[&str]| all.iter().any(|word| name.split('_').any(|part| part.starts_with(word)));
    let given: Vec<&Value> = column.values.iter().filter(|value| !value.is_null()).collect();
    let distinct = given.iter().collect::<BTreeSet<_>>().len();
    if given.is_empty() {
        return None;
    }
    let repeats = distinct * 10 < given.len() * 9;
    let sounds = sounds_like_key(name) || name == "user" || name == "customer";
    let is_text = column.data_type == Scalar::String.into();
    let mut score = match (sounds, is_text) {
        (true, _) => 100,
        (false, true) if repeats && distinct > 1 => 20,
        (false, true) => 5,
        (false, false) if repeats && distinct > 1 => 2,
        (false, false) => 1,
    };
    score += if repeats && sounds { 50 } else { 0 };
    score += if words(&ENTITIES) { 12 } else { 0 };
    score -= if words(&EVENTS) { 20 } else { 0 };
    score -= if distinct == 1 && given.len() > 3 { 60 } else { 0 };
    score -= if given.len() * 10 < column.values.len() * 9 { 30 } else { 0 };
    score += if index == 0 { 3 } else { 0 };
    (sounds || is_text || repeats).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_since_1970_is_known_by_its_size() {
        assert_eq!(epoch(&[1_704_067_200, 1_704_067_201]).unwrap().1, "seconds");
        assert_eq!(epoch(&[1_704_067_200_000]).unwrap().1, "milliseconds");
        assert_eq!(epoch(&[1_704_067_200_000_000]).unwrap().1, "microseconds");
        assert_eq!(epoch(&[1_704_067_200_000_000_000]).unwrap().1, "nanoseconds");
        assert!(epoch(&[17, 1_704_067_200]).is_none() && epoch(&[]).is_none());
    }

    #[test]
    fn an_event_is_likelier_than_an_update_a_load_or_an_end() {
        let score = |name| sounds_like_time(name).unwrap();
        let order = ["event_time", "created_at", "order_date", "updated_at", "loaded_at", "expires_at"];
        assert!(order.windows(2).all(|pair| score(pair[0]) > score(pair[1])));
        assert!(sounds_like_time("amount").is_none());
    }
}
