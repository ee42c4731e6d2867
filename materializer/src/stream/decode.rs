//! What the bytes of a record say: one value for each column that a view reads, or why they say
//! nothing. Each format gives the same values for the same facts.

mod avro;
mod json;
mod key;
mod protobuf;
mod text;

use std::path::Path;

use feature::{Field, Stream, StreamFormat, Value};
use prost_reflect::MessageDescriptor;

pub(crate) use key::tombstone_key;

/// Reads records of one format.
#[derive(Debug)]
pub(crate) struct Decoder {
    fields: Vec<Field>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Json,
    Avro(avro::Schema),
    Protobuf(MessageDescriptor),
}

impl Decoder {
    /// A decoder of these columns of a stream; its schema's path is taken from the project's folder.
    /// Else what is wrong with the schema, in words.
    pub(crate) fn new(stream: &Stream, fields: &[Field], project: &Path) -> Result<Self, String> {
        let path = |schema: &Option<String>| match schema {
            Some(path) => Ok(project.join(path)),
            None => Err("it names no `schema`: name the file that says what its values are".to_owned()),
        };
        let format = match stream.format {
            StreamFormat::Json => Format::Json,
            StreamFormat::Avro => {
                let path = path(&stream.schema)?;
                let said = |error: String| format!("{}: {error}", path.display());
                let text = std::fs::read_to_string(&path).map_err(|error| said(error.to_string()))?;
                Format::Avro(avro::Schema::parse(&text).map_err(said)?)
            }
            StreamFormat::Protobuf => {
                let path = path(&stream.schema)?;
                let message = protobuf::message(&path, stream.message.as_deref());
                Format::Protobuf(message.map_err(|error| format!("{}: {error}", path.display()))?)
            }
        };
        Ok(Self { fields: fields.to_vec(), format })
    }

    /// The columns, in the order of the values.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// One value for each column; a column that the record lacks is null. Else what is wrong with the
    /// record, in words.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, String> {
        match &self.format {
            Format::Json => json::decode(&self.fields, bytes),
            Format::Avro(schema) => avro::decode(schema, &self.fields, bytes),
            Format::Protobuf(message) => protobuf::decode(message, &self.fields, bytes),
        }
    }
}
