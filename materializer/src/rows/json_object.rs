//! A JSON object for each record: columns by name, others ignored, a missing one null. Moments are RFC
//! 3339, bytes base64, and the floats that JSON lacks the strings "NaN", "Infinity" and "-Infinity".

use std::fmt;

use feature::{DataType, Field, Given, Name, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The columns of an object.
#[derive(Clone, Copy)]
struct Columns<'a> {
    fields: &'a [Field],
    /// What they are called in it, one for each.
    names: &'a [String],
    /// Whether they may have their own names, too.
    or_own: bool,
}

/// The values of these columns in a JSON object, where they have these names; else their own. An error names all
/// columns that do not fit.
pub(crate) fn decode(fields: &[Field], names: &[String], bytes: &[u8]) -> Result<Vec<Value>, String> {
    let decoded = decoded(Columns { fields, names, or_own: true }, bytes);
    match decoded.misfits.as_slice() {
        [] => Ok(decoded.values),
        misfits => Err(misfits.iter().map(|misfit| misfit.what.as_str()).collect::<Vec<_>>().join("; ")),
    }
}

/// An object of which only some columns may fit.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Decoded {
    /// One for each column; null where it does not fit.
    pub(crate) values: Vec<Value>,
    /// What does not fit.
    pub(crate) misfits: Vec<Misfit>,
}

/// What is wrong with an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Misfit {
    /// The column, if it is of one.
    pub(crate) column: Option<Name>,
    pub(crate) what: String,
}

/// The values of the columns that fit, by these names alone, and what is wrong with the others; nothing of what is no JSON
/// object.
pub(crate) fn decode_each(fields: &[Field], names: &[String], bytes: &[u8]) -> Decoded {
    decoded(Columns { fields, names, or_own: false }, bytes)
}

fn decoded(columns: Columns<'_>, bytes: &[u8]) -> Decoded {
    let nulls = || vec![Value::Null; columns.fields.len()];
    let mut values = nulls();
    let of_all = Row { columns, values: &mut values, misfits: None };
    if read_row(of_all, bytes).is_ok() {
        return Decoded { values, misfits: Vec::new() };
    }
    // Each value by itself, as the first one that does not fit ends the reading of an object.
    let (mut values, mut misfits) = (nulls(), Vec::new());
    match read_row(Row { columns, values: &mut values, misfits: Some(&mut misfits) }, bytes) {
        Ok(()) => Decoded { values, misfits },
        Err(error) => {
            Decoded { values: nulls(), misfits: vec![Misfit { column: None, what: error.to_string() }] }
        }
    }
}

fn read_row(row: Row<'_>, bytes: &[u8]) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    row.deserialize(&mut json).and_then(|()| json.end())
}

struct Row<'a> {
    columns: Columns<'a>,
    values: &'a mut [Value],
    /// Where what does not fit goes; `None` if the first of it ends the reading.
    misfits: Option<&'a mut Vec<Misfit>>,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the source's columns")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let fields = self.columns.fields;
        let mut seen = vec![0_usize; fields.len()];
        while let Some(index) = map.next_key_seed(ColumnIndex(self.columns))? {
            let column = index
                .and_then(|index| fields.get(index).zip(self.values.get_mut(index)).zip(seen.get_mut(index)));
            let Some(((field, value), times)) = column else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            *times += 1;
            let twice = || format!("the column `{}` is given twice", field.name);
            match &mut self.misfits {
                None if *times > 1 => return Err(A::Error::custom(twice())),
                None => *value = map.next_value_seed(Cell(field))?,
                Some(misfits) => {
                    let raw = map.next_value::<&RawValue>()?;
                    let mut misfit = |what| misfits.push(Misfit { column: Some(field.name.clone()), what });
                    match (*times, alone(field, raw)) {
                        (1, Ok(read)) => *value = read,
                        (1, Err(what)) => misfit(what),
                        (2, _) => {
                            *value = Value::Null;
                            misfit(twice());
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// A column's value by itself; else what is wrong with it.
fn alone(field: &Field, raw: &RawValue) -> Result<Value, String> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    Cell(field).deserialize(&mut json).map_err(|error| {
        let what = error.to_string();
        // Where in the value it is, which is not where in the object.
        let position = format!(" at line {} column {}", error.line(), error.column());
        what.strip_suffix(&position).map(str::to_owned).unwrap_or(what)
    })
}

/// The index of a column by its name.
struct ColumnIndex<'a>(Columns<'a>);

impl<'de> DeserializeSeed<'de> for ColumnIndex<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for ColumnIndex<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        let Columns { fields, names, or_own } = self.0;
        let stored = names.iter().position(|stored| stored == name);
        let own = || fields.iter().position(|field| field.name.as_str() == name).filter(|_| or_own);
        Ok(stored.or_else(own))
    }
}

/// The value of one column.
struct Cell<'a>(&'a Field);

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let read = deserializer.deserialize_any(One { field: self.0, data_type: self.0.data_type });
        read.map_err(|error| named(self.0, error))
    }
}

/// A value, or an item of a list, of this type.
#[derive(Clone, Copy)]
struct One<'a> {
    field: &'a Field,
    data_type: DataType,
}

impl One<'_> {
    fn scalar<E: Error>(self, given: Given<'_>, shown: impl fmt::Display) -> Result<Value, E> {
        let value = self.data_type.scalar().and_then(|scalar| given.written(scalar));
        value.ok_or_else(|| self.misfit(shown))
    }

    fn misfit<E: Error>(self, shown: impl fmt::Display) -> E {
        let One { field, data_type } = self;
        let limits = feature::limits(data_type);
        E::custom(format!("the column `{}` is {data_type}, and {shown} is not{limits}", field.name))
    }
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for the column `{}`", self.data_type, self.field.name)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(Given::Bool(value), value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(Given::Whole(value.into()), value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(Given::Whole(value.into()), value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.scalar(Given::Double(value), value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.scalar(Given::Text(text), format!("\"{}\"", shown(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let DataType::List(item, length) = self.data_type else {
            return Err(self.misfit("a list"));
        };
        let mut items = Vec::new();
        while let Some(value) = seq.next_element_seed(One { data_type: item.into(), ..self })? {
            items.push(value);
        }
        let count = items.len();
        let fits = length.is_none_or(|length| length as usize == count);
        if fits {
            Ok(Value::List(items.into()))
        } else {
            Err(self.misfit(format!("a list of {count} items")))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(self.misfit("an object"))
    }
}

/// An error that names its column: that of a number which no double holds does not.
fn named<E: Error>(field: &Field, error: E) -> E {
    let said = error.to_string();
    if said.contains("number out of range") {
        let (data_type, limits) = (field.data_type, feature::limits(field.data_type));
        return E::custom(format!(
            "the column `{}` is {data_type}, and its number is beyond what a double holds{limits}",
            field.name
        ));
    }
    error
}

/// The start of a text, for a message.
fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(40)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use feature::Scalar;

    use super::*;

    fn read(data_type: &str, json: &str) -> Result<Value, String> {
        let field = Field { name: "x".parse().unwrap(), data_type: data_type.parse().unwrap() };
        let values = decode(&[field], &[], format!("{{\"y\": [1, {{}}], \"x\": {json}}}").as_bytes())?;
        Ok(values[0].clone())
    }

    #[test]
    fn every_type_is_read_as_it_is_written_in_answers() {
        for (data_type, json, value) in [
            ("bool", "true", Value::Bool(true)),
            ("int32", "-7", Value::Int32(-7)),
            ("int64", "9007199254740993", Value::Int64(9_007_199_254_740_993)),
            ("int64", "3.0", Value::Int64(3)),
            ("float32", "0.1", Value::Float32(0.1)),
            ("float64", "-1.5103566532858779", Value::Float64(-1.510_356_653_285_877_9)),
            ("float64", "18446744073709551615", Value::Float64(18_446_744_073_709_551_615.0)),
            ("float64", "\"-Infinity\"", Value::Float64(f64::NEG_INFINITY)),
            ("string", "\"a\\u00e9\"", Value::String("aé".into())),
            ("bytes", "\"AQI=\"", Value::Bytes(vec![1, 2].into())),
            (
                "timestamp",
                "\"1970-01-01T00:00:01Z\"",
                Value::Timestamp(feature::Micros::new(1_000_000).unwrap()),
            ),
            ("list<int32>[2]", "[1, null]", Value::List(vec![Value::Int32(1), Value::Null].into())),
            ("string", "null", Value::Null),
        ] {
            assert_eq!(read(data_type, json), Ok(value), "{data_type} {json}");
        }
    }

    #[test]
    fn a_column_of_a_file_has_its_name_there_alone_and_one_of_a_record_either() {
        let field = Field { name: "x".parse().unwrap(), data_type: "int64".parse().unwrap() };
        let (fields, names) = ([field], ["XX".to_owned()]);
        let of_file = |json: &str| decode_each(&fields, &names, json.as_bytes());
        let found = |value| Decoded { values: vec![value], misfits: Vec::new() };
        assert_eq!(of_file("{\"x\": 5}"), found(Value::Null));
        assert_eq!(of_file("{\"XX\": 1, \"x\": \"no number\"}"), found(Value::Int64(1)));
        assert_eq!(decode(&fields, &names, b"{\"x\": 5}"), Ok(vec![Value::Int64(5)]));
    }

    #[test]
    fn what_is_not_of_its_columns_type_is_refused_naming_both() {
        for (data_type, json) in [
            ("int32", "2147483648"),
            ("int64", "18446744073709551615"),
            ("float32", "1e39"),
            ("float32", "-3.5e38"),
            ("float32", "18446744073709551616000000000000000000000"),
            ("float64", "1e400"),
            ("int64", "1e400"),
            ("int64", "9007199254740993.0"),
            ("list<float64>", "[1e400]"),
            ("int64", "1.5"),
            ("int64", "\"1\""),
            ("string", "1"),
            ("timestamp", "1370088000"),
            ("timestamp", "\"yesterday\""),
            ("bytes", "\"?\""),
            ("bool", "0"),
            ("list<int32>[2]", "[1]"),
            ("int32", "{}"),
        ] {
            let problem = read(data_type, json).unwrap_err();
            assert!(
                problem.contains("`x`") && problem.contains(data_type.split('<').next().unwrap()),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_column_that_is_given_twice_is_refused_by_name() {
        let problem = read("int32", "1, \"x\": 2").unwrap_err();
        assert!(problem.contains("the column `x` is given twice"), "{problem}");
        assert_eq!(read("int32", "1, \"z\": 2, \"z\": 3"), Ok(Value::Int32(1)));
    }

    #[test]
    fn all_columns_that_do_not_fit_are_named_and_the_others_are_read() {
        let field = |(name, data_type): (&str, &str)| Field {
            name: name.parse().unwrap(),
            data_type: data_type.parse().unwrap(),
        };
        let fields = [("a", "int32"), ("b", "string"), ("c", "float64"), ("d", "timestamp"), ("e", "int64")]
            .map(field);
        let names = ["a", "b", "c", "When", "e"].map(str::to_owned);
        let of_json = |json: &str| decode_each(&fields, &names, json.as_bytes());
        let decoded = of_json(
            r#"{"a": "x", "b": "kept", "c": 1e400, "z": [1, {}], "When": "soon", "e": 7, "e": 8, "e": 9}"#,
        );
        let columns: Vec<String> =
            decoded.misfits.iter().flat_map(|misfit| &misfit.column).map(Name::to_string).collect();
        assert_eq!(columns, ["a", "c", "d", "e"]);
        let said = decode(&fields, &names, br#"{"a": "x", "When": "soon"}"#).unwrap_err();
        assert!(said.starts_with("the column `a` is int32, and \"x\" is not"), "{said}");
        assert!(said.contains("; the column `d` is timestamp, and \"soon\" is not"), "{said}");
        assert!(!said.contains("at line"), "{said}");
        let kept = Value::String("kept".into());
        assert_eq!(decoded.values, [Value::Null, kept, Value::Null, Value::Null, Value::Null]);
        // Of what is no JSON to its end, nothing is taken for a value.
        let cut = of_json(r#"{"a": "x", "b": "kept", "e""#);
        assert_eq!((cut.values, cut.misfits.len()), (vec![Value::Null; 5], 1));
        assert_eq!(cut.misfits[0].column, None);
    }

    #[test]
    fn what_is_no_object_is_refused_and_a_missing_column_is_null() {
        let field = Field { name: "x".parse().unwrap(), data_type: Scalar::Int32.into() };
        let fields = [field];
        assert_eq!(decode(&fields, &[], b"{}"), Ok(vec![Value::Null]));
        for bad in ["", "[]", "{", "{} {}", "{\"x\": 1,}", "\u{0}"] {
            assert!(decode(&fields, &[], bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
