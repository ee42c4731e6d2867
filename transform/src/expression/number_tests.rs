//! Numbers in expressions: what does not fit fails its row.

use feature::Value;

use super::Expression;
use super::tests::{batch, compile, refusal, result, results, row};

#[test]
fn what_cannot_be_computed_fails_and_does_not_wrap_around() {
    for (sql, reason) in [
        ("small / 0", "divide by zero"),
        ("small % (small - 7)", "divide by zero"),
        ("big + 9223372036854775807 + 9223372036854775807", "overflow"),
        ("big * 9223372036854775807", "overflow"),
        ("(big - 9223372036854775807) - 9", "overflow"),
        ("-(big - 9223372036854775805)", "overflow"),
        ("(big - 9223372036854775805) / -1", "overflow"),
        ("cast(big * 1000000000000 as int)", "can't cast value"),
        ("cast(text as int)", "cannot cast string 'boston'"),
        ("cast(double / 0 as bigint)", "can't cast value inf"),
        ("cast(text as timestamp)", "error parsing timestamp from 'boston'"),
    ] {
        let failure = result(sql).expect_err(sql);
        assert!(failure.to_lowercase().contains(reason), "{sql}: {failure}");
        assert!(!failure.contains('\n') && !failure.starts_with(char::is_uppercase), "{sql}: {failure}");
    }
}

#[test]
fn a_finite_number_never_becomes_an_infinity_in_a_cast() {
    let number = |text: &str| compile(&format!("cast(text as {text})"));
    let given = |expression: &Expression, double: f64, text: &str| {
        let mut row = row();
        (row[4], row[5]) = (Value::Float64(double), Value::String(text.into()));
        results(expression, &batch(&[row])).remove(0)
    };
    let (real, double) = (number("real"), number("double"));
    for text in ["1e39", "-1e400"] {
        let reason = format!("{text} is not float32 (a number up to 3.4028235e38)");
        assert_eq!(given(&real, 0.0, text), Err(reason));
    }
    assert_eq!(given(&double, 0.0, "1e39"), Ok(Value::Float64(1e39)));
    let reason = "1e400 is not float64 (a number up to 1.7976931348623157e308)";
    assert_eq!(given(&double, 0.0, "1e400"), Err(reason.to_owned()));
    assert_eq!(given(&real, 0.0, "-inf"), Ok(Value::Float32(f32::NEG_INFINITY)));
    let narrow = compile("cast(double as float32)");
    assert_eq!(given(&narrow, f64::INFINITY, ""), Ok(Value::Float32(f32::INFINITY)));
    assert_eq!(given(&narrow, 0.1, ""), Ok(Value::Float32(0.1)));
    assert!(given(&narrow, -1e39, "").is_err());
    assert_eq!(given(&compile("try_cast(double as real)"), 1e39, ""), Ok(Value::Null));
    assert_eq!(
        refusal("cast(1e39 as real)"),
        "the expression fails on every row: 1e39 is not float32 (a number up to 3.4028235e38)"
    );
    // One row fails by itself, and the branch that is not taken does not.
    let rows = [f64::MAX, 1.5].map(|double| {
        let mut row = row();
        row[4] = Value::Float64(double);
        row
    });
    let together = results(&narrow, &batch(&rows));
    assert!(together[0].is_err());
    assert_eq!(together[1], Ok(Value::Float32(1.5)));
    let guarded = compile("case when double < 1e38 then cast(double as real) else 0.0 end");
    assert!(results(&guarded, &batch(&rows)).iter().all(Result::is_ok));
}

#[test]
fn an_integer_beside_a_single_keeps_its_digits() {
    let wide = |small: i32, big: i64, single: f32| {
        let mut row = row();
        (row[1], row[2], row[3]) = (Value::Int32(small), Value::Int64(big), Value::Float32(single));
        row
    };
    // 2^24 is a single, and the integer after it is none.
    let row = [wide(16_777_217, 16_777_217, 16_777_216.0)];
    let given = |sql: &str| results(&compile(sql), &batch(&row)).remove(0);
    for (sql, value) in [
        ("small = single", Value::Bool(false)),
        ("big > single", Value::Bool(true)),
        ("single between small and big", Value::Bool(false)),
        ("single in (small, big)", Value::Bool(false)),
        ("case single when small then 1 else 0 end", Value::Int64(0)),
        ("single is distinct from big", Value::Bool(true)),
        ("nullif(single, small) is null", Value::Bool(false)),
        ("small - single", Value::Float64(1.0)),
        ("single * 0 + big", Value::Float64(16_777_217.0)),
        ("greatest(single, big)", Value::Float64(16_777_217.0)),
        ("coalesce(nullif(single, 16777216), small)", Value::Float64(16_777_217.0)),
        ("case when flag then big else single end", Value::Float64(16_777_217.0)),
        ("nvl2(single, small, single)", Value::Float64(16_777_217.0)),
        ("single > 16777215", Value::Bool(true)),
        ("single + 1 = 16777217", Value::Bool(false)),
    ] {
        assert_eq!(given(sql), Ok(value), "{sql}");
    }
    // A constant that is a single leaves a single what it is.
    for (sql, data_type) in [
        ("single / 60", "float32"),
        ("-60 + single", "float32"),
        ("case when flag then single else 0 end", "float32"),
        ("single / small", "float64"),
        ("single + 16777217", "float64"),
        ("coalesce(single, null)", "float32"),
    ] {
        assert_eq!(compile(sql).data_type().to_string(), data_type, "{sql}");
    }
    // A version of an earlier release has the type that was found then, and no other expression gets it.
    let single = "float32".parse().unwrap();
    let before = compile("big - single").widened(single, "the column `c`").unwrap();
    assert_eq!(results(&before, &batch(&row)), [Ok(Value::Float32(1.0))]);
    assert!(compile("double").widened(single, "the column `c`").is_err());
}

#[test]
fn texts_beside_numbers_are_refused_wherever_one_of_them_is_given() {
    for sql in [
        "nullif(text, small)",
        "greatest(big, text)",
        "least(double, text, big)",
        "coalesce(text, small)",
        "nvl(single, text)",
        "nvl2(flag, text, small)",
        "nvl2(text, small, big)",
        "case when flag then text else small end",
        "case when flag then 1 when small > 0 then text end",
    ] {
        let refused = refusal(sql);
        assert!(
            refused.contains("string beside int") || refused.contains("string beside float"),
            "{sql}: {refused}"
        );
        assert!(refused.contains("`text` is string"), "{sql}: {refused}");
    }
    assert_eq!(result("case when text is not null then small else big end"), Ok(Value::Int64(7)));
    assert_eq!(result("coalesce(text, cast(small as string))"), Ok(Value::String("Boston".into())));
}

#[test]
fn a_decimal_is_the_nearest_float_rounded_once() {
    let given = |text: &str, float: &str| {
        let mut row = row();
        row[5] = Value::String(text.into());
        let cast = compile(&format!("cast(cast(text as decimal(38, 30)) as {float})"));
        results(&cast, &batch(&[row])).remove(0)
    };
    // Just above the middle of two singles: the nearest double is that middle, which goes to the even one below.
    let single: f32 = "1.000000059604644775390625000001".parse().unwrap();
    assert_eq!(given("1.000000059604644775390625000001", "real"), Ok(Value::Float32(single)));
    for text in ["0.1", "0.3", "-123.456789", "99999999.999999999999999999999999999999"] {
        assert_eq!(given(text, "double"), Ok(Value::Float64(text.parse().unwrap())), "{text}");
    }
}
