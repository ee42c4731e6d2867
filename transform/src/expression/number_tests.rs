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

#[test]
fn a_finite_number_is_rounded_to_a_finite_one() {
    let given = |sql: &str, double: f64, single: f32| {
        let mut row = row();
        (row[3], row[4]) = (Value::Float32(single), Value::Float64(double));
        results(&compile(sql), &batch(&[row])).remove(0)
    };
    for (sql, double, expected) in [
        ("round(double, 2)", 1e308, 1e308),
        ("trunc(double, 2)", -1e308, -1e308),
        ("round(double, 2)", f64::INFINITY, f64::INFINITY),
        ("trunc(double, 2)", f64::NEG_INFINITY, f64::NEG_INFINITY),
        ("round(double, -400)", f64::INFINITY, f64::INFINITY),
        ("round(double, -400)", 1e308, 0.0),
        ("round(double, -400)", -1e308, -0.0),
        ("trunc(double, -309)", f64::MAX, 0.0),
        ("round(double, 400)", 1.25, 1.25),
        ("round(double, 310)", 5e-324, 0.0),
        ("trunc(double, 1000000000)", -1.25, -1.25),
        ("round(double, 1)", 1.25, 1.3),
        ("trunc(double, 1)", -1.29, -1.2),
        ("round(double)", 2.5, 3.0),
        ("round(double)", f64::INFINITY, f64::INFINITY),
    ] {
        assert_eq!(given(sql, double, 0.0), Ok(Value::Float64(expected)), "{sql} of {double}");
    }
    for (sql, single, expected) in [
        ("round(single, 1)", 3e38, 3e38),
        ("trunc(single, 1)", 3e38, 3e38),
        ("round(single, small)", f32::MAX, f32::MAX),
        ("round(single, -60)", f32::MAX, 0.0),
    ] {
        assert_eq!(given(sql, 0.0, single), Ok(Value::Float32(expected)), "{sql} of {single}");
    }
    assert_eq!(given("round(double, 2)", f64::NAN, 0.0), Ok(Value::Float64(f64::NAN)));
    let failure = given("round(double, -308)", f64::MAX, 0.0).unwrap_err();
    assert!(failure.contains("beyond the range of its type"), "{failure}");
}

#[test]
fn both_zeros_are_equal_wherever_floats_are_compared() {
    let given = |sql: &str, double: f64| {
        let mut row = row();
        (row[3], row[4]) = (Value::Float32(double as f32), Value::Float64(double));
        results(&compile(sql), &batch(&[row])).remove(0)
    };
    for zero in [0.0, -0.0] {
        for of in ["double", "single"] {
            for sql in [
                "OF = 0",
                "OF in (0, 1)",
                "OF in (1, -0.0)",
                "not OF not in (0, big)",
                "OF in (big + 3, small)",
                "case OF when 0 then true else false end",
                "case OF when 1 then false when -0.0 then true end",
                "case OF when big + 3 then true end",
                "nullif(OF, 0) is null",
                "nullif(OF, -0.0) is null",
                "nullif(OF, big + 3) is null",
                "OF between 0 and 0",
                "OF is not distinct from 0",
            ] {
                let sql = sql.replace("OF", of);
                assert_eq!(given(&sql, zero), Ok(Value::Bool(true)), "{sql} of {zero:?}");
            }
        }
    }
    // What is given keeps its sign, and what is null stays null.
    assert_eq!(given("nullif(double, 1)", -0.0), Ok(Value::Float64(-0.0)));
    assert_eq!(given("nullif(double, null)", 2.0), Ok(Value::Float64(2.0)));
    assert_eq!(given("nullif(double, nullif(big, big))", 2.0), Ok(Value::Float64(2.0)));
    assert_eq!(given("double in (1, null)", 0.0), Ok(Value::Null));
    let noisy = f64::from_bits(0xfff8_0000_0000_0001);
    assert_eq!(given("double in (1, cast('NaN' as double))", noisy), Ok(Value::Bool(true)));
}
