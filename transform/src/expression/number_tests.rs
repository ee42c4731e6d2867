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
