//! Records and schemas of others, as functions of any bytes. What is fixed here are the columns and, of records, their
//! schema; each column is of another type, and is found in the record.
#![expect(clippy::unwrap_used, reason = "what is wrong here ends the program that looks for it")]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use feature::Field;
use prost_reflect::FileDescriptor;

use super::framed::{Framed, Kind, Known};
use super::{Decoder, Format, avro, protobuf};
use crate::schema_registry::SchemaRegistry;

/// What stands between a schema and a record of it.
const BETWEEN: &[u8] = b"\n====\n";

/// The id of the schema in the frames of the seeds.
const SCHEMA_ID: u32 = 7;

const AVRO: &str = include_str!("fuzzed.avsc");
const PROTOBUF: &str = include_str!("fuzzed.proto");

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let columns = [
        ("flag", "bool"),
        ("small", "int32"),
        ("large", "int64"),
        ("single", "float32"),
        ("amount", "float64"),
        ("text", "string"),
        ("raw", "bytes"),
        ("at", "timestamp"),
        ("sizes", "list<float32>"),
        ("pair", "list<int64>[2]"),
        ("kind", "string"),
        ("price", "float64"),
    ];
    let field = |(name, data_type): (&str, &str)| Field {
        name: name.parse().unwrap(),
        data_type: data_type.parse().unwrap(),
    };
    columns.map(field).into()
});

static AVRO_SCHEMA: LazyLock<avro::Schema> = LazyLock::new(|| avro::Schema::parse(AVRO).unwrap());
static PROTOBUF_FILE: LazyLock<FileDescriptor> = LazyLock::new(|| protobuf::file(PROTOBUF, &[]).unwrap());
static REGISTRY: LazyLock<Arc<SchemaRegistry>> =
    LazyLock::new(|| Arc::new(SchemaRegistry::at("http://schemas.invalid").unwrap()));

/// A JSON object.
pub(crate) fn json_record(data: &[u8]) -> bool {
    decoded(Format::Json, data)
}

/// A record of Avro.
pub(crate) fn avro_record(data: &[u8]) -> bool {
    avro::decode(&AVRO_SCHEMA, &FIELDS, &[], data).is_ok()
}

/// The text of a schema of Avro, and a record of it.
pub(crate) fn avro_schema(data: &[u8]) -> bool {
    let (text, record) = parted(data);
    avro::Schema::parse(&text).is_ok_and(|schema| avro::decode(&schema, &FIELDS, &[], record).is_ok())
}

/// A record of Avro in the frame of a schema registry.
pub(crate) fn avro_framed(data: &[u8]) -> bool {
    framed(Kind::Avro, Known::Avro(AVRO_SCHEMA.clone()), data)
}

/// A message of protobuf.
pub(crate) fn protobuf_record(data: &[u8]) -> bool {
    let message = PROTOBUF_FILE.messages().next().unwrap();
    protobuf::decode(&message, &FIELDS, &[], data).is_ok()
}

/// The text of a file of protobuf, and a message of its first type.
pub(crate) fn protobuf_schema(data: &[u8]) -> bool {
    let (text, record) = parted(data);
    let Ok(file) = protobuf::file(&text, &[]) else { return false };
    file.messages().next().is_some_and(|message| protobuf::decode(&message, &FIELDS, &[], record).is_ok())
}

/// A message of protobuf in the frame of a schema registry, with the path to its type.
pub(crate) fn protobuf_framed(data: &[u8]) -> bool {
    framed(Kind::Protobuf, Known::Protobuf(PROTOBUF_FILE.clone()), data)
}

fn framed(kind: Kind, known: Known, data: &[u8]) -> bool {
    let schemas = HashMap::from([(SCHEMA_ID, known)]);
    decoded(Format::Framed(Framed { registry: REGISTRY.clone(), kind, schemas }), data)
}

fn decoded(format: Format, data: &[u8]) -> bool {
    Decoder { fields: FIELDS.clone(), names: Vec::new(), format }.decode(data).is_ok()
}

fn parted(data: &[u8]) -> (String, &[u8]) {
    let at = data.windows(BETWEEN.len()).position(|part| part == BETWEEN).unwrap_or(data.len());
    let (text, rest) = data.split_at(at);
    (String::from_utf8_lossy(text).into_owned(), rest.get(BETWEEN.len()..).unwrap_or_default())
}
