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
