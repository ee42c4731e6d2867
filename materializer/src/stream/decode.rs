//! The bytes of a record decoded into one value for each column that a view reads. Every format gives the same
//! values for the same facts.

mod avro;
mod decode_error;
mod framed;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod key;
mod protobuf;

use std::path::Path;
use std::sync::Arc;

use feature::{Field, Stream, StreamFormat, Value};
use prost_reflect::MessageDescriptor;

use crate::error::MaterializerError;
use crate::rows::json_object;
use crate::schema_registry::SchemaRegistry;
pub(crate) use decode_error::DecodeError;
use framed::{Framed, Kind};
pub(crate) use key::tombstone_key;

/// The largest file of a schema, in bytes.
const MOST_SCHEMA_BYTES: u64 = 8 << 20;

/// The longest value of a record, in bytes, as in a topic on disk. What it is decoded into takes many times as much.
const MOST_VALUE_BYTES: usize = 8 << 20;

/// Reads records of one format.
#[derive(Debug)]
pub(crate) struct Decoder {
    fields: Vec<Field>,
    /// The name of each in the records.
    names: Vec<String>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Json,
    Avro(avro::Schema),
    Protobuf(MessageDescriptor),
    Framed(Framed),
}

impl Decoder {
    /// A decoder of these columns of a stream. The path of its schema is resolved from the project's folder; if it
    /// names none, schemas come from the registry. The error says what is wrong with the schema.
    pub(crate) fn new(
        stream: &Stream,
        fields: &[Field],
        names: Vec<String>,
        project: &Path,
        registry: Option<&Arc<SchemaRegistry>>,
    ) -> Result<Self, String> {
        let path = |schema: &Option<String>| match schema {
            Some(path) => Ok(project.join(path)),
            None => Err("it names no `schema`: name the file that says what its values are, or set \
                         `stream.schema_registry`"
                .to_owned()),
        };
        let framed = match stream.format {
            StreamFormat::Json => None,
            StreamFormat::Avro => Some(Kind::Avro),
            StreamFormat::Protobuf => Some(Kind::Protobuf),
        };
        if let (Some(kind), Some(registry), None) = (framed, registry, &stream.schema) {
            let format = Format::Framed(Framed::new(registry, kind));
            return Ok(Self { fields: fields.to_vec(), names, format });
        }
        let format = match stream.format {
            StreamFormat::Json => Format::Json,
            StreamFormat::Avro => {
                let path = path(&stream.schema)?;
                let at_path = |error: String| format!("{}: {error}", path.display());
                let text =
                    files::read_text(&path, MOST_SCHEMA_BYTES).map_err(|error| at_path(error.to_string()))?;
                Format::Avro(avro::Schema::parse(&text).map_err(at_path)?)
            }
            StreamFormat::Protobuf => {
                let path = path(&stream.schema)?;
                let message = protobuf::message(&path, stream.message.as_deref());
                Format::Protobuf(message.map_err(|error| format!("{}: {error}", path.display()))?)
            }
        };
        Ok(Self { fields: fields.to_vec(), names, format })
    }

    /// The columns, in the order of the values.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Fetches the schemas that these values need.
    pub(crate) async fn prepare<'a>(
        &mut self,
        values: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), MaterializerError> {
        match &mut self.format {
            Format::Framed(framed) => framed.prepare(values).await,
            Format::Json | Format::Avro(_) | Format::Protobuf(_) => Ok(()),
        }
    }

    /// One value for each column of a record that was prepared; a column that the record lacks is null.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, DecodeError> {
        if bytes.len() > MOST_VALUE_BYTES {
            let why =
                format!("its value has {} bytes, and a record may have {MOST_VALUE_BYTES}", bytes.len());
            return Err(DecodeError::undecodable(why));
        }
        let decoded = match &self.format {
            // No text begins with a zero: it is the frame of a schema registry, whose schema adds nothing.
            Format::Json => json_object::decode(
                &self.fields,
                &self.names,
                framed::unframed(bytes).map_or(bytes, |(_, rest)| rest),
            ),
            Format::Avro(schema) => avro::decode(schema, &self.fields, &self.names, bytes),
            Format::Protobuf(message) => protobuf::decode(message, &self.fields, &self.names, bytes),
            Format::Framed(framed) => return framed.decode(&self.fields, &self.names, bytes),
        };
        decoded.map_err(DecodeError::undecodable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_longer_than_a_record_may_be_is_refused_and_not_read() {
        let fields = [Field { name: "x".parse().unwrap(), data_type: feature::Scalar::Int32.into() }];
        let decoder = Decoder { fields: fields.into(), names: Vec::new(), format: Format::Json };
        let mut value = b"{\"x\": 1}".to_vec();
        value.resize(MOST_VALUE_BYTES, b' ');
        assert_eq!(decoder.decode(&value), Ok(vec![Value::Int32(1)]));
        value.push(b' ');
        let refused = decoder.decode(&value).unwrap_err();
        assert!(refused.detail.contains("8388609 bytes"), "{refused:?}");
    }
}
