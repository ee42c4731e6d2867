//! What expressions are refused, what they give, and that a row gives it in any batch.

use feature::{Micros, Value};
use proptest::prelude::*;

use super::*;
use crate::{array_of, value_at};

const COLUMNS: [(&str, &str); 9] = [
    ("flag", "bool"),
    ("small", "int32"),
    ("big", "int64"),
    ("single", "float32"),
    ("double", "float64"),
    ("text", "string"),
    ("raw", "bytes"),
    ("at", "timestamp"),
    ("embedding", "list<float32>[2]"),
];

fn schema() -> Vec<Field> {
    let field = |(name, data_type): (&str, &str)| Field {
        name: name.parse().unwrap(),
        data_type: data_type.parse().unwrap(),
    };
    COLUMNS.map(field).to_vec()
}

pub(super) fn batch(rows: &[Vec<Value>]) -> RecordBatch {
    let schema = schema();
    let columns = schema.iter().enumerate();
    let columns =
        columns.map(|(i, field)| array_of(rows.iter().map(|row| &row[i]), field.data_type)).collect();
    RecordBatch::try_new(arrow_schema(&schema), columns).unwrap()
}

pub(super) fn row() -> Vec<Value> {
    vec![
        Value::Bool(true),
        Value::Int32(7),
        Value::Int64(-3),
        Value::Float32(1.5),
        Value::Float64(2.5),
        Value::String("Boston".into()),
        Value::Bytes([1_u8, 2].as_slice().into()),
        Value::Timestamp("2013-06-01T12:34:56.789012Z".parse().unwrap()),
        Value::List([Value::Float32(0.5), Value::Null].into()),
    ]
}

pub(super) fn compile(sql: &str) -> Expression {
    Expression::compile(&schema(), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

pub(super) fn refusal(sql: &str) -> String {
    match Expression::compile(&schema(), sql) {
        Ok(expression) => panic!("{sql} was compiled: {expression:?}"),
        Err(error) => error.to_string(),
    }
}

/// What an expression gives for each row, or why it fails.
pub(super) fn results(expression: &Expression, batch: &RecordBatch) -> Vec<Result<Value, String>> {
    let Evaluated { values, failures } = expression.evaluate(batch).unwrap();
    assert_eq!(*values.data_type(), arrow_type(expression.data_type()));
    assert_eq!(values.len(), batch.num_rows());
    let mut results: Vec<_> =
        (0..values.len()).map(|row| Ok(value_at(&values, row, expression.data_type()))).collect();
    for (row, reason) in failures {
        assert_eq!(results[row], Ok(Value::Null));
        results[row] = Err(reason);
    }
    results
}

pub(super) fn result(sql: &str) -> Result<Value, String> {
    results(&compile(sql), &batch(&[row()])).remove(0)
}

/// What an expression gives where `at` is each of these moments, in one batch; an empty text stands for a null.
pub(super) fn at_moments(sql: &str, moments: &[&str]) -> Vec<Result<Value, String>> {
    let of_moment = |at: &&str| {
        let mut row = row();
        row[7] = if at.is_empty() { Value::Null } else { Value::Timestamp(at.parse().unwrap()) };
        row
    };
    let rows: Vec<Vec<Value>> = moments.iter().map(of_moment).collect();
    results(&compile(sql), &batch(&rows))
}

pub(super) fn moment(text: &str) -> Result<Value, String> {
    Ok(Value::Timestamp(text.parse().unwrap()))
}

#[test]
fn the_type_of_an_expression_is_one_of_ours() {
    for (sql, data_type) in [
        ("small", "int32"),
        ("small + 1", "int64"),
        ("small / 2", "int64"),
        ("single / 60", "float32"),
        ("big / 60.0", "float64"),
        ("small > 3 and not flag", "bool"),
        ("upper(text) || '!'", "string"),
        ("raw", "bytes"),
        ("cast(text as bytes)", "bytes"),
        ("at + interval '1 hour'", "timestamp"),
        ("cast(at as date)", "timestamp"),
        ("date '2013-01-01'", "timestamp"),
        ("to_timestamp(text)", "timestamp"),
        ("date_part('hour', at)", "int32"),
        ("character_length(text)", "int32"),
        ("embedding", "list<float32>[2]"),
        ("regexp_match(text, 'o')", "list<string>"),
        ("cast(small as int64)", "int64"),
        ("cast(big as int32)", "int32"),
        ("cast(big as float32)", "float32"),
        ("cast(big as float64)", "float64"),
        ("cast(big as string)", "string"),
        ("small::smallint", "int32"),
        ("cast(null as int32)", "int32"),
        ("coalesce(single, 0)", "float32"),
        ("case when flag then small else big end", "int64"),
    ] {
        assert_eq!(compile(sql).data_type().to_string(), data_type, "{sql}");
    }
}

#[test]
fn an_expression_reads_only_the_columns_that_it_names() {
    let expression = compile("Text = 'x' OR small > BIG");
    let columns: Vec<&str> = expression.columns().iter().map(Name::as_str).collect();
    assert_eq!(columns, ["small", "big", "text"]);
    assert!(compile("1 + 1").columns().is_empty());
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    for (sql, message) in [
        ("", "syntax error: expected: an expression, found its end"),
        ("small +", "syntax error: expected: an expression, found its end"),
        ("small + )", "syntax error at line 1, column 9: expected: an expression, found: )"),
        ("small small", "syntax error at line 1, column 7: expected the end of the expression, found: small"),
        ("smal + 1", "unknown column `smal`, did you mean `small`?"),
        ("zebra", "unknown column `zebra`: there is flag, small, big, "),
        (
            "date_part('hour', at at time zone text)",
            "`AT TIME ZONE` takes one zone for all rows, as in AT TIME ZONE 'America/New_York', and not `text`",
        ),
        ("uper(text)", "unknown function `uper`, did you mean `upper`?"),
        (
            "small + text",
            "type error in `small + text`: cannot coerce arithmetic expression int32 + string to valid types (`small` is int32, `text` is string)",
        ),
        (
            "text > small",
            "type error in `text > small`: a comparison of string with int32, add a cast to one of them",
        ),
        (
            "small between '1' and 7",
            "type error in `small BETWEEN '1' AND 7`: a comparison of int32 with string",
        ),
        ("text in ('a', 1)", "type error in `text IN ('a', 1)`: a comparison of string with int64"),
        (
            "case small when '7' then 1 end",
            "type error in `CASE small WHEN '7' THEN 1 END`: a comparison of int32 with string",
        ),
        (
            "case when small then 1 end",
            "type error in `CASE WHEN small THEN 1 END`: a CASE without an operand takes a condition",
        ),
        (
            "date_trunc(at)",
            "type error in `date_trunc(at)`: function 'date_trunc' expects 2 arguments but received 1",
        ),
        ("substr(text)", "type error in `SUBSTR(text)`: substring without for/from is not valid"),
        ("coalesce(text, at)", "type error in `coalesce(text, at)`: function 'coalesce' "),
        ("cast(text as zork)", "type error in `CAST(text AS zork)`: unsupported SQL type zork"),
        ("1 / 0", "the expression fails on every row: divide by zero"),
        ("9223372036854775807 + 1", "the expression fails on every row: overflow happened"),
        ("cast('x' as int)", "the expression fails on every row: cannot cast string 'x'"),
        ("date_trunc('zork', at)", "the expression fails on every row: "),
        ("regexp_like(text, '(')", "the expression fails on every row: "),
        ("text ~ '('", "the expression fails on every row: "),
        ("abs(flag)", "type error in `abs(flag)`: "),
        ("embedding + 1", "type error in `embedding + 1`: "),
        (
            "big > 0 and upper(text || 'x') = 'A' and text * 2 > 1",
            "type error in `text * 2`: cannot coerce arithmetic expression string * int64 to valid types (`text` is string)",
        ),
        ("at - at", "the expression gives a duration, which is none of our types: take its seconds"),
        (
            "text = \"Boston\"",
            "there is no column \"Boston\": double quotes are for names of columns, write a text in single quotes, 'Boston'",
        ),
        (
            "at at time zone 'Mars/Olympus'",
            "type error in `at AT TIME ZONE 'Mars/Olympus'`: the time zone `Mars/Olympus` is unknown",
        ),
        (
            "cast(at at time zone 'Europe/Berln' as string)",
            "type error in `at AT TIME ZONE 'Europe/Berln'`: the time zone",
        ),
        (
            "from_unixtime(big, 'Mars/Olympus')",
            "type error in `from_unixtime(big, 'Mars/Olympus')`: the time zone `Mars/Olympus` is unknown",
        ),
        ("null", "the expression gives Null, which is none of our types"),
        ("now()", "`now`, which reads a clock, cannot stand in an expression"),
        ("current_date", "`current_date`, which reads a clock, cannot stand in an expression"),
        ("random()", "`random`, which differs from call to call, cannot stand in an expression"),
        ("repeat(text, big)", "`repeat`, whose result has no bound, cannot stand in an expression"),
        ("sum(small)", "the aggregate `sum` cannot stand in an expression"),
        ("upper(text) over ()", "the window or aggregate `upper(text) OVER ()` cannot"),
        ("(select 1)", "a subquery cannot stand in an expression"),
        ("small in (select 1)", "a subquery cannot stand in an expression"),
        ("exists (select 1)", "a subquery cannot stand in an expression"),
        ("t.small", "the qualified name or field access `t.small` cannot stand in an expression"),
        ("$1", "the placeholder `$1` cannot stand in an expression"),
        ("*", "syntax error"),
        ("[1, 2]", "`[1, 2]` cannot stand in an expression"),
        ("small & 1", "the operator `&` cannot stand in an expression"),
        ("arrow_typeof(small)", "unknown function `arrow_typeof`"),
        ("version()", "unknown function `version`"),
    ] {
        let refusal = refusal(sql);
        assert!(refusal.starts_with(message), "{sql}: {refusal}");
        assert!(!refusal.contains('\n'), "{sql}: {refusal}");
    }
}

#[test]
fn an_endless_or_deeply_nested_expression_is_refused() {
    assert!(refusal(&"x".repeat(20_000)).contains("20000 characters"));
    let deep = |depth: usize| format!("{}small{}", "(".repeat(depth), ")".repeat(depth));
    assert!(refusal(&deep(1_000)).contains("nested more than"));
    let long = |terms: usize| vec!["small"; terms].join(" + ");
    assert!(refusal(&long(2_000)).contains("nested more than"));
    assert_eq!(result(&long(100)), Ok(Value::Int32(700)));
}

#[test]
fn expressions_give_what_sql_says() {
    for (sql, expected) in [
        ("small % 4 = 3 and text like 'Bos%'", Value::Bool(true)),
        ("small between 1 and 7", Value::Bool(true)),
        ("text in ('New York', 'Boston')", Value::Bool(true)),
        ("big not in (1, 2, null)", Value::Null),
        ("nullif(small, 7) is null", Value::Bool(true)),
        ("nullif(small, 7) is distinct from small", Value::Bool(true)),
        ("coalesce(nullif(small, 7), 5)", Value::Int64(5)),
        ("nvl2(nullif(small, 7), 1, 2)", Value::Int64(2)),
        ("greatest(small, big, 5)", Value::Int64(7)),
        ("case text when 'Boston' then 'yes' else 'no' end", Value::String("yes".into())),
        ("case when small > 100 then 1 end", Value::Null),
        ("substring(text from 2 for 3)", Value::String("ost".into())),
        ("trim(both 'n' from text)", Value::String("Bosto".into())),
        ("position('s' in text)", Value::Int32(3)),
        ("text ~ '^B.*n$'", Value::Bool(true)),
        ("try_cast(text as int)", Value::Null),
        ("-small", Value::Int32(-7)),
        ("ceil(double)", Value::Float64(3.0)),
        ("extract(hour from at)", Value::Int32(12)),
        ("date_part('hour', at at time zone 'America/New_York')", Value::Int32(8)),
        ("double / 0 - double / 0", Value::Float64(f64::NAN)),
        ("double / 0", Value::Float64(f64::INFINITY)),
        ("cast(at as bigint)", Value::Int64(1_370_090_096_789_012)),
        ("embedding", Value::List([Value::Float32(0.5), Value::Null].into())),
    ] {
        assert_eq!(result(sql), Ok(expected), "{sql}");
    }
    assert_eq!(result("date_trunc('hour', at)"), moment("2013-06-01T12:00:00Z"));
    assert_eq!(result("cast(at as date)"), moment("2013-06-01T00:00:00Z"));
    assert_eq!(result("at + interval '90 minutes'"), moment("2013-06-01T14:04:56.789012Z"));
    assert_eq!(result("to_timestamp('2013-06-01T12:00:00+02:00')"), moment("2013-06-01T10:00:00Z"));
}

/// 181 days lie between `at` and this.
const SEEN: &str = "cast('2012-12-02T12:34:56.789012' as timestamp)";

#[test]
fn durations_and_intervals_are_compared_by_their_length() {
    let holds = [
        "at - SEEN > interval '1 day'",
        "at - SEEN > interval '24 hours'",
        "interval '1 day' < at - SEEN",
        "at - SEEN >= interval '181 days'",
        "at - SEEN <= interval '4344 hours'",
        "at - SEEN = interval '181 days'",
        "at - SEEN <> interval '180 days'",
        "at - SEEN is distinct from interval '180 days'",
        "at - SEEN is not distinct from interval '181 days'",
        "at - SEEN between interval '1 day' and interval '200 days'",
        "at - SEEN not between interval '182 days' and interval '200 days'",
        "at - SEEN in (interval '1 day', interval '4344 hours')",
        "at - SEEN not in (interval '1 day', interval '2 days')",
        "case at - SEEN when interval '181 days' then true else false end",
        "nullif(at - SEEN, interval '181 days') is null",
        "nullif(interval '1 day', at - at + interval '24 hours') is null",
        "greatest(at - SEEN, interval '1 day') = interval '181 days'",
        "least(at - SEEN, interval '1 day') < interval '25 hours'",
        "greatest(interval '25 hours', interval '1 day') > interval '1 day'",
        "interval '1 day' = interval '24 hours'",
        "SEEN - at < interval '-1 day'",
        "-(case when flag then interval '1 day' else interval '2 days' end) < at - SEEN",
        "at - SEEN + interval '1 day' = interval '182 days'",
        "at - SEEN - interval '1 day' = interval '180 days'",
        "case when flag then at - SEEN else interval '1 day' end > interval '2 days'",
        "case when flag then interval '1 day' else interval '2 days' end < at - SEEN",
        "coalesce(at - SEEN, interval '1 day') > interval '1 day'",
        "nvl(at - SEEN, interval '1 day') > interval '1 day'",
        "nvl2(at, at - SEEN, interval '1 day') > interval '1 day'",
        "coalesce(case when flag then null else interval '1 day' end, interval '36 hours') < at - SEEN",
        "not (at - SEEN < interval '1 day')",
        "at - SEEN > at - at",
        "at - date '2012-12-02' > interval '1 day'",
        "at - to_timestamp_seconds(0) > interval '1 day'",
        "at - to_timestamp_millis(0) > interval '10000 days'",
        "at - cast('0001-01-01' as timestamp) > interval '700000 days'",
        "(at - SEEN > interval '1 day') is true",
        "(at - SEEN > null) is null",
    ];
    for sql in holds {
        assert_eq!(result(&sql.replace("SEEN", SEEN)), Ok(Value::Bool(true)), "{sql}");
    }
    let mut unseen = row();
    unseen[7] = Value::Null;
    let sql = format!("at - {SEEN} > interval '1 day'");
    assert_eq!(results(&compile(&sql), &batch(&[row(), unseen])), [Ok(Value::Bool(true)), Ok(Value::Null)]);
    assert_eq!(result("date_part('epoch', at - (at - interval '90 minutes'))"), Ok(Value::Float64(5_400.0)));
}

#[test]
fn a_duration_is_compared_with_nothing_that_has_no_one_length() {
    for (sql, part, why) in [
        ("big > 0 and at - at > interval '1 month'", "at - at > INTERVAL '1 month'", "months or years"),
        ("at - at between interval '1 day' and interval '1 year'", "at - at BETWEEN", "months or years"),
        ("at - at in (interval '1 day', interval '3 months')", "at - at IN", "months or years"),
        ("greatest(at - at, interval '1 month') > interval '1 day'", "greatest(", "months or years"),
        ("nullif(interval '30 days', interval '1 month') is null", "nullif(", "months or years"),
        ("case at - at when interval '1 month' then 1 end", "CASE at - at", "months or years"),
        ("interval '1 month' = interval '30 days'", "INTERVAL '1 month' =", "months or years"),
        ("at - at > cast(text as interval)", "at - at > CAST(text", "no length that is known"),
        ("at - at > '1 day'", "at - at > '1 day'", "a duration is compared with string"),
        ("at - at > 86400", "at - at > 86400", "a duration is compared with int64"),
        ("at - at > at", "at - at > at", "a duration is compared with timestamp"),
    ] {
        let refusal = refusal(sql);
        let named = refusal.starts_with(&format!("type error in `{part}"));
        assert!(named && refusal.contains(why), "{sql}: {refusal}");
    }
}

#[test]
fn an_operand_that_would_fail_is_not_dropped() {
    for sql in ["cast(text as int) * 0", "cast(text as int) = cast(text as int)", "0 = 1 % cast(text as int)"]
    {
        assert!(result(sql).is_err(), "{sql}");
    }
}

#[test]
fn a_branch_that_is_not_taken_does_not_fail() {
    for (sql, expected) in [
        ("case when small = 7 then 1 else 1 / 0 end", Value::Int64(1)),
        ("case when small = 0 then null else 7 / small end", Value::Int64(1)),
        ("coalesce(small, 1 / 0)", Value::Int64(7)),
        ("small = 7 or 1 / 0 = 1", Value::Bool(true)),
        ("small <> 7 and 1 / 0 = 1", Value::Bool(false)),
    ] {
        assert_eq!(result(sql), Ok(expected), "{sql}");
    }
}

#[test]
fn a_constant_has_a_value_in_every_row() {
    let rows = batch(&[row(), row(), row()]);
    assert_eq!(results(&compile("1 + 1"), &rows), vec![Ok(Value::Int64(2)); 3]);
    assert_eq!(results(&compile("cast(null as string)"), &rows), vec![Ok(Value::Null); 3]);
    let failures = results(&compile("case when small = 7 then 1 / 0 end"), &rows);
    assert!(failures.len() == 3 && failures.iter().all(Result::is_err));
    assert!(results(&compile("case when small = 7 then 1 / 0 end"), &batch(&[])).is_empty());
}

#[test]
fn a_batch_that_lacks_a_column_or_has_it_in_another_type_is_refused() {
    let expression = compile("small + big");
    let rows = batch(&[row()]);
    let error = expression.evaluate(&rows.project(&[1]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("no column `big`"), "{error}");
    let other =
        RecordBatch::try_from_iter([("small", rows.column(2).clone()), ("big", rows.column(2).clone())]);
    let error = expression.evaluate(&other.unwrap()).unwrap_err();
    assert!(error.to_string().contains("`small` of the batch is Int64, not int32"), "{error}");
}

#[test]
fn an_expression_is_widened_to_its_declared_type_and_never_narrowed() {
    let key = compile("small").widened("int64".parse().unwrap(), "the key `k`").unwrap();
    assert_eq!(results(&key, &batch(&[row()])), [Ok(Value::Int64(7))]);
    let error = compile("big").widened("int32".parse().unwrap(), "the key `k`").unwrap_err();
    assert!(error.to_string().starts_with("the key `k` is int32, and its expression gives int64"), "{error}");
}

fn any_row() -> impl Strategy<Value = Vec<Value>> {
    fn or_null(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
        prop_oneof![1 => Just(Value::Null), 5 => value].boxed()
    }
    fn one_of<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
        prop::sample::select(values.to_vec())
    }
    let at = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "2013-06-01T12:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ]
    .map(|text| text.parse::<Micros>().unwrap());
    let noisy = f64::from_bits(0xfff8_0000_0000_0001);
    let floats = [0.0, -0.0, 1.5, -2.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, noisy];
    (
        or_null(any::<bool>().prop_map(Value::Bool)),
        or_null(one_of(&[0, 1, -1, 7, i32::MAX, i32::MIN]).prop_map(Value::Int32)),
        or_null(one_of(&[0, 1, -1, 100, i64::MAX, i64::MIN]).prop_map(Value::Int64)),
        or_null(one_of(&floats).prop_map(|x| Value::Float32(x as f32))),
        or_null(one_of(&floats).prop_map(Value::Float64)),
        or_null(
            one_of(&["", "7", "-1", "Boston", "ä", "2013-01-01", "1e3", "true"])
                .prop_map(|x| Value::String(x.into())),
        ),
        Just(Value::Null),
        or_null(one_of(&at).prop_map(Value::Timestamp)),
        or_null(one_of(&floats).prop_map(|x| Value::List([Value::Float32(x as f32), Value::Null].into()))),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i)| vec![a, b, c, d, e, f, g, h, i])
}

/// Expressions that fail on some rows, branch on others, and mix both.
const BRANCHING: [&str; 26] = [
    "small / big",
    "small + big * 2 - 1",
    "-big",
    "cast(text as int)",
    "cast(text as timestamp) > at",
    "cast(double as int) + small",
    "flag and 10 / small > 1",
    "flag or 10 / small > 1",
    "not flag and cast(text as int) > 0 or big > 5",
    "small > 0 and big > 0 and big / small > 3",
    "case when small = 0 then null else big / small end",
    "case when small > 0 then big / small when flag then cast(text as int) else 1 / 0 end",
    "case small when 7 then 1 when 0 then 1 / small else 3 end",
    "case when flag then 1 / 0 else 5 end",
    "coalesce(small, cast(text as int), 1 / big)",
    "nvl(big, 1 / small)",
    "nvl2(small, big / small, cast(text as bigint))",
    "nullif(double, 0) / single",
    "greatest(small, big / small)",
    "small in (1, 7, big / small)",
    "big / small between 0 and 50",
    "upper(text) || substr(text, small)",
    "date_trunc('hour', at) + interval '1 day'",
    "date_part('year', at) / small",
    "embedding",
    "case when double > 0 then single else cast(text as real) end",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_row_gives_the_same_in_any_batch(rows in prop::collection::vec(any_row(), 1..40), skew in 0_usize..3) {
        // Few or many rows of one kind reach the shortcuts for selective conditions.
        let mut rows = rows;
        for row in rows.iter_mut().skip(1).step_by(skew + 1) {
            row[0] = Value::Bool(skew == 1);
        }
        let together = batch(&rows);
        for sql in BRANCHING {
            let expression = compile(sql);
            let alone: Vec<_> =
                rows.iter().map(|row| results(&expression, &batch(std::slice::from_ref(row))).remove(0)).collect();
            prop_assert_eq!(&results(&expression, &together), &alone, "{}", sql);
            let middle = together.slice(rows.len() / 2, rows.len() - rows.len() / 2);
            prop_assert_eq!(&results(&expression, &middle)[..], &alone[rows.len() / 2..], "{}", sql);
        }
    }
}

#[test]
fn a_number_that_no_type_has_is_refused_and_the_least_int64_is_one() {
    assert!(refusal("double > 1e400").contains("the number 1e400 is beyond the largest of a float64"));
    assert!(refusal("big > 9223372036854775808000").contains("largest of an int64"));
    compile("big > 9223372036854775807");
    compile("big > -9223372036854775808");
}
