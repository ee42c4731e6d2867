//! What the clocks of a time zone show, from the first year to the last.

use feature::Value;

use super::tests::{at_moments, moment};

const THERE: &str = "at at time zone 'America/New_York'";

fn text(text: &str) -> Result<Value, String> {
    Ok(Value::String(text.into()))
}

#[test]
fn summer_time_goes_on_after_the_tables_of_zones_end() {
    let moments =
        ["2099-07-01T12:00:00Z", "2100-07-01T12:00:00Z", "2100-12-01T12:00:00Z", "", "9998-07-01T02:00:00Z"];
    let each = |values: [Value; 4]| {
        let [a, b, c, d] = values;
        vec![Ok(a), Ok(b), Ok(c), Ok(Value::Null), Ok(d)]
    };
    let hours = each([8, 8, 7, 22].map(Value::Int32));
    assert_eq!(at_moments(&format!("date_part('hour', {THERE})"), &moments), hours);
    assert_eq!(at_moments(&format!("extract(hour from {THERE})"), &moments), hours);
    let years = each([2099, 2100, 2100, 9998].map(Value::Int32));
    assert_eq!(at_moments(&format!("date_part('year', {THERE})"), &moments), years);
    let days = each([1, 1, 1, 30].map(Value::Int32));
    assert_eq!(at_moments(&format!("date_part('day', {THERE})"), &moments), days);
    let texts = ["2099-07-01T08:00:00-04:00", "2100-07-01T08:00:00-04:00", "2100-12-01T07:00:00-05:00"];
    let texts: Vec<_> = texts.map(text).into_iter().chain([Ok(Value::Null)]).collect();
    assert_eq!(at_moments(&format!("cast({THERE} as string)"), &moments)[..4], texts[..]);
    let shown = ["08 -0400", "08 -0400", "07 -0500"].map(text);
    assert_eq!(at_moments(&format!("to_char({THERE}, '%H %z')"), &moments)[..3], shown);
    let shown = ["2099-07-01T08:00:00Z", "2100-07-01T08:00:00Z", "2100-12-01T07:00:00Z"].map(moment);
    assert_eq!(at_moments(&format!("to_local_time({THERE})"), &moments)[..3], shown);
    // A constant is one moment of all rows.
    let constant = "date_part('hour', timestamp '2100-07-01T12:00:00' at time zone 'America/New_York')";
    assert_eq!(at_moments(constant, &moments[..2]), [Ok(Value::Int32(8)), Ok(Value::Int32(8))]);
    let date = "cast(cast(at at time zone 'America/New_York' as date) as string)";
    assert_eq!(at_moments(date, &["9998-07-01T02:00:00Z"]), [text("9998-06-30")]);
}

#[test]
fn a_day_after_the_tables_of_zones_end_begins_at_its_own_midnight() {
    for (part, at, begins) in [
        ("day", "2100-07-01T12:00:00Z", "2100-07-01T04:00:00Z"),
        ("month", "2100-11-20T12:00:00Z", "2100-11-01T04:00:00Z"),
        ("year", "2100-07-01T12:00:00Z", "2100-01-01T05:00:00Z"),
        ("hour", "2100-07-01T12:34:00Z", "2100-07-01T12:00:00Z"),
        ("week", "2100-01-01T12:00:00Z", "2099-12-28T05:00:00Z"),
        // The hour that clocks show twice.
        ("hour", "2100-11-07T05:30:00Z", "2100-11-07T05:00:00Z"),
        ("hour", "2100-11-07T06:30:00Z", "2100-11-07T06:00:00Z"),
        ("day", "9998-07-01T02:00:00Z", "9998-06-30T04:00:00Z"),
    ] {
        let sql = format!("date_trunc('{part}', {THERE})");
        let near = ("2013-07-01T12:00:00Z", at_moments(&sql, &["2013-07-01T12:00:00Z"]).remove(0));
        assert_eq!(
            at_moments(&sql, &[at, "", near.0]),
            [moment(begins), Ok(Value::Null), near.1],
            "{part} of {at}"
        );
    }
}

#[test]
fn the_text_of_a_moment_is_that_moment_also_where_the_offset_has_seconds() {
    let moments =
        ["1800-01-01T03:00:00Z", "1883-11-18T16:59:59.5Z", "0001-01-02T00:00:00Z", "2013-06-01T00:00:00Z"];
    for zone in ["America/New_York", "Europe/Amsterdam", "Africa/Monrovia"] {
        let back = format!("cast(cast(at at time zone '{zone}' as string) as timestamp)");
        assert_eq!(at_moments(&back, &moments), moments.map(moment), "{zone}");
        let back = format!("cast((at at time zone '{zone}') || '' as timestamp)");
        assert_eq!(at_moments(&back, &moments), moments.map(moment), "{zone}");
    }
    let shown = at_moments(&format!("cast({THERE} as string)"), &["1800-01-01T03:00:00Z"]);
    assert_eq!(shown, [text("1799-12-31T22:03:00-04:57")]);
}
