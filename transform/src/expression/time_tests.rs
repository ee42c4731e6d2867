//! Times in expressions: of other units, of floats, and beyond the range of nanoseconds.

use feature::{Micros, Value};

use super::tests::{batch, compile, moment, refusal, result, results, row};

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
