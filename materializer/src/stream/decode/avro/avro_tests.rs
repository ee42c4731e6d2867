//! Messages that were encoded by hand from the specification.

use super::*;

const CLICK: &str = r#"{
    "type": "record", "name": "Click", "namespace": "shop",
    "fields": [
        {"name": "skipped", "type": {"type": "map", "values": {"type": "array", "items": "long"}}},
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "page", "type": {"type": "enum", "name": "Page", "symbols": ["home", "cart"]}},
        {"name": "before", "type": ["null", "Page"]},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [{"name": "next", "type": ["null", "Inner"]}]}}
    ]
}"#;

fn fields(columns: &[(&str, &str)]) -> Vec<Field> {
    let field =
        |(name, ty): &(&str, &str)| Field { name: name.parse().unwrap(), data_type: ty.parse().unwrap() };
    columns.iter().map(field).collect()
}

fn click() -> Vec<u8> {
    let mut bytes = Vec::new();
    // A map of one entry `k`, in a block with its size, of one list of 1 and -1.
    bytes.extend([0x01, 0x0c, 0x02, b'k', 0x04, 0x02, 0x01, 0x00, 0x00]);
    bytes.push(0x54); // id 42
    bytes.extend([0xd0, 0x0f]); // 1,000 milliseconds
    bytes.push(0x02); // cart
    bytes.extend([0x02, 0x00]); // Page: home
    bytes.push(0x02); // double
    bytes.extend(1.5_f64.to_le_bytes());
    bytes.extend([0x04, 0x02, b'a', 0x04, 0xc3, 0xa9, 0x00]); // a, é
    bytes.extend([0x02, 0x00]); // Inner in Inner
    bytes
}

#[test]
fn columns_are_found_by_name_and_the_rest_is_skipped() {
    let schema = Schema::parse(CLICK).unwrap();
    let columns = fields(&[
        ("page", "string"),
        ("id", "int64"),
        ("at", "timestamp"),
        ("amount", "float64"),
        ("before", "string"),
        ("tags", "list<string>"),
        ("missing", "int32"),
    ]);
    let values = decode(&schema, &columns, &[], &click()).unwrap();
    let text = |text: &str| Value::String(text.into());
    let tags = Value::List(vec![text("a"), text("é")].into());
    let at = Value::Timestamp(Micros::new(1_000_000).unwrap());
    let expected = [text("cart"), Value::Int64(42), at, Value::Float64(1.5), text("home"), tags, Value::Null];
    assert_eq!(values, expected);
}

#[test]
fn all_columns_that_do_not_fit_are_named() {
    let schema = Schema::parse(CLICK).unwrap();
    let columns = fields(&[("id", "bool"), ("page", "string"), ("amount", "timestamp")]);
    let said = decode(&schema, &columns, &[], &click()).unwrap_err();
    let [first, second] = said.split("; ").collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert!(first.starts_with("the column `id` is bool, and 42 is not"), "{said}");
    assert!(second.starts_with("the column `amount` is timestamp, and 1.5 is not"), "{said}");
}

#[test]
fn a_message_that_is_cut_off_or_goes_on_is_refused_wherever_that_is() {
    let schema = Schema::parse(CLICK).unwrap();
    let columns = fields(&[("id", "int64")]);
    let whole = click();
    for length in 0..whole.len() {
        assert!(decode(&schema, &columns, &[], &whole[..length]).is_err(), "cut at {length}");
    }
    assert!(decode(&schema, &columns, &[], &[&whole[..], &[0]].concat()).is_err());
}

#[test]
fn a_crafted_message_takes_no_memory_that_it_does_not_bring() {
    let nulls = r#"{"type": "record", "name": "R", "fields": [{"name": "x", "type": {"type": "array", "items": "null"}}]}"#;
    let schema = Schema::parse(nulls).unwrap();
    let endless = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert!(decode(&schema, &fields(&[("x", "list<int32>")]), &[], &endless).is_err());
}

#[test]
fn a_type_that_is_not_the_columns_is_refused_by_name() {
    let schema = Schema::parse(CLICK).unwrap();
    let problem = decode(&schema, &fields(&[("id", "string")]), &[], &click()).unwrap_err();
    assert!(problem.contains("`id`") && problem.contains("string"), "{problem}");
}

#[test]
fn a_schema_that_is_none_says_what_is_wrong() {
    for (schema, part) in [
        ("{", "no JSON"),
        ("\"long\"", "no schema of a record"),
        (r#"{"type": "record", "name": "R"}"#, "`fields`"),
        (r#"{"type": "record", "name": "R", "fields": [{"name": "x", "type": "Other"}]}"#, "`Other`"),
    ] {
        let problem = Schema::parse(schema).unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }
}

/// The value of a column `x`, of an Avro type, in a message of these bytes.
fn read(avro: &str, data_type: &str, bytes: &[u8]) -> Result<Value, String> {
    let schema = format!(r#"{{"type": "record", "name": "R", "fields": [{{"name": "x", "type": {avro}}}]}}"#);
    let schema = Schema::parse(&schema).unwrap();
    Ok(decode(&schema, &fields(&[("x", data_type)]), &[], bytes)?.remove(0))
}

fn zigzagged(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[test]
fn every_logical_time_is_its_moment_towards_minus_infinity_or_refuses_its_record_with_the_column() {
    for (logical, ticks, moment) in [
        ("date", -1, Some("1969-12-31T00:00:00Z")),
        ("timestamp-millis", 1_001, Some("1970-01-01T00:00:01.001Z")),
        ("local-timestamp-millis", 1_001, Some("1970-01-01T00:00:01.001Z")),
        ("timestamp-micros", -1, Some("1969-12-31T23:59:59.999999Z")),
        ("local-timestamp-micros", -1, Some("1969-12-31T23:59:59.999999Z")),
        ("timestamp-nanos", -1, Some("1969-12-31T23:59:59.999999Z")),
        ("local-timestamp-nanos", 1_999, Some("1970-01-01T00:00:00.000001Z")),
        ("date", i64::MAX, None),
        ("timestamp-millis", i64::MAX, None),
        ("timestamp-micros", 253_402_300_800_000_000, None),
        ("time-micros", 1, None),
    ] {
        let avro = format!(r#"{{"type": "long", "logicalType": "{logical}"}}"#);
        let found = read(&avro, "timestamp", &zigzagged(ticks));
        match moment {
            Some(moment) => assert_eq!(found, Ok(Value::Timestamp(moment.parse().unwrap())), "{logical}"),
            None => {
                let problem = found.unwrap_err();
                assert!(
                    problem.contains("`x` is timestamp") && problem.contains("0001 to 9999"),
                    "{problem}"
                );
            }
        }
    }
}

#[test]
fn a_decimal_is_its_number_and_no_text_or_bytes() {
    let decimal = r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}"#;
    let bytes = |value: i16| [&[0x04][..], &value.to_be_bytes()].concat();
    assert_eq!(read(decimal, "float64", &bytes(-125)), Ok(Value::Float64(-1.25)));
    assert_eq!(read(decimal, "int32", &bytes(300)), Ok(Value::Int32(3)));
    for (data_type, value) in [("int32", 301), ("string", 0x41), ("bytes", 0x41)] {
        let problem = read(decimal, data_type, &bytes(value)).unwrap_err();
        assert!(problem.contains("`x`") && problem.contains(data_type), "{problem}");
    }
    let fixed = r#"{"type": "fixed", "name": "F", "size": 18, "logicalType": "decimal", "precision": 9}"#;
    let wide = |value: i64| [&[if value < 0 { 0xff } else { 0 }; 10][..], &value.to_be_bytes()].concat();
    for value in [0, 7, -7, i64::MIN, i64::MAX] {
        assert_eq!(read(fixed, "int64", &wide(value)), Ok(Value::Int64(value)));
    }
    assert!(read(fixed, "float64", &[0x7f; 18]).is_err());
}

#[test]
fn a_number_is_taken_exactly_or_refused_with_its_value() {
    assert_eq!(read("\"long\"", "int32", &zigzagged(-7)), Ok(Value::Int32(-7)));
    assert_eq!(read("\"double\"", "int64", &3.0_f64.to_le_bytes()), Ok(Value::Int64(3)));
    assert_eq!(read("\"int\"", "float32", &zigzagged(1 << 24)), Ok(Value::Float32(16_777_216.0)));
    for (avro, data_type, bytes, value) in [
        ("\"long\"", "int32", zigzagged(2_147_483_648), "2147483648"),
        ("\"long\"", "float64", zigzagged((1 << 53) + 1), "9007199254740993"),
        ("\"int\"", "float32", zigzagged((1 << 24) + 1), "16777217"),
        ("\"double\"", "float32", 0.5_f64.to_le_bytes().to_vec(), "0.5"),
        ("\"double\"", "int32", 1.5_f64.to_le_bytes().to_vec(), "1.5"),
        ("\"boolean\"", "int32", vec![1], "true"),
        ("\"int\"", "bool", zigzagged(1), "1"),
    ] {
        let problem = read(avro, data_type, &bytes).unwrap_err();
        assert!(problem.contains(&format!("`x` is {data_type}, and {value} is not")), "{problem}");
    }
}

#[test]
fn values_of_no_bytes_are_as_many_as_a_message_may_have() {
    let nulls = r#"{"type": "record", "name": "R", "fields": [
        {"name": "n", "type": {"type": "array", "items": "null"}}]}"#;
    let schema = Schema::parse(nulls).unwrap();
    let of = |count: i64| [zigzagged(count), zigzagged(0)].concat();
    assert_eq!(decode(&schema, &[], &[], &of(1_000)), Ok(Vec::new()));
    assert!(decode(&schema, &[], &[], &of(1 << 20)).is_err());
    // Each record holds the next one twice: the last is there two to the power of thirty times.
    let mut doubled = r#"{"type": "record", "name": "R30", "fields": []}"#.to_owned();
    for depth in (0..30).rev() {
        doubled = format!(
            r#"{{"type": "record", "name": "R{depth}", "fields": [
                {{"name": "a", "type": {doubled}}}, {{"name": "b", "type": "R{}"}}]}}"#,
            depth + 1
        );
    }
    assert!(decode(&Schema::parse(&doubled).unwrap(), &[], &[], &[]).is_err());
}
