//! Times in expressions: of other units, of floats, and beyond the range of nanoseconds.

use feature::{Micros, Value};

use super::tests::{at_moments, batch, compile, moment, refusal, result, results, row};

#[test]
fn times_of_other_units_are_cut_towards_minus_infinity() {
    for (sql, moment_of) in [
        ("to_timestamp('1969-12-31T23:59:59.9999995Z')", "1969-12-31T23:59:59.999999Z"),
        ("cast('1969-12-31T23:59:59.9999995Z' as timestamp)", "1969-12-31T23:59:59.999999Z"),
        ("to_timestamp_seconds(-1)", "1969-12-31T23:59:59Z"),
        ("from_unixtime(7)", "1970-01-01T00:00:07Z"),
        ("to_timestamp_millis(-1)", "1969-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(result(sql), moment(moment_of), "{sql}");
    }
    // Not cut to the coarser of two units.
    assert_eq!(result("at = to_timestamp_seconds(1370090096)"), Ok(Value::Bool(false)));
}

#[test]
fn a_float_that_is_the_seconds_of_no_time_is_refused() {
    assert_eq!(result("to_timestamp(1704067200.5)"), moment("2024-01-01T00:00:00.5Z"));
    for float in ["NaN", "Infinity", "-Infinity", "-1e12", "1e10"] {
        for of in ["double", "real"] {
            let sql = format!("to_timestamp(cast('{float}' as {of}))");
            let refused = refusal(&sql);
            assert!(refused.contains("no time of the years 1677 to 2262"), "{sql}: {refused}");
            // Beside a row that is a time, the row alone.
            let sql = format!("to_timestamp(case when small > 0 then cast('{float}' as {of}) else 0 end)");
            let refused = result(&sql).unwrap_err();
            assert!(refused.contains("no time of the years 1677 to 2262"), "{sql}: {refused}");
        }
    }
}

#[test]
fn times_beyond_the_range_of_nanoseconds_are_times() {
    assert_eq!(result("timestamp '9999-12-31T23:59:59'"), moment("9999-12-31T23:59:59Z"));
    assert_eq!(result("cast('0001-01-01' as timestamp)"), moment("0001-01-01T00:00:00Z"));
    let mut late = row();
    late[7] = Value::Timestamp(Micros::MAX);
    for sql in [
        "at > to_timestamp(text)",
        "at > date '2013-01-01'",
        "at > timestamp '2013-01-01'",
        "at > '2013-01-01'",
        "case when small > 0 then at else date '2013-01-01' end > '2013-01-01'",
        "at at time zone 'America/New_York' > '2013-01-01'",
    ] {
        let mut late = late.clone();
        late[5] = Value::String("2013-01-01".into());
        assert_eq!(results(&compile(sql), &batch(&[late])), [Ok(Value::Bool(true))], "{sql}");
    }
    let beyond = results(&compile("at + interval '1 day'"), &batch(&[late])).remove(0);
    assert!(beyond.unwrap_err().contains("outside the years 0001 to 9999"));
}

#[test]
fn what_is_finer_than_a_unit_is_cut_towards_minus_infinity_also_before_1970() {
    let mut before = row();
    before[7] = Value::Timestamp("1969-12-31T23:59:58.123456Z".parse().unwrap());
    before[5] = Value::String("1969-12-31T23:59:58.123456789Z".into());
    before[4] = Value::Float64(-1.5);
    let given = |sql: &str| results(&compile(sql), &batch(&[before.clone()])).remove(0);
    for (sql, moment_of) in [
        ("to_timestamp_seconds(at)", "1969-12-31T23:59:58Z"),
        ("to_timestamp_seconds(text)", "1969-12-31T23:59:58Z"),
        ("to_timestamp_seconds(double)", "1969-12-31T23:59:58Z"),
        ("to_timestamp_millis(at)", "1969-12-31T23:59:58.123Z"),
        ("to_timestamp_millis(text)", "1969-12-31T23:59:58.123Z"),
        ("to_timestamp_millis(double)", "1969-12-31T23:59:59.998Z"),
        ("to_timestamp_micros(text)", "1969-12-31T23:59:58.123456Z"),
        ("to_timestamp_micros(double)", "1969-12-31T23:59:59.999998Z"),
        ("to_timestamp_nanos(double)", "1969-12-31T23:59:59.999999Z"),
        ("to_timestamp(double)", "1969-12-31T23:59:58.5Z"),
        ("to_timestamp(at)", "1969-12-31T23:59:58.123456Z"),
        ("to_timestamp_seconds('1969-12-31 23:59:58.9', '%Y-%m-%d %H:%M:%S%.f')", "1969-12-31T23:59:58Z"),
        ("date_trunc('second', at)", "1969-12-31T23:59:58Z"),
        ("cast(cast(at as date) as timestamp)", "1969-12-31T00:00:00Z"),
    ] {
        assert_eq!(given(sql), moment(moment_of), "{sql}");
    }
    for sql in ["to_unixtime(at)", "to_unixtime(text)", "to_unixtime(double)"] {
        assert_eq!(given(sql), Ok(Value::Int64(-2)), "{sql}");
    }
    assert_eq!(given("to_unixtime(7.9)"), Ok(Value::Int64(7)));
    assert_eq!(given("to_timestamp_seconds(at) < at"), Ok(Value::Bool(true)));
}

#[test]
fn a_time_that_no_row_may_have_fails_its_row_and_is_never_another() {
    for sql in [
        "to_timestamp_seconds(big * 1000000000000)",
        "to_timestamp_millis(big * 1000000000000000)",
        "to_timestamp_seconds(big * 1000000000000) < at",
        "at - to_timestamp_seconds(big * 1000000000000) > interval '1 day'",
        "to_timestamp_micros(9223372036854775807 + big)",
        "to_timestamp(big * 1000000000000)",
        "from_unixtime(big * 1000000000000)",
    ] {
        assert!(result(sql).is_err(), "{sql}: {:?}", result(sql));
    }
    // A time of microseconds needs no nanoseconds.
    let mut far = row();
    far[7] = Value::Timestamp(Micros::MAX);
    for sql in ["to_timestamp(at)", "to_timestamp_nanos(at)", "to_timestamp_micros(at)"] {
        let given = results(&compile(sql), &batch(&[far.clone()]));
        assert_eq!(given, [Ok(Value::Timestamp(Micros::MAX))], "{sql}");
    }
}

/// 2020-06-01T00:00:00Z in every way that an expression may give it.
const MOMENTS: [&str; 16] = [
    "at",
    "to_timestamp(text)",
    "to_timestamp(big)",
    "to_timestamp(double)",
    "to_timestamp_seconds(big)",
    "to_timestamp_millis(big * 1000)",
    "to_timestamp_micros(big * 1000000)",
    "to_timestamp_nanos(big * 1000000000)",
    "from_unixtime(big)",
    "cast(text as timestamp)",
    "try_cast(text as timestamp)",
    "TIMESTAMP '2020-06-01T00:00:00'",
    "cast(at as date)",
    "DATE '2020-05-31' + interval '1 day'",
    "coalesce(nullif(at, at), to_timestamp(big))",
    "to_local_time(at at time zone 'America/New_York') + interval '4 hours'",
];

fn first_of_june() -> Vec<Value> {
    let mut row = row();
    row[2] = Value::Int64(1_590_969_600);
    row[4] = Value::Float64(1_590_969_600.0);
    row[5] = Value::String("2020-06-01T00:00:00".into());
    row[7] = Value::Timestamp("2020-06-01T00:00:00Z".parse().unwrap());
    row
}

#[test]
fn at_time_zone_shows_a_moment_whatever_gives_it() {
    let given = |sql: &str| results(&compile(sql), &batch(&[first_of_june()])).remove(0);
    for of in MOMENTS.iter().chain(&["'2020-06-01T00:00:00'", "text", "from_unixtime(big, 'Asia/Tokyo')"]) {
        let there = format!("({of}) at time zone 'America/New_York'");
        assert_eq!(given(&format!("date_part('hour', {there})")), Ok(Value::Int32(20)), "{of}");
        assert_eq!(given(&format!("date_part('day', {there})")), Ok(Value::Int32(31)), "{of}");
        // Which moment it is does not change.
        assert_eq!(given(&there), moment("2020-06-01T00:00:00Z"), "{of}");
        assert_eq!(given(&format!("{there} = at")), Ok(Value::Bool(true)), "{of}");
        let day = format!("date_trunc('day', {there})");
        assert_eq!(given(&day), moment("2020-05-31T04:00:00Z"), "{of}");
    }
    // A text without a zone is of UTC also where it is compared with a time of another one.
    let there = "at at time zone 'America/New_York'";
    for same in ["'2020-06-01T00:00:00'", "text", "timestamp '2020-06-01'", "date '2020-06-01'"] {
        assert_eq!(given(&format!("{there} = {same}")), Ok(Value::Bool(true)), "{same}");
        assert_eq!(given(&format!("{there} in ({same})")), Ok(Value::Bool(true)), "{same}");
    }
}

#[test]
fn the_text_of_a_moment_is_the_same_wherever_it_comes_from() {
    let given = |sql: &str| results(&compile(sql), &batch(&[first_of_june()])).remove(0);
    let text = |text: &str| Ok(Value::String(text.into()));
    for of in MOMENTS.iter().filter(|of| !of.starts_with("cast(at as date)")) {
        assert_eq!(given(&format!("cast({of} as varchar)")), text("2020-06-01T00:00:00Z"), "{of}");
        assert_eq!(given(&format!("({of}) || ''")), text("2020-06-01T00:00:00Z"), "{of}");
        assert_eq!(given(&format!("to_char({of}, '%H %Z')")), text("00 +00:00"), "{of}");
    }
    assert_eq!(given("cast(cast(at as date) as varchar)"), text("2020-06-01"));
    let there = "cast(to_timestamp(big) at time zone 'America/New_York' as varchar)";
    assert_eq!(given(there), text("2020-05-31T20:00:00-04:00"));
}

#[test]
fn a_date_beside_an_interval_is_its_midnight() {
    for (sql, expected) in [
        ("date '2020-01-31' + interval '1 hour'", "2020-01-31T01:00:00Z"),
        ("interval '90 minutes' + date '2020-01-31'", "2020-01-31T01:30:00Z"),
        ("cast(at as date) + interval '36 hours'", "2013-06-02T12:00:00Z"),
        ("cast(at as date) - interval '1 second'", "2013-05-31T23:59:59Z"),
        ("date '2020-01-31' + interval '1 month'", "2020-02-29T00:00:00Z"),
    ] {
        assert_eq!(result(sql), moment(expected), "{sql}");
    }
}

#[test]
fn a_number_is_no_time_without_its_unit() {
    for sql in [
        "cast(big as timestamp)",
        "cast(double as timestamp)",
        "try_cast(small as timestamp)",
        "single::timestamp",
        "cast(flag as timestamp)",
        "cast(1590969600 as timestamp)",
        "big at time zone 'UTC'",
        "at > cast(cast(big as double) as timestamp)",
    ] {
        let refused = refusal(sql);
        let says = ["type error in `", " is cast to a timestamp, and has no unit", "to_timestamp_millis(…)"];
        assert!(says.iter().all(|part| refused.contains(part)), "{sql}: {refused}");
    }
    for sql in ["at > big", "coalesce(at, big)", "at in (1590969600)", "case when flag then at else big end"]
    {
        refusal(sql);
    }
}

#[test]
fn the_parts_of_a_duration_are_exact() {
    let mut row = first_of_june();
    let seen = "cast(text as timestamp)";
    let mut given = |at: &str, text: &str, sql: &str| {
        row[7] = Value::Timestamp(at.parse().unwrap());
        row[5] = Value::String(text.into());
        results(&compile(&sql.replace("SEEN", seen)), &batch(&[row.clone()])).remove(0)
    };
    let first = "0001-01-01T00:00:00Z";
    for (at, text, seconds) in [
        ("2020-01-01T00:01:00.5Z", "2020-01-01", 60.5),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:03.5Z", -3.5),
        ("2100-01-01T00:00:00Z", "2020-01-01", 2_524_608_000.0),
        ("2020-01-01T00:00:00.000001Z", "2020-01-01", 1e-6),
        ("9999-12-31T23:59:59Z", first, 315_537_897_599.0),
    ] {
        let epoch = given(at, text, "date_part('epoch', at - SEEN)");
        assert_eq!(epoch, Ok(Value::Float64(seconds)), "{at} - {text}");
        assert_eq!(given(at, text, "extract(epoch from at - SEEN)"), epoch, "{at} - {text}");
    }
    let (at, text) = ("2020-01-02T01:00:03.5Z", "2020-01-01");
    for (part, value) in [
        ("day", Value::Int32(1)),
        ("hours", Value::Int32(25)),
        ("minute", Value::Int32(1_500)),
        ("second", Value::Int32(90_003)),
        ("millisecond", Value::Int32(90_003_500)),
        ("nanosecond", Value::Int64(90_003_500_000_000)),
    ] {
        assert_eq!(given(at, text, &format!("date_part('{part}', at - SEEN)")), Ok(value), "{part}");
    }
    let failure = given("9999-01-01T00:00:00Z", first, "date_part('second', at - SEEN)").unwrap_err();
    assert!(failure.contains("seconds does not fit 32 bits"), "{failure}");
    let refused = refusal("date_part('month', at - at)");
    assert!(refused.contains("a duration has no part 'month': take epoch"), "{refused}");
}

#[test]
fn dates_are_cut_and_binned_in_all_years() {
    for (at, sql, expected) in [
        ("9999-12-31T23:59:59.999999Z", "date_trunc('month', at)", "9999-12-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "date_trunc('year', at)", "9999-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "date_trunc('quarter', at)", "9999-10-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "date_trunc('week', at)", "9999-12-27T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "date_trunc('hour', at)", "9999-12-31T23:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "date_trunc('millisecond', at)", "9999-12-31T23:59:59.999Z"),
        ("1600-05-05T10:11:12Z", "date_trunc('month', at)", "1600-05-01T00:00:00Z"),
        ("0001-01-01T10:11:12Z", "date_trunc('day', at)", "0001-01-01T00:00:00Z"),
        ("0001-02-28T10:11:12Z", "date_trunc('week', at)", "0001-02-26T00:00:00Z"),
        ("2013-06-01T12:34:56Z", "date_trunc('month', timestamp '9999-12-31')", "9999-12-01T00:00:00Z"),
        ("2013-06-01T12:34:56Z", "date_trunc('month', '9999-12-31')", "9999-12-01T00:00:00Z"),
        ("9999-07-31T02:00:00Z", "date_trunc('day', at at time zone 'Asia/Tokyo')", "9999-07-30T15:00:00Z"),
        ("9999-12-31T23:59:59Z", "date_bin(interval '15 minutes', at)", "9999-12-31T23:45:00Z"),
        ("1600-05-05T10:11:12Z", "date_bin(interval '1 month', at)", "1600-05-01T00:00:00Z"),
        ("1600-05-05T10:11:12Z", "date_bin(interval '1 week', at, '0001-01-01')", "1600-05-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "date_bin(interval '3 months', at, '2000-02-15')", "9999-11-15T00:00:00Z"),
        ("2000-02-14T00:00:00Z", "date_bin(interval '3 months', at, '2000-02-15')", "1999-11-15T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "date_bin(interval '1 day', at)", "1969-12-31T00:00:00Z"),
        ("2013-06-01T12:34:56Z", "date_bin(interval '1 day', at, date '2013-01-01')", "2013-06-01T00:00:00Z"),
    ] {
        assert_eq!(at_moments(sql, &[at]), [moment(expected)], "{sql} of {at}");
    }
    // Near and far times of one batch, and a null.
    let times = ["9999-12-31T23:59:59Z", "2013-06-15T00:00:00Z", "1600-05-05T00:00:00Z", ""];
    let months = ["9999-12-01T00:00:00Z", "2013-06-01T00:00:00Z", "1600-05-01T00:00:00Z"];
    let expected: Vec<_> = months.iter().map(|at| moment(at)).chain([Ok(Value::Null)]).collect();
    for sql in ["date_trunc('month', at)", "date_bin(interval '1 month', at)"] {
        assert_eq!(at_moments(sql, &times), expected, "{sql}");
    }
    for sql in ["date_bin(interval '0 days', at)", "date_bin(interval '-1 day', at)"] {
        assert!(refusal(sql).contains("longer than zero"), "{sql}");
    }
}

#[test]
fn a_float_of_seconds_is_the_nearest_microsecond() {
    for (sql, expected) in [
        ("to_timestamp(1577836800123 / 1000.0)", "2020-01-01T00:00:00.123Z"),
        ("to_timestamp(cast(1577836800123 as double) / 1000)", "2020-01-01T00:00:00.123Z"),
        ("to_timestamp(-0.000001)", "1969-12-31T23:59:59.999999Z"),
        ("to_timestamp_millis(1577836800.123 * 1000)", "2020-01-01T00:00:00.123Z"),
        ("to_timestamp_millis(1577836800122.9998)", "2020-01-01T00:00:00.123Z"),
        ("to_timestamp_millis(1577836800122.9)", "2020-01-01T00:00:00.122Z"),
        ("to_timestamp_seconds(1577836800.9)", "2020-01-01T00:00:00Z"),
    ] {
        assert_eq!(result(sql), moment(expected), "{sql}");
    }
    let rows: Vec<Vec<Value>> = (1_577_836_800_000_i64..)
        .step_by(7)
        .take(2_000)
        .map(|ms| {
            let mut row = row();
            (row[2], row[4]) = (Value::Int64(ms), Value::Float64(ms as f64));
            row
        })
        .collect();
    let same = compile("to_timestamp(double / 1000.0) = to_timestamp_millis(big)");
    assert!(results(&same, &batch(&rows)).iter().all(|same| *same == Ok(Value::Bool(true))));
}

#[test]
fn seconds_that_look_like_a_finer_unit_say_which_function_reads_them() {
    let given = |number: i64, sql: &str| {
        let mut row = row();
        (row[2], row[4]) = (Value::Int64(number), Value::Float64(number as f64));
        results(&compile(sql), &batch(&[row])).remove(0).unwrap_err()
    };
    let millis = "which to_timestamp_millis reads as 2020-01-01T00:00:00.123Z";
    for sql in
        ["to_timestamp(big)", "to_timestamp(double)", "to_timestamp_seconds(big)", "from_unixtime(big)"]
    {
        let failure = given(1_577_836_800_123, sql);
        assert!(failure.contains("1577836800123, ") && failure.contains(millis), "{sql}: {failure}");
    }
    let micros = given(1_577_836_800_123_456, "to_timestamp_seconds(big)");
    assert!(micros.contains("which to_timestamp_micros reads as 2020-01-01T00:00:00.123456Z"), "{micros}");
    let micros = given(1_577_836_800_123_456, "to_timestamp_millis(big)");
    assert!(micros.contains("which to_timestamp_micros reads as"), "{micros}");
    assert!(!given(i64::MAX, "to_timestamp_seconds(big)").contains("reads as"));
}

#[test]
fn a_constant_that_can_never_work_is_refused_wherever_it_stands() {
    for (sql, part, why) in [
        ("to_char(at, '%Q')", "to_char(at, '%Q')", "the format '%Q'"),
        ("case when flag then to_char(at, '%Q') end", "to_char(at, '%Q')", "the format '%Q'"),
        ("to_timestamp(text, '%H:%M')", "to_timestamp(text, '%H:%M')", "no text can be read by"),
        ("to_timestamp_seconds(text, '%Y-%m-%d', '%Q')", "to_timestamp_seconds(", "by the format '%Q'"),
        ("to_date(text, '%Q')", "to_date(text, '%Q')", "by the format '%Q'"),
        ("case when flag then date_trunc('zork', at) end", "date_trunc('zork', at)", "granularity"),
        ("flag and date_part('zork', at) = 1", "date_part('zork', at)", "zork"),
        ("flag and regexp_like(text, '(')", "regexp_like(text, '(')", "regular expression"),
        ("flag and text ~ '('", "text ~ '('", "regular expression"),
        ("case when flag then split_part(text, ',', 0) end", "SPLIT_PART", "position"),
        ("case when flag then make_date(small, 13, 1) end", "make_date(small, 13, 1)", "month"),
    ] {
        let refused = refusal(sql);
        let (part, why, refused) = (part.to_lowercase(), why.to_lowercase(), refused.to_lowercase());
        assert!(refused.starts_with(&format!("`{part}")), "{sql}: {refused}");
        assert!(
            refused.contains("fails whatever a row holds: ") && refused.contains(&why),
            "{sql}: {refused}"
        );
    }
    for sql in [
        "to_char(at, '%Y-%m-%d %H:%M:%S%.6f %Z')",
        "to_char(cast(at as date), '%H:%M')",
        "to_timestamp(text, '%d/%m/%Y')",
        "to_timestamp(text, '%Y%m%d')",
        "to_timestamp(text, '%s')",
        "to_timestamp(text, '%d.%m.%Y %H:%M:%S%.f', '%Y-%m-%dT%H:%M:%S%z')",
        "to_timestamp(text, '%Y-%m-%d %I:%M:%S %p')",
        "to_timestamp(text, '%Y-%m-%d %H:%M:%S %Z')",
        "to_date(text, '%b %e, %Y')",
        "make_date(small, 2, 29)",
        "decode(text, 'base64')",
        "split_part(text, ',', -1)",
        "date_part('year', text)",
        "regexp_count(text, 'a', small)",
        "case when flag then 1 / 0 end",
    ] {
        compile(sql);
    }
}
