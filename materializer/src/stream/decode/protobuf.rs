//! A protobuf message for each record, read by the descriptor of its `.proto` file. Columns are found by
//! the names of fields. A field without a value is null where its presence is known, else what its type
//! has where nothing is written.

use std::collections::HashMap;

use feature::{DataType, Field, Given, Micros, Scalar, Value};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, ReflectMessage, Value as Read,
};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// What stands for a moment.
const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The message named, or the first of the file where none is; else what is wrong with the file, in words.
pub(super) fn message(path: &std::path::Path, name: Option<&str>) -> Result<MessageDescriptor, String> {
    files::open(path).map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    let files = protox::compile([path], [folder]).map_err(|error| error.to_string())?;
    // Imports come before the file itself.
    let own = files.file.last().map(|file| file.name().to_owned()).unwrap_or_default();
    let pool = DescriptorPool::from_file_descriptor_set(files).map_err(|error| error.to_string())?;
    let found = match name {
        Some(name) => pool.get_message_by_name(name),
        None => pool.get_file_by_name(&own).and_then(|file| file.messages().next()),
    };
    found.ok_or_else(|| match name {
        Some(name) => format!("it has no message `{name}`: name it with its package, as in `shop.Click`"),
        None => "it has no message".to_owned(),
    })
}

/// A file by its text, with the name and text of each that it imports; else what is wrong, in words.
pub(super) fn file(text: &str, imports: &[(String, String)]) -> Result<FileDescriptor, String> {
    let mut texts: HashMap<String, String> = imports.iter().cloned().collect();
    texts.insert(OWN.to_owned(), text.to_owned());
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts(texts));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file(OWN).map_err(|error| error.to_string())?;
    let pool = DescriptorPool::from_file_descriptor_set(compiler.file_descriptor_set());
    let pool = pool.map_err(|error| error.to_string())?;
    pool.get_file_by_name(OWN).ok_or_else(|| "it is no file".to_owned())
}

/// What a file is called whose name nobody knows.
const OWN: &str = "registered-schema.proto";

/// Files in memory.
struct Texts(HashMap<String, String>);

impl FileResolver for Texts {
    fn resolve_path(&self, path: &std::path::Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// The values of these columns in a message. An error names all columns that do not fit.
pub(super) fn decode(
    descriptor: &MessageDescriptor,
    fields: &[Field],
    names: &[String],
    bytes: &[u8],
) -> Result<Vec<Value>, String> {
    let message = DynamicMessage::decode(descriptor.clone(), bytes).map_err(|error| error.to_string())?;
    let stored =
        |at: usize, field: &Field| names.get(at).map_or(field.name.as_str(), String::as_str).to_owned();
    let mut misfits = Vec::new();
    let column = |(at, field)| value(&message, field, &stored(at, field)).map_err(|what| misfits.push(what));
    let values: Vec<Value> = fields.iter().enumerate().map(column).filter_map(Result::ok).collect();
    if misfits.is_empty() { Ok(values) } else { Err(misfits.join("; ")) }
}

fn value(message: &DynamicMessage, field: &Field, name: &str) -> Result<Value, String> {
    let Some(found) = message.descriptor().get_field_by_name(name) else {
        return Ok(Value::Null);
    };
    if found.supports_presence() && !message.has_field(&found) {
        return Ok(Value::Null);
    }
    let read = message.get_field(&found);
    let enumeration = match found.kind() {
        prost_reflect::Kind::Enum(values) => Some(values),
        _ => None,
    };
    let named = match (&*read, enumeration) {
        (Read::EnumNumber(number), Some(values)) => {
            values.get_value(*number).map(|value| Value::String(value.name().into()))
        }
        _ => None,
    };
    match named {
        Some(name) if field.data_type == Scalar::String.into() => Ok(name),
        _ => of_type(&read, field.data_type).ok_or_else(|| {
            let limits = feature::limits(field.data_type);
            format!("the column `{}` is {}, and {} is not{limits}", field.name, field.data_type, shown(&read))
        }),
    }
}

fn of_type(read: &Read, data_type: DataType) -> Option<Value> {
    match data_type {
        DataType::List(item, length) => {
            let Read::List(items) = read else { return None };
            if length.is_some_and(|length| length as usize != items.len()) {
                return None;
            }
            let items: Option<Vec<Value>> = items.iter().map(|one| of_type(one, item.into())).collect();
            Some(Value::List(items?.into()))
        }
        DataType::Scalar(scalar) => of_scalar(read, scalar),
    }
}

fn of_scalar(read: &Read, scalar: Scalar) -> Option<Value> {
    let given = match read {
        Read::Bool(value) => Given::Bool(*value),
        Read::I32(value) | Read::EnumNumber(value) => Given::Whole((*value).into()),
        Read::I64(value) => Given::Whole((*value).into()),
        Read::U32(value) => Given::Whole((*value).into()),
        Read::U64(value) => Given::Whole((*value).into()),
        Read::F32(value) => Given::Single(*value),
        Read::F64(value) => Given::Double(*value),
        Read::String(text) => Given::Text(text),
        Read::Bytes(bytes) if scalar == Scalar::Bytes => return Some(Value::Bytes(bytes.as_ref().into())),
        Read::Message(message) if scalar == Scalar::Timestamp => return moment(message),
        Read::Bytes(_) | Read::Message(_) | Read::List(_) | Read::Map(_) => return None,
    };
    given.exactly(scalar)
}

/// A value for a message.
fn shown(read: &Read) -> String {
    match read {
        Read::Bool(value) => value.to_string(),
        Read::I32(value) | Read::EnumNumber(value) => value.to_string(),
        Read::I64(value) => value.to_string(),
        Read::U32(value) => value.to_string(),
        Read::U64(value) => value.to_string(),
        Read::F32(value) => value.to_string(),
        Read::F64(value) => value.to_string(),
        Read::String(text) => format!("\"{}\"", text.get(..text.floor_char_boundary(40)).unwrap_or_default()),
        Read::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Read::Message(message) => match parts(message) {
            Some((seconds, nanos)) => format!("the moment {seconds} s and {nanos} ns after 1970"),
            None => format!("a `{}`", message.descriptor().full_name()),
        },
        Read::List(items) => format!("a list of {} items", items.len()),
        Read::Map(_) => "a map".to_owned(),
    }
}

/// Seconds since 1970, and the nanoseconds after them.
fn parts(message: &DynamicMessage) -> Option<(i64, i32)> {
    if message.descriptor().full_name() != TIMESTAMP {
        return None;
    }
    let seconds = message.get_field_by_name("seconds")?.as_i64()?;
    Some((seconds, message.get_field_by_name("nanos")?.as_i32()?))
}

/// Nanoseconds are cut towards minus infinity, as a later moment would leak. They count forward from their
/// second, and are fewer than one.
fn moment(message: &DynamicMessage) -> Option<Value> {
    let (seconds, nanos) = parts(message).filter(|(_, nanos)| (0..1_000_000_000).contains(nanos))?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))?;
    Some(Value::Timestamp(Micros::new(micros).ok()?))
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost::Message;

    use super::*;

    const CLICK: &str = r#"
        syntax = "proto3";
        package shop;
        import "google/protobuf/timestamp.proto";
        enum Page { HOME = 0; CART = 1; }
        message Click {
          int64 id = 1;
          google.protobuf.Timestamp at = 2;
          Page page = 3;
          optional double amount = 4;
          repeated float sizes = 5;
          uint64 wide = 6;
        }
    "#;

    fn click() -> (tempfile::TempDir, MessageDescriptor) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("click.proto");
        std::fs::write(&path, CLICK).unwrap();
        let found = message(&path, None).unwrap();
        (folder, found)
    }

    fn fields(columns: &[(&str, &str)]) -> Vec<Field> {
        let field =
            |(name, ty): &(&str, &str)| Field { name: name.parse().unwrap(), data_type: ty.parse().unwrap() };
        columns.iter().map(field).collect()
    }

    fn encoded(descriptor: &MessageDescriptor) -> Vec<u8> {
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field_by_name("id", Read::I64(42));
        let at = descriptor.get_field_by_name("at").unwrap();
        let mut moment = DynamicMessage::new(at.kind().as_message().unwrap().clone());
        moment.set_field_by_name("seconds", Read::I64(1));
        moment.set_field_by_name("nanos", Read::I32(1_999));
        message.set_field_by_name("at", Read::Message(moment));
        message.set_field_by_name("page", Read::EnumNumber(1));
        message.set_field_by_name("sizes", Read::List(vec![Read::F32(0.5)]));
        message.encode_to_vec()
    }

    #[test]
    fn columns_are_found_by_name_and_an_absent_one_is_null() {
        let (_folder, descriptor) = click();
        let columns = fields(&[
            ("at", "timestamp"),
            ("id", "int64"),
            ("page", "string"),
            ("amount", "float64"),
            ("sizes", "list<float32>"),
            ("missing", "int32"),
        ]);
        let values = decode(&descriptor, &columns, &[], &encoded(&descriptor)).unwrap();
        let sizes = Value::List(vec![Value::Float32(0.5)].into());
        let at = Value::Timestamp(Micros::new(1_000_001).unwrap());
        let expected = [at, Value::Int64(42), Value::String("CART".into()), Value::Null, sizes, Value::Null];
        assert_eq!(values, expected);
    }

    #[test]
    fn what_is_no_such_message_is_refused() {
        let (folder, descriptor) = click();
        assert!(decode(&descriptor, &fields(&[("id", "int64")]), &[], b"\xff\xff").is_err());
        let wide = decode(&descriptor, &fields(&[("wide", "int64")]), &[], &[]).unwrap().remove(0);
        assert_eq!(wide, Value::Int64(0));
        let unknown = message(&folder.path().join("click.proto"), Some("shop.Clack")).unwrap_err();
        assert!(unknown.contains("shop.Clack"), "{unknown}");
    }

    /// A message with one field.
    fn one(descriptor: &MessageDescriptor, name: &str, value: Read) -> Vec<u8> {
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field_by_name(name, value);
        message.encode_to_vec()
    }

    #[test]
    fn a_number_is_taken_exactly_or_refused_with_its_value() {
        let (_folder, descriptor) = click();
        let read = |name: &str, data_type: &str, value: Read| {
            let values =
                decode(&descriptor, &fields(&[(name, data_type)]), &[], &one(&descriptor, name, value))?;
            Ok::<_, String>(values[0].clone())
        };
        assert_eq!(read("wide", "int64", Read::U64(7)), Ok(Value::Int64(7)));
        assert_eq!(read("id", "int32", Read::I64(-7)), Ok(Value::Int32(-7)));
        assert_eq!(read("amount", "int64", Read::F64(3.0)), Ok(Value::Int64(3)));
        for (name, data_type, value, shown) in [
            ("wide", "int64", Read::U64(u64::MAX), "18446744073709551615"),
            ("id", "int32", Read::I64(2_147_483_648), "2147483648"),
            ("id", "float64", Read::I64((1 << 53) + 1), "9007199254740993"),
            ("amount", "float32", Read::F64(0.5), "0.5"),
            ("amount", "int64", Read::F64(1e300), "1000"),
            ("id", "bool", Read::I64(1), "1"),
        ] {
            let problem = read(name, data_type, value).unwrap_err();
            assert!(problem.contains(&format!("`{name}` is {data_type}, and {shown}")), "{problem}");
        }
    }

    #[test]
    fn all_columns_that_do_not_fit_are_named() {
        let (_folder, descriptor) = click();
        let columns = fields(&[("id", "bool"), ("at", "timestamp"), ("sizes", "string"), ("page", "int32")]);
        let said = decode(&descriptor, &columns, &[], &encoded(&descriptor)).unwrap_err();
        let [first, second] = said.split("; ").collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert!(first.starts_with("the column `id` is bool, and 42 is not"), "{said}");
        assert!(second.starts_with("the column `sizes` is string, and a list of 1 items is not"), "{said}");
    }

    #[test]
    fn a_moment_is_cut_towards_minus_infinity_and_one_that_cannot_be_is_refused() {
        let (_folder, descriptor) = click();
        let at = |seconds: i64, nanos: i32| {
            let kind = descriptor.get_field_by_name("at").unwrap().kind();
            let mut moment = DynamicMessage::new(kind.as_message().unwrap().clone());
            moment.set_field_by_name("seconds", Read::I64(seconds));
            moment.set_field_by_name("nanos", Read::I32(nanos));
            let bytes = one(&descriptor, "at", Read::Message(moment));
            let values = decode(&descriptor, &fields(&[("at", "timestamp")]), &[], &bytes)?;
            Ok::<_, String>(values[0].to_string())
        };
        assert_eq!(at(-1, 999_999_999).unwrap(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(at(-62_135_596_800, 0).unwrap(), "0001-01-01T00:00:00Z");
        for (seconds, nanos) in
            [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (-62_135_596_801, 0), (253_402_300_800, 0)]
        {
            let problem = at(seconds, nanos).unwrap_err();
            assert!(problem.contains("`at` is timestamp") && problem.contains("9999"), "{problem}");
        }
    }
}
