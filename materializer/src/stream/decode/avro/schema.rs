//! A writer's schema, parsed once: its record's fields, with all names resolved.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

/// A record's schema.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    /// All records in it.
    records: Vec<Vec<(String, Type)>>,
    /// The index of the message among them.
    message: usize,
}

/// A type, its names resolved.
#[derive(Clone, Debug)]
pub(super) enum Type {
    Null,
    Bool,
    /// `int` and `long`.
    Int(Logical),
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    /// Bytes, of this many where it is fixed, that are a decimal of this scale.
    Decimal(Option<usize>, u32),
    /// Its symbols, which are shared by all types that name it.
    Enum(Arc<[String]>),
    Union(Vec<Type>),
    Array(Box<Type>),
    Map(Box<Type>),
    /// The record at this index.
    Record(usize),
}

/// What an integer stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Logical {
    None,
    Days,
    Millis,
    Micros,
    Nanos,
}

impl Schema {
    /// The schema of a record; else what is wrong with it, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::parse_last([text].into_iter())
    }

    /// The schema of the last text, which may name types of the others before it.
    pub(crate) fn parse_last<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut parser = Parser::default();
        let mut last = Type::Null;
        for text in texts {
            let json: Json = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
            last = parser.parsed(&json, "")?;
        }
        match last {
            Type::Record(message) => Ok(Self { records: parser.records, message }),
            _ => Err("it is no schema of a record".to_owned()),
        }
    }

    /// The fields of the message, in their order.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.records
            .get(self.message)
            .into_iter()
            .flatten()
            .map(|(name, data_type)| (name.as_str(), data_type))
    }

    pub(super) fn record(&self, index: usize) -> Option<&[(String, Type)]> {
        self.records.get(index).map(Vec::as_slice)
    }
}

#[derive(Default)]
struct Parser {
    records: Vec<Vec<(String, Type)>>,
    named: HashMap<String, Type>,
}

impl Parser {
    fn parsed(&mut self, json: &Json, namespace: &str) -> Result<Type, String> {
        match json {
            Json::String(name) => self.named_type(name, namespace),
            Json::Array(types) => {
                let types: Result<_, String> = types.iter().map(|one| self.parsed(one, namespace)).collect();
                Ok(Type::Union(types?))
            }
            Json::Object(object) => self.complex(object, namespace),
            other => Err(format!("{other} is no type")),
        }
    }

    fn named_type(&self, name: &str, namespace: &str) -> Result<Type, String> {
        Ok(match name {
            "null" => Type::Null,
            "boolean" => Type::Bool,
            "int" | "long" => Type::Int(Logical::None),
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::Text,
            name => {
                let found = self.named.get(&full_name(name, namespace)).or_else(|| self.named.get(name));
                found.cloned().ok_or_else(|| format!("`{name}` is no type"))?
            }
        })
    }

    fn complex(&mut self, object: &Map<String, Json>, outer: &str) -> Result<Type, String> {
        let text = |key: &str| object.get(key).and_then(Json::as_str);
        let missing = |key: &str| format!("a type has no `{key}`");
        let kind = object.get("type").ok_or_else(|| missing("type"))?;
        let Some(kind) = kind.as_str() else { return self.parsed(kind, outer) };
        let name = |object: &Map<String, Json>| {
            let name = object.get("name").and_then(Json::as_str).ok_or_else(|| missing("name"))?;
            let namespace = text("namespace").unwrap_or(outer);
            Ok::<_, String>(full_name(name, namespace))
        };
        Ok(match kind {
            "record" | "error" => {
                let name = name(object)?;
                let index = self.records.len();
                self.records.push(Vec::new());
                self.named.insert(name.clone(), Type::Record(index));
                let namespace = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
                let fields =
                    object.get("fields").and_then(Json::as_array).ok_or_else(|| missing("fields"))?;
                let mut read = Vec::with_capacity(fields.len());
                for field in fields {
                    let name = field.get("name").and_then(Json::as_str).ok_or_else(|| missing("name"))?;
                    let data_type = field.get("type").ok_or_else(|| missing("type"))?;
                    read.push((name.to_owned(), self.parsed(data_type, &namespace)?));
                }
                if let Some(record) = self.records.get_mut(index) {
                    *record = read;
                }
                Type::Record(index)
            }
            "enum" => {
                let symbols =
                    object.get("symbols").and_then(Json::as_array).ok_or_else(|| missing("symbols"))?;
                let symbols = symbols.iter().filter_map(Json::as_str).map(str::to_owned).collect();
                self.named.insert(name(object)?, Type::Enum(symbols));
                self.named_type(&name(object)?, "")?
            }
            "fixed" => {
                let size = object.get("size").and_then(Json::as_u64).ok_or_else(|| missing("size"))? as usize;
                let fixed = match text("logicalType") {
                    Some("decimal") => Type::Decimal(Some(size), scale(object)),
                    _ => Type::Fixed(size),
                };
                self.named.insert(name(object)?, fixed);
                self.named_type(&name(object)?, "")?
            }
            "array" => {
                let items = object.get("items").ok_or_else(|| missing("items"))?;
                Type::Array(Box::new(self.parsed(items, outer)?))
            }
            "map" => {
                let values = object.get("values").ok_or_else(|| missing("values"))?;
                Type::Map(Box::new(self.parsed(values, outer)?))
            }
            primitive => match (self.named_type(primitive, outer)?, text("logicalType")) {
                // A local time has no zone, and is read as UTC, as everywhere.
                (Type::Int(_), Some(logical)) => Type::Int(match logical {
                    "date" => Logical::Days,
                    "timestamp-millis" | "local-timestamp-millis" => Logical::Millis,
                    "timestamp-micros" | "local-timestamp-micros" => Logical::Micros,
                    "timestamp-nanos" | "local-timestamp-nanos" => Logical::Nanos,
                    _ => Logical::None,
                }),
                (Type::Bytes, Some("decimal")) => Type::Decimal(None, scale(object)),
                (plain, _) => plain,
            },
        })
    }
}

/// Digits of a decimal behind its point.
fn scale(object: &Map<String, Json>) -> u32 {
    object.get("scale").and_then(Json::as_u64).map_or(0, |scale| u32::try_from(scale).unwrap_or(u32::MAX))
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}
