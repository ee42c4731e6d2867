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
